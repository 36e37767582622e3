/* See sources.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/sources.h"

#include "os/compiler.h"
#include "os/mutex.h"
#include "reactor/source.h"

#include <stdlib.h>

#define FIRST_CHUNK 64u
#define CHUNKS 24

/* From so many free ones on they are used. */
#define QUARANTINE 32

/* Chunk k holds FIRST_CHUNK << k sources, and begins at FIRST_CHUNK * (2^k - 1). */
static _Atomic(bide_async *) chunks[CHUNKS];

static bide_os_mutex lock; /* guards the rest */
static uint32_t size;
static uint32_t free_head = UINT32_MAX;
static uint32_t free_tail = UINT32_MAX;
static uint32_t free_count;

bide_async *bide_sources_at(uint32_t index)
{
    uint32_t chunk = bide_os_highest_one(index / FIRST_CHUNK + 1);
    /* acquire: pairs with the release that published the chunk */
    bide_async *base = atomic_load_explicit(&chunks[chunk], memory_order_acquire);
    return base ? base + (index - FIRST_CHUNK * ((1u << chunk) - 1)) : NULL;
}

/* Makes room for one more. Lock held. */
static bide_async *grow(void)
{
    uint32_t chunk = bide_os_highest_one(size / FIRST_CHUNK + 1);
    if (chunk >= CHUNKS) return NULL;
    bide_async *base = atomic_load_explicit(&chunks[chunk], memory_order_relaxed);
    if (!base) {
        base = calloc((size_t)FIRST_CHUNK << chunk, sizeof *base);
        if (!base) return NULL;
        atomic_store_explicit(&chunks[chunk], base, memory_order_release);
    }
    bide_async *source = base + (size - FIRST_CHUNK * ((1u << chunk) - 1));
    source->index = size++;
    /* Invariant 1. */
    atomic_store_explicit(&source->generation, 1, memory_order_relaxed);
    atomic_store_explicit(&source->pins, BIDE_SOURCE_CLOSING, memory_order_relaxed);
    return source;
}

bide_async *bide_sources_take(void)
{
    bide_os_mutex_lock(&lock);
    bide_async *source = NULL;
    if (free_count < QUARANTINE) source = grow();
    if (!source && free_count > 0) {
        source = bide_sources_at(free_head);
        free_head = source->next_free;
        free_count--;
    }
    bide_os_mutex_unlock(&lock);
    return source;
}

void bide_sources_give_back(bide_async *source)
{
    bide_os_mutex_lock(&lock);
    source->next_free = UINT32_MAX;
    if (free_count == 0)
        free_head = source->index;
    else
        bide_sources_at(free_tail)->next_free = source->index;
    free_tail = source->index;
    free_count++;
    bide_os_mutex_unlock(&lock);
}

uint32_t bide_sources_count(void)
{
    bide_os_mutex_lock(&lock);
    uint32_t count = size;
    bide_os_mutex_unlock(&lock);
    return count;
}

bool bide_sources_try_count(uint32_t *count)
{
    if (!bide_os_mutex_try_long(&lock)) return false;
    *count = size;
    bide_os_mutex_unlock(&lock);
    return true;
}

void bide_sources_fork_prepare(void)
{
    bide_os_mutex_lock(&lock);
}

void bide_sources_fork_done(void)
{
    bide_os_mutex_unlock(&lock);
}
