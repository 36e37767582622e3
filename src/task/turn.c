/* A task's turn: how a worker comes to it, and how it is left. See task.h, invariants 2, 12 and 13.
 *
 * Each switch is part of the function that decides on it, and bide_task_main, which ends tasks, has no other between it
 * and the beginning of its fiber: what that is worth is told in switch_x86_64_sysv.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/assert.h"
#include "os/compiler.h"
#include "task/group.h"
#include "task/queueing.h"

static struct bide_worker *worker_of(struct bide_task_record *record)
{
    return atomic_load_explicit(&record->worker, memory_order_relaxed);
}

/* --- Arriving --- */

/* A fiber that was left for good. */
static BIDE_OS_NOINLINE void give_back(struct bide_worker *self)
{
    bide_fiber_retire(&self->left_stack->fiber);
    bide_shelf_give(self->scheduler, self, self->left_stack);
}

static inline void arrive(struct bide_worker *self)
{
    int left_for = self->left_for;
    if (left_for == BIDE_LEFT_NOTHING) return;
    self->left_for = BIDE_LEFT_NOTHING;
    if (left_for == BIDE_LEFT_FOR_GOOD) {
        give_back(self);
        return;
    }
    struct bide_task_record *left = self->left;
    if (left_for == BIDE_LEFT_TO_PARK) {
        uint32_t expected = BIDE_TASK_AWAKE;
        /* release: who wakes it sees what was saved */
        if (atomic_compare_exchange_strong_explicit(&left->state, &expected, BIDE_TASK_PARKED,
                                                    memory_order_release, memory_order_relaxed))
            return;
        /* Woken meanwhile. acquire: the task sees what its wakers have done. An exchange, so that this holds for
         * the last of them. */
        atomic_exchange_explicit(&left->state, BIDE_TASK_AWAKE, memory_order_acquire);
    }
    bide_queueing_begin(self->thread_data);
    bide_worker_push(self, left);
    bide_queueing_end(self->thread_data);
}

void bide_worker_arrive(struct bide_worker *self)
{
    arrive(self);
}

/* --- Leaving --- */

static BIDE_OS_NOINLINE void queue_aside(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_task_record *aside = record->aside;
    record->aside = NULL;
    bide_queueing_begin(self->thread_data);
    bide_worker_push(self, aside);
    bide_queueing_end(self->thread_data);
}

/* To the task, or to the worker's own stack, and back at some time. */
static inline void go(struct bide_worker *self, struct bide_task_record *record,
                      struct bide_task_record *next)
{
    BIDE_ASSERT(atomic_load_explicit(&self->current, memory_order_relaxed) == record &&
                self == bide_worker_self());
    struct bide_stack *stack = record->stack;
    record->reactor = self->thread_data->reactor;
    record->since = self->now;
    atomic_store_explicit(&record->worker, NULL, memory_order_relaxed);
    bide_worker_prepare(self, next);
    bide_fiber_switch(&stack->fiber, next ? &next->stack->fiber : &self->fiber);
    arrive(worker_of(record));
}

static inline struct bide_task_record *next_of(struct bide_worker *self)
{
    struct bide_task_record *next = NULL;
    if (self->turns_left > 0) {
        bide_queueing_begin(self->thread_data);
        next = bide_worker_from_own(self);
        bide_queueing_end(self->thread_data);
    }
    return next;
}

BIDE_OS_NOINLINE void bide_worker_park(struct bide_task_record *record)
{
    struct bide_worker *self = worker_of(record);
    if (record->aside) queue_aside(self, record);
    struct bide_task_record *next = next_of(self);
    self->left = record;
    self->left_for = BIDE_LEFT_TO_PARK;
    go(self, record, next);
}

static inline void yield(struct bide_task_record *record)
{
    struct bide_worker *self = worker_of(record);
    if (record->aside) queue_aside(self, record);
    struct bide_task_record *next = next_of(self);
    if (!next && self->turns_left > 0 && bide_inject_length(&self->scheduler->inject) == 0) {
        self->turns_left--;
        return;
    }
    self->left = record;
    self->left_for = BIDE_LEFT_TO_YIELD;
    go(self, record, next);
}

BIDE_OS_NOINLINE void bide_worker_yield(struct bide_task_record *record)
{
    yield(record);
}

int bide_yield(void)
{
    struct bide_thread *thread = bide_thread_self();
    if (!thread->awaiter) {
        bide_os_thread_yield();
        return 0;
    }
    if (thread->in_waker || thread->operation) return BIDE_EDEADLK;
    struct bide_task_record *record = bide_task_of(thread->awaiter);
    int verdict = bide_task_heed(record);
    if (verdict) return verdict;
    yield(record);
    return bide_task_heed(record);
}

bool bide_worker_hand_over(struct bide_task_record *record, struct bide_task_record *to)
{
    struct bide_worker *self = worker_of(record);
    if (self->turns_left == 0 || record->home || atomic_load_explicit(&self->slot, memory_order_relaxed) ||
        bide_inject_length(&self->inbox) > 0 || bide_deque_first(&self->deque) != &to->runnable)
        return false;
    bide_queueing_begin(self->thread_data);
    struct bide_task_record *next = bide_worker_from_ring(self);
    bide_queueing_end(self->thread_data);
    /* Thieves may have come. */
    if (!next) return false;
    record->joined = false;
    if (next == to) {
        BIDE_ASSERT(!to->aside);
        to->aside = record;
    } else {
        self->left = record;
        self->left_for = BIDE_LEFT_TO_YIELD;
    }
    go(self, record, next);
    return record->joined;
}

/* --- Ending --- */

/* Gives the record up. Returns the task that was aside for this one, if it may go on at once. */
static inline struct bide_task_record *end_record(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_task_record *aside = record->aside;
    if (!aside) {
        bide_record_end(self, record);
        return NULL;
    }
    record->aside = NULL;
    aside->joined_value = atomic_load_explicit(&record->value, memory_order_relaxed);
    aside->joined = bide_record_end_joined(self, record);
    if (!aside->joined) bide_record_end(self, record);
    if (self->turns_left > 0) return aside;
    bide_queueing_begin(self->thread_data);
    bide_worker_push(self, aside);
    bide_queueing_end(self->thread_data);
    return NULL;
}

/* Leaves the task that has ended. Returns when the stack has another one. */
static inline void end(struct bide_task_record *record, struct bide_stack *stack)
{
    struct bide_worker *self = worker_of(record);
    struct bide_scheduler *scheduler = self->scheduler;
    bool main_task = record->is_main;
    if (main_task) scheduler->value = atomic_load_explicit(&record->value, memory_order_relaxed);
    /* What runs here from now on is no task: the record may soon be another one's. */
    self->thread_data->awaiter = NULL;
    struct bide_task_record *next = end_record(self, record);
    if (main_task) {
        atomic_store(&scheduler->closing, true);
        bide_record_cancel_all(scheduler);
    }
    bide_worker_gone(scheduler, self);
    if (!next) next = next_of(self);
    bide_worker_prepare(self, next);
    struct bide_fiber *to = next ? &next->stack->fiber : &self->fiber;
    if (self->resting_count < BIDE_RESTING && stack->size == self->stacks.pool->size) {
        stack->next = self->resting;
        self->resting = stack;
        self->resting_count++;
        bide_fiber_switch(&stack->fiber, to);
        return;
    }
    self->left_stack = stack;
    self->left_for = BIDE_LEFT_FOR_GOOD;
    bide_fiber_exit(&stack->fiber, to);
}

/* In the child of the task that forked: ends it, and its worker with it. */
static _Noreturn BIDE_OS_NOINLINE void return_to_worker(struct bide_task_record *record)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_worker *self = thread->parents;
    thread->parents = NULL;
    self->scheduler->forked = true;
    self->scheduler->value = atomic_load_explicit(&record->value, memory_order_relaxed);
    bide_fiber_exit(&record->stack->fiber, &self->fiber);
}

void bide_task_main(void *arg)
{
    struct bide_stack *stack = arg;
    struct bide_task_record *record;
    while ((record = stack->user) != NULL) {
        arrive(worker_of(record));
        if (!bide_task_run(record)) return_to_worker(record);
        end(record, stack);
    }
    bide_fiber_exit(&stack->fiber, &bide_worker_self()->fiber);
}

void bide_worker_dismiss(struct bide_worker *self)
{
    while (self->resting) {
        struct bide_stack *stack = self->resting;
        self->resting = stack->next;
        stack->user = NULL;
        bide_fiber_switch(&self->fiber, &stack->fiber);
        bide_fiber_retire(&stack->fiber);
        bide_stack_give(&self->stacks, stack);
    }
    self->resting_count = 0;
}
