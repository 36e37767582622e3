/* The hashed wheel: its options, sleeps by the manual clock and by the real one, in the inline form and in
 * both.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_wheel.h"

#include "support/syscalls.h"

TestSuite(wheel, .fini = free_wheel, .timeout = 60);

static struct counter counter;

static void begin(bide_wheel_sleeping *sleeping, bide_duration duration)
{
    cr_assert_ok(bide_wheel_sleeping_init(sleeping, wheel, duration));
    cr_assert_gives(poll_with(&sleeping->future, counting(&counter)), BIDE_PENDING);
}

static void expect_ready(bide_wheel_sleeping *sleeping, int result)
{
    cr_assert_gives(poll_with(&sleeping->future, counting(&counter)), BIDE_READY);
    cr_assert_gives(sleeping->result, result);
}

static void expect_pending(bide_wheel_sleeping *sleeping)
{
    cr_assert_gives(poll_with(&sleeping->future, counting(&counter)), BIDE_PENDING);
}

/* --- options --- */

Test(wheel, has_the_documented_defaults)
{
    bide_wheel_options_init(&options);
    cr_assert_eq(options.tick, MS(100));
    cr_assert_eq(options.slots, 4096);
    cr_assert_eq(options.initial_capacity, 256);
    cr_assert_eq(options.max_capacity, 4194304);
    cr_assert_eq(options.channel_capacity, 128);
    cr_assert_eq(options.max_timeout, 0);
    cr_assert_str_eq(options.thread_name, "bide-wheel");
    cr_assert_ok(bide_wheel_new(&wheel, NULL));
    bide_wheel_sleeping sleeping;
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, MS(100) * 4096));
    cr_assert_gives(bide_wheel_sleeping_init(&sleeping, wheel, MS(100) * 4096 + 1), BIDE_ETOOLONG);
}

static void expect_invalid(void)
{
    wheel = (bide_wheel *)&counter;
    cr_assert_gives(bide_wheel_new(&wheel, &options), BIDE_EINVAL);
    cr_assert_null(wheel, "a wheel after an error");
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
}

Test(wheel, refuses_options_out_of_their_ranges)
{
    static const uint32_t slots[] = {0, 3, 4095, 4097, 1u << 19};
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        options.slots = slots[i];
        expect_invalid();
    }
    options.tick = 0;
    expect_invalid();
    options.tick = -1;
    expect_invalid();
    options.initial_capacity = 0;
    expect_invalid();
    options.max_capacity = 255; /* less than the initial one */
    expect_invalid();
    options.max_capacity = (1u << 27) + 1;
    expect_invalid();
    options.max_timeout = -1;
    expect_invalid();
    options.channel_capacity = 0;
    expect_invalid();
    options.thread_name = NULL;
    expect_invalid();
    options.clock = (bide_wheel_clock)3;
    expect_invalid();
    options.form = (bide_wheel_form)2;
    expect_invalid();
    options.when_full = (bide_wheel_full)2;
    expect_invalid();
    options.missed = (bide_missed)3;
    expect_invalid();
    cr_assert_gives(bide_wheel_new(NULL, &options), BIDE_EINVAL);
}

Test(wheel, answers_null_with_einval_and_a_future_around_it_is_ready_with_it)
{
    bide_wheel_sleeping sleeping;
    bide_wheel_timeout timeout;
    bide_wheel_interval interval;
    bide_wheel_driving driving;
    cr_assert_gives(bide_wheel_free(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_advance(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_stats_read(NULL, NULL), BIDE_EINVAL);
    cr_assert(bide_is_never(bide_wheel_next(NULL)));
    cr_assert_eq(bide_wheel_now(NULL).ns, BIDE_NOW.ns);
    bide_wheel_options_init(NULL);
    cr_assert_gives(bide_wheel_sleeping_init(NULL, NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_sleeping_start(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_sleeping_reset(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_sleeping_cancel(NULL), BIDE_EINVAL);
    cr_assert_eq(bide_wheel_sleeping_remaining(NULL), 0);
    cr_assert(!bide_wheel_sleeping_is_expired(NULL));
    cr_assert_gives(bide_wheel_sleep(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_sleep_until(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_sleeping_init(&sleeping, NULL, 1), BIDE_EINVAL);
    expect_ready(&sleeping, BIDE_EINVAL);
    cr_assert_gives(bide_wheel_sleeping_reset(&sleeping, 1), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_timeout_init(&timeout, NULL, &sleeping.future, 1), BIDE_EINVAL);
    cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(timeout.result, BIDE_EINVAL);
    cr_assert_gives(bide_wheel_interval_init(&interval, NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_interval_wait(&interval), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_interval_wait(NULL), BIDE_EINVAL);
    bide_wheel_driving_init(&driving, NULL);
    cr_assert_gives(poll_with(&driving.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(driving.result, BIDE_EINVAL);
    make_manual();
    cr_assert_gives(bide_wheel_interval_init(&interval, wheel, 0), BIDE_EINVAL);
    cr_assert_gives(bide_wheel_timeout_init(&timeout, wheel, NULL, 1), BIDE_EINVAL);
}

/* --- sleeping --- */

Test(wheel, a_sleep_of_nothing_is_ready_at_its_first_poll_in_both_forms)
{
    for (int form = 0; form < 2; form++) {
        make((bide_wheel_form)form, BIDE_WHEEL_MONOTONIC);
        static const bide_duration durations[] = {0, -1, INT64_MIN};
        bide_wheel_sleeping sleeping;
        for (int i = 0; i < 3; i++) {
            cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, durations[i]));
            expect_ready(&sleeping, 0);
        }
        cr_assert_ok(bide_wheel_sleeping_init_until(&sleeping, wheel, bide_wheel_now(wheel)));
        expect_ready(&sleeping, 0);
        cr_assert_ok(bide_wheel_sleep(wheel, 0));
        free_wheel();
    }
}

Test(wheel, twenty_times_200_ms_are_never_early_and_late_by_less_than_a_tick)
{
    make_manual();
    int64_t now = 7;
    for (int i = 0; i < 20; i++) {
        (void)advance(now);
        bide_wheel_sleeping sleeping;
        begin(&sleeping, MS(200));
        int64_t deadline = now + 200;
        (void)bide_wheel_advance(wheel, at(MS(deadline) - 1));
        expect_pending(&sleeping);
        now = deadline + 100 - 1;
        (void)advance(now);
        expect_ready(&sleeping, 0);
    }
}

Test(wheel, twenty_times_20_ms_by_the_real_clock_in_both_forms)
{
    for (int form = 0; form < 2; form++) {
        set_options((bide_wheel_form)form, BIDE_WHEEL_MONOTONIC);
        options.tick = MS(1);
        make_wheel();
        for (int i = 0; i < 20; i++) {
            bide_instant deadline = bide_after(MS(20));
            cr_assert_ok(bide_wheel_sleep(wheel, MS(20)));
            cr_assert(!bide_before(bide_now(), deadline), "early");
        }
        free_wheel();
    }
}

Test(wheel, eight_slots_hold_2000_ms)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.slots = 8;
    options.max_timeout = MS(5000);
    make_wheel();
    bide_wheel_sleeping sleeping;
    begin(&sleeping, MS(2000));
    for (int64_t now = 0; now < 2000; now += 100) {
        (void)advance(now);
        expect_pending(&sleeping);
    }
    (void)advance(2000);
    expect_ready(&sleeping, 0);
}

Test(wheel, of_a_maximum_of_500_600_fails_and_500_succeeds)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.max_timeout = MS(500);
    make_wheel();
    bide_wheel_sleeping sleeping;
    cr_assert_gives(bide_wheel_sleeping_init(&sleeping, wheel, MS(600)), BIDE_ETOOLONG);
    expect_ready(&sleeping, BIDE_ETOOLONG);
    cr_assert_gives(bide_wheel_sleeping_init_until(&sleeping, wheel, at(MS(600))), BIDE_ETOOLONG);
    cr_assert_gives(bide_wheel_sleep(wheel, MS(600)), BIDE_ETOOLONG);
    bide_wheel_interval interval;
    cr_assert_gives(bide_wheel_interval_init(&interval, wheel, MS(600)), BIDE_ETOOLONG);
    begin(&sleeping, MS(500));
    cr_assert_gives(bide_wheel_sleeping_reset(&sleeping, MS(600)), BIDE_ETOOLONG);
    (void)advance(500);
    expect_ready(&sleeping, 0);
}

Test(wheel, a_cancel_tells_whether_it_beat_the_firing)
{
    make_manual();
    bide_wheel_sleeping first, second, third;
    cr_assert_ok(bide_wheel_sleeping_init(&third, wheel, MS(300)));
    begin(&first, MS(100));
    begin(&second, MS(200));
    (void)advance(100);
    cr_assert_gives(bide_wheel_sleeping_cancel(&first), BIDE_COMPLETED);
    cr_assert_gives(first.result, 0);
    cr_assert_gives(bide_wheel_sleeping_cancel(&second), BIDE_READY);
    cr_assert_gives(second.result, BIDE_ECANCELED);
    cr_assert_gives(bide_wheel_sleeping_cancel(&third), BIDE_READY);
    cr_assert_eq(counter.wakes, 1, "%d wakes", counter.wakes);
    cr_assert_eq(advance(1000), 0);
    cr_assert_eq(stats().cancelled, 1);
    cr_assert_eq(stats().fired, 1);
}

Test(wheel, a_reset_moves_the_deadline_either_way_and_makes_a_sleep_as_new)
{
    make_manual();
    bide_wheel_sleeping sleeping;
    begin(&sleeping, MS(500));
    cr_assert_ok(bide_wheel_sleeping_reset(&sleeping, MS(1000)));
    (void)advance(999);
    expect_pending(&sleeping);
    cr_assert_ok(bide_wheel_sleeping_reset_until(&sleeping, at(MS(1100))));
    (void)advance(1099);
    expect_pending(&sleeping);
    (void)advance(1100);
    cr_assert_ok(bide_wheel_sleeping_reset(&sleeping, MS(100))); /* it has fired, and nobody has seen it */
    expect_pending(&sleeping);
    (void)advance(1200);
    expect_ready(&sleeping, 0);
    expect_ready(&sleeping, 0);
    cr_assert_ok(bide_wheel_sleeping_reset(&sleeping, MS(100)));
    expect_pending(&sleeping);
    cr_assert_ok(bide_wheel_sleeping_reset(&sleeping, 0));
    (void)advance(1200);
    expect_ready(&sleeping, 0);
}

Test(wheel, remaining_and_is_expired_go_by_the_wheels_clock)
{
    make_manual();
    bide_wheel_sleeping sleeping;
    begin(&sleeping, MS(250));
    cr_assert_eq(bide_wheel_sleeping_remaining(&sleeping), MS(250));
    (void)advance(100);
    cr_assert_eq(bide_wheel_sleeping_remaining(&sleeping), MS(150));
    cr_assert(!bide_wheel_sleeping_is_expired(&sleeping));
    (void)advance(300);
    cr_assert_eq(bide_wheel_sleeping_remaining(&sleeping), 0);
    cr_assert(bide_wheel_sleeping_is_expired(&sleeping));
    cr_assert_eq(bide_wheel_now(wheel).ns, MS(300));
    (void)advance(200); /* time does not go back */
    cr_assert_eq(bide_wheel_now(wheel).ns, MS(300));
}

Test(wheel, without_sleeps_it_has_nothing_to_wake_for)
{
    make_manual();
    bide_wheel_sleeping sleeping;
    cr_assert(bide_is_never(bide_wheel_next(wheel)));
    begin(&sleeping, MS(250));
    cr_assert_eq(bide_wheel_next(wheel).ns, MS(300));
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping), BIDE_READY);
    cr_assert(bide_is_never(bide_wheel_next(wheel)));
}

Test(wheel, counts_on_after_2_to_the_32_ticks_49_days_and_a_suspended_machine)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.tick = MS(1);
    options.max_timeout = BIDE_HOURS(24 * 365);
    make_wheel();
    static const bide_duration leaps[] = {BIDE_HOURS(1195), BIDE_MILLISECONDS(INT64_C(1) << 32),
                                          BIDE_HOURS(9)};
    bide_wheel_sleeping near, far;
    for (int i = 0; i < 3; i++) {
        bide_instant now = bide_wheel_now(wheel), later = bide_instant_add(now, leaps[i]);
        begin(&near, MS(10));
        begin(&far, leaps[i] + MS(5));
        (void)bide_wheel_advance(wheel, later); /* nothing in between, as if the machine had slept */
        expect_ready(&near, 0);
        expect_pending(&far);
        (void)bide_wheel_advance(wheel, bide_instant_add(later, MS(5) - 1));
        expect_pending(&far);
        (void)bide_wheel_advance(wheel, bide_instant_add(later, MS(5)));
        expect_ready(&far, 0);
    }
}

Test(wheel, the_boot_time_clock_drives_it_too)
{
    for (int form = 0; form < 2; form++) {
        set_options((bide_wheel_form)form, BIDE_WHEEL_BOOT_TIME);
        options.tick = MS(2);
        make_wheel();
        bide_instant deadline = bide_instant_add(bide_wheel_now(wheel), MS(11));
        cr_assert_ok(bide_wheel_sleep_until(wheel, deadline));
        cr_assert(!bide_before(bide_wheel_now(wheel), deadline), "early");
        free_wheel();
    }
}

Test(wheel, capacity_256_refuses_the_257th_of_600_and_none_of_the_256_is_late)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.max_capacity = 256;
    make_wheel();
    enum { SLEEPS = 600 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    for (int i = 0; i < SLEEPS; i++) {
        cr_assert_ok(bide_wheel_sleeping_init(&sleeping[i], wheel, MS(1000)));
        cr_assert_gives(bide_wheel_sleeping_start(&sleeping[i]), i < 256 ? 0 : BIDE_ENOCAPACITY);
    }
    cr_assert_eq(advance(1000), 256);
    for (int i = 0; i < SLEEPS; i++)
        expect_ready(&sleeping[i], i < 256 ? 0 : BIDE_ENOCAPACITY);
}

Test(wheel, capacity_256_lets_344_of_600_wait_for_room_if_it_was_built_so)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.max_capacity = 256;
    options.when_full = BIDE_WHEEL_FULL_WAITS;
    make_wheel();
    enum { SLEEPS = 600 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    for (int i = 0; i < SLEEPS; i++)
        begin(&sleeping[i], MS(1000));
    /* Room is passed on by those who give up, also after they were told of it. */
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[0]), BIDE_READY);
    cr_assert_eq(counter.wakes, 1);
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[256]), BIDE_READY);
    cr_assert_eq(counter.wakes, 2);
    expect_pending(&sleeping[257]);
    cr_assert_eq(stats().pending, 256);
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[599]), BIDE_READY);
    int woken = counter.wakes, ended = 0;
    for (int turn = 0; turn < 3; turn++) {
        ended += advance(1000);
        for (int i = 1; i < 599; i++)
            if (i != 256) (void)poll_with(&sleeping[i].future, counting(&counter));
    }
    cr_assert_eq(ended, 597, "%d", ended);
    cr_assert_geq(counter.wakes, woken + 597);
    for (int i = 1; i < 599; i++)
        if (i != 256) expect_ready(&sleeping[i], 0);
}

Test(wheel, dropping_300000_sleeps_gives_their_room_back_at_once)
{
    enum { SLEEPS = 300000 };
    bide_wheel_sleeping *sleeping = calloc(SLEEPS, sizeof *sleeping);
    cr_assert_not_null(sleeping);
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
    options.max_capacity = SLEEPS;
    make_wheel();
    bool failed = false;
    size_t capacity = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SLEEPS; i++) {
            (void)bide_wheel_sleeping_init(&sleeping[i], wheel, MS(100 + i % 300000));
            failed = failed || bide_wheel_sleeping_start(&sleeping[i]) != 0;
        }
        cr_assert(!failed, "no room in round %d", round);
        cr_assert_eq(stats().pending, SLEEPS);
        for (int i = 0; i < SLEEPS; i++)
            failed = failed || bide_wheel_sleeping_cancel(&sleeping[i]) != BIDE_READY;
        cr_assert(!failed, "a cancel was late in round %d", round);
        cr_assert_eq(stats().pending, 0);
        cr_assert_eq(stats().slots_used, 0);
        if (round == 0) capacity = stats().capacity;
        cr_assert_eq(stats().capacity, capacity);
    }
    free(sleeping);
}

Test(wheel, the_steady_state_allocates_nothing)
{
    make_manual();
    enum { SLEEPS = 256 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    bide_calls_reset();
    int64_t now = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < SLEEPS; i++)
            begin(&sleeping[i], MS(random_number() % 10000 + 1));
        for (int i = 0; i < SLEEPS; i += 2)
            cr_assert_ok(bide_wheel_sleeping_reset(&sleeping[i], MS(random_number() % 10000 + 1)));
        for (int i = 0; i < SLEEPS; i += 3)
            cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[i]), BIDE_READY);
        (void)advance(now += 10100);
        cr_assert_eq(stats().pending, 0);
    }
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
}

Test(wheel, its_counts_are_right)
{
    make_manual();
    enum { SLEEPS = 100 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    for (int i = 0; i < SLEEPS; i++)
        begin(&sleeping[i], MS(i < 40 ? 100 : 200 + i));
    bide_wheel_stats now = stats();
    cr_assert_eq(now.pending, SLEEPS);
    cr_assert_eq(now.longest_slot, 60, "%zu", now.longest_slot); /* 240 to 299 ms: tick 3 */
    cr_assert_eq(now.slots_used, 2, "%zu", now.slots_used);
    cr_assert_geq(now.capacity, 256);
    (void)advance(100);
    for (int i = 40; i < 50; i++)
        cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[i]), BIDE_READY);
    now = stats();
    cr_assert_eq(now.fired, 40);
    cr_assert_eq(now.cancelled, 10);
    cr_assert_eq(now.pending, 50);
    cr_assert_eq(now.slots_used, 1);
}

Test(wheel, freeing_it_ends_each_pending_sleep_with_eshutdown)
{
    make_manual();
    bide_wheel_sleeping pending, prepared, over;
    bide_wheel_interval interval;
    begin(&over, MS(100));
    (void)advance(100);
    begin(&pending, MS(100));
    cr_assert_ok(bide_wheel_sleeping_init(&prepared, wheel, MS(100)));
    cr_assert_ok(bide_wheel_interval_init(&interval, wheel, MS(100)));
    counter.wakes = 0;
    cr_assert_ok(bide_wheel_free(wheel));
    wheel = NULL;
    cr_assert_eq(counter.wakes, 1);
    expect_ready(&pending, BIDE_ESHUTDOWN);
    expect_ready(&prepared, BIDE_ESHUTDOWN);
    expect_ready(&over, 0);
    cr_assert_gives(bide_wheel_sleeping_reset(&pending, 1), BIDE_ESHUTDOWN);
    cr_assert_gives(poll_with(&interval.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(interval.result, BIDE_ESHUTDOWN);
}

static void in_a_waker(void *arg)
{
    int *answers = arg;
    answers[0] = bide_wheel_advance(wheel, at(MS(200)));
    answers[1] = bide_wheel_free(wheel);
    answers[2] = bide_wheel_sleep(wheel, MS(1));
}

Test(wheel, advancing_freeing_and_sleeping_inside_a_waker_give_edeadlk)
{
    make_manual();
    bide_wheel_sleeping sleeping;
    int answers[3] = {0};
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, MS(100)));
    cr_assert_gives(poll_with(&sleeping.future, (bide_waker){in_a_waker, answers}), BIDE_PENDING);
    cr_assert_eq(advance(100), 1);
    for (int i = 0; i < 3; i++)
        cr_assert_gives(answers[i], BIDE_EDEADLK);
}

/* --- driving --- */

Test(wheel, a_driving_ends_sleeps_that_wait_in_the_same_set)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MONOTONIC);
    options.tick = MS(1);
    make_wheel();
    enum { SLEEPS = 500 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    static bide_set_member members[SLEEPS + 1];
    bide_wheel_driving driving;
    bide_set set;
    bide_set_init(&set);
    bide_wheel_driving_init(&driving, wheel);
    cr_assert_ok(bide_set_add(&set, &members[SLEEPS], &driving.future, NULL));
    for (int i = 0; i < SLEEPS; i++) {
        bide_duration duration = BIDE_MICROSECONDS(random_number() % 30000);
        cr_assert_ok(bide_wheel_sleeping_init(&sleeping[i], wheel, duration));
        cr_assert_ok(bide_set_add(&set, &members[i], &sleeping[i].future, &sleeping[i]));
    }
    for (int i = 0; i < SLEEPS; i++) {
        bide_set_member *ready;
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
        bide_wheel_sleeping *over = ready->tag;
        cr_assert_not_null(over, "the driving ended: %s", bide_error_name(driving.result));
        cr_assert_ok(over->result);
        cr_assert(bide_wheel_sleeping_is_expired(over), "early");
    }
    /* A direct call inside drives for itself, and the other one goes on afterwards. */
    cr_assert_ok(bide_wheel_sleep(wheel, MS(3)));
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping[0], wheel, MS(3)));
    cr_assert_ok(bide_set_add(&set, &members[0], &sleeping[0].future, &sleeping[0]));
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
    cr_assert_eq(ready->tag, &sleeping[0]);
    cr_assert_gives(bide_set_remove(&set, &members[SLEEPS]), BIDE_READY);
}

Test(wheel, a_driving_ends_with_its_wheel)
{
    make(BIDE_WHEEL_INLINE, BIDE_WHEEL_MONOTONIC);
    bide_wheel_driving driving;
    bide_wheel_driving_init(&driving, wheel);
    cr_assert_gives(poll_with(&driving.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_wheel_free(wheel));
    wheel = NULL;
    cr_assert_ok(bide_block_on(&driving.future));
    cr_assert_gives(driving.result, BIDE_ESHUTDOWN);
}

Test(wheel, with_a_manual_clock_nobody_can_wait_for_an_inline_wheel)
{
    make_manual();
    cr_assert_gives(bide_wheel_sleep(wheel, 1), BIDE_EDEADLK);
    bide_wheel_driving driving;
    bide_wheel_driving_init(&driving, wheel);
    cr_assert_gives(poll_with(&driving.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(driving.result, BIDE_EINVAL);
}
