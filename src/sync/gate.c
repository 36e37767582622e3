/* Gates: see gate.h for the invariants.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sync/gate.h"

enum { WAITED = 1u };

static _Atomic uint32_t *word_of(bide_gate *gate)
{
    return BIDE_ATOMIC_U32(&gate->word_);
}

static bide_gate_waiting *waiting_of(bide_link *link)
{
    return (bide_gate_waiting *)link; /* by way of its first member, the waiter, and that one's, the link */
}

bool bide_gate_try(bide_gate *gate, bide_gate_admit admit, uint32_t wants)
{
    uint32_t seen = atomic_load_explicit(word_of(gate), memory_order_relaxed);
    for (;;) {
        uint32_t number = seen >> 1;
        if ((seen & WAITED) || !admit(&number, wants)) return false;
        if (atomic_compare_exchange_weak_explicit(word_of(gate), &seen, number << 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    }
}

/* Moves to the batch who passes with the number as it is, and writes the word. WAITED, lock held. */
static void serve(bide_gate *gate, bide_gate_admit admit, uint32_t number, bide_link *batch)
{
    while (!bide_wait_none(&gate->queue_) && admit(&number, waiting_of(gate->queue_.next_)->wants_))
        bide_wait_move_first(&gate->queue_, batch);
    atomic_store_explicit(word_of(gate), number << 1 | (bide_wait_none(&gate->queue_) ? 0u : WAITED),
                          memory_order_release);
}

int bide_gate_apply(bide_gate *gate, bide_gate_admit admit, bide_gate_change change, uint32_t by)
{
    uint32_t seen = atomic_load_explicit(word_of(gate), memory_order_relaxed);
    bide_os_mutex *lock = NULL;
    for (;;) {
        if ((seen & WAITED) && !lock) {
            lock = bide_wait_lock(gate);
            /* acquire: what those did who changed the number without the lock comes before what those do who
             * pass now */
            seen = atomic_load_explicit(word_of(gate), memory_order_acquire);
            continue;
        }
        uint32_t number = seen >> 1;
        int error = change(&number, by);
        if (error || !(seen & WAITED)) {
            if (!error && !atomic_compare_exchange_weak_explicit(word_of(gate), &seen, number << 1,
                                                                 memory_order_acq_rel, memory_order_relaxed))
                continue;
            if (lock) bide_wait_unlock(lock);
            return error;
        }
        bide_link batch;
        bide_ring_init(&batch);
        serve(gate, admit, number, &batch);
        bide_wait_give(lock, gate, &batch);
        return 0;
    }
}

/* Passes, or queues. Lock held, the waiter is idle. */
static bool pass_or_queue(bide_gate *gate, bide_gate_waiting *waiting, bide_gate_admit admit,
                          const bide_context *cx)
{
    while (!bide_gate_try(gate, admit, waiting->wants_)) {
        uint32_t seen = atomic_load_explicit(word_of(gate), memory_order_relaxed);
        uint32_t number = seen >> 1;
        if (!(seen & WAITED) &&
            (admit(&number, waiting->wants_) ||
             !atomic_compare_exchange_weak_explicit(word_of(gate), &seen, seen | WAITED, memory_order_relaxed,
                                                    memory_order_relaxed)))
            continue;
        bide_wait_link(&gate->queue_, &waiting->waiter_, cx);
        return false;
    }
    return true;
}

int bide_gate_poll(bide_gate *gate, bide_gate_waiting *waiting, bide_gate_admit admit, const bide_context *cx)
{
    bide_waiter *waiter = &waiting->waiter_;
    bool passed = bide_wait_has(waiter) ||
                  (bide_waiter_state(waiter) == 0 && bide_gate_try(gate, admit, waiting->wants_));
    if (!passed) {
        bide_os_mutex *lock = bide_wait_lock(gate);
        passed = bide_wait_take(waiter);
        if (!passed && (bide_waiter_state(waiter) & BIDE_WAITER_LINKED))
            bide_wait_link(&gate->queue_, waiter, cx);
        else if (!passed)
            passed = pass_or_queue(gate, waiting, admit, cx);
        bide_wait_unlock(lock);
    }
    if (!passed) return BIDE_PENDING;
    bide_wait_settle(waiter);
    return BIDE_READY;
}

int bide_gate_cancel(bide_gate *gate, bide_gate_waiting *waiting, bide_gate_admit admit)
{
    bide_waiter *waiter = &waiting->waiter_;
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(gate);
    bool passed = bide_wait_take(waiter);
    if (!passed && (bide_waiter_state(waiter) & BIDE_WAITER_LINKED)) {
        bide_waiter_unlink(waiter);
        /* Perhaps it was what kept the others. acquire: as in a change */
        serve(gate, admit, atomic_load_explicit(word_of(gate), memory_order_acquire) >> 1, &batch);
    }
    bide_wait_give(lock, gate, &batch);
    bide_wait_settle(waiter);
    return passed ? BIDE_COMPLETED : BIDE_READY;
}
