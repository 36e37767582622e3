/* Workers: running tasks, looking for work, stealing it, parking. See task.h for the invariants.
 *
 * The order of the search is that of Go's scheduler and Tokio's (see idle.c), with their constants.
 *
 * With one worker nobody steals, and no locked operation is needed for what it does with its own tasks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/assert.h"
#include "os/compiler.h"
#include "os/thread.h"
#include "reactor/reactor.h"
#include "task/task.h"

/* After so many switches a worker looks at the reactor, and first at the injection queue: prime, so that it
 * falls into step with nothing. */
#define LOOK_AROUND 61u

/* So many times in a row the slot goes before the queue: two tasks that wake each other do not starve the
 * rest. */
#define SLOT_TURNS 3u

/* Pauses of the processor, of 40 to 140 cycles: some microseconds. */
#define SLOT_PATIENCE 100

/* From the injection queue. */
#define MOST_AT_ONCE 64u

/* What a worker counts at once in scheduler.live. */
#define CREDITS ((size_t)64)

struct bide_worker *bide_worker_self(void)
{
    return bide_thread_self()->worker;
}

/* --- Counting tasks --- */

static void settle(struct bide_scheduler *scheduler, size_t count)
{
    /* seq_cst, as `closing`: who counts a task and then finds that the end has not begun is waited for */
    if (count == 0 || atomic_fetch_sub(&scheduler->live, count) != count) return;
    atomic_store(&scheduler->finished, true);
    bide_idle_call_all(scheduler);
}

/* Written by the worker alone, read by who counts tasks. */
static size_t get_credits(struct bide_worker *worker)
{
    return atomic_load_explicit(&worker->credits, memory_order_relaxed);
}

static void set_credits(struct bide_worker *self, size_t credits)
{
    atomic_store_explicit(&self->credits, credits, memory_order_relaxed);
}

static void settle_all(struct bide_worker *self)
{
    size_t credits = get_credits(self);
    set_credits(self, 0);
    settle(self->scheduler, credits);
}

void bide_worker_come(struct bide_scheduler *scheduler, struct bide_worker *self)
{
    if (!self) {
        atomic_fetch_add(&scheduler->live, 1);
        return;
    }
    size_t credits = get_credits(self);
    if (credits == 0) {
        atomic_fetch_add(&scheduler->live, CREDITS);
        credits = CREDITS;
    }
    set_credits(self, credits - 1);
}

void bide_worker_gone(struct bide_scheduler *scheduler, struct bide_worker *self)
{
    if (!self) {
        settle(scheduler, 1);
        return;
    }
    size_t credits = get_credits(self) + 1;
    bool surplus = credits == 2 * CREDITS;
    set_credits(self, surplus ? CREDITS : credits);
    if (surplus) settle(scheduler, CREDITS);
}

size_t bide_worker_tasks(struct bide_scheduler *scheduler)
{
    size_t tasks = atomic_load_explicit(&scheduler->live, memory_order_relaxed);
    for (unsigned i = 0; i < scheduler->count; i++) {
        size_t credits = get_credits(&scheduler->workers[i]);
        tasks -= credits < tasks ? credits : tasks;
    }
    return tasks;
}

/* --- Signal handlers: invariant 11 --- */

static inline void begin_queueing(struct bide_thread *thread)
{
    thread->queueing++;
    atomic_signal_fence(memory_order_seq_cst);
}

static BIDE_OS_NOINLINE void queue_late(struct bide_thread *thread)
{
    /* relaxed, here and below: the list is this thread's and its handlers' */
    struct bide_runnable *list = atomic_exchange_explicit(&thread->late_tasks, NULL, memory_order_relaxed);
    while (list) {
        struct bide_runnable *next = list->next;
        bide_worker_queue((struct bide_task_record *)list, false);
        list = next;
    }
}

static inline void end_queueing(struct bide_thread *thread)
{
    atomic_signal_fence(memory_order_seq_cst);
    thread->queueing--;
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&thread->late_tasks, memory_order_relaxed)) queue_late(thread);
}

/* By a handler, which another one may interrupt. */
static BIDE_OS_NOINLINE void leave_for_later(struct bide_thread *thread, struct bide_task_record *record)
{
    record->runnable.next = atomic_load_explicit(&thread->late_tasks, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&thread->late_tasks, &record->runnable.next,
                                                  &record->runnable, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

/* --- Queues --- */

/* At the end of the worker's own. Thieves find it there too, of which one comes if any is idle: this worker may
 * run another one for long. */
static void push(struct bide_worker *self, struct bide_task_record *record)
{
    if (record->home) {
        bide_inject_push(&self->inbox, &record->runnable);
        return;
    }
    bide_deque_push(&self->deque, &record->runnable, &self->scheduler->inject);
    if (!self->alone) bide_idle_call_one(self->scheduler);
}

/* What was in the slot, or NULL. */
static struct bide_task_record *swap_slot(struct bide_worker *self, struct bide_task_record *record)
{
    if (!self->alone) return atomic_exchange_explicit(&self->slot, record, memory_order_acq_rel);
    struct bide_task_record *before = atomic_load_explicit(&self->slot, memory_order_relaxed);
    atomic_store_explicit(&self->slot, record, memory_order_relaxed);
    return before;
}

/* By a thread that is none of the scheduler's workers. */
static void queue_from_outside(struct bide_task_record *record, bool fresh)
{
    struct bide_scheduler *scheduler = record->scheduler;
    struct bide_worker *home = record->home;
    struct bide_door *door = scheduler->door;
    /* As soon as the task is queued it may end, and so may its scheduler, which is still to be looked at here. */
    bide_door_hold(door);
    (void)atomic_fetch_add_explicit(fresh ? &scheduler->spawned_outside : &scheduler->woken_outside, 1,
                                    memory_order_relaxed);
    bide_inject_push(home ? &home->inbox : &scheduler->inject, &record->runnable);
    if (home)
        bide_idle_call(home);
    else
        bide_idle_call_one(scheduler);
    bide_door_release(door);
}

static void queue(struct bide_worker *self, struct bide_task_record *record, bool fresh)
{
    if (!self || self->scheduler != record->scheduler) {
        queue_from_outside(record, fresh);
        return;
    }
    bide_count(fresh ? &self->counts.spawned : &self->counts.wakes);
    if (record->home) {
        struct bide_worker *home = record->home;
        bide_inject_push(&home->inbox, &record->runnable);
        if (!self->alone) bide_idle_call(home);
    } else if (fresh) {
        push(self, record);
    } else if (self->dispatching) {
        /* In the order of the reactor's wakes. The first one runs at once: who else is needed for the others is
         * told when all are there. */
        bide_deque_push(&self->deque, &record->runnable, &self->scheduler->inject);
    } else {
        /* A task that another one wakes goes next. */
        struct bide_task_record *pushed = swap_slot(self, record);
        if (pushed)
            push(self, pushed);
        else if (!self->alone)
            bide_idle_call_one(self->scheduler);
    }
    if (self->parking) self->parker->cx.waker_.wake(self->parker->cx.waker_.arg);
}

void bide_worker_queue(struct bide_task_record *record, bool fresh)
{
    struct bide_thread *thread = bide_thread_self();
    if (thread->queueing > 0) {
        leave_for_later(thread, record);
        return;
    }
    begin_queueing(thread);
    queue(thread->worker, record, fresh);
    end_queueing(thread);
}

void bide_worker_queue_main(struct bide_task_record *record)
{
    struct bide_thread *thread = bide_thread_self();
    begin_queueing(thread);
    bide_inject_push(&record->scheduler->inject, &record->runnable);
    end_queueing(thread);
}

static struct bide_task_record *from_slot(struct bide_worker *self)
{
    if (self->slot_turns >= SLOT_TURNS || !atomic_load_explicit(&self->slot, memory_order_relaxed))
        return NULL;
    struct bide_task_record *record = swap_slot(self, NULL);
    if (record) self->slot_turns++;
    return record;
}

static struct bide_task_record *from_inbox(struct bide_worker *self)
{
    struct bide_runnable *first;
    (void)bide_inject_take(&self->inbox, &first, 1);
    return (struct bide_task_record *)first;
}

static inline struct bide_task_record *from_ring(struct bide_worker *self)
{
    return (struct bide_task_record *)(self->alone ? bide_deque_pop_alone(&self->deque)
                                                   : bide_deque_pop(&self->deque));
}

/* The ring and the inbox take turns. */
static BIDE_OS_NOINLINE struct bide_task_record *from_ring_or_inbox(struct bide_worker *self)
{
    struct bide_task_record *record = self->inbox_had_turn ? NULL : from_inbox(self);
    self->inbox_had_turn = record != NULL;
    if (!record) record = from_ring(self);
    return record ? record : from_inbox(self);
}

/* Of its own: the slot, then the others, then the slot after all. */
static inline struct bide_task_record *from_own(struct bide_worker *self)
{
    struct bide_task_record *record = from_slot(self);
    if (record) return record;
    self->slot_turns = 0;
    record = bide_inject_length(&self->inbox) > 0 ? from_ring_or_inbox(self) : from_ring(self);
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

/* What is in a slot is about to be run, by a worker that has its data in its cache, unless the task that runs there
 * goes on for long: so it is taken if nothing has moved for a while, as in Go's scheduler (runqgrab). */
static struct bide_task_record *from_others_slot(struct bide_worker *victim)
{
    struct bide_task_record *record = atomic_load_explicit(&victim->slot, memory_order_relaxed);
    if (!record) return NULL;
    uint64_t switches = atomic_load_explicit(&victim->counts.switches, memory_order_relaxed);
    for (int i = 0; i < SLOT_PATIENCE; i++) {
        bide_os_spin_pause();
        if (atomic_load_explicit(&victim->counts.switches, memory_order_relaxed) != switches) return NULL;
    }
    return swap_slot(victim, NULL);
}

static struct bide_task_record *steal(struct bide_worker *self)
{
    struct bide_scheduler *scheduler = self->scheduler;
    unsigned start = bide_thread_random(self->thread_data) % scheduler->count;
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < scheduler->count; i++) {
            struct bide_worker *victim = &scheduler->workers[(start + i) % scheduler->count];
            if (victim == self) continue;
            struct bide_task_record *record =
                (struct bide_task_record *)bide_deque_steal(&victim->deque, &self->deque);
            if (!record && pass == 1) record = from_others_slot(victim);
            if (!record) continue;
            bide_count(&self->counts.steals);
            return record;
        }
    return NULL;
}

static struct bide_task_record *search(struct bide_worker *self)
{
    struct bide_task_record *record = from_inject(self);
    if (record || self->alone || !bide_idle_begin_search(self)) return record;
    record = steal(self);
    return record ? record : from_inject(self);
}

/* --- Switching --- */

static inline void prepare(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_thread *thread = self->thread_data;
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
    self->turns_left--;
}

void bide_worker_arrive(struct bide_worker *self)
{
    struct bide_task_record *left = self->left;
    if (!left) return;
    self->left = NULL;
    if (self->left_for == BIDE_LEFT_FOR_GOOD) {
        struct bide_scheduler *scheduler = self->scheduler;
        bool main_task = left->is_main;
        if (main_task) scheduler->value = atomic_load_explicit(&left->value, memory_order_relaxed);
        bide_record_end(self, left);
        if (main_task) {
            atomic_store(&scheduler->closing, true);
            bide_record_cancel_all(scheduler);
        }
        bide_worker_gone(scheduler, self);
        return;
    }
    if (self->left_for == BIDE_LEFT_TO_PARK) {
        uint32_t expected = BIDE_TASK_AWAKE;
        /* release: who wakes it sees what was saved */
        if (atomic_compare_exchange_strong_explicit(&left->state, &expected, BIDE_TASK_PARKED,
                                                    memory_order_release, memory_order_relaxed))
            return;
        /* Woken meanwhile. acquire: the task sees what its wakers have done. An exchange, so that this holds for
         * the last of them. */
        atomic_exchange_explicit(&left->state, BIDE_TASK_AWAKE, memory_order_acquire);
    }
    begin_queueing(self->thread_data);
    push(self, left);
    end_queueing(self->thread_data);
}

void bide_worker_leave(struct bide_task_record *record, int left_for)
{
    struct bide_worker *self = atomic_load_explicit(&record->worker, memory_order_relaxed);
    BIDE_ASSERT(atomic_load_explicit(&self->current, memory_order_relaxed) == record &&
                self == bide_worker_self());
    struct bide_task_record *next = NULL;
    if (self->turns_left > 0) {
        begin_queueing(self->thread_data);
        next = from_own(self);
        end_queueing(self->thread_data);
        if (!next && left_for == BIDE_LEFT_TO_YIELD && bide_inject_length(&self->scheduler->inject) == 0) {
            self->turns_left--;
            return;
        }
    }
    record->reactor = self->thread_data->reactor;
    record->since = self->now;
    atomic_store_explicit(&record->worker, NULL, memory_order_relaxed);
    self->left = record;
    self->left_for = left_for;
    prepare(self, next);
    struct bide_fiber *to = next ? &next->fiber : &self->fiber;
    if (left_for == BIDE_LEFT_FOR_GOOD) bide_fiber_exit(&record->fiber, to);
    bide_fiber_switch(&record->fiber, to);
    bide_worker_arrive(atomic_load_explicit(&record->worker, memory_order_relaxed));
}

void bide_worker_return(struct bide_task_record *record)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_worker *self = thread->parents;
    thread->parents = NULL;
    self->scheduler->forked = true;
    self->scheduler->value = atomic_load_explicit(&record->value, memory_order_relaxed);
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
    settle_all(self);
    begin_queueing(self->thread_data);
    bide_idle_enter(self);
    /* Invariant 8, also for the inbox. It may be this worker that is called. */
    if (bide_idle_is_work_left(scheduler)) bide_idle_call_one(scheduler);
    bide_count(&self->counts.parks);
    self->parking = self->dispatching = true;
    end_queueing(self->thread_data);
    if (!atomic_load(&scheduler->finished) && bide_inject_length(&self->inbox) == 0) {
        int error = bide_driver_park(scheduler->reactor, self->parker, BIDE_NEVER);
        /* The poller failed: the kernel is short of memory. Not again at once. */
        if (error < 0)
            bide_os_futex_wait(&self->parker->state, BIDE_PARKER_EMPTY, bide_after(BIDE_MILLISECONDS(10)));
    }
    self->parking = self->dispatching = false;
    self->dispatched = true;
    look_around(self);
    begin_queueing(self->thread_data);
    bide_idle_leave(self);
    end_queueing(self->thread_data);
}

/* A turn at the reactor, without waiting. */
static void look_at_reactor(struct bide_worker *self)
{
    self->turns_left = LOOK_AROUND;
    self->dispatching = true;
    bide_driver_yield(self->scheduler->reactor, self->parker);
    self->dispatching = false;
    self->dispatched = true;
    look_around(self);
}

static struct bide_task_record *find(struct bide_worker *self)
{
    bool looks_around = self->turns_left == 0;
    if (looks_around) look_at_reactor(self);
    begin_queueing(self->thread_data);
    struct bide_task_record *record = looks_around ? from_inject(self) : NULL;
    if (!record) record = from_own(self);
    if (!record) record = search(self);
    end_queueing(self->thread_data);
    return record;
}

/* Others may be needed too: if this was the only one that searched, or if the reactor has woken more tasks than
 * the one that runs now. */
static void call_others(struct bide_worker *self)
{
    begin_queueing(self->thread_data);
    bool last = bide_idle_end_search(self);
    bool more = self->dispatched && bide_deque_length(&self->deque) > 0;
    self->dispatched = false;
    if (!self->alone && (more || (last && bide_idle_is_work_left(self->scheduler))))
        bide_idle_call_one(self->scheduler);
    end_queueing(self->thread_data);
}

void bide_worker_run(struct bide_worker *self)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_reactor *reactor = thread->reactor;
    int cancelable = bide_os_cancel_disable();
    self->thread_data = thread;
    self->turns_left = LOOK_AROUND;
    thread->worker = self;
    look_around(self);
    bide_fiber_adopt(&self->fiber);
    while (!atomic_load(&self->scheduler->finished)) {
        struct bide_task_record *record = find(self);
        if (!record) {
            park(self);
            continue;
        }
        call_others(self);
        prepare(self, record);
        bide_fiber_switch(&self->fiber, &record->fiber);
        if (self->scheduler->forked) return;
        bide_worker_arrive(self);
    }
    (void)bide_idle_end_search(self);
    bide_fiber_retire(&self->fiber);
    bide_os_fault_stack_free(&self->fault_stack);
    bide_record_cache_drain(&self->records);
    thread->worker = NULL;
    thread->reactor = reactor;
    bide_os_cancel_restore(cancelable);
}
