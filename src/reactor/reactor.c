/* Reactors: the global one, those made by hand, their opening and closing. Driving is in driver.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/reactor.h"

#include <stdlib.h>

/* Zeroed storage is a closed reactor whose lock works; opened on first use. */
struct bide_reactor bide_reactor_of_all = {
    .global = true,
    .parked = {&bide_reactor_of_all.parked, &bide_reactor_of_all.parked},
};

/* Reactors made by hand and freed again; guarded by pool_lock. Never given back to the allocator
 * (reactor.h). */
static bide_os_mutex pool_lock;
static struct bide_reactor *pool;

/* All made by hand so far, the newest first; only added to, under pool_lock. */
static _Atomic(struct bide_reactor *) made_by_hand;

struct bide_reactor *bide_reactor_next(struct bide_reactor *reactor)
{
    if (!reactor) return &bide_reactor_of_all;
    do {
        /* acquire: with the release of the addition, for the fields that are fixed */
        reactor = reactor->global ? atomic_load_explicit(&made_by_hand, memory_order_acquire)
                                  : reactor->next_of_all;
    } while (reactor && (bide_reactor_is_parents(reactor) || !atomic_load(&reactor->notifier.poller)));
    return reactor;
}

static struct bide_reactor *make_by_hand(void)
{
    struct bide_reactor *reactor = calloc(1, sizeof *reactor);
    if (!reactor) return NULL;
    bide_ring_init(&reactor->parked);
    bide_os_mutex_lock(&pool_lock);
    struct bide_reactor *before = atomic_load_explicit(&made_by_hand, memory_order_relaxed);
    reactor->next_of_all = before;
    reactor->number = before ? before->number + 1 : 1;
    atomic_store_explicit(&made_by_hand, reactor, memory_order_release);
    bide_os_mutex_unlock(&pool_lock);
    return reactor;
}

bide_reactor *bide_reactor_global(void)
{
    return &bide_reactor_of_all;
}

bide_reactor *bide_reactor_current(void)
{
    return bide_reactor_of(bide_thread_self());
}

static int open_with(struct bide_reactor *reactor, const char *backend)
{
    /* acquire: pairs with the release below, so that the fast way sees the fields */
    if (atomic_load_explicit(&reactor->notifier.poller, memory_order_acquire)) return 0;
    int error = bide_reactor_watch_forks();
    if (error) return error;
    /* Without the lock, for it may call the log function. Of two threads that come here one is too late. */
    bide_poller *poller;
    error = bide_poller_new(&poller, backend);
    if (error) return error;
    bide_os_mutex_lock(&reactor->lock);
    bool late = reactor->poller != NULL;
    if (!late) {
        reactor->edge = bide_poller_supports(poller, BIDE_POLL_EDGE);
        reactor->poller = poller;
        atomic_store(&reactor->notifier.poller, poller);
    }
    bide_os_mutex_unlock(&reactor->lock);
    if (late) {
        bide_poller_free(poller);
        return 0;
    }
    /* Who waits already sleeps without limit: there was nothing to look after. */
    bide_driver_call_standby(reactor);
    return 0;
}

int bide_reactor_open_slowly(struct bide_reactor *reactor)
{
    if (bide_reactor_is_parents(reactor)) return BIDE_EFORKED;
    if (!reactor->global && !atomic_load(&reactor->notifier.poller)) return BIDE_ECANCELED;
    return open_with(reactor, NULL);
}

/* Whether a thread drives it, waits on it or has entered it; the helper does not count. Lock held. */
static bool in_use(const struct bide_reactor *reactor)
{
    bool driven = reactor->holder && reactor->holder != reactor->helper;
    return driven || !bide_ring_empty(&reactor->parked) || reactor->entered > 0;
}

/* Cancels everything and closes the poller, unless it is in use: then BIDE_EBUSY, and nothing has changed. */
static int close_reactor(struct bide_reactor *reactor)
{
    bide_link timers;
    bide_ring_init(&timers);
    bide_os_mutex_lock(&reactor->lock);
    if (in_use(reactor)) {
        bide_os_mutex_unlock(&reactor->lock);
        return BIDE_EBUSY;
    }
    /* In one step with the look. Who comes later finds it closed, and opens the global one anew: that is
     * another life, which the rest of this function leaves alone. The poller goes before the epoch, and a
     * new one comes after it: who holds a pin on a poller sees the epoch that belongs to it. So the wait for
     * the pins cannot be put off until after the unlock; who holds one takes no lock of a reactor. */
    bide_poller *poller = bide_notifier_withdraw(&reactor->notifier);
    reactor->poller = NULL;
    reactor->external = false;
    reactor->blocked = false;
    atomic_fetch_add(&reactor->epoch_of_life, 1);
    bide_timer_collect(reactor, &timers);
    struct bide_dismissed helper = bide_background_dismiss(reactor);
    bide_os_mutex_unlock(&reactor->lock);

    if (poller) (void)bide_poller_notify(poller);
    bide_background_join(&helper);
    bide_source_cancel_all(reactor);
    bide_timer_wake(reactor, &timers);
    bide_poller_free(poller);
    return 0;
}

int bide_reactor_new(bide_reactor **out, const char *backend)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    bide_os_mutex_lock(&pool_lock);
    struct bide_reactor *reactor = pool;
    if (reactor) pool = reactor->next_free;
    bide_os_mutex_unlock(&pool_lock);
    if (!reactor) {
        reactor = make_by_hand();
        if (!reactor) return BIDE_ENOMEM;
    } else if (bide_reactor_is_parents(reactor)) {
        /* Freed before a fork; a thread that is not here may have had its lock for a stale timer. */
        bide_reactor_give_up(reactor);
    }
    /* It counts from its making, whatever life it had before. */
    _Atomic uint64_t *const counts[] = {&reactor->turns, &reactor->events_seen, &reactor->timers_fired,
                                        &reactor->notifies, &reactor->hand_overs};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        atomic_store_explicit(counts[i], 0, memory_order_relaxed);
    atomic_store_explicit(&reactor->born, bide_os_forks, memory_order_relaxed);
    int error = open_with(reactor, backend);
    if (error) {
        bide_os_mutex_lock(&pool_lock);
        reactor->next_free = pool;
        pool = reactor;
        bide_os_mutex_unlock(&pool_lock);
        return error;
    }
    *out = reactor;
    return 0;
}

int bide_reactor_free(bide_reactor *reactor)
{
    if (!reactor || reactor->global) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    if (!atomic_load(&reactor->notifier.poller)) return BIDE_EFREED;
    if (bide_reactor_is_parents(reactor)) {
        bide_reactor_give_up(reactor);
    } else {
        int error = close_reactor(reactor);
        if (error) return error;
    }
    bide_os_mutex_lock(&pool_lock);
    reactor->next_free = pool;
    pool = reactor;
    bide_os_mutex_unlock(&pool_lock);
    return 0;
}

/* Those of layers above with threads of their own; guarded by hooks_lock for writing, and only added to. */
static bide_os_mutex hooks_lock;
static _Atomic(struct bide_shutdown_hook *) hooks;

void bide_reactor_at_shutdown(struct bide_shutdown_hook *hook)
{
    if (atomic_load(&hook->listed)) return;
    bide_os_mutex_lock(&hooks_lock);
    if (!atomic_load(&hook->listed)) {
        atomic_store(&hook->listed, true);
        hook->next = atomic_load(&hooks);
        atomic_store(&hooks, hook);
    }
    bide_os_mutex_unlock(&hooks_lock);
}

/* No lock held that a thread of a layer above may want, but the one that keeps shutdowns apart. */
static int shut_down(void)
{
    int error = close_reactor(&bide_reactor_of_all);
    if (error) return error;
    struct bide_shutdown_hook *first = atomic_load(&hooks);
    for (struct bide_shutdown_hook *hook = first; hook; hook = hook->next)
        hook->shut_down();
    /* What was still running there may have opened it anew. */
    return first ? close_reactor(&bide_reactor_of_all) : 0;
}

/* Each shutdown returns only when everything is over, also what another one has begun. */
static bide_os_mutex one_at_a_time;

void bide_reactor_fork_prepare(void)
{
    bide_os_mutex_lock(&pool_lock);
    bide_os_mutex_lock(&hooks_lock);
}

void bide_reactor_fork_done(void)
{
    bide_os_mutex_unlock(&hooks_lock);
    bide_os_mutex_unlock(&pool_lock);
}

void bide_reactor_forget_shutdown(void)
{
    bide_os_mutex unlocked = {0};
    one_at_a_time = unlocked;
}

int bide_shutdown(void)
{
    struct bide_thread *thread = bide_thread_self();
    /* A task's scheduler waits on the reactor: deadlines of groups, for one, would be lost. */
    if (thread->in_waker || thread->awaiter) return BIDE_EDEADLK;
    for (struct bide_shutdown_hook *hook = atomic_load(&hooks); hook; hook = hook->next)
        if (hook->is_own_thread()) return BIDE_EDEADLK;
    bide_os_mutex_lock(&one_at_a_time);
    int error = shut_down();
    bide_os_mutex_unlock(&one_at_a_time);
    return error;
}

static void entered(struct bide_reactor *reactor, int change)
{
    if (!reactor || reactor->global || bide_reactor_is_parents(reactor)) return;
    bide_os_mutex_lock(&reactor->lock);
    reactor->entered += change;
    bide_os_mutex_unlock(&reactor->lock);
}

bide_reactor *bide_reactor_enter(bide_reactor *reactor)
{
    struct bide_thread *thread = bide_thread_self();
    bide_reactor *previous = bide_reactor_of(thread);
    entered(thread->reactor, -1);
    entered(reactor, 1);
    thread->reactor = reactor;
    return previous;
}

void bide_reactor_leave(bide_reactor *previous)
{
    (void)bide_reactor_enter(previous);
}

const char *bide_reactor_backend(bide_reactor *reactor)
{
    if (!reactor || bide_reactor_open(reactor) != 0) return NULL;
    bide_os_mutex_lock(&reactor->lock);
    const char *name = reactor->poller ? bide_poller_backend(reactor->poller) : NULL;
    bide_os_mutex_unlock(&reactor->lock);
    return name;
}

int bide_reactor_run_once(bide_reactor *reactor, bide_instant deadline)
{
    return reactor ? bide_driver_run_once(reactor, deadline) : BIDE_EINVAL;
}

bide_instant bide_reactor_next_deadline(bide_reactor *reactor)
{
    if (!reactor || bide_reactor_open(reactor) != 0) return BIDE_NEVER;
    bide_os_mutex_lock(&reactor->lock);
    bide_instant first = bide_heap_first(&reactor->heap);
    reactor->external = true;
    if (!reactor->holder) {
        reactor->blocked = true;
        reactor->wait_deadline = first;
    }
    bide_os_mutex_unlock(&reactor->lock);
    if (!bide_is_never(first) && !bide_before(bide_now(), first)) return BIDE_NOW;
    return first;
}

int bide_reactor_fd(bide_reactor *reactor, bide_fd *out)
{
    if (!reactor || !out) return BIDE_EINVAL;
    int error = bide_reactor_open(reactor);
    if (error) return error;
    bide_os_mutex_lock(&reactor->lock);
    error = reactor->poller ? bide_poller_fd(reactor->poller, out) : BIDE_ECANCELED;
    bide_os_mutex_unlock(&reactor->lock);
    return error;
}

int bide_reactor_stats_read(bide_reactor *reactor, bide_reactor_stats *stats)
{
    if (!reactor || !stats) return BIDE_EINVAL;
    if (bide_reactor_is_parents(reactor)) return BIDE_EFORKED;
    stats->turns = atomic_load_explicit(&reactor->turns, memory_order_relaxed);
    stats->events = atomic_load_explicit(&reactor->events_seen, memory_order_relaxed);
    stats->timers = atomic_load_explicit(&reactor->timers_fired, memory_order_relaxed);
    stats->notifies = atomic_load_explicit(&reactor->notifies, memory_order_relaxed);
    stats->hand_overs = atomic_load_explicit(&reactor->hand_overs, memory_order_relaxed);
    stats->background = atomic_load_explicit(&reactor->background, memory_order_relaxed);
    bide_os_mutex_lock(&reactor->lock);
    stats->timers_pending = bide_heap_count(&reactor->heap);
    bide_os_mutex_unlock(&reactor->lock);
    return 0;
}
