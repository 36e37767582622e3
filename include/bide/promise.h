/**
 * @file bide/promise.h
 * @brief Promises: what a task will come to, a value or an error, and what is to be done with it then.
 *
 * bide_promise_spawn() starts a function in a task whose outcome is kept. Steps follow it: each is a function
 * that gets the outcome of the one before, runs in a task of its own, and has an outcome in turn. At the end
 * bide_promise_sync() waits and takes the last one.
 *
 * @code
 * bide_promise *page;
 * int err = bide_promise_spawn(&page, fetch, url, NULL);
 * if (err) return err;
 * err = bide_promise_success(&page, parse, NULL, NULL);         // if it came: its value is parse's
 * if (!err) err = bide_promise_fail(&page, from_cache, url, NULL); // if either failed
 * bide_outcome outcome;
 * if (!err) err = bide_promise_sync(&page, &outcome, bide_after(BIDE_SECONDS(10)));
 * bide_promise_free(page);                                      // if it was not taken
 * @endcode
 *
 * **Ownership.** A promise belongs to one holder. A step takes it and puts the promise of its own outcome in its
 * place; after an error it is as it was. Whoever has the outcome owns the value: a step that gets one frees it
 * or hands it on, by returning it; who takes it by bide_promise_sync() frees it; of a promise that is freed
 * before, the value goes to the outcome's `drop`. No value is lost, and none dropped twice.
 *
 * **Steps are passed over** as their names say, and the outcome is then handed on unchanged. What a step has for
 * an argument goes to bide_task_options.drop then, and to the function otherwise: always to one of the two.
 *
 * **Cancelling** (bide_promise_cancel(), or the end of the main task) cancels the tasks of the step and of those
 * before it that have not ended. Their outcome is BIDE_ECANCELED, unless they had a better one; steps for errors,
 * and those that always run, still run.
 *
 * **Threads.** A promise is one thread's or task's at a time, but for bide_promise_cancel(). Steps run in tasks
 * of the scheduler that the options name, or the calling task's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_PROMISE_H
#define BIDE_PROMISE_H

#include <bide/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What became of it: a value, or an error. */
typedef struct bide_outcome {
    int error;                 /**< 0, or a negative error: then there is no value */
    void *value;               /**< NULL is a value like any other */
    void (*drop)(void *value); /**< frees the value if nobody takes it; NULL: there is nothing to free */
} bide_outcome;

/** @brief The outcome of one that has succeeded. */
static inline bide_outcome bide_outcome_value(void *value, void (*drop)(void *value))
{
    bide_outcome outcome;
    outcome.error = 0;
    outcome.value = value;
    outcome.drop = drop;
    return outcome;
}

/** @brief The outcome of one that has failed. @param error negative. */
static inline bide_outcome bide_outcome_error(int error)
{
    bide_outcome outcome;
    outcome.error = error;
    outcome.value = NULL;
    outcome.drop = NULL;
    return outcome;
}

/** @brief Drops the value, if there is one to drop. For who has taken an outcome and does not want it. */
static inline void bide_outcome_drop(bide_outcome outcome)
{
    if (outcome.error == 0 && outcome.drop) outcome.drop(outcome.value);
}

/** An outcome that is to come. */
typedef struct bide_promise bide_promise;

/** What a promise begins with. */
typedef bide_outcome (*bide_promise_function)(void *arg);

/** A step: gets the outcome before it, which it owns, and gives its own. */
typedef bide_outcome (*bide_promise_step)(bide_outcome before, void *arg);

/** The last step. */
typedef void (*bide_promise_end)(bide_outcome before, void *arg);

/**
 * @brief Runs the function in a task, and keeps its outcome.
 *
 * @param[out] out to be given to a step, taken by bide_promise_sync(), or freed. NULL after an error.
 * @param options may be NULL; `drop` gets the argument if the task is cancelled before it begins: the outcome is
 *   BIDE_ECANCELED then.
 * @return 0, or as bide_spawn(): BIDE_EINVAL, BIDE_ENOMEM, BIDE_ECANCELED; the argument is the caller's still.
 *   Does not wait.
 */
BIDE_API int bide_promise_spawn(bide_promise **out, bide_promise_function function, void *arg,
                                const bide_task_options *options);

/** @brief As bide_promise_spawn(), told where; that is a macro too, for this one: see bide_spawn_at(). The tasks of
 *   steps are said to come from there as well. */
BIDE_API int bide_promise_spawn_at(const char *place, bide_promise **out, bide_promise_function function,
                                   void *arg, const bide_task_options *options);

/*! @cond one name, one description */
#define bide_promise_spawn(...) bide_promise_spawn_at(BIDE_HERE, __VA_ARGS__)
/*! @endcond */

/** @name Steps
 * Each takes `*promise` and puts its own in its place. They return 0, or, with nothing changed, BIDE_EINVAL (NULL;
 * no function), BIDE_ENOMEM, BIDE_ECANCELED (the scheduler is ending). None waits. */
/**@{*/
/** @brief One of the two runs: `on_value` after a value, `on_error` after an error; NULL hands that on. Not both. */
BIDE_API int bide_promise_then(bide_promise **promise, bide_promise_step on_value, bide_promise_step on_error,
                               void *arg, const bide_task_options *options);
/** @brief The step runs in any case. */
BIDE_API int bide_promise_chain(bide_promise **promise, bide_promise_step step, void *arg,
                                const bide_task_options *options);
/** @brief The step runs after a value; an error is handed on. */
BIDE_API int bide_promise_success(bide_promise **promise, bide_promise_step step, void *arg,
                                  const bide_task_options *options);
/** @brief The step runs after an error; a value is handed on. */
BIDE_API int bide_promise_fail(bide_promise **promise, bide_promise_step step, void *arg,
                               const bide_task_options *options);
/** @brief The last step: runs in any case, in a task of its own, and nobody waits for it. `*promise` is NULL then. */
BIDE_API int bide_promise_finally(bide_promise **promise, bide_promise_end step, void *arg,
                                  const bide_task_options *options);
/**@}*/

/**
 * @brief Waits for the outcome and takes it: `*promise` is NULL then. On a plain thread too.
 *
 * @param[out] outcome the caller's from now on: its value is.
 * @return 0: there is an outcome, whichever; or, with the promise the caller's still, BIDE_EAGAIN, BIDE_ETIMEDOUT
 *   at the deadline, BIDE_ECANCELED (the caller is cancelled), BIDE_EDEADLK (by its own task, or inside a waker),
 *   BIDE_EINVAL, or as bide_await().
 */
BIDE_API int bide_promise_sync(bide_promise **promise, bide_outcome *outcome, bide_instant deadline);

/** Waiting for an outcome, as a future. */
typedef struct bide_promise_syncing {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_task_joining joining_;
    bide_promise **promise_;
    bool begun_;
    bide_outcome outcome; /**< when ready with result 0: the caller's */
    int result;           /**< when ready: 0 or an error as bide_promise_sync() */
} bide_promise_syncing;

/** @brief Prepares it. `promise` must stay where it is; `*promise` is NULL once it is ready with result 0. */
BIDE_API void bide_promise_syncing_init(bide_promise_syncing *syncing, bide_promise **promise);

/** @brief Cancels it: see the top of this page. @return 0, BIDE_EINVAL. Thread-safe as long as its holder does not
 *   take or free it; does not wait. */
BIDE_API int bide_promise_cancel(bide_promise *promise);

/** @brief Gives it up: its tasks go on, and the value is dropped. NULL: nothing happens. Does not wait. */
BIDE_API void bide_promise_free(bide_promise *promise);

#ifdef __cplusplus
}
#endif

#endif
