/* Keeping SIGPIPE away from calls that have no flag for it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SIGPIPE_H
#define BIDE_OS_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct bide_os_sigpipe {
    sigset_t before;
    bool was_pending;
};

/* Blocks the signal in the calling thread. */
void bide_os_sigpipe_block(struct bide_os_sigpipe *state);

/* Restores the thread's mask, after it has taken the signal away if the call in between raised it: that is
 * when `broken` says so and it was not pending before. It is sent to the writing thread (pipe(7)), so another
 * thread's is never taken. Leaves errno as it is. */
void bide_os_sigpipe_restore(const struct bide_os_sigpipe *state, bool broken);

/* writev(2) between the two. */
ssize_t bide_os_sigpipe_writev(int fd, const struct iovec *pieces, int count);

/* For sigpipe.c alone: takes the signal, which is pending and blocked, away; the system's part of it. */
void bide_os_sigpipe_take(const sigset_t *pipe_only);

#endif
