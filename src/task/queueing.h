/* A worker's own queues, as its thread uses them: for worker.c and turn.c.
 *
 * The order is that of Go's scheduler and Tokio's (see idle.c), with their constants. With one worker nobody
 * steals, and no locked operation is needed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_QUEUEING_H
#define BIDE_TASK_QUEUEING_H

#include "task/task.h"

/* So many times in a row the slot goes before the queue: two tasks that wake each other do not starve the
 * rest. */
#define BIDE_SLOT_TURNS 3u

/* --- Signal handlers: invariant 11 --- */

/* The rest of bide_queueing_end: queues what handlers have woken. */
void bide_queueing_late(struct bide_thread *thread);

static inline void bide_queueing_begin(struct bide_thread *thread)
{
    thread->queueing++;
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void bide_queueing_end(struct bide_thread *thread)
{
    atomic_signal_fence(memory_order_seq_cst);
    thread->queueing--;
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&thread->late_tasks, memory_order_relaxed)) bide_queueing_late(thread);
}

/* --- The slot, the ring, the inbox; in between the two above --- */

/* At the end of the worker's own. Thieves find it there too, of which one comes if any is idle: this worker may
 * run another one for long. */
static inline void bide_worker_push(struct bide_worker *self, struct bide_task_record *record)
{
    if (record->home) {
        bide_inject_push(&self->inbox, &record->runnable);
        return;
    }
    bide_deque_push(&self->deque, &record->runnable, &self->scheduler->inject);
    if (!self->alone) bide_idle_call_one(self->scheduler);
}

/* What was in the slot, or NULL. seq_cst: invariant 8, for bide_idle_call_one_after. */
static inline struct bide_task_record *bide_worker_swap_slot(struct bide_worker *self,
                                                             struct bide_task_record *record)
{
    if (!self->alone) return atomic_exchange(&self->slot, record);
    struct bide_task_record *before = atomic_load_explicit(&self->slot, memory_order_relaxed);
    atomic_store_explicit(&self->slot, record, memory_order_relaxed);
    return before;
}

static inline struct bide_task_record *bide_worker_from_slot(struct bide_worker *self)
{
    if (self->slot_turns >= BIDE_SLOT_TURNS || !atomic_load_explicit(&self->slot, memory_order_relaxed))
        return NULL;
    struct bide_task_record *record = bide_worker_swap_slot(self, NULL);
    if (record) self->slot_turns++;
    return record;
}

static inline struct bide_task_record *bide_worker_from_ring(struct bide_worker *self)
{
    return (struct bide_task_record *)(self->alone ? bide_deque_pop_alone(&self->deque)
                                                   : bide_deque_pop(&self->deque));
}

/* For the one that the current task has woken: it goes next. */
static inline void bide_worker_put_in_slot(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_task_record *pushed = bide_worker_swap_slot(self, record);
    if (pushed)
        bide_worker_push(self, pushed);
    else if (!self->alone)
        bide_idle_call_one_after(self->scheduler);
}

/* The ring and the inbox take turns. */
struct bide_task_record *bide_worker_from_ring_or_inbox(struct bide_worker *self);

/* The slot, then the others, then the slot after all. */
static inline struct bide_task_record *bide_worker_from_own(struct bide_worker *self)
{
    struct bide_task_record *record = bide_worker_from_slot(self);
    if (record) return record;
    self->slot_turns = 0;
    record = bide_inject_length(&self->inbox) > 0 ? bide_worker_from_ring_or_inbox(self)
                                                  : bide_worker_from_ring(self);
    return record ? record : bide_worker_from_slot(self);
}

/* A task that has not begun, by the worker that spawns it. */
static inline void bide_worker_queue_fresh(struct bide_worker *self, struct bide_task_record *record)
{
    bide_queueing_begin(self->thread_data);
    bide_count(&self->counts.spawned);
    bide_worker_push(self, record);
    bide_queueing_end(self->thread_data);
}

/* --- Switching --- */

/* The rest of what follows. */
bool bide_worker_renew(struct bide_worker *self);

static inline uint64_t bide_worker_switches(struct bide_worker *self)
{
    return atomic_load_explicit(&self->counts.switches, memory_order_relaxed);
}

/* Whether it may go on to the next task. If not it looks around first, on its own stack. */
static inline bool bide_worker_has_turns(struct bide_worker *self)
{
    return bide_worker_switches(self) < self->turns_end || bide_worker_renew(self);
}

/* The worker is about to switch to the task; NULL: to its own stack. `thread`: its own. */
static inline void bide_worker_prepare(struct bide_worker *self, struct bide_thread *thread,
                                       struct bide_task_record *record)
{
    /* release: who dumps reads the record's number */
    atomic_store_explicit(&self->current, record, memory_order_release);
    if (!record) {
        thread->awaiter = NULL;
        return;
    }
    atomic_store_explicit(&record->worker, self, memory_order_relaxed);
    thread->reactor = record->reactor;
    thread->awaiter = &record->awaiter;
    bide_count(&self->counts.switches);
}

#endif
