/**
 * @file bide/pool.h
 * @brief Blocking jobs: functions that may block, on threads that come and go, as futures.
 *
 * For what the system offers only as a call that waits: looking names up, files, a library of yours. Bide's
 * own name resolution (bide/resolve.h) stands on it.
 *
 * @code
 * static bide_ssize sync_file(void *arg)
 * {
 *     return fsync(*(int *)arg) == 0 ? 0 : bide_last_error();
 * }
 * …
 * bide_job job;
 * bide_job_init(&job, sync_file, &fd);
 * int err = bide_block_on(&job.future);          // meanwhile this thread serves the others' I/O
 * if (!err) err = (int)job.result;
 * @endcode
 *
 * **Threads.** They are named "bide-pool", block all signals but the synchronous ones, are started when a job
 * finds none free, up to a limit (bide_pool_set_limit()), and leave after some idleness
 * (bide_pool_set_idle()); an idle one sleeps and is woken by nothing but a job and its leaving. Jobs that
 * find all threads busy wait in the order in which they came. bide_shutdown() cancels those, waits for what
 * is running, and joins all threads. The functions here may be called by any thread; a job is one thread's at
 * a time, like every future.
 *
 * **Fork.** In the child of a fork(2) a job that the parent had begun is ready with BIDE_EFORKED; its
 * function is not run or finished there. New jobs get threads of the child's own. A job may itself fork: the
 * child's one thread is then no longer the pool's (it may call bide_shutdown()), and if the function returns
 * there, the thread ends, and so the process.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_POOL_H
#define BIDE_POOL_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a job does, on a thread of the pool. It may block, and may use Bide as on any thread (it must not call
 * bide_shutdown(), which gives BIDE_EDEADLK there). It must return: pthread_exit(3) in it is not allowed.
 */
typedef bide_ssize (*bide_job_function)(void *arg);

/** A blocking job as a future, in storage of the caller's. It is handed to the pool by the first poll. */
typedef struct bide_job {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_link link_;
    bide_waiter waiter_;
    bide_job_function function_;
    void *arg_;
    void (*drop_)(void *record);
    struct bide_pool_thread *thread_;
    uint32_t stage_;
    uint32_t born_;
    bool begun_;
    /** When ready: what the function returned; or, when it was not run, BIDE_ENOTHREAD (no thread exists and
     * none can be started), BIDE_ENOMEM, BIDE_ENOTSUP (bide_set_threads() forbids them), BIDE_EINVAL (no
     * function), BIDE_ECANCELED (cancelled, or bide_shutdown()), BIDE_EFORKED. */
    bide_ssize result;
} bide_job;

/**
 * @brief Prepares a job that runs function(arg).
 *
 * `arg` and what it points at must stay until the job is ready or cancelled. A job that no thread has begun
 * yet is cancelled at once (BIDE_READY, the function does not run). A running function cannot be stopped:
 * cancelling it answers BIDE_PENDING, and bide_cancel(), bide_await() at its deadline, and a race wait until
 * it returns, which counts as BIDE_COMPLETED. See bide_job_init_detachable() where that must not be.
 *
 * @code
 * bide_job_init(&job, sync_file, &fd);
 * @endcode
 */
BIDE_API void bide_job_init(bide_job *job, bide_job_function function, void *arg);

/**
 * @brief Prepares a job that runs function(record), and can be cancelled at any time.
 *
 * All that the function touches is in the record, which outlives the future if it must: a cancel always
 * answers at once. Whose the record is: the caller's, until a poll has answered BIDE_PENDING, and again once
 * the job is ready; meanwhile, and for ever after a cancel that answered BIDE_READY to such a job, the
 * pool's.
 *
 * @param record given to `function`, then perhaps to `drop`.
 * @param drop frees the record of a job that was cancelled: called exactly once for each, in the cancel if
 *   the function had not begun, else on the pool's thread after it has returned; with no lock held. NULL: the
 *   same as bide_job_init().
 *
 * @code
 * bide_job_init_detachable(&job, look_up, lookup, free);
 * @endcode
 */
BIDE_API void bide_job_init_detachable(bide_job *job, bide_job_function function, void *record,
                                       void (*drop)(void *record));

/**
 * @brief Runs function(arg) on a thread of the pool and waits for it; the calling thread serves the others'
 *   I/O meanwhile.
 *
 * @param deadline by when it must have begun; a function that runs is waited for, however long it takes.
 * @return what the function returned; BIDE_ETIMEDOUT (BIDE_EAGAIN for BIDE_NOW) if it was not begun in time;
 *   or as the result of bide_job, or an error of bide_await(). Not inside a waker: BIDE_EDEADLK.
 *
 * @code
 * bide_ssize result = bide_job_run(sync_file, &fd, BIDE_NEVER);
 * @endcode
 */
BIDE_API bide_ssize bide_job_run(bide_job_function function, void *arg, bide_instant deadline);

/**
 * @brief bide_job_run() without a deadline, under the name by which others know it: runs a function that blocks
 *   without blocking the caller's thread for others.
 *
 * In a task it suspends the task alone, and other tasks run on its worker meanwhile. A task that is cancelled
 * gets BIDE_ECANCELED if no thread has begun the function, which then never runs; one that runs is waited for,
 * so that `arg` may be on the caller's stack, and its result is returned. Such a task is thus as slow to end as
 * the function is; where that must not be see bide_job_init_detachable().
 *
 * @return what the function returned, or an error as bide_job_run().
 *
 * @code
 * bide_ssize result = bide_blocking(compress, &image);
 * @endcode
 */
BIDE_API bide_ssize bide_blocking(bide_job_function function, void *arg);

/** The limit of threads before the first bide_pool_set_limit(). Jobs wait rather than compute, so that it has
 * nothing to do with the number of processors; and a look-up at a name server that is dead keeps its thread
 * for half a minute, also after its caller has given up. A few dozens of those must not stop the rest, and
 * cost little. */
#define BIDE_POOL_LIMIT 64

/**
 * @brief Limits how many threads the pool may have.
 *
 * @param threads 1 or more. Raising it starts threads for jobs that wait; lowering it takes effect as threads
 *   run out of jobs.
 * @return 0 or BIDE_EINVAL. Thread-safe; does not wait.
 */
BIDE_API int bide_pool_set_limit(size_t threads);

/**
 * @brief Sets how long a thread without a job stays: 10 s before the first call.
 *
 * @param duration 0 or less: it leaves at once. For threads that fall idle from now on.
 *
 * Thread-safe; does not wait.
 */
BIDE_API void bide_pool_set_idle(bide_duration duration);

#ifdef __cplusplus
}
#endif

#endif
