/* Between the runner and what gives each test a process of its own.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_RUNNER_PROCESS_H
#define BIDE_TEST_RUNNER_PROCESS_H

#include "support/runner.h"

/* What became of a test, and the status of its process. */
enum { BIDE_TEST_PASSED = 0, BIDE_TEST_FAILED = 1, BIDE_TEST_SKIPPED = 77 };

/* Runs the test in this process, which ends with it. */
_Noreturn void bide_test_run_here(const struct bide_test *test, const struct bide_test_options *suite);

/* Runs it in a process that nothing else has run in, ends that after `timeout` seconds (0: never), and judges
 * how it ended. `alone`: it is the one that was asked for, so that this process will do. */
int bide_test_run_apart(const struct bide_test *test, const struct bide_test_options *suite, double timeout,
                        bool alone);

#endif
