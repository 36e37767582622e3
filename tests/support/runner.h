/* Our own test runner under the names of Criterion's classic macros, so that a test file compiles with either:
 * Test, TestSuite, cr_assert and its family, cr_log_info.
 *
 *   program                runs all tests, each in a process of its own
 *   program suite/name     runs that one
 *   program --list         lists them
 *
 * Exit status: 0 passed, 1 failed, 77 skipped (one test asked for, and it was).
 *
 * Unlike Criterion, it does not run fini after a failed assertion: the process ends there.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_RUNNER_H
#define BIDE_TEST_RUNNER_H

#include "support/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h> /* __MINGW_PRINTF_FORMAT */
#include <string.h>

#ifdef __MINGW_PRINTF_FORMAT
#define BIDE_TEST_PRINTF(text, arguments) __attribute__((format(__MINGW_PRINTF_FORMAT, text, arguments)))
#else
#define BIDE_TEST_PRINTF(text, arguments) __attribute__((format(printf, text, arguments)))
#endif

/* What may be set for a test or a suite: `.timeout = 5`. Zero is the default of each. */
struct bide_test_options {
    double timeout;     /* seconds, then the test fails */
    int signal;         /* the test must die of this signal */
    int exit_code;      /* or end with this status */
    void (*init)(void); /* runs before the test */
    void (*fini)(void); /* runs after it */
    bool disabled;      /* the test counts as skipped */
    const char *description;
    char unused; /* lets the macros below end their list of options */
};

struct bide_test {
    const char *suite;
    const char *name; /* NULL: options for the whole suite */
    void (*function)(void);
    struct bide_test_options options;
    struct bide_test *next;
};

/* Called before main by what Test and TestSuite define. */
void bide_test_register(struct bide_test *test);

_Noreturn void bide_test_fail(const char *file, int line, const char *expression, const char *format, ...)
    BIDE_TEST_PRINTF(4, 5);
_Noreturn void bide_test_skip(const char *format, ...) BIDE_TEST_PRINTF(1, 2);
void bide_test_log(const char *format, ...) BIDE_TEST_PRINTF(1, 2);

#define Test(...) BIDE_TEST_DEFINE(__VA_ARGS__, .unused = 0)
#define BIDE_TEST_DEFINE(Suite, Name, ...)                                                          \
    static void Suite##_##Name##_test(void);                                                        \
    __attribute__((constructor)) static void Suite##_##Name##_register(void)                        \
    {                                                                                               \
        static struct bide_test test = {#Suite, #Name, Suite##_##Name##_test, {__VA_ARGS__}, NULL}; \
        bide_test_register(&test);                                                                  \
    }                                                                                               \
    static void Suite##_##Name##_test(void)

#define TestSuite(...) BIDE_TEST_SUITE(__VA_ARGS__, .unused = 0)
#define BIDE_TEST_SUITE(Suite, ...)                                                \
    __attribute__((constructor)) static void Suite##_suite_register(void)          \
    {                                                                              \
        static struct bide_test suite = {#Suite, NULL, NULL, {__VA_ARGS__}, NULL}; \
        bide_test_register(&suite);                                                \
    }                                                                              \
    _Static_assert(sizeof #Suite > 1, "a suite has a name")

/* The message is optional. BIDE_TEST_1(f, a, ...) becomes f##_BARE(a) or f##_SAID(a, ...), depending on whether
 * anything follows the first argument; BIDE_TEST_2 does so for two. ISO C11 offers no shorter way. */
#define BIDE_TEST_NTH(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, nth, ...) nth
#define BIDE_TEST_1(f, ...)                                                                                 \
    BIDE_TEST_NTH(__VA_ARGS__, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID,        \
                  f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_BARE, \
                  ~)                                                                                        \
    (__VA_ARGS__)
#define BIDE_TEST_2(f, ...)                                                                                 \
    BIDE_TEST_NTH(__VA_ARGS__, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID,        \
                  f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_SAID, f##_BARE, f##_BARE, \
                  ~)                                                                                        \
    (__VA_ARGS__)

#define BIDE_TEST_CHECK(holds, text, ...) \
    ((holds) ? (void)0 : bide_test_fail(__FILE__, __LINE__, text, __VA_ARGS__))

#define BIDE_TEST_TRUE_BARE(condition) BIDE_TEST_CHECK(condition, #condition, "%s", "")
#define BIDE_TEST_TRUE_SAID(condition, ...) BIDE_TEST_CHECK(condition, #condition, __VA_ARGS__)
#define BIDE_TEST_NOT_BARE(condition) BIDE_TEST_CHECK(!(condition), "!(" #condition ")", "%s", "")
#define BIDE_TEST_NOT_SAID(condition, ...) BIDE_TEST_CHECK(!(condition), "!(" #condition ")", __VA_ARGS__)
#define BIDE_TEST_NULL_BARE(value) BIDE_TEST_CHECK((value) == NULL, #value " == NULL", "%s", "")
#define BIDE_TEST_NULL_SAID(value, ...) BIDE_TEST_CHECK((value) == NULL, #value " == NULL", __VA_ARGS__)
#define BIDE_TEST_SOME_BARE(value) BIDE_TEST_CHECK((value) != NULL, #value " != NULL", "%s", "")
#define BIDE_TEST_SOME_SAID(value, ...) BIDE_TEST_CHECK((value) != NULL, #value " != NULL", __VA_ARGS__)

#define BIDE_TEST_OP(a, op, b, ...) BIDE_TEST_CHECK((a)op(b), #a " " #op " " #b, __VA_ARGS__)
#define BIDE_TEST_EQ_BARE(a, b) BIDE_TEST_OP(a, ==, b, "%s", "")
#define BIDE_TEST_EQ_SAID(a, b, ...) BIDE_TEST_OP(a, ==, b, __VA_ARGS__)
#define BIDE_TEST_NE_BARE(a, b) BIDE_TEST_OP(a, !=, b, "%s", "")
#define BIDE_TEST_NE_SAID(a, b, ...) BIDE_TEST_OP(a, !=, b, __VA_ARGS__)
#define BIDE_TEST_LT_BARE(a, b) BIDE_TEST_OP(a, <, b, "%s", "")
#define BIDE_TEST_LT_SAID(a, b, ...) BIDE_TEST_OP(a, <, b, __VA_ARGS__)
#define BIDE_TEST_LE_BARE(a, b) BIDE_TEST_OP(a, <=, b, "%s", "")
#define BIDE_TEST_LE_SAID(a, b, ...) BIDE_TEST_OP(a, <=, b, __VA_ARGS__)
#define BIDE_TEST_GT_BARE(a, b) BIDE_TEST_OP(a, >, b, "%s", "")
#define BIDE_TEST_GT_SAID(a, b, ...) BIDE_TEST_OP(a, >, b, __VA_ARGS__)
#define BIDE_TEST_GE_BARE(a, b) BIDE_TEST_OP(a, >=, b, "%s", "")
#define BIDE_TEST_GE_SAID(a, b, ...) BIDE_TEST_OP(a, >=, b, __VA_ARGS__)
#define BIDE_TEST_STR_BARE(a, b) BIDE_TEST_CHECK(strcmp(a, b) == 0, #a " is " #b, "%s", "")
#define BIDE_TEST_STR_SAID(a, b, ...) BIDE_TEST_CHECK(strcmp(a, b) == 0, #a " is " #b, __VA_ARGS__)
#define BIDE_TEST_STRNE_BARE(a, b) BIDE_TEST_CHECK(strcmp(a, b) != 0, #a " is not " #b, "%s", "")
#define BIDE_TEST_STRNE_SAID(a, b, ...) BIDE_TEST_CHECK(strcmp(a, b) != 0, #a " is not " #b, __VA_ARGS__)

#define cr_assert(...) BIDE_TEST_1(BIDE_TEST_TRUE, __VA_ARGS__)
#define cr_assert_not(...) BIDE_TEST_1(BIDE_TEST_NOT, __VA_ARGS__)
#define cr_assert_null(...) BIDE_TEST_1(BIDE_TEST_NULL, __VA_ARGS__)
#define cr_assert_not_null(...) BIDE_TEST_1(BIDE_TEST_SOME, __VA_ARGS__)
#define cr_assert_eq(...) BIDE_TEST_2(BIDE_TEST_EQ, __VA_ARGS__)
#define cr_assert_neq(...) BIDE_TEST_2(BIDE_TEST_NE, __VA_ARGS__)
#define cr_assert_lt(...) BIDE_TEST_2(BIDE_TEST_LT, __VA_ARGS__)
#define cr_assert_leq(...) BIDE_TEST_2(BIDE_TEST_LE, __VA_ARGS__)
#define cr_assert_gt(...) BIDE_TEST_2(BIDE_TEST_GT, __VA_ARGS__)
#define cr_assert_geq(...) BIDE_TEST_2(BIDE_TEST_GE, __VA_ARGS__)
#define cr_assert_str_eq(...) BIDE_TEST_2(BIDE_TEST_STR, __VA_ARGS__)
#define cr_assert_str_neq(...) BIDE_TEST_2(BIDE_TEST_STRNE, __VA_ARGS__)

/* These take a message, always. */
#define cr_assert_fail(...) bide_test_fail(__FILE__, __LINE__, "reached", __VA_ARGS__)
#define cr_fatal(...) bide_test_fail(__FILE__, __LINE__, "reached", __VA_ARGS__)
#define cr_log_info(...) bide_test_log(__VA_ARGS__)
#define BIDE_SKIP(...) bide_test_skip(__VA_ARGS__)

#endif
