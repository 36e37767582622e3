/* Threads without names, on systems where nothing better is known: see thread.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/thread.h"

void bide_os_thread_name_self(const char *name)
{
    (void)name;
}

void bide_os_thread_precise_timers(void)
{
}
