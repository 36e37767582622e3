/* Sets, many futures in one wait: what they yield, what that costs, and that no wake is lost. Letting
 * members go, and sets as futures, are in test_set_members.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_set.h"

#include "support/syscalls.h"

TestSuite(set, .fini = shut_down, .timeout = 60);

/* --- yielding ------------------------------------------------------------------------------------------- */

Test(set, that_is_empty_is_at_its_end)
{
    bide_set_init(&set);
    bide_set_member *ready;
    expect_count(0);
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), BIDE_END);
    cr_assert_null(ready, "a member was given");
    struct manual manual;
    bide_set_member member;
    manual_init(&manual, BIDE_READY);
    cr_assert_ok(bide_set_add(&set, &member, &manual.future, NULL));
    expect_count(1);
    expect_next(&member);
    expect_count(0);
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), BIDE_END);
    cr_assert_null(ready, "a member was given");
}

Test(set, gives_members_with_their_future_and_tag)
{
    struct waits waits[2];
    make_waits(waits, 2);
    bide_event_set(&waits[1].event);
    bide_set_member *ready = next_now();
    cr_assert(ready->future == &waits[1].waiting.future, "another future");
    cr_assert_eq((uintptr_t)ready->tag, 1, "tag %p", ready->tag);
    cr_assert_gives(waits[1].waiting.result, 0);
    remove_all(waits, 2);
}

Test(set, gives_members_in_the_order_in_which_they_woke)
{
    struct waits waits[5];
    make_waits(waits, 5);
    expect_none();
    static const int order[5] = {3, 0, 4, 2, 1};
    for (int i = 0; i < 5; i++)
        bide_event_set(&waits[order[i]].event);
    for (int i = 0; i < 5; i++)
        expect_next(&waits[order[i]].member);
    expect_count(0);
}

Test(set, starves_none_of_several_that_are_always_ready)
{
    struct manual streams[3];
    bide_set_member members[3];
    bide_set_init(&set);
    for (int i = 0; i < 3; i++) {
        manual_stream_init(&streams[i], BIDE_READY);
        cr_assert_ok(bide_set_add(&set, &members[i], &streams[i].future, NULL));
    }
    for (int i = 0; i < 3000; i++) {
        expect_next(&members[i % 3]);
        cr_assert_ok(bide_set_add(&set, &members[i % 3], &streams[i % 3].future, NULL));
    }
    for (int i = 0; i < 3; i++)
        cr_assert_eq(streams[i].polls, 1000, "stream %d was polled %d times", i, streams[i].polls);
}

Test(set, takes_a_member_again_after_it_was_given)
{
    struct waits waits[2];
    make_waits(waits, 2);
    for (int i = 0; i < 3; i++) {
        bide_event_set(&waits[0].event);
        expect_next(&waits[0].member);
        expect_count(1);
        expect_none();
        wait_in_set(&waits[0], NULL);
        expect_none();
    }
    remove_all(waits, 2);
}

Test(set, gives_up_at_the_deadline_and_keeps_its_members)
{
    struct waits waits[2];
    make_waits(waits, 2);
    for (int i = 0; i < 2; i++) {
        bide_instant deadline = bide_after(SHORT);
        bide_set_member *ready;
        cr_assert_gives(bide_set_next(&set, deadline, &ready), BIDE_ETIMEDOUT);
        cr_assert_null(ready, "a member was given");
        cr_assert(!bide_before(bide_now(), deadline), "too early");
        expect_count(2);
    }
    bide_event_set(&waits[1].event);
    expect_next(&waits[1].member);
    remove_all(waits, 2);
}

Test(set, that_may_not_wait_sees_what_has_come_since_the_last_turn)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_set_member member;
    bide_set_init(&set);
    for (int i = 0; i < 3; i++) {
        bide_readable_init(&readable, async);
        cr_assert_ok(bide_set_add(&set, &member, &readable.future, NULL));
        expect_none();
        put(writer, "x", 1);
        expect_next(&member);
        char byte;
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), 1);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

/* --- what it costs -------------------------------------------------------------------------------------- */

Test(set, polls_only_members_that_woke_and_allocates_nothing)
{
    enum { MEMBERS = 10000, WAKES = 1000 };
    static struct manual futures[MEMBERS];
    static bide_set_member members[MEMBERS];
    bide_set_init(&set);
    cr_assert_ok(bide_sleep(0));
    bide_calls_reset();
    for (int i = 0; i < MEMBERS; i++) {
        manual_init(&futures[i], BIDE_PENDING);
        cr_assert_ok(bide_set_add(&set, &members[i], &futures[i].future, NULL));
    }
    bide_set_member *ready;
    int polls;
    /* A deadline comes also while there are members to poll: then the next call goes on. */
    do {
        cr_assert_gives(bide_set_next(&set, bide_after(SHORT), &ready), BIDE_ETIMEDOUT);
        polls = 0;
        for (int i = 0; i < MEMBERS; i++)
            polls += futures[i].polls;
    } while (polls < MEMBERS);
    cr_assert_eq(polls, MEMBERS, "%d polls of %d members", polls, MEMBERS);
    for (int i = 0; i < WAKES; i++) {
        int chosen = (i * 7919) % MEMBERS;
        manual_finish(&futures[chosen]);
        expect_next(&members[chosen]);
    }
    polls = 0;
    for (int i = 0; i < MEMBERS; i++)
        polls += futures[i].polls;
    cr_assert_eq(polls, MEMBERS + WAKES, "%d polls for %d members and %d wakes", polls, MEMBERS, WAKES);
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%lu allocations", bide_calls_of(BIDE_CALL_ALLOC));
}

Test(set, of_many_timers_and_descriptors_needs_no_helper_thread)
{
    enum { TIMERS = 10000, PIPES = 200 };
    static bide_timer timers[TIMERS];
    static bide_set_member timer_members[TIMERS];
    static struct {
        int ends[2];
        bide_async *async;
        bide_readable readable;
        bide_set_member member;
    } pipes[PIPES];
    struct inventory before = inventory_now();
    bide_set_init(&set);
    for (int i = 0; i < PIPES; i++) {
        make_pipe(pipes[i].ends);
        cr_assert_ok(bide_async_new(&pipes[i].async, pipes[i].ends[0]));
        bide_readable_init(&pipes[i].readable, pipes[i].async);
        cr_assert_ok(bide_set_add(&set, &pipes[i].member, &pipes[i].readable.future, &pipes[i]));
    }
    for (int i = 0; i < TIMERS; i++) {
        bide_timer_after(&timers[i], BIDE_MICROSECONDS(i * 10));
        cr_assert_ok(bide_set_add(&set, &timer_members[i], &timers[i].future, NULL));
    }
    int fired = 0;
    int read = 0;
    for (int written = 0; fired + read < TIMERS + PIPES;) {
        if (written < PIPES && fired >= written * (TIMERS / PIPES)) put(pipes[written++].ends[1], "x", 1);
        bide_set_member *ready;
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
        if (ready->tag) {
            read++;
        } else {
            fired++;
            bide_timer *timer = (bide_timer *)ready->future;
            cr_assert(!bide_before(bide_now(), timer->result), "a timer fired early");
        }
    }
    cr_assert_eq(fired, TIMERS, "%d timers", fired);
    cr_assert_eq(bide_test_thread_named("async-io"), 0, "the helper thread was started");
    for (int i = 0; i < PIPES; i++) {
        cr_assert_ok(bide_async_free(pipes[i].async));
        (void)close(pipes[i].ends[1]);
    }
    expect_nothing_left(before);
}

/* --- waking --------------------------------------------------------------------------------------------- */

/* Wakes itself inside its poll, a number of times. */
struct restless {
    bide_future future;
    int wakes;
    int polls;
};

static int restless_poll(bide_future *self, bide_context *cx)
{
    struct restless *restless = (struct restless *)self;
    restless->polls++;
    if (restless->wakes == 0) return BIDE_READY;
    restless->wakes--;
    bide_waker waker = bide_context_waker(cx);
    waker.wake(waker.arg);
    return BIDE_PENDING;
}

static int restless_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static void restless_init(struct restless *restless, int wakes)
{
    static const bide_future_ops ops = {sizeof ops, restless_poll, restless_cancel, 0};
    bide_future_init(&restless->future, &ops);
    restless->wakes = wakes;
    restless->polls = 0;
}

Test(set, loses_no_wake_that_comes_during_the_poll)
{
    struct restless restless;
    bide_set_member member;
    bide_set_init(&set);
    restless_init(&restless, 10);
    cr_assert_ok(bide_set_add(&set, &member, &restless.future, NULL));
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
    cr_assert_eq(restless.polls, 11, "%d polls", restless.polls);
}

Test(set, is_not_kept_from_the_others_by_a_member_that_wakes_itself_for_ever)
{
    struct restless restless;
    bide_set_member member, timer_member, read_member;
    bide_set_init(&set);
    restless_init(&restless, INT32_MAX);
    cr_assert_ok(bide_set_add(&set, &member, &restless.future, NULL));
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MILLISECONDS(1));
    cr_assert_ok(bide_set_add(&set, &timer_member, &timer.future, NULL));
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
    cr_assert(ready == &timer_member, "another member");

    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_readable_init(&readable, async);
    cr_assert_ok(bide_set_add(&set, &read_member, &readable.future, NULL));
    put(writer, "x", 1);
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
    cr_assert(ready == &read_member, "another member");
    cr_assert_gives(bide_set_remove(&set, &member), BIDE_READY);
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

enum { THREADS = 4, EVENTS = 250, ROUNDS = 20 };
static struct waits crowd[THREADS * EVENTS];

static void set_a_quarter(struct worker *worker)
{
    struct waits *mine = worker->arg;
    for (int i = 0; i < EVENTS; i++)
        bide_event_set(&mine[(i * 83) % EVENTS].event);
}

Test(set, gives_each_member_once_whoever_wakes_them)
{
    make_waits(crowd, THREADS * EVENTS);
    for (int round = 0; round < ROUNDS; round++) {
        struct worker workers[THREADS];
        bool given[THREADS * EVENTS] = {false};
        for (int i = 0; i < THREADS; i++)
            worker_start(&workers[i], set_a_quarter, &crowd[i * EVENTS]);
        for (int i = 0; i < THREADS * EVENTS; i++) {
            bide_set_member *ready;
            cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
            uintptr_t index = (uintptr_t)ready->tag;
            cr_assert(!given[index], "member %zu came twice", (size_t)index);
            given[index] = true;
        }
        expect_count(0);
        for (int i = 0; i < THREADS; i++)
            (void)worker_join(&workers[i]);
        for (size_t i = 0; i < THREADS * EVENTS; i++)
            wait_in_set(&crowd[i], (void *)(uintptr_t)i);
    }
    remove_all(crowd, THREADS * EVENTS);
}
