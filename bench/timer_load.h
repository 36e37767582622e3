/* The work that programs which measure timers do alike, ours and the peers': with `count` timers pending,
 * deadlines uniform over a minute,
 *
 *   add        all, to none (but the second time, so that the memory is there)
 *   rearm      each once, in random order, to a new deadline
 *   later      the same, a minute later than it stood: as idle time-outs do
 *   cancel     each, in random order, until none is left
 *   expire     all, which are due at once; they were uniform over half a second
 *
 *   memory     the bytes that a timer takes; `own` is the part that its caller keeps
 *
 * Times are processor time, the least of several rounds. A program includes this, defines `struct item` and
 * the functions declared below, and calls timer_load(), whose arguments are how many timers, and for how many
 * seconds rounds are repeated; with less than a tenth there are twenty times fewer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_BENCH_TIMER_LOAD_H
#define BIDE_BENCH_TIMER_LOAD_H

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOAD_MOST 1000000
#define LOAD_SPAN INT64_C(60000000000) /* ns */
#define LOAD_DUE INT64_C(500000000)

/* A timer of the library's and what its caller keeps. */
struct item;
/* What the program adds timers to. All instants are ns of CLOCK_MONOTONIC. */
static void loop_open(void);
static void loop_close(void);
static struct item *item_at(size_t index);
static void item_add(struct item *item, int64_t deadline);
static void item_move(struct item *item, int64_t deadline);
static void item_cancel(struct item *item);
/* Once before each row of adds, moves or cancels: looks at the clock, for libraries that keep it. */
static void loop_look(void);
/* Runs the loop without waiting until `count` timers have fired. */
static void loop_expire(size_t count);

static int64_t *load_drawn;
static uint32_t *load_order;

static inline void load_check(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "timer load: %s\n", what);
    exit(1);
}

static inline int64_t load_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t load_cpu(void)
{
    return load_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static inline int64_t load_cpu_of_thread(void)
{
    return load_clock(CLOCK_THREAD_CPUTIME_ID);
}

static inline uint64_t load_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static inline void load_draw(uint32_t count, int64_t start, int64_t span)
{
    for (uint32_t i = 0; i < count; i++)
        load_drawn[i] = start + (int64_t)(load_random() % (uint64_t)span);
}

static inline void load_shuffle(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        load_order[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(load_random() % (i + 1)), swap = load_order[i];
        load_order[i] = load_order[j];
        load_order[j] = swap;
    }
}

struct load_times {
    double add, rearm, later, cancel, expire;
};

static inline void load_round(uint32_t count, struct load_times *times)
{
    /* An hour ahead, so that nothing is due meanwhile. */
    int64_t base = load_clock(CLOCK_MONOTONIC) + 60 * LOAD_SPAN;
    load_draw(count, base, LOAD_SPAN);
    loop_look();
    int64_t start = load_cpu();
    for (uint32_t i = 0; i < count; i++)
        item_add(item_at(i), load_drawn[i]);
    times->add = (double)(load_cpu() - start);

    load_shuffle(count);
    load_draw(count, base, LOAD_SPAN);
    loop_look();
    start = load_cpu();
    for (uint32_t i = 0; i < count; i++)
        item_move(item_at(load_order[i]), load_drawn[load_order[i]]);
    times->rearm = (double)(load_cpu() - start);

    load_shuffle(count);
    loop_look();
    start = load_cpu();
    for (uint32_t i = 0; i < count; i++)
        item_move(item_at(load_order[i]), load_drawn[load_order[i]] + LOAD_SPAN);
    times->later = (double)(load_cpu() - start);

    load_shuffle(count);
    loop_look();
    start = load_cpu();
    for (uint32_t i = 0; i < count; i++)
        item_cancel(item_at(load_order[i]));
    times->cancel = (double)(load_cpu() - start);
}

static inline void load_expiry(uint32_t count, struct load_times *times)
{
    /* Later than adding them takes. */
    int64_t base = load_clock(CLOCK_MONOTONIC) + 100000000 + (int64_t)count * 1000;
    load_draw(count, base, LOAD_DUE);
    load_shuffle(count);
    loop_look();
    for (uint32_t i = 0; i < count; i++)
        item_add(item_at(load_order[i]), load_drawn[i]);
    load_check(load_clock(CLOCK_MONOTONIC) < base, "too slow");
    int64_t rest = base + LOAD_DUE + 5000000 - load_clock(CLOCK_MONOTONIC);
    (void)nanosleep(&(struct timespec){rest / 1000000000, rest % 1000000000}, NULL);
    loop_look();
    int64_t start = load_cpu();
    loop_expire(count);
    times->expire = (double)(load_cpu() - start);
}

static inline void load_line(const char *what, uint32_t count, double ns)
{
    (void)printf("%s %.2f ns\n", what, ns / count);
}

static inline double load_least(double a, double b)
{
    return a < b ? a : b;
}

static inline void load_rounds(uint32_t count, double seconds)
{
    struct load_times times, best;
    int64_t end = load_cpu() + (int64_t)(seconds * 1e9);
    load_round(count, &best);
    do {
        load_round(count, &times);
        best.add = load_least(best.add, times.add);
        best.rearm = load_least(best.rearm, times.rearm);
        best.later = load_least(best.later, times.later);
        best.cancel = load_least(best.cancel, times.cancel);
    } while (load_cpu() < end);
    load_expiry(count, &times);
    load_line("add", count, best.add);
    load_line("rearm", count, best.rearm);
    load_line("later", count, best.later);
    load_line("cancel", count, best.cancel);
    load_line("expire", count, times.expire);
}

/* Memory in use after the first add of all. The first round brings it, and is no part of the times. */
static inline void load_memory(uint32_t count, size_t own)
{
    struct mallinfo2 before = mallinfo2();
    load_draw(count, load_clock(CLOCK_MONOTONIC) + 60 * LOAD_SPAN, LOAD_SPAN);
    loop_look();
    for (uint32_t i = 0; i < count; i++)
        item_add(item_at(i), load_drawn[i]);
    struct mallinfo2 after = mallinfo2();
    double bytes = (double)(after.uordblks + after.hblkhd) - (double)(before.uordblks + before.hblkhd);
    (void)printf("memory %.1f bytes own=%zu\n", (double)own + bytes / count, own);
    for (uint32_t i = 0; i < count; i++)
        item_cancel(item_at(i));
}

/* All of it; `own` is what sizeof tells of the library's own timer. The result is main's. */
static inline int timer_load(int argc, char **argv, size_t own)
{
    long timers = argc > 1 ? strtol(argv[1], NULL, 10) : LOAD_MOST;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    load_check(timers > 0 && timers <= LOAD_MOST, "so many timers are too many, or none");
    uint32_t count = (uint32_t)timers / (seconds < 0.1 ? 20 : 1);
    load_drawn = calloc(LOAD_MOST, sizeof *load_drawn);
    load_order = calloc(LOAD_MOST, sizeof *load_order);
    load_check(load_drawn && load_order, "no memory");
    loop_open();
    load_memory(count, own);
    load_rounds(count, seconds);
    loop_close();
    free(load_drawn);
    free(load_order);
    return 0;
}

#endif
