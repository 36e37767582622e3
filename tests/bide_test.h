/* What every test file includes: Criterion, or with BIDE_TEST_STANDALONE our own small runner under the same
 * names (support/runner.h). The runner exists for the thread sanitizer, whose reports Criterion's worker
 * processes swallow, and for machines without Criterion.
 *
 * Both runners give each test a process of its own. In builds with the address sanitizer both fail a test
 * that leaks memory. Assertions belong on the test's own thread: they end the test by leaving its function.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_H
#define BIDE_TEST_H

#ifdef BIDE_TEST_STANDALONE

#include "support/runner.h"

#else

#include "support/check.h"

#include <criterion/criterion.h>
#include <criterion/logging.h>

/* Ends the test as skipped, with a reason: printf arguments. */
#define BIDE_SKIP(...) cr_skip_test(__VA_ARGS__)

/* Criterion ignores what the leak check at a worker's exit finds, so that the check is made here, after the
 * last fini, where it can still fail the test. */
#ifdef BIDE_TEST_ASAN
#ifndef CR_TEST_TRAMPOLINE_
#error "this Criterion has another way to start a test: leaks would go unnoticed"
#endif
#undef CR_TEST_TRAMPOLINE_
#define CR_TEST_TRAMPOLINE_(Category, Name)                                                            \
    static inline void CR_IDENTIFIER_(Category, Name, jmp)(void)                                       \
    {                                                                                                  \
        criterion_internal_test_setup();                                                               \
        criterion_internal_test_main((void (*)(void))CR_IDENTIFIER_(Category, Name, impl));            \
        criterion_internal_test_teardown();                                                            \
        if (bide_test_leaks()) criterion_test_die("memory leaked: see the sanitizer's report");        \
    }
#endif

#endif

#endif
