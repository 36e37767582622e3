/* What happens to the others when the main task ends: they are cancelled where they wait, and what they have put
 * off for their end is done, before bide_run() returns.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>

static long tasks = 3;
static bool fail;

static const struct example_option options[] = {
    {"--tasks", EXAMPLE_COUNT, &tasks, "how many others there are (3)"},
    {"--fail", EXAMPLE_FLAG, &fail, "the main task fails"},
};

static const struct example_program program = {
    .name = "main_exit",
    .synopsis = "[--tasks COUNT] [--fail]",
    .about = "Starts tasks that sleep for an hour, ends the main task, and prints what becomes of them.\n"
             "Exits with 0, or with 1 if the main task fails, or a task was not cleaned up.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* On one worker, so that neither is written by two tasks at once. */
static long asleep, cleaned;

/* As a destructor would in other languages. */
static void clean_up(void *arg)
{
    const char *name = arg;
    cleaned++;
    printf("%s: cleaned up\n", name);
}

static int sleep_long(void *arg)
{
    int error = bide_defer(clean_up, arg);
    if (error) return error;
    asleep++;
    error = bide_sleep(BIDE_HOURS(1));
    /* What would wait gives BIDE_ECANCELED from here on: there is nothing left to do but to return. */
    printf("%s: %s\n", (const char *)arg, bide_strerror(error));
    return error;
}

static int run(void *arg)
{
    static char name[] = "sleeper";
    (void)arg;
    for (long i = 0; i < tasks; i++) {
        int error = bide_spawn(NULL, sleep_long, name, NULL);
        if (error) return error;
    }
    while (asleep < tasks)
        if (bide_yield() != 0) break;
    printf("main: %s\n", fail ? "fails now" : "ends now");
    return fail ? BIDE_EIO : 0;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    bide_run_options one = {.workers = 1};
    int error = bide_run(run, NULL, &one);
    printf("%ld of %ld cleaned up\n", cleaned, tasks);
    if (error) return example_end(example_fail(&program, "the main task", error));
    return example_end(cleaned == tasks ? EXAMPLE_OK : EXAMPLE_FAILED);
}
