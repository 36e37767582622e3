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

static int ends[CONNECTIONS][2];
static bide_async *sources[CONNECTIONS];

static void check(bool good, const char *what)
{
    if (good) return;
    perror(what);
    exit(1);
}

/* Of /proc/self/statm, in bytes. */
static double resident(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    check(file && fscanf(file, "%*u %lu", &pages) == 1, "statm");
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static long switches(void)
{
    struct rusage usage;
    check(getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage");
    return usage.ru_nvcsw;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    struct rlimit most;
    check(getrlimit(RLIMIT_NOFILE, &most) == 0, "getrlimit");
    most.rlim_cur = most.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &most) == 0, "setrlimit");
    for (int i = 0; i < CONNECTIONS; i++)
        check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]) == 0, "socketpair");
    (void)bide_sleep(BIDE_MILLISECONDS(1)); /* the reactor is there */

    double empty = resident();
    for (int i = 0; i < CONNECTIONS; i++)
        check(bide_async_new(&sources[i], ends[i][0]) == 0, "bide_async_new");
    (void)printf("source %.0f bytes\n", (resident() - empty) / CONNECTIONS);

    bide_set set;
    bide_set_member *ready;
    bide_set_init(&set);
    struct reading *readings = calloc(CONNECTIONS, sizeof *readings);
    check(readings != NULL, "calloc");
    for (int i = 0; i < CONNECTIONS; i++) {
        bide_io_read(&readings[i].io, sources[i], &readings[i].byte, 1);
        check(bide_set_add(&set, &readings[i].member, &readings[i].io.future, NULL) == 0, "bide_set_add");
    }
    check(bide_set_next(&set, bide_after(BIDE_MILLISECONDS(20)), &ready) == BIDE_ETIMEDOUT, "bide_set_next");
    (void)printf("waiting %.0f bytes\n", (resident() - empty) / CONNECTIONS);

    empty = resident();
    struct limit *limits = calloc(CONNECTIONS, sizeof *limits);
    check(limits != NULL, "calloc");
    for (int i = 0; i < CONNECTIONS; i++) {
        bide_timer_after(&limits[i].timer, BIDE_SECONDS(3600));
        check(bide_set_add(&set, &limits[i].member, &limits[i].timer.future, NULL) == 0, "bide_set_add");
    }
    check(bide_set_next(&set, bide_after(BIDE_MILLISECONDS(20)), &ready) == BIDE_ETIMEDOUT, "bide_set_next");
    (void)printf("timeout %.0f bytes\n", (resident() - empty) / CONNECTIONS);

    long before = switches();
    check(bide_set_next(&set, bide_after((bide_duration)(seconds * 1e9)), &ready) == BIDE_ETIMEDOUT,
          "bide_set_next");
    /* The end is one. */
    (void)printf("wakeups %.2f times/s\n", (double)(switches() - before - 1) / seconds);
    return 0;
}
