/* The once: a gate whose number is NEW, RUNNING or DONE.
 *
 *   NEW --enter--> RUNNING --leave, done--> DONE, all who wait pass
 *                     \-----leave, failed--> RUNNING by the first who waits, or NEW
 *
 * `owner` is the party that runs it, once that one knows it, as in rwlock.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/barrier.h>

#include "sync/gate.h"

enum { NEW, RUNNING, DONE };

static _Atomic uintptr_t *owner_of(bide_once *once)
{
    return BIDE_ATOMIC_WORD(&once->owner_);
}

static bool is_mine(bide_once *once)
{
    uintptr_t party = bide_party();
    return atomic_load_explicit(owner_of(once), memory_order_relaxed) == party;
}

static bool admit(uint32_t *stage, uint32_t wants)
{
    (void)wants;
    if (*stage == RUNNING) return false;
    if (*stage == NEW) *stage = RUNNING;
    return true;
}

static int become(uint32_t *stage, uint32_t next)
{
    *stage = next;
    return 0;
}

bool bide_once_is_done(const bide_once *once)
{
    return once && bide_gate_number(&once->gate_) == DONE;
}

/* It has been passed: to run, or because all is done. Nobody but us could end a run of ours. */
static int own(bide_once *once)
{
    if (bide_gate_number(&once->gate_) == DONE) return 0;
    atomic_store_explicit(owner_of(once), bide_party(), memory_order_relaxed);
    return BIDE_ONCE_RUN;
}

static int entering_poll(bide_future *self, bide_context *cx)
{
    bide_once_entering *entering = (bide_once_entering *)self;
    bide_once *once = entering->once_;
    if (!once) return BIDE_READY;
    if (bide_waiter_state(&entering->waiting_.waiter_) == 0 && is_mine(once)) {
        entering->result = BIDE_EDEADLK;
        return BIDE_READY;
    }
    int answer = bide_gate_poll(&once->gate_, &entering->waiting_, admit, cx);
    if (answer == BIDE_READY) entering->result = own(once);
    return answer;
}

static int entering_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_once_entering *entering = (bide_once_entering *)self;
    int answer = bide_gate_cancel(&entering->once_->gate_, &entering->waiting_, admit);
    if (answer == BIDE_COMPLETED) entering->result = own(entering->once_);
    return answer;
}

static void entering_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_once_entering *)self)->once_, text, room);
}

static const bide_future_kind entering_kind = {
    {sizeof entering_kind.ops, entering_poll, entering_cancel, BIDE_FUTURE_NAMED}, "once", entering_describe};

void bide_once_entering_init(bide_once_entering *entering, bide_once *once)
{
    if (!entering) return;
    bide_future_init(&entering->future, &entering_kind.ops);
    bide_gate_waiting_init(&entering->waiting_, 0);
    entering->once_ = once;
    entering->result = once ? BIDE_ECANCELED : BIDE_EINVAL;
}

int bide_once_enter(bide_once *once, bide_instant deadline)
{
    if (!once) return BIDE_EINVAL;
    if (bide_once_is_done(once)) return 0;
    if (bide_gate_try(&once->gate_, admit, 0)) return own(once);
    if (is_mine(once)) return BIDE_EDEADLK;
    if (deadline.ns == BIDE_NOW.ns) return BIDE_EAGAIN;
    bide_once_entering entering;
    bide_once_entering_init(&entering, once);
    int error = bide_await(&entering.future, deadline);
    return error ? error : entering.result;
}

int bide_once_leave(bide_once *once, bool done)
{
    if (!once) return BIDE_EINVAL;
    if (!is_mine(once)) return BIDE_EPERM;
    atomic_store_explicit(owner_of(once), 0, memory_order_relaxed);
    return bide_gate_apply(&once->gate_, admit, become, done ? DONE : NEW);
}

int bide_once_run(bide_once *once, int (*function)(void *arg), void *arg, bide_instant deadline)
{
    if (!function) return BIDE_EINVAL;
    int entered = bide_once_enter(once, deadline);
    if (entered != BIDE_ONCE_RUN) return entered;
    int result = function(arg);
    (void)bide_once_leave(once, result >= 0);
    return result < 0 ? result : 0;
}
