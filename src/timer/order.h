/* The order of timers: by deadline, then first-in first-out; and sorting by it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TIMER_ORDER_H
#define BIDE_TIMER_ORDER_H

#include "timer/heap.h"

/* Whether a comes before b. Among equal deadlines the sign of the difference of sequences decides, so that
 * they may wrap around; it is right for fewer than 2^31 arms between the two.
 *
 * Without a branch: which of two children in a heap is before the other cannot be predicted. */
static inline bool bide_heap_before(const struct bide_heap_entry *a, const struct bide_heap_entry *b)
{
    return (a->deadline < b->deadline) | ((a->deadline == b->deadline) & ((a->sequence - b->sequence) >> 31));
}

/* Sorts in place. Time is linear in practice, at most a dozen passes; the stack takes 2 KiB a pass. */
void bide_heap_sort(struct bide_heap_entry *entries, uint32_t count);

#endif
