/* A task's turn: how a worker comes to it, and how it is left. See task.h, invariants 2, 12 and 13.
 *
 * Each switch is part of the function that decides on it, and bide_task_main, which ends tasks, has no other between it
 * and the beginning of its fiber: what that is worth is told in switch_x86_64_sysv.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/assert.h"
#include "os/compiler.h"
#include "os/fence.h"
#include "task/group.h"
#include "task/local.h"
#include "task/queueing.h"
#include "task/record.h"

#include <stdlib.h>

static struct bide_worker *worker_of(struct bide_task_record *record)
{
    return atomic_load_explicit(&record->worker, memory_order_relaxed);
}

static void set_joining(struct bide_task_record *record, int joining)
{
    atomic_store_explicit(&record->joining, joining, memory_order_relaxed);
}

/* --- Arriving --- */

/* A fiber that was left for good. */
static BIDE_OS_NOINLINE void give_back(struct bide_worker *self)
{
    bide_fiber_retire(&self->left_stack->fiber);
    bide_shelf_give(self->scheduler, self, self->left_stack);
}

/* Takes it out of there: NULL if somebody else has. acq_rel: who resumes it sees what was saved. */
static struct bide_task_record *take_aside(struct bide_task_record *record)
{
    struct bide_task_record *aside = atomic_exchange_explicit(&record->aside, NULL, memory_order_acq_rel);
    if (aside) set_joining(aside, BIDE_TASK_NOT_ASIDE);
    return aside;
}

static struct bide_task_record *has_aside(struct bide_task_record *record)
{
    return atomic_load_explicit(&record->aside, memory_order_relaxed);
}

static BIDE_OS_NOINLINE void queue_aside(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_task_record *aside = take_aside(record);
    if (!aside) return;
    bide_queueing_begin(self->thread_data);
    bide_worker_push(self, aside);
    bide_queueing_end(self->thread_data);
}

static inline void put_aside(struct bide_worker *self, struct bide_task_record *left)
{
    struct bide_task_record *record = atomic_load_explicit(&left->aside_for, memory_order_relaxed);
    unsigned shields = left->awaiter.shields;
    /* release: who sees it finds `aside_for`; and who takes it back, which he can from the second one on, sees what was
     * saved, and writes `joining` after us */
    atomic_store_explicit(&left->joining, BIDE_TASK_ASIDE, memory_order_release);
    atomic_store_explicit(&record->aside, left, memory_order_release);
    /* Who is alone has nobody else who could run it: it is as well where it is, whatever it is to be told. */
    if (self->alone) return;
    bide_os_fence();
    bool cancelled = shields == 0 && atomic_load(&left->awaiter.verdict);
    if (cancelled || !(atomic_load(&record->life) & BIDE_TASK_HELD)) queue_aside(self, record);
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
    if (left_for == BIDE_LEFT_ASIDE) {
        put_aside(self, left);
        return;
    }
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

/* To the task, or to the worker's own stack, and back at some time. */
static inline void go(struct bide_worker *self, struct bide_task_record *record,
                      struct bide_task_record *next)
{
    BIDE_ASSERT(atomic_load_explicit(&self->current, memory_order_relaxed) == record &&
                self == bide_worker_self());
    struct bide_thread *thread = self->thread_data;
    struct bide_stack *stack = record->stack;
    record->reactor = thread->reactor;
    record->since = self->now;
    atomic_store_explicit(&record->worker, NULL, memory_order_relaxed);
    bide_worker_prepare(self, thread, next);
    bide_fiber_switch(&stack->fiber, next ? &next->stack->fiber : &self->fiber);
    arrive(worker_of(record));
}

static inline struct bide_task_record *next_of(struct bide_worker *self)
{
    if (!bide_worker_has_turns(self)) return NULL;
    bide_queueing_begin(self->thread_data);
    struct bide_task_record *next = bide_worker_from_own(self);
    bide_queueing_end(self->thread_data);
    return next;
}

BIDE_OS_NOINLINE void bide_worker_park(struct bide_task_record *record)
{
    struct bide_worker *self = worker_of(record);
    if (has_aside(record)) queue_aside(self, record);
    struct bide_task_record *next = next_of(self);
    self->left = record;
    self->left_for = BIDE_LEFT_TO_PARK;
    go(self, record, next);
}

static inline void yield(struct bide_task_record *record)
{
    struct bide_worker *self = worker_of(record);
    struct bide_thread *thread = self->thread_data;
    if (has_aside(record)) queue_aside(self, record);
    bide_queueing_begin(thread);
    bool goes_on = bide_worker_has_turns(self);
    struct bide_task_record *next = goes_on ? bide_worker_from_own(self) : NULL;
    bool stays = !next && goes_on && bide_inject_length(&self->scheduler->inject) == 0;
    /* Invariant 2. */
    bool is_queued = self->alone && !record->home;
    if (!stays && is_queued) bide_deque_push(&self->deque, &record->runnable, &self->scheduler->inject);
    bide_queueing_end(thread);
    if (stays) {
        self->turns_end--;
        return;
    }
    if (!is_queued) {
        self->left = record;
        self->left_for = BIDE_LEFT_TO_YIELD;
    }
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

/* --- Joining the one that is next: invariant 12 --- */

/* The record is in the caller's hands, and keeps its task: whether that is to be joined by this handle, and nobody is
 * aside. There may be somebody: the task has joined another one in this way, and was queued when that waited. */
static bool may_put_aside(struct bide_task_record *record, uint32_t generation)
{
    uint64_t life = atomic_load_explicit(&record->life, memory_order_relaxed);
    return bide_record_is_awaited(life, generation) && !has_aside(record);
}

/* Returns whether the task was joined. */
static inline bool hand_over(struct bide_task_record *record, bide_task task)
{
    struct bide_worker *self = worker_of(record);
    struct bide_task_record *to = task.record_;
    if (record->home || atomic_load_explicit(&self->slot, memory_order_relaxed) ||
        bide_inject_length(&self->inbox) > 0 || bide_deque_first(&self->deque) != &to->runnable ||
        !bide_worker_has_turns(self))
        return false;
    bide_queueing_begin(self->thread_data);
    struct bide_task_record *next = bide_worker_from_ring(self);
    bide_queueing_end(self->thread_data);
    /* Thieves may have come. */
    if (!next) return false;
    bool first = next == to && may_put_aside(to, task.generation_);
    if (first) atomic_store_explicit(&record->aside_for, to, memory_order_relaxed);
    self->left = record;
    self->left_for = first ? BIDE_LEFT_ASIDE : BIDE_LEFT_TO_YIELD;
    go(self, record, next);
    if (atomic_load_explicit(&record->joining, memory_order_relaxed) != BIDE_TASK_JOINED) return false;
    set_joining(record, BIDE_TASK_NOT_ASIDE);
    return true;
}

void bide_worker_take_back(struct bide_task_record *record)
{
    struct bide_task_record *first = atomic_load_explicit(&record->aside_for, memory_order_relaxed);
    /* Pinned, so that it stays the same task's to the end of this. */
    if (!first || !bide_record_pin(first, bide_record_generation(first))) return;
    bide_record_end_alone(first);
    struct bide_task_record *aside = record;
    /* acq_rel: as in take_aside */
    bool taken = atomic_compare_exchange_strong_explicit(&first->aside, &aside, NULL, memory_order_acq_rel,
                                                         memory_order_relaxed);
    if (taken) set_joining(record, BIDE_TASK_NOT_ASIDE);
    bide_record_unpin(first);
    if (taken) bide_worker_queue(record, false);
}

int bide_task_join(bide_task task, int *value, bide_instant deadline)
{
    const struct bide_thread *thread = bide_thread_self();
    if (bide_is_never(deadline) && task.record_ && thread->awaiter && !thread->in_waker &&
        !thread->operation) {
        struct bide_task_record *self = bide_task_of(thread->awaiter);
        if (!bide_awaiter_verdict(&self->awaiter) && hand_over(self, task)) {
            self->cx.budget_ = BIDE_BUDGET;
            if (value) *value = self->joined_value;
            return 0;
        }
    }
    return bide_task_join_slowly(task, value, deadline);
}

/* --- Ending --- */

/* Gives the record up. Returns the task that was aside for this one, if it may go on at once. */
static inline struct bide_task_record *end_record(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_task_record *aside = has_aside(record);
    if (!aside) {
        bide_record_end(self, record);
        return NULL;
    }
    int value = atomic_load_explicit(&record->value, memory_order_relaxed);
    if (bide_record_end_joined(self, record)) {
        aside->joined_value = value;
        set_joining(aside, BIDE_TASK_JOINED);
    } else {
        aside = take_aside(record);
        bide_record_end(self, record);
        if (!aside) return NULL;
    }
    if (bide_worker_has_turns(self)) return aside;
    /* As one that this task has woken. */
    bide_queueing_begin(self->thread_data);
    bide_worker_put_in_slot(self, aside);
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
    struct bide_thread *thread = self->thread_data;
    thread->awaiter = NULL;
    struct bide_task_record *next = end_record(self, record);
    if (main_task) {
        atomic_store(&scheduler->closing, true);
        bide_record_cancel_all(scheduler);
    }
    bide_worker_gone(scheduler, self);
    if (!next) next = next_of(self);
    bide_worker_prepare(self, thread, next);
    struct bide_fiber *to = next ? &next->stack->fiber : &self->fiber;
    if (BIDE_FIBER_TAKES_MODES && self->resting_count < BIDE_RESTING &&
        stack->size == self->stacks.pool->size) {
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

static void run_deferred(struct bide_task_record *record)
{
    while (record->deferred_count > 0) {
        struct bide_deferred last = record->deferred[--record->deferred_count];
        last.function(last.arg);
    }
}

/* What has been put off, and the values. */
static BIDE_OS_NOINLINE void clean_up(struct bide_task_record *record)
{
    /* What is put off may set values, and the drop of a value put something off. */
    do {
        run_deferred(record);
        if (record->locals) bide_locals_end(&record->locals);
    } while (record->deferred_count > 0);
    free(record->deferred);
    record->deferred = NULL;
    record->deferred_room = 0;
}

/* The body, and what belongs to it. */
static inline void run(struct bide_task_record *record)
{
    int value = BIDE_ECANCELED;
    if (atomic_load(&record->awaiter.verdict)) {
        if (record->drop) record->drop(record->arg);
    } else {
        value = record->function(record->arg);
    }
    atomic_store_explicit(&record->value, value, memory_order_relaxed);
    if (record->deferred_count > 0 || record->locals) clean_up(record);
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
        run(record);
        /* The child of a fork has no worker. */
        if (!worker_of(record)->thread_data->worker) return_to_worker(record);
        if (record->limited) bide_limit_disarm(record);
        BIDE_ASSERT(!record->owned); /* a group that was not closed */
        if (record->group) bide_group_leave(record);
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
