/* This test must fail: it leaks, and the runner has to notice. Built with the address sanitizer only.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <stdlib.h>

Test(support, memory_that_leaks_fails_the_test)
{
    char *volatile memory = malloc(100);
    cr_assert_not_null(memory);
    memory = NULL;
}
