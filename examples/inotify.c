/* Watches a folder: an inotify descriptor wrapped as a handle.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

static const char *folder;
static long count = LONG_MAX;
static bide_duration timeout = BIDE_DURATION_MAX;

static const struct example_option argument = {"FOLDER", EXAMPLE_STRING, &folder, ""};
static const struct example_option options[] = {
    {"--count", EXAMPLE_COUNT, &count, "end after that many changes (no limit)"},
    {"--timeout", EXAMPLE_DURATION, &timeout, "give up after this long, as in 500ms or 1.5s (never)"},
};

static const struct example_program program = {
    .name = "inotify",
    .synopsis = "FOLDER [--count COUNT] [--timeout DURATION]",
    .about =
        "Prints a line for each change in a folder, after a first one when it has begun to watch. Exits\n"
        "with 0: as many changes as asked for, or the folder is gone, 1: an error, 2: wrong usage,\n"
        "124: timed out.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

static const struct {
    uint32_t mask;
    const char *name;
} kinds[] = {
    {IN_CREATE, "created"},        {IN_DELETE, "deleted"},      {IN_CLOSE_WRITE, "written"},
    {IN_MOVED_FROM, "moved away"}, {IN_MOVED_TO, "moved here"}, {IN_Q_OVERFLOW, "(some were missed)"},
};

enum { WATCHED = IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR };

/* Whether there will be more. */
static bool print(const struct inotify_event *event, const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!(event->mask & kinds[i].mask)) continue;
        (void)printf("%-10s %s\n", kinds[i].name, name);
        count--;
    }
    if (event->mask & IN_IGNORED) (void)printf("the folder is gone\n");
    (void)fflush(stdout);
    return count > 0 && !(event->mask & IN_IGNORED);
}

static int watch(bide_async *changes)
{
    bide_instant deadline = bide_after(timeout);
    for (;;) {
        /* Each read gives whole events, one or more. */
        char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
        bide_ssize got = bide_read(changes, buffer, sizeof buffer, deadline);
        if (got < 0) return (int)got;
        struct inotify_event event;
        for (bide_ssize at = 0; at < got; at += (bide_ssize)(sizeof event + event.len)) {
            (void)memcpy(&event, buffer + at, sizeof event); /* the buffer need not be aligned then */
            const char *name = event.len > 0 ? buffer + at + sizeof event : "";
            if (!print(&event, name)) return 0;
        }
    }
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);

    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) return example_fail(&program, "inotify", bide_last_error());
    if (inotify_add_watch(fd, folder, WATCHED) < 0) return example_fail(&program, folder, bide_last_error());
    bide_async *changes;
    int error = bide_async_new_nonblocking(&changes, fd);
    if (error) return example_fail(&program, "wrapping the descriptor", error);
    (void)printf("watching %s\n", folder);
    (void)fflush(stdout);

    error = watch(changes);
    (void)bide_async_free(changes); /* and closes the descriptor */
    if (error == BIDE_ETIMEDOUT) return example_end(EXAMPLE_TIMED_OUT);
    if (error) return example_fail(&program, folder, error);
    return example_end(EXAMPLE_OK);
}
