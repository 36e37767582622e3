/* A thread's name, on macOS: see thread.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/thread.h"

void bide_os_thread_name_self(const char *name)
{
    (void)pthread_setname_np(name);
}

/* Time-outs of user-interactive threads are precise; others may be put off a little to save power, which a
 * library has no say in. */
void bide_os_thread_precise_timers(void)
{
}
