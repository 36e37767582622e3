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
#include <stddef.h>
#include <string.h>

/* Ends the test as skipped, with a reason: printf arguments. */
#define BIDE_SKIP(...) cr_skip_test(__VA_ARGS__)

/* Criterion ignores what the leak check at a worker's exit finds, and a failure after fini. So the last part of
 * the test itself runs the finis, as Criterion would, and then looks. A test that fails earlier never comes
 * here, and Criterion runs its finis. */
#ifdef BIDE_TEST_ASAN
#ifndef CR_TEST_TRAMPOLINE_
#error "this Criterion has another way to start a test: leaks would go unnoticed"
#endif
/* Runs one fini and keeps Criterion from running it again. Criterion packs this structure without regard to
 * its alignment, so that it must not be touched as one. */
static inline void bide_test_run_fini(struct criterion_test_extra_data *data)
{
    if (!data) return;
    char *place = (char *)data + offsetof(struct criterion_test_extra_data, fini);
    void (*fini)(void);
    (void)memcpy(&fini, place, sizeof fini);
    if (!fini) return;
    (void)memset(place, 0, sizeof fini);
    fini();
}
static inline void bide_test_finish(void)
{
    bide_test_run_fini(criterion_current_test->data);
    bide_test_run_fini(criterion_current_suite->data);
    cr_assert(!bide_test_leaks(), "memory leaked: see the sanitizer's report");
}
#undef CR_TEST_TRAMPOLINE_
#define CR_TEST_TRAMPOLINE_(Category, Name)                                  \
    static void CR_IDENTIFIER_(Category, Name, whole)(void)                  \
    {                                                                        \
        CR_IDENTIFIER_(Category, Name, impl)();                              \
        bide_test_finish();                                                  \
    }                                                                        \
    static inline void CR_IDENTIFIER_(Category, Name, jmp)(void)             \
    {                                                                        \
        criterion_internal_test_setup();                                     \
        criterion_internal_test_main(CR_IDENTIFIER_(Category, Name, whole)); \
        criterion_internal_test_teardown();                                  \
    }
#endif

#endif

#endif
