/* This test must fail: its behaviour is undefined, and the runner has to notice. Built with the undefined
 * behaviour sanitizer only.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <limits.h>

Test(support, undefined_behaviour_fails_the_test)
{
    volatile int number = INT_MAX;
    number = number + 1;
    cr_assert_lt(number, 0);
}
