/**
 * @file bide/task.h
 * @brief Tasks: code that reads as if it blocked, thousands at once on a few threads.
 *
 * bide_run() runs a function as the main task of a scheduler; bide_spawn() starts others. A task has a stack
 * of its own. Every call of Bide's that waits suspends the task alone, and it goes on on whichever of the
 * scheduler's threads (its workers) has time. The same code works on a plain thread, where the call blocks
 * the thread.
 *
 * **Between two waits** a task runs undisturbed; one that computes for long should call bide_yield() now and
 * then. Thread-local data, and what belongs to a thread (locks of pthreads, errno), must not be relied on
 * across a call that waits: the task may continue on another thread.
 *
 * **Cancelling** is asked for by bide_task_cancel(), by the end of the main task, and of a group. It is
 * sticky: from then on each call that would wait gives BIDE_ECANCELED, and the task is expected to return;
 * what it put off with bide_defer() then runs.
 *
 * **Fork.** In the child a task that has called fork(2) goes on as plain code, alone: its waits block the
 * thread. When its body returns, bide_run() returns there, if the task ran on that thread, or else the
 * process ends with its last thread; so end the child by exec or _exit().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_TASK_H
#define BIDE_TASK_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The body of a task. What it returns is the task's result: 0 or a count, or a negative error, by
 * convention. */
typedef int (*bide_task_function)(void *arg);

/** @name Running */
/**@{*/

/** How a scheduler is made; zeroed storage asks for the defaults. */
typedef struct bide_run_options {
    unsigned workers;  /**< threads that run tasks, the caller's included, 1 to 64; 0: one a processor */
    size_t stack_size; /**< bytes of stack a task; 0: BIDE_TASK_STACK; rounded up to what the system needs */
    const char *name;  /**< of the threads it starts, at most 12 bytes are used; NULL: "bide-worker" */
} bide_run_options;

/** The stack of a task, unless its maker says otherwise: 128 KiB. It takes memory as it is used. */
#define BIDE_TASK_STACK ((size_t)128 * 1024)

/**
 * @brief Runs `function(arg)` as the main task, and returns its result when it has ended and every other task
 *   is gone: those that have not ended by then are cancelled, and run their clean-up.
 *
 * The calling thread is one of the workers meanwhile; if others cannot be started, there are fewer. Several
 * schedulers may run at once, on threads of their own.
 *
 * @param options may be NULL.
 * @return the function's result, or BIDE_EINVAL (no function, too many workers), BIDE_EDEADLK (in a task or a
 *   waker), BIDE_ENOMEM: then the function has not run.
 *
 * @code
 * int main(void) { return bide_run(serve, NULL, NULL) < 0; }
 * @endcode
 */
BIDE_API int bide_run(bide_task_function function, void *arg, const bide_run_options *options);

/** A scheduler, by value: the workers of one bide_run() and their tasks. One that has ended is known as such for
 * ever; zeroed storage is none. */
typedef struct bide_scheduler_handle {
    void *door_;
    uint32_t generation_;
} bide_scheduler;

/** @brief That of the calling task, for threads outside to spawn on; none on a plain thread. */
BIDE_API bide_scheduler bide_scheduler_current(void);
/**@}*/

/** @name Tasks */
/**@{*/

/** A task, by value: one that has been joined or detached is known as such for ever. Zeroed storage is none. */
typedef struct bide_task {
    void *record_;
    uint32_t generation_;
} bide_task;

/** How a task is made; zeroed storage asks for the defaults. */
typedef struct bide_task_options {
    size_t stack_size;        /**< bytes; 0: the scheduler's; rounded up, to 16 KiB at least */
    const char *name;         /**< kept, not copied: must live as long as the task; NULL: none */
    void (*drop)(void *arg);  /**< called instead of the body if the task is cancelled before it starts */
    bide_scheduler scheduler; /**< none: that of the calling task */
    /** It runs on one worker alone, for what belongs to a thread: on the one that spawns it, or that `worker` names.
     * While that one runs another task it waits, though others may be idle. */
    bool pinned;
    unsigned worker; /**< to which it is pinned, from 1 to as many as there are; 0: see `pinned` */
} bide_task_options;

/**
 * @brief Starts a task.
 *
 * @param[out] out the task, to be joined or detached; NULL: detached from the beginning.
 * @param arg handed to the function; its owner is the task from now on (see bide_task_options.drop).
 * @param options may be NULL.
 * @return 0; BIDE_EINVAL (no function; no scheduler given outside of tasks; no such worker; too large a stack);
 *   BIDE_ENOMEM; BIDE_ECANCELED (the scheduler is ending, or has ended). After an error the argument is the
 *   caller's still. Thread-safe, also against the end of the scheduler's bide_run(); does not wait.
 */
BIDE_API int bide_spawn(bide_task *out, bide_task_function function, void *arg,
                        const bide_task_options *options);

/**
 * @brief As bide_spawn(), told where: for functions of yours that spawn for others.
 *
 * bide_spawn() is also a macro that calls this with BIDE_HERE, so that bide_dump() and the overflow handler can
 * say where a task comes from. `(bide_spawn)(…)`, its address, and other languages have the function.
 *
 * @param place kept, not copied: a string literal as a rule, else to be there for good, since a dump may tell of it when
 *   the task is gone. NULL: unknown.
 */
BIDE_API int bide_spawn_at(const char *place, bide_task *out, bide_task_function function, void *arg,
                           const bide_task_options *options);

/** The tokens as a string. */
#define BIDE_QUOTED_(tokens) #tokens
/** The same, after macros in them were replaced. */
#define BIDE_QUOTED(tokens) BIDE_QUOTED_(tokens)

/** "file:line" of the code that it stands in. Define it as NULL first to keep paths out of the program. */
#ifndef BIDE_HERE
#define BIDE_HERE __FILE__ ":" BIDE_QUOTED(__LINE__)
#endif

/* Variadic, so that a compound literal among the arguments may have commas. */
/*! @cond one name, one description */
#define bide_spawn(...) bide_spawn_at(BIDE_HERE, __VA_ARGS__)
/*! @endcond */

/** Waiting for a task's end, as a future. */
typedef struct bide_task_joining {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_waiter waiter_;
    bide_task task_;
    int value;  /**< when ready with result 0: what the task's body returned */
    int result; /**< when ready: 0 or an error as bide_task_join() */
} bide_task_joining;

/** @brief Prepares it. */
BIDE_API void bide_task_joining_init(bide_task_joining *joining, bide_task task);

/**
 * @brief Waits until the task has ended, and gives its handle up.
 *
 * @param[out] value what its body returned, BIDE_ECANCELED if it was cancelled before it started; may be
 * NULL.
 * @return 0; BIDE_EFREED (joined or detached before), BIDE_EDEADLK (the calling task itself, also where nobody holds
 *   its handle), BIDE_EINVAL (no task); BIDE_ETIMEDOUT, BIDE_EAGAIN at the deadline, BIDE_ECANCELED (the caller is
 *   cancelled): it may be joined later then.
 */
BIDE_API int bide_task_join(bide_task task, int *value, bide_instant deadline);

/** @brief Gives the handle up: nobody will ask for the result. While the task runs it can still be cancelled by it.
 *   @return 0, BIDE_EFREED, BIDE_EINVAL. */
BIDE_API int bide_task_detach(bide_task task);

/** @brief Cancels the task: see the top of this page. @return 0, also if it has ended and can still be joined;
 *   BIDE_EFREED, BIDE_EINVAL (no task). Thread-safe; does not wait. */
BIDE_API int bide_task_cancel(bide_task task);

/** @brief Lets the other tasks of this worker have a turn; on a plain thread, other threads. @return 0, or
 *   BIDE_ECANCELED. */
BIDE_API int bide_yield(void);

/** @brief Whether the calling code runs in a task. */
BIDE_API bool bide_in_task(void);

/** @brief The calling task's name, "" if it has none; NULL on a plain thread. */
BIDE_API const char *bide_task_name(void);

/** @brief The calling task, for others to cancel; to be joined only by who spawned it. None on a plain thread. */
BIDE_API bide_task bide_task_self(void);

/** @brief A number that no other task of the process has, for logs and tables; 0: no task. Small numbers are used
 *   again with the upper half counting up. */
BIDE_API uint64_t bide_task_id(bide_task task);

/** @brief The number of the worker that runs the calling task, from 1; 0 on a plain thread. For a task that is not
 *   pinned it may be another one after each call that waits. */
BIDE_API unsigned bide_task_worker(void);
/**@}*/

/** @name Clean-up */
/**@{*/

/**
 * @brief Has `function(arg)` called when the task ends, however it ends: the last one first.
 *
 * @return 0; BIDE_ENOMEM, BIDE_EINVAL (no function, or not in a task): then it is not called.
 */
BIDE_API int bide_defer(void (*function)(void *arg), void *arg);

/** @brief Until bide_unshield(), cancelling has no effect on the calling task, so that a clean-up may wait.
 *   May be nested. Give the waits in between a deadline. */
BIDE_API void bide_shield(void);
/** @brief Ends what bide_shield() began. */
BIDE_API void bide_unshield(void);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
