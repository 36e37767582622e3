/* The examples and the documentation's programs that need somebody at the other end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(servers, .timeout = 60);

/* --- the echo server --- */

/* In both of its forms: one thread with state machines, and a task for each connection. */
static const bool forms[] = {false, true};

/* `descriptors`: how many it may have open; 0: as many as we. */
static void start_echo_with(struct server *server, bool tasks, rlim_t descriptors, const char *option,
                            const char *value)
{
    static const char *const listen = "127.0.0.1:0";
    if (tasks)
        start_server(server, descriptors,
                     (const char *const[]){ECHO_SERVER, "--tasks", "--workers", "2", "--listen", listen,
                                           option, value, NULL});
    else
        start_server(server, descriptors,
                     (const char *const[]){ECHO_SERVER, "--listen", listen, option, value, NULL});
}

static void start_echo(struct server *server, bool tasks, const char *option, const char *value)
{
    start_echo_with(server, tasks, 0, option, value);
}

/* A test of each. */
#define ECHO_TEST(name)                                           \
    static void name(bool tasks);                                 \
    Test(servers, echo_server_##name)                             \
    {                                                             \
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) \
            name(forms[i]);                                       \
    }                                                             \
    static void name(bool tasks)

ECHO_TEST(sends_back_what_each_of_many_clients_sent)
{
    struct server server;
    start_echo(&server, tasks, "--drain", "3s");
    int clients[20];
    for (int i = 0; i < 20; i++)
        clients[i] = connected(&server.place);
    for (int i = 0; i < 20; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "I am client %d", i);
        assert_echoes(clients[i], text);
    }
    for (int i = 0; i < 20; i++)
        (void)close(clients[i]);
    stop(&server);
}

/* Sends without reading until nothing more goes: the server must have stopped to read from us, for it keeps
 * one buffer. Then everything comes back, in pieces. */
ECHO_TEST(does_not_read_from_those_who_do_not_read_and_loses_nothing)
{
    enum { CHUNK = 64 * 1024, FAR_TOO_MUCH = 512 };
    struct server server;
    start_echo(&server, tasks, "--drain", "3s");
    int client = connected(&server.place);
    int other = connected(&server.place);
    char *chunk = malloc(CHUNK);
    cr_assert_not_null(chunk);
    size_t sent = 0;
    for (struct pollfd entry = {client, POLLOUT, 0}; poll(&entry, 1, 300) == 1;) {
        for (size_t i = 0; i < CHUNK; i++)
            chunk[i] = (char)((sent + i) % 251);
        ssize_t count = send(client, chunk, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
        cr_assert_gt(count, 0, "send: %s", strerror(errno));
        sent += (size_t)count;
        cr_assert_lt(sent, (size_t)FAR_TOO_MUCH * 1024 * 1024, "the server takes everything");
    }
    assert_echoes(other, "meanwhile the others are served");
    for (size_t got = 0; got < sent;) {
        size_t length = sent - got < CHUNK ? sent - got : CHUNK;
        receive_all(client, chunk, length);
        for (size_t i = 0; i < length; i++)
            cr_assert_eq(chunk[i], (char)((got + i) % 251), "byte %zu of %zu is wrong", got + i, sent);
        got += length;
    }
    free(chunk);
    (void)close(client);
    (void)close(other);
    stop(&server);
}

ECHO_TEST(on_sigterm_accepts_no_more_and_serves_who_is_connected_until_they_leave)
{
    struct server server;
    start_echo(&server, tasks, "--drain", "1h");
    int client = connected(&server.place);
    assert_echoes(client, "before");
    (void)kill(server.process, SIGTERM);
    /* The listener is gone a moment later. */
    int64_t began = now_ms();
    for (int fd; (fd = try_connect(&server.place)) >= 0;) {
        (void)close(fd);
        cr_assert_lt(now_ms() - began, PATIENCE, "it still listens");
    }
    assert_echoes(client, "while it drains");
    (void)close(client);
    assert_stops(&server);
}

ECHO_TEST(drains_until_its_deadline_and_exits_with_0)
{
    struct server server;
    start_echo(&server, tasks, "--drain", "100ms");
    int client = connected(&server.place);
    assert_echoes(client, "I will stay");
    stop(&server);
    cr_assert(ends(client), "the connection is open still");
    (void)close(client);
}

ECHO_TEST(exits_at_once_on_sigint_without_clients_and_on_a_second_signal_with_them)
{
    struct server server;
    start_echo(&server, tasks, "--drain", "1h");
    (void)kill(server.process, SIGINT);
    assert_stops(&server);

    start_echo(&server, tasks, "--drain", "1h");
    int client = connected(&server.place);
    assert_echoes(client, "I will stay");
    (void)kill(server.process, SIGINT);
    for (int fd; (fd = try_connect(&server.place)) >= 0;)
        (void)close(fd);
    (void)kill(server.process, SIGTERM);
    assert_stops(&server);
    (void)close(client);
}

ECHO_TEST(survives_running_out_of_descriptors)
{
    enum { CLIENTS = 40, FEW = 16 };
    struct server server;
    start_echo_with(&server, tasks, FEW, "--drain", "3s");
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = connected(&server.place);
    /* Who has got in is served, the others once there is room. */
    assert_echoes(clients[0], "the first");
    send_all(clients[CLIENTS - 1], "x", 1);
    cr_assert(!readable(clients[CLIENTS - 1], 50), "there was room for all");
    for (int i = 0; i < CLIENTS - 1; i++) {
        assert_echoes(clients[i], "served in turn");
        (void)close(clients[i]);
    }
    char byte = 0;
    receive_all(clients[CLIENTS - 1], &byte, 1);
    cr_assert_eq(byte, 'x');
    (void)close(clients[CLIENTS - 1]);
    stop(&server);
}

ECHO_TEST(serves_no_more_at_once_than_it_was_told_to)
{
    struct server server;
    start_echo(&server, tasks, "--connections", "2");
    int first = connected(&server.place);
    int second = connected(&server.place);
    int third = connected(&server.place);
    assert_echoes(first, "one");
    assert_echoes(second, "two");
    send_all(third, "three", 5);
    cr_assert(!readable(third, 50), "a third one is served");
    (void)close(first);
    char back[6] = {0};
    receive_all(third, back, 5);
    cr_assert_str_eq(back, "three");
    (void)close(second);
    (void)close(third);
    stop(&server);
}

Test(servers, echo_server_says_why_it_cannot_listen_and_exits_with_1)
{
    struct place place;
    int taken = listening(&place, 8);
    struct run r;
    RUN(&r, ECHO_SERVER, "--listen", place.text);
    assert_status(&r, 1);
    assert_has(r.err, place.text);
    assert_has(r.err, "address already in use");
    cr_assert_str_eq(r.out, "", "unexpected: %s", r.out);
    (void)close(taken);
}

/* --- programs of the documentation --- */

/* Runs the program of the README against a server that has `says` to say and then does nothing more. */
static void run_banner(struct run *r, const char *says)
{
    struct place place;
    int listener = listening(&place, 8);
    pid_t child = fork();
    if (child == 0) {
        int client = accept(listener, NULL, NULL);
        send_all(client, says, strlen(says));
        (void)pause();
        _exit(0);
    }
    RUN(r, BANNER, place.text);
    (void)kill(child, SIGKILL);
    (void)exit_code(child);
    (void)close(listener);
}

Test(documentation, the_program_of_the_readme_prints_what_a_server_says_first, .timeout = 60)
{
    struct run r;
    run_banner(&r, "220 ready\r\n");
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, "220 ready\r\n", "printed: %s", r.out);
}

Test(documentation, the_program_of_the_readme_gives_up_on_silence_at_its_deadline, .timeout = 60)
{
    struct run r;
    int64_t began = now_ms();
    run_banner(&r, "");
    assert_status(&r, 1);
    assert_has(r.err, "reading: timed out");
    cr_assert_geq(now_ms() - began, 2000, "over after %d ms", (int)(now_ms() - began));
}

Test(documentation, the_program_of_the_readme_tells_what_went_wrong, .timeout = 60)
{
    struct place place;
    int closed = bound(&place);
    struct run r;
    RUN(&r, BANNER, place.text);
    assert_status(&r, 1);
    assert_has(r.err, "connecting: connection refused");
    (void)close(closed);
    RUN(&r, BANNER);
    assert_status(&r, 1);
    assert_has(r.err, "malformed address");
}

Test(documentation, the_server_of_the_guide_sends_ten_lines_to_each_client_and_ends_on_sigterm, .timeout = 60)
{
    static const char all[] =
        "tick 1\ntick 2\ntick 3\ntick 4\ntick 5\ntick 6\ntick 7\ntick 8\ntick 9\ntick 10\n";
    enum { CLIENTS = 70 }; /* more than it has places */
    struct server server;
    START(&server, TICKER, "127.0.0.1:0");
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = connected(&server.place);
    for (int i = 0; i < CLIENTS; i++) {
        char text[sizeof all] = {0};
        receive_all(clients[i], text, sizeof all - 1);
        cr_assert_str_eq(text, all, "client %d got %s", i, text);
        cr_assert(ends(clients[i]), "client %d is not dismissed", i);
        (void)close(clients[i]);
    }
    stop(&server);
}
