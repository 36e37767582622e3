/* A million tasks, all blocked at once: what each takes of time and memory.
 *
 *   bench_task_million [TASKS [WORKERS]]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counted.h"

#include <bide.h>

#include <stdlib.h>

static struct {
    size_t tasks;
    bide_event start;
    bide_task *all;
} crowd;

/* Of /proc/self/statm, in bytes. */
static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    (void)fclose(file);
    return pages * (size_t)4096;
}

/* Stacks take page tables, too. */
static size_t page_tables(void)
{
    char line[256];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmPTE: %lu kB", &kilobytes) == 1) break;
    (void)fclose(file);
    return kilobytes * (size_t)1024;
}

static int wait_for_start(void *arg)
{
    return bide_event_wait(arg, BIDE_NEVER);
}

static void report(const char *what, const char *operation, bide_instant began)
{
    (void)printf("%s %.1f ns", what, (double)bide_instant_since(bide_now(), began) / (double)crowd.tasks);
    bench_end_counted(operation);
}

static int hold_all(void *arg)
{
    size_t before = resident(), tables = page_tables();
    bide_instant began = bide_now();
    (void)arg;
    for (size_t i = 0; i < crowd.tasks; i++) {
        int error = bide_spawn(&crowd.all[i], wait_for_start, &crowd.start, NULL);
        if (error) {
            (void)fprintf(stderr, "%zu spawned, then %s\n", i, bide_error_name(error));
            return 1;
        }
    }
    bide_scheduler_stats stats;
    /* Until they all have begun, and wait. */
    do
        if (bide_yield() != 0 || bide_scheduler_stats_read(bide_scheduler_current(), &stats) != 0) return 1;
    while (stats.total.switches < crowd.tasks);
    report("spawn-block", "spawn-and-block", began);
    (void)printf("resident %.0f bytes page_tables=%.0f\n",
                 (double)(resident() - before) / (double)crowd.tasks,
                 (double)(page_tables() - tables) / (double)crowd.tasks);
    began = bide_now();
    bide_event_set(&crowd.start);
    for (size_t i = 0; i < crowd.tasks; i++)
        if (bide_task_join(crowd.all[i], NULL, BIDE_NEVER) != 0) return 1;
    report("wake-join", "wake-and-join", began);
    return 0;
}

int main(int argc, char **argv)
{
    crowd.tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    bide_run_options options = {.workers = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1};
    crowd.all = calloc(crowd.tasks, sizeof *crowd.all);
    if (!crowd.all || bide_event_init(&crowd.start, BIDE_EVENT_MANUAL) != 0) return 1;
    int result = bide_run(hold_all, NULL, &options);
    free(crowd.all);
    return result != 0;
}
