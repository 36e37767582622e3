/* Waits: see waiting.h for their states and invariants.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sync/waiting.h"

#include <stdio.h>

bool bide_wait_take(bide_waiter *waiter)
{
    uint32_t state = bide_waiter_state(waiter);
    if (!(state & BIDE_WAITER_GRANTED)) return false;
    if (state & BIDE_WAITER_LINKED) bide_waiter_unlink(waiter);
    return true;
}

static uint32_t flags_for(const bide_context *cx)
{
    return cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0u;
}

void bide_wait_link(bide_link *queue, bide_waiter *waiter, const bide_context *cx)
{
    if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) {
        waiter->waker_ = cx->waker_;
        waiter->flags_ = flags_for(cx);
        return;
    }
    if (!queue->next_) bide_ring_init(queue);
    bide_waiter_link(queue, waiter, cx->waker_, flags_for(cx));
}

void bide_wait_link_first(bide_link *queue, bide_waiter *waiter, const bide_context *cx)
{
    if (!queue->next_) bide_ring_init(queue);
    /* The last one before the head's successor. */
    bide_waiter_link(queue->next_, waiter, cx->waker_, flags_for(cx));
}

void bide_wait_settle(bide_waiter *waiter)
{
    if (bide_waiter_state(waiter) >= BIDE_WAITER_FIRING) bide_waiter_quiesce(waiter);
    /* relaxed: it is nobody's but the owner's now */
    atomic_store_explicit(BIDE_ATOMIC_U32(&waiter->state_), 0, memory_order_relaxed);
}

void bide_wait_give_one(bide_os_mutex *lock, bide_waiter *waiter)
{
    struct bide_wake wake;
    bide_waiter_grant(waiter, &wake);
    bide_wait_unlock(lock);
    bide_wake_run(&wake);
}

void bide_wait_give(bide_os_mutex *lock, const void *object, bide_link *batch)
{
    if (bide_ring_empty(batch)) {
        bide_wait_unlock(lock);
        return;
    }
    if (batch->next_->next_ == batch) {
        bide_wait_give_one(lock, bide_queue_first(batch));
        return;
    }
    for (bide_link *link = batch->next_; link != batch; link = link->next_)
        atomic_fetch_or_explicit(BIDE_ATOMIC_U32(&((bide_waiter *)link)->state_), BIDE_WAITER_GRANTED,
                                 memory_order_release);
    bide_batch_wake(lock, object, batch);
}

void bide_wait_move_first(bide_link *queue, bide_link *batch)
{
    bide_link *first = queue->next_;
    bide_ring_remove(first);
    bide_ring_append(batch, first);
}

void bide_wait_describe(const void *object, char *text, size_t room)
{
    (void)snprintf(text, room, "%p", object);
}
