/* Tasks: their bodies, waiting, cancelling, joining, clean-up. See task.h for states and invariants.
 *
 * CANCELLING sets the verdict that each await of the task gives instead of waiting, for good; under a shield
 * the task does not heed it.
 *
 * JOINING. A handle is a record and a generation. Whoever gives it up (a join that succeeds, a detach) raises
 * the generation under the record's wait lock, so that only one of several does, and the others are told.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/task.h"

#include "future/future.h"
#include "os/assert.h"
#include "os/thread.h"
#include "reactor/await.h"
#include "reactor/reactor.h"
#include "task/group.h"

#include <bide/debug.h>

#include <stdio.h>
#include <stdlib.h>

/* --- Running and waiting --- */

void bide_task_wake(void *arg)
{
    struct bide_task_record *record = arg;
    /* seq_cst: what the waker's caller published comes before, and is seen after the task has been resumed or
     * has found itself NOTIFIED */
    uint32_t seen = atomic_load(&record->state);
    for (;;) {
        if (seen == BIDE_TASK_PARKED) {
            if (!atomic_compare_exchange_weak(&record->state, &seen, BIDE_TASK_QUEUED)) continue;
            bide_worker_queue(record, false);
            return;
        }
        if (seen != BIDE_TASK_RUNNING && seen != BIDE_TASK_EXAMINED) return;
        uint32_t woken = seen == BIDE_TASK_RUNNING ? BIDE_TASK_NOTIFIED : BIDE_TASK_ROUSED;
        if (atomic_compare_exchange_weak(&record->state, &seen, woken)) return;
    }
}

bool bide_task_examine(struct bide_task_record *record)
{
    /* seq_cst, as all of this word: what the task wrote before it was left is seen */
    uint32_t expected = BIDE_TASK_PARKED;
    return atomic_compare_exchange_strong(&record->state, &expected, BIDE_TASK_EXAMINED);
}

void bide_task_let_go(struct bide_task_record *record)
{
    uint32_t expected = BIDE_TASK_EXAMINED;
    if (atomic_compare_exchange_strong(&record->state, &expected, BIDE_TASK_PARKED)) return;
    atomic_store(&record->state, BIDE_TASK_QUEUED);
    bide_worker_queue(record, false);
}

void bide_task_init_timer(bide_timer *timer, bide_instant deadline)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_reactor *entered = thread->reactor;
    thread->reactor = NULL;
    bide_timer_at(timer, deadline);
    thread->reactor = entered;
}

/* The verdict. If there is one the groups that the task has opened are cancelled too. */
static int heed(struct bide_task_record *record)
{
    int verdict = bide_awaiter_verdict(&record->awaiter);
    if (verdict) bide_group_cancel_owned(record);
    return verdict;
}

int bide_task_wait(struct bide_awaiter *self, bide_instant deadline, bool firmly)
{
    struct bide_task_record *record = bide_task_of(self);
    int verdict = firmly ? 0 : heed(record);
    if (verdict) return verdict;
    int result = 0;
    record->deadline = deadline;
    if (bide_is_never(deadline)) {
        bide_worker_leave(record, BIDE_LEFT_TO_PARK);
    } else {
        bide_timer limit;
        bide_task_init_timer(&limit, deadline);
        record->cx.budget_ = BIDE_BUDGET;
        if (bide_future_poll(&limit.future, &record->cx) == BIDE_PENDING) {
            bide_worker_leave(record, BIDE_LEFT_TO_PARK);
            (void)bide_future_cancel(&limit.future, &record->cx);
        } else {
            result = bide_timer_error(&limit);
        }
        if (!result && !bide_before(bide_now(), deadline)) result = BIDE_ETIMEDOUT;
    }
    record->cx.budget_ = BIDE_BUDGET;
    verdict = firmly ? 0 : heed(record);
    return verdict ? verdict : result;
}

static void run_deferred(struct bide_task_record *record)
{
    while (record->deferred_count > 0) {
        struct bide_deferred last = record->deferred[--record->deferred_count];
        last.function(last.arg);
    }
}

void bide_task_main(void *arg)
{
    struct bide_task_record *record = arg;
    bide_worker_arrive();
    if (atomic_load(&record->awaiter.verdict)) {
        record->value = BIDE_ECANCELED;
        if (record->drop) record->drop(record->arg);
    } else {
        record->value = record->function(record->arg);
    }
    run_deferred(record);
    if (!bide_worker_self()) bide_worker_return(record);
    BIDE_ASSERT(!record->owned); /* a group that was not closed */
    if (record->group) bide_group_leave(record);
    bide_worker_leave(record, BIDE_LEFT_FOR_GOOD);
}

struct bide_task_record *bide_task_current(void)
{
    struct bide_awaiter *awaiter = bide_thread_self()->awaiter;
    return awaiter ? bide_task_of(awaiter) : NULL;
}

bool bide_in_task(void)
{
    return bide_task_current() != NULL;
}

const char *bide_task_name(void)
{
    const struct bide_task_record *record = bide_task_current();
    if (!record) return NULL;
    return record->name ? record->name : "";
}

bide_scheduler *bide_scheduler_current(void)
{
    const struct bide_task_record *record = bide_task_current();
    return record ? record->scheduler : NULL;
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
    int verdict = heed(record);
    if (verdict) return verdict;
    bide_worker_leave(record, BIDE_LEFT_TO_YIELD);
    return heed(record);
}

/* --- Spawning --- */

int bide_task_make(struct bide_task_record **made, const char *place, bide_task *out,
                   bide_task_function function, void *arg, const bide_task_options *options)
{
    if (out) {
        out->record_ = NULL;
        out->generation_ = 0;
    }
    struct bide_scheduler *scheduler = options->scheduler ? options->scheduler : bide_scheduler_current();
    if (!function || !scheduler) return BIDE_EINVAL;
    unsigned shelf = options->stack_size ? bide_shelf_for(options->stack_size) : scheduler->default_shelf;
    if (shelf >= BIDE_SHELVES) return BIDE_EINVAL;
    /* Counted before the look at `closing`: the end cancels all that it finds, and waits for all that are
     * counted. */
    atomic_fetch_add(&scheduler->live, 1);
    int error = atomic_load(&scheduler->closing) ? BIDE_ECANCELED : 0;
    struct bide_task_record *record = NULL;
    if (!error) {
        record = bide_record_new(scheduler, shelf, out != NULL);
        if (!record) error = BIDE_ENOMEM;
    }
    if (error) {
        bide_worker_gone(scheduler);
        return error;
    }
    record->function = function;
    record->arg = arg;
    record->drop = options->drop;
    record->name = options->name;
    record->place = place;
    if (out) {
        out->record_ = record;
        out->generation_ = record->generation;
    }
    *made = record;
    return 0;
}

void bide_task_start(struct bide_task_record *record)
{
    atomic_store(&record->state, BIDE_TASK_QUEUED);
    /* The end may have passed by before the record was there to be found. */
    if (atomic_load(&record->scheduler->closing)) bide_task_ask(record);
    bide_worker_queue(record, true);
}

int(bide_spawn)(bide_task *out, bide_task_function function, void *arg, const bide_task_options *options)
{
    return bide_spawn_at(NULL, out, function, arg, options);
}

int bide_spawn_at(const char *place, bide_task *out, bide_task_function function, void *arg,
                  const bide_task_options *options)
{
    static const bide_task_options defaults;
    struct bide_task_record *record;
    int error = bide_task_make(&record, place, out, function, arg, options ? options : &defaults);
    if (!error) bide_task_start(record);
    return error;
}

/* --- Cancelling --- */

void bide_task_ask(struct bide_task_record *record)
{
    atomic_store(&record->awaiter.verdict, BIDE_ECANCELED);
    bide_task_wake(record);
}

void bide_shield(void)
{
    struct bide_task_record *record = bide_task_current();
    if (record) record->awaiter.shields++;
}

void bide_unshield(void)
{
    struct bide_task_record *record = bide_task_current();
    if (record && record->awaiter.shields > 0) record->awaiter.shields--;
}

/* The record of a valid handle, with its wait lock held; NULL, and nothing held. */
static struct bide_task_record *look_up(bide_task task, bide_os_mutex **wait_lock, int *error)
{
    struct bide_task_record *record = task.record_;
    *error = record ? 0 : BIDE_EINVAL;
    if (!record) return NULL;
    *wait_lock = bide_wait_lock(record);
    if (record->generation == task.generation_) return record;
    bide_wait_unlock(*wait_lock);
    *error = BIDE_EFREED;
    return NULL;
}

int bide_task_cancel(bide_task task)
{
    bide_os_mutex *wait_lock;
    int error;
    struct bide_task_record *record = look_up(task, &wait_lock, &error);
    if (!record) return error;
    bool runs = (record->life & BIDE_TASK_RUNS) != 0;
    if (runs) atomic_store(&record->awaiter.verdict, BIDE_ECANCELED);
    bide_wait_unlock(wait_lock);
    if (runs) bide_task_wake(record);
    return 0;
}

/* --- Its stack --- */

int bide_task_stack_high_water(bide_task task, size_t *bytes)
{
    bide_os_mutex *wait_lock;
    int error;
    if (!bytes) return BIDE_EINVAL;
    struct bide_task_record *record = look_up(task, &wait_lock, &error);
    if (!record) return error;
    bool runs = (record->life & BIDE_TASK_RUNS) != 0;
    struct bide_stack stack = {.low = runs ? record->stack->low : NULL,
                               .size = runs ? record->stack->size : 0};
    bide_wait_unlock(wait_lock);
    /* It may end meanwhile: then the system is asked about addresses of nobody. */
    if (runs) *bytes = bide_stack_used(&stack);
    return runs ? 0 : BIDE_EFREED;
}

size_t bide_stack_high_water(void)
{
    const struct bide_task_record *record = bide_task_current();
    return record ? bide_stack_used(record->stack) : 0;
}

/* --- Joining --- */

/* Gives the handle up. Lock held: released. */
static void give_up_handle(struct bide_task_record *record, bide_os_mutex *wait_lock)
{
    record->generation++;
    record->life &= ~(uint32_t)BIDE_TASK_HELD;
    bool gone = record->life == 0;
    bide_link batch;
    bide_ring_init(&batch);
    /* Who else waits to join is too late. */
    bide_ring_splice(&record->joiners, &batch);
    bide_batch_wake(wait_lock, record, &batch);
    if (gone) bide_record_free(record);
}

int bide_task_detach(bide_task task)
{
    bide_os_mutex *wait_lock;
    int error;
    struct bide_task_record *record = look_up(task, &wait_lock, &error);
    if (!record) return error;
    give_up_handle(record, wait_lock);
    return 0;
}

/* Takes it out of the queue, or of a batch. */
static void leave_queue(bide_task_joining *joining)
{
    bide_waiter *waiter = &joining->waiter_;
    if (bide_waiter_state(waiter) == 0) return;
    bide_os_mutex *wait_lock = bide_wait_lock(joining->task_.record_);
    if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) bide_waiter_unlink(waiter);
    bide_wait_unlock(wait_lock);
    bide_waiter_quiesce(waiter);
}

static int joining_finish(bide_task_joining *joining, int result)
{
    joining->result = result;
    return BIDE_READY;
}

static int joining_poll(bide_future *self, bide_context *cx)
{
    bide_task_joining *joining = (bide_task_joining *)self;
    struct bide_task_record *own = bide_task_current();
    leave_queue(joining);
    bide_os_mutex *wait_lock;
    int error;
    struct bide_task_record *record = look_up(joining->task_, &wait_lock, &error);
    if (!record) return joining_finish(joining, error);
    if (record == own) {
        bide_wait_unlock(wait_lock);
        return joining_finish(joining, BIDE_EDEADLK);
    }
    if (record->life & BIDE_TASK_RUNS) {
        uint32_t flags = cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
        bide_waiter_link(&record->joiners, &joining->waiter_, cx->waker_, flags);
        bide_wait_unlock(wait_lock);
        return BIDE_PENDING;
    }
    joining->value = record->value;
    give_up_handle(record, wait_lock);
    return joining_finish(joining, 0);
}

static int joining_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_task_joining *joining = (bide_task_joining *)self;
    leave_queue(joining);
    return joining_finish(joining, BIDE_ECANCELED);
}

static void joining_describe(const bide_future *self, char *text, size_t room)
{
    const struct bide_task_record *record = ((const bide_task_joining *)self)->task_.record_;
    (void)snprintf(text, room, "task %u", (unsigned)record->number);
}

static const bide_future_kind joining_kind = {
    {sizeof joining_kind.ops, joining_poll, joining_cancel, BIDE_FUTURE_NAMED}, "join of", joining_describe};

void bide_task_joining_init(bide_task_joining *joining, bide_task task)
{
    if (!joining) return;
    bide_future_init(&joining->future, &joining_kind.ops);
    bide_waiter_init(&joining->waiter_);
    joining->task_ = task;
    joining->value = 0;
    joining->result = BIDE_ECANCELED;
}

int bide_task_join(bide_task task, int *value, bide_instant deadline)
{
    bide_task_joining joining;
    bide_task_joining_init(&joining, task);
    int error = bide_await(&joining.future, deadline);
    if (!error) error = joining.result;
    if (!error && value) *value = joining.value;
    return error;
}

/* --- Clean-up --- */

int bide_defer(void (*function)(void *arg), void *arg)
{
    struct bide_task_record *record = bide_task_current();
    if (!record || !function) return BIDE_EINVAL;
    if (record->deferred_count == record->deferred_room) {
        unsigned room = record->deferred_room ? record->deferred_room * 2 : 4;
        struct bide_deferred *grown = realloc(record->deferred, room * sizeof *grown);
        if (!grown) return BIDE_ENOMEM;
        record->deferred = grown;
        record->deferred_room = room;
    }
    record->deferred[record->deferred_count].function = function;
    record->deferred[record->deferred_count++].arg = arg;
    return 0;
}
