/* Scenarios of tasks for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/debug.h>
#include <bide/task.h>

struct tally {
    int ran, dropped, cleaned, begun;
};

static struct tally tally;

static void count_drop(void *arg)
{
    (void)arg;
    tally.dropped++;
}

static void count_clean(void *arg)
{
    (void)arg;
    tally.cleaned++;
}

static int add_to(void *arg)
{
    int error = bide_defer(count_clean, NULL);
    if (!error) tally.begun++;
    tally.ran++;
    if (!error) error = bide_yield();
    if (!error) error = bide_sleep(BIDE_MICROSECONDS(1));
    return error ? error : *(int *)arg;
}

static int join_later(bide_task task)
{
    int value = 0;
    bide_task_joining joining;
    bide_task_joining_init(&joining, task);
    int error = bide_await(&joining.future, bide_after(PATIENCE));
    if (!error) error = joining.result;
    if (!error) value = joining.value;
    /* Whatever has failed, the handle can be given up. */
    if (error && (bide_task_cancel(task) != 0 || bide_task_detach(task) != 0)) return WRONG;
    return error ? error : value < 0 ? value : expect_count(value, 5);
}

static int spawn_some(void *arg)
{
    static int five = 5;
    bide_task_options options = {.drop = count_drop, .stack_size = 16 * 1024};
    bide_task task;
    (void)arg;
    int error = bide_spawn(&task, add_to, &five, &options);
    if (!error) error = join_later(task);
    if (!error) error = bide_spawn(&task, add_to, &five, NULL);
    int value = 0;
    if (!error) {
        error = bide_task_join(task, &value, bide_after(PATIENCE));
        if (error && bide_task_detach(task) != 0) error = WRONG;
        if (!error) error = value < 0 ? value : expect_count(value, 5);
    }
    bide_shield();
    bide_unshield();
    bide_scheduler_stats stats;
    bide_worker_stats worker;
    const bide_scheduler none = {NULL, 0};
    if (bide_scheduler_stats_read(none, &stats) != 0 || bide_worker_stats_read(none, 0, &worker) != 0)
        error = WRONG;
    size_t most;
    if (bide_overflow_handler_install(2) != 0 || bide_stack_high_water() == 0) error = WRONG;
    if (bide_task_stack_high_water((bide_task){NULL, 0}, &most) != BIDE_EINVAL) error = WRONG;
    if (!bide_in_task() || !bide_task_name() || !bide_scheduler_current().door_ || !bide_task_worker() ||
        !bide_task_id(bide_task_self()))
        error = WRONG;
    return error;
}

static int run_tasks(void)
{
    static const bide_run_options one = {.workers = 1}, two = {.workers = 2};
    memset(&tally, 0, sizeof tally);
    int error = bide_run(spawn_some, NULL, &one);
    if (!error) error = bide_run(spawn_some, NULL, &two);
    if (tally.cleaned != tally.begun) error = WRONG;
    end_of_faults();
    return error;
}

static int dump_in_task(void *fd)
{
    return bide_dump(*(int *)fd);
}

/* To a socket, which has room for it. */
static int dump(void)
{
    static const bide_run_options one = {.workers = 1};
    int ends[2];
    scene_pair(UNIX, ends);
    int error = bide_dump(ends[1]);
    if (!error) error = bide_run(dump_in_task, &ends[1], &one);
    end_of_faults();
    SCENE({
        (void)close(ends[0]);
        (void)close(ends[1]);
    });
    return error;
}

const struct scenario scenarios_of_tasks[] = {
    {"dump", "dump", dump},
    {"tasks",
     "run spawn spawn_at task_join task_joining_init task_cancel task_detach defer yield shield unshield "
     "in_task task_self task_id task_worker "
     "task_name "
     "scheduler_current scheduler_stats_read worker_stats_read overflow_handler_install stack_high_water "
     "task_stack_high_water",
     run_tasks},
    {NULL, NULL, NULL},
};
