/* Taking records and giving them back: what is on the way of each spawn. See task.h, invariants 4 to 6, and record.c.
 *
 * A free record is as its last task has left it: it owns nothing, nobody is in its ring, its context has no flags but
 * the fixed ones, no await is under way. The rest is made new.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_RECORD_H
#define BIDE_TASK_RECORD_H

#include "os/assert.h"
#include "task/task.h"

/* A worker has less than twice as many free ones. */
#define BIDE_RECORD_BATCH 64u

/* Moves up to `most` to an empty cache, those with small numbers first. */
void bide_record_refill(struct bide_record_cache *cache, unsigned most);

/* Moves that many to the list for all. */
void bide_record_drain(struct bide_record_cache *cache, unsigned count);

/* A stack, with a fiber that is made anew. NULL without memory. */
struct bide_stack *bide_record_fresh_stack(struct bide_scheduler *scheduler, struct bide_worker *self,
                                           unsigned shelf);

static inline uint32_t bide_record_generation_of(uint64_t life)
{
    return (uint32_t)(life >> 32);
}

/* That of the next task, which nobody has yet. 0: there is none, for the handles of the first one would be valid again;
 * the record is left alone then. */
static inline uint64_t bide_record_next_life(uint64_t life)
{
    return (uint64_t)(bide_record_generation_of(life) + 1) << 32;
}

static inline struct bide_task_record *bide_record_take(struct bide_worker *self)
{
    struct bide_record_cache one = {NULL, 0};
    struct bide_record_cache *cache = self ? &self->records : &one;
    if (!cache->first) bide_record_refill(cache, self ? BIDE_RECORD_BATCH : 1);
    struct bide_runnable *first = cache->first;
    if (!first) return NULL;
    cache->first = first->next;
    cache->count--;
    return (struct bide_task_record *)first;
}

static inline void bide_record_give_back(struct bide_worker *self, struct bide_task_record *record)
{
    struct bide_record_cache one = {NULL, 0};
    struct bide_record_cache *cache = self ? &self->records : &one;
    record->runnable.next = cache->first;
    cache->first = &record->runnable;
    cache->count++;
    if (!self)
        bide_record_drain(cache, 1);
    else if (cache->count >= 2 * BIDE_RECORD_BATCH)
        bide_record_drain(cache, BIDE_RECORD_BATCH);
}

/* A stack with a fiber that will run a task. NULL without memory. */
static inline struct bide_stack *bide_record_stack(struct bide_scheduler *scheduler, struct bide_worker *self,
                                                   unsigned shelf)
{
    struct bide_stack *stack = self && shelf == scheduler->default_shelf ? self->resting : NULL;
    if (!stack) return bide_record_fresh_stack(scheduler, self, shelf);
    self->resting = stack->next;
    self->resting_count--;
    stack->fiber.modes = bide_fiber_read_modes();
    return stack;
}

/* A free record with a stack; `self`: the calling worker of the scheduler, or NULL. Nobody knows of it before
 * bide_record_publish; `held`: whether there will be a handle. NULL without memory. */
static inline struct bide_task_record *bide_record_new(struct bide_scheduler *scheduler,
                                                       struct bide_worker *self, unsigned shelf, bool held)
{
    struct bide_task_record *record = bide_record_take(self);
    if (!record) return NULL;
    struct bide_stack *stack = bide_record_stack(scheduler, self, shelf);
    record->stack = stack;
    if (!stack) {
        bide_record_give_back(self, record);
        return NULL;
    }
    stack->user = record;
    atomic_store_explicit(&record->worker, NULL, memory_order_relaxed);
    record->home = NULL;
    record->reactor = NULL;
    record->scheduler = scheduler;
    atomic_store_explicit(&record->joiner, NULL, memory_order_relaxed);
    atomic_store_explicit(&record->awaiter.verdict, 0, memory_order_relaxed);
    record->awaiter.awaits = NULL;
    record->awaiter.shields = 0;
    record->cx.reactor_ = scheduler->reactor;
    record->cx.budget_ = BIDE_BUDGET;
    record->drop = NULL;
    record->name = record->place = NULL;
    record->group = record->owned = NULL;
    record->locals = NULL;
    record->is_main = record->limited = false;
    if (held) {
        /* relaxed: nobody has a handle before it is published */
        uint64_t life = atomic_load_explicit(&record->life, memory_order_relaxed);
        atomic_store_explicit(&record->life, life | BIDE_TASK_HELD, memory_order_relaxed);
    }
    return record;
}

static inline void bide_record_publish(struct bide_task_record *record)
{
    /* relaxed: a late wake for the last task is a spurious one for this, before or after */
    atomic_store_explicit(&record->state, BIDE_TASK_AWAKE, memory_order_relaxed);
    uint64_t life = atomic_load_explicit(&record->life, memory_order_relaxed);
    /* release: who pins it sees what was written above */
    atomic_store_explicit(&record->life, life | BIDE_TASK_RUNS, memory_order_release);
}

/* The name is the spawner's again as soon as the task is gone: who reads it then, with the record pinned, has the
 * wait lock. */
void bide_record_forget_name(struct bide_task_record *record);

/* What the end of the task takes away first. */
static inline void bide_record_leave(struct bide_task_record *record)
{
    if (record->name) bide_record_forget_name(record);
    BIDE_ASSERT(!record->owned && !record->locals && !record->deferred);
    BIDE_ASSERT(record->awaiter.depth == 0 &&
                record->cx.flags_ == (BIDE_CONTEXT_STABLE | BIDE_CONTEXT_SERVED));
    /* relaxed: late wakes change nothing now or wake the next task for nothing */
    atomic_store_explicit(&record->state, BIDE_TASK_FREE, memory_order_relaxed);
}

/* As bide_record_end, and gives its handle up for who is aside. False: the handle is another one's by now, or somebody
 * looks at the record, waits in its ring, or takes back who is aside; and it has not ended. */
static inline bool bide_record_end_joined(struct bide_worker *self, struct bide_task_record *record)
{
    uint64_t seen = atomic_load_explicit(&record->life, memory_order_relaxed);
    if ((seen & BIDE_TASK_HAD) != (BIDE_TASK_RUNS | BIDE_TASK_HELD)) return false;
    bide_record_leave(record);
    /* As in bide_record_give_up. */
    struct bide_task_record *joiner = atomic_load(&record->joiner);
    uint64_t after = bide_record_next_life(seen);
    if (!atomic_compare_exchange_strong(&record->life, &seen, after)) return false;
    if (!joiner) joiner = atomic_load(&record->joiner);
    /* relaxed: who takes back looks at life first */
    atomic_store_explicit(&record->aside, NULL, memory_order_relaxed);
    if (after != 0) bide_record_give_back(self, record);
    if (joiner) bide_task_wake(joiner);
    return true;
}

#endif
