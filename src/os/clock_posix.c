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

/* What the last tick wrote down: Linux, and FreeBSD by another name. */
#if !defined(CLOCK_MONOTONIC_COARSE) && defined(CLOCK_MONOTONIC_FAST)
#define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC_FAST
#elif !defined(CLOCK_MONOTONIC_COARSE)
#define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC
#endif

static bide_instant instant_of(struct timespec time)
{
    return bide_instant_from_ns((int64_t)time.tv_sec * BIDE_SECONDS(1) + time.tv_nsec);
}

static bide_instant read_clock(clockid_t clock)
{
    struct timespec now;
    /* Cannot fail: the clock exists on every supported system and the pointer is good. */
    (void)clock_gettime(clock, &now);
    return instant_of(now);
}

bide_instant bide_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

bide_instant bide_os_coarse_now(void)
{
    struct timespec now;
    /* A sandbox, or an emulator, may not know it. */
    return clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0 ? instant_of(now) : bide_now();
}

bide_instant bide_os_boot_now(void)
{
    return read_clock(CLOCK_BOOTTIME);
}
