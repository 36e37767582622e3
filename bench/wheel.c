/* The slots of the wheel by themselves, without clock and lock: see timer_load.h. 4,096 slots of 100 ms. And
 * what submitting a sleep costs a thread when the wheel has one of its own:
 *
 *   start      the call, once the sleep is prepared
 *   sleep      preparing, which reads the clock, and the call
 *   stop       the cancel of one
 *
 *   bench_wheel TIMERS SECONDS
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "timer_load.h"

#include "timer/slots.h"

#include <bide.h>
#include <bide/wheel.h>

enum { SLOTS = 4096 };

#define TICK BIDE_MILLISECONDS(100)

struct item {
    bide_slots_id id;
    char rest[44]; /* as far apart as libev's timers are */
};

static struct item *items;
static struct bide_slots slots;
static volatile int64_t tick = TICK; /* as in a wheel: no constant */

static void loop_open(void)
{
    items = calloc(LOAD_MOST, sizeof *items);
    struct bide_ticks ticks = bide_ticks_from(load_clock(CLOCK_MONOTONIC), tick);
    load_check(items && bide_slots_init(&slots, ticks, SLOTS, 256, 1u << 22) == 0, "no memory");
}

static void loop_close(void)
{
    bide_slots_clear(&slots);
    free(items);
}

static struct item *item_at(size_t index)
{
    return &items[index];
}

static void loop_look(void)
{
}

static void item_add(struct item *item, int64_t deadline)
{
    load_check(bide_slots_add(&slots, deadline, item, &item->id) == 0, "no memory");
}

static void item_move(struct item *item, int64_t deadline)
{
    bide_slots_move(&slots, item->id, deadline);
}

static void item_cancel(struct item *item)
{
    bide_slots_remove(&slots, item->id);
}

/* The last tick ends later than the last deadline. */
static void loop_expire(size_t count)
{
    size_t fired = 0;
    int64_t end = load_clock(CLOCK_MONOTONIC) + TICK;
    for (struct item *item; (item = bide_slots_pop(&slots, end)) != NULL;)
        fired += item->id != 0;
    load_check(fired == count, "not all fired");
}

/* --- submission ------------------------------------------------------------------------------------------ */

enum { SLEEPS = 50000 };

static void submit_round(bide_wheel *wheel, bide_wheel_sleeping *sleeps, uint32_t count, double *least)
{
    double times[3];
    bide_wheel_stats stats;
    bool good = true;
    int64_t start = load_cpu_of_thread();
    for (uint32_t i = 0; i < count; i++)
        good &= bide_wheel_sleeping_init(&sleeps[i], wheel, BIDE_SECONDS(300)) == 0 &&
                bide_wheel_sleeping_start(&sleeps[i]) == 0;
    times[0] = (double)(load_cpu_of_thread() - start);
    (void)bide_wheel_stats_read(wheel, &stats);
    start = load_cpu_of_thread();
    for (uint32_t i = 0; i < count; i++)
        good &= bide_wheel_sleeping_cancel(&sleeps[i]) == BIDE_READY;
    times[1] = (double)(load_cpu_of_thread() - start);
    (void)bide_wheel_stats_read(wheel, &stats);
    for (uint32_t i = 0; i < count; i++)
        good &= bide_wheel_sleeping_init(&sleeps[i], wheel, BIDE_SECONDS(300)) == 0;
    start = load_cpu_of_thread();
    for (uint32_t i = 0; i < count; i++)
        good &= bide_wheel_sleeping_start(&sleeps[i]) == 0;
    times[2] = (double)(load_cpu_of_thread() - start);
    for (uint32_t i = 0; i < count; i++)
        good &= bide_wheel_sleeping_cancel(&sleeps[i]) == BIDE_READY;
    (void)bide_wheel_stats_read(wheel, &stats);
    load_check(good && stats.pending == 0, "a sleep was not started");
    for (int i = 0; i < 3; i++)
        least[i] = load_least(least[i], times[i]);
}

/* Each time the channel is empty, and the thread asleep. */
static void measure_submission(uint32_t count)
{
    double least[3] = {1e18, 1e18, 1e18};
    bide_wheel_sleeping *sleeps = calloc(count, sizeof *sleeps);
    bide_wheel_options options;
    bide_wheel *wheel;
    bide_wheel_options_init(&options);
    options.channel_capacity = 2 * count + 2;
    options.initial_capacity = count;
    load_check(sleeps && bide_wheel_new(&wheel, &options) == 0, "no wheel");
    for (int round = 0; round < 5; round++)
        submit_round(wheel, sleeps, count, least);
    load_line("sleep", count, least[0]);
    load_line("stop", count, least[1]);
    load_line("start", count, least[2]);
    (void)bide_wheel_free(wheel);
    free(sleeps);
}

int main(int argc, char **argv)
{
    int result = timer_load(argc, argv, 0);
    measure_submission(SLEEPS);
    return result;
}
