/* What the library's own futures need besides the public interface.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_FUTURE_H
#define BIDE_FUTURE_FUTURE_H

#include <bide/future.h>

/* Marks a stream that has yielded as ready until it is released, so that a join polls it only once.
 * Futures that are no streams stay ready by themselves. */
void bide_future_hold(bide_future *future);
void bide_future_release(bide_future *future);

/* bide_future_init for a kind that is known to be whole. */
static inline void bide_future_prepare(bide_future *future, const bide_future_ops *ops)
{
    future->ops_ = ops;
    future->state_ = 0;
}

/* bide_context_spend for a context that is there. */
static inline bool bide_context_pay(bide_context *cx)
{
    if (cx->budget_ == 0) return bide_context_spend(cx);
    cx->budget_--;
    return true;
}

/* Marks one as pending whose first poll its maker has done itself. */
void bide_future_begin(bide_future *future);

/* Polls as the direct calls do at their deadline: what is there counts, whether or not an event has told of it. */
int bide_future_last_try(bide_future *future, bide_context *cx);

/* Writes what a pending future is, which nobody polls meanwhile, as a string: its kind's name and what else that
 * tells. `future` may be NULL. */
void bide_future_describe(const bide_future *future, char *text, size_t room);

/* Calls the context's waker: "poll me again". */
void bide_context_wake(const bide_context *cx);

#endif
