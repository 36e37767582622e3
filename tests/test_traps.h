/* What the tests of descriptors that surprise share: letting events in at a chosen moment, and reads that
 * must give exactly what is expected.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_TRAPS_H
#define BIDE_TEST_TRAPS_H

#include "test_inventory.h"

static inline bool has_edges(void)
{
    return strcmp(bide_reactor_backend(bide_reactor_current()), "epoll") == 0;
}

/* Lets all events in that the kernel has, as another thread's turns may do at any time. */
static inline void harvest(void)
{
    while (bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0)
        continue;
}

/* The next read gives exactly this. */
static inline void expect_read(bide_async *async, const char *expected)
{
    char buffer[256] = "";
    bide_ssize count = bide_read(async, buffer, sizeof buffer - 1, bide_after(LONG));
    cr_assert_eq(count, (bide_ssize)strlen(expected), "read gave %td (%s, '%s') instead of '%s'", count,
                 bide_error_name(count), buffer, expected);
    cr_assert_str_eq(buffer, expected, "'%s' instead of '%s'", buffer, expected);
}

/* When events are let in: a short read means different things with and without knowledge of them. */
enum moment { NEVER_HARVESTED, HARVESTED_BEFORE, HARVESTED_AFTER, MOMENTS };

#endif
