/* The role of the driver: see reactor.h for its states and invariants.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/reactor.h"

#include "os/assert.h"
#include "poll/poller.h"

static inline void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* By the holder of the role alone, of which there is one at a time: no locked operation. */
static inline void count_as_holder(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

void bide_driver_interrupt(struct bide_reactor *reactor)
{
    count(&reactor->notifies, 1);
    bide_notifier_notify(&reactor->notifier);
}

/* Parkers to rouse once the lock is released; each nudge yields at most one, and no transition makes two. */
struct nudges {
    struct bide_parker *parker;
};

static void nudge(struct nudges *nudges, struct bide_parker *parker)
{
    /* One that is not in FUTEX is awake, or will look at the role before it sleeps: it needs no rousing. */
    if (bide_parker_nudge(parker)) nudges->parker = parker;
}

static void unlock_and_rouse(struct bide_reactor *reactor, struct nudges *nudges)
{
    bide_os_mutex_unlock(&reactor->lock);
    if (nudges->parker) bide_parker_rouse(nudges->parker);
    nudges->parker = NULL;
}

static bool needs_service(struct bide_reactor *reactor)
{
    return !bide_ring_empty(&reactor->parked) || (reactor->helper && atomic_load(&reactor->background) > 0);
}

/* Sees to it that a vacant role has a TIMED standby if anybody needs one, and a held one a DEEP or
 * TIMED standby. */
static void settle(struct bide_reactor *reactor, struct nudges *nudges)
{
    if (!needs_service(reactor)) return;
    if (!reactor->standby) {
        reactor->standby =
            bide_ring_empty(&reactor->parked) ? reactor->helper : (struct bide_parker *)reactor->parked.next_;
        if (reactor->standby == reactor->holder) reactor->standby = NULL;
        if (!reactor->standby) return;
        /* It sleeps without limit so far, as an ordinary parked thread does. */
        reactor->standby_timed = false;
    }
    if (!reactor->holder && reactor->poller && !reactor->standby_timed) {
        reactor->standby_timed = true;
        reactor->standby->seen_epoch = reactor->epoch;
        nudge(nudges, reactor->standby);
    }
    BIDE_ASSERT(reactor->holder || !reactor->poller || reactor->standby_timed); /* invariant 3 */
}

static void take(struct bide_reactor *reactor, struct bide_parker *parker)
{
    BIDE_ASSERT(!reactor->holder); /* invariant 1 */
    reactor->holder = parker;
    reactor->epoch++;
    reactor->offered = NULL;
}

static void release(struct bide_reactor *reactor, struct nudges *nudges)
{
    bool offer = reactor->wanted && !bide_ring_empty(&reactor->parked);
    reactor->holder = NULL;
    reactor->epoch++;
    reactor->wanted = false;
    if (reactor->external) {
        reactor->blocked = true;
        reactor->wait_deadline = bide_heap_first(&reactor->heap);
    }
    if (offer) {
        reactor->offered = (struct bide_parker *)reactor->parked.next_;
        nudge(nudges, reactor->offered);
    } else {
        settle(reactor, nudges);
    }
}

static void unpark(struct bide_parker *parker)
{
    if (!parker->parked) return;
    parker->parked = false;
    bide_ring_remove(&parker->link);
}

/* Hands on whatever the parker had. */
static void leave(struct bide_reactor *reactor, struct bide_parker *parker, struct nudges *nudges)
{
    unpark(parker);
    bool offered = reactor->offered == parker;
    if (offered) reactor->offered = NULL;
    if (reactor->standby == parker) reactor->standby = NULL;
    if (reactor->holder == parker)
        release(reactor, nudges);
    else
        settle(reactor, nudges);
}

/* One turn by the holder: waits until `limit` at most, runs the wakers that are due. Lock held on entry
 * and return, released in between. Returns what was handled, or the poller's error. */
static int turn(struct bide_reactor *reactor, struct bide_parker *parker, bide_instant limit)
{
    bide_instant until = bide_earlier(limit, bide_heap_first(&reactor->heap));
    reactor->wait_deadline = until;
    reactor->blocked = true;
    /* A close leaves it to its holder until that has left. */
    bide_poller *poller = reactor->poller;
    bide_os_mutex_unlock(&reactor->lock);

    uint32_t expected = BIDE_PARKER_EMPTY;
    /* relaxed: published by the compare-and-swap */
    atomic_store_explicit(&parker->notifier, &reactor->notifier, memory_order_relaxed);
    /* Notified already: the turn is still worth a look, but not a sleep. */
    if (!atomic_compare_exchange_strong(&parker->state, &expected, BIDE_PARKER_POLLER)) until = BIDE_NOW;
    int events = bide_poller_wait_uncancelled(poller, reactor->events, BIDE_TURN_EVENTS, until);
    expected = BIDE_PARKER_POLLER;
    (void)atomic_compare_exchange_strong(&parker->state, &expected, BIDE_PARKER_EMPTY);
    count_as_holder(&reactor->turns, 1);
    for (int i = 0; i < events; i++)
        bide_source_event(reactor, &reactor->events[i]);
    if (events > 0) count_as_holder(&reactor->events_seen, (uint64_t)events);

    bide_os_mutex_lock(&reactor->lock);
    BIDE_ASSERT(reactor->holder == parker); /* invariant 1 */
    reactor->blocked = false;
    int timers = bide_timer_dispatch(reactor);
    return events < 0 ? events : events + timers;
}

/* Whether a thread that came to park, or woke up in there, may take the vacant role. */
static bool may_take(struct bide_reactor *reactor, struct bide_parker *parker, bool fresh, bool looked)
{
    if (!reactor->poller) return false;
    if (parker == reactor->helper) fresh = false;
    if (fresh || reactor->offered == parker) return true;
    if (reactor->standby != parker || !looked || parker->seen_epoch != reactor->epoch) return false;
    if (!needs_service(reactor)) return false;
    count(&reactor->hand_overs, 1);
    return true;
}

/* A standby's look at a role that it does not take: decides how it sleeps on. */
static void look(struct bide_reactor *reactor, struct bide_parker *parker, bool looked)
{
    if (!needs_service(reactor)) {
        /* Only the helper can get here: a parked thread needs service itself. */
        reactor->standby = NULL;
        return;
    }
    /* Closed: nothing is armed, and nothing to drive. */
    if (!reactor->poller) reactor->standby_timed = false;
    if (looked && reactor->holder && parker->seen_epoch == reactor->epoch) reactor->standby_timed = false;
    parker->seen_epoch = reactor->epoch;
}

/* Puts the parker among the parked, as the standby if there is none better. */
static void join_parked(struct bide_reactor *reactor, struct bide_parker *parker)
{
    if (parker == reactor->helper) {
        if (!reactor->standby && needs_service(reactor)) {
            reactor->standby = parker;
            reactor->standby_timed = true;
            parker->seen_epoch = reactor->epoch;
        }
        return;
    }
    if (!parker->parked) {
        parker->parked = true;
        bide_ring_append(&reactor->parked, &parker->link);
    }
    if (!reactor->standby || reactor->standby == reactor->helper) {
        reactor->standby = parker;
        reactor->standby_timed = reactor->poller != NULL;
        parker->seen_epoch = reactor->epoch;
    }
}

/* Sleeps on the parker's word until it is woken, nudged, or the time has come. Lock held on entry and return,
 * released in between. With `interrupt`, first asks the helper for the role. Returns whether a standby's
 * period went by. */
static bool sleep_parked(struct bide_reactor *reactor, struct bide_parker *parker, bide_instant deadline,
                         bool interrupt)
{
    bool timed = reactor->standby == parker && reactor->standby_timed;
    uint32_t expected = BIDE_PARKER_EMPTY;
    bool asleep = atomic_compare_exchange_strong(&parker->state, &expected, BIDE_PARKER_FUTEX);
    bide_os_mutex_unlock(&reactor->lock);
    if (interrupt) bide_driver_interrupt(reactor);
    if (!asleep) {
        bide_os_mutex_lock(&reactor->lock);
        return false;
    }
    bide_instant period = timed ? bide_after(BIDE_STANDBY_PERIOD) : BIDE_NEVER;
    bide_os_futex_wait(&parker->state, BIDE_PARKER_FUTEX, bide_earlier(deadline, period));
    bool elapsed = timed && !bide_before(bide_now(), period);
    bide_os_mutex_lock(&reactor->lock);
    expected = BIDE_PARKER_FUTEX;
    (void)atomic_compare_exchange_strong(&parker->state, &expected, BIDE_PARKER_EMPTY);
    return elapsed;
}

/* Asks the helper for the role if it has it. Lock held. Returns whether bide_driver_interrupt must follow. */
static bool want_role(struct bide_reactor *reactor)
{
    if (!reactor->holder || reactor->holder != reactor->helper || reactor->wanted) return false;
    reactor->wanted = true;
    return reactor->blocked;
}

int bide_driver_park(struct bide_reactor *reactor, struct bide_parker *parker, bide_instant deadline)
{
    struct nudges nudges = {NULL};
    int result;
    bool fresh = true;
    bool looked = false; /* a standby's whole period went by since its last look */
    if (bide_reactor_is_parents(reactor)) return BIDE_EFORKED;
    /* Also of a reactor that is not open yet the child must forget who waits on it; one that is has seen to that. */
    if (!atomic_load_explicit(&reactor->notifier.poller, memory_order_relaxed)) {
        result = bide_reactor_watch_forks();
        if (result) return result;
    }
    bide_os_mutex_lock(&reactor->lock);
    for (;;) {
        if (bide_parker_consume(parker)) {
            result = 0;
            break;
        }
        if (!fresh && !bide_is_never(deadline) && !bide_before(bide_now(), deadline)) {
            result = BIDE_ETIMEDOUT;
            break;
        }
        if (parker->stops) {
            result = BIDE_ECANCELED;
            break;
        }
        if (reactor->holder == parker || (!reactor->holder && may_take(reactor, parker, fresh, looked))) {
            if (reactor->holder != parker) {
                unpark(parker);
                if (reactor->standby == parker) reactor->standby = NULL;
                take(reactor, parker);
                settle(reactor, &nudges);
            }
            fresh = false;
            looked = false;
            result = turn(reactor, parker, deadline);
            if (result < 0) break;
            if (parker == reactor->helper && reactor->wanted) {
                release(reactor, &nudges);
                unlock_and_rouse(reactor, &nudges);
                bide_os_mutex_lock(&reactor->lock);
            }
            continue;
        }
        fresh = false;
        bool interrupt = want_role(reactor);
        if (reactor->standby == parker) look(reactor, parker, looked);
        join_parked(reactor, parker);
        looked = sleep_parked(reactor, parker, deadline, interrupt);
    }
    leave(reactor, parker, &nudges);
    unlock_and_rouse(reactor, &nudges);
    return result;
}

/* One turn within the role, if it is vacant; BIDE_EBUSY if not. */
static int drive_once(struct bide_reactor *reactor, struct bide_parker *parker, bide_instant deadline)
{
    struct nudges nudges = {NULL};
    if (bide_reactor_is_parents(reactor)) return BIDE_EFORKED;
    bide_os_mutex_lock(&reactor->lock);
    if (reactor->holder || !reactor->poller) {
        bide_os_mutex_unlock(&reactor->lock);
        return BIDE_EBUSY;
    }
    take(reactor, parker);
    int result = turn(reactor, parker, deadline);
    leave(reactor, parker, &nudges);
    unlock_and_rouse(reactor, &nudges);
    return result;
}

void bide_driver_yield(struct bide_reactor *reactor, struct bide_parker *parker)
{
    if (drive_once(reactor, parker, BIDE_NOW) != BIDE_EBUSY) return;
    /* As long as the helper drives, it is woken for each event of the sources that this thread uses,
     * though this thread never has to wait for one. */
    bide_os_mutex_lock(&reactor->lock);
    bool interrupt = want_role(reactor);
    bide_os_mutex_unlock(&reactor->lock);
    if (interrupt) bide_driver_interrupt(reactor);
}

int bide_driver_run_once(struct bide_reactor *reactor, bide_instant deadline)
{
    struct bide_thread *thread = bide_thread_self();
    if (thread->in_waker) return BIDE_EDEADLK;
    int error = bide_reactor_open(reactor);
    if (error) return error;
    int cancelable = bide_thread_cancel_disable(thread);
    int result = BIDE_ENOMEM;
    struct bide_parker *parker = bide_parker_acquire(thread);
    if (parker) {
        result = drive_once(reactor, parker, deadline);
        bide_parker_release(thread, parker);
    }
    bide_thread_cancel_restore(cancelable);
    return result;
}

void bide_driver_help(struct bide_reactor *reactor, struct bide_parker *parker)
{
    for (;;) {
        int result = bide_driver_park(reactor, parker, BIDE_NEVER);
        if (result == BIDE_ECANCELED) return;
        /* The poller failed: the kernel is short of memory. Nothing can be done but to try again,
         * not at once. */
        if (result < 0)
            bide_os_futex_wait(&parker->state, BIDE_PARKER_EMPTY, bide_after(BIDE_MILLISECONDS(10)));
    }
}

void bide_driver_call_standby(struct bide_reactor *reactor)
{
    struct nudges nudges = {NULL};
    bide_os_mutex_lock(&reactor->lock);
    settle(reactor, &nudges);
    unlock_and_rouse(reactor, &nudges);
}
