/* The hashed timing wheel (G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6): a
 * ring of slots, each with the timers whose tick falls on it, in whatever revolution.
 *
 * It knows neither clock, nor lock, nor reactor, only how long a tick is: its owner serialises all calls. A
 * deadline belongs to the first tick that is not before it; nothing is rounded until it must be. Adding, moving and removing take a constant time. So does finding the next slot that is not empty.
 *
 * A timer takes 24 bytes, and 5 to 10 as its part of the blocks. Storage never moves.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TIMER_SLOTS_H
#define BIDE_TIMER_SLOTS_H

#include "timer/ticks.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A timer's name; 0 is no timer. The timer keeps its id. */
typedef uint32_t bide_slots_id;

/* Slots at most: three levels of 64 bits each. */
#define BIDE_SLOTS_MOST (1u << 18)

/* Timers at most: a place is 32 bits, four of which are the place in the block. */
#define BIDE_SLOTS_TIMERS (1u << 27)

/* No instant: later than all. */
#define BIDE_SLOTS_NEVER INT64_MAX

/* A timer, by id. */
struct bide_slots_entry {
    int64_t deadline; /* the true one, ns */
    uint32_t place;   /* where its id is: a block * 16 + the index in it; 0: no timer */
    uint32_t list;    /* in which list; or, of a free id, the next one */
};

/* Ids of timers in one list: a cache line. */
#define BIDE_SLOTS_IDS 14
struct bide_slots_block {
    bide_slots_id ids[BIDE_SLOTS_IDS];
    uint32_t older; /* the next block of the list, which is full; or the next free one */
    uint32_t list;  /* whose it is; 0: free */
};

struct bide_slots_list {
    uint32_t next; /* the place that its next id gets, in its newest block; BIDE_SLOTS_IDS: it has none */
    uint32_t live; /* timers in it */
    uint32_t slot; /* where it is; beyond the slots: it is due */
    uint32_t unused;
};

/* Moves and removals that wait to be done together. */
#define BIDE_SLOTS_PENDING 32
struct bide_slots_operation {
    int64_t deadline;
    bide_slots_id id; /* with its highest bit set: remove */
};

/* All fields are private; slots.c tells what holds between them. */
struct bide_slots {
    struct bide_slots_entry **entries; /* chunks, by id */
    void ***owners;                    /* the same */
    struct bide_slots_block **blocks;  /* chunks, by number */
    void *memory;                      /* what the chunks are parts of */
    struct bide_slots_list *lists;     /* one more than slots, from 1 on */
    uint32_t *list_of;                 /* by slot */
    uint64_t *bits[3];                 /* which slots are not empty; which words are not 0 below; again */
    struct bide_ticks ticks;
    uint64_t current;        /* the tick that was reached */
    int64_t reached;         /* its instant */
    uint32_t mask;           /* slots - 1 */
    uint32_t due;            /* the list of those that are due */
    _Atomic uint32_t count;  /* timers; changed by the owner alone, anybody may look */
    uint32_t most;           /* timers at most */
    uint32_t capacity;       /* timers that there is storage for */
    uint32_t ids;            /* the highest id given out so far */
    uint32_t free;           /* the first free id below that, or 0 */
    uint32_t block_capacity; /* blocks that there is storage for */
    uint32_t block_numbers;  /* the highest number given out so far */
    uint32_t block_count;    /* of these, in lists */
    uint32_t free_block;     /* the first that is not, or 0 */
    uint32_t swept;          /* the number of the block that was swept last */
    uint32_t used;           /* slots that are not empty */
    uint32_t waiting;        /* operations in pending */
    struct bide_slots_operation pending[BIDE_SLOTS_PENDING];
};

/* Makes an empty one at tick 0, with storage for `initial` timers. `count`, of slots, is a power of two, up to
 * BIDE_SLOTS_MOST; 1 <= initial <= most <= BIDE_SLOTS_TIMERS. 0 or BIDE_ENOMEM. */
int bide_slots_init(struct bide_slots *slots, struct bide_ticks ticks, uint32_t count, uint32_t initial,
                    uint32_t most);

/* Gives all memory back. */
void bide_slots_clear(struct bide_slots *slots);

/* Sees to it that so many timers, up to `most`, can be added without more memory. 0 or BIDE_ENOMEM. */
int bide_slots_reserve(struct bide_slots *slots, uint32_t timers);

/* How many timers are in it. The one call that needs no serialising. */
static inline uint32_t bide_slots_count(const struct bide_slots *slots)
{
    return atomic_load_explicit(&((struct bide_slots *)(uintptr_t)slots)->count, memory_order_relaxed);
}

/* Adds a timer. A tick that has been reached already is due at once. The owner, not NULL, is what
 * bide_slots_pop() gives back. 0 and its id; BIDE_ENOCAPACITY with `most` timers in it; BIDE_ENOMEM. */
int bide_slots_add(struct bide_slots *slots, int64_t deadline, void *owner, bide_slots_id *id);

/* Moves it. To a later deadline that is one store: it finds its new slot when the old one is reached. */
void bide_slots_move(struct bide_slots *slots, bide_slots_id id, int64_t deadline);

/* Removes it. The id, and the room, may be given out again. */
void bide_slots_remove(struct bide_slots *slots, bide_slots_id id);

/* The instant of the tick at which bide_slots_pop() has something to do: none is due before; but there may be
 * none due at that tick, if one was moved away or waits for its revolution. BIDE_SLOTS_NEVER if there is no
 * timer, or all lie beyond all instants. */
int64_t bide_slots_next(struct bide_slots *slots);

/* Takes out a timer whose tick is not after `now`, and returns its owner; NULL when none is left. Earlier
 * ticks come first, unless `now` has leapt over a whole revolution. The same tick's come in no order. At
 * BIDE_SLOTS_NEVER all come. Allocates nothing; between two calls the others may be moved and removed, and new
 * ones added. */
void *bide_slots_pop(struct bide_slots *slots, int64_t now);

/* What the slots hold now. */
struct bide_slots_stats {
    size_t used;    /* slots that are not empty */
    size_t longest; /* timers in the fullest */
};
void bide_slots_look(struct bide_slots *slots, struct bide_slots_stats *stats);

#endif
