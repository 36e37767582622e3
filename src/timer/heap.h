/* The min-heap of deadlines. It knows neither clock, nor lock, nor reactor: its owner serialises all calls.
 *
 * Zeroed storage is an empty heap. What it costs: 42 bytes a timer (entry, slot, position, sequence, and an
 * eighth of spare entries), rounded up to a power of two timers; bide_heap_clear() gives the memory back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TIMER_HEAP_H
#define BIDE_TIMER_HEAP_H

#include <bide/time.h>

/* What the heap keeps for each timer is found by this id; 0 is no timer. The timer keeps its id. */
typedef uint32_t bide_heap_id;

/* A node of the tree: the whole key, so that comparing touches nothing else. */
struct bide_heap_entry {
    int64_t deadline;  /* of the timer, or earlier if it was moved to a later one since */
    bide_heap_id id;   /* whose it is */
    uint32_t sequence; /* orders equal deadlines */
};

/* A timer, by id. */
struct bide_heap_slot {
    void *owner;
    int64_t deadline; /* the true one */
};

/* All fields are private; heap.c tells what holds between them. */
struct bide_heap {
    struct bide_heap_entry *entries; /* the tree from index 3 on, then room, then the bulk at the upper end */
    struct bide_heap_slot *slots;    /* by id */
    uint32_t *positions;             /* by id: where in entries, or in the bulk, or the next free id */
    uint32_t *sequences;             /* by id: the true sequence of a timer that was moved to a later deadline */
    void *block;                     /* the memory that entries lies in */
    uint32_t capacity;               /* of the tables by id */
    uint32_t ids;                    /* ids given out so far; all above are fresh */
    uint32_t free;                   /* the first free id below, or 0 */
    uint32_t count;                  /* timers */
    uint32_t end;                    /* index after the last entry of the tree; 0 before the first growth */
    uint32_t bulk;                   /* index of the bulk's first entry */
    uint32_t limit;                  /* index after the bulk's last entry */
    uint32_t sequence;               /* the next one */
    uint32_t singles;                /* timers to take out one by one before looking whether many are due */
};

/* Adds a timer. Returns 0 and its id, or BIDE_ENOMEM with nothing changed.
 *
 * *earliest tells whether its deadline lies before those of all other timers, so that whoever sleeps until
 * bide_heap_first() must be told. A timer moved to a later deadline may still count with its former one here. */
int bide_heap_add(struct bide_heap *heap, bide_instant deadline, void *owner, bide_heap_id *id, bool *earliest);

/* Moves it. To a later deadline: one store; the heap entry is re-sifted when it reaches the root. Cannot fail.
 * A move, also to the same deadline, takes a new place in the first-in first-out order among equals.
 * *earliest as for bide_heap_add(). */
void bide_heap_move(struct bide_heap *heap, bide_heap_id id, bide_instant deadline, bool *earliest);

/* Removes it; the id may be given out again. */
void bide_heap_remove(struct bide_heap *heap, bide_heap_id id);

/* The exact earliest deadline (stale roots re-sifted first), or BIDE_NEVER when empty. */
bide_instant bide_heap_first(struct bide_heap *heap);

/* Takes one timer out whose deadline is <= now, earliest first, first-in first-out among equals, and returns
 * its owner; NULL when none is due. Its id is free then. When very many are due they are taken out of the
 * tree in bulk and handed out one at a time; those not yet handed out can still be moved and removed.
 * Allocates nothing. */
void *bide_heap_pop(struct bide_heap *heap, bide_instant now);

/* How many timers there are. */
size_t bide_heap_count(const struct bide_heap *heap);

/* Frees the arrays. The heap is empty and usable after. */
void bide_heap_clear(struct bide_heap *heap);

#endif
