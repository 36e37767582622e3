/* The hashed wheel beside the heap: nanoseconds an operation, and the ratio, with ten thousand, a hundred
 * thousand and a million timers; and what submitting a sleep costs a thread when the wheel has one of its
 * own. In processor time.
 *
 *   bench_wheel [PAIRS]
 *
 * Both do the same work in alternation: PAIRS times (9), of which the medians are printed, and the ratios'
 * lowest and highest; then once more as the table of the guide. Deadlines are uniform over 60 s; the wheel has 4,096 slots of 100 ms.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "timer/heap.h"
#include "timer/slots.h"

#include <bide.h>
#include <bide/wheel.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLOTS = 4096, MOST = 1000000, PAIRS_MOST = 99 };

#define TICK BIDE_MILLISECONDS(100)
#define SPAN BIDE_SECONDS(60)

static const uint32_t counts[] = {10000, 100000, 1000000};
enum { COUNTS = sizeof counts / sizeof *counts };

enum operation { ADD, REARM, LATER, CANCEL, EXPIRE, OPERATIONS };
static const char *const names[] = {"add", "re-arm anywhere", "re-arm later", "cancel, random",
                                    "expire all due"};

struct item {
    int64_t deadline;
    uint32_t id;
};

static struct item *items;
static uint32_t *order;
static uint64_t random_state = 88172645463325252u;
static volatile int64_t tick = TICK; /* as in a wheel: no constant */

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void shuffle(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(random_number() % (i + 1)), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* Processor time: on a shared machine the time in which others run is no part of it. */
static double cpu_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double since(double start)
{
    return cpu_now() - start;
}

/* New deadlines, in an array of their own: drawing them is no part of what is measured. */
static int64_t *drawn;
static void draw(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        drawn[i] = (int64_t)(random_number() % (uint64_t)SPAN);
}

static void check(bool good)
{
    if (good) return;
    (void)fprintf(stderr, "bench_wheel: wrong result\n");
    exit(1);
}

/* Each operation on one of the two; the same for both but for the calls. Times are sums over all timers. */
static void run_heap(uint32_t count, double *times)
{
    struct bide_heap heap = {0};
    bool earliest;
    for (int round = 0; round < 2; round++) { /* the first brings the memory */
        draw(count);
        double start = cpu_now();
        for (uint32_t i = 0; i < count; i++) {
            items[i].deadline = drawn[i];
            check(bide_heap_add(&heap, bide_instant_from_ns(drawn[i]), &items[i], &items[i].id, &earliest) ==
                  0);
        }
        times[ADD] = since(start);
        shuffle(count);
        draw(count);
        start = cpu_now();
        for (uint32_t i = 0; i < count; i++) {
            struct item *item = &items[order[i]];
            item->deadline = drawn[i];
            bide_heap_move(&heap, item->id, bide_instant_from_ns(drawn[i]), &earliest);
        }
        times[REARM] = since(start);
        shuffle(count);
        start = cpu_now();
        for (uint32_t i = 0; i < count; i++) {
            struct item *item = &items[order[i]];
            item->deadline += SPAN;
            bide_heap_move(&heap, item->id, bide_instant_from_ns(item->deadline), &earliest);
        }
        times[LATER] = since(start);
        shuffle(count);
        start = cpu_now();
        for (uint32_t i = 0; i < count; i++)
            bide_heap_remove(&heap, items[order[i]].id);
        times[CANCEL] = since(start);
        check(bide_heap_count(&heap) == 0);
    }
    draw(count);
    for (uint32_t i = 0; i < count; i++)
        check(bide_heap_add(&heap, bide_instant_from_ns(drawn[i]), &items[i], &items[i].id, &earliest) == 0);
    uint32_t fired = 0;
    double start = cpu_now();
    for (struct item *item; (item = bide_heap_pop(&heap, bide_instant_from_ns(SPAN))) != NULL;)
        fired += item->id != 0;
    times[EXPIRE] = since(start);
    check(fired == count);
    bide_heap_clear(&heap);
}

static void run_wheel(uint32_t count, double *times)
{
    struct bide_slots slots;
    check(bide_slots_init(&slots, bide_ticks_from(0, tick), SLOTS, 256, 1u << 22) == 0);
    for (int round = 0; round < 2; round++) {
        draw(count);
        double start = cpu_now();
        for (uint32_t i = 0; i < count; i++) {
            items[i].deadline = drawn[i];
            check(bide_slots_add(&slots, drawn[i], &items[i], &items[i].id) == 0);
        }
        times[ADD] = since(start);
        shuffle(count);
        draw(count);
        start = cpu_now();
        for (uint32_t i = 0; i < count; i++) {
            struct item *item = &items[order[i]];
            item->deadline = drawn[i];
            bide_slots_move(&slots, item->id, drawn[i]);
        }
        times[REARM] = since(start);
        shuffle(count);
        start = cpu_now();
        for (uint32_t i = 0; i < count; i++) {
            struct item *item = &items[order[i]];
            item->deadline += SPAN;
            bide_slots_move(&slots, item->id, item->deadline);
        }
        times[LATER] = since(start);
        shuffle(count);
        start = cpu_now();
        for (uint32_t i = 0; i < count; i++)
            bide_slots_remove(&slots, items[order[i]].id);
        times[CANCEL] = since(start);
        check(bide_slots_next(&slots) == BIDE_SLOTS_NEVER);
    }
    draw(count);
    for (uint32_t i = 0; i < count; i++)
        check(bide_slots_add(&slots, drawn[i], &items[i], &items[i].id) == 0);
    uint32_t fired = 0;
    double start = cpu_now();
    for (struct item *item; (item = bide_slots_pop(&slots, SPAN)) != NULL;)
        fired += item->id != 0;
    times[EXPIRE] = since(start);
    check(fired == count);
    bide_slots_clear(&slots);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

/* Medians. */
struct figures {
    double heap, wheel, ratio;
};
static struct figures results[COUNTS][OPERATIONS];

static void compare(uint32_t count, int pairs, struct figures *result)
{
    static double heap[OPERATIONS][PAIRS_MOST], wheel[OPERATIONS][PAIRS_MOST], ratio[OPERATIONS][PAIRS_MOST];
    for (int pair = 0; pair < pairs; pair++) {
        double of_heap[OPERATIONS], of_wheel[OPERATIONS];
        if (pair % 2) run_wheel(count, of_wheel);
        run_heap(count, of_heap);
        if (pair % 2 == 0) run_wheel(count, of_wheel);
        for (int i = 0; i < OPERATIONS; i++) {
            heap[i][pair] = of_heap[i] / count;
            wheel[i][pair] = of_wheel[i] / count;
            ratio[i][pair] = of_wheel[i] / of_heap[i];
        }
    }
    (void)printf("\n%u timers, ns an operation\n", count);
    (void)printf("%-18s %8s %8s %8s   %s\n", "", "heap", "wheel", "ratio", "spread");
    for (int i = 0; i < OPERATIONS; i++) {
        result[i] =
            (struct figures){median(heap[i], pairs), median(wheel[i], pairs), median(ratio[i], pairs)};
        (void)printf("%-18s %8.1f %8.1f %8.2f   %.2f to %.2f\n", names[i], result[i].heap, result[i].wheel,
                     result[i].ratio, ratio[i][0], ratio[i][pairs - 1]);
    }
}

/* The table as the guide has it. */
static void print_table(void)
{
    (void)printf("\n| operation | 10,000: heap, wheel, ratio | 100,000 | 1,000,000 |\n|---|---|---|---|\n");
    for (int i = 0; i < OPERATIONS; i++) {
        (void)printf("| %s |", names[i]);
        for (int j = 0; j < COUNTS; j++)
            (void)printf(" %.1f, %.1f, %.2f |", results[j][i].heap, results[j][i].wheel, results[j][i].ratio);
        (void)printf("\n");
    }
}

/* --- submission --- */

/* What starting a sleep costs a thread, the wheel being another's: the whole call, with the clock; and by
 * itself, once the sleep is prepared. Each time the channel is empty, and the thread asleep. */
static void measure_submission(int pairs)
{
    enum { SLEEPS = 50000 };
    static double whole[PAIRS_MOST], alone[PAIRS_MOST], cancels[PAIRS_MOST];
    bide_wheel_sleeping *sleeps = calloc(SLEEPS, sizeof *sleeps);
    bide_wheel_options options;
    bide_wheel *wheel;
    bide_wheel_options_init(&options);
    options.channel_capacity = 2 * SLEEPS + 2;
    options.initial_capacity = SLEEPS;
    check(sleeps && bide_wheel_new(&wheel, &options) == 0);
    bide_wheel_stats stats;
    bool good = true;
    for (int pair = -1; pair < pairs; pair++) {
        double times[3];
        double start = cpu_now();
        for (int i = 0; i < SLEEPS; i++)
            good &= bide_wheel_sleeping_init(&sleeps[i], wheel, BIDE_SECONDS(300)) == 0 &&
                    bide_wheel_sleeping_start(&sleeps[i]) == 0;
        times[0] = since(start);
        (void)bide_wheel_stats_read(wheel, &stats);
        start = cpu_now();
        for (int i = 0; i < SLEEPS; i++)
            good &= bide_wheel_sleeping_cancel(&sleeps[i]) == BIDE_READY;
        times[2] = since(start);
        (void)bide_wheel_stats_read(wheel, &stats);
        for (int i = 0; i < SLEEPS; i++)
            good &= bide_wheel_sleeping_init(&sleeps[i], wheel, BIDE_SECONDS(300)) == 0;
        start = cpu_now();
        for (int i = 0; i < SLEEPS; i++)
            good &= bide_wheel_sleeping_start(&sleeps[i]) == 0;
        times[1] = since(start);
        for (int i = 0; i < SLEEPS; i++)
            good &= bide_wheel_sleeping_cancel(&sleeps[i]) == BIDE_READY;
        (void)bide_wheel_stats_read(wheel, &stats);
        check(good && stats.pending == 0);
        if (pair < 0) continue; /* the first touches the memory */
        whole[pair] = times[0] / SLEEPS;
        alone[pair] = times[1] / SLEEPS;
        cancels[pair] = times[2] / SLEEPS;
    }
    (void)printf("\nto a wheel with a thread, ns an operation\n");
    (void)printf("%-32s %8.1f\n", "prepare and start a sleep", median(whole, pairs));
    (void)printf("%-32s %8.1f\n", "start it", median(alone, pairs));
    (void)printf("%-32s %8.1f\n", "cancel it", median(cancels, pairs));
    (void)bide_wheel_free(wheel);
    free(sleeps);
}

int main(int argc, char **argv)
{
    long pairs = argc > 1 ? strtol(argv[1], NULL, 10) : 9;
    if (pairs < 1 || pairs > PAIRS_MOST) {
        (void)fprintf(stderr, "bench_wheel [PAIRS]: 1 to %d pairs\n", PAIRS_MOST);
        return 2;
    }
    items = calloc(MOST, sizeof *items);
    order = calloc(MOST, sizeof *order);
    drawn = calloc(MOST, sizeof *drawn);
    check(items && order && drawn);
    for (size_t i = 0; i < COUNTS; i++)
        compare(counts[i], (int)pairs, results[i]);
    print_table();
    measure_submission((int)pairs);
    free(items);
    free(order);
    free(drawn);
    return 0;
}
