/* What the tests of tasks share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_TASK_H
#define BIDE_TEST_TASK_H

#include "test_inventory.h"

#include <bide/debug.h>
#include <bide/task.h>

static const unsigned worker_counts[] = {1, 2, 8};

/* Runs the function as the main task with each number of workers. */
#define WITH_WORKERS(function, arg, expected)                                                  \
    do {                                                                                       \
        for (size_t i_ = 0; i_ < sizeof worker_counts / sizeof *worker_counts; i_++) {         \
            bide_run_options options_ = {.workers = worker_counts[i_]};                        \
            int result_ = bide_run(function, arg, &options_);                                  \
            cr_assert_eq(result_, expected, "%d with %u workers", result_, worker_counts[i_]); \
        }                                                                                      \
    } while (0)

/* Spawns and joins it, and gives what it returned. */
static inline int run_one(bide_task_function function, void *arg, const bide_task_options *options)
{
    bide_task task;
    int value = 0;
    cr_assert_ok(bide_spawn(&task, function, arg, options));
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    return value;
}

/* Joins them, each of which must have returned 0. */
static inline void join_all(const bide_task *tasks, int count)
{
    for (int i = 0; i < count; i++) {
        int value = 1;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
}

#endif
