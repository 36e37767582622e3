/* Pools of stacks: see stack.h.
 *
 *   chunk:  guard | stack 0 | guard | stack 1 | …     each guard below its stack, which grows down to it
 *
 * INVARIANTS
 * 1. A stack is taken (live), or in one cache, or in pool.warm or pool.cold, whose lengths are warm_count and
 *    cold_count; or on its way from one to another in the hands of one thread.
 * 2. A stack in pool.cold has no memory.
 * 3. pool.draining is set when warm_count exceeds high, and reset when it is not above low; while it is set
 *    each batch that is given gives back the memory of two. So the work is spread, and warm_count stays below
 *    high and the batches that are given at once.
 * 4. The header of a chunk is never freed, and its guard, stride and count never change: `all` can be walked
 *    without a lock, by signal handlers too. `base` is 0 while it maps nothing; then the header is in `spare`
 *    for a chunk of the same shape.
 * 5. split_mappings is not less than the mappings that our guards made.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/stack.h"

#include "os/aligned.h"
#include "os/assert.h"
#include "os/compiler.h"
#include "os/log.h"
#include "os/pages.h"

#include <bide/error.h>
#include <string.h>

/* Large enough for the calls that make it to be few a stack, small enough for a program with ten tasks. */
#define CHUNK_STACKS 64
#define CHUNK_BYTES ((size_t)16 << 20)

struct bide_stack_chunk {
    struct bide_stack_chunk *next_of_all;
    struct bide_stack_chunk *next; /* of the pool, or of the spare ones */
    _Atomic uintptr_t base;
    size_t guard;
    size_t stride; /* guard and stack */
    size_t count;
    bool split; /* by its guards */
    struct bide_stack stacks[CHUNK_STACKS];
};

static _Atomic(struct bide_stack_chunk *) all;

static struct {
    bide_os_mutex lock; /* guards what follows */
    struct bide_stack_chunk *chunks;
} spare;

/* All three only steer: no order with anything. */
static _Atomic int guard_how = BIDE_OS_GUARD_LIGHT; /* how the last one was made */
static _Atomic size_t split_mappings;
static _Atomic unsigned told;

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

int bide_stack_pool_init(struct bide_stack_pool *pool, size_t size, size_t low, size_t high)
{
    if (size > SIZE_MAX / 4 || low > high) return BIDE_EINVAL;
    size_t page = bide_os_page_size();
    if (size == 0) size = BIDE_STACK_SIZE;
    if (size < BIDE_STACK_LEAST) size = BIDE_STACK_LEAST;
    *pool = (struct bide_stack_pool){.size = round_up(size, page),
                                     .guard = round_up(BIDE_STACK_GUARD, page),
                                     .low = low,
                                     .high = high};
    return 0;
}

/* --- Chunks --- */

/* Whether so many mappings more leave enough to the program. */
static bool may_split(size_t more)
{
    static _Atomic size_t known;
    size_t limit = atomic_load_explicit(&known, memory_order_relaxed);
    if (limit == 0) {
        limit = bide_os_pages_map_limit();
        atomic_store_explicit(&known, limit, memory_order_relaxed);
    }
    if (atomic_load_explicit(&split_mappings, memory_order_relaxed) + more <= limit - limit / 8) return true;
    if (!atomic_exchange_explicit(&told, 1, memory_order_relaxed))
        bide_log(BIDE_ENOMEM, "no more stacks: the limit of mappings is near", "vm.max_map_count");
    return false;
}

/* A header of that shape, which maps nothing. NULL: out of memory. */
static struct bide_stack_chunk *find_header(size_t guard, size_t stride, size_t count)
{
    bide_os_mutex_lock(&spare.lock);
    struct bide_stack_chunk **link = &spare.chunks;
    while (*link && ((*link)->guard != guard || (*link)->stride != stride))
        link = &(*link)->next;
    struct bide_stack_chunk *chunk = *link;
    if (chunk) *link = chunk->next;
    bide_os_mutex_unlock(&spare.lock);
    if (chunk) return chunk;

    chunk = bide_os_aligned_alloc(64, sizeof *chunk);
    if (!chunk) return NULL;
    memset(chunk, 0, sizeof *chunk);
    chunk->guard = guard;
    chunk->stride = stride;
    chunk->count = count;
    /* release: who finds the header finds its shape. */
    chunk->next_of_all = atomic_load_explicit(&all, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&all, &chunk->next_of_all, chunk, memory_order_release,
                                                  memory_order_relaxed))
        continue;
    return chunk;
}

static void keep_header(struct bide_stack_chunk *chunk)
{
    bide_os_mutex_lock(&spare.lock);
    chunk->next = spare.chunks;
    spare.chunks = chunk;
    bide_os_mutex_unlock(&spare.lock);
}

static void unmap_chunk(struct bide_stack_chunk *chunk, void *pages)
{
    /* First, so that what is mapped here next is not taken for ours. */
    atomic_store_explicit(&chunk->base, 0, memory_order_relaxed);
    bide_os_pages_unmap(pages, chunk->stride * chunk->count);
    if (chunk->split)
        (void)atomic_fetch_sub_explicit(&split_mappings, 2 * chunk->count, memory_order_relaxed);
    keep_header(chunk);
}

/* Makes all guards of a chunk. */
static int guard_stacks(struct bide_stack_chunk *chunk, char *pages)
{
    enum bide_os_guard how = (enum bide_os_guard)atomic_load_explicit(&guard_how, memory_order_relaxed);
    for (size_t i = 0; i < chunk->count; i++) {
        int error = 0;
        if (how == BIDE_OS_GUARD_LIGHT)
            error = bide_os_pages_guard(pages + i * chunk->stride, chunk->guard, &how);
        if (how == BIDE_OS_GUARD_SPLIT && !chunk->split) {
            if (!may_split(2 * chunk->count)) return BIDE_ENOMEM;
            chunk->split = true;
            (void)atomic_fetch_add_explicit(&split_mappings, 2 * chunk->count, memory_order_relaxed);
        }
        if (!error && how == BIDE_OS_GUARD_SPLIT)
            error = bide_os_pages_guard(pages + i * chunk->stride, chunk->guard, &how);
        if (error) return error;
    }
    atomic_store_explicit(&guard_how, (int)how, memory_order_relaxed);
    return 0;
}

/* Maps a chunk for the pool. Returns it, or NULL with the error. */
static struct bide_stack_chunk *make_chunk(const struct bide_stack_pool *pool, int *error)
{
    size_t stride = pool->guard + pool->size;
    size_t count = CHUNK_BYTES / stride;
    if (count > CHUNK_STACKS) count = CHUNK_STACKS;
    if (count == 0) count = 1;
    struct bide_stack_chunk *chunk = find_header(pool->guard, stride, count);
    *error = BIDE_ENOMEM;
    if (!chunk) return NULL;

    void *pages;
    chunk->split = false;
    *error = bide_os_pages_map(&pages, stride * count);
    if (*error) {
        keep_header(chunk);
        return NULL;
    }
    *error = guard_stacks(chunk, pages);
    if (*error) {
        unmap_chunk(chunk, pages);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct bide_stack *stack = &chunk->stacks[i];
        stack->low = (char *)pages + i * stride + pool->guard;
        stack->size = pool->size;
        stack->next = i + 1 < count ? stack + 1 : NULL;
    }
    /* relaxed: a fault in the chunk comes after a take, on the thread that took or one that it told. */
    atomic_store_explicit(&chunk->base, (uintptr_t)pages, memory_order_relaxed);
    return chunk;
}

void bide_stack_pool_destroy(struct bide_stack_pool *pool)
{
    size_t stacks = 0;
    while (pool->chunks) {
        struct bide_stack_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        stacks += chunk->count;
        unmap_chunk(chunk, chunk->stacks[0].low - chunk->guard);
    }
    BIDE_ASSERT(stacks == pool->warm_count + pool->cold_count);
    (void)stacks;
    pool->warm = pool->cold = NULL;
    pool->warm_count = pool->cold_count = 0;
}

const struct bide_stack *bide_stack_guarding(const void *address)
{
    /* acquire: with the release in find_header. */
    const struct bide_stack_chunk *chunk = atomic_load_explicit(&all, memory_order_acquire);
    for (; chunk; chunk = chunk->next_of_all) {
        uintptr_t base = atomic_load_explicit(&chunk->base, memory_order_relaxed);
        uintptr_t offset = (uintptr_t)address - base;
        if (base == 0 || (uintptr_t)address < base || offset >= chunk->stride * chunk->count) continue;
        const struct bide_stack *stack = &chunk->stacks[offset / chunk->stride];
        bool guards = offset % chunk->stride < chunk->guard;
        return guards && atomic_load_explicit(&stack->live, memory_order_relaxed) ? stack : NULL;
    }
    return NULL;
}

size_t bide_stack_used(const struct bide_stack *stack)
{
    return stack->size - bide_os_pages_untouched(stack->low, stack->size);
}

/* --- Depot and caches --- */

static void push(struct bide_stack **list, size_t *count, struct bide_stack *stack)
{
    stack->next = *list;
    *list = stack;
    ++*count;
}

static struct bide_stack *pop(struct bide_stack **list, size_t *count)
{
    struct bide_stack *stack = *list;
    BIDE_ASSERT(stack);
    *list = stack->next;
    --*count;
    return stack;
}

/* Moves up to `most` from one list to another. */
static void move(struct bide_stack **from, size_t *from_count, struct bide_stack **to, size_t *to_count,
                 size_t most)
{
    for (; most > 0 && *from; most--)
        push(to, to_count, pop(from, from_count));
}

/* Fills an empty cache from the depot. */
static void take_batch(struct bide_stack_cache *cache)
{
    struct bide_stack_pool *pool = cache->pool;
    bide_os_mutex_lock(&pool->lock);
    move(&pool->warm, &pool->warm_count, &cache->first, &cache->count, BIDE_STACK_BATCH);
    if (cache->count == 0)
        move(&pool->cold, &pool->cold_count, &cache->first, &cache->count, BIDE_STACK_BATCH);
    bide_os_mutex_unlock(&pool->lock);
}

/* Gives a list to the depot, and back the memory of some. */
static void give_batch(struct bide_stack_pool *pool, struct bide_stack *list, size_t count)
{
    struct bide_stack *discard = NULL;
    size_t discards = 0;
    bide_os_mutex_lock(&pool->lock);
    move(&list, &count, &pool->warm, &pool->warm_count, count);
    if (pool->warm_count > pool->high) pool->draining = true;
    if (pool->draining) {
        size_t surplus = pool->warm_count > pool->low ? pool->warm_count - pool->low : 0;
        size_t most = 2 * BIDE_STACK_BATCH;
        move(&pool->warm, &pool->warm_count, &discard, &discards, surplus < most ? surplus : most);
        if (pool->warm_count <= pool->low) pool->draining = false;
    }
    bide_os_mutex_unlock(&pool->lock);
    if (!discard) return;

    for (struct bide_stack *stack = discard; stack; stack = stack->next)
        bide_os_pages_discard(stack->low, stack->size);
    bide_os_mutex_lock(&pool->lock);
    move(&discard, &discards, &pool->cold, &pool->cold_count, discards);
    bide_os_mutex_unlock(&pool->lock);
}

void bide_stack_cache_init(struct bide_stack_cache *cache, struct bide_stack_pool *pool)
{
    *cache = (struct bide_stack_cache){.pool = pool};
}

void bide_stack_cache_drain(struct bide_stack_cache *cache)
{
    while (cache->first) {
        struct bide_stack *batch = NULL;
        size_t count = 0;
        move(&cache->first, &cache->count, &batch, &count, BIDE_STACK_BATCH);
        give_batch(cache->pool, batch, count);
    }
}

int bide_stack_refill(struct bide_stack_cache *cache)
{
    struct bide_stack_pool *pool = cache->pool;
    take_batch(cache);
    if (cache->first) return 0;
    int error;
    struct bide_stack_chunk *chunk = make_chunk(pool, &error);
    if (!chunk) return error;
    struct bide_stack *fresh = chunk->stacks;
    size_t count = chunk->count;
    move(&fresh, &count, &cache->first, &cache->count, BIDE_STACK_BATCH);
    bide_os_mutex_lock(&pool->lock);
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    move(&fresh, &count, &pool->cold, &pool->cold_count, count);
    bide_os_mutex_unlock(&pool->lock);
    return 0;
}

void bide_stack_surplus(struct bide_stack_cache *cache)
{
    /* Those given last stay. */
    struct bide_stack *last = cache->first;
    for (size_t i = 1; i < BIDE_STACK_BATCH; i++)
        last = last->next;
    struct bide_stack *surplus = last->next;
    last->next = NULL;
    cache->count -= BIDE_STACK_BATCH;
    give_batch(cache->pool, surplus, BIDE_STACK_BATCH);
}

/* --- Forks --- */

void bide_stack_fork_prepare(void)
{
    bide_os_mutex_lock(&spare.lock);
}

void bide_stack_fork_done(void)
{
    bide_os_mutex_unlock(&spare.lock);
}
