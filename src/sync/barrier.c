/* The barrier: a queue, and how many are in it.
 *
 * INVARIANTS
 * 1. `arrived` is the length of the queue, less than `parties`; both under the wait lock. The last one to arrive
 *    does not queue: it lets all others go, and the barrier is as new.
 * 2. Those who go are in a batch of the last one's, so that the barrier is nobody's any more when the first wait
 *    returns (waiting.h, invariant 1).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/barrier.h>

#include "sync/waiting.h"

int bide_barrier_init(bide_barrier *barrier, uint32_t parties)
{
    if (!barrier || parties == 0) return BIDE_EINVAL;
    barrier->parties_ = parties;
    barrier->arrived_ = 0;
    bide_ring_init(&barrier->queue_);
    return 0;
}

int bide_barrier_fini(bide_barrier *barrier)
{
    if (!barrier) return BIDE_EINVAL;
    bide_os_mutex *lock = bide_wait_lock(barrier);
    bool busy = barrier->arrived_ > 0;
    bide_wait_unlock(lock);
    return busy ? BIDE_EBUSY : 0;
}

static int waiting_poll(bide_future *self, bide_context *cx)
{
    bide_barrier_waiting *waiting = (bide_barrier_waiting *)self;
    bide_barrier *barrier = waiting->barrier_;
    bide_waiter *waiter = &waiting->waiter_;
    if (!barrier) return BIDE_READY;
    bool released = bide_wait_has(waiter);
    if (!released) {
        bide_os_mutex *lock = bide_wait_lock(barrier);
        released = bide_wait_take(waiter);
        bool queued = (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) != 0;
        if (!released && !queued && barrier->arrived_ + 1 == barrier->parties_) {
            bide_link batch;
            bide_ring_init(&batch);
            bide_ring_splice(&barrier->queue_, &batch);
            barrier->arrived_ = 0;
            bide_wait_give(lock, barrier, &batch);
            waiting->result = BIDE_BARRIER_LAST;
            return BIDE_READY;
        }
        if (!released) {
            if (!queued) barrier->arrived_++;
            bide_wait_link(&barrier->queue_, waiter, cx);
        }
        bide_wait_unlock(lock);
    }
    if (!released) return BIDE_PENDING;
    bide_wait_settle(waiter);
    waiting->result = 0;
    return BIDE_READY;
}

static int waiting_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_barrier_waiting *waiting = (bide_barrier_waiting *)self;
    bide_barrier *barrier = waiting->barrier_;
    bide_waiter *waiter = &waiting->waiter_;
    bide_os_mutex *lock = bide_wait_lock(barrier);
    bool released = bide_wait_take(waiter);
    if (!released && (bide_waiter_state(waiter) & BIDE_WAITER_LINKED)) {
        bide_waiter_unlink(waiter);
        barrier->arrived_--;
    }
    bide_wait_unlock(lock);
    bide_wait_settle(waiter);
    waiting->result = released ? 0 : BIDE_ECANCELED;
    return released ? BIDE_COMPLETED : BIDE_READY;
}

static void waiting_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_barrier_waiting *)self)->barrier_, text, room);
}

static const bide_future_kind waiting_kind = {
    {sizeof waiting_kind.ops, waiting_poll, waiting_cancel, BIDE_FUTURE_NAMED}, "barrier", waiting_describe};

void bide_barrier_waiting_init(bide_barrier_waiting *waiting, bide_barrier *barrier)
{
    if (!waiting) return;
    bide_future_init(&waiting->future, &waiting_kind.ops);
    bide_waiter_init(&waiting->waiter_);
    waiting->barrier_ = barrier;
    waiting->result = barrier ? BIDE_ECANCELED : BIDE_EINVAL;
}

int bide_barrier_wait(bide_barrier *barrier, bide_instant deadline)
{
    bide_barrier_waiting waiting;
    bide_barrier_waiting_init(&waiting, barrier);
    int error = bide_await(&waiting.future, deadline);
    return error ? error : waiting.result;
}
