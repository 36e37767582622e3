/* Workers: running tasks, looking for work, stealing it, parking. See task.h for the invariants.
 *
 * The rules of the search (whose queue first, how many may search at once, who wakes whom) are those of Go's
 * scheduler (D. Vyukov, "Scalable Go Scheduler Design Doc", 2012) and of Tokio's (C. Lerche, "Making the
 * Tokio scheduler 10x faster", 2019), with their constants.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/assert.h"
#include "os/fence.h"
#include "reactor/reactor.h"
#include "task/task.h"

/* Each so many switches a worker looks at the reactor, and first at the injection queue: prime, so that it
 * falls into step with nothing. */
#define LOOK_AROUND 61

/* So many times in a row the slot goes before the queue: two tasks that wake each other do not starve the
 * rest. */
#define SLOT_TURNS 3

/* From the injection queue. */
#define MOST_AT_ONCE 64

struct bide_worker *bide_worker_self(void)
{
    return bide_thread_self()->worker;
}

/* --- Waking idle workers --- */

/* Wakes one of the idle to search, unless one is searching already. seq_cst: see invariant 7. */
static void call_one(struct bide_scheduler *scheduler)
{
    bide_os_fence();
    if (atomic_load(&scheduler->idle_mask) == 0 || atomic_load(&scheduler->searching) > 0) return;
    struct bide_worker *worker = NULL;
    bide_os_mutex_lock(&scheduler->idle_lock);
    uint64_t mask = atomic_load_explicit(&scheduler->idle_mask, memory_order_relaxed);
    if (mask != 0 && atomic_load(&scheduler->searching) == 0) {
        unsigned index = 0;
        while (!(mask >> index & 1))
            index++;
        worker = &scheduler->workers[index];
        worker->searching = true;
        atomic_fetch_add(&scheduler->searching, 1);
        atomic_store(&scheduler->idle_mask, mask & ~(UINT64_C(1) << index));
    }
    bide_os_mutex_unlock(&scheduler->idle_lock);
    if (worker) worker->parker->cx.waker_.wake(worker->parker->cx.waker_.arg);
}

/* It has found something, or gives up. Returns whether it was the last that searched. */
static bool end_search(struct bide_worker *self)
{
    if (!self->searching) return false;
    self->searching = false;
    return atomic_fetch_sub(&self->scheduler->searching, 1) == 1;
}

/* At most half of the workers search at once. */
static bool begin_search(struct bide_worker *self)
{
    if (self->searching) return true;
    if (atomic_load(&self->scheduler->searching) * 2 >= self->scheduler->count) return false;
    self->searching = true;
    atomic_fetch_add(&self->scheduler->searching, 1);
    return true;
}

/* --- Queues --- */

/* Where thieves find it too, of which one comes if any is idle: this worker may run another one for long. */
static void push(struct bide_worker *self, struct bide_task_record *record)
{
    bide_deque_push(&self->deque, &record->runnable, &self->scheduler->inject);
    if (self->scheduler->count > 1) call_one(self->scheduler);
}

void bide_worker_queue(struct bide_task_record *record, bool behind)
{
    struct bide_scheduler *scheduler = record->scheduler;
    struct bide_worker *self = bide_worker_self();
    if (!self || self->scheduler != scheduler) {
        (void)atomic_fetch_add_explicit(behind ? &scheduler->spawned_outside : &scheduler->woken_outside, 1,
                                        memory_order_relaxed);
        bide_inject_push(&scheduler->inject, &record->runnable);
        call_one(scheduler);
        return;
    }
    bide_count(behind ? &self->counts.spawned : &self->counts.wakes);
    struct bide_task_record *pushed = record;
    /* A task that another one wakes goes next; those that the reactor wakes keep their order. */
    if (!behind && !self->dispatching) pushed = atomic_exchange(&self->slot, record);
    if (self->parking) self->parker->cx.waker_.wake(self->parker->cx.waker_.arg);
    if (pushed)
        push(self, pushed);
    else if (scheduler->count > 1)
        call_one(scheduler);
}

static struct bide_task_record *from_slot(struct bide_worker *self)
{
    if (self->slot_turns >= SLOT_TURNS || !atomic_load_explicit(&self->slot, memory_order_relaxed))
        return NULL;
    struct bide_task_record *record = atomic_exchange(&self->slot, NULL);
    if (record) self->slot_turns++;
    return record;
}

/* Of its own: the slot, then the ring, then the slot after all. */
static struct bide_task_record *from_own(struct bide_worker *self)
{
    struct bide_task_record *record = from_slot(self);
    if (record) return record;
    self->slot_turns = 0;
    record = (struct bide_task_record *)bide_deque_pop(&self->deque);
    return record ? record : from_slot(self);
}

/* One for now, and its share of what else waits there. */
static struct bide_task_record *from_inject(struct bide_worker *self)
{
    struct bide_inject *inject = &self->scheduler->inject;
    size_t length = bide_inject_length(inject);
    if (length == 0) return NULL;
    size_t share = length / self->scheduler->count + 1;
    struct bide_runnable *list;
    if (bide_inject_take(inject, &list, share < MOST_AT_ONCE ? share : MOST_AT_ONCE) == 0) return NULL;
    struct bide_runnable *first = list;
    for (list = list->next; list;) {
        struct bide_runnable *next = list->next;
        bide_deque_push(&self->deque, list, inject);
        list = next;
    }
    return (struct bide_task_record *)first;
}

static struct bide_task_record *steal(struct bide_worker *self)
{
    struct bide_scheduler *scheduler = self->scheduler;
    unsigned start = bide_thread_random(bide_thread_self()) % scheduler->count;
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < scheduler->count; i++) {
            struct bide_worker *victim = &scheduler->workers[(start + i) % scheduler->count];
            if (victim == self) continue;
            struct bide_task_record *record =
                (struct bide_task_record *)bide_deque_steal(&victim->deque, &self->deque);
            /* What is in a slot is about to be run: taken only if there is nothing else. */
            if (!record && pass == 1) record = atomic_exchange(&victim->slot, NULL);
            if (!record) continue;
            bide_count(&self->counts.steals);
            return record;
        }
    return NULL;
}

static struct bide_task_record *search(struct bide_worker *self)
{
    struct bide_task_record *record = from_inject(self);
    if (record || self->scheduler->count == 1 || !begin_search(self)) return record;
    record = steal(self);
    return record ? record : from_inject(self);
}

/* seq_cst fence: "I am in the idle mask" comes before the looks. */
static bool is_work_left(struct bide_scheduler *scheduler)
{
    bide_os_fence();
    if (bide_inject_length(&scheduler->inject) > 0) return true;
    for (unsigned i = 0; i < scheduler->count; i++)
        if (bide_deque_length(&scheduler->workers[i].deque) > 0 || atomic_load(&scheduler->workers[i].slot))
            return true;
    return false;
}

/* --- Switching --- */

static void prepare(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_thread *thread = bide_thread_self();
    /* seq_cst: "run, then look" here against "publish, then wake" in wakers, which do nothing for a QUEUED
     * task */
    if (record) atomic_store(&record->state, BIDE_TASK_RUNNING);
    if (record) thread->reactor = record->reactor;
    thread->awaiter = record ? &record->awaiter : NULL;
    /* release: who dumps reads the record's number */
    atomic_store_explicit(&self->current, record, memory_order_release);
    if (record) bide_count(&self->counts.switches);
    self->tick++;
}

void bide_worker_arrive(void)
{
    struct bide_worker *self = bide_worker_self();
    struct bide_task_record *left = self->left;
    if (!left) return;
    self->left = NULL;
    uint32_t expected = BIDE_TASK_RUNNING;
    switch (self->left_for) {
    case BIDE_LEFT_TO_PARK:
        if (atomic_compare_exchange_strong(&left->state, &expected, BIDE_TASK_PARKED)) return;
        /* Woken meanwhile. */
        atomic_store(&left->state, BIDE_TASK_QUEUED);
        push(self, left);
        return;
    case BIDE_LEFT_TO_YIELD:
        atomic_store(&left->state, BIDE_TASK_QUEUED);
        push(self, left);
        return;
    default: {
        struct bide_scheduler *scheduler = left->scheduler;
        bool main_task = left == scheduler->main;
        if (main_task) scheduler->value = left->value;
        bide_record_end(left);
        if (main_task) {
            atomic_store(&scheduler->closing, true);
            bide_record_cancel_all(scheduler);
        }
        bide_worker_gone(scheduler);
    }
    }
}

void bide_worker_leave(struct bide_task_record *record, int left_for)
{
    struct bide_worker *self = bide_worker_self();
    struct bide_thread *thread = bide_thread_self();
    BIDE_ASSERT(atomic_load_explicit(&self->current, memory_order_relaxed) == record);
    struct bide_task_record *next = self->tick % LOOK_AROUND == 0 ? NULL : from_own(self);
    if (!next && left_for == BIDE_LEFT_TO_YIELD && self->tick % LOOK_AROUND != 0 &&
        bide_inject_length(&self->scheduler->inject) == 0) {
        self->tick++;
        return;
    }
    record->reactor = thread->reactor;
    record->since = self->now;
    self->left = record;
    self->left_for = left_for;
    prepare(self, next);
    struct bide_fiber *to = next ? &next->fiber : &self->fiber;
    if (left_for == BIDE_LEFT_FOR_GOOD) bide_fiber_exit(&record->fiber, to);
    bide_fiber_switch(&record->fiber, to);
    bide_worker_arrive();
}

void bide_worker_return(struct bide_task_record *record)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_worker *self = thread->parents;
    thread->parents = NULL;
    self->scheduler->forked = true;
    self->scheduler->value = record->value;
    bide_fiber_exit(&record->fiber, &self->fiber);
}

/* --- The worker's own stack --- */

/* From time to time, and after each wait. */
static void look_around(struct bide_worker *self)
{
    self->now = bide_now();
    if (atomic_load_explicit(&bide_overflow_watched, memory_order_relaxed) && !self->equipped)
        bide_overflow_equip(self);
}

static void park(struct bide_worker *self)
{
    struct bide_scheduler *scheduler = self->scheduler;
    uint64_t bit = UINT64_C(1) << self->index;
    bide_os_mutex_lock(&scheduler->idle_lock);
    (void)end_search(self);
    atomic_fetch_or(&scheduler->idle_mask, bit);
    bide_os_mutex_unlock(&scheduler->idle_lock);
    /* Invariant 7. It may be this worker that is called. */
    if (is_work_left(scheduler)) call_one(scheduler);
    bide_count(&self->counts.parks);
    self->parking = self->dispatching = true;
    if (!atomic_load(&scheduler->finished)) {
        int error = bide_driver_park(scheduler->reactor, self->parker, BIDE_NEVER);
        /* The poller failed: the kernel is short of memory. Not again at once. */
        if (error < 0)
            bide_os_futex_wait(&self->parker->state, BIDE_PARKER_EMPTY, bide_after(BIDE_MILLISECONDS(10)));
    }
    self->parking = self->dispatching = false;
    look_around(self);
    bide_os_mutex_lock(&scheduler->idle_lock);
    atomic_fetch_and(&scheduler->idle_mask, ~bit);
    bide_os_mutex_unlock(&scheduler->idle_lock);
}

static struct bide_task_record *find(struct bide_worker *self)
{
    struct bide_task_record *record = NULL;
    if (self->tick % LOOK_AROUND == 0) {
        self->tick++;
        self->dispatching = true;
        bide_driver_yield(self->scheduler->reactor, self->parker);
        self->dispatching = false;
        look_around(self);
        record = from_inject(self);
    }
    if (!record) record = from_own(self);
    return record ? record : search(self);
}

void bide_worker_run(struct bide_worker *self)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_reactor *reactor = thread->reactor;
    thread->worker = self;
    look_around(self);
    bide_fiber_adopt(&self->fiber);
    while (!atomic_load(&self->scheduler->finished)) {
        struct bide_task_record *record = find(self);
        if (!record) {
            park(self);
            continue;
        }
        /* Others may be needed too, if this was the only one that searched. */
        if (end_search(self)) call_one(self->scheduler);
        prepare(self, record);
        bide_fiber_switch(&self->fiber, &record->fiber);
        if (self->scheduler->forked) return;
        bide_worker_arrive();
    }
    (void)end_search(self);
    bide_fiber_retire(&self->fiber);
    bide_os_fault_stack_free(&self->fault_stack);
    thread->worker = NULL;
    thread->reactor = reactor;
}

void bide_worker_gone(struct bide_scheduler *scheduler)
{
    if (atomic_fetch_sub(&scheduler->live, 1) != 1) return;
    atomic_store(&scheduler->finished, true);
    for (unsigned i = 0; i < scheduler->count; i++) {
        struct bide_parker *parker = scheduler->workers[i].parker;
        if (parker) parker->cx.waker_.wake(parker->cx.waker_.arg);
    }
}
