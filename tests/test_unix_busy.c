/* Unix sockets: connecting to a listener whose backlog is full, and what a stream costs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_unix.h"

#include "support/syscalls.h"

TestSuite(unix_busy, .init = take_inventory, .timeout = 60);

Test(unix_busy, a_connect_times_out_when_asked_to_and_leaves_no_descriptor)
{
    struct full full;
    make_full(&full);
    bide_async *conn = (bide_async *)&full;
    int fds = bide_test_fd_count();
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_unix_connect(&conn, &full.where, deadline), BIDE_ETIMEDOUT);
    cr_assert_not(bide_before(bide_now(), deadline));
    cr_assert_null(conn);
    cr_assert_gives(bide_unix_connect(&conn, &full.where, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_null(conn);
    cr_assert_gives(bide_unix_connect(&conn, &full.where, bide_after(-1)), BIDE_ETIMEDOUT);
    cr_assert_eq(bide_test_fd_count(), fds);
    free_full(&full);
    expect_nothing_left(before);
}

/* 1, 2, 4, 8, 16, 32 and then 50 ms: twelve tries in 363 ms. It never makes more in that time, for a timer
 * fires no earlier. */
Test(unix_busy, a_connect_that_waits_tries_at_growing_intervals_and_sleeps_in_between)
{
    struct full full;
    make_full(&full);
    bide_async *conn;
    (void)bide_sleep(BIDE_MICROSECONDS(1));
    bide_calls_reset();
    bide_instant began = bide_now();
    cr_assert_gives(bide_unix_connect(&conn, &full.where, bide_after(BIDE_MILLISECONDS(350))),
                    BIDE_ETIMEDOUT);
    bide_duration took = bide_instant_since(bide_now(), began);
    unsigned long tries = bide_calls_of(BIDE_CALL_CONNECT);
    /* The last one is the last try at the deadline. */
    unsigned long most = 7 + (unsigned long)((took - BIDE_MILLISECONDS(63)) / BIDE_MILLISECONDS(50)) + 1;
    cr_assert_geq(tries, 3, "%s", bide_calls_text());
    cr_assert_leq(tries, most, "%s in %lld ms", bide_calls_text(), (long long)took / 1000000);
    /* A wait between two tries, one socket, one close. */
    cr_assert_leq(bide_calls_total(), 2 * most + 4, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_of(BIDE_CALL_SOCKET), 1, "%s", bide_calls_text());
    free_full(&full);
    expect_nothing_left(before);
}

Test(unix_busy, a_connect_goes_on_as_soon_as_a_try_finds_room)
{
    struct full full;
    make_full(&full);
    struct counter counter = {0};
    bide_connecting connecting;
    bide_unix_connecting_init(&connecting, &full.where);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    int expected = 0, polls = 0;
    /* However long it has waited, the next try is at most 50 ms away: so it recovers within these. */
    for (; polls < 9; polls++) {
        bide_duration ahead = bide_instant_since(bide_timer_deadline(&connecting.retry_), bide_now());
        cr_assert_leq(ahead, BIDE_MILLISECONDS(50), "the next try is %lld ns away", (long long)ahead);
        expected++;
        AWAIT(counter.wakes >= expected);
        expected = counter.wakes;
        cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    }
    accept_one(&full);
    AWAIT(counter.wakes > expected);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_READY);
    cr_assert_ok(connecting.result);
    bide_address peer;
    cr_assert_ok(bide_async_peer_address(connecting.conn, &peer));
    cr_assert(bide_address_equal(&peer, &full.where));
    cr_assert_gives(bide_write(connecting.conn, "x", 1, BIDE_NEVER), 1);
    cr_assert_ok(bide_async_free(connecting.conn));
    free_full(&full);
    expect_nothing_left(before);
}

Test(unix_busy, room_beats_the_deadline)
{
    struct full full;
    make_full(&full);
    bide_async *conn;
    accept_one(&full);
    cr_assert_ok(bide_unix_connect(&conn, &full.where, bide_after(-1)));
    cr_assert_ok(bide_async_free(conn));
    accept_one(&full);
    cr_assert_ok(bide_unix_connect(&conn, &full.where, BIDE_NOW));
    cr_assert_ok(bide_async_free(conn));
    free_full(&full);
    expect_nothing_left(before);
}

Test(unix_busy, a_connect_that_is_cancelled_or_loses_a_race_closes_its_descriptor)
{
    struct full full;
    make_full(&full);
    (void)bide_sleep(BIDE_MICROSECONDS(1));
    int fds = bide_test_fd_count();
    bide_connecting connecting;
    for (int i = 0; i < 20; i++) {
        struct counter counter = {0};
        bide_unix_connecting_init(&connecting, &full.where);
        /* One that was never started. */
        if (i % 2) cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
        if (i == 1) fds = bide_test_fd_count() - 1;
        cr_assert_gives(cancel_with(&connecting.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(connecting.result, BIDE_ECANCELED);
        cr_assert_null(connecting.conn);
        cr_assert_eq(bide_test_fd_count(), fds);
        memset(&connecting, 0xa5, sizeof connecting);
    }
    bide_timer limit;
    bide_unix_connecting_init(&connecting, &full.where);
    bide_timer_after(&limit, SHORT);
    bide_future *both[] = {&connecting.future, &limit.future};
    cr_assert_gives(bide_race(both, 2), 1);
    cr_assert_gives(connecting.result, BIDE_ECANCELED);
    cr_assert_eq(bide_test_fd_count(), fds);
    free_full(&full);
    expect_nothing_left(before);
}

Test(unix_busy, a_connect_that_waits_is_refused_when_the_listener_closes)
{
    struct full full;
    make_full(&full);
    struct counter counter = {0};
    bide_connecting connecting;
    bide_unix_connecting_init(&connecting, &full.where);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    free_full(&full);
    cr_assert_ok(bide_await(&connecting.future, bide_after(LONG)));
    cr_assert_gives(connecting.result, BIDE_ECONNREFUSED);
    cr_assert_null(connecting.conn);
    expect_nothing_left(before);
}

Test(unix_busy, a_last_try_that_ends_the_connect_leaves_no_timer_armed)
{
    struct full full;
    make_full(&full);
    struct counter counter = {0};
    bide_connecting connecting;
    bide_unix_connecting_init(&connecting, &full.where);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&connecting.retry_, LONG));
    free_full(&full);
    cr_assert_ok(bide_await(&connecting.future, bide_after(-1)));
    cr_assert_gives(connecting.result, BIDE_ECONNREFUSED);
    cr_assert_eq(stats_now().timers_pending, 0);
    expect_nothing_left(before);
}

/* --- what a stream costs -------------------------------------------------------------------------------- */

/* The kernel may give less than is there: at the border of what was sent with descriptors. */
Test(unix_busy, only_eagain_says_that_a_stream_is_drained)
{
    bide_async *ends[2];
    char buffer[64];
    cr_assert_ok(bide_unix_pair(&ends[0], &ends[1]));
    cr_assert_gives(bide_write(ends[0], "abc", 3, BIDE_NEVER), 3);
    cr_assert_gives(bide_read(ends[1], buffer, sizeof buffer, BIDE_NEVER), 3);
    cr_assert(bide_source_readiness(ends[1], BIDE_READ) & BIDE_SOURCE_READY, "a short count was trusted");
    bide_calls_reset();
    cr_assert_gives(bide_read(ends[1], buffer, sizeof buffer, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_not(bide_source_readiness(ends[1], BIDE_READ) & BIDE_SOURCE_READY);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- failing calls -------------------------------------------------------------------------------------- */

static void open_at_a_path(void *arg)
{
    bide_async *socket;
    bide_address *where = arg;
    int fds = bide_test_fd_count();
    for (int datagrams = 0; datagrams < 2; datagrams++) {
        int error = datagrams ? bide_unix_datagram_bind(&socket, where) : bide_unix_listen(&socket, where, 0);
        const char *path = bide_address_path(where, NULL);
        cr_assert_eq(error == 0, access(path, F_OK) == 0, "call %lu failing: %s, and the file is %s",
                     bide_fault_run(), bide_error_name(error), error ? "there" : "not there");
        cr_assert_eq(error == 0, socket != NULL);
        bide_calls_pause();
        if (error == 0) {
            cr_assert_ok(bide_async_free(socket));
            cr_assert_done(unlink(path));
        }
        bide_calls_resume();
        cr_assert_eq(bide_test_fd_count(), fds, "call %lu failing", bide_fault_run());
    }
}

Test(unix_busy, no_file_and_no_descriptor_is_left_whichever_call_fails)
{
    make_folder();
    (void)bide_reactor_backend(bide_reactor_current()); /* opens the poller */
    bide_address where = address_of("socket");
    open_at_a_path(&where);
    cr_assert_geq(bide_fault_each(open_at_a_path, &where,
                                  BIDE_CALL_BIT(BIDE_CALL_SOCKET) | BIDE_CALL_BIT(BIDE_CALL_BIND) |
                                      BIDE_CALL_BIT(BIDE_CALL_LISTEN) | BIDE_CALL_BIT(BIDE_CALL_EPOLL_CTL),
                                  0),
                  5);
    remove_folder();
    expect_nothing_left(before);
}
