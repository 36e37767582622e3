/* libevent's timers. See timer_load.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../timer_load.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct item {
    struct event event;
};

static struct item *items;
static struct event_base *base;
static size_t fired;
static int64_t started; /* ns */

static void note(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    fired += arg != NULL;
}

static void loop_open(void)
{
    items = calloc(LOAD_MOST, sizeof *items);
    base = event_base_new();
    load_check(items && base, "no base");
}

static void loop_close(void)
{
    event_base_free(base);
}

static struct item *item_at(size_t index)
{
    return &items[index];
}

static void loop_look(void)
{
    started = load_clock(CLOCK_MONOTONIC);
}

static void item_move(struct item *item, int64_t deadline)
{
    int64_t rest = deadline > started ? (deadline - started) / 1000 : 0;
    struct timeval after = {rest / 1000000, rest % 1000000};
    load_check(event_add(&item->event, &after) == 0, "not added");
}

static void item_add(struct item *item, int64_t deadline)
{
    (void)event_assign(&item->event, base, -1, 0, note, item);
    item_move(item, deadline);
}

static void item_cancel(struct item *item)
{
    (void)event_del(&item->event);
}

static void loop_expire(size_t count)
{
    fired = 0;
    while (fired < count)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

int main(int argc, char **argv)
{
    return timer_load(argc, argv, sizeof(struct event));
}
