/* How much faster two workers are than one with tasks that compute: in alternation, PAIRS times (9), of which the
 * median ratio is printed with the lowest and the highest. Tasks that live long and yield after some 40 us (scale), and
 * short ones that the main task spawns and joins by the batch (scale-20us and so on). What the machine has to give is
 * measured by two plain threads (scale-threads). An operation is what lies between two yields, or a task's life; the
 * least nanoseconds of one are printed, with the computing, for one worker and for two.
 *
 *   bench_task_scale [PAIRS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counted.h"

#include "os/thread.h"

#include <bide.h>

#include <stdlib.h>

#define TASKS 64

/* All of a measure, and of that each task between two yields, or in its life. A step is some 2 ns. */
#define ALL_STEPS 64000000
#define MOST_PAIRS 99

static _Atomic uint64_t result;

struct load {
    const char *name;
    const char *counted; /* of an operation: counts.txt */
    unsigned steps;
    bool yields;
};

static const struct load loads[] = {{"scale", "yield", 20000, true},
                                    {"scale-20us", "spawn-and-join-of-a-crowd", 10000, false},
                                    {"scale-5us", "spawn-and-join-of-a-crowd", 2500, false},
                                    {"scale-1us", "spawn-and-join-of-a-crowd", 500, false}};

static uint64_t compute(uint64_t x, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static int compute_for_long(void *arg)
{
    const struct load *load = arg;
    uint64_t x = 1;
    for (unsigned chunk = 0; chunk < ALL_STEPS / TASKS / load->steps; chunk++) {
        x = compute(x, load->steps);
        if (bide_yield() != 0) return 1;
    }
    result ^= x;
    return 0;
}

static int compute_once(void *arg)
{
    const struct load *load = arg;
    return compute(1, load->steps) == 0;
}

static void spawn_and_join(bide_task_function function, const struct load *load)
{
    bide_task tasks[TASKS];
    for (int i = 0; i < TASKS; i++)
        if (bide_spawn(&tasks[i], function, (void *)(uintptr_t)load, NULL) != 0) abort();
    for (int i = 0; i < TASKS; i++)
        if (bide_task_join(tasks[i], NULL, BIDE_NEVER) != 0) abort();
}

static int compute_all(void *arg)
{
    const struct load *load = arg;
    if (load->yields) {
        spawn_and_join(compute_for_long, load);
        return 0;
    }
    for (unsigned done = 0; done < ALL_STEPS; done += TASKS * load->steps)
        spawn_and_join(compute_once, load);
    return 0;
}

static double run_with(unsigned workers, const struct load *load)
{
    bide_run_options options = {.workers = workers};
    bide_instant began = bide_now();
    if (bide_run(compute_all, (void *)(uintptr_t)load, &options) != 0) abort();
    return (double)bide_instant_since(bide_now(), began);
}

static void compute_half(void *arg)
{
    (void)arg;
    result ^= compute(1, ALL_STEPS / 2);
}

static double threads_with(unsigned threads, const struct load *load)
{
    (void)load;
    bide_os_thread other;
    bide_instant began = bide_now();
    if (threads > 1 && bide_os_thread_start(&other, "bench", compute_half, NULL) != 0) abort();
    compute_half(NULL);
    if (threads > 1)
        bide_os_thread_join(other);
    else
        compute_half(NULL);
    return (double)bide_instant_since(bide_now(), began);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(double (*run)(unsigned workers, const struct load *load), const char *name,
                    const struct load *load, int pairs)
{
    double ratios[MOST_PAIRS], least[2] = {0, 0};
    for (int i = 0; i < pairs; i++) {
        double two = i % 2 ? run(2, load) : 0;
        double one = run(1, load);
        if (i % 2 == 0) two = run(2, load);
        ratios[i] = one / two;
        if (i == 0 || one < least[0]) least[0] = one;
        if (i == 0 || two < least[1]) least[1] = two;
    }
    qsort(ratios, (size_t)pairs, sizeof *ratios, by_size);
    (void)printf("%s %.3f times least=%.2f most=%.2f pairs=%d", name, ratios[pairs / 2], ratios[0],
                 ratios[pairs - 1], pairs);
    if (!load) {
        (void)puts("");
        return;
    }
    double operations = (double)ALL_STEPS / load->steps;
    (void)printf(" one_ns=%.1f two_ns=%.1f", least[0] / operations, least[1] / operations);
    bench_end_counted(load->counted);
}

int main(int argc, char **argv)
{
    int pairs = argc > 1 ? atoi(argv[1]) : 9;
    if (pairs < 1 || pairs > MOST_PAIRS) return 2;
    measure(threads_with, "scale-threads", NULL, pairs);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        measure(run_with, loads[i].name, &loads[i], pairs);
    return 0;
}
