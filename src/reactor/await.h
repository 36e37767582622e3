/* Waiting in the calling thread: what every direct call stands on.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_AWAIT_H
#define BIDE_REACTOR_AWAIT_H

#include "future/awaiter.h"
#include "future/context.h"
#include "future/thread.h"

/* As bide_await, but driving `reactor`, which the future's source belongs to. NULL: the current one. */
int bide_await_on(struct bide_reactor *reactor, bide_future *future, bide_instant deadline);

/* For direct calls that try what they are about before they await its future, to spare the way there where nothing
 * has to be waited for: whether the caller may, which is paid for from its budget. If not, the await does it all. */
static inline bool bide_await_may_try_in_task(const struct bide_thread *thread, struct bide_awaiter *awaiter)
{
    if (thread->in_waker || thread->operation || bide_awaiter_verdict(awaiter)) return false;
    if (awaiter->cx->budget_ == 0) return false;
    awaiter->cx->budget_--;
    return true;
}

static inline bool bide_await_may_try(const struct bide_thread *thread)
{
    if (thread->awaiter) return bide_await_may_try_in_task(thread, thread->awaiter);
    /* A thread that waits already has its budget elsewhere. */
    if (thread->in_waker || thread->parkers_used > 0 || !thread->end || !thread->end->parker) return false;
    bide_context *cx = &thread->end->parker->cx;
    if (cx->budget_ == 0) return false;
    cx->budget_--;
    return true;
}

/* The same for a task alone that tries by its future's first poll: the context to do it with, or NULL. */
static inline bide_context *bide_await_context(void)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_awaiter *awaiter = thread->awaiter;
    return awaiter && bide_await_may_try_in_task(thread, awaiter) ? awaiter->cx : NULL;
}

/* Goes on with a future that is pending after a first poll with that context, at once afterwards. */
int bide_await_rest(bide_future *future, bide_instant deadline);

#endif
