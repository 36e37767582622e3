/* Our own test runner: see runner.h. How a test gets a process of its own is in runner_fork.c, and for Windows
 * in windows/runner.c.
 *
 * A test's process ends by exit(3) for the sanitizers to have their say; that is why the assertion macros do
 * not abort.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "support/runner_process.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PASSED = BIDE_TEST_PASSED, FAILED = BIDE_TEST_FAILED, SKIPPED = BIDE_TEST_SKIPPED };

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

void bide_test_run_here(const struct bide_test *test, const struct bide_test_options *suite)
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

static int run(const struct bide_test *test, bool alone)
{
    struct bide_test_options suite = suite_options(test->suite);
    if (test->options.disabled || suite.disabled) return SKIPPED;
    double timeout = test->options.timeout > 0 ? test->options.timeout : suite.timeout;
    return bide_test_run_apart(test, &suite, timeout, alone);
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
        last = run(test, wanted != NULL);
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
