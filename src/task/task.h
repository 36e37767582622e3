/* Tasks, workers, schedulers.
 *
 * A TASK
 *             spawn            waits, and is saved
 *   FREE ------------> AWAKE ----------------------> PARKED
 *     ^                | ^  <------- wake ------------ |     and is queued
 *     |  has ended     | |
 *     +----------------+ +-- saved: queued instead of parked -- NOTIFIED <-- wake -- AWAKE
 *
 *   PARKED <--> EXAMINED --wake--> ROUSED: whoever looks at the stack of a suspended task holds it for a moment,
 *   and queues it afterwards if it was woken meanwhile.
 *
 * INVARIANTS
 * 1. A task that is AWAKE or NOTIFIED runs on one worker, or is in one queue (a worker's ring, slot or inbox,
 *    the queue for all), or in the hands of one thread that puts it there or is about to run it. A PARKED one
 *    is in none.
 * 2. It is neither parked nor queued before its registers are saved: that is done by whoever its worker runs
 *    next, on arrival (worker.left). So nobody resumes half a context, and none that a wake or a thief got
 *    hold of runs on two workers. A worker that is alone queues one that yields right before it leaves it: it does
 *    not look into its ring in between.
 * 3. Whoever takes a task from PARKED to AWAKE queues it. A wake of an AWAKE one makes it NOTIFIED, so that
 *    its next wait is none; of any other it changes nothing.
 * 4. Records are type-stable: chunks that are never freed. A late wake is a spurious one for the record's
 *    next task.
 * 5. `life` says who has the record: its task (RUNS), whoever joins it (HELD), and threads that look at it
 *    for a moment (PIN each). It is free when nobody has it, and its generation, the upper half of `life`,
 *    grows then; after the last one it is no task's any more. A handle is valid while its generation is the record's; it can be joined or detached while
 *    the record is HELD.
 * 6. `scheduler` stays what it is while anybody has the record, and the scheduler waits for all its tasks:
 *    `live` counts them.
 * 7. JOINING. The first task that waits for the end is `joiner`: it says so, then looks whether RUNS is set
 *    still; the end takes RUNS away, then looks for a joiner (both seq_cst): one of the two sees the other.
 *    A joiner that went away meanwhile stays there, and is woken for nothing. Who else waits is in the ring
 *    `joiners`, guarded by the record's wait lock; QUEUED in `life` tells that there are some, and changes
 *    under that lock alone, as does RUNS while QUEUED is set.
 *
 * A WORKER is a thread that runs tasks. Without one it searches, then parks in the reactor as a thread in
 * block_on does: it drives if the role is vacant, or is the standby. So the role is vacant while all run
 * tasks.
 *
 * 8. Idle workers are in `idle_mask`. A worker sets its bit, then looks for work once more; who queues
 *    something for others does so before it looks at the mask (both seq_cst): one of the two sees the other.
 *    So it is with the inbox of a worker for tasks that are pinned to it.
 * 9. Who takes a bit out wakes that worker, which is then counted as searching; so one search is enough for
 *    any number of tasks queued meanwhile. The last searcher to find something wakes another one; one that
 *    found nothing looks once more when it is in the mask.
 * 10. `live` is the number of tasks and of the credits that workers have: each stands for a task that a
 *    worker may spawn, or saw end, without touching the count. A worker has none while it is parked. So `live` is
 *    0 once, when the main task and all others are gone.
 *
 * 11. A signal handler may wake tasks (bide_event_set), whatever it interrupts. Each access to a slot, a ring, an
 *    inbox, the queue for all or the idle mask's lock lies between two calls of worker.c which tell so
 *    (thread.queueing); in between a wake on the same thread, which only a handler's can be, leaves the task in
 *    the thread's list late_tasks, and the second call queues it.
 *
 * 12. A task that joins one which is the next to run here hands it the worker: it is the other's `aside`, AWAKE,
 *    and in no queue. If that ends before it waits, the end joins it for this one, which goes on at once; else it
 *    is queued when the other one waits or yields first, and joins as if it had not tried. So a task aside is in
 *    the hands of one that runs, or is queued (invariant 1), and what it waits for is no wait yet. Of several that
 *    join the same one, the first is aside. Who cancels one that is aside, or gives up the handle that it joins by,
 *    takes it out of there, and queues it: it pins the other one's record, sets QUEUED in its `life`, so that its end
 *    joins it for nobody, and compares and clears its `aside`, which who ends, waits or yields then does too. It
 *    cancels or gives up first and then looks whether somebody is aside; who has put him there looks then for a
 *    verdict and for HELD (a fence between the two on either side): one of the two sees the other.
 * 13. A task ends on its own stack: the record, which others look at, is given up there, and then the worker's
 *    next is switched to. The stack, with the fiber, which is left in the middle of bide_task_main, goes to those
 *    that rest with the worker; only its own thread takes from these, and not before it has left the stack. If too
 *    many rest, or the next task could not have modes of its own there (machine.h), the fiber is left for good, and the
 *    stack given back by whoever the worker runs next.
 *
 * docs/models has these protocols as models: task.pml 1 to 7, idle.pml 8 and 9, end.pml 10, aside.pml and task.pml 12.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_TASK_H
#define BIDE_TASK_TASK_H

#include "future/awaiter.h"
#include "future/context.h"
#include "future/waiter.h"
#include "os/fault.h"
#include "os/thread.h"
#include "task/context.h"
#include "task/deque.h"
#include "task/stack.h"

#include <bide/task.h>
#include <bide/timer.h>

/* `state`, which says whether a wake must queue the task. Whether it runs is told by `worker`. */
enum {
    BIDE_TASK_FREE,
    BIDE_TASK_AWAKE,
    BIDE_TASK_NOTIFIED,
    BIDE_TASK_PARKED,
    BIDE_TASK_EXAMINED,
    BIDE_TASK_ROUSED
};

/* `joining`: whether the task is aside, or was when the other one ended and was joined. */
enum { BIDE_TASK_NOT_ASIDE, BIDE_TASK_ASIDE, BIDE_TASK_JOINED };

/* The lower half of `life`. */
#define BIDE_TASK_RUNS UINT64_C(1)
#define BIDE_TASK_HELD UINT64_C(2)
#define BIDE_TASK_QUEUED UINT64_C(4)
#define BIDE_TASK_PIN UINT64_C(8)
#define BIDE_TASK_HAD UINT64_C(0xffffffff)

struct bide_deferred {
    void (*function)(void *arg);
    void *arg;
};

/* The deadline of a task's waits: a timer that stays armed from one wait to the next, see limit.c. */
struct bide_limit {
    bide_timer timer;
    bide_instant armed_for;
};

struct bide_task_record {
    /* What each switch uses, on one cache line. */
    _Alignas(64) struct bide_runnable runnable; /* first, so that a task is found from its place in a queue */
    _Atomic uint32_t state;
    uint32_t number;                      /* fixed: names the record in what people read */
    _Atomic(struct bide_worker *) worker; /* that runs it; NULL: none does. Written by that worker, relaxed */
    struct bide_worker *home;             /* the only one that may run it; NULL: any */
    struct bide_stack *stack;             /* and the fiber on it */
    _Atomic(struct bide_task_record *) aside; /* invariant 12 */
    struct bide_reactor *reactor;             /* that its thread had entered, while it does not run */
    bide_instant since; /* when its present or last wait began, or a little earlier: worker.now */

    /* What others may look at. */
    _Atomic uint64_t life;
    struct bide_scheduler *scheduler;
    _Atomic(struct bide_task_record *) joiner;
    struct bide_awaiter awaiter;
    bide_context cx;

    /* The task's own, or of who is about to run it. */
    bide_task_function function;
    void *arg;
    void (*drop)(void *arg);
    const char *name;           /* changed at the end, under the wait lock */
    const char *place;          /* where it was spawned, "file:line"; NULL: unknown */
    struct bide_group *group;   /* whose task it is; NULL: none; fixed */
    struct bide_group *owned;   /* those that it has opened, the last first: see group.c */
    struct bide_locals *locals; /* its values: see local.c */
    struct bide_deferred *deferred;
    _Atomic int value; /* relaxed: published by the end of RUNS */
    int joined_value;
    _Atomic int joining;                          /* invariant 12 */
    _Atomic(struct bide_task_record *) aside_for; /* or was last; relaxed: published by `joining` */
    bool is_main;                                 /* its end is the scheduler's */
    bool limited;                                 /* `limit` was armed since the task began */
    unsigned deferred_count, deferred_room;
    bide_instant deadline; /* of its present or last wait */
    struct bide_limit limit;
    bide_link joiners;
    bide_link member; /* among the group's; its wait lock */
};

/* Free records, without a lock. */
struct bide_record_cache {
    struct bide_runnable *first;
    unsigned count;
};

/* Written by their worker alone: bide/debug.h tells what they count. */
struct bide_worker_counts {
    _Atomic uint64_t switches, spawned, wakes, steals, parks;
};

/* For counts with one writer: no locked operation. */
static inline void bide_count(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* What a worker's successor does for what was left: parks or queues the task `left`, or puts it aside; or gives back
 * `left_stack`. */
enum { BIDE_LEFT_NOTHING, BIDE_LEFT_TO_PARK, BIDE_LEFT_TO_YIELD, BIDE_LEFT_ASIDE, BIDE_LEFT_FOR_GOOD };

/* So many stacks rest with a worker, as tasks that end together leave them. */
#define BIDE_RESTING 128u

struct bide_worker {
    struct bide_deque deque; /* first, for it begins on a cache line */
    _Atomic(struct bide_task_record *)
        slot;                       /* woken by the one that runs: next, for its data is in the cache */
    struct bide_inject inbox;       /* for tasks that are pinned to this worker */
    bool inbox_had_turn;            /* the last one from ring or inbox was from the inbox */
    bool alone;                     /* there are no other workers: no thieves, and nobody to call */
    struct bide_stack_cache stacks; /* of the default size */
    struct bide_stack *resting;     /* likewise: invariant 13 */
    unsigned resting_count;
    struct bide_record_cache records;
    _Atomic size_t credits;
    struct bide_fiber fiber; /* the thread's own stack, where work is looked for */
    struct bide_scheduler *scheduler;
    struct bide_thread *thread_data;
    _Atomic(struct bide_task_record *) current; /* NULL: none; its own, and read by who dumps */
    struct bide_task_record *left;
    struct bide_stack *left_stack;
    struct bide_parker *parker;
    bide_os_thread thread;
    bide_instant now;    /* when it looked at the clock last */
    bide_instant looked; /* and at the reactor */
    struct bide_worker_counts counts;
    struct bide_os_fault_stack fault_stack; /* for the overflow handler; its thread's */
    bool equipped;                          /* with that, or it could not be had */
    int left_for;
    uint64_t turns_end;  /* as many switches it makes, as counted, before it looks at the clock */
    unsigned slot_turns; /* in a row from the slot */
    unsigned index;
    unsigned in_vain; /* searches in a row for which it had been called, and which found nothing */
    bool called;      /* it searches because it was, and has not paused since */
    bool searching;   /* counted in scheduler->searching; guarded by idle_lock while idle */
    bool dispatching; /* inside the reactor: wakes come from events and timers */
    bool parking;     /* and waits there: what is queued here must end that */
    bool dispatched;  /* it was there, and nobody was called for what was queued meanwhile */
};

/* Stacks of one size: 16 KiB doubled so many times as the shelf's number says. */
struct bide_shelf {
    bide_os_mutex lock; /* guards the rest */
    bool made;
    struct bide_stack_pool pool;
    struct bide_stack_cache cache; /* for other sizes than the default, and for threads that are no workers */
};

#define BIDE_SHELVES 16u

/* How threads outside get at a scheduler: type-stable, as the generation in their handles may be an old one. */
struct bide_door {
    _Atomic uint32_t pins; /* how many use the scheduler, and whether its end sleeps until they do not */
    _Atomic uint32_t generation;
    struct bide_scheduler *scheduler;
    struct bide_door *next_free;
};

struct bide_scheduler {
    unsigned count;
    unsigned started; /* workers that have a thread; known before the main task begins */
    struct bide_worker *workers;
    struct bide_reactor *reactor;
    struct bide_door *door;
    struct bide_inject inject;
    struct bide_shelf shelves[BIDE_SHELVES];
    unsigned default_shelf;

    bide_os_mutex idle_lock;
    _Atomic uint64_t idle_mask; /* written under idle_lock */
    _Atomic unsigned searching;

    _Atomic size_t live;                             /* invariant 10 */
    _Atomic bool closing;                            /* the main task has ended: no more are spawned */
    _Atomic bool finished;                           /* and all are gone: workers end */
    _Atomic uint64_t spawned_outside, woken_outside; /* by threads that are none of its workers; counts */
    struct bide_scheduler *next_running;             /* dump.c */
    uint32_t number;                                 /* names it in what people read */
    bool forked; /* this is the child of a task that forked: all but the thread that did is the parent's */
    int value;
};

/* --- door.c --- */

/* A door for the scheduler; NULL without memory. */
struct bide_door *bide_door_open(struct bide_scheduler *scheduler);

/* No handle opens it any more; waits until nobody uses the scheduler. */
void bide_door_close(struct bide_door *door);

/* Keeps a scheduler that has a task from ending, also when that has ended, until the release. */
void bide_door_hold(struct bide_door *door);
void bide_door_release(struct bide_door *door);

/* The scheduler of a handle, which will not end before bide_door_leave; NULL if it has ended, and nothing is
 * to be left. */
struct bide_scheduler *bide_door_enter(bide_scheduler handle);
void bide_door_leave(bide_scheduler handle);

/* Keep the list of free ones whole during a fork. */
void bide_door_fork_prepare(void);
void bide_door_fork_done(void);

/* --- shelf.c --- */

/* The shelf for stacks of that size; BIDE_SHELVES if there is none so large. */
unsigned bide_shelf_for(size_t size);

/* Makes the shelf of the default size, to which workers' caches belong. */
int bide_shelf_make(struct bide_scheduler *scheduler, unsigned shelf);

/* Under the shelf's lock. */
int bide_shelf_take_shared(struct bide_scheduler *scheduler, unsigned shelf, struct bide_stack **stack);
void bide_shelf_give_shared(struct bide_scheduler *scheduler, struct bide_stack *stack);

/* `self`: the calling worker, or NULL if it is none of the scheduler's. */
static inline int bide_shelf_take(struct bide_scheduler *scheduler, struct bide_worker *self, unsigned shelf,
                                  struct bide_stack **stack)
{
    if (self && shelf == scheduler->default_shelf) return bide_stack_take(&self->stacks, stack);
    return bide_shelf_take_shared(scheduler, shelf, stack);
}

static inline void bide_shelf_give(struct bide_scheduler *scheduler, struct bide_worker *self,
                                   struct bide_stack *stack)
{
    if (self && stack->size == self->stacks.pool->size)
        bide_stack_give(&self->stacks, stack);
    else
        bide_shelf_give_shared(scheduler, stack);
}

/* All have been given back. */
void bide_shelf_destroy(struct bide_scheduler *scheduler);

/* --- record.c --- */

/* The task is gone: wakes joiners, and frees the record if nobody else has it. The stack is the caller's. */
void bide_record_end(struct bide_worker *self, struct bide_task_record *record);

/* Keeps a record whose task is not gone from becoming another one's. False: it is gone, or is not of that
 * generation. */
bool bide_record_pin(struct bide_task_record *record, uint32_t generation);
void bide_record_unpin(struct bide_task_record *record);

/* Still the task of that generation, and to be joined. */
static inline bool bide_record_is_awaited(uint64_t life, uint32_t generation)
{
    uint64_t both = BIDE_TASK_RUNS | BIDE_TASK_HELD;
    return (uint32_t)(life >> 32) == generation && (life & both) == both;
}

/* Its end, if it has not ended, joins it for nobody who is aside. */
void bide_record_end_alone(struct bide_task_record *record);

/* Whether the handle can be joined or detached. */
bool bide_record_is_held(struct bide_task_record *record, uint32_t generation);

/* Gives the handle up, if it is valid, and the task is gone or `running` allows that it is not. Returns
 * whether it was given up; `value` of a task that is gone. */
enum bide_handed { BIDE_HANDED_OVER, BIDE_HANDED_STILL_RUNS, BIDE_HANDED_FREED };
enum bide_handed bide_record_give_up(struct bide_task_record *record, uint32_t generation, bool running,
                                     int *value);

/* Has the task woken, or the waiter, when the record's task ends or its handle is given up. False: look
 * again, something has changed. */
bool bide_record_await(struct bide_task_record *record, uint32_t generation, bide_waiter *waiter,
                       bide_context *cx);

/* Cancels all tasks of a scheduler. */
void bide_record_cancel_all(struct bide_scheduler *scheduler);

/* Calls the function with each that there is; they may be free. */
void bide_record_each(void (*visit)(struct bide_task_record *record, void *arg), void *arg);

/* Around a fork: the list of free ones is whole. */
void bide_record_lock(void);
void bide_record_unlock(void);

/* Gives back the free records of a worker that ends. */
void bide_record_cache_drain(struct bide_record_cache *cache);

static inline uint32_t bide_record_generation(struct bide_task_record *record)
{
    return (uint32_t)(atomic_load_explicit(&record->life, memory_order_relaxed) >> 32);
}

/* --- idle.c --- */

/* Something was queued for others: wakes one of the idle to search, unless one is searching already. Begins with
 * a full fence. */
void bide_idle_call_one(struct bide_scheduler *scheduler);

/* The same after a seq_cst access with which it was queued, which those who go to sleep look at with another one. */
void bide_idle_call_one_after(struct bide_scheduler *scheduler);

/* Something was queued in that one's inbox: wakes it if it is idle. Begins with a full fence. */
void bide_idle_call(struct bide_worker *worker);

/* Wakes all, whatever they do. */
void bide_idle_call_all(struct bide_scheduler *scheduler);

/* Whether it may search; it is counted then. */
bool bide_idle_begin_search(struct bide_worker *self);

/* It has found something, or gives up. Returns whether it was the last that searched. */
bool bide_idle_end_search(struct bide_worker *self);

/* Into the mask, and out again. */
void bide_idle_enter(struct bide_worker *self);
void bide_idle_leave(struct bide_worker *self);

/* Whether anything is queued that any worker may run. A full fence stands before the look. */
bool bide_idle_is_work_left(struct bide_scheduler *scheduler);

/* --- dump.c --- */

/* From list to unlist it is told of by bide_dump. 0 or BIDE_ENOMEM. */
int bide_scheduler_list(struct bide_scheduler *scheduler);
void bide_scheduler_unlist(struct bide_scheduler *scheduler);

/* --- overflow.c --- */

/* Whether overflows are watched for; relaxed. */
extern _Atomic bool bide_overflow_watched;

/* Gives the calling thread, which is the worker's, a stack to tell of an overflow on. */
void bide_overflow_equip(struct bide_worker *worker);

/* --- turn.c --- */

/* Leaves the current task for the worker's next, which parks it unless it is woken already, or queues it. Returns when
 * it is resumed, on whatever thread. */
void bide_worker_park(struct bide_task_record *self);
void bide_worker_yield(struct bide_task_record *self);

/* What stacks of tasks run, with the stack. */
void bide_task_main(void *stack);

/* The task is queued, if it is aside: it is to be told something. Any thread, for whatever task has the record. */
void bide_worker_take_back(struct bide_task_record *record);

/* On the worker's own stack: what was left when it was switched to. */
void bide_worker_arrive(struct bide_worker *self);

/* On the worker's own stack: ends the fibers that rest with it, and gives their stacks back. */
void bide_worker_dismiss(struct bide_worker *self);

/* --- worker.c --- */

/* The worker whose thread this is; NULL: none. Never inlined: a task may have changed threads. */
struct bide_worker *bide_worker_self(void);

/* Puts a task that is AWAKE where it will be found; `fresh`: it has not begun, and then a full fence stands between
 * that and what the caller does next, unless the worker that queues is alone. Any thread. */
void bide_worker_queue(struct bide_task_record *record, bool fresh);

/* The main task, by a thread that is not yet the worker that it will be. */
void bide_worker_queue_main(struct bide_task_record *record);

/* Runs tasks until the scheduler has finished. */
void bide_worker_run(struct bide_worker *worker);

/* What a worker counts at once in scheduler.live. */
#define BIDE_CREDITS ((size_t)64)

/* Takes so many out of scheduler.live; the last ones end it. */
void bide_worker_settle(struct bide_scheduler *scheduler, size_t count);

/* Written by the worker alone, read by who counts tasks. */
static inline size_t bide_worker_credits(struct bide_worker *worker)
{
    return atomic_load_explicit(&worker->credits, memory_order_relaxed);
}

/* Counts a task that is about to be spawned, and one that is gone; the last one ends the scheduler. `self`:
 * the calling worker of the scheduler, or NULL. */
static inline void bide_worker_come(struct bide_scheduler *scheduler, struct bide_worker *self)
{
    size_t credits = self ? bide_worker_credits(self) : 0;
    if (credits == 0) {
        /* seq_cst, as `closing`: who counts a task and then finds that the end has not begun is waited for */
        atomic_fetch_add(&scheduler->live, self ? BIDE_CREDITS : 1);
        credits = BIDE_CREDITS;
    }
    if (self) atomic_store_explicit(&self->credits, credits - 1, memory_order_relaxed);
}

static inline void bide_worker_gone(struct bide_scheduler *scheduler, struct bide_worker *self)
{
    if (!self) {
        bide_worker_settle(scheduler, 1);
        return;
    }
    size_t credits = bide_worker_credits(self) + 1;
    bool surplus = credits == 2 * BIDE_CREDITS;
    atomic_store_explicit(&self->credits, surplus ? BIDE_CREDITS : credits, memory_order_relaxed);
    if (surplus) bide_worker_settle(scheduler, BIDE_CREDITS);
}

/* How many tasks there are, while none comes or goes. */
size_t bide_worker_tasks(struct bide_scheduler *scheduler);

/* --- limit.c --- */

/* Sees to it that the task is woken at the deadline, or earlier. 0; BIDE_ETIMEDOUT: it has come; or why it cannot
 * be, as bide_timer_error. */
int bide_limit_arm(struct bide_task_record *record, bide_instant deadline);

/* Whether the timer has fired since it was armed, so that the deadline may have come. */
bool bide_limit_fired(const struct bide_task_record *record);

/* The task is about to end. */
void bide_limit_disarm(struct bide_task_record *record);

/* --- task.c --- */

/* The verdict. If there is one the groups that the task has opened are cancelled too. */
void bide_group_cancel_owned(const struct bide_task_record *record);
static inline int bide_task_heed(struct bide_task_record *record)
{
    int verdict = bide_awaiter_verdict(&record->awaiter);
    if (verdict) bide_group_cancel_owned(record);
    return verdict;
}

/* The waker of every task: any thread, any time, for whatever task has the record. */
void bide_task_wake(void *record);

/* Keeps a PARKED task from being resumed, so that its stack can be looked at; false if it is not PARKED. To be let
 * go soon. */
bool bide_task_examine(struct bide_task_record *record);
void bide_task_let_go(struct bide_task_record *record);

/* bide_task_join, as the future and an await. */
int bide_task_join_slowly(bide_task task, int *value, bide_instant deadline);

/* Every task's awaiter: suspends it. */
int bide_task_wait(struct bide_awaiter *self, bide_instant deadline, bool firmly);

/* Cancels it. */
void bide_task_ask(struct bide_task_record *record);

/* The rest of that, after the verdict: wakes it, or whatever task has the record by now. */
void bide_task_call(struct bide_task_record *record);

/* The calling task; NULL on a plain thread. */
struct bide_task_record *bide_task_current(void);

/* The two halves of a spawn: makes a task, 0 or an error as bide_spawn, and lets it run. In between it is the
 * caller's alone, but for its scheduler's end, which may cancel it. */
int bide_task_make(struct bide_task_record **made, const char *place, bide_task *out,
                   bide_task_function function, void *arg, const bide_task_options *options);
void bide_task_start(struct bide_task_record *record, const bide_task_options *options);

/* Prepares a timer on the reactor that the workers serve, whatever the calling task or thread has entered. */
void bide_task_init_timer(bide_timer *timer, bide_instant deadline);

static inline struct bide_task_record *bide_task_of(struct bide_awaiter *awaiter)
{
    return (struct bide_task_record *)((char *)awaiter - offsetof(struct bide_task_record, awaiter));
}

#endif
