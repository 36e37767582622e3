/* Standing time-outs of handles: what they apply to, and what they cost.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"

#include "support/syscalls.h"

TestSuite(async_timeout, .init = take_inventory, .timeout = 60);

#define WHILE BIDE_MILLISECONDS(5)

/* Both ends of a Unix stream, the second one plain. */
static bide_async *open_pair(int *peer)
{
    int ends[2];
    bide_async *async;
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    cr_assert_ok(bide_async_new(&async, ends[0]));
    *peer = ends[1];
    return async;
}

static void fill_up(bide_async *async)
{
    static const char bytes[65536];
    while (bide_write(async, bytes, sizeof bytes, BIDE_NOW) > 0)
        continue;
}

/* The call takes no less than the time-out. */
#define TIMES_OUT(call)                                               \
    do {                                                              \
        bide_instant begin_ = bide_now();                             \
        cr_assert_gives(call, BIDE_ETIMEDOUT);                        \
        cr_assert_geq(bide_instant_since(bide_now(), begin_), WHILE); \
    } while (0)

static bide_ssize read_byte(void *arg, bide_fd fd)
{
    ssize_t count = read(fd, arg, 1);
    return count < 0 ? bide_last_error() : count;
}

static int time_out_everything(void *arg)
{
    int peer;
    char byte;
    size_t done;
    bide_buffer piece = {&byte, 1};
    (void)arg;
    bide_async *async = open_pair(&peer);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, WHILE));
    cr_assert_eq(bide_async_timeout(async, BIDE_READ), WHILE);
    cr_assert_eq(bide_async_timeout(async, BIDE_WRITE), 0);
    TIMES_OUT(bide_read(async, &byte, 1, BIDE_NEVER));
    TIMES_OUT(bide_readv(async, &piece, 1, bide_after(LONG)));
    TIMES_OUT(bide_peek(async, &byte, 1, BIDE_NEVER));
    TIMES_OUT(bide_read_with(async, read_byte, &byte, BIDE_NEVER));
    TIMES_OUT(bide_wait_readable(async, BIDE_NEVER));
    TIMES_OUT(bide_read_exact(async, &byte, 1, BIDE_NEVER, &done));
    /* The other direction has its own. */
    cr_assert_eq(bide_write(async, "x", 1, BIDE_NEVER), 1);
    fill_up(async);
    cr_assert_gives(bide_write(async, "x", 1, bide_after(2 * WHILE)), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_WRITE, WHILE));
    TIMES_OUT(bide_write(async, "x", 1, BIDE_NEVER));
    TIMES_OUT(bide_write_all(async, "x", 1, BIDE_NEVER, &done));
    TIMES_OUT(bide_wait_writable(async, BIDE_NEVER));
    /* Nothing is lost by it. */
    cr_assert_eq(write(peer, "y", 1), 1);
    cr_assert_eq(bide_read(async, &byte, 1, BIDE_NEVER), 1);
    cr_assert_eq(byte, 'y');
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    return 0;
}

Test(async_timeout, ends_every_wait_in_its_direction)
{
    cr_assert_ok(time_out_everything(NULL));
    WITH_WORKERS(time_out_everything, NULL, 0);
}

static int accept_and_receive(void *arg)
{
    bide_async *listener, *conn, *udp;
    bide_address address = bide_address_loopback(0);
    bide_message message;
    char bytes[8];
    (void)arg;
    cr_assert_ok(bide_tcp_listen(&listener, &address, 0));
    cr_assert_ok(bide_async_set_timeout(listener, BIDE_READ, WHILE));
    TIMES_OUT(bide_accept(listener, &conn, NULL, BIDE_NEVER));
    cr_assert_ok(bide_async_free(listener));
    address = bide_address_loopback(0);
    cr_assert_ok(bide_udp_bind(&udp, &address));
    cr_assert_ok(bide_async_set_timeout(udp, BIDE_READ, WHILE));
    bide_message_recv_init(&message, udp, bytes, sizeof bytes);
    bide_instant begin = bide_now();
    cr_assert_ok(bide_await(&message.future, BIDE_NEVER));
    cr_assert_gives(message.result, BIDE_ETIMEDOUT);
    cr_assert_geq(bide_instant_since(bide_now(), begin), WHILE);
    cr_assert_ok(bide_async_free(udp));
    return 0;
}

Test(async_timeout, applies_to_accepting_and_receiving)
{
    cr_assert_ok(accept_and_receive(NULL));
    WITH_WORKERS(accept_and_receive, NULL, 0);
}

static int compare_with_deadlines(void *arg)
{
    int peer;
    char byte;
    (void)arg;
    bide_async *async = open_pair(&peer);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, BIDE_HOURS(1)));
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, WHILE));
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    TIMES_OUT(bide_read(async, &byte, 1, bide_after(LONG)));
    /* Taken back. */
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, 0));
    bide_instant begin = bide_now();
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(3 * WHILE)), BIDE_ETIMEDOUT);
    cr_assert_geq(bide_instant_since(bide_now(), begin), 3 * WHILE);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    return 0;
}

Test(async_timeout, and_a_calls_own_deadline_the_earlier_counts)
{
    cr_assert_ok(compare_with_deadlines(NULL));
    WITH_WORKERS(compare_with_deadlines, NULL, 0);
}

/* Bytes that come one by one, each before the time-out, all together after it. */
static int trickle(void *arg)
{
    for (int i = 0; i < 4; i++) {
        int error = bide_sleep(BIDE_MILLISECONDS(300));
        if (error) return error;
        if (write(*(int *)arg, "z", 1) != 1) return BIDE_EIO;
    }
    return 0;
}

static int read_a_trickle(void *arg)
{
    int peer;
    char bytes[5];
    size_t done;
    bide_task task;
    (void)arg;
    bide_async *async = open_pair(&peer);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, BIDE_SECONDS(1)));
    cr_assert_ok(bide_spawn(&task, trickle, &peer, NULL));
    cr_assert_gives(bide_read_exact(async, bytes, sizeof bytes, BIDE_NEVER, &done), BIDE_ETIMEDOUT);
    cr_assert_eq(done, 4);
    int value = 1;
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    cr_assert_ok(value);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    return 0;
}

Test(async_timeout, begins_anew_with_each_wait_of_a_call)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(read_a_trickle, NULL, &one));
}

static int race_one(void *arg)
{
    int peer;
    char byte;
    bide_io io;
    bide_readable ready;
    bide_timer limit;
    bide_future *all[] = {&limit.future, &io.future};
    bide_future *both[] = {&ready.future, &io.future};
    (void)arg;
    bide_async *async = open_pair(&peer);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, WHILE));
    bide_timer_after(&limit, LONG);
    bide_io_read(&io, async, &byte, 1);
    cr_assert_eq(bide_race(all, 2), 1);
    cr_assert_gives(io.result, BIDE_ETIMEDOUT);
    bide_io_read(&io, async, &byte, 1);
    bide_readable_init(&ready, async);
    cr_assert_ok(bide_join(both, 2, BIDE_NEVER));
    cr_assert_gives(io.result, BIDE_ETIMEDOUT);
    cr_assert_gives(ready.result, BIDE_ETIMEDOUT);
    bide_timeout around;
    bide_io_read(&io, async, &byte, 1);
    bide_timeout_init(&around, &io.future, bide_after(LONG));
    cr_assert_ok(bide_await(&around.future, BIDE_NEVER));
    cr_assert_ok(around.result);
    cr_assert_gives(io.result, BIDE_ETIMEDOUT);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    return 0;
}

Test(async_timeout, holds_within_races_joins_and_time_outs)
{
    cr_assert_ok(race_one(NULL));
    WITH_WORKERS(race_one, NULL, 0);
}

Test(async_timeout, is_told_to_who_polls_by_hand)
{
    int peer;
    char byte;
    bide_io io;
    bide_context cx;
    struct counter counter = {0};
    bide_async *async = open_pair(&peer);
    cr_assert(bide_is_never(bide_context_limit(NULL)));
    bide_context_init(&cx, counting(&counter));
    bide_io_read(&io, async, &byte, 1);
    cr_assert_eq(bide_future_poll(&io.future, &cx), BIDE_PENDING);
    cr_assert(bide_is_never(bide_context_limit(&cx)));
    cr_assert_eq(bide_future_cancel(&io.future, &cx), BIDE_READY);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, WHILE));
    bide_io_read(&io, async, &byte, 1);
    bide_context_init(&cx, counting(&counter));
    bide_instant begin = bide_now();
    cr_assert_eq(bide_future_poll(&io.future, &cx), BIDE_PENDING);
    bide_instant limit = bide_context_limit(&cx);
    cr_assert(!bide_before(limit, bide_instant_add(begin, WHILE)));
    /* It does not begin anew with the next poll. */
    bide_context_init(&cx, counting(&counter));
    cr_assert_eq(bide_future_poll(&io.future, &cx), BIDE_PENDING);
    cr_assert_eq(bide_context_limit(&cx).ns, limit.ns);
    cr_assert_ok(bide_sleep_until(limit));
    cr_assert_eq(bide_future_poll(&io.future, &cx), BIDE_READY);
    cr_assert_gives(io.result, BIDE_ETIMEDOUT);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(async_timeout, costs_nothing_where_nothing_waits)
{
    int peer;
    char bytes[2];
    bide_async *async = open_pair(&peer);
    /* The first time something is made; then without, then with a time-out. */
    unsigned long calls[3], allocations[3];
    for (int round = 0; round < 3; round++) {
        cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, round == 2 ? WHILE : 0));
        bide_calls_pause();
        cr_assert_eq(write(peer, "ab", 2), 2);
        bide_calls_resume();
        bide_calls_reset();
        cr_assert_eq(bide_read(async, bytes, 2, BIDE_NEVER), 2);
        calls[round] = bide_calls_total();
        allocations[round] = bide_calls_of(BIDE_CALL_ALLOC);
    }
    cr_assert_eq(calls[1], calls[2], "%lu calls without, %lu with", calls[1], calls[2]);
    cr_assert_eq(allocations[2], 0);
    bide_reactor_stats stats;
    cr_assert_ok(bide_reactor_stats_read(bide_reactor_global(), &stats));
    cr_assert_eq(stats.timers_pending, 0);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
}

Test(async_timeout, is_none_at_first_and_refuses_what_is_none)
{
    int peer;
    bide_async *async = open_pair(&peer);
    cr_assert_eq(bide_async_timeout(async, BIDE_READ), 0);
    cr_assert_eq(bide_async_timeout(NULL, BIDE_READ), 0);
    cr_assert_gives(bide_async_set_timeout(NULL, BIDE_READ, WHILE), BIDE_EINVAL);
    cr_assert_gives(bide_async_set_timeout(async, (bide_direction)2, WHILE), BIDE_EINVAL);
    cr_assert_gives(bide_async_set_timeout(async, BIDE_READ, -1), BIDE_EINVAL);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, 1));
    cr_assert_eq(bide_async_timeout(async, BIDE_READ), BIDE_MILLISECONDS(1));
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, BIDE_HOURS(24) * 49));
    cr_assert_eq(bide_async_timeout(async, BIDE_READ), BIDE_HOURS(24) * 49);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, BIDE_DURATION_MAX));
    cr_assert_eq(bide_async_timeout(async, BIDE_READ), 0);
    cr_assert_ok(bide_async_set_timeout(async, BIDE_READ, WHILE));
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    cr_assert_gives(bide_async_set_timeout(async, BIDE_READ, WHILE), BIDE_EFREED);
    cr_assert_eq(bide_async_timeout(async, BIDE_READ), 0);
    /* Not handed to who has the place next. */
    for (int i = 0; i < 200; i++) {
        async = open_pair(&peer);
        cr_assert_eq(bide_async_timeout(async, BIDE_READ), 0);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
}
