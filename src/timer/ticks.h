/* Instants (ns) as ticks of a length from an origin on, and back, without a division: dividing by the length is
 * most of what a short operation on the wheel costs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TIMER_TICKS_H
#define BIDE_TIMER_TICKS_H

#include "os/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct bide_ticks {
    int64_t origin;   /* ns; not negative */
    uint64_t length;  /* ns; at least 1 */
    uint64_t inverse; /* (2^64 - 1) / length, rounded down */
};

static inline struct bide_ticks bide_ticks_from(int64_t origin, int64_t length)
{
    return (struct bide_ticks){origin, (uint64_t)length, UINT64_MAX / (uint64_t)length};
}

/* The last tick that is not after the instant, and how far before it it is; none before the origin. The
 * product is less than 1 below the quotient, as n < 2^63 and the inverse is less than 2 below 2^64 / length: so
 * it is the quotient or one less. */
static inline uint64_t bide_ticks_split(const struct bide_ticks *ticks, int64_t instant, uint64_t *rest)
{
    uint64_t n = instant > ticks->origin ? (uint64_t)instant - (uint64_t)ticks->origin : 0;
    uint64_t tick = bide_os_multiply_high(n, ticks->inverse);
    uint64_t left = n - tick * ticks->length;
    bool less = left >= ticks->length;
    *rest = less ? left - ticks->length : left;
    return tick + less;
}

static inline uint64_t bide_ticks_down(const struct bide_ticks *ticks, int64_t instant)
{
    uint64_t rest;
    return bide_ticks_split(ticks, instant, &rest);
}

/* The first tick that is not before the instant. */
static inline uint64_t bide_ticks_up(const struct bide_ticks *ticks, int64_t instant)
{
    uint64_t rest;
    uint64_t tick = bide_ticks_split(ticks, instant, &rest);
    return tick + (rest != 0);
}

/* A tick's instant; INT64_MAX beyond all instants. */
static inline int64_t bide_ticks_instant(const struct bide_ticks *ticks, uint64_t tick)
{
    if (tick > (uint64_t)(INT64_MAX - ticks->origin) / ticks->length) return INT64_MAX;
    return ticks->origin + (int64_t)(tick * ticks->length);
}

#endif
