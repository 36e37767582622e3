/* Tasks, workers, schedulers.
 *
 * A TASK
 *            spawn          taken from a queue            its body has returned
 *   FREE ----------> QUEUED -----------------> RUNNING ---------------------------> DONE ---> FREE
 *                      ^  ^                    |     ^
 *                      |  |  waits, saved      |     | wake: NOTIFIED, queued instead of parked
 *                      |  +--wake--- PARKED <--+-----+
 *                      +-----------yields, saved
 *
 *   PARKED <--> EXAMINED --wake--> ROUSED: whoever looks at the stack of a suspended task holds it for a moment,
 *   and queues it afterwards if it was woken meanwhile.
 *
 * INVARIANTS
 * 1. A task is in one queue (a worker's ring or slot, the injection queue) if and only if it is QUEUED and
 *    nobody holds it to put it there or to run it.
 * 2. It stays RUNNING (or NOTIFIED) until its registers are saved: what it becomes then (PARKED, QUEUED,
 *    DONE) is written by whoever the worker runs next, on arrival (worker.left). So nobody resumes half a
 *    context, and none that a wake or a thief got hold of runs on two workers.
 * 3. Whoever takes a task from PARKED to QUEUED puts it in a queue. Only PARKED tasks are taken so: a wake of
 *    a RUNNING one makes it NOTIFIED, and of any other does nothing.
 * 4. Records are type-stable: chunks that are never freed. A late wake is a spurious one for the record's
 *    next task.
 * 5. `generation`, `life`, `value` after the end, and the queue of joiners are guarded by the wait lock of
 *    the record. A handle is valid while its generation is the record's; joining and detaching raise it. The
 *    record is free when the task is gone (no RUNS in `life`) and nobody has a handle (no HELD).
 * 6. `scheduler` stays what it is while RUNS is set, and the scheduler waits for all its tasks: `live` counts
 * them.
 *
 * A WORKER is a thread that runs tasks. Without one it searches, then parks in the reactor as a thread in
 * block_on does: it drives if the role is vacant, or is the standby. So the role is vacant while all run
 * tasks.
 *
 * 7. Idle workers are in `idle_mask`. A worker sets its bit, then looks for work once more; who queues
 *    something for others does so before it looks at the mask (both seq_cst): one of the two sees the other.
 * 8. Who takes a bit out wakes that worker, which is then counted as searching; so one search is enough for
 *    any number of tasks queued meanwhile. The last searcher to find something wakes another one.
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

enum {
    BIDE_TASK_FREE,
    BIDE_TASK_QUEUED,
    BIDE_TASK_RUNNING,
    BIDE_TASK_NOTIFIED,
    BIDE_TASK_PARKED,
    BIDE_TASK_EXAMINED,
    BIDE_TASK_ROUSED,
    BIDE_TASK_DONE
};

/* Bits of `life`. */
enum { BIDE_TASK_RUNS = 1u, BIDE_TASK_HELD = 2u };

struct bide_deferred {
    void (*function)(void *arg);
    void *arg;
};

struct bide_task_record {
    struct bide_runnable runnable; /* first, so that a task is found from its place in a queue */
    struct bide_awaiter awaiter;
    bide_context cx;
    struct bide_task_record *next_free;
    _Atomic uint32_t state;
    uint32_t generation;
    uint32_t life;
    uint32_t number; /* fixed: names the record in what people read */
    int value;
    bide_link joiners;
    struct bide_scheduler *scheduler;

    /* The task's own, or of who is about to run it. */
    struct bide_fiber fiber;
    struct bide_stack *stack;
    bide_task_function function;
    void *arg;
    void (*drop)(void *arg);
    const char *name;
    const char *place;            /* where it was spawned, "file:line"; NULL: unknown */
    bide_instant deadline;        /* of its present or last wait */
    bide_instant since;           /* when that began, or a little earlier: worker.now */
    struct bide_reactor *reactor; /* that its thread had entered, while it does not run */
    struct bide_group *group;     /* whose task it is; NULL: none; fixed */
    struct bide_group *owned;     /* those that it has opened, the last first: see group.c */
    bide_link member;             /* among the group's; its wait lock */
    struct bide_deferred *deferred;
    unsigned deferred_count, deferred_room;
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

/* What a worker's successor does for the task that was left. */
enum { BIDE_LEFT_NOBODY, BIDE_LEFT_TO_PARK, BIDE_LEFT_TO_YIELD, BIDE_LEFT_FOR_GOOD };

struct bide_worker {
    struct bide_deque deque; /* first, for it begins on a cache line */
    _Atomic(struct bide_task_record *)
        slot;                       /* woken by the one that runs: next, for its data is in the cache */
    struct bide_stack_cache stacks; /* of the default size */
    struct bide_fiber fiber;        /* the thread's own stack, where work is looked for */
    struct bide_scheduler *scheduler;
    _Atomic(struct bide_task_record *) current; /* NULL: none; its own, and read by who dumps */
    struct bide_task_record *left;
    struct bide_parker *parker;
    bide_os_thread thread;
    bide_instant now; /* when it looked at the reactor last */
    struct bide_worker_counts counts;
    struct bide_os_fault_stack fault_stack; /* for the overflow handler; its thread's */
    bool equipped;                          /* with that, or it could not be had */
    int left_for;
    unsigned tick;       /* tasks begun and resumed */
    unsigned slot_turns; /* in a row from the slot */
    unsigned index;
    bool searching;   /* counted in scheduler->searching; guarded by idle_lock while idle */
    bool dispatching; /* inside the reactor: wakes come from events and timers */
    bool parking;     /* and waits there: what is queued here must end that */
};

/* Stacks of one size: 16 KiB doubled so many times as the shelf's number says. */
struct bide_shelf {
    bide_os_mutex lock; /* guards the rest */
    bool made;
    struct bide_stack_pool pool;
    struct bide_stack_cache cache; /* for other sizes than the default, and for threads that are no workers */
};

#define BIDE_SHELVES 16u

struct bide_scheduler {
    unsigned count;
    struct bide_worker *workers;
    struct bide_reactor *reactor;
    struct bide_inject inject;
    struct bide_shelf shelves[BIDE_SHELVES];
    unsigned default_shelf;

    bide_os_mutex idle_lock;
    _Atomic uint64_t idle_mask; /* written under idle_lock */
    _Atomic unsigned searching;

    _Atomic size_t live;
    _Atomic bool closing;                            /* the main task has ended: no more are spawned */
    _Atomic bool finished;                           /* and all are gone: workers end */
    _Atomic uint64_t spawned_outside, woken_outside; /* by threads that are none of its workers; counts */
    struct bide_scheduler *next_running;             /* dump.c */
    uint32_t number;                                 /* names it in what people read */
    struct bide_task_record *main;
    bool forked; /* this is the child of a task that forked: all but the thread that did is the parent's */
    int value;
};

/* --- shelf.c --- */

/* The shelf for stacks of that size; BIDE_SHELVES if there is none so large. */
unsigned bide_shelf_for(size_t size);

/* Makes the shelf of the default size, to which workers' caches belong. */
int bide_shelf_make(struct bide_scheduler *scheduler, unsigned shelf);
int bide_shelf_take(struct bide_scheduler *scheduler, unsigned shelf, struct bide_stack **stack);
void bide_shelf_give(struct bide_scheduler *scheduler, struct bide_stack *stack);

/* All have been given back. */
void bide_shelf_destroy(struct bide_scheduler *scheduler);

/* --- record.c --- */

/* A free record with a stack, for `function`; `held`: whether there will be a handle. NULL without memory. */
struct bide_task_record *bide_record_new(struct bide_scheduler *scheduler, unsigned shelf, bool held);

/* The task is gone: wakes joiners, and frees the record if nobody has a handle. */
void bide_record_end(struct bide_task_record *record);

/* Gives back one that is gone, and whose last handle has been given up. */
void bide_record_free(struct bide_task_record *record);

/* Cancels all tasks of a scheduler. */
void bide_record_cancel_all(struct bide_scheduler *scheduler);

/* Calls the function with each that there is; they may be free. */
void bide_record_each(void (*visit)(struct bide_task_record *record, void *arg), void *arg);

/* Around a fork: the list of free ones is whole. */
void bide_record_lock(void);
void bide_record_unlock(void);

/* --- dump.c --- */

/* From list to unlist it is told of by bide_dump. 0 or BIDE_ENOMEM. */
int bide_scheduler_list(struct bide_scheduler *scheduler);
void bide_scheduler_unlist(struct bide_scheduler *scheduler);

/* --- overflow.c --- */

/* Whether overflows are watched for; relaxed. */
extern _Atomic bool bide_overflow_watched;

/* Gives the calling thread, which is the worker's, a stack to tell of an overflow on. */
void bide_overflow_equip(struct bide_worker *worker);

/* --- worker.c --- */

/* The worker whose thread this is; NULL: none. Never inlined: a task may have changed threads. */
struct bide_worker *bide_worker_self(void);

/* Puts a QUEUED task where it will be found. Any thread. */
void bide_worker_queue(struct bide_task_record *record, bool behind);

/* Leaves the current task for the worker's next, which makes of it what `left_for` says. Returns when it is
 * resumed, on whatever thread; never for BIDE_LEFT_FOR_GOOD. */
void bide_worker_leave(struct bide_task_record *self, int left_for);

/* In the child of the task that forked: ends it, and its worker with it. */
_Noreturn void bide_worker_return(struct bide_task_record *self);

/* What a task's fiber does first: the arrival. */
void bide_worker_arrive(void);

/* Runs tasks until the scheduler has finished. */
void bide_worker_run(struct bide_worker *worker);

/* One task less is live; the last one ends the scheduler. */
void bide_worker_gone(struct bide_scheduler *scheduler);

/* --- task.c --- */

/* The body of every task's fiber. */
void bide_task_main(void *arg);

/* The waker of every task: any thread, any time, for whatever task has the record. */
void bide_task_wake(void *record);

/* Keeps a PARKED task from being resumed, so that its stack can be looked at; false if it is not PARKED. To be let
 * go soon. */
bool bide_task_examine(struct bide_task_record *record);
void bide_task_let_go(struct bide_task_record *record);

/* Every task's awaiter: suspends it. */
int bide_task_wait(struct bide_awaiter *self, bide_instant deadline, bool firmly);

/* Cancels it. */
void bide_task_ask(struct bide_task_record *record);

/* The calling task; NULL on a plain thread. */
struct bide_task_record *bide_task_current(void);

/* The two halves of a spawn: makes a task, 0 or an error as bide_spawn, and lets it run. In between it is the
 * caller's alone, but for its scheduler's end, which may cancel it. */
int bide_task_make(struct bide_task_record **made, const char *place, bide_task *out,
                   bide_task_function function, void *arg, const bide_task_options *options);
void bide_task_start(struct bide_task_record *record);

/* Prepares a timer on the reactor that the workers serve, whatever the calling task or thread has entered. */
void bide_task_init_timer(bide_timer *timer, bide_instant deadline);

static inline struct bide_task_record *bide_task_of(struct bide_awaiter *awaiter)
{
    return (struct bide_task_record *)((char *)awaiter - offsetof(struct bide_task_record, awaiter));
}

#endif
