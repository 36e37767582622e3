/* Beside times: the atomic read-modify-writes that an operation takes, which cannot be seen from within. They are those
 * of counts.txt, which scripts/check-counts.sh keeps true: counted with one worker, nobody in the way.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_BENCH_COUNTED_H
#define BIDE_BENCH_COUNTED_H

#include "bench.h"

#include <string.h>

/* Ends a line of measures with the atomics of that operation of counts.txt; without, where there is no such file. */
static inline void bench_end_counted(const char *operation)
{
    char line[256], name[64];
    double instructions, atomics;
    FILE *file = fopen(BENCH_COUNTS, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%63s %lf %lf", name, &instructions, &atomics) == 3 && strcmp(name, operation) == 0)
            (void)printf(" atomics=%.3f", atomics);
    if (file) (void)fclose(file);
    (void)puts("");
}

/* bench_run() with that at its end. */
static inline void bench_run_counted(const char *name, const char *operation,
                                     void (*work)(void *arg, uint64_t count), void *arg, uint64_t count)
{
    bench_time(name, work, arg, count);
    bench_end_counted(operation);
}

#endif
