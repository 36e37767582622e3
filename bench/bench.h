/* What the measuring programs share: a clock, and the best of several runs, since disturbances only add.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_BENCH_H
#define BIDE_BENCH_H

#include <bide/time.h>

#include <stdint.h>
#include <stdio.h>

#define BENCH_RUNS 51

/* Runs work(arg, count) BENCH_RUNS times and prints the least nanoseconds an operation, and the median: a line without
 * its end. */
static inline void bench_time(const char *name, void (*work)(void *arg, uint64_t count), void *arg,
                              uint64_t count)
{
    double times[BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        bide_instant started = bide_now();
        work(arg, count);
        double each = (double)(bide_now().ns - started.ns) / (double)count;
        int place = run;
        for (; place > 0 && times[place - 1] > each; place--)
            times[place] = times[place - 1];
        times[place] = each;
    }
    (void)printf("%s %.2f ns median=%.2f", name, times[0], times[BENCH_RUNS / 2]);
}

static inline void bench_run(const char *name, void (*work)(void *arg, uint64_t count), void *arg,
                             uint64_t count)
{
    bench_time(name, work, arg, count);
    (void)puts("");
}

#endif
