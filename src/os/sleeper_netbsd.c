/* Sleeping by _lwp_park(2) of NetBSD: a thread that was unparked before does not park. See sleeper.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/sleeper.h"

#include "os/clock.h"

bool bide_os_sleeper_init(bide_os_sleeper *sleeper)
{
    *sleeper = _lwp_self();
    return true;
}

void bide_os_sleeper_destroy(bide_os_sleeper *sleeper)
{
    (void)sleeper;
}

void bide_os_sleeper_wait(bide_os_sleeper *sleeper, bide_instant deadline)
{
    struct timespec until;
    struct timespec *limit = NULL;
    if (!bide_is_never(deadline)) {
        until = bide_os_timespec(deadline.ns);
        limit = &until;
    }
    (void)_lwp_park(CLOCK_MONOTONIC, TIMER_ABSTIME, limit, 0, sleeper, NULL);
}

void bide_os_sleeper_post(bide_os_sleeper *sleeper)
{
    (void)_lwp_unpark(*sleeper, sleeper);
}
