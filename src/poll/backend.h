/* What a back end of the poller is: a table of functions. One file a back end, one line in poller.c's list.
 *
 * poller.c keeps what all back ends share: arguments, keys, the busy check, notifications, signals, deadlines
 * and cancellation. A back end only knows descriptors. Its contract:
 *
 *  - size, open: poller.c allocates `size` zeroed bytes, which begin with a struct bide_poller, and calls
 *    open. BIDE_ENOTSUP means that the system does not have or permit the back end: the next one is tried.
 *    Any other error ends the search. After an error nothing is left open, and close is not called.
 *  - close: closes and frees what open and the calls after it made, but not the poller itself. No other call
 *    is running. Must not touch registrations (in a forked child they are the parent's) nor take a lock.
 *  - add, modify, del: from any thread, at any time, also during wait, in which they take effect. Key,
 *    interest and mode have been checked. An error leaves everything as it was. The codes are those of
 *    bide_poller_add(). A back end whose bookkeeping needs a lock brings its own; it must not be held while
 *    wait blocks, nor taken by wake.
 *  - wait: by one thread at a time (poller.c sees to it, with acquire and release between two of them), so
 *    what only wait uses needs no lock. Blocks until an event, wake, or the deadline, and fills `events`,
 *    whose capacity is from 1 to INT_MAX. Returns their number. 0 says nothing about the reason: poller.c
 *    looks at its own state and the clock and calls again if the wait is not over, so a back end may return 0
 *    early, for a stale wake-up or a time-out that it had to cut short. BIDE_EINTR asks for another call in
 *    any case. With BIDE_NOW it must look at every descriptor, and not block. No allocation, and one system
 *    call in the normal case. More ready than `capacity`: the ones left out come first in the next calls.
 *    Cancellation is disabled.
 *  - wake: ends the wait that is blocked, or if there is none may end the next one: async-signal-safe, from
 *    any thread, takes no lock, keeps errno. A wake that comes after wait was entered must not be lost.
 *  - fd: NULL if there is no descriptor that becomes readable with events and after wake.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POLL_BACKEND_H
#define BIDE_POLL_BACKEND_H

#include <bide/poller.h>

#include <limits.h>
#include <stdatomic.h>

/* One bit a mode, for bide_poll_backend.modes. */
#define BIDE_POLL_MODE_BIT(mode) (1U << (unsigned)(mode))

typedef struct bide_poll_backend {
    const char *name;
    unsigned modes;
    size_t size;
    int (*open)(bide_poller *poller);
    void (*close)(bide_poller *poller);
    int (*add)(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode);
    int (*modify)(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode);
    int (*del)(bide_poller *poller, bide_fd fd);
    int (*wait)(bide_poller *poller, bide_poll_event *events, size_t capacity, bide_instant deadline);
    void (*wake)(bide_poller *poller);
    bide_fd (*fd)(const bide_poller *poller);
} bide_poll_backend;

/* The part that all back ends have in common, and their first member. Only poller.c touches it. */
struct bide_poller {
    const bide_poll_backend *backend;
    _Atomic unsigned state;
};

extern const bide_poll_backend bide_poll_backend_epoll;
extern const bide_poll_backend bide_poll_backend_kqueue;
extern const bide_poll_backend bide_poll_backend_port;
extern const bide_poll_backend bide_poll_backend_poll;
extern const bide_poll_backend bide_poll_backend_iocp;

/* What is left until the deadline: BIDE_DURATION_MAX for BIDE_NEVER, 0 when it has passed. Reads the clock
 * only if it has to. */
static inline bide_duration bide_poll_remaining(bide_instant deadline)
{
    if (bide_is_never(deadline)) return BIDE_DURATION_MAX;
    if (deadline.ns == INT64_MIN) return 0;
    bide_duration rest = bide_instant_since(deadline, bide_now());
    return rest > 0 ? rest : 0;
}

/* The same in milliseconds for poll(2) and its like, -1 for ever. Rounded up: rounded down, the last
 * fraction would be spent spinning. */
static inline int bide_poll_milliseconds(bide_duration rest)
{
    const bide_duration ms = BIDE_MILLISECONDS(1);
    if (rest == BIDE_DURATION_MAX) return -1;
    bide_duration rounded = rest / ms + (rest % ms != 0);
    return rounded < INT_MAX ? (int)rounded : INT_MAX;
}

#endif
