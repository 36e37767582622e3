/* Tasks: their bodies, waiting, cancelling, joining, clean-up. See task.h for states and invariants.
 *
 * CANCELLING sets the verdict that each await of the task gives instead of waiting, for good; under a shield
 * the task does not heed it.
 *
 * JOINING. A handle is a record and a generation. Whoever gives it up (a join that succeeds, a detach) takes HELD
 * out of the record's life, so that only one of several does, and the others are told.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "os/assert.h"
#include "os/compiler.h"
#include "os/fence.h"
#include "os/thread.h"
#include "reactor/await.h"
#include "reactor/reactor.h"
#include "task/group.h"
#include "task/local.h"
#include "task/queueing.h"
#include "task/record.h"

#include <bide/debug.h>

#include <stdio.h>
#include <stdlib.h>

/* --- Running and waiting --- */

/* What a wake makes of a state. */
static uint32_t woken(uint32_t state)
{
    switch (state) {
    case BIDE_TASK_PARKED: return BIDE_TASK_AWAKE;
    case BIDE_TASK_AWAKE: return BIDE_TASK_NOTIFIED;
    case BIDE_TASK_EXAMINED: return BIDE_TASK_ROUSED;
    default: return state;
    }
}

void bide_task_wake(void *arg)
{
    struct bide_task_record *record = arg;
    uint32_t seen = atomic_load_explicit(&record->state, memory_order_relaxed);
    /* Also where it changes nothing: as a locked operation it has its place among the others on this word, so that
     * what the waker's caller published before is seen by the task after its next wait, which acquires.
     * acquire: who queues it sees what was saved. */
    while (!atomic_compare_exchange_weak_explicit(&record->state, &seen, woken(seen), memory_order_acq_rel,
                                                  memory_order_relaxed))
        continue;
    if (seen == BIDE_TASK_PARKED) bide_worker_queue(record, false);
}

bool bide_task_examine(struct bide_task_record *record)
{
    /* acquire: what the task wrote before it was left is seen */
    uint32_t expected = BIDE_TASK_PARKED;
    return atomic_compare_exchange_strong_explicit(&record->state, &expected, BIDE_TASK_EXAMINED,
                                                   memory_order_acquire, memory_order_relaxed);
}

void bide_task_let_go(struct bide_task_record *record)
{
    uint32_t expected = BIDE_TASK_EXAMINED;
    if (atomic_compare_exchange_strong_explicit(&record->state, &expected, BIDE_TASK_PARKED,
                                                memory_order_release, memory_order_relaxed))
        return;
    atomic_exchange_explicit(&record->state, BIDE_TASK_AWAKE, memory_order_acq_rel);
    bide_worker_queue(record, false);
}

int bide_task_wait(struct bide_awaiter *self, bide_instant deadline, bool firmly)
{
    struct bide_task_record *record = bide_task_of(self);
    int verdict = firmly ? 0 : bide_task_heed(record);
    if (verdict) return verdict;
    record->deadline = deadline;
    bool limited = !bide_is_never(deadline);
    int result = limited ? bide_limit_arm(record, deadline) : 0;
    /* One that waits for nothing, again and again, does not hold up the others. */
    if (result)
        bide_worker_yield(record);
    else
        bide_worker_park(record);
    if (limited && !result && bide_limit_fired(record) && !bide_before(bide_now(), deadline))
        result = BIDE_ETIMEDOUT;
    record->cx.budget_ = BIDE_BUDGET;
    verdict = firmly ? 0 : bide_task_heed(record);
    return verdict ? verdict : result;
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

bide_task bide_task_self(void)
{
    struct bide_task_record *record = bide_task_current();
    bide_task self = {record, record ? bide_record_generation(record) : 0};
    return self;
}

uint64_t bide_task_id(bide_task task)
{
    const struct bide_task_record *record = task.record_;
    return record ? (uint64_t)task.generation_ << 32 | record->number : 0;
}

bide_scheduler bide_scheduler_current(void)
{
    const struct bide_task_record *record = bide_task_current();
    struct bide_door *door = record ? record->scheduler->door : NULL;
    bide_scheduler scheduler = {door,
                                door ? atomic_load_explicit(&door->generation, memory_order_relaxed) : 0};
    return scheduler;
}

unsigned bide_task_worker(void)
{
    struct bide_task_record *record = bide_task_current();
    return record ? atomic_load_explicit(&record->worker, memory_order_relaxed)->index + 1 : 0;
}

/* --- Spawning --- */

/* The only worker that may run the task: 0, and NULL for any. `self`: the calling worker of the scheduler, or
 * NULL. */
static int find_home(struct bide_scheduler *scheduler, struct bide_worker *self,
                     const bide_task_options *options, struct bide_worker **home)
{
    *home = NULL;
    if (options->worker > scheduler->started) return BIDE_EINVAL;
    if (options->worker > 0)
        *home = &scheduler->workers[options->worker - 1];
    else if (options->pinned)
        *home = self ? self : &scheduler->workers[0];
    return 0;
}

/* The record alone. */
static BIDE_OS_INLINE int make_record(struct bide_task_record **made, struct bide_scheduler *scheduler,
                                      struct bide_worker *self, const bide_task_options *options, bool held)
{
    unsigned shelf = options->stack_size ? bide_shelf_for(options->stack_size) : scheduler->default_shelf;
    struct bide_worker *home;
    if (shelf >= BIDE_SHELVES || find_home(scheduler, self, options, &home) != 0) return BIDE_EINVAL;
    /* Counted before the look at `closing`: the end waits for all that were counted before it began. */
    bide_worker_come(scheduler, self);
    int error = atomic_load(&scheduler->closing) ? BIDE_ECANCELED : 0;
    struct bide_task_record *record = error ? NULL : bide_record_new(scheduler, self, shelf, held);
    if (!record) {
        bide_worker_gone(scheduler, self);
        return error ? error : BIDE_ENOMEM;
    }
    record->home = home;
    *made = record;
    return 0;
}

/* `thread`: the calling one. */
static BIDE_OS_INLINE int make(struct bide_task_record **made, const struct bide_thread *thread,
                               const char *place, bide_task *out, bide_task_function function, void *arg,
                               const bide_task_options *options)
{
    if (out) {
        out->record_ = NULL;
        out->generation_ = 0;
    }
    struct bide_worker *self = thread->worker;
    bool given = options->scheduler.door_ != NULL;
    if (!function || (!given && !thread->awaiter)) return BIDE_EINVAL;
    struct bide_scheduler *scheduler = given ? bide_door_enter(options->scheduler) : self->scheduler;
    if (!scheduler) return BIDE_ECANCELED;
    if (self && self->scheduler != scheduler) self = NULL;
    struct bide_locals *locals = thread->end ? thread->end->locals : NULL;
    if (thread->awaiter) locals = bide_task_of(thread->awaiter)->locals;
    struct bide_locals *inherited = NULL;
    int error = locals ? bide_locals_inherit(locals, &inherited) : 0;
    if (!error) error = make_record(made, scheduler, self, options, out != NULL);
    if (given) bide_door_leave(options->scheduler);
    if (error) {
        if (inherited) bide_locals_end(&inherited);
        return error;
    }
    struct bide_task_record *record = *made;
    record->locals = inherited;
    record->function = function;
    record->arg = arg;
    record->place = place;
    record->drop = options->drop;
    record->name = options->name;
    if (out) {
        out->record_ = record;
        out->generation_ = bide_record_generation(record);
    }
    return 0;
}

/* `self`: the calling worker of the scheduler, or NULL. */
static BIDE_OS_INLINE void start(struct bide_task_record *record, struct bide_worker *self)
{
    struct bide_scheduler *scheduler = record->scheduler;
    bide_record_publish(record);
    if (self && !record->home)
        bide_worker_queue_fresh(self, record);
    else
        bide_worker_queue(record, true);
    /* The end may have passed by before the record was there to be found. Not so if this worker is alone: then
     * the end is its own. */
    if (atomic_load(&scheduler->closing)) bide_record_cancel_all(scheduler);
}

int bide_task_make(struct bide_task_record **made, const char *place, bide_task *out,
                   bide_task_function function, void *arg, const bide_task_options *options)
{
    return make(made, bide_thread_self(), place, out, function, arg, options);
}

void bide_task_start(struct bide_task_record *record, const bide_task_options *options)
{
    /* As soon as it is queued it may end, and its scheduler with it, which waits for who has entered. */
    bool given = options->scheduler.door_ != NULL;
    if (given) (void)bide_door_enter(options->scheduler);
    start(record, NULL);
    if (given) bide_door_leave(options->scheduler);
}

int(bide_spawn)(bide_task *out, bide_task_function function, void *arg, const bide_task_options *options)
{
    return bide_spawn_at(NULL, out, function, arg, options);
}

static BIDE_OS_NOINLINE int spawn_with(const char *place, bide_task *out, bide_task_function function,
                                       void *arg, const bide_task_options *options)
{
    struct bide_task_record *record;
    int error = make(&record, bide_thread_self(), place, out, function, arg, options);
    if (!error) bide_task_start(record, options);
    return error;
}

int bide_spawn_at(const char *place, bide_task *out, bide_task_function function, void *arg,
                  const bide_task_options *options)
{
    static const bide_task_options defaults;
    if (options) return spawn_with(place, out, function, arg, options);
    const struct bide_thread *thread = bide_thread_self();
    struct bide_task_record *record;
    int error = make(&record, thread, place, out, function, arg, &defaults);
    if (!error) start(record, thread->worker);
    return error;
}

/* --- Cancelling --- */

void bide_task_call(struct bide_task_record *record)
{
    bide_task_wake(record);
    bide_os_fence(); /* invariant 12 */
    if (atomic_load(&record->joining) == BIDE_TASK_ASIDE) bide_worker_take_back(record);
}

void bide_task_ask(struct bide_task_record *record)
{
    atomic_store(&record->awaiter.verdict, BIDE_ECANCELED);
    bide_task_call(record);
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

int bide_task_cancel(bide_task task)
{
    struct bide_task_record *record = task.record_;
    if (!record) return BIDE_EINVAL;
    if (bide_record_pin(record, task.generation_)) {
        bide_task_ask(record);
        bide_record_unpin(record);
        return 0;
    }
    return bide_record_is_held(record, task.generation_) ? 0 : BIDE_EFREED;
}

/* --- Its stack --- */

int bide_task_stack_high_water(bide_task task, size_t *bytes)
{
    struct bide_task_record *record = task.record_;
    if (!bytes || !record) return BIDE_EINVAL;
    if (!bide_record_pin(record, task.generation_)) return BIDE_EFREED;
    struct bide_stack stack = {.low = record->stack->low, .size = record->stack->size};
    bide_record_unpin(record);
    /* It may end meanwhile: then the system is asked about addresses of nobody. */
    *bytes = bide_stack_used(&stack);
    return 0;
}

size_t bide_stack_high_water(void)
{
    const struct bide_task_record *record = bide_task_current();
    return record ? bide_stack_used(record->stack) : 0;
}

/* --- Joining --- */

int bide_task_detach(bide_task task)
{
    struct bide_task_record *record = task.record_;
    int value;
    if (!record) return BIDE_EINVAL;
    if (bide_record_give_up(record, task.generation_, true, &value) != BIDE_HANDED_OVER) return BIDE_EFREED;
    bide_os_fence(); /* invariant 12 */
    struct bide_task_record *aside = atomic_load(&record->aside);
    if (aside) bide_worker_take_back(aside);
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

/* Also by a handle that was given up: the main task's, or one's that is detached. */
static bool is_oneself(bide_task task)
{
    return task.record_ == bide_task_current() && task.generation_ == bide_record_generation(task.record_);
}

static int joining_poll(bide_future *self, bide_context *cx)
{
    bide_task_joining *joining = (bide_task_joining *)self;
    struct bide_task_record *record = joining->task_.record_;
    uint32_t generation = joining->task_.generation_;
    if (!record) return joining_finish(joining, BIDE_EINVAL);
    leave_queue(joining);
    for (;;) {
        switch (bide_record_give_up(record, generation, false, &joining->value)) {
        case BIDE_HANDED_OVER: return joining_finish(joining, 0);
        case BIDE_HANDED_FREED:
            return joining_finish(joining, is_oneself(joining->task_) ? BIDE_EDEADLK : BIDE_EFREED);
        default: break;
        }
        if (is_oneself(joining->task_)) return joining_finish(joining, BIDE_EDEADLK);
        if (bide_record_await(record, generation, &joining->waiter_, cx)) return BIDE_PENDING;
    }
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

/* The first poll of a join, by a task that may wait, without the way through the future: BIDE_READY, BIDE_PENDING, or
 * what is neither: then nothing is done. */
static int begin_to_join(bide_task_joining *joining, bide_context *cx)
{
    struct bide_task_record *record = joining->task_.record_;
    uint32_t generation = joining->task_.generation_;
    if (!cx || !record || record == bide_task_current()) return BIDE_EINVAL;
    if (bide_record_give_up(record, generation, false, &joining->value) == BIDE_HANDED_OVER)
        return BIDE_READY;
    return bide_record_await(record, generation, &joining->waiter_, cx) ? BIDE_PENDING : BIDE_EINVAL;
}

int bide_task_join_slowly(bide_task task, int *value, bide_instant deadline)
{
    bide_task_joining joining;
    bide_task_joining_init(&joining, task);
    int error = begin_to_join(&joining, bide_await_context());
    if (error != BIDE_READY) {
        error = error == BIDE_PENDING ? bide_await_rest(&joining.future, deadline)
                                      : bide_await(&joining.future, deadline);
        if (!error) error = joining.result;
    } else {
        error = 0;
    }
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
