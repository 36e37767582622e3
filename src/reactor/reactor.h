/* A reactor: a poller, a heap of timers, and the role of driving both.
 *
 * THE ROLE OF THE DRIVER is held by one thread at a time (`holder`). Only its holder waits in the poller
 * and runs wakers for events and timers; it never polls a future or runs user code but wakers meanwhile.
 *
 *            fresh thread parks           own wake, deadline; or helper and wanted
 *   VACANT ----------------------> HELD ------------------------------------------> VACANT
 *      \                            ^
 *       \ vacant a whole period     |
 *        +---> standby takes it ----+
 *
 * A parked thread (asleep on its state word) is one of:
 *   ordinary   sleeps until its wake or deadline
 *   standby    at most one: looks after the role
 *                TIMED  looks each period; takes a role that was vacant for a whole one while somebody
 *                       needed service; goes DEEP after a whole one with the same holder
 *                DEEP   sleeps without limit; the next release makes it TIMED with one nudge
 * The helper thread ("async-io") is standby only when no thread in block_on is.
 *
 * INVARIANTS (all fields guarded by `lock` unless said otherwise)
 * 1. holder is the only thread inside bide_poller_wait of this reactor.
 * 2. `blocked` is set, and `wait_deadline` fixed, in the critical section in which the holder computed its
 *    deadline; a timer that becomes the earliest while `blocked` notifies the poller. So no earlier timer
 *    is slept over.
 * 3. If the role is vacant and somebody needs service (a parked thread, or background > 0 on the global
 *    reactor with a helper), then a TIMED standby exists, or the role is on offer to a nudged thread. Each
 *    transition re-establishes it before it unlocks: release, leave, and a standby's look; who has armed
 *    something in the background or opened the poller does so next, with bide_driver_call_standby.
 * 4. epoch grows with each take and each release; a standby that finds it unchanged since its last look
 *    knows that the state was the same for the whole period.
 * 5. A thread that leaves hands on what it had: the role, an offer, the place of the standby.
 * 6. Nobody is woken for a release as such: in the steady state, the releaser comes back.
 * 7. A thread in block_on that finds the role with the helper, when it parks or when it yields, asks for it
 *    (`wanted`, one notify); the helper releases it and it is offered to the first parked thread, if any.
 *
 * docs/models/role.pml is this protocol as a model.
 *
 * Reactors are type-stable: freed ones are kept for the next bide_reactor_new, so that stale handles find
 * a lock and an epoch that no longer match.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_REACTOR_H
#define BIDE_REACTOR_REACTOR_H

#include "future/context.h"
#include "future/waiter.h"
#include "os/fork.h"
#include "os/thread.h"
#include "timer/heap.h"

#include <bide/reactor.h>
#include <bide/timer.h>

/* A standby's period. The role is taken between one and two periods after it fell vacant; with the slack
 * of the sleep that stays under the millisecond in which a background waiter is to be served. */
#define BIDE_STANDBY_PERIOD BIDE_MICROSECONDS(300)

/* Events taken from the poller in one turn, and timers fired in one turn. */
#define BIDE_TURN_EVENTS 256
#define BIDE_TURN_TIMERS 256

struct bide_reactor {
    bide_os_mutex lock;
    struct bide_notifier notifier; /* poller for notifies; atomic */
    bide_poller *poller;           /* NULL while closed */
    _Atomic bool edge; /* the poller has edge-triggered mode; atomic for those who hold stale handles */
    bool global;
    bool external;                  /* another loop sleeps for us: `blocked` stays set between turns */
    _Atomic uint32_t epoch_of_life; /* grows with each close: what was made before is cancelled */
    _Atomic uint32_t born;          /* bide_os_forks when it was opened (those made by hand) */
    uint32_t forked_at;             /* earlier lives were the parent's; written while there is one thread */
    uint32_t number;                /* fixed; names it in what people read; 0 is the global one */
    int entered;                    /* threads that have it as their current one (hand-made reactors) */

    struct bide_parker *holder;
    bool blocked;
    bool wanted;
    bide_instant wait_deadline;
    uint32_t epoch;
    struct bide_parker *standby;
    bool standby_timed;
    struct bide_parker *offered;
    bide_link parked; /* parkers of threads in block_on; the helper's is not among them */

    /* The helper thread, on the global reactor only. */
    struct bide_parker *helper; /* NULL: not running */
    bide_os_thread helper_thread;
    _Atomic bool helped; /* it runs; for the fast way of an arming */

    _Atomic uint32_t background; /* waiters that nobody in block_on stands for */

    struct bide_heap heap;
    bide_poll_event events[BIDE_TURN_EVENTS]; /* the holder's */

    _Atomic uint64_t turns, events_seen, timers_fired, notifies, hand_overs; /* counts; relaxed */
    struct bide_reactor *next_free;
    struct bide_reactor *next_of_all; /* fixed */
};

/* --- reactor.c --- */

/* The global one. */
extern struct bide_reactor bide_reactor_of_all;

/* The reactor that `thread` has entered, or the global one; not opened yet, perhaps. */
static inline struct bide_reactor *bide_reactor_of(const struct bide_thread *thread)
{
    return thread->reactor ? thread->reactor : &bide_reactor_of_all;
}

/* All reactors that there are or were, freed ones of the parent's left out: the one after `reactor`, the first one
 * after NULL; NULL: no more. They are type-stable. */
struct bide_reactor *bide_reactor_next(struct bide_reactor *reactor);

/* What bide_shutdown does for a layer that has threads of its own. */
struct bide_shutdown_hook {
    bool (*is_own_thread)(void); /* whether the calling thread is one that shut_down would wait for */
    void (*shut_down)(void);     /* cancels, and joins them; no lock held */
    struct bide_shutdown_hook *next;
    _Atomic bool listed;
};

/* Has it called by each bide_shutdown from now on, in the order opposite to that of the calls. Static
 * storage; nothing happens if it is listed already. */
void bide_reactor_at_shutdown(struct bide_shutdown_hook *hook);

/* Keep the lists of freed reactors and of hooks whole during a fork. */
void bide_reactor_fork_prepare(void);
void bide_reactor_fork_done(void);

/* In the child of a fork: one that another thread of the parent is in, perhaps for long, is not ours. */
void bide_reactor_forget_shutdown(void);

/* --- driver.c --- */

/* Waits until the parker is notified (0) or the deadline has passed (BIDE_ETIMEDOUT), driving the reactor
 * meanwhile if the role can be had. Or an error of the poller. */
int bide_driver_park(struct bide_reactor *reactor, struct bide_parker *parker, bide_instant deadline);

/* One turn without waiting, if the role is vacant: what a thread that does not stop working
 * owes the others. */
void bide_driver_yield(struct bide_reactor *reactor, struct bide_parker *parker);

/* One turn for bide_reactor_run_once. */
int bide_driver_run_once(struct bide_reactor *reactor, bide_instant deadline);

/* The helper thread's life. */
void bide_driver_help(struct bide_reactor *reactor, struct bide_parker *parker);

/* Brings invariant 3 about after something was armed in the background, or the poller was opened. */
void bide_driver_call_standby(struct bide_reactor *reactor);

/* A timer became the first: whether the driver must be notified, with bide_driver_interrupt after the
 * unlock. Lock held. */
static inline bool bide_driver_sleeps_past(const struct bide_reactor *reactor, bide_instant deadline)
{
    return reactor->blocked && bide_before(deadline, reactor->wait_deadline);
}

void bide_driver_interrupt(struct bide_reactor *reactor);

/* --- background.c --- */

/* Whether threads of ours may be started: bide_set_threads. */
bool bide_threads_allowed(void);

/* Counts one more waiter in the background and sees to it that somebody serves it. 0, or BIDE_ENOTHREAD,
 * BIDE_ENOTSUP, BIDE_ENOMEM (nothing counted then). No lock held. */
int bide_background_arm(struct bide_reactor *reactor);
void bide_background_disarm(struct bide_reactor *reactor);

/* Whether a waiter polled through `cx` waits in the background of `reactor`. */
static inline bool bide_background_needed(const struct bide_reactor *reactor, const bide_context *cx)
{
    return !(cx->flags_ & BIDE_CONTEXT_SERVED) || cx->reactor_ != reactor;
}

/* A helper thread that was told to end. */
struct bide_dismissed {
    struct bide_parker *parker; /* NULL: there was none */
    bide_os_thread thread;
    bool asleep;
};

/* Tells the helper thread to end, and makes room for another one. Lock held; to be followed by a notify of
 * the poller in which it may be blocked, and by bide_background_join. */
struct bide_dismissed bide_background_dismiss(struct bide_reactor *reactor);

/* Waits for its end. No lock held. */
void bide_background_join(const struct bide_dismissed *dismissed);

/* --- fork.c --- */

/* Sees to it that the child of a fork gets a fresh global reactor. 0 or BIDE_ENOMEM. */
int bide_reactor_watch_forks(void);

/* In the child: forgets all that the parent made on it, and closes this process' copies of its descriptors;
 * it is closed then. */
void bide_reactor_give_up(struct bide_reactor *reactor);

/* Whether it is one made by hand that was opened before a fork, by the parent: nothing but its end may touch
 * it, not even its lock. */
static inline bool bide_reactor_is_parents(const struct bide_reactor *reactor)
{
    return !reactor->global && atomic_load_explicit(&((struct bide_reactor *)(uintptr_t)reactor)->born,
                                                    memory_order_relaxed) != bide_os_forks;
}

int bide_reactor_open_slowly(struct bide_reactor *reactor);

/* Opens it if it is closed. 0 or an error of bide_poller_new. Fast when open. */
static inline int bide_reactor_open(struct bide_reactor *reactor)
{
    bool open = !bide_reactor_is_parents(reactor) && atomic_load(&reactor->notifier.poller);
    return open ? 0 : bide_reactor_open_slowly(reactor);
}

/* Whether what was made in that life of the reactor was made by the parent. */
static inline bool bide_reactor_was_parents(const struct bide_reactor *reactor, uint32_t epoch_of_life)
{
    return bide_reactor_is_parents(reactor) || (int32_t)(epoch_of_life - reactor->forked_at) < 0;
}

/* --- source.c --- */

/* Takes an event to its source. */
void bide_source_event(struct bide_reactor *reactor, const bide_poll_event *event);

/* Cancels what waits on all sources of the reactor's earlier lives, for good. */
void bide_source_cancel_all(struct bide_reactor *reactor);

/* --- timer.c --- */

/* Fires due timers, at most a batch. Lock held, and released around each wake. Returns how many. */
int bide_timer_dispatch(struct bide_reactor *reactor);

/* Takes all timers out of the heap of a reactor that is being closed, and frees it. Lock held. */
void bide_timer_collect(struct bide_reactor *reactor, bide_link *batch);

/* Wakes them, for their polls to find out. No lock held. */
void bide_timer_wake(struct bide_reactor *reactor, bide_link *batch);

#endif
