/* What the tests of tasks share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_TASK_H
#define BIDE_TEST_TASK_H

#include "test_inventory.h"

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

#endif
