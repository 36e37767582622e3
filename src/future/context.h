/* The context of a thread that waits: a parker.
 *
 * Parkers are type-stable: taken from a pool that never shrinks and given back when their thread ends, so
 * that a late wake is at worst a spurious one for the next user (waiter.h, invariant 3).
 *
 * state:
 *   EMPTY     running, or about to look again
 *   FUTEX     asleep on the state word, or about to be
 *   POLLER    asleep in the poller, or about to be
 *   NOTIFIED  woken; the wake has not been consumed yet
 *
 *   owner:  EMPTY -> FUTEX -> EMPTY, EMPTY -> POLLER -> EMPTY, NOTIFIED -> EMPTY, each by compare-and-swap
 *   waker:  any -> NOTIFIED by exchange; then FUTEX: futex wake, POLLER: notify
 *   nudge:  FUTEX -> EMPTY by compare-and-swap, then futex wake: "look at the role again", no wake of the
 *           future
 *
 * All of them are seq_cst: the owner publishes "asleep" and then looks for work, the waker publishes work
 * and then looks whether the owner is asleep.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_CONTEXT_H
#define BIDE_FUTURE_CONTEXT_H

#include "future/thread.h"
#include "os/futex.h"

#include <bide/future.h>
#include <bide/poller.h>

/* A poller that others may use while its owner takes it away: type-stable, like the reactor it is part of. */
struct bide_notifier {
    _Atomic uint32_t pins; /* how many use it, and whether withdraw sleeps until they do not */
    _Atomic(bide_poller *) poller;
};

/* The poller, which is not closed before the unpin; NULL if it has been taken away. To be unpinned in any
 * case, and soon: no waiting, and no reactor's lock, in between. Async-signal-safe. */
bide_poller *bide_notifier_pin(struct bide_notifier *notifier);
void bide_notifier_unpin(struct bide_notifier *notifier);

/* Interrupts whoever is blocked in the poller. Async-signal-safe. */
void bide_notifier_notify(struct bide_notifier *notifier);

/* Takes the poller away, and waits until nobody uses it any more. */
bide_poller *bide_notifier_withdraw(struct bide_notifier *notifier);

enum { BIDE_PARKER_EMPTY, BIDE_PARKER_FUTEX, BIDE_PARKER_POLLER, BIDE_PARKER_NOTIFIED };

struct bide_parker {
    /* Among the parked of a reactor, guarded by its lock. First, so that a parker is found from its link. */
    bide_link link;
    _Atomic uint32_t state;
    /* Whose poller it sleeps in; written before POLLER is published. */
    _Atomic(struct bide_notifier *) notifier;
    bide_context cx;
    bool parked;         /* linked; reactor's lock */
    uint32_t seen_epoch; /* as standby: the epoch at the last look; reactor's lock */
    bool stops;          /* a helper thread's: it shall end; reactor's lock */
    struct bide_parker *next_free;
};

/* Sees to it that a fork finds the locks of this layer free on both sides. 0 or BIDE_ENOMEM. */
int bide_future_watch_forks(void);

/* Sees to it that what the thread keeps is given up when it ends. 0 or BIDE_ENOMEM. */
int bide_thread_watch_end(struct bide_thread *thread);

/* A parker that belongs to no thread yet, EMPTY, with a fresh context; NULL when there is no memory. */
struct bide_parker *bide_parker_new(void);
void bide_parker_delete(struct bide_parker *parker);

/* A parker for one block_on of the calling thread, with a fresh context; NULL when there is no memory. The
 * first level is kept with the thread. */
struct bide_parker *bide_parker_acquire(struct bide_thread *thread);
void bide_parker_release(struct bide_thread *thread, struct bide_parker *parker);

/* Takes a pending wake, if there is one. Owner only. */
bool bide_parker_consume(struct bide_parker *parker);

/* Makes a parker in FUTEX look again. Returns whether bide_parker_rouse must follow, which may be called
 * with no lock held. */
bool bide_parker_nudge(struct bide_parker *parker);
void bide_parker_rouse(struct bide_parker *parker);

#endif
