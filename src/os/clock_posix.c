/* Instants from CLOCK_MONOTONIC.
 *
 * Rather than one that goes on while the machine is suspended: epoll_pwait2, futex, timerfd, kevent and their
 * like measure their time-outs on it, and two clocks would let a timer fire early by the time that the machine
 * was suspended.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/clock.h"

/* Linux' name for the one that goes on; on OpenBSD, which has it too, and on the other systems CLOCK_MONOTONIC
 * is as good a choice as there is. */
#ifndef CLOCK_BOOTTIME
#define CLOCK_BOOTTIME CLOCK_MONOTONIC
#endif

static bide_instant read_clock(clockid_t clock)
{
    struct timespec now;
    /* Cannot fail: the clock exists on every supported system and the pointer is good. */
    (void)clock_gettime(clock, &now);
    return bide_instant_from_ns((int64_t)now.tv_sec * BIDE_SECONDS(1) + now.tv_nsec);
}

bide_instant bide_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

bide_instant bide_os_boot_now(void)
{
    return read_clock(CLOCK_BOOTTIME);
}
