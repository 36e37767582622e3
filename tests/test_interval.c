/* Timers that fire again and again, what becomes of ticks that were missed, and slack.
 *
 * Exact schedules are tested with periods of an hour and starts in the past, so that nothing depends on how
 * long the test takes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

TestSuite(interval, .fini = shut_down, .timeout = 60);
TestSuite(slack, .fini = shut_down, .timeout = 60);

#define HOUR BIDE_HOURS(1)

static bide_timer timer;
static struct counter counter;

static int poll_timer(void)
{
    return poll_with(&timer.future, counting(&counter));
}

static bide_instant hours_after(bide_instant instant, int hours)
{
    return bide_instant_add(instant, HOUR * hours);
}

static void expect_same(bide_instant instant, bide_instant expected)
{
    cr_assert_eq(instant.ns, expected.ns, "%lld instead of %lld: %lld too late", (long long)instant.ns,
                 (long long)expected.ns, (long long)bide_instant_since(instant, expected));
}

/* A tick comes at once, and this is the instant for which it was scheduled. */
static void expect_tick(bide_instant scheduled)
{
    cr_assert_gives(poll_timer(), BIDE_READY);
    expect_same(timer.result, scheduled);
}

/* The next tick is not due, and this is when it will be. */
static void expect_next(bide_instant deadline)
{
    expect_same(bide_timer_deadline(&timer), deadline);
    cr_assert(bide_timer_will_fire(&timer), "it will not fire");
    cr_assert_gives(poll_timer(), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
}

/* --- schedules ------------------------------------------------------------------------------------------ */

Test(interval, ticks_on_its_schedule)
{
    const bide_duration period = BIDE_MILLISECONDS(3);
    bide_instant before = bide_now();
    bide_timer_interval(&timer, period);
    bide_instant scheduled = bide_timer_deadline(&timer);
    cr_assert(!bide_before(scheduled, bide_instant_add(before, period)), "the first tick is too early");
    for (int i = 0; i < 10; i++) {
        cr_assert_ok(bide_timer_wait(&timer));
        cr_assert(!bide_before(bide_now(), scheduled), "tick %d was early", i);
        expect_same(timer.result, scheduled);
        scheduled = bide_instant_add(scheduled, period);
        expect_same(bide_timer_deadline(&timer), scheduled);
    }
}

Test(interval, at_a_start_ticks_there_first)
{
    bide_instant start = bide_now();
    bide_timer_interval_at(&timer, start, HOUR);
    expect_tick(start);
    expect_next(hours_after(start, 1));
    start = bide_after(BIDE_SECONDS(1000));
    bide_timer_interval_at(&timer, start, HOUR);
    expect_next(start);
}

Test(interval, that_starts_now_ticks_at_once_and_then_each_period)
{
    bide_instant before = bide_now();
    bide_timer_interval_at(&timer, BIDE_NOW, HOUR);
    cr_assert_gives(poll_timer(), BIDE_READY);
    cr_assert(!bide_before(timer.result, before) && !bide_before(bide_now(), timer.result), "tick at %lld",
              (long long)timer.result.ns);
    expect_next(hours_after(timer.result, 1));
    cr_assert_ok(bide_timer_set_interval_at(&timer, BIDE_NOW, HOUR));
    cr_assert_gives(poll_timer(), BIDE_READY);
    expect_next(hours_after(timer.result, 1));
}

Test(interval, without_a_positive_period_never_ticks)
{
    const bide_duration periods[] = {0, -1, -HOUR, INT64_MIN};
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
        bide_timer_interval(&timer, periods[i]);
        cr_assert(!bide_timer_will_fire(&timer), "a period of %lld", (long long)periods[i]);
        bide_timer_interval_at(&timer, bide_now(), periods[i]);
        cr_assert(!bide_timer_will_fire(&timer), "a period of %lld", (long long)periods[i]);
        cr_assert_gives(bide_await(&timer.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
        bide_timer_at(&timer, bide_now());
        cr_assert_ok(bide_timer_set_interval(&timer, periods[i]));
        cr_assert(!bide_timer_will_fire(&timer), "a period of %lld", (long long)periods[i]);
    }
}

Test(interval, becomes_a_one_shot_when_it_is_set_to_a_single_instant)
{
    for (int setter = 0; setter < 2; setter++) {
        bide_instant now = bide_now();
        bide_timer_interval(&timer, HOUR);
        if (setter == 0)
            cr_assert_ok(bide_timer_set_at(&timer, now));
        else
            cr_assert_ok(bide_timer_set_after(&timer, 0));
        cr_assert_gives(poll_timer(), BIDE_READY);
        cr_assert(!bide_timer_will_fire(&timer), "it will tick again");
        cr_assert_gives(bide_await(&timer.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    }
    bide_timer_interval_at(&timer, bide_now(), HOUR);
    cr_assert_ok(bide_timer_set_never(&timer));
    cr_assert(!bide_timer_will_fire(&timer), "it will tick");
    cr_assert_gives(bide_await(&timer.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
}

Test(interval, is_what_a_one_shot_becomes_when_it_is_given_a_period)
{
    bide_instant start = bide_now();
    bide_timer_never(&timer);
    cr_assert_ok(bide_timer_set_interval_at(&timer, start, HOUR));
    expect_tick(start);
    expect_next(hours_after(start, 1));
    bide_instant before = bide_now();
    cr_assert_ok(bide_timer_set_interval(&timer, HOUR));
    bide_instant first = bide_timer_deadline(&timer);
    cr_assert(!bide_before(first, hours_after(before, 1)) && !bide_before(hours_after(bide_now(), 1), first),
              "the first tick is at %lld", (long long)first.ns);
}

Test(interval, keeps_its_schedule_in_a_set)
{
    bide_instant start = bide_now();
    const bide_duration period = BIDE_MICROSECONDS(500);
    bide_timer_interval_at(&timer, start, period);
    bide_set set;
    bide_set_member member, *ready;
    bide_set_init(&set);
    for (int i = 0; i < 50; i++) {
        cr_assert_ok(bide_set_add(&set, &member, &timer.future, NULL));
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
        expect_same(timer.result, bide_instant_add(start, period * i));
    }
}

/* --- missed ticks --------------------------------------------------------------------------------------- */

/* An interval whose ticks at 0, 1, 2 and 3 hours after `start` have passed, half an hour ago the last. */
static bide_instant miss_four(bide_missed policy)
{
    bide_instant start = bide_instant_add(bide_now(), -3 * HOUR - HOUR / 2);
    bide_timer_interval_at(&timer, start, HOUR);
    bide_timer_set_missed(&timer, policy);
    return start;
}

Test(interval, gives_each_missed_tick_in_a_burst)
{
    bide_instant start = miss_four(BIDE_MISSED_BURST);
    for (int i = 0; i < 4; i++)
        expect_tick(hours_after(start, i));
    expect_next(hours_after(start, 4));
}

Test(interval, gives_bursts_unless_told_otherwise)
{
    bide_instant start = bide_instant_add(bide_now(), -HOUR);
    bide_timer_interval_at(&timer, start, HOUR);
    expect_tick(start);
    expect_tick(hours_after(start, 1));
    expect_next(hours_after(start, 2));
}

Test(interval, skips_missed_ticks_and_goes_on_with_its_schedule)
{
    bide_instant start = miss_four(BIDE_MISSED_SKIP);
    expect_tick(start);
    expect_next(hours_after(start, 4));
}

Test(interval, that_skips_a_tick_which_is_just_due_goes_on_with_the_next)
{
    bide_instant start = bide_instant_add(bide_now(), -2 * HOUR);
    bide_timer_interval_at(&timer, start, HOUR);
    bide_timer_set_missed(&timer, BIDE_MISSED_SKIP);
    expect_tick(start);
    expect_next(hours_after(start, 3));
}

Test(interval, delays_by_a_period_after_the_late_tick_was_taken)
{
    bide_instant start = miss_four(BIDE_MISSED_DELAY);
    bide_instant before = bide_now();
    expect_tick(start);
    bide_instant after = bide_now();
    bide_instant next = bide_timer_deadline(&timer);
    cr_assert(!bide_before(next, hours_after(before, 1)) && !bide_before(hours_after(after, 1), next),
              "the next tick is at %lld", (long long)next.ns);
    expect_next(next);
}

Test(interval, survives_a_schedule_at_the_end_of_time)
{
    static const bide_missed policies[] = {BIDE_MISSED_BURST, BIDE_MISSED_DELAY, BIDE_MISSED_SKIP};
    for (size_t i = 0; i < 3; i++) {
        bide_timer_interval_at(&timer, bide_instant_from_ns(1), BIDE_DURATION_MAX);
        bide_timer_set_missed(&timer, policies[i]);
        expect_tick(bide_instant_from_ns(1));
        cr_assert(!bide_timer_will_fire(&timer), "policy %d: it will tick at %lld", (int)policies[i],
                  (long long)bide_timer_deadline(&timer).ns);
        bide_timer_interval_at(&timer, BIDE_NEVER, HOUR);
        cr_assert(!bide_timer_will_fire(&timer), "policy %d: it will tick", (int)policies[i]);
    }
}

/* --- slack ---------------------------------------------------------------------------------------------- */

enum { TIMERS = 1000 };
static bide_timer timers[TIMERS];
static bide_set_member members[TIMERS];

/* Awaits timers that are due all over 50 ms; returns the turns of the reactor that it took. */
static uint64_t await_spread_timers(bide_duration slack)
{
    bide_set set;
    bide_set_init(&set);
    bide_instant start = bide_after(BIDE_MILLISECONDS(5));
    for (int i = 0; i < TIMERS; i++) {
        bide_timer_at(&timers[i], bide_instant_add(start, BIDE_MICROSECONDS(50) * i));
        bide_timer_set_slack(&timers[i], slack);
        cr_assert_ok(bide_set_add(&set, &members[i], &timers[i].future, NULL));
    }
    cr_assert_ok(bide_sleep(0));
    uint64_t before = stats_now().turns;
    for (int i = 0; i < TIMERS; i++) {
        bide_set_member *ready;
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
        bide_instant scheduled = ((bide_timer *)ready->future)->result;
        cr_assert(!bide_before(bide_now(), scheduled), "a timer fired early");
    }
    return stats_now().turns - before;
}

Test(slack, lets_timers_share_wake_ups_and_none_fires_early)
{
    cr_assert_not_null(bide_reactor_backend(bide_reactor_global()), "the reactor cannot be opened");
    uint64_t turns = await_spread_timers(BIDE_MILLISECONDS(17));
    /* 2^24 ns are 16.8 ms: five wake-ups at most. Polling yields a turn every 128th time, and a batch of
     * 256 that is fired takes a turn. */
    uint64_t limit = 5 + 2 * TIMERS / 128 + TIMERS / 256 + 5;
    cr_assert_leq(turns, limit, "%llu turns for 50 ms in pieces of 16.8", (unsigned long long)turns);
    cr_log_info("%llu turns with slack, %llu without", (unsigned long long)turns,
                (unsigned long long)await_spread_timers(0));
}

Test(slack, that_is_negative_or_tiny_is_none)
{
    const bide_duration slacks[] = {-1, INT64_MIN, 0, 1};
    for (size_t i = 0; i < sizeof slacks / sizeof *slacks; i++) {
        bide_timer_after(&timer, BIDE_MILLISECONDS(1));
        bide_timer_set_slack(&timer, slacks[i]);
        bide_instant deadline = bide_timer_deadline(&timer);
        cr_assert_ok(bide_timer_wait(&timer));
        expect_same(timer.result, deadline);
    }
}

Test(slack, that_is_huge_does_not_overflow)
{
    bide_timer_at(&timer, bide_instant_from_ns(INT64_MAX - 10));
    bide_timer_set_slack(&timer, BIDE_DURATION_MAX);
    cr_assert_gives(poll_timer(), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_at(&timer, bide_now()));
    cr_assert_gives(poll_timer(), BIDE_READY);
    bide_timer_never(&timer);
    bide_timer_set_slack(&timer, BIDE_DURATION_MAX);
    cr_assert_gives(poll_timer(), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
}

/* How long after its deadline a timer may be woken: within the slack, and not before. On a reactor that
 * nobody else drives, its next deadline tells. */
Test(slack, moves_a_wake_up_by_no_more_than_it_allows)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    uint32_t random = 1;
    for (int shift = 1; shift < 50; shift++) {
        random = random * 1664525 + 1013904223;
        bide_duration slack =
            (INT64_C(1) << shift) + (bide_duration)(random % (1u << (shift < 31 ? shift : 31)));
        bide_instant deadline = bide_after(BIDE_HOURS(1) + random);
        bide_timer_at(&timer, deadline);
        bide_timer_set_slack(&timer, slack);
        cr_assert_gives(poll_timer(), BIDE_PENDING);
        bide_duration moved = bide_instant_since(bide_reactor_next_deadline(reactor), deadline);
        cr_assert(moved >= 0 && moved <= slack, "moved by %lld with a slack of %lld", (long long)moved,
                  (long long)slack);
        expect_same(bide_timer_deadline(&timer), deadline);
        cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    }
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}
