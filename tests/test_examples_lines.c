/* The examples that speak in lines, chat and reconnect, with plain sockets, python3 and socat at the other end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHAT BIDE_EXAMPLES "/chat"
#define RECONNECT BIDE_EXAMPLES "/reconnect"

static char folder[64], path[96], address[128];

/* A temporary folder, and the path of a socket in it. */
static void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/bide-lines-XXXXXX");
    cr_assert_not_null(mkdtemp(folder), "%s: %s", folder, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/socket", folder);
    (void)snprintf(address, sizeof address, "unix:%s", path);
}

static void remove_folder(void)
{
    cr_assert_eq(rmdir(folder), 0, "%s: %s", folder, strerror(errno));
}

TestSuite(lines, .init = make_folder, .fini = remove_folder, .timeout = 60);

/* --- lines ---------------------------------------------------------------------------------------------- */

/* Reads up to and with the next '\n', or less: what is behind that is not ours yet. */
static ssize_t read_some(int fd, char *place, size_t room)
{
    ssize_t count = recv(fd, place, room, MSG_PEEK);
    if (count < 0 && errno == ENOTSOCK) return read(fd, place, 1);
    if (count <= 0) return count;
    const char *end = memchr(place, '\n', (size_t)count);
    return read(fd, place, end ? (size_t)(end - place) + 1 : (size_t)count);
}

/* The next line, without its end; "" at the end. */
static const char *hear(int fd)
{
    static char line[2048];
    size_t length = 0;
    while (length < sizeof line - 1) {
        cr_assert(readable(fd, PATIENCE), "nothing came after \"%.*s\"", (int)length, line);
        ssize_t count = read_some(fd, line + length, sizeof line - 1 - length);
        if (count <= 0) break;
        length += (size_t)count;
        if (line[length - 1] == '\n') {
            length--;
            break;
        }
    }
    line[length] = '\0';
    return line;
}

static void expect(int fd, const char *expected)
{
    const char *line = hear(fd);
    cr_assert_str_eq(line, expected, "\"%s\" instead of \"%s\"", line, expected);
}

/* By write: the other end may be a pipe. */
static void tell(int fd, const char *text)
{
    size_t length = strlen(text);
    ssize_t count = write(fd, text, length);
    cr_assert_eq(count, (ssize_t)length, "write: %s", strerror(errno));
}

/* A program with pipes to its standard input and from its output. */
struct child {
    pid_t process;
    int in, out;
};

static void start(struct child *child, const char *const *argv)
{
    int in[2], out[2];
    cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    child->process = fork();
    if (child->process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    child->in = in[1];
    child->out = out[0];
}

#define START_CHILD(child, ...) start(child, (const char *const[]){__VA_ARGS__, NULL})

static void expect_end(struct child *child, int status)
{
    if (child->in >= 0) (void)close(child->in);
    int code = exit_code(child->process);
    cr_assert_eq(code, status, "exit code %d", code);
    (void)close(child->out);
}

static void interrupt(struct child *child)
{
    (void)kill(child->process, SIGTERM);
    expect_end(child, 0);
}

static bool is_installed(const char *program)
{
    char command[64];
    (void)snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0; /* NOLINT(cert-env33-c): a fixed name */
}

/* --- chat ----------------------------------------------------------------------------------------------- */

/* A client that has said its name and was welcomed. */
static int guest(const struct place *place, const char *name)
{
    char text[64];
    int fd = connected(place);
    expect(fd, "* your name, please");
    (void)snprintf(text, sizeof text, "%s\n", name);
    tell(fd, text);
    (void)snprintf(text, sizeof text, "* welcome, %s", name);
    expect(fd, text);
    return fd;
}

Test(lines, chat_passes_each_line_on_to_all_others_and_tells_who_comes_and_goes)
{
    struct server server;
    START(&server, CHAT, "--listen", "127.0.0.1:0");
    int ann = guest(&server.place, "ann");
    int bob = guest(&server.place, "bob");
    expect(ann, "* bob has come");
    int cid = guest(&server.place, "cid");
    expect(ann, "* cid has come");
    expect(bob, "* cid has come");
    tell(ann, "hello\r\nall\x1b[2J of you\n");
    expect(bob, "ann: hello");
    expect(bob, "ann: all?[2J of you");
    expect(cid, "ann: hello");
    expect(cid, "ann: all?[2J of you");
    tell(bob, "not yet whole");
    tell(cid, "meanwhile\n");
    expect(ann, "cid: meanwhile");
    expect(bob, "cid: meanwhile");
    tell(bob, ", now it is\n");
    expect(ann, "bob: not yet whole, now it is");
    expect(cid, "bob: not yet whole, now it is");
    (void)close(bob);
    expect(ann, "* bob has left");
    /* The last line counts also without an end. */
    tell(cid, "bye");
    (void)shutdown(cid, SHUT_WR);
    expect(ann, "cid: bye");
    expect(ann, "* cid has left");
    expect(cid, "* bob has left");
    cr_assert(ends(cid), "the connection is open still");
    (void)close(cid);
    (void)close(ann);
    stop(&server);
}

Test(lines, chat_wants_a_name_that_is_one_and_is_free)
{
    struct server server;
    START(&server, CHAT, "--listen", "127.0.0.1:0");
    int ann = guest(&server.place, "ann"), other = connected(&server.place);
    expect(other, "* your name, please");
    static const char *const bad[] = {"\n", "two words\n", "*star\n", "abcdefghijklmnopqrstuvwxyz\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tell(other, bad[i]);
        assert_has(hear(other), "* a name has 1 to 24");
    }
    tell(other, "ann\n");
    assert_has(hear(other), "that name is taken");
    tell(other, "bob\n");
    expect(other, "* welcome, bob");
    expect(ann, "* bob has come");
    /* A line too long is left out to its end. */
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    tell(other, text);
    tell(other, "the end of it\nshort\n");
    expect(other, "* a line that is too long is left out");
    expect(ann, "bob: short");
    (void)close(other);
    (void)close(ann);
    stop(&server);
}

Test(lines, chat_drops_who_does_not_read_with_a_notice_and_goes_on_with_the_others)
{
    struct server server;
    START(&server, CHAT, "--listen", "127.0.0.1:0", "--patience", "1h");
    int ann = guest(&server.place, "ann"), cid = guest(&server.place, "cid");
    expect(ann, "* cid has come");
    /* A small window, so that less has to be said. */
    int slow = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 4096;
    (void)setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    cr_assert_eq(connect(slow, (struct sockaddr *)&server.place.address, sizeof server.place.address), 0);
    tell(slow, "slow\n");
    expect(ann, "* slow has come");
    expect(cid, "* slow has come");
    char text[1001];
    memset(text, 'x', sizeof text);
    text[sizeof text - 2] = '\n';
    text[sizeof text - 1] = '\0';
    long said = 0;
    for (;; said++) {
        cr_assert_lt(said, 100000L, "nobody is dropped");
        tell(ann, text);
        const char *line = hear(cid);
        if (*line == '*') {
            cr_assert_str_eq(line, "* slow was too slow and is dropped", "\"%s\"", line);
            break;
        }
    }
    expect(ann, "* slow was too slow and is dropped");
    assert_has(hear(cid), "ann: xxx");
    /* What had been queued for it comes, and at the end the reason. */
    expect(slow, "* your name, please");
    expect(slow, "* welcome, slow");
    long heard = 0;
    char last[64] = "";
    for (const char *line; *(line = hear(slow)); heard++)
        (void)snprintf(last, sizeof last, "%s", line);
    cr_assert_str_eq(last, "* you read too slowly: good bye", "\"%s\"", last);
    cr_assert(heard > 1 && heard <= said + 1, "%ld of %ld lines", heard, said);
    (void)close(slow);
    (void)close(ann);
    (void)close(cid);
    stop(&server);
}

Test(lines, chat_drops_who_does_not_read_at_all_when_its_patience_is_over)
{
    struct server server;
    START(&server, CHAT, "--listen", "127.0.0.1:0", "--patience", "50ms");
    int ann = guest(&server.place, "ann"), slow = guest(&server.place, "slow");
    expect(ann, "* slow has come");
    (void)kill(server.process, SIGTERM);
    expect(ann, "* the server stops: good bye");
    cr_assert(ends(ann), "the connection is open still");
    assert_stops(&server);
    expect(slow, "* the server stops: good bye");
    (void)close(slow);
    (void)close(ann);
}

Test(lines, chat_serves_a_python_client_over_a_unix_socket_and_takes_over_a_stale_one)
{
    if (!is_installed("python3")) BIDE_SKIP("no python3 here");
    /* What a server that was killed leaves behind. */
    struct child server, client;
    START_CHILD(&server, CHAT, "--listen", address);
    expect(server.out, address);
    (void)kill(server.process, SIGKILL);
    expect_end(&server, -1);
    START_CHILD(&server, CHAT, "--listen", address);
    expect(server.out, address);
    static const char script[] = "import socket, sys\n"
                                 "s = socket.socket(socket.AF_UNIX)\n"
                                 "s.connect(sys.argv[1])\n"
                                 "f = s.makefile('rw')\n"
                                 "f.write('python\\n'); f.flush()\n"
                                 "for line in f:\n"
                                 "    sys.stdout.write(line); sys.stdout.flush()\n"
                                 "    if line.startswith('ann: '):\n"
                                 "        f.write('I heard ' + line); f.flush()\n";
    START_CHILD(&client, "python3", "-c", script, path);
    expect(client.out, "* your name, please");
    expect(client.out, "* welcome, python");
    struct child ann;
    START_CHILD(&ann, RECONNECT, address);
    tell(ann.in, "ann\nhello\n");
    expect(ann.out, "* your name, please");
    expect(ann.out, "* welcome, ann");
    expect(client.out, "* ann has come");
    expect(client.out, "ann: hello");
    expect(ann.out, "python: I heard ann: hello");
    /* A second server finds that somebody listens. */
    struct run second;
    RUN(&second, CHAT, "--listen", address);
    assert_status(&second, 1);
    assert_has(second.err, "address already in use");
    interrupt(&ann);
    expect(client.out, "* ann has left");
    interrupt(&server);
    expect(client.out, "* the server stops: good bye");
    expect_end(&client, 0);
}

/* --- reconnect ------------------------------------------------------------------------------------------ */

/* A plain listener at the path. */
static int listen_at_path(void)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    (void)snprintf(where.sun_path, sizeof where.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&where, sizeof where), 0, "%s", strerror(errno));
    cr_assert_eq(listen(fd, 5), 0);
    return fd;
}

static int accept_one(int listener)
{
    cr_assert(readable(listener, PATIENCE), "nobody connects");
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(fd, 0, "%s", strerror(errno));
    return fd;
}

Test(lines, reconnect_survives_restarts_and_keeps_what_is_typed_meanwhile)
{
    struct child client;
    START_CHILD(&client, RECONNECT, address, "--longest", "20ms");
    tell(client.in, "before there was a server\n");
    for (int round = 0; round < 3; round++) {
        int listener = listen_at_path();
        int conn = accept_one(listener);
        if (round == 0) expect(conn, "before there was a server");
        if (round > 0) {
            expect(conn, "typed meanwhile 1");
            expect(conn, "typed meanwhile 2");
        }
        tell(client.in, "to the server\n");
        expect(conn, "to the server");
        tell(conn, "from the server\n");
        expect(client.out, "from the server");
        tell(conn, "an unfinished line");
        (void)close(listener);
        (void)unlink(path);
        (void)close(conn);
        expect(client.out, "an unfinished line");
        /* It has seen the end, and nobody is there. */
        tell(client.in, "typed meanwhile 1\ntyped mean");
        tell(client.in, "while 2\n");
    }
    interrupt(&client);
}

Test(lines, reconnect_ends_with_its_input_when_all_is_sent_and_the_server_has_closed)
{
    int listener = listen_at_path();
    struct child client;
    START_CHILD(&client, RECONNECT, address);
    tell(client.in, "one\nlast line without an end");
    (void)close(client.in);
    client.in = -1;
    int conn = accept_one(listener);
    expect(conn, "one");
    expect(conn, "last line without an end");
    expect(conn, "");
    tell(conn, "an answer\n");
    (void)close(conn);
    expect(client.out, "an answer");
    expect(client.out, "");
    expect_end(&client, 0);
    (void)close(listener);
    (void)unlink(path);
}

Test(lines, reconnect_keeps_no_more_than_it_was_told_to_and_loses_none_of_that)
{
    enum { LINES = 20000 };
    struct child client;
    START_CHILD(&client, RECONNECT, address, "--keep", "1000", "--longest", "20ms");
    /* It stops to read its input when that much waits: the pipe fills. */
    (void)fcntl(client.in, F_SETFL, O_NONBLOCK);
    int typed = 0;
    for (int idle = 0; typed < LINES && idle < 2;) {
        char text[32];
        int length = snprintf(text, sizeof text, "line %d\n", typed);
        struct pollfd entry = {client.in, POLLOUT, 0};
        idle = poll(&entry, 1, 200) == 1 ? 0 : idle + 1;
        if (!idle && write(client.in, text, (size_t)length) == length) typed++;
    }
    cr_assert_lt(typed, LINES, "it takes everything");
    int listener = listen_at_path(), conn = accept_one(listener);
    for (int i = 0; i < typed; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "line %d", i);
        expect(conn, text);
    }
    interrupt(&client);
    (void)close(conn);
    (void)close(listener);
    (void)unlink(path);
}

Test(lines, reconnect_reads_a_file_and_leaves_out_a_line_longer_than_it_keeps)
{
    int listener = listen_at_path();
    char file[96], command[512];
    (void)snprintf(file, sizeof file, "%s/file", folder);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    tell(fd, "short\n");
    for (int i = 0; i < 100; i++)
        tell(fd, "a long line that goes on and on ");
    tell(fd, "and ends\nshort again\n");
    (void)close(fd);
    (void)snprintf(command, sizeof command, "exec %s %s --keep 64 <%s 2>/dev/null", RECONNECT, address, file);
    struct child client;
    START_CHILD(&client, "sh", "-c", command);
    int conn = accept_one(listener);
    expect(conn, "short");
    expect(conn, "short again");
    expect(conn, "");
    (void)close(conn);
    expect_end(&client, 0);
    (void)close(listener);
    (void)unlink(file);
    (void)unlink(path);
}

Test(lines, reconnect_talks_to_socat_over_tcp)
{
    if (!is_installed("socat")) BIDE_SKIP("no socat here");
    struct place place;
    int reserved = bound(&place);
    char listen_text[64];
    (void)snprintf(listen_text, sizeof listen_text, "TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr",
                   ntohs(place.address.sin_port));
    (void)close(reserved);
    struct child client, socat;
    START_CHILD(&client, RECONNECT, place.text, "--longest", "20ms");
    for (int round = 0; round < 2; round++) {
        START_CHILD(&socat, "socat", "-", listen_text);
        tell(client.in, "to socat\n");
        expect(socat.out, "to socat");
        tell(socat.in, "from socat\n");
        expect(client.out, "from socat");
        (void)kill(socat.process, SIGKILL);
        expect_end(&socat, -1);
    }
    interrupt(&client);
}
