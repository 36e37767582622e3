/* What things cost: system calls and allocations, counted exactly. Servers are in test_counts_servers.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_counts.h"

TestSuite(counts, .init = prepare, .timeout = 60);

/* --- reading and writing -------------------------------------------------------------------------------- */

Test(counts, a_read_with_data_is_one_call_when_new)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char buffer[64];
        bide_async *async = open_one(kind, &peer);
        warm_up();
        put_unseen(peer, buffer, sizeof buffer);
        bide_calls_reset();
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
        expect_calls(channel_names[kind], 1);
        expect_no_allocation(channel_names[kind]);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(counts, a_read_with_data_is_one_call_when_its_event_is_remembered)
{
    if (!edges) BIDE_SKIP("poll(2) has no edges to be remembered: nothing is reported that nobody waits for");
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char buffer[64];
        bide_async *async = open_one(kind, &peer);
        drain_memory(async);
        put_unseen(peer, buffer, sizeof buffer);
        cr_assert_gt(bide_reactor_run_once(bide_reactor_current(), BIDE_NOW), 0);
        bide_calls_reset();
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
        expect_calls(channel_names[kind], 1);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(counts, a_read_with_data_is_two_calls_when_drained_and_its_event_is_still_in_the_kernel)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char buffer[64];
        bide_async *async = open_one(kind, &peer);
        for (int round = 0; round < 5; round++) {
            drain_memory(async);
            put_unseen(peer, buffer, sizeof buffer);
            bide_calls_reset();
            cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
            expect_calls(channel_names[kind], edges ? 2 : 3);
            cr_assert_eq(bide_calls_of(edges ? BIDE_CALL_EPOLL_WAIT : BIDE_CALL_POLL), 1, "%s",
                         bide_calls_text());
            expect_no_allocation(channel_names[kind]);
        }
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(counts, a_short_read_on_tcp_spares_the_call_that_would_find_nothing)
{
    int peer;
    char buffer[64];
    bide_async *async = open_one(TCP, &peer);
    warm_up();
    for (int round = 0; round < 5; round++) {
        put_unseen(peer, buffer, 10);
        bide_calls_reset();
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), 10);
        /* The first one need not wait. Each later one waits at once, and reads. */
        expect_calls("short read", round == 0 ? 1 : edges ? 2 : 3);
        cr_assert_eq(bide_calls_of(BIDE_CALL_RECV), 1, "%s", bide_calls_text());
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, a_call_that_may_not_wait_makes_one_call)
{
    int peer;
    char byte;
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    for (int round = 0; round < 3; round++) {
        bide_calls_reset();
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
        expect_calls("read", 1);
        bide_calls_reset();
        cr_assert_gives(bide_wait_readable(async, BIDE_NOW), BIDE_EAGAIN);
        expect_calls("wait_readable", 1);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, a_write_with_room_is_one_call)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int ends[2];
        make_channel(kind, ends);
        char buffer[64] = "";
        bide_buffer pieces[] = {{buffer, 32}, {buffer + 32, 32}};
        bide_async *async;
        cr_assert_ok(bide_async_new(&async, ends[1]));
        warm_up();
        for (int round = 0; round < 5; round++) {
            bide_calls_reset();
            cr_assert_gives(bide_write(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
            cr_assert_gives(bide_writev(async, pieces, 2, BIDE_NEVER), sizeof buffer);
            cr_assert_ok(bide_write_all(async, buffer, sizeof buffer, BIDE_NEVER, NULL));
            expect_calls(channel_names[kind], 3);
            expect_no_allocation(channel_names[kind]);
        }
        cr_assert_ok(bide_async_free(async));
        (void)close(ends[0]);
    }
    expect_nothing_left(before);
}

Test(counts, readiness_that_is_there_costs_one_question_and_that_which_comes_none)
{
    int peer;
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    put_unseen(peer, "x", 1);
    bide_calls_reset();
    cr_assert_ok(bide_wait_readable(async, BIDE_NEVER));
    expect_calls("remembered", 1);
    drain_memory(async);
    put_unseen(peer, "x", 1);
    bide_calls_reset();
    cr_assert_ok(bide_wait_readable(async, BIDE_NEVER));
    expect_calls("news", edges ? 1 : 2);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, the_turn_for_the_others_costs_one_call_in_128)
{
    int peer;
    static char plenty[1300];
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    put_unseen(peer, plenty, sizeof plenty);
    bide_calls_reset();
    for (int i = 0; i < 1280; i++) {
        char byte;
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);
    }
    unsigned long waits = bide_calls_of(edges ? BIDE_CALL_EPOLL_WAIT : BIDE_CALL_POLL);
    cr_assert(waits == 9 || waits == 10, "%s", bide_calls_text());
    expect_calls("1,280 reads", 1280 + waits);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

/* --- futures, events, timers ---------------------------------------------------------------------------- */

static int ready_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static int ready_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static const bide_future_ops ready_ops = {sizeof ready_ops, ready_poll, ready_cancel, 0};

Test(counts, block_on_on_a_future_that_is_ready_makes_no_call)
{
    warm_up();
    bide_calls_reset();
    for (int i = 0; i < 1000; i++) {
        bide_future future;
        bide_future_init(&future, &ready_ops);
        cr_assert_ok(bide_block_on(&future));
        bide_future_init(&future, &ready_ops);
        cr_assert_ok(bide_await(&future, bide_after(LONG)));
        bide_future_init(&future, &ready_ops);
        cr_assert_ok(bide_await(&future, BIDE_NOW));
    }
    expect_calls("block_on", 0);
    expect_no_allocation("block_on");
    expect_nothing_left(before);
}

Test(counts, setting_an_event_that_nobody_waits_for_makes_no_call)
{
    warm_up();
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_calls_reset();
    for (int i = 0; i < 1000; i++) {
        bide_event_set(&event);
        bide_event_set(&event);
        cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
        bide_event_reset(&event);
    }
    expect_calls("event", 0);
    expect_no_allocation("event");
    cr_assert_ok(bide_event_fini(&event));
    expect_nothing_left(before);
}

struct exchange {
    bide_event ping, pong;
    int rounds;
};

static bide_ssize answer_pings(struct call *call)
{
    struct exchange *exchange = call->buffer;
    for (int i = 0; i < exchange->rounds; i++) {
        if (bide_event_wait(&exchange->ping, BIDE_NEVER) != 0) return -1;
        bide_event_set(&exchange->pong);
    }
    return 0;
}

Test(counts, an_exchange_between_threads_allocates_nothing)
{
    struct exchange exchange = {.rounds = 200};
    cr_assert_ok(bide_event_init(&exchange.ping, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&exchange.pong, BIDE_EVENT_AUTO));
    struct call call = {.function = answer_pings, .buffer = &exchange};
    call_start(&call);
    for (int i = 0; i < exchange.rounds; i++) {
        if (i == 2) bide_calls_reset();
        bide_event_set(&exchange.ping);
        cr_assert_ok(bide_event_wait(&exchange.pong, bide_after(LONG)));
    }
    cr_assert_ok(call_join(&call));
    expect_no_allocation("events");
    expect_nothing_left(before);
}

Test(counts, a_set_yields_what_is_ready_without_a_call_but_for_the_turns_of_the_others)
{
    enum { FUTURES = 100, ROUNDS = 10 };
    static bide_future futures[FUTURES];
    static bide_set_member members[FUTURES];
    bide_set set;
    bide_set_init(&set);
    warm_up();
    bide_calls_reset();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < FUTURES; i++) {
            bide_future_init(&futures[i], &ready_ops);
            cr_assert_ok(bide_set_add(&set, &members[i], &futures[i], NULL));
        }
        bide_set_member *ready;
        for (int i = 0; i < FUTURES; i++)
            cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), BIDE_END);
    }
    expect_calls("set", ROUNDS * FUTURES / BIDE_BUDGET);
    expect_no_allocation("set");
    expect_nothing_left(before);
}

static bide_ssize sleep_long(struct call *call)
{
    (void)call;
    bide_timer timer;
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    bide_event *stop = call->buffer;
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, stop);
    bide_future *both[] = {&timer.future, &waiting.future};
    return bide_race(both, 2) == 1 ? 0 : -1;
}

Test(counts, a_timer_that_is_not_the_earliest_interrupts_nobody)
{
    enum { TIMERS = 500 };
    static bide_timer timers[TIMERS];
    struct counter counter = {0};
    bide_event stop;
    cr_assert_ok(bide_event_init(&stop, BIDE_EVENT_MANUAL));
    struct call sleeper = {.function = sleep_long, .buffer = &stop};
    call_start(&sleeper);
    AWAIT(stats_now().timers_pending == 1);
    /* Room for all, the helper thread, and a driver that is blocked. */
    for (int i = 0; i < TIMERS; i++) {
        bide_timer_after(&timers[i], BIDE_SECONDS(2000 + i));
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
    }
    for (int i = 0; i < TIMERS; i++)
        cr_assert_gives(cancel_with(&timers[i].future, counting(&counter)), BIDE_READY);
    bide_timer_after(&timers[0], BIDE_SECONDS(5000));
    cr_assert_gives(poll_with(&timers[0].future, counting(&counter)), BIDE_PENDING);
    bide_reactor_stats stats = stats_now();
    bide_calls_reset();
    for (int i = 1; i < TIMERS; i++) {
        bide_timer_after(&timers[i], BIDE_SECONDS(2000 + (i * 37) % TIMERS));
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
        (void)bide_timer_set_after(&timers[i], BIDE_SECONDS(3000 + i));
        (void)bide_timer_set_after(&timers[i], BIDE_SECONDS(1500 + i));
    }
    for (int i = 0; i < TIMERS; i++)
        cr_assert_gives(cancel_with(&timers[i].future, counting(&counter)), BIDE_READY);
    /* The helper thread may still be looking around and hold the lock for a moment, hence a futex. */
    cr_assert_eq(bide_calls_thread_total() - bide_calls_thread_of(BIDE_CALL_FUTEX), 0, "%s",
                 bide_calls_text());
    cr_assert_eq(bide_calls_thread_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
    cr_assert_eq(stats_now().notifies, stats.notifies);
    cr_assert_eq(counter.wakes, 0);
    bide_event_set(&stop);
    cr_assert_ok(call_join(&sleeper));
    expect_nothing_left(before);
}

Test(counts, timers_in_steady_state_allocate_nothing)
{
    bide_timer timer;
    bide_timer_interval(&timer, BIDE_MICROSECONDS(50));
    for (int i = 0; i < 100; i++) {
        if (i == 2) bide_calls_reset();
        cr_assert_ok(bide_timer_wait(&timer));
        bide_timer once;
        bide_timer_after(&once, BIDE_MICROSECONDS(20));
        cr_assert_ok(bide_timer_wait(&once));
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
    }
    expect_no_allocation("timers");
    expect_nothing_left(before);
}

Test(counts, a_deadline_costs_no_call_unless_it_is_waited_for)
{
    int peer;
    char byte;
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    put_unseen(peer, "abc", 3);
    bide_calls_reset();
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), 1);
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(BIDE_NANOSECONDS(1))), 1);
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(-1)), 1);
    expect_calls("reads with deadlines", 3);
    expect_no_allocation("reads with deadlines");
    /* And waiting for it is one wait, of the poller. */
    drain_memory(async);
    bide_calls_reset();
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_leq(bide_calls_total(), edges ? 3UL : 4UL, "%s", bide_calls_text());
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, events_alone_open_no_descriptor)
{
    cr_assert_ok(bide_shutdown());
    int fds = bide_test_fd_count();
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_gives(bide_event_wait(&event, bide_after(SHORT)), BIDE_ETIMEDOUT);
    bide_event_set(&event);
    cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(1)));
    cr_assert_eq(bide_test_fd_count(), fds);
    expect_nothing_left(before);
}
