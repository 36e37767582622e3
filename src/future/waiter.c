/* Queues of waiters: see waiter.h for the protocol and its invariants.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/waiter.h"

struct bide_wait_slot bide_wait_locks[BIDE_WAIT_LOCKS];

bide_os_mutex *bide_wait_try(const void *object)
{
    struct bide_thread *thread = bide_thread_self();
    if (thread->wait_locks > 0) return NULL;
    bide_os_mutex *mutex = bide_wait_lock_of(object);
    thread->wait_locks++;
    atomic_signal_fence(memory_order_seq_cst);
    if (bide_os_mutex_try_long(mutex)) return mutex;
    atomic_signal_fence(memory_order_seq_cst);
    thread->wait_locks--;
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&thread->pending_events, memory_order_relaxed)) bide_event_drain(thread);
    return NULL;
}

/* --- Forks: with all locks held no ring is half changed --- */

/* In a signal handler that interrupted a holder: the locks cannot be had, and are not taken. */
static bool fork_holds_locks;

void bide_wait_lock_all(void)
{
    struct bide_thread *thread = bide_thread_self();
    fork_holds_locks = thread->wait_locks == 0;
    if (!fork_holds_locks) return;
    thread->wait_locks++;
    atomic_signal_fence(memory_order_seq_cst);
    for (int i = 0; i < (int)BIDE_WAIT_LOCKS; i++)
        bide_os_mutex_lock(&bide_wait_locks[i].mutex);
}

void bide_wait_unlock_all(void)
{
    if (!fork_holds_locks) return;
    for (int i = 1; i < (int)BIDE_WAIT_LOCKS; i++)
        bide_os_mutex_unlock(&bide_wait_locks[i].mutex);
    bide_wait_unlock(&bide_wait_locks[0].mutex);
}

void bide_waiter_link(bide_link *queue, bide_waiter *waiter, bide_waker waker, uint32_t flags)
{
    BIDE_ASSERT(!(bide_waiter_state(waiter) & BIDE_WAITER_LINKED)); /* invariant 1 */
    waiter->waker_ = waker;
    waiter->flags_ = flags;
    bide_ring_append(queue, &waiter->link_);
    bide_waiter_change(waiter, BIDE_WAITER_LINKED);
}

void bide_waiter_unlink(bide_waiter *waiter)
{
    BIDE_ASSERT(bide_waiter_state(waiter) & BIDE_WAITER_LINKED); /* invariant 1 */
    bide_ring_remove(&waiter->link_);
    bide_waiter_change(waiter, -(uint32_t)BIDE_WAITER_LINKED);
}

/* Takes a LINKED waiter out in one step from LINKED to `grant`, with FIRING if need be, so that the owner never
 * sees an idle waiter whose wake is still to come. release: our reads of it come before the owner's reuse, and
 * for a stable target this is our last access. */
static void take_out(bide_waiter *waiter, struct bide_wake *wake, uint32_t grant)
{
    BIDE_ASSERT(bide_waiter_state(waiter) & BIDE_WAITER_LINKED); /* invariant 1 */
    bool stable = (waiter->flags_ & BIDE_WAITER_STABLE) != 0;
    bide_ring_remove(&waiter->link_);
    wake->waker = waiter->waker_;
    wake->firing = stable ? NULL : waiter;
    bide_waiter_change(waiter, grant - BIDE_WAITER_LINKED + (stable ? 0u : BIDE_WAITER_FIRING));
}

void bide_waiter_take(bide_waiter *waiter, struct bide_wake *wake)
{
    take_out(waiter, wake, 0);
}

void bide_waiter_grant(bide_waiter *waiter, struct bide_wake *wake)
{
    take_out(waiter, wake, BIDE_WAITER_GRANTED);
}

void bide_wake_run(const struct bide_wake *wake)
{
    struct bide_thread *thread = bide_thread_self();
    BIDE_ASSERT(thread->wait_locks == 0); /* invariant 6 */
    /* One of the caller's own may write to a pipe, say. */
    int cancelable = wake->firing ? bide_thread_cancel_disable(thread) : -1;
    thread->in_waker++;
    wake->waker.wake(wake->waker.arg);
    thread->in_waker--;
    if (!wake->firing) return;
    _Atomic uint32_t *state = BIDE_ATOMIC_U32(&wake->firing->state_);
    /* release: all that the waker did comes before the owner's acquire in quiesce. The memory may be gone
     * from here on; the futex call uses the address alone. */
    uint32_t before = atomic_fetch_sub_explicit(state, BIDE_WAITER_FIRING, memory_order_release);
    if (before & BIDE_WAITER_AWAITED) bide_os_futex_wake_all(state);
    bide_thread_cancel_restore(cancelable);
}

void bide_batch_wake(bide_os_mutex *lock, const void *object, bide_link *batch)
{
    while (!bide_ring_empty(batch)) {
        struct bide_wake wake;
        bide_waiter_take(bide_queue_first(batch), &wake);
        bool last = bide_ring_empty(batch);
        bide_wait_unlock(lock);
        bide_wake_run(&wake);
        /* An empty batch stays empty: nobody links into it. */
        if (last) return;
        lock = bide_wait_lock(object);
    }
    bide_wait_unlock(lock);
}

void bide_waiter_quiesce_slow(bide_waiter *waiter)
{
    _Atomic uint32_t *state = BIDE_ATOMIC_U32(&waiter->state_);
    for (int spins = 0;; spins++) {
        uint32_t seen = bide_waiter_state(waiter);
        if (seen < BIDE_WAITER_FIRING) {
            if (seen & BIDE_WAITER_AWAITED)
                atomic_fetch_and_explicit(state, ~(uint32_t)BIDE_WAITER_AWAITED, memory_order_relaxed);
            return;
        }
        if (spins < 100) {
            bide_os_spin_pause();
        } else if (seen & BIDE_WAITER_AWAITED) {
            bide_os_futex_wait(state, seen, BIDE_NEVER);
        } else {
            (void)atomic_compare_exchange_strong_explicit(state, &seen, seen | BIDE_WAITER_AWAITED,
                                                          memory_order_relaxed, memory_order_relaxed);
        }
    }
}
