/* The head of every future: what poll and cancel check before they reach the kind's own code.
 *
 * The state word holds the phase in its low byte and, above it, a digest of the address at the first poll, by
 * which a future that was moved is caught.
 *
 *   IDLE --poll: pending--> STARTED --poll: ready--> DONE   (a stream goes back to IDLE)
 *     |                        |
 *     +--------cancel----------+---> DONE
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/waiter.h"

enum { IDLE = 0u, STARTED = 1u, DONE = 2u, CANCELED = 3u, PHASE = 0xffu };

/* 24 bits of the address, Fibonacci hashing (Knuth, TAOCP 6.4): neighbours in one array differ. */
static uint32_t digest(const bide_future *future)
{
    uint64_t address = (uint64_t)(uintptr_t)future;
    return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 40) << 8;
}

void bide_future_init(bide_future *future, const bide_future_ops *ops)
{
    future->ops_ = ops;
    future->state_ = IDLE;
}

static int check(const bide_future *future, const bide_context *cx)
{
    if (!future || !future->ops_ || !cx) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    if ((future->state_ & PHASE) == STARTED && (future->state_ & ~(uint32_t)PHASE) != digest(future))
        return BIDE_EMOVED;
    return 0;
}

int bide_future_poll(bide_future *future, bide_context *cx)
{
    int error = check(future, cx);
    if (error) return error;
    uint32_t phase = future->state_ & PHASE;
    if (phase >= DONE) return BIDE_READY;
    int answer = future->ops_->poll(future, cx);
    if (answer == BIDE_PENDING)
        future->state_ = STARTED | digest(future);
    else if (answer == BIDE_READY)
        future->state_ = future->ops_->flags & BIDE_FUTURE_STREAM ? IDLE : DONE;
    return answer;
}

int bide_future_cancel(bide_future *future, bide_context *cx)
{
    int error = check(future, cx);
    if (error) return error;
    switch (future->state_ & PHASE) {
    case IDLE: future->state_ = CANCELED; return BIDE_READY;
    case DONE: return BIDE_COMPLETED;
    case CANCELED: return BIDE_READY;
    default: break;
    }
    int answer = future->ops_->cancel(future, cx);
    if (answer == BIDE_READY)
        future->state_ = CANCELED;
    else if (answer == BIDE_COMPLETED)
        future->state_ = DONE;
    return answer;
}

void bide_context_init(bide_context *cx, bide_waker waker)
{
    cx->waker_ = waker;
    cx->reactor_ = NULL;
    cx->budget_ = BIDE_BUDGET;
    cx->flags_ = 0;
}

bide_waker bide_context_waker(const bide_context *cx)
{
    return cx->waker_;
}

bool bide_context_spend(bide_context *cx)
{
    if (cx->budget_ > 0) {
        cx->budget_--;
        return true;
    }
    struct bide_wake wake = {cx->waker_, NULL};
    bide_wake_run(&wake);
    return false;
}
