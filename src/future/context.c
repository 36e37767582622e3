/* Parkers and their pool: see context.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/context.h"

#include "future/waiter.h"
#include "os/fork.h"
#include "os/thread.h"

#include <stdlib.h>

/* Parkers nobody uses; guarded by pool_lock. */
static bide_os_mutex pool_lock;
static struct bide_parker *pool;

/* In the pins word: withdraw sleeps until the others are gone. The count of pins is above it. */
enum { AWAITED = 1u, PIN = 2u };

bide_poller *bide_notifier_pin(struct bide_notifier *notifier)
{
    /* seq_cst: "pin, then read the poller" here against "clear the poller, then read the pins" in withdraw */
    atomic_fetch_add(&notifier->pins, PIN);
    return atomic_load(&notifier->poller);
}

void bide_notifier_unpin(struct bide_notifier *notifier)
{
    if (atomic_fetch_sub(&notifier->pins, PIN) == (PIN | AWAITED)) bide_os_futex_wake_all(&notifier->pins);
}

void bide_notifier_notify(struct bide_notifier *notifier)
{
    bide_poller *poller = bide_notifier_pin(notifier);
    if (poller) (void)bide_poller_notify(poller);
    bide_notifier_unpin(notifier);
}

bide_poller *bide_notifier_withdraw(struct bide_notifier *notifier)
{
    bide_poller *poller = atomic_exchange(&notifier->poller, NULL);
    /* A pin lasts for a system call that does not block. But its holder may be preempted, by this very thread
     * if that one has the higher priority: no spinning then. */
    for (int spins = 0;; spins++) {
        uint32_t seen = atomic_load(&notifier->pins);
        if (seen < PIN) break;
        if (spins < 100)
            bide_os_spin_pause();
        else if (seen & AWAITED)
            bide_os_futex_wait(&notifier->pins, seen, BIDE_NEVER);
        else
            (void)atomic_compare_exchange_strong(&notifier->pins, &seen, seen | AWAITED);
    }
    atomic_fetch_and(&notifier->pins, ~(uint32_t)AWAITED);
    return poller;
}

static void parker_wake(void *arg)
{
    struct bide_parker *parker = arg;
    uint32_t before = atomic_exchange(&parker->state, BIDE_PARKER_NOTIFIED);
    if (before == BIDE_PARKER_FUTEX) {
        bide_os_futex_wake_one(&parker->state);
    } else if (before == BIDE_PARKER_POLLER) {
        struct bide_notifier *notifier = atomic_load(&parker->notifier);
        bide_notifier_notify(notifier);
    }
}

struct bide_parker *bide_parker_new(void)
{
    bide_os_mutex_lock(&pool_lock);
    struct bide_parker *parker = pool;
    if (parker) pool = parker->next_free;
    bide_os_mutex_unlock(&pool_lock);
    if (!parker) parker = calloc(1, sizeof *parker);
    if (!parker) return NULL;
    bide_waker waker = {parker_wake, parker};
    bide_context_init(&parker->cx, waker);
    parker->cx.flags_ = BIDE_CONTEXT_STABLE | BIDE_CONTEXT_SERVED;
    parker->stops = false;
    return parker;
}

void bide_parker_delete(struct bide_parker *parker)
{
    bide_os_mutex_lock(&pool_lock);
    parker->next_free = pool;
    pool = parker;
    bide_os_mutex_unlock(&pool_lock);
}

/* The thread's values are dropped when it ends, which may have to wait, and then its own parker goes back. Its record may
 * be a new one by now; or another thread's, which deletes a fiber of the system's. */
static void thread_ends(void *arg)
{
    struct bide_thread_end *end = arg;
    struct bide_thread *thread = bide_thread_self();
    struct bide_thread_end *before = thread->end;
    thread->end = end;
    if (end->end_locals) end->end_locals(&end->locals);
    if (end->parker) bide_parker_delete(end->parker);
    thread->end = before == end ? NULL : before;
    free(end);
}

/* Parkers of threads that are not in the child are lost to it, for good: late wakes may still name them. */
static void fork_prepare(void)
{
    bide_wait_lock_all();
    bide_os_mutex_lock(&pool_lock);
}

static void fork_done(void)
{
    bide_os_mutex_unlock(&pool_lock);
    bide_wait_unlock_all();
}

/* A task that forks goes on in the child as plain code: its worker, and the other tasks, are the parent's. */
static void fork_child(void)
{
    struct bide_thread *thread = bide_thread_self();
    if (thread->worker) thread->parents = thread->worker;
    thread->worker = NULL;
    thread->awaiter = NULL;
    fork_done();
}

int bide_future_watch_forks(void)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_done, fork_child};
    static _Atomic bool watched;
    return bide_os_at_fork(&handlers, &watched);
}

int bide_thread_watch_end(struct bide_thread *thread)
{
    if (thread->end) return 0;
    struct bide_thread_end *end = calloc(1, sizeof *end);
    int error = end ? bide_os_thread_at_exit(thread_ends, end) : BIDE_ENOMEM;
    if (error)
        free(end);
    else
        thread->end = end;
    return error;
}

static struct bide_parker *own_parker(struct bide_thread *thread)
{
    if (thread->end && thread->end->parker) return thread->end->parker;
    if (bide_future_watch_forks() != 0 || bide_thread_watch_end(thread) != 0) return NULL;
    thread->end->parker = bide_parker_new();
    return thread->end->parker;
}

struct bide_parker *bide_parker_acquire(struct bide_thread *thread)
{
    struct bide_parker *parker = thread->parkers_used == 0 ? own_parker(thread) : bide_parker_new();
    if (!parker) return NULL;
    thread->parkers_used++;
    /* A wake that was meant for an earlier wait is dropped, for the future is polled first in any case.
     * relaxed: what that wake was about is read under locks of its own. */
    atomic_store_explicit(&parker->state, BIDE_PARKER_EMPTY, memory_order_relaxed);
    parker->cx.flags_ = BIDE_CONTEXT_STABLE | BIDE_CONTEXT_SERVED;
    return parker;
}

void bide_parker_release(struct bide_thread *thread, struct bide_parker *parker)
{
    thread->parkers_used--;
    if (thread->parkers_used > 0) bide_parker_delete(parker);
}

bool bide_parker_consume(struct bide_parker *parker)
{
    /* relaxed: who overlooks a wake here goes to sleep, which fails then. */
    uint32_t expected = BIDE_PARKER_NOTIFIED;
    return atomic_load_explicit(&parker->state, memory_order_relaxed) == expected &&
           atomic_compare_exchange_strong(&parker->state, &expected, BIDE_PARKER_EMPTY);
}

bool bide_parker_nudge(struct bide_parker *parker)
{
    uint32_t expected = BIDE_PARKER_FUTEX;
    return atomic_compare_exchange_strong(&parker->state, &expected, BIDE_PARKER_EMPTY);
}

void bide_parker_rouse(struct bide_parker *parker)
{
    bide_os_futex_wake_one(&parker->state);
}
