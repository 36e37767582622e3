/* The servers of docs/migrating.md: the one with Bide does what those with poll(2), libev, libuv and libevent
 * do. Those whose library is not installed are passed over.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(migrating, .timeout = 60);

static const char *const programs[] = {
    BIDE_DOCUMENTATION "/with_poll",     BIDE_DOCUMENTATION "/with_libev", BIDE_DOCUMENTATION "/with_libuv",
    BIDE_DOCUMENTATION "/with_libevent", BIDE_DOCUMENTATION "/with_bide",
};

/* Whether the program was built. Starts it, on any free port. */
static bool start(struct server *server, const char *program, const char *idle)
{
    if (access(program, X_OK) != 0) return false;
    START(server, program, "0", idle);
    return true;
}

#define EACH(server, idle)                                                           \
    for (size_t i_ = 0, started_ = 0; i_ < sizeof programs / sizeof *programs; i_++) \
        for (started_ = start(&(server), programs[i_], idle); started_; started_ = 0)

static void assert_lines(int client, const char *sent, const char *back)
{
    char got[64] = {0};
    send_all(client, sent, strlen(sent));
    receive_all(client, got, strlen(back));
    cr_assert_str_eq(got, back, "not \"%s\" but \"%s\"", back, got);
}

Test(migrating, each_server_sends_back_whole_lines_and_ends_on_sigterm)
{
    struct server server;
    EACH(server, "60000")
    {
        int client = connected(&server.place);
        int other = connected(&server.place);
        assert_lines(client, "one\ntwo\nha", "one\ntwo\n");
        assert_lines(other, "three\n", "three\n");
        assert_lines(client, "lf\n", "half\n");
        stop(&server);
        cr_assert(ends(client), "the connection is open still");
        (void)close(client);
        (void)close(other);
    }
}

Test(migrating, each_server_lets_go_who_sends_no_line_for_the_idle_time_and_keeps_who_does)
{
    struct server server;
    EACH(server, "1000")
    {
        int64_t began = now_ms();
        int silent = connected(&server.place);
        int busy = connected(&server.place);
        while (!readable(silent, 50)) {
            assert_lines(busy, "here\n", "here\n");
            cr_assert_lt(now_ms() - began, PATIENCE, "%s keeps it", programs[i_]);
        }
        cr_assert_geq(now_ms() - began, 900, "%s is early", programs[i_]);
        cr_assert(ends(silent));
        assert_lines(busy, "still here\n", "still here\n");
        (void)close(silent);
        (void)close(busy);
        stop(&server);
    }
}

Test(migrating, each_server_lets_go_who_sends_too_long_a_line)
{
    struct server server;
    static char text[4096];
    memset(text, 'x', sizeof text);
    EACH(server, "60000")
    {
        int client = connected(&server.place);
        send_all(client, text, sizeof text);
        cr_assert(readable(client, PATIENCE), "%s keeps it", programs[i_]);
        char byte;
        cr_assert_leq(recv(client, &byte, 1, 0), 0, "%s sent something back", programs[i_]);
        (void)close(client);
        stop(&server);
    }
}

Test(migrating, each_server_reads_no_more_from_who_takes_nothing_and_serves_the_others)
{
    enum { FAR_TOO_MUCH = 256 * 1024 * 1024 };
    struct server server;
    static char lines[64 * 1024];
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = i % 16 == 15 ? '\n' : 'x';
    EACH(server, "60000")
    {
        int greedy = connected(&server.place);
        int other = connected(&server.place);
        size_t sent = 0;
        for (struct pollfd entry = {greedy, POLLOUT, 0}; poll(&entry, 1, 300) == 1;) {
            ssize_t count = send(greedy, lines, sizeof lines, MSG_DONTWAIT | MSG_NOSIGNAL);
            cr_assert_gt(count, 0, "send: %s", strerror(errno));
            sent += (size_t)count;
            cr_assert_lt(sent, (size_t)FAR_TOO_MUCH, "%s takes everything", programs[i_]);
        }
        assert_lines(other, "meanwhile\n", "meanwhile\n");
        (void)close(greedy);
        (void)close(other);
        stop(&server);
    }
}
