/* Counts of schedulers and their workers. Each is written by one worker alone, or by others under one name each, and
 * read by anybody: relaxed, for they steer nothing.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/task.h"

#include <bide/debug.h>

static uint64_t read_count(_Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void add_worker(bide_worker_stats *stats, struct bide_worker *worker)
{
    stats->switches += read_count(&worker->counts.switches);
    stats->spawned += read_count(&worker->counts.spawned);
    stats->wakes += read_count(&worker->counts.wakes);
    stats->steals += read_count(&worker->counts.steals);
    stats->parks += read_count(&worker->counts.parks);
}

static void read_scheduler(bide_scheduler_stats *stats, struct bide_scheduler *scheduler)
{
    uint64_t spawned = read_count(&scheduler->spawned_outside);
    uint64_t wakes = read_count(&scheduler->woken_outside);
    *stats = (bide_scheduler_stats){.workers = scheduler->count,
                                    .live = bide_worker_tasks(scheduler),
                                    .injected = spawned + wakes,
                                    .total = {.spawned = spawned, .wakes = wakes}};
    for (unsigned i = 0; i < scheduler->count; i++)
        add_worker(&stats->total, &scheduler->workers[i]);
}

/* That of the calling task if none is given; left by bide_door_leave. */
static int enter(bide_scheduler *handle, struct bide_scheduler **scheduler)
{
    if (!handle->door_) *handle = bide_scheduler_current();
    if (!handle->door_) return BIDE_EINVAL;
    *scheduler = bide_door_enter(*handle);
    return *scheduler ? 0 : BIDE_EFREED;
}

int bide_scheduler_stats_read(bide_scheduler handle, bide_scheduler_stats *stats)
{
    struct bide_scheduler *scheduler;
    int error = stats ? enter(&handle, &scheduler) : BIDE_EINVAL;
    if (error) return error;
    read_scheduler(stats, scheduler);
    bide_door_leave(handle);
    return 0;
}

int bide_worker_stats_read(bide_scheduler handle, unsigned worker, bide_worker_stats *stats)
{
    struct bide_scheduler *scheduler;
    int error = stats ? enter(&handle, &scheduler) : BIDE_EINVAL;
    if (error) return error;
    if (worker < scheduler->count) {
        *stats = (bide_worker_stats){0};
        add_worker(stats, &scheduler->workers[worker]);
    } else {
        error = BIDE_EINVAL;
    }
    bide_door_leave(handle);
    return error;
}
