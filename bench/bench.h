/* What the measuring programs share: a clock, and the best of several runs, since disturbances only add.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_BENCH_H
#define BIDE_BENCH_H

#include <bide/time.h>

#include <stdint.h>
#include <stdio.h>

#define BENCH_RUNS 51

/* Runs work(arg, count) BENCH_RUNS times and prints the least and the median of nanoseconds an operation, with
 * what the operation does atomically: locked read-modify-writes, and fences. */
static inline void bench_run(const char *name, void (*work)(void *arg, uint64_t count), void *arg,
                             uint64_t count, const char *atomics)
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
    (void)printf("%-44s %8.2f ns least %8.2f ns median   atomics: %s\n", name, times[0],
                 times[BENCH_RUNS / 2], atomics);
}

#endif
