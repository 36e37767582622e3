/* A gate: a number that says who may pass, and a queue of those who may not yet, served in order. Semaphores,
 * read-write locks, wait groups and onces are gates with rules of their own.
 *
 * The word: WAITED in its lowest bit (the queue is not empty), the number above it.
 *
 * The rule of a kind is two functions of that number alone. `admit` tells whether one that wants something passes,
 * and what the number is then; `change` is what those do who let others pass.
 *
 * INVARIANTS
 * 1. While WAITED is set, the word changes under the wait lock only; so who holds that lock may compute with it.
 *    WAITED is set and cleared under it, and equals "queue not empty" whenever it is free.
 * 2. The first of the queue is not admitted by the number as it is: whoever changes the number, or leaves the
 *    queue, admits from its head on as many as pass, and stops at the first that does not. Who comes while
 *    somebody waits queues up behind: nobody is overtaken.
 * 3. The last access of a change to the gate is the compare-and-swap that changes the word, or the store of the
 *    word under the lock, after those admitted have been moved to a batch (waiting.h, invariant 1).
 *
 * Without anybody waiting, passing and changing is one compare-and-swap each: acquire to pass, and release (acquire
 * too, for who is the last to leave has seen all that the others did) to change.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SYNC_GATE_H
#define BIDE_SYNC_GATE_H

#include "sync/waiting.h"

/* The largest number. */
#define BIDE_GATE_MOST (UINT32_MAX / 2)

/* Whether one that wants `wants` passes; then *number becomes what it is afterwards. */
typedef bool (*bide_gate_admit)(uint32_t *number, uint32_t wants);

/* Changes *number by `by`, or gives an error and leaves it. */
typedef int (*bide_gate_change)(uint32_t *number, uint32_t by);

static inline uint32_t bide_gate_number(const bide_gate *gate)
{
    /* acquire: as passing */
    return atomic_load_explicit(BIDE_ATOMIC_U32(&((bide_gate *)(uintptr_t)gate)->word_),
                                memory_order_acquire) >>
           1;
}

static inline void bide_gate_init(bide_gate *gate, uint32_t number)
{
    gate->word_ = number << 1;
    gate->queue_.next_ = gate->queue_.previous_ = NULL;
}

static inline bool bide_gate_is_waited_for(const bide_gate *gate)
{
    return (atomic_load(BIDE_ATOMIC_U32(&((bide_gate *)(uintptr_t)gate)->word_)) & 1) != 0;
}

/* Passes if nobody waits and the rule admits it. */
bool bide_gate_try(bide_gate *gate, bide_gate_admit admit, uint32_t wants);

/* Applies a change, and lets pass who may then. */
int bide_gate_apply(bide_gate *gate, bide_gate_admit admit, bide_gate_change change, uint32_t by);

static inline void bide_gate_waiting_init(bide_gate_waiting *waiting, uint32_t wants)
{
    bide_waiter_init(&waiting->waiter_);
    waiting->wants_ = wants;
}

/* BIDE_READY when it has passed, else BIDE_PENDING. */
int bide_gate_poll(bide_gate *gate, bide_gate_waiting *waiting, bide_gate_admit admit,
                   const bide_context *cx);

/* BIDE_COMPLETED if it had passed, else BIDE_READY. */
int bide_gate_cancel(bide_gate *gate, bide_gate_waiting *waiting, bide_gate_admit admit);

#endif
