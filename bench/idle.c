/* What a program costs that has nothing to do: connections from which nothing comes, each with a read that
 * waits and an idle time-out an hour ahead, awaited by one thread.
 *
 *   wakeups   how often the thread was woken in a second
 *   source    resident bytes of a connection's source; what the kernel has is left out
 *   waiting   the same with a read that waits in a set, and that with which its owner does so
 *   timeout   resident bytes of an idle time-out in a set, and that with which its owner does so
 *
 *   bench_idle [SECONDS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include <bide.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 4000 };

struct reading {
    bide_io io;
    bide_set_member member;
    char byte;
};

struct limit {
    bide_timer timer;
    bide_set_member member;
};

static int ends[CONNECTIONS + 1][2];
static bide_async *sources[CONNECTIONS + 1];
static struct reading *readings;
static struct limit *limits;
static bide_set set;

static void check(bool good, const char *what)
{
    if (good) return;
    perror(what);
    exit(1);
}

/* In bytes. Of smaps_rollup, which counts: statm lags behind, by what each processor has not yet handed in. */
static double resident(void)
{
    char line[128];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    check(file != NULL, "smaps_rollup");
    while (kilobytes == 0 && fgets(line, sizeof line, file))
        (void)sscanf(line, "Rss: %lu", &kilobytes);
    check(kilobytes > 0, "smaps_rollup");
    (void)fclose(file);
    return (double)kilobytes * 1024;
}

static long switches(void)
{
    struct rusage usage;
    check(getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage");
    return usage.ru_nvcsw;
}

static void wait_in_vain(bide_duration duration)
{
    bide_set_member *ready;
    check(bide_set_next(&set, bide_after(duration), &ready) == BIDE_ETIMEDOUT, "bide_set_next");
}

static void add_sources(int first, int end)
{
    for (int i = first; i < end; i++)
        check(bide_async_new(&sources[i], ends[i][0]) == 0, "bide_async_new");
}

static void add_readings(int first, int end)
{
    for (int i = first; i < end; i++) {
        bide_io_read(&readings[i].io, sources[i], &readings[i].byte, 1);
        check(bide_set_add(&set, &readings[i].member, &readings[i].io.future, NULL) == 0, "bide_set_add");
    }
    wait_in_vain(BIDE_MILLISECONDS(20));
}

static void add_limits(int first, int end)
{
    for (int i = first; i < end; i++) {
        bide_timer_after(&limits[i].timer, BIDE_SECONDS(3600));
        check(bide_set_add(&set, &limits[i].member, &limits[i].timer.future, NULL) == 0, "bide_set_add");
    }
    wait_in_vain(BIDE_MILLISECONDS(20));
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    struct rlimit most;
    check(getrlimit(RLIMIT_NOFILE, &most) == 0, "getrlimit");
    most.rlim_cur = most.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &most) == 0, "setrlimit");
    for (int i = 0; i <= CONNECTIONS; i++)
        check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]) == 0, "socketpair");
    readings = calloc(CONNECTIONS + 1, sizeof *readings);
    limits = calloc(CONNECTIONS + 1, sizeof *limits);
    check(readings && limits, "calloc");
    bide_set_init(&set);
    /* What is used for the first time, code and tables, is no connection's: one of each before. */
    add_sources(0, 1);
    add_readings(0, 1);
    add_limits(0, 1);
    (void)resident();

    double empty = resident();
    add_sources(1, CONNECTIONS + 1);
    (void)printf("source %.0f bytes\n", (resident() - empty) / CONNECTIONS);
    add_readings(1, CONNECTIONS + 1);
    (void)printf("waiting %.0f bytes\n", (resident() - empty) / CONNECTIONS);

    empty = resident();
    add_limits(1, CONNECTIONS + 1);
    (void)printf("timeout %.0f bytes\n", (resident() - empty) / CONNECTIONS);

    long before = switches();
    wait_in_vain((bide_duration)(seconds * 1e9));
    /* The end is one. */
    (void)printf("wakeups %.2f times/s\n", (double)(switches() - before - 1) / seconds);
    return 0;
}
