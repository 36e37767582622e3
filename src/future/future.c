/* The head of every future: what poll and cancel check before they reach the kind's own code.
 *
 * The state word holds the phase in its low byte and, above it, a digest of the address at the first poll,
 * by which a future that was moved is caught.
 *
 *   IDLE --poll: pending--> STARTED --poll: ready--> DONE   (a stream goes back to IDLE)
 *     |                        |
 *     +--------cancel----------+---> CANCELED, DONE   (a stream goes back to IDLE)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"

#include "future/waiter.h"

#include <stdio.h>

/* From DONE on a future is not polled again. HELD is a stream's item that a join has seen. */
enum { IDLE = 0u, STARTED = 1u, DONE = 2u, CANCELED = 3u, HELD = 4u, PHASE = 0xffu };

/* 24 bits of the address, Fibonacci hashing (Knuth, TAOCP 6.4): neighbours in one array differ. */
static uint32_t digest(const bide_future *future)
{
    uint64_t address = (uint64_t)(uintptr_t)future;
    return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 40) << 8;
}

void bide_future_init(bide_future *future, const bide_future_ops *ops)
{
    if (!future) return;
    /* One that could not be polled or cancelled is as if it had not been initialised. */
    future->ops_ = ops && ops->poll && ops->cancel ? ops : NULL;
    future->state_ = IDLE;
}

static inline int check(const bide_future *future, const bide_context *cx, const struct bide_thread *thread)
{
    if (!future || !future->ops_ || !cx) return BIDE_EINVAL;
    if (thread->in_waker) return BIDE_EDEADLK;
    if ((future->state_ & PHASE) == STARTED && (future->state_ & ~(uint32_t)PHASE) != digest(future))
        return BIDE_EMOVED;
    return 0;
}

int bide_future_poll(bide_future *future, bide_context *cx)
{
    const struct bide_thread *thread = bide_thread_self();
    int error = check(future, cx, thread);
    if (error) return error;
    uint32_t phase = future->state_ & PHASE;
    if (phase >= DONE) return BIDE_READY;
    /* A read that is cancelled would leave the descriptor pinned, for one. */
    int cancelable = bide_thread_cancel_disable(thread);
    int answer = future->ops_->poll(future, cx);
    bide_thread_cancel_restore(cancelable);
    if (answer == BIDE_PENDING)
        future->state_ = STARTED | digest(future);
    else if (answer == BIDE_READY)
        future->state_ = future->ops_->flags & BIDE_FUTURE_STREAM ? IDLE : DONE;
    /* No answer of a poll: taken for pending, it would be waited for in vain. */
    return answer > BIDE_READY ? BIDE_EINVAL : answer;
}

void bide_future_begin(bide_future *future)
{
    future->state_ = STARTED | digest(future);
}

int bide_future_cancel(bide_future *future, bide_context *cx)
{
    const struct bide_thread *thread = bide_thread_self();
    int error = check(future, cx, thread);
    if (error) return error;
    int answer = BIDE_READY;
    switch (future->state_ & PHASE) {
    case IDLE:
    case CANCELED: break;
    case DONE:
    case HELD: return BIDE_COMPLETED;
    default: {
        int cancelable = bide_thread_cancel_disable(thread);
        answer = future->ops_->cancel(future, cx);
        bide_thread_cancel_restore(cancelable);
    }
    }
    if (answer < BIDE_READY) return answer;
    if (answer > BIDE_COMPLETED) return BIDE_EINVAL;
    if (future->ops_->flags & BIDE_FUTURE_STREAM)
        future->state_ = IDLE;
    else
        future->state_ = answer == BIDE_READY ? CANCELED : DONE;
    return answer;
}

void bide_future_hold(bide_future *future)
{
    if ((future->state_ & PHASE) == IDLE) future->state_ = HELD;
}

void bide_future_release(bide_future *future)
{
    if ((future->state_ & PHASE) == HELD) future->state_ = IDLE;
}

void bide_future_describe(const bide_future *future, char *text, size_t room)
{
    if (room == 0) return;
    text[0] = '\0';
    if (!future || !future->ops_) return;
    const char *other = (future->state_ & PHASE) != STARTED          ? "ready"
                        : !(future->ops_->flags & BIDE_FUTURE_NAMED) ? "a future"
                                                                     : NULL;
    if (other) {
        (void)snprintf(text, room, "%s", other);
        return;
    }
    const bide_future_kind *kind = (const bide_future_kind *)future->ops_;
    int length = snprintf(text, room, "%s ", kind->name);
    if (length < 1 || (size_t)length >= room) return;
    text[length] = '\0';
    if (kind->describe) kind->describe(future, text + length, room - (size_t)length);
    if (!text[length]) text[length - 1] = '\0';
}

static void wake_nobody(void *arg)
{
    (void)arg;
}

void bide_context_init(bide_context *cx, bide_waker waker)
{
    if (!cx) return;
    if (!waker.wake) waker.wake = wake_nobody;
    cx->waker_ = waker;
    cx->reactor_ = NULL;
    cx->budget_ = BIDE_BUDGET;
    cx->flags_ = 0;
    cx->limit_ = BIDE_NEVER;
}

bide_instant bide_context_limit(const bide_context *cx)
{
    return cx ? cx->limit_ : BIDE_NEVER;
}

bide_waker bide_context_waker(const bide_context *cx)
{
    bide_waker nobody = {wake_nobody, NULL};
    return cx ? cx->waker_ : nobody;
}

void bide_context_wake(const bide_context *cx)
{
    struct bide_wake wake = {cx->waker_, NULL};
    bide_wake_run(&wake);
}

int bide_future_last_try(bide_future *future, bide_context *cx)
{
    uint32_t before = cx->flags_ & BIDE_CONTEXT_LAST_TRY;
    cx->flags_ |= BIDE_CONTEXT_LAST_TRY;
    /* There is no other time for it. */
    if (cx->budget_ == 0) cx->budget_ = BIDE_BUDGET;
    int answer = bide_future_poll(future, cx);
    cx->flags_ = (cx->flags_ & ~(uint32_t)BIDE_CONTEXT_LAST_TRY) | before;
    return answer;
}

bool bide_context_spend(bide_context *cx)
{
    if (!cx) return true;
    if (cx->budget_ > 0) {
        cx->budget_--;
        return true;
    }
    cx->budget_ = BIDE_BUDGET;
    cx->flags_ |= BIDE_CONTEXT_SPENT;
    bide_context_wake(cx);
    return false;
}
