/* The examples, run as a person would run them: by their command lines, outputs and exit codes. The servers
 * are in test_examples_servers.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(examples, .timeout = 60);

/* --- connect --- */

Test(examples, connect_tells_where_and_how_long_and_exits_with_0)
{
    struct place place;
    int listener = listening(&place, 8);
    struct run r;
    RUN(&r, CONNECT, place.text);
    assert_status(&r, 0);
    assert_has(r.out, place.text);
    assert_has(r.out, "connected after ");
    cr_assert_str_eq(r.err, "", "unexpected: %s", r.err);
    char local[32];
    (void)snprintf(local, sizeof local, "localhost:%d", ntohs(place.address.sin_port));
    RUN(&r, CONNECT, local, "--timeout=1.5s");
    assert_status(&r, 0);
    assert_has(r.out, place.text);
    (void)close(listener);
}

Test(examples, connect_takes_ipv6_in_brackets)
{
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0) BIDE_SKIP("no IPv6 here");
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    char text[32];
    (void)snprintf(text, sizeof text, "[::1]:%d", ntohs(address.sin6_port));
    struct run r;
    RUN(&r, CONNECT, text);
    assert_status(&r, 0);
    assert_has(r.out, text);
    (void)close(listener);
}

Test(examples, connect_says_refused_and_exits_with_1)
{
    struct place place;
    int closed = bound(&place);
    struct run r;
    RUN(&r, CONNECT, "--timeout", "2s", place.text);
    assert_status(&r, 1);
    assert_has(r.out, place.text);
    assert_has(r.out, "connection refused after ");
    (void)close(closed);
}

Test(examples, connect_says_timed_out_and_exits_with_124_and_not_before_its_time)
{
    struct place place;
    struct full full;
    fill(&full, &place);
    struct run r;
    int64_t start = now_ms();
    RUN(&r, CONNECT, place.text, "--timeout", "300ms");
    int64_t took = now_ms() - start;
    assert_status(&r, 124);
    assert_has(r.out, place.text);
    assert_has(r.out, "timed out after ");
    cr_assert_geq(took, 300, "over after %d ms", (int)took);
    RUN(&r, CONNECT, place.text, "--timeout", "100us");
    assert_status(&r, 124);
    empty(&full);
}

Test(examples, wrong_usage_is_named_and_exits_with_2)
{
    static const struct {
        const char *argv[5];
        const char *named;
    } cases[] = {
        {{CONNECT, NULL}, "HOST:PORT: missing"},
        {{CONNECT, "127.0.0.1:1", "127.0.0.1:2", NULL}, "127.0.0.1:2: one argument too many"},
        {{CONNECT, "127.0.0.1", NULL}, "127.0.0.1: not a numeric address with a port"},
        {{CONNECT, "example.com:80", NULL}, "example.com:80: not a numeric address"},
        {{CONNECT, "::1:80", NULL}, "::1:80: not a numeric address"},
        {{CONNECT, "127.0.0.1:65536", NULL}, "127.0.0.1:65536: port out of range"},
        {{CONNECT, "localhost:", NULL}, "localhost:: not a numeric address"},
        {{CONNECT, "127.0.0.1:1", "--timeout", NULL}, "--timeout: needs a value"},
        {{CONNECT, "127.0.0.1:1", "--timeout", "5", NULL}, "5: not a duration"},
        {{CONNECT, "127.0.0.1:1", "--timeout", "-1s", NULL}, "-1s: not a duration"},
        {{CONNECT, "127.0.0.1:1", "--timeout", "1.s", NULL}, "1.s: not a duration"},
        {{CONNECT, "127.0.0.1:1", "--timeout", "ms", NULL}, "ms: not a duration"},
        {{CONNECT, "127.0.0.1:1", "--timeout", "1 s", NULL}, "1 s: not a duration"},
        {{CONNECT, "127.0.0.1:1", "--timeout", "99999999999999999999s", NULL}, "not a duration"},
        {{CONNECT, "127.0.0.1:1", "--time", "1s", NULL}, "--time: no such option"},
        {{ECHO_SERVER, "127.0.0.1:0", NULL}, "127.0.0.1:0: one argument too many"},
        {{ECHO_SERVER, "--listen", "everywhere", NULL}, "everywhere: not a numeric address"},
        {{TIMERS, "--count", "0", NULL}, "0: not a number of at least 1"},
        {{TIMERS, "--count", "+3", NULL}, "+3: not a number of at least 1"},
        {{TIMERS, "--period", "0s", NULL}, "period"},
        {{DEMO, "--fast", NULL}, "--fast: no such option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        run_into(&r, -1, cases[i].argv);
        assert_status(&r, 2);
        assert_has(r.err, cases[i].named);
        cr_assert_str_eq(r.out, "", "case %zu printed: %s", i, r.out);
    }
}

Test(examples, help_names_every_option_and_exits_with_0)
{
    static const struct {
        const char *program;
        const char *options[4];
    } cases[] = {
        {CONNECT, {"--timeout", "HOST:PORT", "124"}},
        {ECHO_SERVER, {"--listen", "--connections", "--drain", "SIGTERM"}},
        {TIMERS, {"--count", "--period"}},
        {DEMO, {"--help"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        RUN(&r, cases[i].program, "--help");
        assert_status(&r, 0);
        assert_has(r.out, "usage: ");
        for (size_t k = 0; k < 4 && cases[i].options[k]; k++)
            assert_has(r.out, cases[i].options[k]);
        cr_assert_str_eq(r.err, "", "unexpected: %s", r.err);
    }
}

/* --- timers and the demonstration --- */

Test(examples, idle_timeouts_closes_those_that_do_nothing_and_none_early)
{
    struct run r;
    RUN(&r, IDLE_TIMEOUTS, "--connections", "20000", "--idle", "300ms", "--duration", "800ms");
    assert_status(&r, 0);
    assert_has(r.out, "pending in");
    assert_has(r.out, "of 20000 connections are open, 0 were closed early.");
}

Test(examples, timers_prints_a_line_for_each_firing_and_none_is_early)
{
    struct run r;
    RUN(&r, TIMERS, "--count", "5", "--period", "4ms");
    assert_status(&r, 0);
    int intervals = 0;
    int shots = 0;
    for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n")) {
        intervals += strncmp(line, "interval ", 9) == 0;
        shots += strncmp(line, "one-shot ", 9) == 0;
        cr_assert(strstr(line, "  -") == NULL || line[0] == '-', "early: %s", line);
    }
    cr_assert_eq(intervals, 5, "%d lines for the interval", intervals);
    cr_assert_eq(shots, 5, "%d lines for one-shots", shots);
}

Test(examples, output_that_cannot_be_written_is_an_error)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) BIDE_SKIP("no /dev/full here");
    struct run r;
    run_into(&r, full, (const char *const[]){TIMERS, "--count", "1", "--period", "1ms", NULL});
    (void)close(full);
    assert_status(&r, 1);
    assert_has(r.err, "standard output: ");
}

Test(examples, demo_finds_everything_as_it_should_be)
{
    static const char *const parts[] = {
        "connect to an echo server",      "all came back",          "connection refused", "timed out",
        "25 ticks, none early",           "called by \"async-io\"", "woken 0 times",      "context switches",
        "Everything is as it should be.",
    };
    struct run r;
    RUN(&r, DEMO);
    assert_status(&r, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_has(r.out, parts[i]);
    cr_assert(strstr(r.out, "WRONG") == NULL, "something is wrong: %s", r.out);
}
