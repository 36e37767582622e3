/* The examples of tasks that end together: main_exit.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <string.h>

TestSuite(structured, .timeout = 60);

#define MAIN_EXIT BIDE_EXAMPLES "/main_exit"

Test(structured, main_exit_cancels_the_others_and_runs_their_clean_up)
{
    struct run r;
    RUN(&r, MAIN_EXIT);
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, "main: ends now\n"
                            "sleeper: cancelled\nsleeper: cleaned up\n"
                            "sleeper: cancelled\nsleeper: cleaned up\n"
                            "sleeper: cancelled\nsleeper: cleaned up\n"
                            "3 of 3 cleaned up\n");
    cr_assert_str_eq(r.err, "");
}

Test(structured, main_exit_cleans_up_after_a_main_task_that_fails)
{
    struct run r;
    RUN(&r, MAIN_EXIT, "--fail", "--tasks", "100");
    assert_status(&r, 1);
    assert_has(r.out, "main: fails now\n");
    assert_has(r.out, "100 of 100 cleaned up\n");
    cr_assert_str_eq(r.err, "main_exit: the main task: input/output error (BIDE_EIO)\n");
}
