/* What test_gdb has gdb look at: tasks that wait in functions with names of their own, and one that calls stop_here(),
 * where the program aborts if it was started as `gdb_program WORKERS crash`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide.h>

#include <stdlib.h>

static bide_event never;
static volatile bool crashes;

static __attribute__((noinline)) int innermost_of_waiter(int depth)
{
    volatile int mark = depth;
    int error = bide_event_wait(&never, BIDE_NEVER);
    return mark + error;
}

static __attribute__((noinline)) int middle_of_waiter(int depth)
{
    volatile int result = innermost_of_waiter(depth + 1);
    return result;
}

static int waiter(void *arg)
{
    volatile int result = middle_of_waiter(arg != NULL);
    return result;
}

static int sleeper(void *arg)
{
    (void)arg;
    volatile int result = bide_sleep(BIDE_SECONDS(1000));
    return result;
}

__attribute__((noinline)) void stop_here(void);
__attribute__((noinline)) void stop_here(void)
{
    if (crashes) abort();
}

static __attribute__((noinline)) void caller_of_stop(void)
{
    volatile int mark = 1;
    stop_here();
    (void)mark;
}

static int run(void *arg)
{
    bide_task_options one = {.name = "waits-one"}, two = {.name = "waits-two"}, sleeps = {.name = "sleeps"};
    bide_scheduler_stats stats;
    (void)arg;
    if (bide_event_init(&never, BIDE_EVENT_AUTO) != 0 || bide_spawn(NULL, waiter, NULL, &one) != 0 ||
        bide_spawn(NULL, waiter, NULL, &two) != 0 || bide_spawn(NULL, sleeper, NULL, &sleeps) != 0)
        return 1;
    /* Until all three wait. */
    do {
        if (bide_sleep(BIDE_MICROSECONDS(100)) != 0 ||
            bide_scheduler_stats_read(bide_scheduler_current(), &stats) != 0)
            return 1;
    } while (stats.total.parks < 10);
    caller_of_stop();
    return 0;
}

int main(int argc, char **argv)
{
    bide_run_options options = {.workers = argc > 1 ? (unsigned)atoi(argv[1]) : 1};
    crashes = argc > 2;
    return bide_run(run, NULL, &options);
}
