/* Instants from CLOCK_MONOTONIC.
 *
 * CLOCK_MONOTONIC rather than CLOCK_BOOTTIME: epoll_pwait2, futex and timerfd measure their time-outs on
 * it, and two clocks would let a timer fire early by the time the machine was suspended.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/clock.h"

#define NS_PER_SECOND INT64_C(1000000000)

bide_instant bide_now(void)
{
    struct timespec now;
    /* Cannot fail: the clock exists on every supported system and the pointer is good. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return bide_instant_from_ns((int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec);
}

bide_instant bide_os_boot_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return bide_instant_from_ns((int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec);
}
