/* A process for each test by fork(2): see runner_process.h.
 *
 * The child is made while the parent has one thread only, so that tests share nothing, a test may use SIGALRM
 * itself, and a hung one can be killed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "support/runner_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Waits for the child, or kills it after `seconds` (0: never) and tells so. SIGCHLD is blocked here. */
static int wait_for(pid_t child, double seconds, bool *timed_out)
{
    sigset_t child_ended;
    (void)sigemptyset(&child_ended);
    (void)sigaddset(&child_ended, SIGCHLD);
    struct timespec limit = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    *timed_out = false;
    if (seconds > 0) {
        int got;
        do
            got = sigtimedwait(&child_ended, NULL, &limit);
        while (got < 0 && errno == EINTR);
        if (got < 0) {
            *timed_out = true;
            (void)kill(child, SIGKILL);
        }
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* Judges how the child ended against what the test expects. */
static int verdict(const struct bide_test_options *expected, int status, double timeout, bool timed_out)
{
    if (timed_out) {
        (void)fprintf(stderr, "timed out after %g s\n", timeout);
        return BIDE_TEST_FAILED;
    }
    int by_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (by_signal == expected->signal && code == expected->exit_code) return BIDE_TEST_PASSED;
    if (by_signal == 0 && code == BIDE_TEST_SKIPPED) return BIDE_TEST_SKIPPED;
    if (by_signal != expected->signal)
        (void)fprintf(stderr, "ended by signal %d, expected %d\n", by_signal, expected->signal);
    if (code != expected->exit_code)
        (void)fprintf(stderr, "ended with status %d, expected %d\n", code, expected->exit_code);
    return BIDE_TEST_FAILED;
}

int bide_test_run_apart(const struct bide_test *test, const struct bide_test_options *suite, double timeout,
                        bool alone)
{
    (void)alone;
    sigset_t child_ended, before;
    (void)sigemptyset(&child_ended);
    (void)sigaddset(&child_ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child_ended, &before);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return BIDE_TEST_FAILED;
    }
    if (child == 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        bide_test_run_here(test, suite);
    }
    bool timed_out;
    int status = wait_for(child, timeout, &timed_out);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return verdict(&test->options, status, timeout, timed_out);
}
