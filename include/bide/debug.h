/**
 * @file bide/debug.h
 * @brief Looking inside: what a program's tasks, timers and descriptors are doing, counts, stacks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_DEBUG_H
#define BIDE_DEBUG_H

#include <bide/base.h>
#include <bide/error.h>
#include <bide/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name What there is */
/**@{*/

/**
 * @brief Writes what there is, as text: a line for each reactor, registered descriptor, wheel, scheduler, worker and
 *   task, for the helper thread and for the pool.
 *
 * A line is the kind and the number of the thing, a colon, and what there is to say, parted by commas; the number
 * of something that ends is used again. What stands before the first comma, and the words that begin the other
 * parts, stay the same from version to version; parts are only added, at the end.
 *
 *     bide 0.1.0
 *     reactor 0: epoll, driven by a thread, background 0, timers 2, first in 0.250 s
 *     async-io: is not there
 *     source 3: fd 7, reactor 0, read clear waiters 1, write ready waiters 0
 *     wheel 0: with a thread, sleeps 20000, first in 4.100 s, thread "bide-wheel"
 *     wheel 1: inline, sleeps 3, first in 29.900 s
 *     pool: threads 1, idle 1, limit 512, jobs waiting 0
 *     scheduler 0: workers 2, tasks 3
 *     worker 0: in the poller
 *     worker 1: runs task 1
 *     task 1: "main", running, spawned at ?, stack 0 of 131072, most 8192
 *     task 2: "echo", waits for fd 7 to read, since 1.250 s, at most 0.300 s more, spawned at echo.c:33, stack 912
 *     of 131072, most 4096
 *
 * (The last one is one line.) Of a task: its name, or - for none; running, ready (waits for a worker), "joins one
 * that has not waited yet" (which has its worker until it does), or what it waits for (bide_future_kind names
 * futures of yours) and for how long so far, which is exact to the time that its worker needs for some sixty tasks;
 * its deadline; where it was spawned; the bytes of its stack in use (0 when it runs) and the most that were, see
 * bide_task_stack_high_water().
 *
 * Of a wheel: how many sleeps are in it, and when, by its own clock, the first tick comes at which one may be due; for
 * one without a thread that is what its owner was told last (bide_wheel_next(), or the poll of its driving). "of the
 * parent": made with a thread before a fork, this is the child.
 *
 * Each line is true for a moment, not all of them for the same one. Nothing stops: each thing is looked at by
 * itself, what is locked for longer is "busy", and nothing is held while the text is written. Allocates nothing; the
 * text is put together on the stack, a kilobyte at a time.
 *
 * @param fd any descriptor that can be written; written to by plain calls, which may block the thread. On Windows a
 *   HANDLE or a socket; 1 and 2 are the standard output and error there, too.
 * @return 0, or the error of writing (BIDE_EAGAIN: it does not block, and is full), after which nothing more is
 *   written.
 *
 * From any thread or task, also `call bide_dump(2)` in a debugger; not in a signal handler, which may set an event
 * for a thread or task that dumps (the guide shows it).
 *
 * @code
 * (void)bide_dump(2);
 * @endcode
 */
BIDE_API int bide_dump(bide_fd fd);
/**@}*/

/** @name Stacks */
/**@{*/

/**
 * @brief How much of a task's stack was in use at most.
 *
 * In whole pages, and asked of the system (mincore(2)) only now, so that it costs nothing before: pages that have
 * memory, from the top down. Stacks are used again with the memory that they have, so that it may have been an
 * earlier task that used so much; and what is swapped out does not count. Where it matters how much a task needs,
 * let it be the first of its size, in a process without swap.
 *
 * @param[out] bytes what was found.
 * @return 0; BIDE_EFREED (joined or detached before, or it has ended), BIDE_EINVAL (no task, nowhere to put it).
 *   Thread-safe; does not wait.
 */
BIDE_API int bide_task_stack_high_water(bide_task task, size_t *bytes);

/** @brief The same of the calling task; 0 on a plain thread. */
BIDE_API size_t bide_stack_high_water(void);

/**
 * @brief From now on a task that overflows its stack is named before the process ends.
 *
 * Below each stack lie pages that fault (its guard). This installs a handler of SIGSEGV and SIGBUS which, when the
 * guard of the running task's stack was hit, writes a line like
 *
 *     bide: stack overflow in task 7 "parser", spawned at parse.c:41: its stack has 16384 bytes
 *
 * Then, and for any other fault without a word, what was there before takes over: the handler that was installed,
 * or the default action, which ends the process with the signal, and a core file if there are such. A handler that
 * is installed later replaces this one. Workers get an alternate signal stack for it (sigaltstack(2)), unless their
 * thread has one already: those that start later when they do, and those that run when they look for the next task.
 *
 * A function whose frame is larger than the guard (32 KiB) may step over it unseen, unless it is compiled with
 * -fstack-clash-protection, as distributions do.
 *
 * @param fd where to write, such as 2: must stay open. A second call changes that alone.
 * @return 0, or the system's error. Thread-safe; does not wait.
 *
 * @code
 * (void)bide_overflow_handler_install(2);
 * return bide_run(serve, NULL, NULL) < 0;
 * @endcode
 */
BIDE_API int bide_overflow_handler_install(bide_fd fd);
/**@}*/

/** @name Counts
 * Each worker counts for itself, so that it costs next to nothing; one that reads them sees all that happened
 * before, and perhaps some of what happens. */
/**@{*/

/** What one worker did, since bide_run() began. */
typedef struct bide_worker_stats {
    uint64_t switches; /**< tasks begun or resumed */
    uint64_t spawned;  /**< tasks spawned */
    uint64_t wakes;    /**< suspended tasks made ready, by tasks that ran here, events and timers */
    uint64_t steals;   /**< times that it took tasks from another worker */
    uint64_t parks;    /**< times that it found no task to run and went to wait */
} bide_worker_stats;

/** What a scheduler is and did. */
typedef struct bide_scheduler_stats {
    unsigned workers;        /**< threads that run tasks */
    size_t live;             /**< tasks that have not ended */
    uint64_t injected;       /**< tasks that other threads spawned or woke; counted in no worker's */
    bide_worker_stats total; /**< the sums over all workers; in spawned and wakes also those injected */
} bide_scheduler_stats;

/**
 * @brief Reads the counts of a scheduler. Thread-safe; does not wait.
 *
 * @param scheduler none: that of the calling task.
 * @return 0; BIDE_EINVAL: no scheduler, or nowhere to put them; BIDE_EFREED: it has ended.
 *
 * @code
 * bide_scheduler_stats stats;
 * if (bide_scheduler_stats_read(bide_scheduler_current(), &stats) == 0) report(stats.live, stats.total.switches);
 * @endcode
 */
BIDE_API int bide_scheduler_stats_read(bide_scheduler scheduler, bide_scheduler_stats *stats);

/** @brief Reads those of one worker, 0 to `workers` - 1. @return as bide_scheduler_stats_read(); BIDE_EINVAL also for
 *   a worker that is none. */
BIDE_API int bide_worker_stats_read(bide_scheduler scheduler, unsigned worker, bide_worker_stats *stats);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
