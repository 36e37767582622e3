/* A thread's name and the precision of its time-outs, on Linux: see thread.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/thread.h"

#include <sys/prctl.h>

void bide_os_thread_name_self(const char *name)
{
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

void bide_os_thread_precise_timers(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
}
