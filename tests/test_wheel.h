/* What the tests of wheels share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_WHEEL_H
#define BIDE_TEST_WHEEL_H

#include "test_future.h"

#include <bide/wheel.h>

#define MS(n) BIDE_MILLISECONDS(n)

static bide_wheel *wheel;
static bide_wheel_options options;

static inline bide_instant at(int64_t ns)
{
    return bide_instant_from_ns(ns);
}

/* The defaults, but for these. */
static inline void set_options(bide_wheel_form form, bide_wheel_clock clock)
{
    bide_wheel_options_init(&options);
    options.form = form;
    options.clock = clock;
}

static inline void make_wheel(void)
{
    cr_assert_ok(bide_wheel_new(&wheel, &options));
}

static inline void make(bide_wheel_form form, bide_wheel_clock clock)
{
    set_options(form, clock);
    make_wheel();
}

/* A wheel of the slots' size and a tick of 100 ms that the test takes by hand. */
static inline void make_manual(void)
{
    make(BIDE_WHEEL_INLINE, BIDE_WHEEL_MANUAL);
}

static inline void free_wheel(void)
{
    if (wheel) cr_assert_ok(bide_wheel_free(wheel));
    wheel = NULL;
    (void)bide_shutdown();
}

static inline bide_wheel_stats stats(void)
{
    bide_wheel_stats now;
    cr_assert_ok(bide_wheel_stats_read(wheel, &now));
    return now;
}

/* Takes the manual clock there; all that is due is woken. Returns how many. */
static inline int advance(int64_t ms)
{
    int ended = bide_wheel_advance(wheel, at(MS(ms)));
    cr_assert_geq(ended, 0, "%s", bide_error_name(ended));
    return ended;
}

static inline uint64_t random_number(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(2685821657736338717) >> 11;
}

#endif
