/* The min-heap of deadlines. It knows neither clock, nor lock, nor reactor: its owner serialises all calls.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TIMER_HEAP_H
#define BIDE_TIMER_HEAP_H

#include <bide/time.h>

/* What the heap keeps for each timer is found by this id; 0 is no timer. The timer keeps its id. */
typedef uint32_t bide_heap_id;

struct bide_heap_entry; /* {deadline, id, sequence}: 16 bytes */
struct bide_heap_slot;  /* a timer's place and owner, by id: 16 bytes at most */

struct bide_heap;       /* helpers: define it here with real fields; zeroed storage is an empty heap */

/* Adds a timer. Returns 0 and its id, or BIDE_ENOMEM with nothing changed. *earliest tells whether it became the first. */
int bide_heap_add(struct bide_heap *heap, bide_instant deadline, void *owner, bide_heap_id *id, bool *earliest);
/* Moves it. To a later deadline: one store; the heap entry is re-sifted when it reaches the root. Cannot fail.
 * A move takes a new place in the first-in first-out order among equals. */
void bide_heap_move(struct bide_heap *heap, bide_heap_id id, bide_instant deadline, bool *earliest);
/* Removes it; the id may be given out again. */
void bide_heap_remove(struct bide_heap *heap, bide_heap_id id);
/* The exact earliest deadline (stale roots re-sifted first), or BIDE_NEVER when empty. */
bide_instant bide_heap_first(struct bide_heap *heap);
/* Takes one timer out whose deadline is <= now, earliest first, first-in first-out among equals; NULL when none is due. Its id is free
 * then. When very many are due they are taken out of the tree in bulk and handed out one at a time; those
 * not yet handed out can still be moved and removed. */
void *bide_heap_pop(struct bide_heap *heap, bide_instant now);
size_t bide_heap_count(const struct bide_heap *heap);
/* Frees the arrays. The heap is empty and usable after. */
void bide_heap_clear(struct bide_heap *heap);

#endif
