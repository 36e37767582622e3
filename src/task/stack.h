/* Stacks for fibers: pools of one size each, a cache a worker.
 *
 *   bide_stack_pool_init(&pool, 0, low, high);      then for each worker bide_stack_cache_init(&cache, &pool)
 *   bide_stack_take(&cache, &stack);                bide_fiber_make(&fiber, stack->low, stack->size, …)
 *   bide_stack_give(&cache, stack);                 to any cache of the pool
 *
 * What a stack costs: addresses for its size and its guard, and no memory before it is written, page by page;
 * some 320 bytes of page tables and 130 of book-keeping once it was used. Stacks come in chunks of up to 64,
 * one mapping a chunk where guards are light (Linux 6.13), and adjoining chunks are merged by the system: a
 * million is nothing. Where guards split mappings, each stack takes two, and vm.max_map_count (65,530 by
 * default) is an end: some 28,000 stacks, since an eighth of the mappings is left to the program, in which
 * nothing else (threads, malloc, libraries) would work any more either. That end is BIDE_ENOMEM like other
 * shortages of memory, because callers can do nothing else about it; the log function is told the name of the
 * limit.
 *
 * Signal handlers run on the stack that they interrupt, unless they ask for another (sigaltstack(2)): their
 * frames are up to 3.5 KiB with AVX-512, 11 KiB with AMX.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_STACK_H
#define BIDE_TASK_STACK_H

#include "os/assert.h"
#include "os/mutex.h"
#include "task/context.h"

#include <stdbool.h>
#include <stddef.h>

/* Sizes are rounded up to pages, and to the least. */
#define BIDE_STACK_SIZE ((size_t)128 * 1024)
#define BIDE_STACK_LEAST ((size_t)16 * 1024)

/* Below each stack. Larger than a page, because a function that does not touch its frame in order steps over
 * as much as the frame has: twice the largest buffer that network code likes to have there. */
#define BIDE_STACK_GUARD ((size_t)32 * 1024)

/* What moves between a cache and the depot at once. A cache holds less than twice as many. */
#define BIDE_STACK_BATCH ((size_t)16)

struct bide_stack {
    /* Of who has taken it, on one cache line: what runs there, and for whom. */
    _Alignas(64) struct bide_fiber fiber;
    void *user;

    struct bide_stack *next; /* in the list that has it */
    char *low;               /* the lowest byte; above the highest one lies nothing of the stack */
    size_t size;
    _Atomic bool live; /* taken; for signal handlers to read */
};

struct bide_stack_chunk;

/* The depot that caches share. All but the fixed fields is guarded by the lock. */
struct bide_stack_pool {
    bide_os_mutex lock;
    size_t size;  /* fixed; of each stack */
    size_t guard; /* fixed */
    size_t low;   /* fixed; see stack.c, invariant 3 */
    size_t high;  /* fixed */
    bool draining;
    struct bide_stack *warm; /* with what memory they have */
    struct bide_stack *cold; /* without */
    size_t warm_count;
    size_t cold_count;
    struct bide_stack_chunk *chunks;
};

/* Belongs to one thread at a time. */
struct bide_stack_cache {
    struct bide_stack_pool *pool;
    struct bide_stack *first; /* the one given last, whose memory is in the processor's caches */
    size_t count;
};

/* For stacks of `size` bytes, 0 for BIDE_STACK_SIZE. Free ones that lie in the depot keep their memory up to
 * `high` of them; when there are more, memory is given back until there are no more than `low` (<= high).
 * Returns 0, or BIDE_EINVAL: too large, or low > high. Maps nothing yet. */
int bide_stack_pool_init(struct bide_stack_pool *pool, size_t size, size_t low, size_t high);

/* Unmaps all stacks, which must have been given back, and the caches drained. */
void bide_stack_pool_destroy(struct bide_stack_pool *pool);

void bide_stack_cache_init(struct bide_stack_cache *cache, struct bide_stack_pool *pool);

/* Gives all of the cache to the depot. */
void bide_stack_cache_drain(struct bide_stack_cache *cache);

/* The rest of the two that follow: fills an empty cache, 0 or BIDE_ENOMEM; gives half of a full one to the depot. */
int bide_stack_refill(struct bide_stack_cache *cache);
void bide_stack_surplus(struct bide_stack_cache *cache);

/* Takes a stack, whose contents are anything. Returns 0 or BIDE_ENOMEM. Atomic operations: none but a plain
 * store; a lock once in BIDE_STACK_BATCH times at most; a new chunk costs some system calls a stack. */
static inline int bide_stack_take(struct bide_stack_cache *cache, struct bide_stack **stack)
{
    if (!cache->first) {
        int error = bide_stack_refill(cache);
        if (error) return error;
    }
    struct bide_stack *taken = cache->first;
    cache->first = taken->next;
    cache->count--;
    /* relaxed: the handler that reads it runs on this thread, or on one that was given the stack. */
    atomic_store_explicit(&taken->live, true, memory_order_relaxed);
    *stack = taken;
    return 0;
}

/* Gives it back. Once in BIDE_STACK_BATCH times at most a lock, and when too many are warm up to twice as
 * many system calls. */
static inline void bide_stack_give(struct bide_stack_cache *cache, struct bide_stack *stack)
{
    BIDE_ASSERT(atomic_load_explicit(&stack->live, memory_order_relaxed));
    BIDE_ASSERT(stack->size == cache->pool->size);
    atomic_store_explicit(&stack->live, false, memory_order_relaxed);
    stack->next = cache->first;
    cache->first = stack;
    cache->count++;
    if (cache->count == 2 * BIDE_STACK_BATCH) bide_stack_surplus(cache);
}

/* How many bytes of the stack, which is told by its low and size, have been in use at once, in whole pages, since it last was without memory: in
 * a pool others may have had it before. One system call; what is swapped out does not count. Any thread, also
 * while the stack is in use. */
size_t bide_stack_used(const struct bide_stack *stack);

/* The live stack whose guard the address lies in, or NULL: asked with the address of a fault, tells an
 * overflow. Async-signal-safe. Takes time in proportion to the number of chunks. */
const struct bide_stack *bide_stack_guarding(const void *address);

/* Keep what all pools share whole during a fork. */
void bide_stack_fork_prepare(void);
void bide_stack_fork_done(void);

#endif
