/* The example udp_query, run as a person would run it, against a peer that is not Bide's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(examples_udp, .timeout = 60);

#define ENV "/usr/bin/env"

/* Echoes datagrams, but not the first ones of each sender: so many as its argument says. */
static const char peer[] = "import os, signal, socket, sys\n"
                           "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"
                           "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                           "s.bind(('127.0.0.1', 0))\n"
                           "print('127.0.0.1:%d' % s.getsockname()[1], flush=True)\n"
                           "seen = {}\n"
                           "while True:\n"
                           "    data, sender = s.recvfrom(65536)\n"
                           "    seen[sender] = seen.get(sender, 0) + 1\n"
                           "    if seen[sender] > int(sys.argv[1]): s.sendto(data, sender)\n";

/* Starts it, if Python is there. */
static void start_peer(struct server *server, const char *drops)
{
    struct run r;
    RUN(&r, ENV, "python3", "-c", "pass");
    if (r.status != 0) BIDE_SKIP("no python3 here");
    START(server, ENV, "python3", "-c", peer, drops);
}

static int lines_of(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* A socket of UDP that does not answer. */
static int bind_anywhere(struct place *place)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    place->address = (struct sockaddr_in){.sin_family = AF_INET};
    place->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof place->address;
    cr_assert_eq(bind(fd, (struct sockaddr *)&place->address, length), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&place->address, &length), 0);
    (void)snprintf(place->text, sizeof place->text, "127.0.0.1:%d", ntohs(place->address.sin_port));
    return fd;
}

Test(examples_udp, the_answer_is_printed_with_its_time)
{
    struct server server;
    struct run r;
    start_peer(&server, "0");
    RUN(&r, UDP_QUERY, server.place.text, "--timeout", "10s", "what time is it?");
    assert_status(&r, 0);
    assert_has(r.out, server.place.text);
    assert_has(r.out, "answered after ");
    assert_has(r.out, "\nwhat time is it?\n");
    cr_assert_eq(lines_of(r.out), 2, "%s", r.out);
    cr_assert_str_eq(r.err, "", "unexpected: %s", r.err);
    stop(&server);
}

Test(examples_udp, what_was_lost_is_sent_again)
{
    struct server server;
    struct run r;
    start_peer(&server, "2");
    RUN(&r, UDP_QUERY, server.place.text, "--timeout=50ms", "--retries=12", "again");
    assert_status(&r, 0);
    assert_has(r.out, "no answer within ");
    assert_has(r.out, "\nagain\n");
    cr_assert_geq(lines_of(r.out), 4, "%s", r.out);
    stop(&server);
}

Test(examples_udp, no_answer_ends_with_124_after_ever_longer_waits)
{
    struct place place;
    int silent = bind_anywhere(&place);
    struct run r;
    int64_t start = now_ms();
    RUN(&r, UDP_QUERY, place.text, "--timeout", "20ms", "--retries", "3", "hello?");
    int64_t took = now_ms() - start;
    assert_status(&r, 124);
    assert_has(r.out, "timed out after ");
    cr_assert_eq(lines_of(r.out), 4, "%s", r.out);
    /* 20 + 40 + 80 + 160 */
    cr_assert_geq(took, 300, "over after %d ms", (int)took);
    int sent = 0;
    char byte;
    while (recv(silent, &byte, 1, MSG_DONTWAIT) >= 0)
        sent++;
    cr_assert_eq(sent, 4, "%d were sent", sent);
    (void)close(silent);
}

Test(examples_udp, a_refusal_ends_with_1)
{
    struct place place;
    /* It holds the port, so that nobody else takes it, and listens to another. */
    int deaf = bind_anywhere(&place);
    struct sockaddr_in elsewhere = place.address;
    elsewhere.sin_port = htons(9);
    cr_assert_eq(connect(deaf, (struct sockaddr *)&elsewhere, sizeof elsewhere), 0);
    struct run r;
    RUN(&r, UDP_QUERY, place.text, "--timeout", "10s", "hello?");
    assert_status(&r, 1);
    assert_has(r.out, "connection refused after ");
    (void)close(deaf);
}

Test(examples_udp, wrong_usage_is_named_and_exits_with_2)
{
    static const struct {
        const char *argv[7];
        const char *named;
    } cases[] = {
        {{UDP_QUERY, NULL}, "HOST:PORT: missing"},
        {{UDP_QUERY, "127.0.0.1:1", NULL}, "MESSAGE: missing"},
        {{UDP_QUERY, "127.0.0.1:1", "", NULL}, "MESSAGE: must not be empty"},
        {{UDP_QUERY, "127.0.0.1:1", "a", "b", NULL}, "b: one argument too many"},
        {{UDP_QUERY, "here", "a", NULL}, "here: not a numeric address"},
        {{UDP_QUERY, "127.0.0.1:1", "a", "--retries", "0", NULL}, "0: not a number of at least 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        run_into(&r, -1, cases[i].argv);
        assert_status(&r, 2);
        assert_has(r.err, cases[i].named);
        cr_assert_str_eq(r.out, "", "case %zu printed: %s", i, r.out);
    }
    struct run r;
    RUN(&r, UDP_QUERY, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--retries");
    assert_has(r.out, "124");
}
