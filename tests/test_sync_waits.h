/* What the tests of locks share: several waits, polled by hand, and the wakes that each of them had.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_SYNC_WAITS_H
#define BIDE_TEST_SYNC_WAITS_H

#include "test_sync.h"

static struct counter counters[4];

static inline void clear_counters(void)
{
    for (int i = 0; i < 4; i++)
        counters[i].wakes = 0;
}

static inline void expect_wakes(int first, int second, int third, int fourth)
{
    const int expected[4] = {first, second, third, fourth};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(counters[i].wakes, expected[i], "wait %d: %d wakes instead of %d", i, counters[i].wakes,
                     expected[i]);
}

static inline int poll_nth(bide_future *future, int i)
{
    return poll_with(future, counting(&counters[i]));
}

#endif
