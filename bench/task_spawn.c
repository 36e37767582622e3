/* What a task costs from its spawn to its join.
 *
 *   bench_task_spawn [WORKERS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counted.h"

#include <bide.h>

#include <stdlib.h>

#define CROWD 100

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void spawn_and_join(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        bide_task task;
        if (bide_spawn(&task, nothing, NULL, NULL) != 0) abort();
        if (bide_task_join(task, NULL, BIDE_NEVER) != 0) abort();
    }
}

static void spawn_many_and_join(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i += CROWD) {
        bide_task tasks[CROWD];
        for (int k = 0; k < CROWD; k++)
            if (bide_spawn(&tasks[k], nothing, NULL, NULL) != 0) abort();
        for (int k = 0; k < CROWD; k++)
            if (bide_task_join(tasks[k], NULL, BIDE_NEVER) != 0) abort();
    }
}

static void spawn_detached(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i += CROWD) {
        for (int k = 0; k < CROWD; k++)
            if (bide_spawn(NULL, nothing, NULL, NULL) != 0) abort();
        if (bide_yield() != 0) abort();
    }
}

static int measure(void *arg)
{
    (void)arg;
    bench_run_counted("spawn-join", "spawn-and-join", spawn_and_join, NULL, 10000);
    bench_run_counted("spawn-join-100", "spawn-and-join-of-a-crowd", spawn_many_and_join, NULL, 10000);
    bench_run_counted("spawn-detached", "spawn-detached", spawn_detached, NULL, 10000);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned workers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    bide_run_options options = {.workers = workers};
    return bide_run(measure, NULL, &options) < 0;
}
