/* Bytes that wait to be written: a ring in storage of the owner's. What is in it stays where it is until it is
 * taken out, so that a write of it may be under way while more is put in.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_RING_H
#define EXAMPLES_RING_H

#include <stddef.h>
#include <string.h>

struct ring {
    char *bytes;
    size_t size;
    size_t first; /* where the oldest byte is */
    size_t count; /* how many there are */
};

static inline size_t ring_room(const struct ring *ring)
{
    return ring->size - ring->count;
}

/* The bytes from the `skip`th on, as far as they lie in one piece. */
static inline const char *ring_piece(const struct ring *ring, size_t skip, size_t *length)
{
    size_t at = (ring->first + skip) % ring->size;
    size_t rest = ring->count - skip;
    *length = rest < ring->size - at ? rest : ring->size - at;
    return ring->bytes + at;
}

/* Where the next bytes go, and how many fit there in one piece; ring_added() tells how many came. */
static inline char *ring_place(struct ring *ring, size_t *length)
{
    size_t at = (ring->first + ring->count) % ring->size;
    size_t room = ring_room(ring);
    *length = room < ring->size - at ? room : ring->size - at;
    return ring->bytes + at;
}

static inline void ring_added(struct ring *ring, size_t count)
{
    ring->count += count;
}

/* There must be room. */
static inline void ring_put(struct ring *ring, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t piece;
        char *place = ring_place(ring, &piece);
        if (piece > length) piece = length;
        memcpy(place, bytes, piece);
        ring_added(ring, piece);
        bytes += piece;
        length -= piece;
    }
}

static inline void ring_take(struct ring *ring, size_t count)
{
    ring->first = (ring->first + count) % ring->size;
    ring->count -= count;
}

#endif
