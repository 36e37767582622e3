/* Waiting in the calling thread: what every direct call stands on.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_AWAIT_H
#define BIDE_REACTOR_AWAIT_H

#include "future/awaiter.h"
#include "future/thread.h"

/* As bide_await, but driving `reactor`, which the future's source belongs to. NULL: the current one. */
int bide_await_on(struct bide_reactor *reactor, bide_future *future, bide_instant deadline);

/* For a direct call that does its future's first poll itself, to spare the way there where nothing has to be waited
 * for: the context to do it with, if the caller is a task that may wait. Else, and when its budget is spent, NULL:
 * bide_await does it all. */
static inline bide_context *bide_await_context(void)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_awaiter *awaiter = thread->awaiter;
    if (!awaiter || thread->in_waker || thread->operation || bide_awaiter_verdict(awaiter)) return NULL;
    if (awaiter->cx->budget_ == 0) return NULL;
    awaiter->cx->budget_--;
    return awaiter->cx;
}

/* Goes on with a future that is pending after a first poll with that context, at once afterwards. */
int bide_await_rest(bide_future *future, bide_instant deadline);

#endif
