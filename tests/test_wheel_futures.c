/* Time limits and intervals on the hashed wheel, by the manual clock.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_wheel.h"

TestSuite(wheel_limit, .init = make_manual, .fini = free_wheel, .timeout = 60);
TestSuite(wheel_interval, .fini = free_wheel, .timeout = 60);

static struct counter counter;
static struct manual inner;
static bide_wheel_timeout limit;
static bide_wheel_interval interval;

static int poll_limit(void)
{
    return poll_with(&limit.future, counting(&counter));
}

/* --- time limits --- */

static void limit_to(bide_duration duration)
{
    manual_init(&inner, BIDE_PENDING);
    cr_assert_ok(bide_wheel_timeout_init(&limit, wheel, &inner.future, duration));
}

Test(wheel_limit, a_result_that_comes_first_ends_it_and_takes_the_sleep_out)
{
    limit_to(MS(200));
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    cr_assert_eq(stats().pending, 1);
    manual_finish(&inner);
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, 0);
    cr_assert_eq(stats().pending, 0);
}

Test(wheel_limit, a_time_out_that_comes_first_hands_the_inner_future_back_uncancelled)
{
    limit_to(MS(200));
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    (void)advance(200);
    cr_assert_eq(counter.wakes, 1);
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, BIDE_ETIMEDOUT);
    cr_assert_eq(inner.cancels, 0, "%d cancels", inner.cancels);
    cr_assert_gives(poll_with(&inner.future, counting(&counter)), BIDE_PENDING);
    manual_finish(&inner);
    cr_assert_gives(poll_with(&inner.future, counting(&counter)), BIDE_READY);
}

Test(wheel_limit, an_error_that_comes_first_is_its_result)
{
    limit_to(MS(200));
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    inner.on_poll = BIDE_ENOMEM;
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, BIDE_ENOMEM);
    cr_assert_eq(stats().pending, 0);
}

Test(wheel_limit, a_result_beats_the_time_out_when_both_are_ready)
{
    limit_to(MS(200));
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    (void)advance(200);
    inner.on_poll = BIDE_READY;
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, 0);
}

Test(wheel_limit, cancelling_it_cancels_both)
{
    limit_to(MS(200));
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&limit.future), BIDE_READY);
    cr_assert_gives(limit.result, BIDE_ECANCELED);
    cr_assert_eq(inner.cancels, 1);
    cr_assert_eq(stats().pending, 0);
}

Test(wheel_limit, no_room_is_told_and_the_inner_future_handed_back)
{
    cr_assert_ok(bide_wheel_free(wheel));
    options.initial_capacity = options.max_capacity = 1;
    make_wheel();
    bide_wheel_sleeping sleeping;
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, MS(100)));
    cr_assert_ok(bide_wheel_sleeping_start(&sleeping));
    limit_to(MS(200));
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, BIDE_ENOCAPACITY);
    cr_assert_eq(inner.cancels, 0);
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping), BIDE_READY);
}

static void limit_stream(void)
{
    manual_stream_init(&inner, BIDE_PENDING);
    cr_assert_ok(bide_wheel_timeout_init_stream(&limit, wheel, &inner.future, MS(200)));
}

static void take_item(void)
{
    inner.on_poll = BIDE_READY;
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, 0);
    inner.on_poll = BIDE_PENDING;
}

Test(wheel_limit, a_stream_whose_items_come_in_time_completes)
{
    limit_stream();
    int64_t now = 0;
    for (int i = 0; i < 10; i++) {
        cr_assert_gives(poll_limit(), BIDE_PENDING);
        (void)advance(now += 199);
        take_item();
        cr_assert_eq(stats().pending, 0);
    }
}

Test(wheel_limit, a_stream_times_out_after_two_items_if_the_third_does_not_come)
{
    limit_stream();
    int64_t now = 0;
    for (int i = 0; i < 2; i++) {
        cr_assert_gives(poll_limit(), BIDE_PENDING);
        (void)advance(now += 150);
        take_item();
    }
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    (void)advance(now + 199);
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    (void)advance(now + 300);
    cr_assert_gives(poll_limit(), BIDE_READY);
    cr_assert_gives(limit.result, BIDE_ETIMEDOUT);
    cr_assert_eq(inner.cancels, 0);
    /* And may go on, with a limit that begins anew. */
    cr_assert_gives(poll_limit(), BIDE_PENDING);
    take_item();
}

/* --- intervals --- */

static int poll_interval(void)
{
    return poll_with(&interval.future, counting(&counter));
}

static void expect_tick(int64_t ms)
{
    cr_assert_gives(poll_interval(), BIDE_READY);
    cr_assert_gives(interval.result, 0);
    cr_assert_eq(interval.scheduled.ns, MS(ms), "%lld, not %lld", (long long)interval.scheduled.ns,
                 (long long)MS(ms));
}

static void make_missing(bide_missed missed)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.missed = missed;
    make_wheel();
}

Test(wheel_interval, ticks_once_and_twice, .init = make_manual)
{
    cr_assert_ok(bide_wheel_interval_init(&interval, wheel, MS(200)));
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(199);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(200);
    expect_tick(200);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(400);
    expect_tick(400);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&interval.future), BIDE_READY);
    cr_assert_eq(stats().pending, 0);
}

Test(wheel_interval, with_a_start_in_the_past_ticks_at_once, .init = make_manual)
{
    (void)advance(1000);
    cr_assert_ok(bide_wheel_interval_init_at(&interval, wheel, at(MS(900)), MS(200)));
    expect_tick(900);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(1100);
    expect_tick(1100);
    cr_assert_ok(bide_wheel_interval_init_at(&interval, wheel, BIDE_NOW, MS(200)));
    expect_tick(1100);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&interval.future), BIDE_READY);
}

Test(wheel_interval, gives_missed_ticks_in_a_burst)
{
    make_missing(BIDE_MISSED_BURST);
    cr_assert_ok(bide_wheel_interval_init(&interval, wheel, MS(100)));
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(350);
    expect_tick(100);
    expect_tick(200);
    expect_tick(300);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&interval.future), BIDE_READY);
}

Test(wheel_interval, skips_missed_ticks_if_told_to)
{
    make_missing(BIDE_MISSED_SKIP);
    cr_assert_ok(bide_wheel_interval_init(&interval, wheel, MS(100)));
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(350);
    expect_tick(100);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(400);
    expect_tick(400);
}

Test(wheel_interval, is_delayed_by_missed_ticks_if_told_to)
{
    make_missing(BIDE_MISSED_DELAY);
    cr_assert_ok(bide_wheel_interval_init(&interval, wheel, MS(100)));
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(350);
    expect_tick(100);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(449);
    cr_assert_gives(poll_interval(), BIDE_PENDING);
    (void)advance(500);
    expect_tick(450);
}

Test(wheel_interval, of_any_period_keeps_its_mean_within_a_thousandth_over_10000_periods, .init = make_manual)
{
    static const bide_duration periods[] = {MS(250), MS(150), MS(110), MS(100), MS(333)};
    enum { COUNT = 10000 };
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
        bide_instant start = bide_wheel_now(wheel);
        cr_assert_ok(bide_wheel_interval_init(&interval, wheel, periods[i]));
        for (int tick = 1; tick <= COUNT; tick++) {
            bide_instant due = bide_instant_add(start, periods[i] * tick);
            while (poll_interval() == BIDE_PENDING)
                (void)bide_wheel_advance(wheel, bide_wheel_next(wheel));
            cr_assert_eq(interval.scheduled.ns, due.ns);
            bide_duration late = bide_instant_since(bide_wheel_now(wheel), due);
            cr_assert(late >= 0 && late < MS(100), "tick %d of %lld is %lld late", tick,
                      (long long)periods[i], (long long)late);
        }
        double mean = (double)bide_instant_since(bide_wheel_now(wheel), start) / COUNT;
        double error = mean / (double)periods[i] - 1;
        cr_log_info("a period of %lld ns has the mean %.1f", (long long)periods[i], mean);
        cr_assert(error > -0.001 && error < 0.001, "a period of %lld ns has the mean %f",
                  (long long)periods[i], mean);
        cr_assert_gives(bide_cancel(&interval.future), BIDE_READY);
    }
}

Test(wheel_interval, by_the_real_clock_in_both_forms)
{
    for (int form = 0; form < 2; form++) {
        set_options((bide_wheel_form)form, BIDE_WHEEL_MONOTONIC);
        options.tick = MS(2);
        make_wheel();
        bide_instant start = bide_now();
        cr_assert_ok(bide_wheel_interval_init(&interval, wheel, MS(3)));
        for (int tick = 1; tick <= 10; tick++) {
            cr_assert_ok(bide_wheel_interval_wait(&interval));
            bide_instant due = bide_instant_add(start, MS(3) * tick);
            cr_assert(!bide_before(bide_now(), due), "tick %d is early", tick);
        }
        free_wheel();
    }
}
