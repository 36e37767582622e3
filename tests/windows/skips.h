/* Tests that are left out on Windows, and why.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_WINDOWS_SKIPS_H
#define BIDE_TEST_WINDOWS_SKIPS_H

/* NULL: the test is to be run. */
const char *bide_test_reason_to_skip(const char *suite, const char *name);

#endif
