/* Instants and durations: units with fractions, the clock, and arithmetic that saturates.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include "os/clock.h"

#include <bide/time.h>

#include <time.h>

TestSuite(time, .timeout = 10);

#define MAX INT64_MAX
#define MIN INT64_MIN

static long long ns(int64_t value)
{
    return (long long)value;
}

/* --- durations ------------------------------------------------------------------------------------------ */

/* The units are constants, fit for static storage and for case labels. */
static const bide_duration at_start = BIDE_SECONDS(2.5);
enum { THREE_MICROSECONDS = BIDE_MICROSECONDS(3) };

Test(time, units_are_nanoseconds_and_fractions_are_kept)
{
    static const struct {
        bide_duration duration;
        int64_t expected;
    } units[] = {
        {BIDE_NANOSECONDS(7), 7},
        {BIDE_MICROSECONDS(7), 7000},
        {BIDE_MILLISECONDS(7), 7000000},
        {BIDE_SECONDS(7), 7000000000},
        {BIDE_MINUTES(7), 420000000000},
        {BIDE_HOURS(7), 25200000000000},
        {BIDE_SECONDS(0.5), 500000000},
        {BIDE_SECONDS(.000001), 1000},
        {BIDE_SECONDS(-0.25), -250000000},
        {BIDE_MILLISECONDS(0.5), 500000},
        {BIDE_MICROSECONDS(0.25), 250},
        {BIDE_NANOSECONDS(2.75), 2},
        {BIDE_MINUTES(1.5), 90000000000},
        {BIDE_HOURS(0.25), 900000000000},
        {BIDE_SECONDS(0), 0},
        {BIDE_SECONDS(-3), -3000000000},
        {BIDE_HOURS(2562047), 9223369200000000000},
        {BIDE_SECONDS(9223372036), 9223372036000000000},
        {BIDE_SECONDS(1 + 1), 2000000000},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        cr_assert_eq(units[i].duration, units[i].expected, "number %zu: %lld, not %lld", i,
                     ns(units[i].duration), ns(units[i].expected));
    cr_assert_eq(at_start, 2500000000, "%lld", ns(at_start));
    cr_assert_eq(THREE_MICROSECONDS, 3000, "%d", THREE_MICROSECONDS);
}

Test(time, units_multiply_in_64_bits)
{
    int seconds = 100, hours = 30000;
    unsigned char minutes = 200;
    cr_assert_eq(BIDE_SECONDS(seconds), 100000000000, "%lld", ns(BIDE_SECONDS(seconds)));
    cr_assert_eq(BIDE_HOURS(hours), 108000000000000000, "%lld", ns(BIDE_HOURS(hours)));
    cr_assert_eq(BIDE_MINUTES(minutes), 12000000000000, "%lld", ns(BIDE_MINUTES(minutes)));
}

/* --- the clock ------------------------------------------------------------------------------------------ */

static int64_t monotonic(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

Test(time, now_is_the_monotonic_clock_and_never_goes_back)
{
    int64_t last = monotonic();
    for (int i = 0; i < 100000; i++) {
        int64_t now = i % 2 ? bide_now().ns : monotonic();
        cr_assert_geq(now, last, "%lld after %lld", ns(now), ns(last));
        last = now;
    }
}

Test(time, the_coarse_clock_never_leads)
{
    for (int i = 0; i < 100000; i++) {
        bide_instant coarse = bide_os_coarse_now(), now = bide_now();
        cr_assert(!bide_before(now, coarse), "%lld, and then %lld", (long long)coarse.ns, (long long)now.ns);
    }
}

Test(time, after_counts_from_now_and_saturates)
{
    static const bide_duration durations[] = {0, 1, BIDE_SECONDS(10), -1, BIDE_HOURS(-100000)};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        int64_t before = bide_now().ns;
        int64_t from = bide_after(durations[i]).ns - durations[i];
        int64_t after = bide_now().ns;
        cr_assert(before <= from && from <= after, "%lld after %lld, which is not from %lld to %lld",
                  ns(durations[i]), ns(from), ns(before), ns(after));
    }
    cr_assert(bide_is_never(bide_after(BIDE_DURATION_MAX)), "the longest duration ends");
    cr_assert(bide_is_never(bide_after(BIDE_DURATION_MAX - 1)), "the next longest duration ends");
    cr_assert(bide_before(bide_after(MIN), bide_now()), "the most negative duration has not passed");
}

/* --- arithmetic ----------------------------------------------------------------------------------------- */

Test(time, adding_saturates_and_the_ends_of_time_stay)
{
    static const struct {
        int64_t instant;
        bide_duration duration;
        int64_t expected;
    } sums[] = {
        {5, 7, 12},          {5, -7, -2},
        {-5, 7, 2},          {0, 0, 0},
        {0, MAX, MAX},       {0, MIN, MIN},
        {1, MAX, MAX},       {1, MAX - 1, MAX},
        {2, MAX - 1, MAX},   {1, MAX - 2, MAX - 1},
        {MAX - 1, 1, MAX},   {MAX - 1, 2, MAX},
        {MAX - 1, MAX, MAX}, {-1, MIN, MIN},
        {1, MIN, MIN + 1},   {-1, MIN + 1, MIN},
        {-2, MIN + 1, MIN},  {-1, MIN + 2, MIN + 1},
        {MIN + 1, -1, MIN},  {MIN + 1, -2, MIN},
        {MIN + 1, MIN, MIN}, {MAX - 1, MIN, -2},
        {MIN + 1, MAX, 0},   {MAX, 0, MAX},
        {MAX, -1, MAX},      {MAX, MIN, MAX},
        {MAX, MAX, MAX},     {MIN, 0, MIN},
        {MIN, 1, MIN},       {MIN, MAX, MIN},
        {MIN, MIN, MIN},
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        int64_t sum = bide_instant_add(bide_instant_from_ns(sums[i].instant), sums[i].duration).ns;
        cr_assert_eq(sum, sums[i].expected, "%lld + %lld is %lld, not %lld", ns(sums[i].instant),
                     ns(sums[i].duration), ns(sum), ns(sums[i].expected));
    }
}

Test(time, the_difference_saturates)
{
    static const struct {
        int64_t later, earlier;
        bide_duration expected;
    } differences[] = {
        {12, 5, 7},         {5, 12, -7},        {0, 0, 0},         {MAX, 0, MAX},     {MAX, -1, MAX},
        {MAX - 1, -1, MAX}, {MAX - 1, -2, MAX}, {MAX, 1, MAX - 1}, {MAX, MIN, MAX},   {0, MIN, MAX},
        {-1, MIN, MAX},     {-2, MIN, MAX - 1}, {MIN, 0, MIN},     {MIN, 1, MIN},     {MIN + 1, 1, MIN},
        {MIN + 1, 2, MIN},  {MIN, -1, MIN + 1}, {MIN, MAX, MIN},   {-1, MAX, MIN},    {-2, MAX, MIN},
        {0, MAX, MIN + 1},  {MAX, MAX, 0},      {MIN, MIN, 0},     {0, MIN + 1, MAX},
    };
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        int64_t later = differences[i].later, earlier = differences[i].earlier;
        bide_duration result = bide_instant_since(bide_instant_from_ns(later), bide_instant_from_ns(earlier));
        cr_assert_eq(result, differences[i].expected, "%lld - %lld is %lld, not %lld", ns(later), ns(earlier),
                     ns(result), ns(differences[i].expected));
    }
}

Test(time, order_is_that_of_the_clock_between_now_and_never)
{
    bide_instant present = bide_now();
    cr_assert(bide_before(BIDE_NOW, present), "BIDE_NOW is not before the present");
    cr_assert(bide_before(present, BIDE_NEVER), "BIDE_NEVER is not after the present");
    cr_assert_not(bide_before(present, present), "an instant is before itself");
    cr_assert_not(bide_before(BIDE_NEVER, BIDE_NEVER), "BIDE_NEVER is before itself");
    cr_assert(bide_is_never(BIDE_NEVER), "BIDE_NEVER is not never");
    cr_assert_not(bide_is_never(BIDE_NOW), "BIDE_NOW is never");
    cr_assert_not(bide_is_never(bide_instant_from_ns(MAX - 1)), "the last instant is never");
    cr_assert_eq(bide_earlier(present, BIDE_NEVER).ns, present.ns, "BIDE_NEVER is earlier");
    cr_assert_eq(bide_earlier(BIDE_NEVER, present).ns, present.ns, "BIDE_NEVER is earlier");
    cr_assert_eq(bide_earlier(present, BIDE_NOW).ns, MIN, "BIDE_NOW is not earlier");
    cr_assert_eq(bide_earlier(present, present).ns, present.ns, "neither of two equal instants");
}

/* --- as the kernel takes it ----------------------------------------------------------------------------- */

Test(time, a_duration_for_the_kernel_is_whole_and_never_negative)
{
    static const struct {
        bide_duration duration;
        int64_t seconds;
        long nanoseconds;
    } durations[] = {
        {0, 0, 0},
        {1, 0, 1},
        {999999999, 0, 999999999},
        {1000000000, 1, 0},
        {BIDE_SECONDS(1.5), 1, 500000000},
        /* Where time_t is small, as much as it holds. */
        {MAX, sizeof(time_t) > 4 ? 9223372036 : INT32_MAX, 854775807},
        {-1, 0, 0},
        {BIDE_SECONDS(-1.5), 0, 0},
        {MIN, 0, 0},
    };
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        struct timespec result = bide_os_timespec(durations[i].duration);
        cr_assert(result.tv_sec == durations[i].seconds && result.tv_nsec == durations[i].nanoseconds,
                  "%lld ns are %lld s and %ld ns", ns(durations[i].duration), (long long)result.tv_sec,
                  result.tv_nsec);
    }
}
