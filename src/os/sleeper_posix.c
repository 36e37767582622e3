/* Sleeping on a semaphore of POSIX: the one primitive whose wake sem_post(3) is async-signal-safe. See
 * sleeper.h.
 *
 * sem_timedwait(3) knows the wall clock alone, which may be set. Where there is nothing better a sleep is cut
 * to a second, so that it is late by no more after the clock was set back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/sleeper.h"

#include "os/clock.h"
#include "os/thread.h"

#include <errno.h>

bool bide_os_sleeper_init(bide_os_sleeper *sleeper)
{
    return sem_init(sleeper, 0, 0) == 0;
}

void bide_os_sleeper_destroy(bide_os_sleeper *sleeper)
{
    (void)sem_destroy(sleeper);
}

#if defined(__GLIBC__)
static void wait_until(bide_os_sleeper *sleeper, bide_instant deadline)
{
    struct timespec until = bide_os_timespec(deadline.ns);
    (void)sem_clockwait(sleeper, CLOCK_MONOTONIC, &until);
}
#elif defined(__sun)
static void wait_until(bide_os_sleeper *sleeper, bide_instant deadline)
{
    struct timespec rest = bide_os_timespec(bide_instant_since(deadline, bide_now()));
    (void)sem_reltimedwait_np(sleeper, &rest);
}
#else
static void wait_until(bide_os_sleeper *sleeper, bide_instant deadline)
{
    struct timespec until;
    bide_duration rest = bide_instant_since(deadline, bide_now());
    if (rest > BIDE_SECONDS(1)) rest = BIDE_SECONDS(1);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    if (rest > 0) until.tv_nsec += (long)rest;
    until.tv_sec += until.tv_nsec / BIDE_SECONDS(1);
    until.tv_nsec %= BIDE_SECONDS(1);
    (void)sem_timedwait(sleeper, &until);
}
#endif

void bide_os_sleeper_wait(bide_os_sleeper *sleeper, bide_instant deadline)
{
    int cancelable = bide_os_cancel_disable();
    if (bide_is_never(deadline))
        (void)sem_wait(sleeper);
    else
        wait_until(sleeper, deadline);
    bide_os_cancel_restore(cancelable);
}

void bide_os_sleeper_post(bide_os_sleeper *sleeper)
{
    (void)sem_post(sleeper);
}
