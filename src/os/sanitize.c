/* See sanitize.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/sanitize.h"

#ifdef BIDE_SANITIZE_THREAD
#include <signal.h>
#include <time.h>

_Static_assert(sizeof(sigset_t) <= sizeof(bide_os_sanitize_mask), "it has room for a mask");
_Static_assert(_Alignof(sigset_t) <= _Alignof(bide_os_sanitize_mask), "it is aligned as a mask");

void bide_os_sanitize_block_signals(bide_os_sanitize_mask *before)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, (sigset_t *)before);
}

void bide_os_sanitize_unblock_signals(const bide_os_sanitize_mask *before)
{
    (void)pthread_sigmask(SIG_SETMASK, (const sigset_t *)before, NULL);
}

void bide_os_sanitize_handle_signals(void)
{
    bide_os_sanitize_mask before;
    bide_os_sanitize_block_signals(&before);
    (void)nanosleep(&(struct timespec){0, 0}, NULL);
    bide_os_sanitize_unblock_signals(&before);
}

bool bide_os_sanitize_no_signals(void)
{
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    return sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
}
#endif
