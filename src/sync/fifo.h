/* Values of one size, first in, first out: a channel's store. It takes no lock; its user has one.
 *
 * A bounded one is a ring. An unbounded one is a list of chunks, so that no value is ever moved, and growing takes
 * no longer the more there are. A chunk that has become empty is kept for the next, one at a time.
 *
 * Memory must not be allocated or freed under the user's lock (waiter.h, invariant 6), so that getting a chunk and
 * putting one away are the user's, outside of it.
 *
 * INVARIANTS
 * 1. `count` values are stored; room for `capacity` at most (of an unbounded one SIZE_MAX).
 * 2. Ring: they lie from `head` on, wrapping round.
 * 3. Chunks: from `head` in the first on to `tail` in the last. None stored: one chunk, or none, and head == tail.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SYNC_FIFO_H
#define BIDE_SYNC_FIFO_H

#include <bide/channel.h>

#include <string.h>

/* `ring` has room for the capacity, unless that is 0 or BIDE_CHANNEL_UNBOUNDED. */
void bide_fifo_init(bide_fifo *fifo, size_t size, size_t capacity, void *ring);

/* Copies one value: mostly a pointer or a number. */
static inline void bide_fifo_copy(const bide_fifo *fifo, void *to, const void *from)
{
    if (fifo->size_ == sizeof(void *))
        memcpy(to, from, sizeof(void *));
    else if (fifo->size_ > 0)
        memcpy(to, from, fifo->size_);
}

static inline bool bide_fifo_is_full(const bide_fifo *fifo)
{
    return fifo->count_ == fifo->capacity_;
}

static inline bool bide_fifo_is_chunked(const bide_fifo *fifo)
{
    return fifo->capacity_ == BIDE_CHANNEL_UNBOUNDED && fifo->size_ > 0;
}

/* Whether the next push needs a chunk that is not there. */
static inline bool bide_fifo_lacks_chunk(const bide_fifo *fifo)
{
    return bide_fifo_is_chunked(fifo) && fifo->tail_ == fifo->chunk_values_ && !fifo->spare_;
}

/* A chunk to lend it; NULL without memory. Reads what never changes, so without the lock. */
struct bide_fifo_chunk *bide_fifo_chunk_new(const bide_fifo *fifo);

/* For the next push, which lacks one. */
void bide_fifo_lend(bide_fifo *fifo, struct bide_fifo_chunk *chunk);

void bide_fifo_push_chunked(bide_fifo *fifo, const void *value);
struct bide_fifo_chunk *bide_fifo_pop_chunked(bide_fifo *fifo, void *into);

/* It is not full, and lacks no chunk. */
static inline void bide_fifo_push(bide_fifo *fifo, const void *value)
{
    if (bide_fifo_is_chunked(fifo)) {
        bide_fifo_push_chunked(fifo, value);
    } else if (fifo->size_ > 0) {
        bide_fifo_copy(fifo, fifo->ring_ + fifo->tail_ * fifo->size_, value);
        if (++fifo->tail_ == fifo->capacity_) fifo->tail_ = 0;
    }
    fifo->count_++;
}

/* It is not empty. Returns what is to be freed, or NULL. */
static inline struct bide_fifo_chunk *bide_fifo_pop(bide_fifo *fifo, void *into)
{
    struct bide_fifo_chunk *emptied = NULL;
    if (bide_fifo_is_chunked(fifo)) {
        emptied = bide_fifo_pop_chunked(fifo, into);
    } else if (fifo->size_ > 0) {
        bide_fifo_copy(fifo, into, fifo->ring_ + fifo->head_ * fifo->size_);
        if (++fifo->head_ == fifo->capacity_) fifo->head_ = 0;
    }
    fifo->count_--;
    return emptied;
}

/* Frees all chunks, with what is in them. */
void bide_fifo_clear(bide_fifo *fifo);

#endif
