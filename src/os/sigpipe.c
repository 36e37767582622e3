/* SIGPIPE: see sigpipe.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/sigpipe.h"

#include <errno.h>
#include <time.h>

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
        static const struct timespec no_time = {0, 0};
        sigset_t pipe_only;
        only_pipe(&pipe_only);
        while (sigtimedwait(&pipe_only, NULL, &no_time) < 0 && errno == EINTR) {
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &state->before, NULL);
    errno = saved;
}
