/* Instants and their saturating arithmetic; the clock itself is in clock_posix.c and the like.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/clock.h"

#define NS_PER_SECOND INT64_C(1000000000)

bide_instant bide_after(bide_duration duration)
{
    return bide_instant_add(bide_now(), duration);
}

bide_instant bide_instant_add(bide_instant instant, bide_duration duration)
{
    if (instant.ns == INT64_MAX || instant.ns == INT64_MIN) return instant;
    if (duration > 0 && instant.ns > INT64_MAX - duration) return BIDE_NEVER;
    if (duration < 0 && instant.ns < INT64_MIN - duration) return BIDE_NOW;
    return bide_instant_from_ns(instant.ns + duration);
}

bide_duration bide_instant_since(bide_instant later, bide_instant earlier)
{
    if (earlier.ns < 0 && later.ns > INT64_MAX + earlier.ns) return INT64_MAX;
    if (earlier.ns > 0 && later.ns < INT64_MIN + earlier.ns) return INT64_MIN;
    return later.ns - earlier.ns;
}

/* As much as time_t holds: a wait that ends so early is begun again. */
#define SECONDS_MOST (sizeof(time_t) > sizeof(int32_t) ? INT64_MAX : INT32_MAX)

struct timespec bide_os_timespec(bide_duration duration)
{
    struct timespec result = {0, 0};
    if (duration > 0) {
        bide_duration seconds = duration / NS_PER_SECOND;
        result.tv_sec = (time_t)(seconds < SECONDS_MOST ? seconds : SECONDS_MOST);
        result.tv_nsec = (long)(duration % NS_PER_SECOND);
    }
    return result;
}
