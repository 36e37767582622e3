/* The example in C++ against the echo server.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define CPP_CONSUMER BIDE_EXAMPLES "/cpp_consumer"

#define NEED_PROGRAM() \
    if (access(CPP_CONSUMER, X_OK) != 0) BIDE_SKIP("no C++ compiler here")

TestSuite(cpp, .timeout = 60);

Test(cpp, consumer_measures_each_round_trip)
{
    NEED_PROGRAM();
    struct server server;
    START(&server, ECHO_SERVER, "--listen", "127.0.0.1:0");
    struct run r;
    RUN(&r, CPP_CONSUMER, server.place.text, "--count", "3", "--period", "1ms");
    assert_status(&r, 0);
    assert_has(r.out, "round trip 1: ");
    assert_has(r.out, "round trip 3: ");
    assert_has(r.out, "3 came back, in ");
    stop(&server);
}

Test(cpp, consumer_ends_early_on_sigint)
{
    NEED_PROGRAM();
    struct server server;
    START(&server, ECHO_SERVER, "--listen", "127.0.0.1:0");
    struct talk talk;
    char line[LINE];
    TALK(&talk, CPP_CONSUMER, server.place.text, "--period", "1h");
    read_line(talk.out, line);
    assert_has(line, "round trip 1: ");
    (void)kill(talk.process, SIGINT);
    read_line(talk.out, line);
    assert_has(line, "1 came back");
    assert_talk_ends(&talk, 0);
    stop(&server);
}

Test(cpp, consumer_turns_errors_into_exceptions_and_those_into_exit_codes)
{
    NEED_PROGRAM();
    struct place place;
    int closed = bound(&place);
    struct run r;
    RUN(&r, CPP_CONSUMER, place.text);
    assert_status(&r, 1);
    assert_has(r.err, "connecting: connection refused");
    (void)close(closed);

    /* Connected by the kernel, and never answered. */
    int silent = listening(&place, 8);
    RUN(&r, CPP_CONSUMER, place.text, "--timeout", "100ms");
    assert_status(&r, 124);
    assert_has(r.err, "timed out");
    (void)close(silent);

    RUN(&r, CPP_CONSUMER, "localhost");
    assert_status(&r, 2);
    assert_has(r.err, "localhost: not a host with a port");
    RUN(&r, CPP_CONSUMER, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--period");
}

Test(cpp, consumer_says_when_the_server_goes)
{
    NEED_PROGRAM();
    struct place place;
    int listener = listening(&place, 8);
    struct talk talk;
    TALK(&talk, CPP_CONSUMER, place.text);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(readable(fd, PATIENCE), "it sends nothing");
    (void)close(listener);
    char text[64];
    cr_assert_gt(read(fd, text, sizeof text), 0);
    (void)close(fd);
    assert_talk_ends(&talk, 1);
}
