/* The least of several runs, in nanoseconds an operation, as bench.h has it for ours.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_BENCH_PEERS_LEAST_H
#define BIDE_BENCH_PEERS_LEAST_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define RUNS 51

static inline double least_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline void least_run(const char *name, void (*work)(uint64_t count), uint64_t count)
{
    double least = 1e18;
    for (int run = 0; run < RUNS; run++) {
        double started = least_now();
        work(count);
        double each = (least_now() - started) / (double)count;
        if (each < least) least = each;
    }
    (void)printf("%s %.2f ns\n", name, least);
}

#endif
