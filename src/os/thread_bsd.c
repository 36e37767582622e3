/* A thread's name, on the BSDs: see thread.h. Their time-outs have no slack to be lowered.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/thread.h"

#if !defined(__NetBSD__)
#include <pthread_np.h>
#endif

void bide_os_thread_name_self(const char *name)
{
#if defined(__NetBSD__)
    (void)pthread_setname_np(pthread_self(), "%s", (void *)(uintptr_t)name);
#else
    pthread_set_name_np(pthread_self(), name);
#endif
}

void bide_os_thread_precise_timers(void)
{
}
