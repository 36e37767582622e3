/* The min-heap of deadlines. It knows neither clock, nor lock, nor reactor: its owner serialises all calls.
 *
 * Zeroed storage is an empty heap. It costs 48 bytes a timer, for a power of two of timers; the memory
 * comes back with bide_heap_clear().
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
    bide_heap_id id;   /* whose it is; 0: nobody's any more */
    uint32_t sequence; /* orders equal deadlines */
};

/* A timer, by id: 12 bytes, so that more of them share a cache line. */
struct bide_heap_slot {
    uint32_t deadline[2]; /* the true one, as its bytes are */
    uint32_t sequence;    /* the true one */
};

/* Moves and removals that wait to be done together. */
#define BIDE_HEAP_PENDING 32

#define BIDE_HEAP_SMALL 32768u
#define BIDE_HEAP_PATIENCE 256u
#define BIDE_HEAP_SWEEP 8192u

/* All fields are private; heap.c tells what holds between them. */
struct bide_heap {
    struct bide_heap_entry *entries; /* the tree from index 7 on, then room, then the bulk */
    struct bide_heap_slot *slots;    /* by id */
    uint32_t *positions;             /* by id: where its entry is, or the next free id */
    void **owners;                   /* by id */
    void *block;                     /* the memory that entries lies in */
    uint32_t capacity;               /* of the tables by id */
    uint32_t count;                  /* timers */
    uint32_t ids;                    /* the highest id given out so far */
    uint32_t free;                   /* the first free id below that, or 0 */
    uint32_t size;                   /* entries in the tree */
    uint32_t dead;                   /* of these, nobody's */
    uint32_t bulk;                   /* index of the bulk's first entry */
    uint32_t limit;                  /* index after the bulk's last entry */
    uint32_t sequence;               /* the next one */
    uint32_t singles; /* timers to take out one by one before looking again whether many are due */
    uint32_t swept;   /* index of the entry at which the last sweep for stale ones ended */
    uint32_t waiting; /* operations in pending */
    struct bide_heap_entry pending[BIDE_HEAP_PENDING];
};

/* Adds a timer. Returns 0 and its id, or BIDE_ENOMEM with nothing changed. The owner, not NULL, is what
 * bide_heap_pop() gives back.
 *
 * *earliest tells that the deadline lies before those of all other timers: who sleeps until what
 * bide_heap_first() said must be woken. When a timer that was the first has been moved to a later deadline
 * or removed since, the sleeper wakes for it all the same, and *earliest may be false for deadlines after
 * that one. */
int bide_heap_add(struct bide_heap *heap, bide_instant deadline, void *owner, bide_heap_id *id,
                  bool *earliest);

/* Moves it. To a later deadline that is one store: the entry is re-sifted when it reaches the root. Cannot
 * fail. A move, also to the same deadline, takes a new place in the first-in first-out order among equals.
 * *earliest as for bide_heap_add(). */
void bide_heap_move(struct bide_heap *heap, bide_heap_id id, bide_instant deadline, bool *earliest);

/* Removes it; the id may be given out again. */
void bide_heap_remove(struct bide_heap *heap, bide_heap_id id);

/* The earliest deadline (stale roots re-sifted first), or BIDE_NEVER when empty. Exact with up to
 * BIDE_HEAP_SMALL entries. Of a larger heap a call puts right BIDE_HEAP_PATIENCE at the root, then looks at
 * BIDE_HEAP_SWEEP others: half a millisecond, where all of a million would take 80. So after very many moves
 * to later deadlines it may tell an instant before the earliest deadline, at which the sleeper wakes for
 * nothing, and asks again. */
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
