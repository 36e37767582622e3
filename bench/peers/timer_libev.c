/* libev's timers; one is moved with ev_timer_again, in place. See timer_load.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../timer_load.h"

#include <ev.h>

struct item {
    ev_timer timer;
};

static struct item *items;
static struct ev_loop *loop;
static size_t fired;
static double clock_start; /* libev's time less that of the deadlines, s */

static void note(struct ev_loop *of, ev_timer *timer, int events)
{
    (void)of, (void)events;
    fired += timer != NULL;
}

static void loop_open(void)
{
    items = calloc(LOAD_MOST, sizeof *items);
    loop = ev_loop_new(EVFLAG_AUTO);
    load_check(items && loop, "no loop");
}

static void loop_close(void)
{
    ev_loop_destroy(loop);
}

static struct item *item_at(size_t index)
{
    return &items[index];
}

static void loop_look(void)
{
    ev_now_update(loop);
    clock_start = (double)load_clock(CLOCK_MONOTONIC) * 1e-9;
}

static void item_add(struct item *item, int64_t deadline)
{
    ev_timer_init(&item->timer, note, (double)deadline * 1e-9 - clock_start, 0);
    ev_timer_start(loop, &item->timer);
}

static void item_move(struct item *item, int64_t deadline)
{
    item->timer.repeat = (double)deadline * 1e-9 - clock_start;
    ev_timer_again(loop, &item->timer);
}

static void item_cancel(struct item *item)
{
    ev_timer_stop(loop, &item->timer);
}

static void loop_expire(size_t count)
{
    fired = 0;
    while (fired < count)
        ev_run(loop, EVRUN_NOWAIT);
}

int main(int argc, char **argv)
{
    return timer_load(argc, argv, sizeof(ev_timer));
}
