/* See test_examples_run.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- programs --- */

/* In the child: the program looks for its leaks when it exits, and does not outlive a test that failed. */
static void become(arguments argv, int in, int out, int err)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setenv("ASAN_OPTIONS", "detect_leaks=1", 1);
    (void)dup2(in, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

int exit_code(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_back(int file, char text[OUTPUT])
{
    ssize_t length = pread(file, text, OUTPUT - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    (void)close(file);
}

void run_with(struct run *r, int in, int out, arguments argv)
{
    int own = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) become(argv, in < 0 ? STDIN_FILENO : in, out < 0 ? own : out, err);
    r->status = exit_code(child);
    read_back(own, r->out);
    read_back(err, r->err);
}

void run_into(struct run *r, int out, arguments argv)
{
    run_with(r, -1, out, argv);
}

void assert_status(const struct run *r, int status)
{
    cr_assert_eq(r->status, status, "exit code %d, not %d\nout: %s\nerr: %s", r->status, status, r->out,
                 r->err);
}

void assert_has(const char *text, const char *part)
{
    cr_assert(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text);
}

void read_line(int fd, char line[LINE])
{
    size_t length = 0;
    do {
        cr_assert_lt(length, (size_t)LINE - 1, "a line has no end");
        cr_assert(readable(fd, PATIENCE), "no line came");
        cr_assert_eq(read(fd, line + length, 1), 1, "the program ended");
    } while (line[length++] != '\n');
    line[length - 1] = '\0';
}

void start_talk(struct talk *talk, arguments argv)
{
    int in[2], out[2];
    cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    talk->process = fork();
    if (talk->process == 0) become(argv, in[0], out[1], STDERR_FILENO);
    (void)close(in[0]);
    (void)close(out[1]);
    talk->in = in[1];
    talk->out = out[0];
}

void say(struct talk *talk, const char *text)
{
    size_t length = strlen(text);
    cr_assert_eq(write(talk->in, text, length), (ssize_t)length, "write: %s", strerror(errno));
}

void assert_says(struct talk *talk, const char *expected)
{
    char line[LINE];
    read_line(talk->out, line);
    cr_assert_str_eq(line, expected, "it says \"%s\", not \"%s\"", line, expected);
}

void assert_talk_ends(struct talk *talk, int status)
{
    int got = exit_code(talk->process);
    cr_assert_eq(got, status, "exit code %d, not %d", got, status);
    if (talk->in >= 0) (void)close(talk->in);
    (void)close(talk->out);
}

void end_input(struct talk *talk)
{
    (void)close(talk->in);
    talk->in = -1;
}

int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- sockets --- */

static void describe(struct place *place)
{
    (void)snprintf(place->text, sizeof place->text, "127.0.0.1:%d", ntohs(place->address.sin_port));
}

static void place_at(struct place *place, int port)
{
    place->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    place->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    describe(place);
}

void place_from(struct place *place, const char *line)
{
    int port;
    cr_assert_eq(sscanf(line, "127.0.0.1:%d", &port), 1, "the line is no address: %s", line);
    place_at(place, port);
    cr_assert_str_eq(line, place->text, "the line is not just the address: %s", line);
}

int bound(struct place *place)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    place_at(place, 0);
    socklen_t length = sizeof place->address;
    cr_assert_eq(bind(fd, (struct sockaddr *)&place->address, length), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&place->address, &length), 0);
    describe(place);
    return fd;
}

int listening(struct place *place, int backlog)
{
    int fd = bound(place);
    cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

int try_connect(const struct place *place)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&place->address, sizeof place->address) == 0) return fd;
    (void)close(fd);
    return -1;
}

int connected(const struct place *place)
{
    int fd = try_connect(place);
    cr_assert_geq(fd, 0, "connecting to %s: %s", place->text, strerror(errno));
    return fd;
}

bool readable(int fd, int within)
{
    struct pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, within) == 1;
}

void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        cr_assert_gt(sent, 0, "send: %s", strerror(errno));
        bytes += sent;
        length -= (size_t)sent;
    }
}

void receive_all(int fd, char *bytes, size_t length)
{
    while (length > 0) {
        cr_assert(readable(fd, PATIENCE), "nothing came, %zu bytes are missing", length);
        ssize_t got = recv(fd, bytes, length, 0);
        cr_assert_gt(got, 0, "recv: %s", got ? strerror(errno) : "end");
        bytes += got;
        length -= (size_t)got;
    }
}

void assert_echoes(int fd, const char *text)
{
    char back[64] = {0};
    send_all(fd, text, strlen(text));
    receive_all(fd, back, strlen(text));
    cr_assert_str_eq(back, text, "%s came back as %s", text, back);
}

bool ends(int fd)
{
    char byte;
    return readable(fd, PATIENCE) && recv(fd, &byte, 1, 0) <= 0;
}

void fill(struct full *full, struct place *place)
{
    full->listener = listening(place, 1);
    full->count = 0;
    for (;;) {
        cr_assert_lt(full->count, sizeof full->fillers / sizeof *full->fillers, "this backlog has no end");
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        full->fillers[full->count++] = fd;
        (void)connect(fd, (struct sockaddr *)&place->address, sizeof place->address);
        struct pollfd entry = {fd, POLLOUT, 0};
        if (poll(&entry, 1, 100) == 0) return;
    }
}

void empty(struct full *full)
{
    while (full->count > 0)
        (void)close(full->fillers[--full->count]);
    (void)close(full->listener);
}

/* --- servers --- */

void start_server(struct server *server, rlim_t descriptors, arguments argv)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    server->process = fork();
    if (server->process == 0) {
        if (descriptors) (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){descriptors, descriptors});
        become(argv, STDIN_FILENO, ends[1], STDERR_FILENO);
    }
    (void)close(ends[1]);
    server->out = ends[0];
    char line[LINE];
    read_line(server->out, line);
    place_from(&server->place, line);
}

void assert_stops(struct server *server)
{
    int status = exit_code(server->process);
    cr_assert_eq(status, 0, "exit code %d", status);
    (void)close(server->out);
}

void stop(struct server *server)
{
    (void)kill(server->process, SIGTERM);
    assert_stops(server);
}
