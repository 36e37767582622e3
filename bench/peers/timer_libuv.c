/* libuv's timers, which count milliseconds. See timer_load.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../timer_load.h"

#include <uv.h>

struct item {
    uv_timer_t timer;
};

static struct item *items;
static uv_loop_t loop;
static size_t fired;
static int64_t started; /* ns */

static void note(uv_timer_t *timer)
{
    fired += timer != NULL;
}

static void loop_open(void)
{
    items = calloc(LOAD_MOST, sizeof *items);
    load_check(items && uv_loop_init(&loop) == 0, "no loop");
}

/* The handles that were initialised stay with the process: closing a million takes the loop a turn for each. */
static void loop_close(void)
{
    (void)uv_loop_close(&loop);
}

static struct item *item_at(size_t index)
{
    return &items[index];
}

static void loop_look(void)
{
    uv_update_time(&loop);
    started = load_clock(CLOCK_MONOTONIC);
}

static uint64_t milliseconds(int64_t deadline)
{
    return deadline > started ? (uint64_t)(deadline - started) / 1000000 : 0;
}

static void item_add(struct item *item, int64_t deadline)
{
    if (!item->timer.loop) (void)uv_timer_init(&loop, &item->timer);
    (void)uv_timer_start(&item->timer, note, milliseconds(deadline), 0);
}

static void item_move(struct item *item, int64_t deadline)
{
    (void)uv_timer_start(&item->timer, note, milliseconds(deadline), 0);
}

static void item_cancel(struct item *item)
{
    (void)uv_timer_stop(&item->timer);
}

static void loop_expire(size_t count)
{
    fired = 0;
    while (fired < count)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
}

int main(int argc, char **argv)
{
    return timer_load(argc, argv, sizeof(uv_timer_t));
}
