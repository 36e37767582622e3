/* A channel's store: see fifo.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sync/fifo.h"

#include <stdlib.h>

/* Of a chunk with its head, unless a single value is larger. */
#define CHUNK_BYTES 4096

struct bide_fifo_chunk {
    struct bide_fifo_chunk *next;
    unsigned char values[];
};

void bide_fifo_init(bide_fifo *fifo, size_t size, size_t capacity, void *ring)
{
    memset(fifo, 0, sizeof *fifo);
    fifo->size_ = size;
    fifo->capacity_ = capacity;
    fifo->ring_ = ring;
    size_t room = CHUNK_BYTES - sizeof(struct bide_fifo_chunk);
    fifo->chunk_values_ = size > 0 && size <= room ? room / size : 1;
    /* No chunk is as a full one. */
    fifo->head_ = fifo->tail_ = bide_fifo_is_chunked(fifo) ? fifo->chunk_values_ : 0;
}

struct bide_fifo_chunk *bide_fifo_chunk_new(const bide_fifo *fifo)
{
    size_t head = sizeof(struct bide_fifo_chunk);
    if (fifo->size_ > (SIZE_MAX - head) / fifo->chunk_values_) return NULL;
    return malloc(head + fifo->chunk_values_ * fifo->size_);
}

void bide_fifo_lend(bide_fifo *fifo, struct bide_fifo_chunk *chunk)
{
    fifo->spare_ = chunk;
}

void bide_fifo_push_chunked(bide_fifo *fifo, const void *value)
{
    if (fifo->tail_ == fifo->chunk_values_) {
        struct bide_fifo_chunk *chunk = fifo->spare_;
        fifo->spare_ = NULL;
        chunk->next = NULL;
        if (fifo->last_) {
            fifo->last_->next = chunk;
        } else {
            fifo->first_ = chunk;
            fifo->head_ = 0;
        }
        fifo->last_ = chunk;
        fifo->tail_ = 0;
    }
    bide_fifo_copy(fifo, fifo->last_->values + fifo->tail_++ * fifo->size_, value);
}

struct bide_fifo_chunk *bide_fifo_pop_chunked(bide_fifo *fifo, void *into)
{
    struct bide_fifo_chunk *chunk = fifo->first_;
    bide_fifo_copy(fifo, into, chunk->values + fifo->head_++ * fifo->size_);
    if (fifo->count_ == 1) {
        /* The last value: the chunk begins anew. */
        fifo->head_ = fifo->tail_ = 0;
        return NULL;
    }
    if (fifo->head_ < fifo->chunk_values_) return NULL;
    fifo->first_ = chunk->next;
    fifo->head_ = 0;
    if (fifo->spare_) return chunk;
    fifo->spare_ = chunk;
    return NULL;
}

void bide_fifo_clear(bide_fifo *fifo)
{
    while (fifo->first_) {
        struct bide_fifo_chunk *next = fifo->first_->next;
        free(fifo->first_);
        fifo->first_ = next;
    }
    free(fifo->spare_);
    memset(fifo, 0, sizeof *fifo);
}
