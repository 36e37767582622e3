/* Listeners that ran out of descriptors wait here for the next one that Bide closes.
 *
 * INVARIANTS
 * 1. `waiting` tells whether the queue has waiters whenever the lock (the wait lock of the queue) is free.
 * 2. A closing counts before it looks at `waiting`, and a waiter looks at the count after it has raised
 *    `waiting` (both seq_cst): one of the two sees the other.
 * 3. The queue has only waiters that were linked since the last fork in this process' line.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/fork.h"
#include "reactor/source.h"

/* Above the flags of a waiter: the forks before it was linked. */
#define FORKS_SHIFT 8

static _Atomic uint32_t closings;
static _Atomic bool waiting;
static bide_link queue = {&queue, &queue};

uint32_t bide_descriptors_closings(void)
{
    return atomic_load(&closings);
}

void bide_descriptors_closed(void)
{
    atomic_fetch_add(&closings, 1);
    if (!atomic_load(&waiting)) return;
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(&queue);
    bide_ring_splice(&queue, &batch);
    atomic_store(&waiting, false);
    bide_batch_wake(lock, &queue, &batch);
}

bool bide_descriptors_wait(bide_waiter *waiter, const bide_context *cx, uint32_t seen)
{
    bide_descriptors_leave(waiter);
    uint32_t flags = (cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0) | bide_os_forks
                                                                                       << FORKS_SHIFT;
    bide_os_mutex *lock = bide_wait_lock(&queue);
    atomic_store(&waiting, true);
    bool wait = atomic_load(&closings) == seen;
    if (wait) bide_waiter_link(&queue, waiter, cx->waker_, flags);
    atomic_store(&waiting, !bide_ring_empty(&queue));
    bide_wait_unlock(lock);
    return wait;
}

void bide_descriptors_leave(bide_waiter *waiter)
{
    if (bide_waiter_state(waiter) == 0) return;
    if (waiter->flags_ >> FORKS_SHIFT != (bide_os_forks << FORKS_SHIFT) >> FORKS_SHIFT) {
        bide_waiter_init(waiter); /* the parent's queue */
        return;
    }
    bide_os_mutex *lock = bide_wait_lock(&queue);
    if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) {
        /* From the queue, or from the batch of a closing. */
        bide_waiter_unlink(waiter);
        atomic_store(&waiting, !bide_ring_empty(&queue));
    }
    bide_wait_unlock(lock);
    bide_waiter_quiesce(waiter);
}

void bide_descriptors_forked(void)
{
    bide_ring_init(&queue);
    atomic_store(&waiting, false);
}
