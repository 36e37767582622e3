/* What the tests of the heap share: the heap itself, timers, and a look at the invariants that
 * src/timer/heap.c lists.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_HEAP_H
#define BIDE_TEST_HEAP_H

#include "bide_test.h"

#include "timer/heap.h"

#include <bide/error.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROOT 7u
#define FREED UINT32_C(0x80000000)

static struct bide_heap heap;

static inline void clear(void)
{
    bide_heap_clear(&heap);
}

/* --- timers of the tests -------------------------------------------------------------------------------- */

struct timer {
    bide_heap_id id;
    int64_t deadline;
};

static inline bide_instant at(int64_t ns)
{
    return bide_instant_from_ns(ns);
}

static inline bool add(struct timer *timer, int64_t deadline)
{
    bool earliest = false;
    int error = bide_heap_add(&heap, at(deadline), timer, &timer->id, &earliest);
    cr_assert_eq(error, 0, "adding gave %s", bide_error_name(error));
    cr_assert_neq(timer->id, 0, "the id 0 was given out");
    timer->deadline = deadline;
    return earliest;
}

static inline bool move(struct timer *timer, int64_t deadline)
{
    bool earliest = false;
    bide_heap_move(&heap, timer->id, at(deadline), &earliest);
    timer->deadline = deadline;
    return earliest;
}

static inline void take_out(struct timer *timer)
{
    bide_heap_remove(&heap, timer->id);
    timer->id = 0;
}

static inline void expect_first(int64_t deadline)
{
    int64_t first = bide_heap_first(&heap).ns;
    cr_assert_eq(first, deadline, "the first is %lld, not %lld", (long long)first, (long long)deadline);
}

static inline void expect_pop(int64_t now, const struct timer *timer)
{
    const struct timer *popped = bide_heap_pop(&heap, at(now));
    cr_assert_eq(popped, timer, "popped the timer due at %lld, not the one due at %lld",
                 popped ? (long long)popped->deadline : -1, timer ? (long long)timer->deadline : -1);
}

static inline void expect_count(size_t count)
{
    cr_assert_eq(bide_heap_count(&heap), count, "%zu timers, not %zu", bide_heap_count(&heap), count);
}

enum { MANY = 4000 };

/* Adds that many, due at first, first + step and so on, not in this order. */
static inline void add_many(struct timer *timers, uint32_t count, int64_t first, int64_t step)
{
    for (uint32_t i = 0; i < count; i++)
        (void)add(&timers[i], first + i * INT64_C(7919) % count * step); /* a prime that divides no count */
}

/* --- the invariants ------------------------------------------------------------------------------------- */

static inline bool in_order(const struct bide_heap_entry *a, const struct bide_heap_entry *b)
{
    if (a->deadline != b->deadline) return a->deadline < b->deadline;
    return (b->sequence - a->sequence) >> 31 == 0;
}

static inline void check_entry(uint32_t i)
{
    const struct bide_heap_entry *entry = &heap.entries[i];
    const struct bide_heap_slot *slot = &heap.slots[entry->id];
    if (entry->id == 0) return;
    int64_t deadline;
    memcpy(&deadline, slot->deadline, sizeof deadline);
    cr_assert_eq(heap.positions[entry->id], i, "entry %u: its id's position is %u", i,
                 heap.positions[entry->id]);
    cr_assert(entry->deadline <= deadline, "entry %u: later than its timer", i);
    cr_assert(entry->deadline < deadline || entry->sequence == slot->sequence,
              "entry %u: sequence %u, not %u", i, entry->sequence, slot->sequence);
}

static inline void check_invariants(void)
{
    uint32_t top = heap.capacity ? ROOT + heap.capacity + heap.capacity / 16 * 5 : 0;
    uint32_t end = ROOT + heap.size, dead = 0, live = 0, freed = 0;
    if (heap.capacity == 0) return;
    cr_assert(end <= heap.bulk && heap.bulk <= heap.limit && heap.limit <= top,
              "tree to %u, bulk %u to %u of %u", end, heap.bulk, heap.limit, top);
    cr_assert(heap.bulk < heap.limit || heap.limit == top, "an empty bulk at %u, not %u", heap.limit, top);
    cr_assert_eq((uintptr_t)heap.entries % 128, 0, "the entries at %p are not aligned", (void *)heap.entries);
    for (uint32_t i = ROOT; i < end; i++) {
        check_entry(i);
        dead += heap.entries[i].id == 0;
        live += heap.entries[i].id != 0;
        uint32_t parent = i / 8 + 6;
        cr_assert(i == ROOT || in_order(&heap.entries[parent], &heap.entries[i]),
                  "entry %u is before its parent", i);
    }
    for (uint32_t i = heap.bulk; i < heap.limit; i++) {
        check_entry(i);
        live += heap.entries[i].id != 0;
        cr_assert(i == heap.bulk || in_order(&heap.entries[i - 1], &heap.entries[i]), "entry %u of the bulk",
                  i);
    }
    cr_assert_eq(dead, heap.dead, "%u dead, not %u", dead, heap.dead);
    for (bide_heap_id id = heap.free; id != 0; id = heap.positions[id] & ~FREED)
        freed++;
    cr_assert_eq(live + freed, heap.ids, "%u with entry and %u free ids of %u", live, freed, heap.ids);
}

#endif
