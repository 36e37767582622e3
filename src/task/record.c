/* The records of tasks: see task.h, invariants 4 to 6.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/task.h"

#include <stdlib.h>

/* Records are made by the chunk. */
#define CHUNK 64

struct chunk {
    struct chunk *next;
    struct bide_task_record records[CHUNK];
};

static bide_os_mutex lock; /* guards the free list, and the adding of chunks */
static struct bide_task_record *vacant;
static _Atomic(struct chunk *) chunks; /* only added to, in front */

/* Lock held. */
static bool add_chunk(void)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk) return false;
    static uint32_t made;
    for (int i = CHUNK - 1; i >= 0; i--) {
        chunk->records[i].number = made + (uint32_t)i;
        chunk->records[i].next_free = vacant;
        vacant = &chunk->records[i];
    }
    made += CHUNK;
    chunk->next = atomic_load_explicit(&chunks, memory_order_relaxed);
    /* release: who walks the chunks sees zeroed records */
    atomic_store_explicit(&chunks, chunk, memory_order_release);
    return true;
}

static struct bide_task_record *take(void)
{
    bide_os_mutex_lock(&lock);
    struct bide_task_record *record = NULL;
    if (vacant || add_chunk()) {
        record = vacant;
        vacant = record->next_free;
    }
    bide_os_mutex_unlock(&lock);
    return record;
}

static void give_back(struct bide_task_record *record)
{
    bide_os_mutex_lock(&lock);
    record->next_free = vacant;
    vacant = record;
    bide_os_mutex_unlock(&lock);
}

struct bide_task_record *bide_record_new(struct bide_scheduler *scheduler, unsigned shelf, bool held)
{
    struct bide_task_record *record = take();
    if (!record) return NULL;
    if (bide_shelf_take(scheduler, shelf, &record->stack) != 0) {
        give_back(record);
        return NULL;
    }
    bide_waker waker = {bide_task_wake, record};
    bide_context_init(&record->cx, waker);
    record->cx.flags_ = BIDE_CONTEXT_STABLE | BIDE_CONTEXT_SERVED;
    record->cx.reactor_ = scheduler->reactor;
    record->awaiter.cx = &record->cx;
    record->awaiter.wait = bide_task_wait;
    record->awaiter.depth = 0;
    atomic_store_explicit(&record->awaiter.verdict, 0, memory_order_relaxed);
    record->reactor = NULL;
    record->group = record->owned = NULL;
    record->deferred = NULL;
    record->deferred_count = record->deferred_room = 0;
    record->awaiter.shields = 0;
    record->name = record->place = NULL;
    record->drop = NULL;
    bide_fiber_make(&record->fiber, record->stack->low, record->stack->size, bide_task_main, record, true);

    bide_os_mutex *wait_lock = bide_wait_lock(record);
    record->scheduler = scheduler;
    record->value = BIDE_ECANCELED;
    record->life = BIDE_TASK_RUNS | (held ? BIDE_TASK_HELD : 0u);
    bide_ring_init(&record->joiners);
    bide_wait_unlock(wait_lock);
    return record;
}

static void release_stack(struct bide_task_record *record)
{
    bide_fiber_retire(&record->fiber);
    bide_shelf_give(record->scheduler, record->stack);
}

void bide_record_end(struct bide_task_record *record)
{
    release_stack(record);
    free(record->deferred);
    atomic_store(&record->state, BIDE_TASK_DONE);
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *wait_lock = bide_wait_lock(record);
    record->life &= ~(uint32_t)BIDE_TASK_RUNS;
    bool held = (record->life & BIDE_TASK_HELD) != 0;
    bide_ring_splice(&record->joiners, &batch);
    /* Joiners have a handle, so that there are none if nobody has one; the lock is released by this. */
    bide_batch_wake(wait_lock, record, &batch);
    if (!held) give_back(record);
}

void bide_record_free(struct bide_task_record *record)
{
    give_back(record);
}

void bide_record_each(void (*visit)(struct bide_task_record *record, void *arg), void *arg)
{
    for (struct chunk *chunk = atomic_load_explicit(&chunks, memory_order_acquire); chunk;
         chunk = chunk->next)
        for (int i = 0; i < CHUNK; i++)
            visit(&chunk->records[i], arg);
}

void bide_record_lock(void)
{
    bide_os_mutex_lock(&lock);
}

void bide_record_unlock(void)
{
    bide_os_mutex_unlock(&lock);
}

/* Cancels it, if it is one of the scheduler's. */
static void cancel(struct bide_task_record *record, void *scheduler)
{
    bide_os_mutex *wait_lock = bide_wait_lock(record);
    bool ours = (record->life & BIDE_TASK_RUNS) && record->scheduler == scheduler;
    if (ours) atomic_store(&record->awaiter.verdict, BIDE_ECANCELED);
    bide_wait_unlock(wait_lock);
    if (ours) bide_task_wake(record);
}

void bide_record_cancel_all(struct bide_scheduler *scheduler)
{
    bide_record_each(cancel, scheduler);
}
