/* How much faster two workers are than one with tasks that compute: in alternation, PAIRS times (9), of which the
 * median ratio is printed with the lowest and the highest.
 *
 *   bench_task_scale [PAIRS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench.h"

#include <bide.h>

#include <stdlib.h>

#define TASKS 64
#define CHUNKS 50
#define STEPS 20000

static _Atomic uint64_t result;

static int compute(void *arg)
{
    uint64_t x = (uint64_t)(uintptr_t)arg + 1;
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        for (int i = 0; i < STEPS; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        if (bide_yield() != 0) return 1;
    }
    result ^= x;
    return 0;
}

static int compute_all(void *arg)
{
    bide_task tasks[TASKS];
    (void)arg;
    for (uintptr_t i = 0; i < TASKS; i++)
        if (bide_spawn(&tasks[i], compute, (void *)i, NULL) != 0) abort();
    for (int i = 0; i < TASKS; i++)
        if (bide_task_join(tasks[i], NULL, BIDE_NEVER) != 0) abort();
    return 0;
}

static double run_with(unsigned workers)
{
    bide_run_options options = {.workers = workers};
    bide_instant began = bide_now();
    if (bide_run(compute_all, NULL, &options) != 0) abort();
    return (double)bide_instant_since(bide_now(), began);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    enum { MOST = 99 };
    static double ratios[MOST];
    int pairs = argc > 1 ? atoi(argv[1]) : 9;
    if (pairs < 1 || pairs > MOST) return 2;
    for (int i = 0; i < pairs; i++) {
        double two = i % 2 ? run_with(2) : 0;
        double one = run_with(1);
        if (i % 2 == 0) two = run_with(2);
        ratios[i] = one / two;
    }
    qsort(ratios, (size_t)pairs, sizeof *ratios, by_size);
    (void)printf("scale %.3f times least=%.2f most=%.2f pairs=%d\n", ratios[pairs / 2], ratios[0],
                 ratios[pairs - 1], pairs);
    return 0;
}
