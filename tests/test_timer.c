/* Timers: when they fire, what setting them does, from any thread.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include <sched.h>

TestSuite(timer, .fini = shut_down, .timeout = 60);

static bide_timer timer;

/* A future deadline that no test reaches. */
static bide_instant far(void)
{
    return bide_after(BIDE_HOURS(1));
}

static int poll_timer(struct counter *counter)
{
    return poll_with(&timer.future, counting(counter));
}

static void expect_same(bide_instant instant, bide_instant expected)
{
    cr_assert_eq(instant.ns, expected.ns, "%lld instead of %lld: %lld too late", (long long)instant.ns,
                 (long long)expected.ns, (long long)bide_instant_since(instant, expected));
}

static void expect_passed(bide_instant instant)
{
    bide_instant now = bide_now();
    cr_assert(!bide_before(now, instant), "%lld ns early", (long long)bide_instant_since(instant, now));
}

/* --- firing --------------------------------------------------------------------------------------------- */

Test(timer, fires_once_after_the_duration_and_gives_the_scheduled_instant)
{
    bide_instant before = bide_now();
    bide_timer_after(&timer, SHORT);
    bide_instant deadline = bide_timer_deadline(&timer);
    cr_assert(!bide_before(deadline, bide_instant_add(before, SHORT)), "the deadline is too early");
    cr_assert(bide_timer_will_fire(&timer), "it will not fire");
    cr_assert_ok(bide_timer_wait(&timer));
    expect_passed(deadline);
    expect_same(timer.result, deadline);
    cr_assert(!bide_timer_will_fire(&timer), "it will fire again");
    expect_same(bide_timer_deadline(&timer), BIDE_NEVER);
    cr_assert_gives(bide_await(&timer.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
}

Test(timer, at_an_instant_gives_that_instant)
{
    bide_instant deadline = bide_after(BIDE_MILLISECONDS(5));
    bide_timer_at(&timer, deadline);
    expect_same(bide_timer_deadline(&timer), deadline);
    cr_assert_ok(bide_timer_wait(&timer));
    expect_passed(deadline);
    expect_same(timer.result, deadline);
}

Test(timer, whose_deadline_is_now_or_has_passed_fires_at_once)
{
    struct counter counter = {0};
    const bide_duration ago[] = {0, 1, BIDE_SECONDS(1), BIDE_HOURS(1)};
    for (size_t i = 0; i < sizeof ago / sizeof *ago; i++) {
        bide_instant deadline = bide_instant_add(bide_now(), -ago[i]);
        bide_timer_at(&timer, deadline);
        cr_assert_gives(poll_timer(&counter), BIDE_READY);
        expect_same(timer.result, deadline);
    }
    bide_timer_at(&timer, BIDE_NOW);
    cr_assert_gives(poll_timer(&counter), BIDE_READY);
    bide_timer_after(&timer, 0);
    cr_assert_gives(poll_timer(&counter), BIDE_READY);
    bide_timer_after(&timer, -BIDE_HOURS(1));
    cr_assert_gives(poll_timer(&counter), BIDE_READY);
    bide_timer_after(&timer, INT64_MIN);
    cr_assert_gives(poll_timer(&counter), BIDE_READY);
}

Test(timer, that_is_never_does_not_fire)
{
    bide_timer_never(&timer);
    cr_assert(!bide_timer_will_fire(&timer), "it will fire");
    cr_assert_gives(bide_await(&timer.future, bide_after(BIDE_MILLISECONDS(2))), BIDE_ETIMEDOUT);
    bide_timer_at(&timer, BIDE_NEVER);
    cr_assert(!bide_timer_will_fire(&timer), "it will fire");
    cr_assert_gives(bide_await(&timer.future, bide_after(BIDE_MILLISECONDS(2))), BIDE_ETIMEDOUT);
}

Test(timer, saturates_to_never)
{
    struct counter counter = {0};
    const bide_duration huge[] = {BIDE_DURATION_MAX, BIDE_DURATION_MAX - 1, BIDE_DURATION_MAX / 1000 * 999};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        bide_timer_after(&timer, huge[i]);
        bool saturated = huge[i] > INT64_MAX - bide_now().ns;
        cr_assert_eq(bide_timer_will_fire(&timer), !saturated, "%lld: %d", (long long)huge[i], !saturated);
        cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
        cr_assert_ok(bide_timer_set_after(&timer, huge[i]));
        cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
        cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    }
    bide_timer_interval(&timer, BIDE_DURATION_MAX);
    cr_assert(!bide_timer_will_fire(&timer), "it will fire");
    /* The first tick is due, the second beyond all time. */
    bide_timer_interval_at(&timer, bide_now(), BIDE_DURATION_MAX);
    cr_assert_gives(poll_timer(&counter), BIDE_READY);
    cr_assert(!bide_timer_will_fire(&timer), "it will fire again");
}

Test(timer, never_fires_early_nor_twice_nor_never)
{
    enum { TIMERS = 10000 };
    static bide_timer timers[TIMERS];
    static bide_set_member members[TIMERS];
    bide_set set;
    bide_set_init(&set);
    uint32_t random = 12345;
    for (int i = 0; i < TIMERS; i++) {
        random = random * 1664525 + 1013904223;
        bide_timer_after(&timers[i], (bide_duration)(random % (unsigned)BIDE_MILLISECONDS(200)));
        cr_assert_ok(bide_set_add(&set, &members[i], &timers[i].future, NULL));
    }
    for (int i = 0; i < TIMERS; i++) {
        bide_set_member *ready;
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
        expect_passed(((bide_timer *)ready->future)->result);
        cr_assert(!bide_timer_will_fire((bide_timer *)ready->future), "it will fire again");
    }
    cr_assert_eq(bide_set_count(&set), 0, "%zu timers have not fired", bide_set_count(&set));
}

Test(timer, takes_one_turn_of_the_reactor_whatever_its_fraction_of_a_millisecond)
{
    cr_assert_not_null(bide_reactor_backend(bide_reactor_global()), "the reactor cannot be opened");
    for (int i = 1; i <= 30; i++) {
        uint64_t before = stats_now().turns;
        bide_timer_after(&timer, BIDE_MICROSECONDS(103 * i));
        cr_assert_ok(bide_timer_wait(&timer));
        expect_passed(timer.result);
        /* None, if it was due before the thread could wait. */
        int turns = (int)(stats_now().turns - before);
        cr_assert_leq(turns, 1, "%d turns for %d us", turns, 103 * i);
    }
}

static void take_long(void *arg)
{
    bide_instant *ended = arg;
    bide_instant until = bide_after(BIDE_MILLISECONDS(5));
    while (bide_before(bide_now(), until))
        bide_os_spin_pause();
    *ended = bide_now();
}

Test(timer, is_set_from_the_present_instant_also_after_a_long_waker)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_instant ended = BIDE_NOW;
    bide_waker waker = {take_long, &ended};
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, waker), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 1);
    cr_assert_ok(bide_timer_set_after(&timer, BIDE_MILLISECONDS(2)));
    bide_duration after = bide_instant_since(bide_timer_deadline(&timer), ended);
    cr_assert_geq(after, BIDE_MILLISECONDS(2), "%lld ns after the waker's end", (long long)after);
    cr_assert_ok(bide_timer_wait(&timer));
    expect_passed(bide_instant_add(ended, BIDE_MILLISECONDS(2)));
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}

/* Notes who was woken, in order. */
enum { EQUALS = 300 };
static int woken[EQUALS];
static int woken_count;

static void note_wake(void *arg)
{
    woken[woken_count++] = (int)(uintptr_t)arg;
}

Test(timer, fires_in_the_order_of_deadlines_and_among_equals_in_that_of_arming)
{
    static bide_timer timers[EQUALS];
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    /* Never first: half of them are then moved, in order, and the other half armed. Nobody drives
     * meanwhile. */
    bide_instant last = bide_after(BIDE_MILLISECONDS(400));
    for (int i = 0; i < EQUALS; i++) {
        bide_instant deadline = bide_instant_add(last, i % 3 - 2);
        bide_waker waker = {note_wake, (void *)(uintptr_t)i};
        if (i % 2) {
            bide_timer_never(&timers[i]);
            cr_assert_gives(poll_with(&timers[i].future, waker), BIDE_PENDING);
            cr_assert_ok(bide_timer_set_at(&timers[i], deadline));
        } else {
            bide_timer_at(&timers[i], deadline);
            cr_assert_gives(poll_with(&timers[i].future, waker), BIDE_PENDING);
        }
    }
    cr_assert_ok(bide_sleep_until(last));
    while (woken_count < EQUALS)
        cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "the reactor failed");
    int n = 0;
    for (int rest = 0; rest < 3; rest++)
        for (int i = rest; i < EQUALS; i += 3, n++)
            cr_assert_eq(woken[n], i, "number %d was timer %d instead of %d", n, woken[n], i);
    for (int i = 0; i < EQUALS; i++)
        cr_assert_gives(bide_cancel(&timers[i].future), BIDE_READY);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}

Test(timer, may_be_awaited_again_after_it_was_set_again)
{
    bide_timer_after(&timer, 0);
    for (int i = 0; i < 10; i++) {
        cr_assert_ok(bide_timer_wait(&timer));
        cr_assert_ok(bide_timer_set_after(&timer, BIDE_MICROSECONDS(50 * i)));
    }
}

Test(timer, that_is_cancelled_may_be_awaited_again)
{
    struct counter counter = {0};
    bide_timer_at(&timer, far());
    cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
    cr_assert_eq(stats_now().timers_pending, 1, "%zu armed", stats_now().timers_pending);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    cr_assert_eq(stats_now().timers_pending, 0, "%zu armed", stats_now().timers_pending);
    cr_assert(bide_timer_will_fire(&timer), "the deadline is lost");
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    cr_assert_ok(bide_timer_wait(&timer));
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
}

Test(timer, refuses_null)
{
    bide_timer_never(NULL);
    bide_timer_after(NULL, 0);
    bide_timer_at(NULL, BIDE_NOW);
    bide_timer_interval(NULL, 1);
    bide_timer_interval_at(NULL, BIDE_NOW, 1);
    bide_timer_set_missed(NULL, BIDE_MISSED_SKIP);
    bide_timer_set_slack(NULL, 1);
    cr_assert_gives(bide_timer_set_never(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_timer_set_after(NULL, 0), BIDE_EINVAL);
    cr_assert_gives(bide_timer_set_at(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_timer_set_interval(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_timer_set_interval_at(NULL, BIDE_NOW, 1), BIDE_EINVAL);
    cr_assert_gives(bide_timer_wait(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_timer_error(NULL), BIDE_EINVAL);
    cr_assert(!bide_timer_will_fire(NULL), "NULL will fire");
    expect_same(bide_timer_deadline(NULL), BIDE_NEVER);
}

/* --- setting -------------------------------------------------------------------------------------------- */

/* The setters, each making the timer fire soon, and the instant for which that is. */
enum setter { AFTER, AT, INTERVAL, INTERVAL_AT, SETTERS };

static bide_instant set_soon(enum setter setter)
{
    bide_instant soon = bide_after(BIDE_MILLISECONDS(1));
    switch (setter) {
    case AFTER: (void)bide_timer_set_after(&timer, BIDE_MILLISECONDS(1)); break;
    case AT: (void)bide_timer_set_at(&timer, soon); return soon;
    case INTERVAL: (void)bide_timer_set_interval(&timer, BIDE_MILLISECONDS(1)); break;
    default: (void)bide_timer_set_interval_at(&timer, soon, BIDE_HOURS(1)); return soon;
    }
    return bide_timer_deadline(&timer);
}

static void make_timer(int kind)
{
    if (kind == 0)
        bide_timer_never(&timer);
    else if (kind == 1)
        bide_timer_at(&timer, far());
    else
        bide_timer_interval(&timer, BIDE_HOURS(1));
}

static void wait_for_timer(struct worker *worker)
{
    worker->result = bide_timer_wait(&timer);
}

Test(timer, takes_effect_at_once_when_another_thread_sets_it_while_it_is_awaited)
{
    for (int kind = 0; kind < 3; kind++) {
        for (int setter = 0; setter < SETTERS; setter++) {
            make_timer(kind);
            struct worker worker;
            worker_start(&worker, wait_for_timer, NULL);
            await_asleep(&worker);
            bide_instant before = bide_now();
            bide_instant expected = set_soon((enum setter)setter);
            cr_assert_gives(worker_join(&worker), 0);
            expect_passed(timer.result);
            /* Where the setter chose the instant, it may have passed before it could be read. */
            if (setter == AT || setter == INTERVAL_AT) expect_same(timer.result, expected);
            cr_assert(!bide_before(timer.result, before), "it gave an instant before it was set");
        }
    }
}

Test(timer, takes_effect_when_it_is_set_while_a_state_machine_waits_for_it)
{
    for (int setter = 0; setter < SETTERS; setter++) {
        struct counter counter = {0};
        bide_timer_never(&timer);
        cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
        (void)set_soon((enum setter)setter);
        AWAIT(counter.wakes > 0);
        cr_assert_gives(poll_timer(&counter), BIDE_READY);
        expect_passed(timer.result);
    }
}

/* Sets the timer to something later while a thread awaits it, before it fires; returns the deadline that
 * it had. */
static bide_instant set_while_awaited(struct worker *worker, bide_duration later)
{
    /* On a machine that is too busy it has fired before it could be set: then once more, with more time. */
    for (bide_duration lead = BIDE_MILLISECONDS(10);; lead *= 2) {
        bide_instant former = bide_after(lead);
        bide_timer_at(&timer, former);
        worker_start(worker, wait_for_timer, NULL);
        await_asleep(worker);
        cr_assert_ok(bide_timer_set_at(&timer, bide_instant_add(former, later)));
        if (bide_before(bide_now(), former)) return former;
        cr_assert_ok(bide_timer_set_after(&timer, 0));
        cr_assert_gives(worker_join(worker), 0);
    }
}

Test(timer, set_to_later_while_it_is_awaited_does_not_fire_at_the_former_deadline)
{
    struct worker worker;
    bide_instant former = set_while_awaited(&worker, BIDE_MILLISECONDS(20));
    bide_instant later = bide_instant_add(former, BIDE_MILLISECONDS(20));
    cr_assert_gives(worker_join(&worker), 0);
    expect_same(timer.result, later);
    expect_passed(later);
}

Test(timer, set_to_never_while_it_is_awaited_does_not_fire_until_it_is_set_again)
{
    struct worker worker;
    bide_instant former = set_while_awaited(&worker, BIDE_DURATION_MAX);
    cr_assert(!bide_timer_will_fire(&timer), "it will fire");
    cr_assert_ok(bide_sleep_until(bide_instant_add(former, BIDE_MILLISECONDS(5))));
    cr_assert(!worker.done, "it fired");
    bide_instant now = bide_now();
    cr_assert_ok(bide_timer_set_at(&timer, now));
    cr_assert_gives(worker_join(&worker), 0);
    expect_same(timer.result, now);
}

/* It has fired, but nobody has polled it yet. */
Test(timer, set_between_its_wake_and_the_next_poll_is_not_overlooked)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    struct counter counter = {0};
    bide_timer_never(&timer);
    for (int i = 1; i <= 3; i++) {
        cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
        cr_assert_ok(bide_timer_set_after(&timer, 0));
        cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 1);
        cr_assert_eq(counter.wakes, i, "%d wakes", counter.wakes);
        cr_assert_ok(bide_timer_set_at(&timer, far()));
    }
    cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
    bide_instant now = bide_now();
    cr_assert_ok(bide_timer_set_at(&timer, now));
    cr_assert_gives(poll_timer(&counter), BIDE_READY);
    expect_same(timer.result, now);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}

static _Atomic bool stop;

static void set_again_and_again(struct worker *worker)
{
    uint32_t random = (uint32_t)(uintptr_t)worker;
    while (!stop) {
        random = random * 1664525 + 1013904223;
        bide_duration soon = BIDE_MICROSECONDS(random >> 26);
        switch (random >> 13 & 7) {
        case 0: (void)bide_timer_set_at(&timer, bide_after(soon)); break;
        case 1: (void)bide_timer_set_interval(&timer, soon + 1); break;
        case 2: (void)bide_timer_set_interval_at(&timer, bide_after(soon), BIDE_MICROSECONDS(20)); break;
        case 3: (void)bide_timer_set_never(&timer); break;
        case 4: bide_timer_set_slack(&timer, soon); break;
        case 5: bide_timer_set_missed(&timer, (bide_missed)(random >> 20 & 1)); break;
        case 6: (void)bide_timer_will_fire(&timer); break;
        default: (void)bide_timer_set_after(&timer, soon); break;
        }
    }
    worker->result = 0;
}

Test(timer, may_be_set_by_two_threads_while_a_third_awaits_it)
{
    bide_timer_never(&timer);
    struct worker setters[2];
    for (int i = 0; i < 2; i++)
        worker_start(&setters[i], set_again_and_again, NULL);
    for (int i = 0; i < 2000; i++) {
        if (i % 2) {
            cr_assert_ok(bide_timer_wait(&timer));
            expect_passed(timer.result);
        } else if (bide_await(&timer.future, bide_after(BIDE_MICROSECONDS(i % 50))) == 0) {
            cr_assert_ok(bide_timer_error(&timer));
            expect_passed(timer.result);
        }
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        (void)worker_join(&setters[i]);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    cr_assert_ok(bide_timer_wait(&timer));
    cr_assert_eq(stats_now().timers_pending, 0, "%zu armed", stats_now().timers_pending);
}

/* --- tasks and threads ---------------------------------------------------------------------------------- */

Test(timer, that_is_polled_by_another_task_wakes_that_one)
{
    struct counter first = {0}, second = {0};
    bide_timer_never(&timer);
    cr_assert_gives(poll_timer(&first), BIDE_PENDING);
    cr_assert_gives(poll_timer(&second), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, BIDE_MILLISECONDS(1)));
    AWAIT(second.wakes > 0);
    cr_assert_gives(poll_timer(&second), BIDE_READY);
    cr_assert_eq(first.wakes, 0, "the first task was woken %d times", first.wakes);
    cr_assert_eq(second.wakes, 1, "the second task was woken %d times", second.wakes);
}

Test(timer, that_one_thread_began_to_await_may_be_awaited_by_another)
{
    bide_timer_never(&timer);
    struct counter counter = {0};
    cr_assert_gives(poll_timer(&counter), BIDE_PENDING);
    cr_assert_eq(stats_now().background, 1, "%zu wait in the background", stats_now().background);
    struct worker worker;
    worker_start(&worker, wait_for_timer, NULL);
    /* The thread stands for itself: once it has taken the timer over, nothing waits in the background. */
    while (stats_now().background > 0)
        (void)sched_yield();
    bide_instant deadline = bide_after(BIDE_MILLISECONDS(5));
    cr_assert_ok(bide_timer_set_at(&timer, deadline));
    cr_assert_gives(worker_join(&worker), 0);
    expect_passed(deadline);
    expect_same(timer.result, deadline);
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
}

static void sleep_often(struct worker *worker)
{
    for (int i = 0; i < 100 && worker->result == 0; i++) {
        bide_duration duration = BIDE_MICROSECONDS((i * 37) % 200);
        bide_instant until = bide_after(duration);
        worker->result = i % 2 ? bide_sleep(duration) : bide_sleep_until(until);
        if (bide_before(bide_now(), until) && !(i % 2)) worker->result = BIDE_EINVAL;
    }
}

Test(timer, sleeping_takes_no_less_than_it_should_on_any_number_of_threads)
{
    struct worker workers[8];
    for (int i = 0; i < 8; i++)
        worker_start(&workers[i], sleep_often, NULL);
    for (int i = 0; i < 8; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    bide_instant before = bide_now();
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(3)));
    cr_assert_geq(bide_instant_since(bide_now(), before), BIDE_MILLISECONDS(3), "it slept too short");
}

Test(timer, sleeping_for_nothing_returns_at_once)
{
    cr_assert_ok(bide_sleep(0));
    cr_assert_ok(bide_sleep(-1));
    cr_assert_ok(bide_sleep(INT64_MIN));
    cr_assert_ok(bide_sleep_until(BIDE_NOW));
    cr_assert_ok(bide_sleep_until(bide_instant_add(bide_now(), -BIDE_HOURS(1))));
}
