/* Schedulers: bide_run, from the making of the workers to the end of the last task.
 *
 *   RUNNING --the main task has ended--> CLOSING --none is live--> FINISHED
 *                                 (all are cancelled, none is spawned)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/aligned.h"
#include "os/fork.h"
#include "os/processors.h"
#include "reactor/reactor.h"
#include "task/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A bit each in the idle mask. */
#define MOST_WORKERS 64u

static void worker_main(void *arg)
{
    bide_os_thread_precise_timers();
    bide_worker_run(arg);
}

/* Frees what the workers have. */
static void free_workers(struct bide_scheduler *scheduler)
{
    bide_shelf_destroy(scheduler);
    for (unsigned i = 0; i < scheduler->count; i++)
        if (scheduler->workers[i].parker) bide_parker_delete(scheduler->workers[i].parker);
    bide_os_aligned_free(scheduler->workers);
}

static int make_workers(struct bide_scheduler *scheduler)
{
    int error = bide_shelf_make(scheduler, scheduler->default_shelf);
    if (error) return error;
    /* Whole cache lines: queues begin on one. */
    size_t size = (scheduler->count * sizeof *scheduler->workers + 63) / 64 * 64;
    scheduler->workers = bide_os_aligned_alloc(64, size);
    if (!scheduler->workers) return BIDE_ENOMEM;
    memset(scheduler->workers, 0, size);
    for (unsigned i = 0; i < scheduler->count; i++) {
        struct bide_worker *worker = &scheduler->workers[i];
        worker->scheduler = scheduler;
        worker->index = i;
        worker->alone = scheduler->count == 1;
        bide_stack_cache_init(&worker->stacks, &scheduler->shelves[scheduler->default_shelf].pool);
        worker->parker = bide_parker_new();
        if (!worker->parker) return BIDE_ENOMEM;
        atomic_store_explicit(&worker->parker->state, BIDE_PARKER_EMPTY, memory_order_relaxed);
    }
    return 0;
}

/* Starts all but the first, which is the caller. Fewer will do. Returns how many there are then. */
static unsigned start_workers(struct bide_scheduler *scheduler, const char *name)
{
    for (unsigned i = 1; i < scheduler->count; i++) {
        char numbered[32];
        (void)snprintf(numbered, sizeof numbered, "%.12s-%u", name ? name : "bide-worker", i);
        if (bide_os_thread_start(&scheduler->workers[i].thread, numbered, worker_main,
                                 &scheduler->workers[i]))
            return i;
    }
    return scheduler->count;
}

static int run(struct bide_scheduler *scheduler, bide_task_function function, void *arg, const char *name)
{
    struct bide_task_record *main_task = bide_record_new(scheduler, NULL, scheduler->default_shelf, false);
    if (!main_task) return BIDE_ENOMEM;
    main_task->function = function;
    main_task->arg = arg;
    main_task->name = "main";
    main_task->is_main = true;
    atomic_store(&scheduler->live, 1);
    atomic_store_explicit(&scheduler->spawned_outside, 1, memory_order_relaxed);
    scheduler->started = start_workers(scheduler, name);
    bide_record_publish(main_task);
    bide_worker_queue_main(main_task);
    bide_worker_run(&scheduler->workers[0]);
    for (unsigned i = 1; i < scheduler->started && !scheduler->forked; i++)
        bide_os_thread_join(scheduler->workers[i].thread);
    return scheduler->value;
}

/* --- Forks: the locks of the layer are free in the child; those of the records in dump.c --- */

static void fork_prepare(void)
{
    bide_door_fork_prepare();
    bide_stack_fork_prepare();
}

static void fork_done(void)
{
    bide_stack_fork_done();
    bide_door_fork_done();
}

static int watch_forks(void)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_done, fork_done};
    static _Atomic bool watched;
    int error = bide_reactor_watch_forks();
    return error ? error : bide_os_at_fork(&handlers, &watched);
}

int bide_run(bide_task_function function, void *arg, const bide_run_options *options)
{
    static const bide_run_options defaults;
    if (!options) options = &defaults;
    unsigned shelf = bide_shelf_for(options->stack_size ? options->stack_size : BIDE_TASK_STACK);
    if (!function || options->workers > MOST_WORKERS || shelf >= BIDE_SHELVES) return BIDE_EINVAL;
    struct bide_thread *thread = bide_thread_self();
    if (thread->in_waker || thread->operation || thread->worker) return BIDE_EDEADLK;

    int error = watch_forks();
    if (error) return error;
    struct bide_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler) return BIDE_ENOMEM;
    unsigned processors = bide_os_processors();
    scheduler->count = options->workers ? options->workers : processors;
    if (scheduler->count > MOST_WORKERS) scheduler->count = MOST_WORKERS;
    scheduler->reactor = bide_reactor_global();
    scheduler->default_shelf = shelf;

    int cancelable = bide_thread_cancel_disable(thread);
    int result = make_workers(scheduler);
    if (!result) {
        scheduler->door = bide_door_open(scheduler);
        if (!scheduler->door) result = BIDE_ENOMEM;
    }
    if (!result) result = bide_scheduler_list(scheduler);
    if (!result) {
        result = run(scheduler, function, arg, options->name);
        bide_scheduler_unlist(scheduler);
    }
    bide_thread_cancel_restore(cancelable);
    /* In the child of a task that forked the stacks of others are in use for ever. */
    if (scheduler->forked) return result;
    /* Threads outside may be spawning still, and are told that it is over. */
    if (scheduler->door) bide_door_close(scheduler->door);
    if (scheduler->workers) free_workers(scheduler);
    free(scheduler);
    return result;
}
