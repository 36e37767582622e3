/* One thread's sleep, for the table of sleepers (futex_table.c) alone. A post before the wait is not lost.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SLEEPER_H
#define BIDE_OS_SLEEPER_H

#include <bide/time.h>

#if defined(__APPLE__)
#include <mach/semaphore.h>
typedef semaphore_t bide_os_sleeper;
#elif defined(__NetBSD__)
#include <sys/types.h>

#include <lwp.h>
typedef lwpid_t bide_os_sleeper;
#else
#include <semaphore.h>
typedef sem_t bide_os_sleeper;
#endif

/* For the calling thread. False: the system has none left. */
bool bide_os_sleeper_init(bide_os_sleeper *sleeper);
void bide_os_sleeper_destroy(bide_os_sleeper *sleeper);

/* Returns after a post, at the deadline, after a signal, or for no reason. Not a cancellation point. May change
 * errno. */
void bide_os_sleeper_wait(bide_os_sleeper *sleeper, bide_instant deadline);

/* From any thread. Async-signal-safe. May change errno. */
void bide_os_sleeper_post(bide_os_sleeper *sleeper);

#endif
