/* Race and join: several futures awaited together through one context.
 *
 * Both hand their own context on, so each wake polls all members that are pending: right for a handful;
 * sets are for many.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "future/thread.h"

/* --- race ---
 *
 *   RACING --one ready--> winner in result, cancelling --all losers answered--> ready
 */

/* Cancels everybody but the winner. Returns how many still belong to the kernel. */
static size_t cancel_losers(bide_racing *racing, bide_context *cx)
{
    size_t pending = 0;
    for (size_t i = 0; i < racing->count_; i++) {
        if ((int)i == racing->result) continue;
        int answer = bide_future_cancel(racing->futures_[i], cx);
        if (answer == BIDE_PENDING) pending++;
        if (racing->completed_) racing->completed_[i] = answer == BIDE_COMPLETED;
    }
    return pending;
}

static int racing_poll(bide_future *self, bide_context *cx)
{
    bide_racing *racing = (bide_racing *)self;
    if (racing->count_ == 0 || !racing->futures_) {
        racing->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    if (!racing->cancelling_) {
        size_t start = bide_thread_random(bide_thread_self()) % racing->count_;
        int answer = BIDE_PENDING;
        size_t i = start;
        for (size_t polled = 0; polled < racing->count_ && answer == BIDE_PENDING; polled++) {
            i = (start + polled) % racing->count_;
            answer = bide_future_poll(racing->futures_[i], cx);
        }
        if (answer == BIDE_PENDING) return BIDE_PENDING;
        racing->result = answer == BIDE_READY ? (int)i : answer;
        if (racing->completed_ && answer == BIDE_READY) racing->completed_[i] = true;
        racing->cancelling_ = true;
    }
    return cancel_losers(racing, cx) ? BIDE_PENDING : BIDE_READY;
}

static int racing_cancel(bide_future *self, bide_context *cx)
{
    bide_racing *racing = (bide_racing *)self;
    if (racing->cancelling_) {
        if (cancel_losers(racing, cx)) return BIDE_PENDING;
        return racing->result >= 0 ? BIDE_COMPLETED : BIDE_READY;
    }
    /* A member that finished meanwhile has won. */
    size_t pending = 0;
    for (size_t i = 0; i < racing->count_; i++) {
        int answer = bide_future_cancel(racing->futures_[i], cx);
        if (answer == BIDE_PENDING) pending++;
        if (racing->completed_) racing->completed_[i] = answer == BIDE_COMPLETED;
        if (answer == BIDE_COMPLETED && racing->result < 0) racing->result = (int)i;
    }
    if (pending) return BIDE_PENDING;
    return racing->result >= 0 ? BIDE_COMPLETED : BIDE_READY;
}

static const bide_future_ops racing_ops = {sizeof racing_ops, racing_poll, racing_cancel, 0};

void bide_racing_init(bide_racing *racing, bide_future *const *futures, size_t count, bool *completed)
{
    bide_future_init(&racing->future, &racing_ops);
    racing->futures_ = futures;
    racing->count_ = count;
    racing->completed_ = completed;
    racing->cancelling_ = false;
    racing->result = BIDE_ECANCELED;
    for (size_t i = 0; completed && i < count; i++)
        completed[i] = false;
}

/* --- join --- */

static void release_all(const bide_joining *joining)
{
    for (size_t i = 0; i < joining->count_; i++)
        if (joining->futures_[i]) bide_future_release(joining->futures_[i]);
}

static int joining_poll(bide_future *self, bide_context *cx)
{
    bide_joining *joining = (bide_joining *)self;
    size_t pending = 0;
    int misuse = 0;
    for (size_t i = 0; i < joining->count_; i++) {
        int answer = bide_future_poll(joining->futures_[i], cx);
        if (answer == BIDE_PENDING)
            pending++;
        else if (answer == BIDE_READY)
            bide_future_hold(joining->futures_[i]);
        else if (!misuse)
            misuse = answer;
    }
    if (pending) return BIDE_PENDING;
    release_all(joining);
    joining->result = misuse;
    return BIDE_READY;
}

static int joining_cancel(bide_future *self, bide_context *cx)
{
    bide_joining *joining = (bide_joining *)self;
    size_t pending = 0;
    size_t completed = 0;
    for (size_t i = 0; i < joining->count_; i++) {
        int answer = bide_future_cancel(joining->futures_[i], cx);
        if (answer == BIDE_PENDING) pending++;
        if (answer == BIDE_COMPLETED) completed++;
    }
    if (pending) return BIDE_PENDING;
    release_all(joining);
    if (completed < joining->count_) return BIDE_READY;
    joining->result = 0;
    return BIDE_COMPLETED;
}

static const bide_future_ops joining_ops = {sizeof joining_ops, joining_poll, joining_cancel, 0};

void bide_joining_init(bide_joining *joining, bide_future *const *futures, size_t count)
{
    bide_future_init(&joining->future, &joining_ops);
    joining->futures_ = futures;
    joining->count_ = futures ? count : 0;
    joining->result = BIDE_ECANCELED;
}
