/* What the annotations for ThreadSanitizer need of the system: see sanitize.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "task/sanitize.h"

#ifdef BIDE_SANITIZE_THREAD
#include "os/compiler.h"

#include <signal.h>
#include <time.h>

/* Across the switch, which does not change the thread. */
static _Thread_local sigset_t blocked_before;

BIDE_OS_NOINLINE void bide_sanitize_block_signals(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &blocked_before);
}

BIDE_OS_NOINLINE void bide_sanitize_unblock_signals(void)
{
    (void)pthread_sigmask(SIG_SETMASK, &blocked_before, NULL);
}

void bide_sanitize_expect_signals(void)
{
    bide_sanitize_block_signals();
    (void)nanosleep(&(struct timespec){0, 0}, NULL);
    bide_sanitize_unblock_signals();
}
#endif
