/* The records of tasks: see task.h, invariants 4 to 7.
 *
 * A free record is in the list of a worker, or in the one for all; between the two they go in batches.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/record.h"

#include "os/aligned.h"
#include "os/assert.h"
#include "os/compiler.h"
#include "os/fence.h"

#include <string.h>

/* Records are made by the chunk. */
#define CHUNK 64

struct chunk {
    struct chunk *next;
    struct bide_task_record records[CHUNK];
};

static bide_os_mutex lock; /* guards the free list, and the adding of chunks */
static struct bide_runnable *vacant;
static _Atomic(struct chunk *) chunks; /* only added to, in front */

/* --- Free ones --- */

/* Lock held. */
static bool add_chunk(void)
{
    static uint32_t made;
    struct chunk *chunk = bide_os_aligned_alloc(64, sizeof *chunk);
    if (!chunk) return false;
    memset(chunk, 0, sizeof *chunk);
    for (int i = CHUNK - 1; i >= 0; i--) {
        struct bide_task_record *record = &chunk->records[i];
        /* For good: a late wake may read them at any time. */
        bide_waker waker = {bide_task_wake, record};
        bide_context_init(&record->cx, waker);
        record->awaiter.cx = &record->cx;
        record->awaiter.wait = bide_task_wait;
        record->cx.flags_ = BIDE_CONTEXT_STABLE | BIDE_CONTEXT_SERVED;
        bide_ring_init(&record->joiners);
        record->number = made + (uint32_t)i + 1;
        record->runnable.next = vacant;
        vacant = &record->runnable;
    }
    made += CHUNK;
    chunk->next = atomic_load_explicit(&chunks, memory_order_relaxed);
    /* release: who walks the chunks sees zeroed records */
    atomic_store_explicit(&chunks, chunk, memory_order_release);
    return true;
}

/* Moves up to `most` to an empty cache, those with small numbers first. */
BIDE_OS_NOINLINE void bide_record_refill(struct bide_record_cache *cache, unsigned most)
{
    struct bide_runnable **end = &cache->first;
    bide_os_mutex_lock(&lock);
    for (; most > 0 && (vacant || (cache->count == 0 && add_chunk())); most--) {
        struct bide_runnable *record = vacant;
        vacant = record->next;
        *end = record;
        end = &record->next;
        cache->count++;
    }
    *end = NULL;
    bide_os_mutex_unlock(&lock);
}

/* Moves that many to the list for all. */
BIDE_OS_NOINLINE void bide_record_drain(struct bide_record_cache *cache, unsigned count)
{
    bide_os_mutex_lock(&lock);
    for (; count > 0; count--) {
        struct bide_runnable *record = cache->first;
        cache->first = record->next;
        cache->count--;
        record->next = vacant;
        vacant = record;
    }
    bide_os_mutex_unlock(&lock);
}

void bide_record_cache_drain(struct bide_record_cache *cache)
{
    bide_record_drain(cache, cache->count);
}

/* --- Life --- */

/* Nobody has it any more: the next task's. */
static void release(struct bide_worker *self, struct bide_task_record *record)
{
    /* relaxed: only the generation counts, for handles that are old, and whoever takes the record has it from a
     * list of his own or from under the lock */
    uint64_t life = bide_record_next_life(atomic_load_explicit(&record->life, memory_order_relaxed));
    atomic_store_explicit(&record->life, life, memory_order_relaxed);
    if (life != 0) bide_record_give_back(self, record);
}

/* Tasks that are in turns would all have the same lines of the processor's caches on the tops of their stacks,
 * which lie at a multiple of pages from each other: so each begins a little lower than its neighbour. Small stacks
 * do not. */
#define TOPS 32u
#define TOP_STEP 64u

BIDE_OS_NOINLINE struct bide_stack *bide_record_fresh_stack(struct bide_scheduler *scheduler,
                                                            struct bide_worker *self, unsigned shelf)
{
    struct bide_stack *stack;
    if (bide_shelf_take(scheduler, self, shelf, &stack) != 0) return NULL;
    size_t lower = (uintptr_t)stack->low / BIDE_STACK_GUARD % TOPS * TOP_STEP;
    if (stack->size < BIDE_TASK_STACK) lower = 0;
    bide_fiber_make(&stack->fiber, stack->low, stack->size - lower, bide_task_main, stack, true);
    return stack;
}

/* All but who looks at it just now. */
static uint64_t but_pins(uint64_t life)
{
    return life & (~BIDE_TASK_HAD | BIDE_TASK_RUNS | BIDE_TASK_HELD | BIDE_TASK_QUEUED);
}

static bool is_pinned(uint64_t life)
{
    return (life & BIDE_TASK_HAD) >= BIDE_TASK_PIN;
}

/* What `life` becomes when RUNS or HELD is taken out. The end of a task whose record others look at keeps it with a
 * pin of its own. */
static uint64_t without(uint64_t life, uint64_t bit)
{
    uint64_t after = life & ~(bit | BIDE_TASK_QUEUED);
    return bit == BIDE_TASK_RUNS && is_pinned(life) ? after + BIDE_TASK_PIN : after;
}

/* Takes RUNS or HELD out of `life`, once the joiners that are to be told have been taken out of their ring: then
 * the record may be another task's at once. Returns what it was; 0 if that is no more what was seen: look again. */
static uint64_t clear(struct bide_task_record *record, uint64_t *seen, uint64_t bit)
{
    uint64_t before = *seen;
    /* seq_cst: invariant 7. It also releases what the task did to who sees that it is gone, and acquires what
     * others that had the record did to who has it last. */
    if (!(before & BIDE_TASK_QUEUED))
        return atomic_compare_exchange_strong(&record->life, seen, without(before, bit)) ? before : 0;

    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *wait_lock = bide_wait_lock(record);
    *seen = atomic_load(&record->life);
    bool same = but_pins(*seen) == but_pins(before);
    if (same) {
        bide_ring_splice(&record->joiners, &batch);
        /* With the lock, nobody else changes more than the pins. */
        do
            before = *seen;
        while (!atomic_compare_exchange_weak(&record->life, seen, without(before, bit)));
    }
    /* The lock is released by this, which knows the record by its address alone. */
    bide_batch_wake(wait_lock, record, &batch);
    return same ? before : 0;
}

static bool is_last(uint64_t before, uint64_t bit)
{
    return (before & BIDE_TASK_HAD & ~(bit | BIDE_TASK_QUEUED)) == 0;
}

BIDE_OS_NOINLINE void bide_record_forget_name(struct bide_task_record *record)
{
    bide_os_mutex *wait_lock = bide_wait_lock(record);
    record->name = NULL;
    bide_wait_unlock(wait_lock);
}

void bide_record_end(struct bide_worker *self, struct bide_task_record *record)
{
    bide_record_leave(record);
    uint64_t seen = atomic_load_explicit(&record->life, memory_order_relaxed);
    uint64_t before;
    do
        before = clear(record, &seen, BIDE_TASK_RUNS);
    while (!before);
    /* If the handle is held, whoever gives it up tells the joiner too, and may have the record free by now: then this
     * is another one's joiner, whom a wake for nothing does no harm. Otherwise nobody else tells him, and the record
     * is kept until this look. */
    struct bide_task_record *joiner = atomic_load(&record->joiner);
    if (is_pinned(before))
        bide_record_unpin(record);
    else if (is_last(before, BIDE_TASK_RUNS))
        release(self, record);
    if (joiner) bide_task_wake(joiner);
}

bool bide_record_pin(struct bide_task_record *record, uint32_t generation)
{
    uint64_t seen = atomic_load_explicit(&record->life, memory_order_relaxed);
    do {
        if (bide_record_generation_of(seen) != generation || !(seen & BIDE_TASK_RUNS)) return false;
        /* acquire: with the release in publish */
    } while (!atomic_compare_exchange_weak_explicit(&record->life, &seen, seen + BIDE_TASK_PIN,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

void bide_record_unpin(struct bide_task_record *record)
{
    /* release: what was done to the record comes before its next task; acquire: for the last one */
    uint64_t before = atomic_fetch_sub_explicit(&record->life, BIDE_TASK_PIN, memory_order_acq_rel);
    if (is_last(before - BIDE_TASK_PIN, 0)) release(NULL, record);
}

enum bide_handed bide_record_give_up(struct bide_task_record *record, uint32_t generation, bool running,
                                     int *value)
{
    uint64_t seen = atomic_load(&record->life);
    for (;;) {
        if (bide_record_generation_of(seen) != generation || !(seen & BIDE_TASK_HELD))
            return BIDE_HANDED_FREED;
        if (seen & BIDE_TASK_RUNS && !running) return BIDE_HANDED_STILL_RUNS;
        *value = atomic_load_explicit(&record->value, memory_order_relaxed);
        /* Who else waits to join is too late. He has said so before he saw the task run, if that is gone; and if it
         * runs still, its end tells those who are overlooked here. */
        struct bide_task_record *joiner = atomic_load(&record->joiner);
        uint64_t before = clear(record, &seen, BIDE_TASK_HELD);
        if (!before) continue;
        if (!joiner) joiner = atomic_load(&record->joiner);
        if (is_last(before, BIDE_TASK_HELD)) release(bide_worker_self(), record);
        if (joiner && &joiner->awaiter != bide_thread_self()->awaiter) bide_task_wake(joiner);
        return BIDE_HANDED_OVER;
    }
}

bool bide_record_is_held(struct bide_task_record *record, uint32_t generation)
{
    uint64_t life = atomic_load_explicit(&record->life, memory_order_relaxed);
    return bide_record_generation_of(life) == generation && (life & BIDE_TASK_HELD) != 0;
}

bool bide_record_await(struct bide_task_record *record, uint32_t generation, bide_waiter *waiter,
                       bide_context *cx)
{
    if (cx->waker_.wake == bide_task_wake) {
        struct bide_task_record *self = cx->waker_.arg, *joiner = NULL;
        if (atomic_compare_exchange_strong(&record->joiner, &joiner, self) || joiner == self)
            return bide_record_is_awaited(atomic_load(&record->life), generation);
    }
    bide_os_mutex *wait_lock = bide_wait_lock(record);
    uint64_t seen = atomic_load(&record->life);
    bool awaited = bide_record_is_awaited(seen, generation);
    if (awaited && !(seen & BIDE_TASK_QUEUED))
        awaited = atomic_compare_exchange_strong(&record->life, &seen, seen | BIDE_TASK_QUEUED);
    if (awaited) {
        uint32_t flags = cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
        bide_waiter_link(&record->joiners, waiter, cx->waker_, flags);
    }
    bide_wait_unlock(wait_lock);
    return awaited;
}

void bide_record_end_alone(struct bide_task_record *record)
{
    bide_os_mutex *wait_lock = bide_wait_lock(record);
    uint64_t seen = atomic_load(&record->life);
    /* As if somebody were in the ring. */
    while ((seen & (BIDE_TASK_RUNS | BIDE_TASK_QUEUED)) == BIDE_TASK_RUNS &&
           !atomic_compare_exchange_weak(&record->life, &seen, seen | BIDE_TASK_QUEUED))
        continue;
    bide_wait_unlock(wait_lock);
}

void bide_record_each(void (*visit)(struct bide_task_record *record, void *arg), void *arg)
{
    /* acquire: zeroed records */
    for (struct chunk *chunk = atomic_load_explicit(&chunks, memory_order_acquire); chunk;
         chunk = chunk->next)
        for (int i = 0; i < CHUNK; i++)
            visit(&chunk->records[i], arg);
}

/* Cancels it, if it is one of the scheduler's. */
static void cancel(struct bide_task_record *record, void *scheduler)
{
    if (!bide_record_pin(record, bide_record_generation(record))) return;
    if (record->scheduler == scheduler) bide_task_ask(record);
    bide_record_unpin(record);
}

void bide_record_cancel_all(struct bide_scheduler *scheduler)
{
    /* "The end has begun" comes before the looks; who publishes a record looks for the end after it. */
    bide_os_fence();
    bide_record_each(cancel, scheduler);
}

/* --- Forks --- */

void bide_record_lock(void)
{
    bide_os_mutex_lock(&lock);
}

void bide_record_unlock(void)
{
    bide_os_mutex_unlock(&lock);
}
