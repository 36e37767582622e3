/* The inventory of a suite whose tests each look at what they left: taken before the test, compared by
 * expect_nothing_left(before).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_INVENTORY_H
#define BIDE_TEST_INVENTORY_H

#include "test_async.h"

static struct inventory before;

static inline void take_inventory(void)
{
    before = inventory_now();
}

#endif
