/* What the parts of bench_counts share: the marks between which is counted.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_COUNTS_H
#define BIDE_COUNTS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

static inline void must(bool good)
{
    if (good) return;
    (void)fprintf(stderr, "bench_counts: wrong result\n");
    exit(1);
}

/* The part of the counts that ends here is that of `operations`. */
#define BEGIN() CALLGRIND_ZERO_STATS
#define END(name, operations)                                 \
    do {                                                      \
        CALLGRIND_DUMP_STATS_AT(name "/" STRING(operations)); \
    } while (0)
#define STRING(x) STRING_(x)
#define STRING_(x) #x

/* counts_task.c */
void count_tasks(void);

#endif
