/* Workers: queueing tasks, looking for work, stealing it, parking. See task.h for the invariants, and turn.c for the
 * switches between tasks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/assert.h"
#include "os/compiler.h"
#include "os/thread.h"
#include "reactor/reactor.h"
#include "task/queueing.h"

/* After so many switches a worker looks at the clock and the injection queue: prime, so that it falls into step with
 * nothing. It goes to its own stack then, and looks at the reactor, if something is queued there or the last look was
 * so long ago: a look costs as much as a hundred switches. */
#define LOOK_AROUND 61u
#define LOOK_PERIOD BIDE_MICROSECONDS(10)

/* Pauses of the processor, of 40 to 140 cycles: some microseconds. */
#define SLOT_PATIENCE 100

/* Called in vain so often in a row, a worker pauses before it looks once more, and only then parks. */
#define PATIENCE 8u
#define PAUSE BIDE_MICROSECONDS(50)

/* From the injection queue. */
#define MOST_AT_ONCE 64u

struct bide_worker *bide_worker_self(void)
{
    return bide_thread_self()->worker;
}

/* --- Counting tasks --- */

void bide_worker_settle(struct bide_scheduler *scheduler, size_t count)
{
    /* seq_cst, as in bide_worker_come */
    if (count == 0 || atomic_fetch_sub(&scheduler->live, count) != count) return;
    atomic_store(&scheduler->finished, true);
    bide_idle_call_all(scheduler);
}

static void settle_all(struct bide_worker *self)
{
    size_t credits = bide_worker_credits(self);
    atomic_store_explicit(&self->credits, 0, memory_order_relaxed);
    bide_worker_settle(self->scheduler, credits);
}

size_t bide_worker_tasks(struct bide_scheduler *scheduler)
{
    size_t tasks = atomic_load_explicit(&scheduler->live, memory_order_relaxed);
    for (unsigned i = 0; i < scheduler->count; i++) {
        size_t credits = bide_worker_credits(&scheduler->workers[i]);
        tasks -= credits < tasks ? credits : tasks;
    }
    return tasks;
}

/* --- Signal handlers: invariant 11 --- */

BIDE_OS_NOINLINE void bide_queueing_late(struct bide_thread *thread)
{
    /* relaxed, here and below: the list is this thread's and its handlers' */
    struct bide_runnable *list = atomic_exchange_explicit(&thread->late_tasks, NULL, memory_order_relaxed);
    while (list) {
        struct bide_runnable *next = list->next;
        bide_worker_queue((struct bide_task_record *)list, false);
        list = next;
    }
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
        bide_worker_push(self, record);
    } else if (self->dispatching) {
        /* In the order of the reactor's wakes. The first one runs at once: who else is needed for the others is
         * told when all are there. */
        bide_deque_push(&self->deque, &record->runnable, &self->scheduler->inject);
    } else {
        bide_worker_put_in_slot(self, record);
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
    bide_queueing_begin(thread);
    queue(thread->worker, record, fresh);
    bide_queueing_end(thread);
}

void bide_worker_queue_main(struct bide_task_record *record)
{
    struct bide_thread *thread = bide_thread_self();
    bide_queueing_begin(thread);
    bide_inject_push(&record->scheduler->inject, &record->runnable);
    bide_queueing_end(thread);
}

static struct bide_task_record *from_inbox(struct bide_worker *self)
{
    struct bide_runnable *first;
    (void)bide_inject_take(&self->inbox, &first, 1);
    return (struct bide_task_record *)first;
}

/* The ring and the inbox take turns. */
BIDE_OS_NOINLINE struct bide_task_record *bide_worker_from_ring_or_inbox(struct bide_worker *self)
{
    struct bide_task_record *record = self->inbox_had_turn ? NULL : from_inbox(self);
    self->inbox_had_turn = record != NULL;
    if (!record) record = bide_worker_from_ring(self);
    return record ? record : from_inbox(self);
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
    return bide_worker_swap_slot(victim, NULL);
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

/* --- The worker's own stack --- */

/* From time to time, and after each wait. */
static void look_around(struct bide_worker *self)
{
    self->now = self->looked = bide_now();
    if (atomic_load_explicit(&bide_overflow_watched, memory_order_relaxed) && !self->equipped)
        bide_overflow_equip(self);
}

BIDE_OS_NOINLINE bool bide_worker_renew(struct bide_worker *self)
{
    if (bide_inject_length(&self->scheduler->inject) > 0) return false;
    self->now = bide_now();
    if (bide_instant_since(self->now, self->looked) >= LOOK_PERIOD) return false;
    self->turns_end = bide_worker_switches(self) + LOOK_AROUND;
    return true;
}

static void park(struct bide_worker *self)
{
    struct bide_scheduler *scheduler = self->scheduler;
    settle_all(self);
    bide_queueing_begin(self->thread_data);
    bide_idle_enter(self);
    /* Invariant 8, also for the inbox. It may be this worker that is called. */
    if (bide_idle_is_work_left(scheduler)) bide_idle_call_one(scheduler);
    bide_count(&self->counts.parks);
    self->parking = self->dispatching = true;
    bide_queueing_end(self->thread_data);
    if (!atomic_load(&scheduler->finished) && bide_inject_length(&self->inbox) == 0) {
        int error = bide_driver_park(scheduler->reactor, self->parker, BIDE_NEVER);
        /* The poller failed: the kernel is short of memory. Not again at once. */
        if (error < 0)
            bide_os_futex_wait(&self->parker->state, BIDE_PARKER_EMPTY, bide_after(BIDE_MILLISECONDS(10)));
    }
    self->parking = self->dispatching = false;
    self->dispatched = true;
    look_around(self);
    bide_queueing_begin(self->thread_data);
    bide_idle_leave(self);
    bide_queueing_end(self->thread_data);
    self->called = self->searching;
}

/* Who spawns one task after the other, and joins each at once, leaves nothing for those who are called for it. But as it
 * lies in the ring for a moment, they call themselves when they look there before they park, and look again and again:
 * each look costs the spawner his cache lines. So one that was called in vain time and again pauses, as one that searches
 * and is slow: nobody calls it meanwhile, and it looks once more. Returns whether it does. */
static BIDE_OS_NOINLINE bool pause_after_vain_call(struct bide_worker *self)
{
    if (!self->called || !self->searching) return false;
    self->called = false;
    if (++self->in_vain <= PATIENCE) return false;
    bide_os_futex_wait(&self->parker->state, BIDE_PARKER_EMPTY, bide_after(PAUSE));
    self->now = bide_now();
    return true;
}

/* A turn at the reactor, without waiting. */
static void look_at_reactor(struct bide_worker *self)
{
    self->turns_end = bide_worker_switches(self) + LOOK_AROUND;
    self->dispatching = true;
    bide_driver_yield(self->scheduler->reactor, self->parker);
    self->dispatching = false;
    self->dispatched = true;
    look_around(self);
}

static struct bide_task_record *find(struct bide_worker *self)
{
    bool looks_around = bide_worker_switches(self) >= self->turns_end;
    if (looks_around) look_at_reactor(self);
    bide_queueing_begin(self->thread_data);
    struct bide_task_record *record = looks_around ? from_inject(self) : NULL;
    if (!record) record = bide_worker_from_own(self);
    if (!record) record = search(self);
    bide_queueing_end(self->thread_data);
    return record;
}

/* Others may be needed too: if this was the only one that searched, or if the reactor has woken more tasks than
 * the one that runs now. */
static void call_others(struct bide_worker *self)
{
    bide_queueing_begin(self->thread_data);
    bool last = bide_idle_end_search(self);
    bool more = self->dispatched && bide_deque_length(&self->deque) > 0;
    self->dispatched = false;
    if (!self->alone && (more || (last && bide_idle_is_work_left(self->scheduler))))
        bide_idle_call_one(self->scheduler);
    bide_queueing_end(self->thread_data);
}

void bide_worker_run(struct bide_worker *self)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_reactor *reactor = thread->reactor;
    int cancelable = bide_os_cancel_disable();
    self->thread_data = thread;
    self->turns_end = bide_worker_switches(self) + LOOK_AROUND;
    thread->worker = self;
    look_around(self);
    bide_fiber_adopt(&self->fiber);
    while (!atomic_load(&self->scheduler->finished)) {
        struct bide_task_record *record = find(self);
        if (!record) {
            if (!pause_after_vain_call(self)) park(self);
            continue;
        }
        self->in_vain = 0;
        call_others(self);
        bide_worker_prepare(self, thread, record);
        bide_fiber_switch(&self->fiber, &record->stack->fiber);
        if (self->scheduler->forked) return;
        bide_worker_arrive(self);
    }
    (void)bide_idle_end_search(self);
    bide_worker_dismiss(self);
    bide_fiber_retire(&self->fiber);
    bide_os_fault_stack_free(&self->fault_stack);
    bide_record_cache_drain(&self->records);
    thread->worker = NULL;
    thread->reactor = reactor;
    bide_os_cancel_restore(cancelable);
}
