/* What the tests of races, joins and time-outs share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_COMBINE_H
#define BIDE_TEST_COMBINE_H

#include "test_future.h"

enum { P = BIDE_PENDING, R = BIDE_READY };

/* Futures that answer what is in the list. */
static inline void make_members(struct manual *members, bide_future **futures, const int *answers, int count)
{
    for (int i = 0; i < count; i++) {
        manual_init(&members[i], answers[i]);
        futures[i] = &members[i].future;
    }
}

#endif
