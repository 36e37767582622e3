/* SIGPIPE: see sigpipe.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/sigpipe.h"

#include <errno.h>
#include <stddef.h>

static void only_pipe(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGPIPE);
}

void bide_os_sigpipe_block(struct bide_os_sigpipe *state)
{
    sigset_t pipe_only, pending;
    only_pipe(&pipe_only);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &state->before);
    (void)sigpending(&pending);
    state->was_pending = sigismember(&pending, SIGPIPE) != 0;
}

void bide_os_sigpipe_restore(const struct bide_os_sigpipe *state, bool broken)
{
    int saved = errno;
    if (broken && !state->was_pending) {
        sigset_t pipe_only;
        only_pipe(&pipe_only);
        bide_os_sigpipe_take(&pipe_only);
    }
    (void)pthread_sigmask(SIG_SETMASK, &state->before, NULL);
    errno = saved;
}

ssize_t bide_os_sigpipe_writev(int fd, const struct iovec *pieces, int count)
{
    struct bide_os_sigpipe signal;
    bide_os_sigpipe_block(&signal);
    ssize_t done = writev(fd, pieces, count);
    bide_os_sigpipe_restore(&signal, done < 0 && errno == EPIPE);
    return done;
}
