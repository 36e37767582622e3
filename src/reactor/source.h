/* A source: what is behind a bide_async. A descriptor, registered once for both directions, whose
 * readiness is remembered.
 *
 *   FREE --alloc--> LIVE --free, into_fd--> CLOSING --no system call left--> FREE
 *                     \--its reactor closes--> CANCELED --free, into_fd--> CLOSING
 *
 * INVARIANTS
 * 1. Sources are type-stable: in chunks that are never freed. `generation` is even while LIVE or CANCELED
 *    and odd otherwise, and grows with each change; who holds a source without owning it (a future, an
 *    event) holds its generation too.
 * 2. A system call on the descriptor runs only between pin and unpin, and pin fails once CLOSING. The
 *    descriptor is deregistered and closed after the last unpin.
 * 3. The readiness word of a direction is written by events (set READY and the flags, count the event) and
 *    by operations that found it drained (clear READY, only if the word is what they saw before their
 *    call). So a memory is never cleared over a newer event.
 * 4. The queues are guarded by the wait lock of the source. A waiter links only if READY is clear under
 *    that lock; an event sets READY before it takes the waiters out under it. So none sleeps through an
 *    event.
 * 5. A waiter that counts as background (BIDE_WAITER_BACKGROUND) is counted down by whoever takes it out,
 *    and the flag cleared.
 * 6. Where the poller has no edge-triggered mode the registration is one-shot, and `armed` holds what it
 *    is armed for: at least the directions that have waiters, unless a thread is arming it, which looks
 *    again afterwards.
 * 7. One made before a fork is the parent's (`born`): the child never touches its registration or its queues,
 *    and only takes the descriptor out of it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_SOURCE_H
#define BIDE_REACTOR_SOURCE_H

#include "future/waiter.h"
#include "os/fork.h"
#include "reactor/reactor.h"

#include <bide/async.h>

/* A readiness word: flags in the low byte, above them the number of events so far, modulo 2^24. */
enum {
    BIDE_SOURCE_READY = 1u, /* worth a try */
    /* These stay once seen: a short count then no longer means drained. */
    BIDE_SOURCE_HUP = 2u,
    BIDE_SOURCE_RDHUP = 4u,
    BIDE_SOURCE_ERR = 8u,
    BIDE_SOURCE_PRI = 16u,
    BIDE_SOURCE_ODD = BIDE_SOURCE_HUP | BIDE_SOURCE_RDHUP | BIDE_SOURCE_ERR | BIDE_SOURCE_PRI,
    BIDE_SOURCE_EVENT = 256u /* one event */
};

/* The pins word; the count of running system calls is above the flags. */
enum { BIDE_SOURCE_CLOSING = 1u, BIDE_SOURCE_CANCELED = 2u, BIDE_SOURCE_PIN = 4u };

/* Flags of a source, beside those of os/io.h (kind). */
enum {
    BIDE_SOURCE_OWNED = 256u,
    BIDE_SOURCE_WAS_BLOCKING = 512u, /* made non-blocking by us */
    BIDE_SOURCE_BLOCKS = 1024u       /* borrowed, and blocking when it was */
};

struct bide_async {
    _Atomic uint32_t pins; /* CLOSING, CANCELED, and above them the system calls that are running */
    _Atomic uint32_t generation;
    _Atomic uint32_t ready[2];
    bide_fd fd;
    /* Fixed while LIVE; atomic for those who hold a stale handle. */
    _Atomic uint32_t flags;
    _Atomic(struct bide_reactor *) reactor;
    bide_link queue[2];
    /* Two, by direction, for bide_async_poll_readable and _writable; made by the first of these, and then the
     * slot's for good, whoever has that. */
    _Atomic(bide_waiter *) stored;
    /* A listener that ran out of descriptors pauses until then, or until one was closed; wait lock. */
    int64_t pause_until;
    uint32_t pause_closings;
    uint32_t index;
    uint32_t next_free;
    uint32_t armed;        /* wait lock */
    _Atomic uint32_t born; /* bide_os_forks when it was made; fixed while LIVE, atomic for stale handles */
    /* The reactor's epoch_of_life in which it was registered; changes under the wait lock. */
    _Atomic uint32_t life;
    /* Standing time-outs in milliseconds, by direction; 0: none. relaxed: a number by itself. */
    _Atomic uint32_t timeout[2];
};

_Static_assert(sizeof(struct bide_async) <= 128, "a source takes two cache lines at most");

/* Registers a descriptor with the reactor. `ready`: whether it may be ready at once. */
int bide_source_new(bide_async **out, struct bide_reactor *reactor, bide_fd fd, uint32_t flags, bool ready);

/* Ends it (bide_async_free, bide_async_into_fd): the descriptor, deregistered, goes to *fd. */
int bide_source_end(bide_async *source, bide_fd *fd);

/* Whether it was made before a fork, by the parent. */
static inline bool bide_source_is_parents(const bide_async *source)
{
    return atomic_load_explicit(&((bide_async *)(uintptr_t)source)->born, memory_order_relaxed) !=
           bide_os_forks;
}

static inline void bide_source_unpin(bide_async *source)
{
    uint32_t before = atomic_fetch_sub(&source->pins, BIDE_SOURCE_PIN);
    if ((before & BIDE_SOURCE_CLOSING) && before < 2 * BIDE_SOURCE_PIN) bide_os_futex_wake_all(&source->pins);
}

/* Keeps the descriptor from being closed. 0, BIDE_ECANCELED, BIDE_EFREED or BIDE_EFORKED. */
static inline int bide_source_pin(bide_async *source, uint32_t generation)
{
    if (generation & 1) return BIDE_EFREED;
    if (bide_source_is_parents(source)) return BIDE_EFORKED;
    /* seq_cst: "pin, then look for CLOSING" here against "set CLOSING, then count the pins" in
     * bide_source_end */
    uint32_t before = atomic_fetch_add(&source->pins, BIDE_SOURCE_PIN);
    if (!(before & (BIDE_SOURCE_CLOSING | BIDE_SOURCE_CANCELED)) &&
        atomic_load_explicit(&source->generation, memory_order_relaxed) == generation)
        return 0;
    bide_source_unpin(source);
    return BIDE_ECANCELED;
}

/* The reactor it belongs to. */
static inline struct bide_reactor *bide_source_reactor(bide_async *source)
{
    return atomic_load_explicit(&source->reactor, memory_order_relaxed);
}

/* Its kind and flags. */
static inline uint32_t bide_source_flags(const bide_async *source)
{
    return atomic_load_explicit(&((bide_async *)(uintptr_t)source)->flags, memory_order_relaxed);
}

/* The generation to hold, for a future that is being made. */
static inline uint32_t bide_source_generation(const bide_async *source)
{
    return source ? atomic_load_explicit(&((bide_async *)(uintptr_t)source)->generation, memory_order_acquire)
                  : 1;
}

static inline uint32_t bide_source_readiness(bide_async *source, bide_direction direction)
{
    /* acquire: pairs with the event's release, for completeness; what the kernel has is not ours to order */
    return atomic_load_explicit(&source->ready[direction], memory_order_acquire);
}

/* The direction was found drained by a call that began after `seen` was read. */
static inline void bide_source_drained(bide_async *source, bide_direction direction, uint32_t seen)
{
    if (!(seen & BIDE_SOURCE_READY)) return;
    /* Fails if an event came since: then there is something again. relaxed: only the word itself matters,
     * and who links looks at it under the lock under which an event takes waiters out. */
    (void)atomic_compare_exchange_strong_explicit(&source->ready[direction], &seen,
                                                  seen & ~(uint32_t)BIDE_SOURCE_READY, memory_order_relaxed,
                                                  memory_order_relaxed);
}

/* Links the waiter for the context. 0: it waits; 1: ready after all; or an error. No wake of it from
 * before is running when this returns. */
int bide_source_wait(bide_async *source, uint32_t generation, bide_direction direction, bide_waiter *waiter,
                     const bide_context *cx);

/* Begins the standing time-out of a wait, which has *limit for BIDE_NEVER at first, or goes on with it: whether it is
 * over. If not the context is told. */
bool bide_source_check_limit(bide_async *source, bide_direction direction, bide_instant *limit,
                             bide_context *cx);

/* The same, for an operation that has just been linked: without a time-out a look at one word. */
static inline bool bide_source_is_late(bide_async *source, bide_direction direction, bide_instant *limit,
                                       bide_context *cx)
{
    bool none = atomic_load_explicit(&source->timeout[direction], memory_order_relaxed) == 0;
    return none && bide_is_never(*limit) ? false : bide_source_check_limit(source, direction, limit, cx);
}

/* The same with the direction's stored waiter, in one step with taking out another waker that it held, which
 * is called. Also BIDE_ENOMEM, the first time. */
int bide_source_store(bide_async *source, uint32_t generation, bide_direction direction,
                      const bide_context *cx);

/* Waits until no wake of the direction's stored waiter is running. */
void bide_source_quiesce_stored(bide_async *source, bide_direction direction);

/* Takes the direction's stored waiter out, and waits until no wake of it is running, also while the source is
 * being freed; but leaves that of whoever has the slot next. 0 or BIDE_EFREED. */
int bide_source_forget(bide_async *source, uint32_t generation, bide_direction direction);

/* Takes the waiter out, and waits until no wake of it is running. */
void bide_source_leave(bide_async *source, bide_waiter *waiter);

/* Sends or receives a datagram (io.c). The bytes moved, or an error, as those of bide_send_to() and bide_recv_from(). */
struct bide_os_datagram;
bide_ssize bide_move_datagram(bide_async *async, bide_direction direction, struct bide_os_datagram *datagram,
                              bide_instant deadline);

/* What bide_dump tells of one. */
struct bide_source_view {
    bool busy; /* its lock could not be had: the rest is unknown */
    bool canceled;
    bide_fd fd;
    struct bide_reactor *reactor;
    uint32_t ready[2];
    size_t waiters[2];
};

/* Looks at the first source from *index on that is in use, and puts its index there; false: none. */
bool bide_source_look(uint32_t *index, struct bide_source_view *view);

/* Writes "7 to read", with `what` for "to read", for futures that wait for a source that may have been freed. */
void bide_source_describe(bide_async *source, uint32_t generation, const char *what, char *text, size_t room);

/* --- descriptors.c: who waits for a descriptor to be closed --- */

/* How many Bide has closed; to be read before the call that failed for want of one. */
uint32_t bide_descriptors_closings(void);

/* One was closed. */
void bide_descriptors_closed(void);

/* Links the waiter until the next closing, unless there was one since `closings` was read. Returns
 * whether it waits. */
bool bide_descriptors_wait(bide_waiter *waiter, const bide_context *cx, uint32_t closings);
void bide_descriptors_leave(bide_waiter *waiter);

/* In the child of a fork: nobody waits. */
void bide_descriptors_forked(void);

#endif
