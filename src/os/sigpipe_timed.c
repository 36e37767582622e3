/* Taking SIGPIPE away by sigtimedwait(2): see sigpipe.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/sigpipe.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

void bide_os_sigpipe_take(const sigset_t *pipe_only)
{
    static const struct timespec no_time = {0, 0};
    while (sigtimedwait(pipe_only, NULL, &no_time) < 0 && errno == EINTR) {
    }
}
