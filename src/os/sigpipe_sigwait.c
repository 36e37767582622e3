/* Taking SIGPIPE away where there is no sigtimedwait(2): macOS, OpenBSD. See sigpipe.h.
 *
 * sigwait(2) waits for a signal that is not pending. It is asked for first; that another thread takes it in
 * between cannot be, since the signal of a write is pending for the writing thread alone.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/sigpipe.h"

void bide_os_sigpipe_take(const sigset_t *pipe_only)
{
    sigset_t pending;
    int taken;
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1) (void)sigwait(pipe_only, &taken);
}
