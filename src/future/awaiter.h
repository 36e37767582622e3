/* Who waits in a direct call: a thread, or a task that runs on one. The one thing that the layers below tasks
 * know of them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_AWAITER_H
#define BIDE_FUTURE_AWAITER_H

#include <bide/future.h>

#include <stdatomic.h>

struct bide_awaiter {
    bide_context *cx;

    /* Lets others have their turn, and waits for a wake of the context: 0, also for no reason; BIDE_ETIMEDOUT
     * at the deadline; or why there is no waiting (any more): the verdict, unless `firmly`, for a future that
     * is being cancelled has its storage in use until it answers. Restores the context's budget. */
    int (*wait)(struct bide_awaiter *self, bide_instant deadline, bool firmly);

    /* 0, or what each await gives instead: BIDE_ECANCELED once a task is cancelled. Any thread may set it,
     * and then wakes the context; it stays. */
    _Atomic int verdict;

    /* What it waits for, the innermost; written before each wait, and of use only during it. */
    const bide_future *awaits;

    /* The task's own: */
    unsigned shields; /* while there are any, the verdict is not heeded */
    unsigned depth;   /* awaits under way, one inside the other's poll */
};

static inline int bide_awaiter_verdict(struct bide_awaiter *awaiter)
{
    /* seq_cst: "set the verdict, then wake" on one side, "be ready to be woken, then look" on the other */
    return awaiter->shields == 0 ? atomic_load(&awaiter->verdict) : 0;
}

#endif
