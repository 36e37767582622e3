/* The tree of the heap: an 8-ary heap in an array, whose order is that of order.h. Every entry that is put
 * somewhere is told so in positions, by its id. The invariants are those of heap.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TIMER_TREE_H
#define BIDE_TIMER_TREE_H

#include "os/compiler.h"
#include "timer/order.h"

/* Eight children share two cache lines. Against four in one, adding and moving take a fifth less, for an
 * entry seldom has to change with its parent; taking out the first takes 5 to 10 % more. Most timers are not
 * waited out. */
#define ROOT 7u

static inline uint32_t parent_of(uint32_t position)
{
    return position / 8 + 6;
}

/* The first of eight. */
static inline uint32_t child_of(uint32_t position)
{
    return position * 8 - 48;
}

static inline void put(struct bide_heap *heap, uint32_t position, struct bide_heap_entry entry)
{
    heap->entries[position] = entry;
    heap->positions[entry.id] = position;
}

/* Both move a hole from position to where the entry belongs, and fill it. */
static inline void sift_up(struct bide_heap *heap, uint32_t position, struct bide_heap_entry entry)
{
    struct bide_heap_entry *entries = heap->entries;
    uint32_t *positions = heap->positions;
    while (position > ROOT) {
        uint32_t parent = parent_of(position);
        /* the common way out first */
        if (entry.deadline > entries[parent].deadline) break;
        if (!bide_heap_before(&entry, &entries[parent])) break;
        entries[position] = entries[parent];
        positions[entries[parent].id] = position;
        position = parent;
    }
    entries[position] = entry;
    positions[entry.id] = position;
}

static inline void sift_down(struct bide_heap *heap, uint32_t position, struct bide_heap_entry entry)
{
    const struct bide_heap_entry *entries = heap->entries;
    uint32_t end = ROOT + heap->size;
    for (;;) {
        uint32_t child = child_of(position);
        if (child >= end) break;
        uint32_t least = child;
        if (child + 7 < end) {
            uint32_t next = child_of(child);
            if (next + 63 < end)
                for (uint32_t i = 0; i < 64; i += 4)
                    BIDE_OS_PREFETCH(&entries[next + i]);
            uint32_t a = child + bide_heap_before(&entries[child + 1], &entries[child]);
            uint32_t b = child + 2 + bide_heap_before(&entries[child + 3], &entries[child + 2]);
            uint32_t c = child + 4 + bide_heap_before(&entries[child + 5], &entries[child + 4]);
            uint32_t d = child + 6 + bide_heap_before(&entries[child + 7], &entries[child + 6]);
            a = bide_heap_before(&entries[b], &entries[a]) ? b : a;
            c = bide_heap_before(&entries[d], &entries[c]) ? d : c;
            least = bide_heap_before(&entries[c], &entries[a]) ? c : a;
        } else {
            while (++child < end)
                if (bide_heap_before(&entries[child], &entries[least])) least = child;
        }
        if (!bide_heap_before(&entries[least], &entry)) break;
        put(heap, position, entries[least]);
        position = least;
    }
    put(heap, position, entry);
}

static inline void drop_root(struct bide_heap *heap)
{
    uint32_t last = ROOT + --heap->size;
    if (last != ROOT) sift_down(heap, ROOT, heap->entries[last]);
}

/* Floyd's construction: O(size). */
static inline void heapify(struct bide_heap *heap)
{
    uint32_t end = ROOT + heap->size;
    for (uint32_t position = end; position-- > ROOT;) {
        if (child_of(position) < end)
            sift_down(heap, position, heap->entries[position]);
        else
            heap->positions[heap->entries[position].id] = position;
    }
}

#endif
