/* Groups of tasks.
 *
 *   OPEN --fails: a task, the deadline, a cancel--> FAILED (error_ is not 0; all tasks are cancelled)
 *     \                                                |
 *      +---------------- close, none is left ----------+--> CLOSED
 *
 *   a task: COUNTED --made--> MEMBER --ended--> left, and counted no more
 *             \--cannot be made--> counted no more
 *
 * INVARIANTS (all but what is said otherwise is guarded by the group's wait lock)
 * 1. running_ counts the members, those that are being made or end, and the slots given to GRANTED spawnings.
 *    With a limit it is not raised above that.
 * 2. The group is used by its tasks only while they are counted: the step that lowers running_ is the last,
 *    and the batch that is woken after it lies on the stack of who does so. So whoever has closed the group
 *    may free it.
 * 3. error_ is set once. Who sets it cancels all members; one that is being made then finds it set when it
 *    becomes a member, and is cancelled before it starts.
 * 4. A spawning is linked in room_ only while the limit is reached and the group has not failed. Slots that
 *    fall free are given to the first in it, so that none is overtaken; one that is cancelled with a slot
 *    passes it on.
 * 5. owner_, outer_ and timed_ belong to the task that opened the group, and so does its chain of open groups,
 *    record->owned. That task outlives the group, and the group its tasks; so a task may follow its group's
 *    owner_ upwards.
 * 6. A member's record is a member's as long as it is in members_, or in the batch of a cancel: then its
 *    verdict may be set. It is woken without the lock, and may have become another task's by then, for which
 *    the wake is a spurious one.
 *
 * A cancelled task cancels the groups it has opened by itself, when it comes upon its verdict in a wait (`heed`
 * in task.c): nobody else need walk a tree of tasks, and a shield is heeded on each level.
 *
 * docs/models/group.pml is this protocol as a model.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/group.h"

#include "future/future.h"
#include "os/assert.h"
#include "os/fork.h"
#include "reactor/reactor.h"
#include "task/record.h"

#include <stdio.h>

static struct bide_task_record *record_of(bide_link *member)
{
    return (struct bide_task_record *)((char *)member - offsetof(struct bide_task_record, member));
}

/* Made by the parent of this process, where its tasks are. */
static bool is_parents(const bide_group *group)
{
    return group->born_ != bide_os_forks;
}

/* Whether the calling task is one of the group's, or below one. */
static bool is_below(const bide_group *group)
{
    const struct bide_task_record *record = bide_task_current();
    while (record && record->group) {
        if (record->group == group) return true;
        record = record->group->owner_;
    }
    return false;
}

/* Takes the waiter out of its queue, or of a batch. Returns whether it was given a slot, which is its own now. */
static bool leave(const bide_group *group, bide_waiter *waiter)
{
    if (bide_waiter_state(waiter) == 0) return false;
    bide_os_mutex *lock = bide_wait_lock(group);
    if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) bide_waiter_unlink(waiter);
    bide_wait_unlock(lock);
    bide_waiter_quiesce(waiter);
    bool granted = (bide_waiter_state(waiter) & BIDE_WAITER_GRANTED) != 0;
    waiter->state_ = 0;
    return granted;
}

/* --- Cancelling --- */

/* Gives slots that are free to those who wait for room: they go into the batch. Lock held. */
static void give_room(bide_group *group, bide_link *batch)
{
    while (!bide_ring_empty(&group->room_) && (group->limit_ == 0 || group->running_ < group->limit_)) {
        bide_waiter *first = bide_queue_first(&group->room_);
        bide_ring_remove(&first->link_);
        bide_ring_append(batch, &first->link_);
        /* release: as all that is done to a waiter before its wake */
        atomic_fetch_or_explicit(BIDE_ATOMIC_U32(&first->state_), BIDE_WAITER_GRANTED, memory_order_release);
        group->running_++;
    }
}

/* Fails the group, unless it has failed before. The caller sees to it that it is not closed meanwhile. */
static void fail(bide_group *group, int error)
{
    bide_link batch, late;
    bide_ring_init(&batch);
    bide_ring_init(&late);
    bide_os_mutex *lock = bide_wait_lock(group);
    if (group->error_) {
        bide_wait_unlock(lock);
        return;
    }
    group->error_ = error;
    bide_ring_splice(&group->room_, &late);
    bide_ring_splice(&group->members_, &batch);
    while (!bide_ring_empty(&batch)) {
        bide_link *member = batch.next_;
        struct bide_task_record *record = record_of(member);
        bide_ring_remove(member);
        bide_ring_append(&group->members_, member);
        atomic_store(&record->awaiter.verdict, BIDE_ECANCELED);
        bide_wait_unlock(lock);
        bide_task_call(record);
        lock = bide_wait_lock(group);
    }
    bide_batch_wake(lock, group, &late);
}

void bide_group_cancel_owned(const struct bide_task_record *record)
{
    for (bide_group *group = record->owned; group; group = group->outer_)
        if (!is_parents(group)) fail(group, BIDE_ECANCELED);
}

/* One task less is counted. Lock held, and released; the group may be gone then. */
static void uncount(bide_group *group, bide_os_mutex *lock)
{
    bide_link batch;
    bide_ring_init(&batch);
    group->running_--;
    if (!group->error_) give_room(group, &batch);
    if (group->running_ == 0) bide_ring_splice(&group->waiters_, &batch);
    bide_batch_wake(lock, group, &batch);
}

void bide_group_leave(struct bide_task_record *record)
{
    bide_group *group = record->group;
    int value = atomic_load_explicit(&record->value, memory_order_relaxed);
    bool cancelled = value == BIDE_ECANCELED && atomic_load(&record->awaiter.verdict);
    /* Whoever is told that all are gone may take the names back. */
    if (record->name) bide_record_forget_name(record);
    bide_os_mutex *lock = bide_wait_lock(group);
    bide_ring_remove(&record->member);
    bide_wait_unlock(lock);
    if (value < 0 && !cancelled) fail(group, value);
    uncount(group, bide_wait_lock(group));
}

/* --- Spawning --- */

static int spawning_finish(bide_group_spawning *spawning, int result)
{
    spawning->result = result;
    return BIDE_READY;
}

/* Makes the task, for which there is a slot. */
static int spawn(bide_group_spawning *spawning)
{
    bide_group *group = spawning->group_;
    struct bide_task_record *record;
    int error = bide_task_make(&record, spawning->place_, spawning->out_, spawning->function_, spawning->arg_,
                               &spawning->options_);
    bide_os_mutex *lock = bide_wait_lock(group);
    if (error) {
        uncount(group, lock);
        return error;
    }
    record->group = group;
    bide_ring_append(&group->members_, &record->member);
    if (group->error_) atomic_store(&record->awaiter.verdict, BIDE_ECANCELED);
    bide_wait_unlock(lock);
    bide_task_start(record, &spawning->options_);
    return 0;
}

enum { WAITS = 1 };

/* 0: it has a slot; WAITS for one; or why there is none. */
static int count(bide_group_spawning *spawning, const bide_context *cx, bool granted)
{
    bide_group *group = spawning->group_;
    int answer = 0;
    bide_os_mutex *lock = bide_wait_lock(group);
    if (group->error_ || group->closed_) {
        answer = group->closed_ ? BIDE_EFREED : BIDE_ECANCELED;
        if (granted) {
            uncount(group, lock);
            return answer;
        }
    } else if (!granted &&
               (!bide_ring_empty(&group->room_) || (group->limit_ && group->running_ >= group->limit_))) {
        uint32_t flags = cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
        bide_waiter_link(&group->room_, &spawning->waiter_, cx->waker_, flags);
        answer = WAITS;
    } else if (!granted) {
        group->running_++;
    }
    bide_wait_unlock(lock);
    return answer;
}

static int spawning_poll(bide_future *self, bide_context *cx)
{
    bide_group_spawning *spawning = (bide_group_spawning *)self;
    if (!spawning->group_ || !spawning->function_) return spawning_finish(spawning, BIDE_EINVAL);
    if (is_parents(spawning->group_)) {
        spawning->waiter_.state_ = 0;
        return spawning_finish(spawning, BIDE_EFORKED);
    }
    int answer = count(spawning, cx, leave(spawning->group_, &spawning->waiter_));
    if (answer == WAITS) return BIDE_PENDING;
    return spawning_finish(spawning, answer ? answer : spawn(spawning));
}

static int spawning_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_group_spawning *spawning = (bide_group_spawning *)self;
    bide_group *group = spawning->group_;
    if (is_parents(group))
        spawning->waiter_.state_ = 0;
    else if (leave(group, &spawning->waiter_))
        uncount(group, bide_wait_lock(group));
    return spawning_finish(spawning, BIDE_ECANCELED);
}

static const bide_future_kind spawning_kind = {
    {sizeof spawning_kind.ops, spawning_poll, spawning_cancel, BIDE_FUTURE_NAMED}, "room in a group", NULL};

void bide_group_spawning_init(bide_group_spawning *spawning, bide_group *group, bide_task *out,
                              bide_task_function function, void *arg, const bide_task_options *options)
{
    static const bide_task_options defaults;
    if (!spawning) return;
    bide_future_init(&spawning->future, &spawning_kind.ops);
    bide_waiter_init(&spawning->waiter_);
    spawning->group_ = group;
    spawning->out_ = out;
    spawning->function_ = function;
    spawning->arg_ = arg;
    spawning->options_ = options ? *options : defaults;
    spawning->place_ = NULL;
    spawning->result = BIDE_ECANCELED;
}

int(bide_group_spawn)(bide_group *group, bide_task *out, bide_task_function function, void *arg,
                      const bide_task_options *options, bide_instant deadline)
{
    return bide_group_spawn_at(NULL, group, out, function, arg, options, deadline);
}

int bide_group_spawn_at(const char *place, bide_group *group, bide_task *out, bide_task_function function,
                        void *arg, const bide_task_options *options, bide_instant deadline)
{
    bide_group_spawning spawning;
    bide_group_spawning_init(&spawning, group, out, function, arg, options);
    spawning.place_ = place;
    int error = bide_await(&spawning.future, deadline);
    return error ? error : spawning.result;
}

/* --- Waiting --- */

static int waiting_finish(bide_group_waiting *waiting, int result)
{
    waiting->result = result;
    return BIDE_READY;
}

static int waiting_poll(bide_future *self, bide_context *cx)
{
    bide_group_waiting *waiting = (bide_group_waiting *)self;
    bide_group *group = waiting->group_;
    if (!group) return waiting_finish(waiting, BIDE_EINVAL);
    if (is_parents(group)) {
        waiting->waiter_.state_ = 0;
        return waiting_finish(waiting, BIDE_EFORKED);
    }
    if (is_below(group)) return waiting_finish(waiting, BIDE_EDEADLK);
    (void)leave(group, &waiting->waiter_);
    bide_os_mutex *lock = bide_wait_lock(group);
    bool done = group->running_ == 0 || group->closed_;
    int result = group->closed_ ? BIDE_EFREED : group->error_;
    if (!done) {
        uint32_t flags = cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
        bide_waiter_link(&group->waiters_, &waiting->waiter_, cx->waker_, flags);
    }
    bide_wait_unlock(lock);
    return done ? waiting_finish(waiting, result) : BIDE_PENDING;
}

static int waiting_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_group_waiting *waiting = (bide_group_waiting *)self;
    if (is_parents(waiting->group_))
        waiting->waiter_.state_ = 0;
    else
        (void)leave(waiting->group_, &waiting->waiter_);
    return waiting_finish(waiting, BIDE_ECANCELED);
}

static void waiting_describe(const bide_future *self, char *text, size_t room)
{
    const bide_group *group = ((const bide_group_waiting *)self)->group_;
    /* Who describes must not wait. */
    bide_os_mutex *lock = bide_wait_try(group);
    if (!lock) return;
    size_t running = group->running_;
    bide_wait_unlock(lock);
    (void)snprintf(text, room, "%zu", running);
}

static const bide_future_kind waiting_kind = {
    {sizeof waiting_kind.ops, waiting_poll, waiting_cancel, BIDE_FUTURE_NAMED}, "group of", waiting_describe};

void bide_group_waiting_init(bide_group_waiting *waiting, bide_group *group)
{
    if (!waiting) return;
    bide_future_init(&waiting->future, &waiting_kind.ops);
    bide_waiter_init(&waiting->waiter_);
    waiting->group_ = group;
    waiting->result = BIDE_ECANCELED;
}

int bide_group_wait(bide_group *group, bide_instant deadline)
{
    bide_group_waiting waiting;
    bide_group_waiting_init(&waiting, group);
    int error = bide_await(&waiting.future, deadline);
    return error ? error : waiting.result;
}

/* --- Opening, settings, closing --- */

int bide_group_open(bide_group *group)
{
    if (!group) return BIDE_EINVAL;
    struct bide_task_record *record = bide_task_current();
    bide_ring_init(&group->members_);
    bide_ring_init(&group->waiters_);
    bide_ring_init(&group->room_);
    group->owner_ = record;
    group->outer_ = NULL;
    group->deadline_ = BIDE_NEVER;
    group->running_ = group->limit_ = 0;
    group->born_ = bide_os_forks;
    group->error_ = 0;
    group->timed_ = group->closed_ = false;
    if (record) {
        group->outer_ = record->owned;
        record->owned = group;
    }
    return 0;
}

/* Whether the calling task may change it: 0 or an error. */
static int check_owner(const bide_group *group)
{
    if (!group) return BIDE_EINVAL;
    if (group->closed_) return BIDE_EFREED;
    return group->owner_ == bide_task_current() ? 0 : BIDE_EPERM;
}

int bide_group_set_limit(bide_group *group, size_t limit)
{
    int error = check_owner(group);
    if (error) return error;
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(group);
    group->limit_ = limit;
    if (!group->error_) give_room(group, &batch);
    bide_batch_wake(lock, group, &batch);
    return 0;
}

/* The timer's waker. One that was moved meanwhile is armed again by who moved it. */
static void deadline_came(void *arg)
{
    bide_group *group = arg;
    bide_os_mutex *lock = bide_wait_lock(group);
    bool due = !bide_before(bide_now(), group->deadline_);
    bide_wait_unlock(lock);
    if (due) fail(group, BIDE_ETIMEDOUT);
}

/* The workers serve the timer, as they do those of tasks. */
static void make_context(bide_group *group, bide_context *cx)
{
    bide_waker waker = {deadline_came, group};
    bide_context_init(cx, waker);
    cx->flags_ = BIDE_CONTEXT_SERVED;
    cx->reactor_ = bide_reactor_global();
}

int bide_group_set_deadline(bide_group *group, bide_instant deadline)
{
    int error = check_owner(group);
    if (error) return error;
    bide_os_mutex *lock = bide_wait_lock(group);
    group->deadline_ = deadline;
    bide_wait_unlock(lock);
    if (!group->timed_ && bide_is_never(deadline)) return 0;
    if (group->timed_)
        bide_timer_set_at(&group->timer_, deadline);
    else
        bide_task_init_timer(&group->timer_, deadline);
    group->timed_ = true;
    bide_context cx;
    make_context(group, &cx);
    int answer = bide_future_poll(&group->timer_.future, &cx);
    if (answer != BIDE_READY) return answer;
    error = bide_timer_error(&group->timer_);
    group->timed_ = false;
    if (!error) fail(group, BIDE_ETIMEDOUT);
    return error;
}

static void take_out_of_chain(const bide_group *group)
{
    struct bide_task_record *record = group->owner_;
    if (!record) return;
    struct bide_group **link = &record->owned;
    while (*link != group)
        link = &(*link)->outer_;
    *link = group->outer_;
}

/* Waits until no task is left, though the caller be cancelled. */
static int wait_shielded(bide_group *group)
{
    bide_shield();
    int error = bide_group_wait(group, BIDE_NEVER);
    bide_unshield();
    return bide_group_count(group) == 0 ? 0 : error;
}

int bide_group_close(bide_group *group)
{
    if (!group) return BIDE_EINVAL;
    const struct bide_thread *thread = bide_thread_self();
    if (thread->in_waker || thread->operation || is_below(group)) return BIDE_EDEADLK;
    /* In the child the task that opened it is plain code, or does not exist. */
    if (is_parents(group) && !group->closed_) {
        group->closed_ = true;
        take_out_of_chain(group);
        return BIDE_EFORKED;
    }
    int error = check_owner(group);
    if (error) return error;
    if (bide_group_count(group) > 0) {
        fail(group, BIDE_ECANCELED);
        error = wait_shielded(group);
        if (error) return error;
    }
    if (group->timed_) {
        bide_context cx;
        make_context(group, &cx);
        (void)bide_future_cancel(&group->timer_.future, &cx);
    }
    take_out_of_chain(group);
    bide_os_mutex *lock = bide_wait_lock(group);
    BIDE_ASSERT(group->running_ == 0 && bide_ring_empty(&group->members_)); /* invariant 2 */
    group->closed_ = true;
    error = group->error_;
    bide_wait_unlock(lock);
    return error;
}

int bide_group_cancel(bide_group *group)
{
    if (!group) return BIDE_EINVAL;
    if (group->closed_) return BIDE_EFREED;
    if (is_parents(group)) return BIDE_EFORKED;
    fail(group, BIDE_ECANCELED);
    return 0;
}

int bide_group_error(const bide_group *group)
{
    if (!group) return BIDE_EINVAL;
    bide_os_mutex *lock = bide_wait_lock(group);
    int error = group->error_;
    bide_wait_unlock(lock);
    return error;
}

size_t bide_group_count(const bide_group *group)
{
    if (!group) return 0;
    bide_os_mutex *lock = bide_wait_lock(group);
    size_t running = group->running_;
    bide_wait_unlock(lock);
    return running;
}
