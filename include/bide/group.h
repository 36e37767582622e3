/**
 * @file bide/group.h
 * @brief Groups: tasks that belong together, none of which outlives the place that started them.
 *
 * A group is opened, tasks are spawned into it, and it is closed when its opener is done with it: closing
 * cancels what still runs and waits until all is gone. In between bide_group_wait() waits for all. The first
 * task that fails cancels the others, and its error is what waiting gives.
 *
 * @code
 * static int fetch_all(struct page *pages, int count)
 * {
 *     bide_group group;
 *     int error = bide_group_open(&group);
 *     if (error) return error;
 *     bide_group_set_limit(&group, 8);                                  // eight at a time
 *     bide_group_set_deadline(&group, bide_after(BIDE_SECONDS(30)));    // for all together
 *     for (int i = 0; i < count && !error; i++)
 *         error = bide_group_spawn(&group, NULL, fetch, &pages[i], NULL, BIDE_NEVER);
 *     if (!error) error = bide_group_wait(&group, BIDE_NEVER);
 *     int first = bide_group_close(&group);                             // whatever happened
 *     return first ? first : error;
 * }
 * @endcode
 *
 * **What fails a group.** A task whose body returns a negative result; its deadline (BIDE_ETIMEDOUT);
 * bide_group_cancel() (BIDE_ECANCELED); the cancelling of the task that opened it (BIDE_ECANCELED): as soon
 * as that one waits, or at once if it does. What came first is the group's error, and stays. All tasks of the
 * group are cancelled then (bide/task.h), and no more can be spawned. A task that was cancelled by its own
 * handle, and returns BIDE_ECANCELED therefore, fails nothing. To have all tasks run whatever becomes of the
 * others, let them keep their errors where their results go.
 *
 * **Nesting.** A task of a group may open groups of its own. It must close them before it ends, so that all
 * tasks below a group are gone when it has been closed.
 *
 * **Storage** is the caller's, and must stay where it is from bide_group_open() until bide_group_close() has
 * returned: put both into one function. Nothing is allocated but the tasks.
 *
 * **Threads.** Spawning, waiting and cancelling may be done by any task or thread for as long as the group is
 * open, by the group's tasks too. Settings and closing are the opener's. A plain thread may open a group as
 * well; it then says in the options which scheduler the tasks are for.
 *
 * **Fork.** In the child of a fork(2) the tasks of its parent's groups do not exist: waiting and closing give
 * BIDE_EFORKED at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_GROUP_H
#define BIDE_GROUP_H

#include <bide/task.h>
#include <bide/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A group of tasks. The fields are private. */
typedef struct bide_group {
    bide_link members_;
    bide_link waiters_;
    bide_link room_;
    void *owner_;
    struct bide_group *outer_;
    bide_timer timer_;
    bide_instant deadline_;
    size_t running_;
    size_t limit_;
    uint32_t born_;
    int error_;
    bool timed_;
    bool closed_;
} bide_group;

/** @name Opening and closing */
/**@{*/

/**
 * @brief Opens a group.
 *
 * @return 0 or BIDE_EINVAL. Does not wait.
 */
BIDE_API int bide_group_open(bide_group *group);

/**
 * @brief Closes it: cancels the tasks that still run, and waits until all are gone, their clean-up done.
 *
 * Waits whatever happens, also in a task that is cancelled; so see to it that tasks that are cancelled end.
 * Nothing of the group runs afterwards, and its storage is free.
 *
 * @return the group's error, or 0 if nothing had failed: BIDE_ECANCELED if tasks had to be cancelled. Or, with
 *   the group as it was, BIDE_EINVAL (NULL), BIDE_EFREED (closed before), BIDE_EPERM (another task opened
 *   it), BIDE_EDEADLK (by a task of the group, or below it; inside a waker or an operation), and on plain
 *   threads the errors of bide_block_on(): close again.
 */
BIDE_API int bide_group_close(bide_group *group);

/**
 * @brief Limits how many of its tasks there may be at once.
 *
 * @param limit 0: any number, which is so at first.
 * @return 0, BIDE_EINVAL, BIDE_EFREED, BIDE_EPERM (not its opener). Raising it lets in who waits to spawn;
 *   lowering it ends no task. Does not wait.
 */
BIDE_API int bide_group_set_limit(bide_group *group, size_t limit);

/**
 * @brief Fails the group with BIDE_ETIMEDOUT at that instant, whatever its opener does then.
 *
 * @param deadline one that has passed: at once. BIDE_NEVER takes an earlier one back.
 * @return 0, BIDE_EINVAL, BIDE_EFREED, BIDE_EPERM (not its opener), BIDE_ENOMEM, or another error of a timer
 *   (bide_timer_error()). Does not wait.
 */
BIDE_API int bide_group_set_deadline(bide_group *group, bide_instant deadline);
/**@}*/

/** @name Tasks */
/**@{*/

/**
 * @brief Starts a task of the group: bide_spawn(), after waiting for room if the group has a limit.
 *
 * A task of the group may spawn into it. It counts itself while it waits for room: if all wait so, they wait
 * for the deadline.
 *
 * @param[out] out a handle, to be joined or detached, or NULL. The group waits for the task in any case.
 * @param options may be NULL; outside of tasks the scheduler must be given.
 * @param deadline for the wait for room alone; BIDE_NOW tries.
 * @return 0; as bide_spawn(): BIDE_EINVAL, BIDE_ENOMEM; BIDE_ECANCELED (the group has failed: see
 *   bide_group_error(); the scheduler is ending; or the calling task is cancelled); BIDE_EFREED (closed);
 *   BIDE_EFORKED; BIDE_EAGAIN, BIDE_ETIMEDOUT at the deadline. After an error the argument is the caller's
 *   still.
 */
BIDE_API int bide_group_spawn(bide_group *group, bide_task *out, bide_task_function function, void *arg,
                              const bide_task_options *options, bide_instant deadline);

/** @brief As bide_group_spawn(), told where; that is a macro too, for this one: see bide_spawn_at(). */
BIDE_API int bide_group_spawn_at(const char *place, bide_group *group, bide_task *out,
                                 bide_task_function function, void *arg, const bide_task_options *options,
                                 bide_instant deadline);

/*! @cond one name, one description */
#define bide_group_spawn(...) bide_group_spawn_at(BIDE_HERE, __VA_ARGS__)
/*! @endcond */

/** Spawning as a future, for it may have to wait for room. */
typedef struct bide_group_spawning {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_waiter waiter_;
    bide_group *group_;
    bide_task *out_;
    bide_task_function function_;
    void *arg_;
    bide_task_options options_;
    const char *place_;
    int result; /**< when ready: 0 or an error, as bide_group_spawn() */
} bide_group_spawning;

/** @brief Prepares it; arguments as bide_group_spawn(). The options are copied, `out` is written when it is
 *   ready. */
BIDE_API void bide_group_spawning_init(bide_group_spawning *spawning, bide_group *group, bide_task *out,
                                       bide_task_function function, void *arg,
                                       const bide_task_options *options);

/**
 * @brief Cancels all its tasks, and fails it with BIDE_ECANCELED. What has been spawned first has succeeded,
 *   and the others are no longer needed: let it call this.
 *
 * @return 0, also if it has failed before; BIDE_EINVAL, BIDE_EFREED, BIDE_EFORKED. Thread-safe; does not wait.
 */
BIDE_API int bide_group_cancel(bide_group *group);

/** @brief Its error so far: 0, or what failed it; BIDE_EINVAL. Thread-safe; does not wait. */
BIDE_API int bide_group_error(const bide_group *group);

/** @brief How many of its tasks there are; 0 for NULL. Thread-safe; does not wait. */
BIDE_API size_t bide_group_count(const bide_group *group);
/**@}*/

/** @name Waiting */
/**@{*/

/**
 * @brief Waits until none of its tasks is left. More may be spawned afterwards, unless it has failed.
 *
 * @param deadline ends the wait, and nothing else: see bide_group_set_deadline().
 * @return 0, or the group's error; BIDE_EAGAIN, BIDE_ETIMEDOUT at the deadline (bide_group_error() is 0 then,
 *   unless tasks that are cancelled are slow); BIDE_ECANCELED (the caller is cancelled); BIDE_EINVAL,
 *   BIDE_EFREED, BIDE_EFORKED; BIDE_EDEADLK (by a task of the group, or below it); or as bide_await().
 */
BIDE_API int bide_group_wait(bide_group *group, bide_instant deadline);

/** Waiting for all, as a future. */
typedef struct bide_group_waiting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_waiter waiter_;
    bide_group *group_;
    int result; /**< when ready: 0 or an error, as bide_group_wait() */
} bide_group_waiting;

/** @brief Prepares it. The group must stay open until it is ready or cancelled. */
BIDE_API void bide_group_waiting_init(bide_group_waiting *waiting, bide_group *group);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
