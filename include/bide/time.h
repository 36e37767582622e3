/**
 * @file bide/time.h
 * @brief Instants on the monotonic clock and durations.
 *
 * An instant is a struct and a duration a number, so that mixing them does not compile. The functions'
 * arithmetic saturates: a duration too large to add gives BIDE_NEVER, never a date in the past. None of them
 * waits, and any thread may call them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_TIME_H
#define BIDE_TIME_H

#include <bide/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A length of time in nanoseconds; about 292 years either way. */
typedef int64_t bide_duration;

/** The longest duration. */
#define BIDE_DURATION_MAX INT64_MAX

/** Durations from numbers; fractions are kept, as in `BIDE_SECONDS(0.5)`: multiplied before the cast. They do
 * not saturate: the result must fit, which is some 292 years. @{ */
#define BIDE_NANOSECONDS(n) ((bide_duration)(n))
#define BIDE_MICROSECONDS(n) ((bide_duration)((n)*INT64_C(1000)))
#define BIDE_MILLISECONDS(n) ((bide_duration)((n)*INT64_C(1000000)))
#define BIDE_SECONDS(n) ((bide_duration)((n)*INT64_C(1000000000)))
#define BIDE_MINUTES(n) BIDE_SECONDS((n)*INT64_C(60))
#define BIDE_HOURS(n) BIDE_SECONDS((n)*INT64_C(3600))
/** @} */

/** A moment on the monotonic clock (CLOCK_MONOTONIC), in nanoseconds. Only differences have a meaning. */
typedef struct bide_instant {
    int64_t ns; /**< INT64_MAX is BIDE_NEVER, INT64_MIN is BIDE_NOW */
} bide_instant;

/** @brief The instant of that many nanoseconds on the monotonic clock. */
static inline bide_instant bide_instant_from_ns(int64_t ns)
{
    bide_instant instant;
    instant.ns = ns;
    return instant;
}

/** As a deadline: wait for ever. Later than every instant. */
#define BIDE_NEVER (bide_instant_from_ns(INT64_MAX))

/** As a deadline: do not wait; calls that would have to return BIDE_EAGAIN. Earlier than every instant. */
#define BIDE_NOW (bide_instant_from_ns(INT64_MIN))

/** @brief Whether `instant` is BIDE_NEVER. */
static inline bool bide_is_never(bide_instant instant)
{
    return instant.ns == INT64_MAX;
}

/** @brief Whether `a` comes before `b`. */
static inline bool bide_before(bide_instant a, bide_instant b)
{
    return a.ns < b.ns;
}

/** @brief The earlier of the two. */
static inline bide_instant bide_earlier(bide_instant a, bide_instant b)
{
    return bide_before(b, a) ? b : a;
}

/**
 * @brief The present instant. Reads the clock at each call (some 20 ns); there is no cached clock.
 *
 * Thread-safe, async-signal-safe.
 */
BIDE_API bide_instant bide_now(void);

/**
 * @brief The instant that long after now: the usual deadline, `bide_after(BIDE_SECONDS(10))`.
 *
 * @param duration nanoseconds; negative or zero gives an instant that has passed; too large gives BIDE_NEVER.
 */
BIDE_API bide_instant bide_after(bide_duration duration);

/** @brief `instant + duration`, saturating. BIDE_NEVER and BIDE_NOW stay what they are. */
BIDE_API bide_instant bide_instant_add(bide_instant instant, bide_duration duration);

/** @brief `later - earlier` in nanoseconds, saturating; negative if the order is the other way round. */
BIDE_API bide_duration bide_instant_since(bide_instant later, bide_instant earlier);

#ifdef __cplusplus
}
#endif

#endif
