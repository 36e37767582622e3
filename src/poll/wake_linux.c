/* Waking by eventfd(2), and where a sandbox forbids it by a pipe: see wake.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "poll/wake.h"

#include <bide/error.h>

#include <errno.h>
#include <sys/eventfd.h>

int bide_poll_wake_open(bide_poll_wake *wake)
{
    wake->read_end = wake->write_end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->read_end >= 0) return 0;
    /* Anything but exhaustion means that the call is missing or forbidden. */
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return bide_last_error();
    return bide_poll_wake_open_pipe(wake);
}
