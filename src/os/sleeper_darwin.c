/* Sleeping on a semaphore of the Mach kernel, whose calls are traps and so may be made in signal handlers. See
 * sleeper.h.
 *
 * macOS waits on words too, by os_sync_wait_on_address(3); but only since 14.4, and what did it before is
 * private.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/sleeper.h"

#include "os/clock.h"

#include <mach/mach_init.h>
#include <mach/sync_policy.h>
#include <mach/task.h>

bool bide_os_sleeper_init(bide_os_sleeper *sleeper)
{
    return semaphore_create(mach_task_self(), sleeper, SYNC_POLICY_FIFO, 0) == KERN_SUCCESS;
}

void bide_os_sleeper_destroy(bide_os_sleeper *sleeper)
{
    (void)semaphore_destroy(mach_task_self(), *sleeper);
}

void bide_os_sleeper_wait(bide_os_sleeper *sleeper, bide_instant deadline)
{
    if (bide_is_never(deadline)) {
        (void)semaphore_wait(*sleeper);
        return;
    }
    bide_duration rest = bide_instant_since(deadline, bide_now());
    if (rest <= 0) return;
    /* Beyond what fits it ends early. */
    bide_duration seconds = rest / BIDE_SECONDS(1);
    mach_timespec_t limit = {(unsigned)(seconds < INT32_MAX ? seconds : INT32_MAX),
                             (clock_res_t)(rest % BIDE_SECONDS(1))};
    (void)semaphore_timedwait(*sleeper, limit);
}

void bide_os_sleeper_post(bide_os_sleeper *sleeper)
{
    (void)semaphore_signal(*sleeper);
}
