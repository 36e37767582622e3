/* Our own test runner: see runner.h.
 *
 * Each test runs in a child made by fork while the parent has one thread only, so that tests share nothing, a
 * test may use SIGALRM itself, and a hung one can be killed. The child ends by exit(3) for the sanitizers to
 * have their say; that is why the assertion macros do not abort.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "support/runner.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

static struct bide_test *tests;
static struct bide_test **tests_end = &tests;

void bide_test_register(struct bide_test *test)
{
    *tests_end = test;
    tests_end = &test->next;
}

static void print(const char *format, va_list arguments) BIDE_TEST_PRINTF(1, 0);
static void print(const char *format, va_list arguments)
{
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

void bide_test_fail(const char *file, int line, const char *expression, const char *format, ...)
{
    (void)fprintf(stderr, "%s:%d: failed: %s: ", file, line, expression);
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
    (void)fflush(NULL);
    /* Not exit(3): other threads of the test may be at work still. */
    _exit(FAILED);
}

void bide_test_skip(const char *format, ...)
{
    (void)fputs("skipped: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
    (void)fflush(NULL);
    _exit(SKIPPED);
}

void bide_test_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
}

/* The suite's own options, or none. */
static struct bide_test_options suite_options(const char *suite)
{
    for (struct bide_test *test = tests; test; test = test->next)
        if (!test->name && strcmp(test->suite, suite) == 0) return test->options;
    return (struct bide_test_options){.timeout = 0};
}

static void call(void (*function)(void))
{
    if (function) function();
}

#ifdef BIDE_TEST_TSAN
static void *do_nothing(void *arg)
{
    return arg;
}
#endif

/* The thread sanitizer starts a thread of its own with a process's first: it shall not upset a test that
 * counts threads. */
static void settle_threads(void)
{
#ifdef BIDE_TEST_TSAN
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0) (void)pthread_join(thread, NULL);
#endif
}

static _Noreturn void run_here(const struct bide_test *test, const struct bide_test_options *suite)
{
    settle_threads();
    call(suite->init);
    call(test->options.init);
    test->function();
    call(test->options.fini);
    call(suite->fini);
    if (bide_test_leaks()) bide_test_fail(test->suite, 0, test->name, "memory leaked");
    exit(PASSED);
}

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
        return FAILED;
    }
    int by_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (by_signal == expected->signal && code == expected->exit_code) return PASSED;
    if (by_signal == 0 && code == SKIPPED) return SKIPPED;
    if (by_signal != expected->signal)
        (void)fprintf(stderr, "ended by signal %d, expected %d\n", by_signal, expected->signal);
    if (code != expected->exit_code)
        (void)fprintf(stderr, "ended with status %d, expected %d\n", code, expected->exit_code);
    return FAILED;
}

static int run(const struct bide_test *test)
{
    struct bide_test_options suite = suite_options(test->suite);
    if (test->options.disabled || suite.disabled) return SKIPPED;
    double timeout = test->options.timeout > 0 ? test->options.timeout : suite.timeout;

    sigset_t child_ended, before;
    (void)sigemptyset(&child_ended);
    (void)sigaddset(&child_ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child_ended, &before);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return FAILED;
    }
    if (child == 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        run_here(test, &suite);
    }
    bool timed_out;
    int status = wait_for(child, timeout, &timed_out);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return verdict(&test->options, status, timeout, timed_out);
}

static const char *word(int result)
{
    return result == PASSED ? "passed" : result == SKIPPED ? "skipped" : "FAILED";
}

static bool is_called(const struct bide_test *test, const char *name)
{
    size_t length = strlen(test->suite);
    return strncmp(name, test->suite, length) == 0 && name[length] == '/' &&
           strcmp(name + length + 1, test->name) == 0;
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : NULL;
    bool list = wanted && strcmp(wanted, "--list") == 0;
    int ran = 0;
    int failed = 0;
    int last = FAILED;
    for (const struct bide_test *test = tests; test; test = test->next) {
        if (!test->name || (wanted && !list && !is_called(test, wanted))) continue;
        if (list) {
            (void)printf("%s/%s\n", test->suite, test->name);
            continue;
        }
        last = run(test);
        ran++;
        failed += last == FAILED;
        (void)printf("%s/%s: %s\n", test->suite, test->name, word(last));
    }
    if (list) return 0;
    if (ran == 0) (void)fprintf(stderr, "no such test: %s\n", wanted ? wanted : "(the program has none)");
    if (wanted && ran == 1) return last;
    (void)printf("%d run, %d failed\n", ran, failed);
    return ran == 0 || failed ? FAILED : PASSED;
}
