/* A descriptor that a back end watches in order to be woken: an eventfd, or a pipe where the system has none
 * or a sandbox forbids it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POLL_WAKE_H
#define BIDE_POLL_WAKE_H

#include <bide/base.h>

typedef struct bide_poll_wake {
    bide_fd read_end;  /* to be watched for input */
    bide_fd write_end; /* the same one for an eventfd */
} bide_poll_wake;

/* Returns 0 or an error, with nothing left open. Close-on-exec and non-blocking. */
int bide_poll_wake_open(bide_poll_wake *wake);
int bide_poll_wake_open_pipe(bide_poll_wake *wake); /* on any system */
void bide_poll_wake_close(bide_poll_wake *wake);

/* Makes the read end readable, and always a new edge on it. Async-signal-safe; keeps errno. */
void bide_poll_wake_signal(const bide_poll_wake *wake);

/* Makes the read end silent until the next signal. */
void bide_poll_wake_drain(const bide_poll_wake *wake);

/* Whether signals make edges for ever without a drain. A pipe's room is limited. */
static inline bool bide_poll_wake_is_counter(const bide_poll_wake *wake)
{
    return wake->read_end == wake->write_end;
}

#endif
