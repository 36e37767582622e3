/* Scenarios of groups for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/group.h>

static atomic_int ended, dropped;

static int nap(void *arg)
{
    (void)arg;
    int error = bide_sleep(BIDE_MICROSECONDS(1));
    atomic_fetch_add(&ended, 1);
    return error;
}

static void drop(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

/* Waits with a timer, which may not be armed. */
static int wait_for_group(bide_group *group)
{
    bide_group_waiting waiting;
    bide_group_waiting_init(&waiting, group);
    int error = bide_await(&waiting.future, bide_after(PATIENCE));
    return error ? error : waiting.result;
}

static int use_groups(void *arg)
{
    bide_task_options options = {.drop = drop};
    bide_group group;
    int spawned = 0;
    (void)arg;
    atomic_store(&ended, 0);
    atomic_store(&dropped, 0);
    int error = bide_group_open(&group);
    if (!error) error = bide_group_set_limit(&group, 2);
    if (!error) error = bide_group_set_deadline(&group, bide_after(PATIENCE));
    for (int i = 0; i < 4 && !error; i++) {
        error = bide_group_spawn(&group, NULL, nap, NULL, &options, BIDE_NEVER);
        spawned += !error;
    }
    bide_group_spawning spawning;
    bide_group_spawning_init(&spawning, &group, NULL, nap, NULL, &options);
    if (!error) error = bide_await(&spawning.future, bide_after(PATIENCE));
    if (!error) {
        error = spawning.result;
        spawned += !error;
    }
    if (!error) error = wait_for_group(&group);
    if (!error) error = bide_group_wait(&group, bide_after(PATIENCE));
    if (!error && (bide_group_error(&group) || bide_group_count(&group))) error = WRONG;
    if (error) (void)bide_group_cancel(&group);
    int first = bide_group_close(&group);
    if (first && first != BIDE_ECANCELED) error = first;
    /* Whatever has failed, nothing of it is left. */
    return atomic_load(&ended) + atomic_load(&dropped) == spawned ? error : WRONG;
}

static int run_groups(void)
{
    static const bide_run_options one = {.workers = 1}, two = {.workers = 2};
    int error = bide_run(use_groups, NULL, &one);
    if (!error) error = bide_run(use_groups, NULL, &two);
    end_of_faults();
    return error;
}

const struct scenario scenarios_of_structured[] = {
    {"groups",
     "group_open group_close group_set_limit group_set_deadline group_spawn group_spawn_at "
     "group_spawning_init group_cancel group_error group_count group_wait group_waiting_init",
     run_groups},
    {NULL, NULL, NULL},
};
