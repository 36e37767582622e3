/* The work that programs which measure timers do alike, ours and the peers': with `count` timers pending, deadlines
 * uniform over a minute,
 *
 *   add        all, to none (but the second time, so that the memory is there)
 *   rearm      each once, in random order, to a new deadline
 *   later      the same, a minute later than it stood: as idle time-outs do
 *   cancel     each, in random order, until none is left
 *   expire     all, which are due at once; they were uniform over half a second
 *
 * and the memory that a timer takes beyond the caller's own structure. Times are processor time. A program includes this,
 * defines what `struct loop` and `struct item` are and the functions declared below, and calls timer_load().
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

static inline void load_line(const char *prefix, const char *what, uint32_t count, double ns)
{
    (void)printf("%s-%s-%s %.2f ns\n", prefix, what, count >= 1000000 ? "1m" : "10k", ns / count);
}

static inline void load_count(const char *prefix, uint32_t count, int rounds)
{
    struct load_times times, best;
    load_round(count, &times); /* brings the memory */
    for (int round = 0; round < rounds; round++) {
        load_round(count, &times);
        if (round == 0) best = times;
        if (times.add < best.add) best.add = times.add;
        if (times.rearm < best.rearm) best.rearm = times.rearm;
        if (times.later < best.later) best.later = times.later;
        if (times.cancel < best.cancel) best.cancel = times.cancel;
    }
    load_expiry(count, &times);
    load_line(prefix, "add", count, best.add);
    load_line(prefix, "rearm", count, best.rearm);
    load_line(prefix, "later", count, best.later);
    load_line(prefix, "cancel", count, best.cancel);
    load_line(prefix, "expire", count, times.expire);
}

/* Runs all of it; `own` is what sizeof tells of the library's own timer. */
static inline int timer_load(const char *prefix, size_t own)
{
    const uint32_t most = 1000000;
    load_drawn = calloc(most, sizeof *load_drawn);
    load_order = calloc(most, sizeof *load_order);
    load_check(load_drawn && load_order, "no memory");
    loop_open();
    load_count(prefix, 10000, 25);
    loop_close();

    loop_open();
    struct mallinfo2 before = mallinfo2();
    int64_t base = load_clock(CLOCK_MONOTONIC) + 60 * LOAD_SPAN;
    load_draw(most, base, LOAD_SPAN);
    loop_look();
    for (uint32_t i = 0; i < most; i++)
        item_add(item_at(i), load_drawn[i]);
    struct mallinfo2 after = mallinfo2();
    (void)printf("%s-memory-1m %.1f bytes own=%zu\n", prefix,
                 (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / most, own);
    for (uint32_t i = 0; i < most; i++)
        item_cancel(item_at(i));
    load_count(prefix, most, 1);
    loop_close();
    free(load_drawn);
    free(load_order);
    return 0;
}

#endif
