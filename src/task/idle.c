/* Which workers sleep, which search, and who wakes whom: see task.h, invariants 8 and 9.
 *
 * The rules (how many may search at once, who wakes another one) are those of Go's scheduler (D. Vyukov,
 * "Scalable Go Scheduler Design Doc", 2012) and of Tokio's (C. Lerche, "Making the Tokio scheduler 10x faster",
 * 2019).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/compiler.h"
#include "os/fence.h"
#include "task/task.h"

static void wake(struct bide_worker *worker)
{
    worker->parker->cx.waker_.wake(worker->parker->cx.waker_.arg);
}

static uint64_t bit_of(const struct bide_worker *worker)
{
    return UINT64_C(1) << worker->index;
}

void bide_idle_call_one(struct bide_scheduler *scheduler)
{
    bide_os_fence();
    bide_idle_call_one_after(scheduler);
}

void bide_idle_call_one_after(struct bide_scheduler *scheduler)
{
    if (atomic_load(&scheduler->idle_mask) == 0 || atomic_load(&scheduler->searching) > 0) return;
    struct bide_worker *worker = NULL;
    bide_os_mutex_lock(&scheduler->idle_lock);
    uint64_t mask = atomic_load_explicit(&scheduler->idle_mask, memory_order_relaxed);
    if (mask != 0 && atomic_load(&scheduler->searching) == 0) {
        worker = &scheduler->workers[bide_os_lowest_one(mask)];
        worker->searching = true;
        atomic_fetch_add(&scheduler->searching, 1);
        atomic_store(&scheduler->idle_mask, mask & ~bit_of(worker));
    }
    bide_os_mutex_unlock(&scheduler->idle_lock);
    if (worker) wake(worker);
}

void bide_idle_call(struct bide_worker *worker)
{
    bide_os_fence();
    /* It leaves the mask by itself, and needs not search: it looks into its inbox. */
    if (atomic_load(&worker->scheduler->idle_mask) & bit_of(worker)) wake(worker);
}

void bide_idle_call_all(struct bide_scheduler *scheduler)
{
    for (unsigned i = 0; i < scheduler->count; i++)
        wake(&scheduler->workers[i]);
}

bool bide_idle_begin_search(struct bide_worker *self)
{
    if (self->searching) return true;
    /* At most half of the workers search at once. */
    if (atomic_load(&self->scheduler->searching) * 2 >= self->scheduler->count) return false;
    self->searching = true;
    atomic_fetch_add(&self->scheduler->searching, 1);
    return true;
}

bool bide_idle_end_search(struct bide_worker *self)
{
    if (!self->searching) return false;
    self->searching = false;
    return atomic_fetch_sub(&self->scheduler->searching, 1) == 1;
}

void bide_idle_enter(struct bide_worker *self)
{
    struct bide_scheduler *scheduler = self->scheduler;
    bide_os_mutex_lock(&scheduler->idle_lock);
    (void)bide_idle_end_search(self);
    atomic_fetch_or(&scheduler->idle_mask, bit_of(self));
    bide_os_mutex_unlock(&scheduler->idle_lock);
}

void bide_idle_leave(struct bide_worker *self)
{
    struct bide_scheduler *scheduler = self->scheduler;
    bide_os_mutex_lock(&scheduler->idle_lock);
    atomic_fetch_and(&scheduler->idle_mask, ~bit_of(self));
    bide_os_mutex_unlock(&scheduler->idle_lock);
}

bool bide_idle_is_work_left(struct bide_scheduler *scheduler)
{
    bide_os_fence();
    if (bide_inject_length(&scheduler->inject) > 0) return true;
    for (unsigned i = 0; i < scheduler->count; i++)
        if (bide_deque_length(&scheduler->workers[i].deque) > 0 || atomic_load(&scheduler->workers[i].slot))
            return true;
    return false;
}
