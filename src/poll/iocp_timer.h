/* Deadlines of the completion port that are kept to less than a tick: a timer of high resolution (Windows 10, version
 * 1803), for which a thread of the system's pool waits, posts a packet.
 *
 * One thread at a time, the one that waits at the port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POLL_IOCP_TIMER_H
#define BIDE_POLL_IOCP_TIMER_H

#include "os/system_windows.h"

#include <bide/time.h>

struct bide_iocp_timer {
    HANDLE port;
    ULONG_PTR packet;
    HANDLE timer; /* NULL: not needed yet, or not to be had */
    HANDLE wait;
    bide_instant deadline; /* for which it is set; BIDE_NEVER: for none */
};

/* `packet`: the key of what it posts. Costs nothing before the first deadline. */
void bide_iocp_timer_init(struct bide_iocp_timer *self, HANDLE port, ULONG_PTR packet);

/* Afterwards it posts nothing any more. */
void bide_iocp_timer_close(struct bide_iocp_timer *self);

/* Sees to it that it expires at the deadline, by a system call only if it does not already; BIDE_NEVER: not at all, so
 * that an idle process is not woken for nothing. Where there is no such timer it does nothing. */
void bide_iocp_timer_set(struct bide_iocp_timer *self, bide_instant deadline);

/* Its packet has come, perhaps a little early, for it has a clock of its own: to be set again where it still matters. */
void bide_iocp_timer_expired(struct bide_iocp_timer *self);

#endif
