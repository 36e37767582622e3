/* bide_timer as an await uses it: initialised, and polled with a context; by a thread inside bide_block_on().
 * See timer_load.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "timer_load.h"

#include "future/waiter.h"

#include <bide.h>

struct item {
    bide_timer timer;
};

static struct item *items;
static size_t fired;
static int arguments;
static char **argument;
static const bide_context *outer; /* of the await in which all of this runs */

static void note(void *arg)
{
    fired += arg != NULL;
}

/* As a part of what the thread awaits, whose driving stands for it; with a waker and a budget of its own. */
static bide_context context(struct item *item)
{
    bide_context cx = *outer;
    cx.waker_ = (bide_waker){note, item};
    cx.flags_ &= ~(uint32_t)BIDE_CONTEXT_STABLE;
    return cx;
}

static void loop_open(void)
{
    items = calloc(LOAD_MOST, sizeof *items);
    load_check(items, "no memory");
}

static void loop_close(void)
{
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
    bide_context cx = context(item);
    bide_timer_at(&item->timer, bide_instant_from_ns(deadline));
    load_check(bide_future_poll(&item->timer.future, &cx) == BIDE_PENDING, "not armed");
}

static void item_move(struct item *item, int64_t deadline)
{
    (void)bide_timer_set_at(&item->timer, bide_instant_from_ns(deadline));
}

static void item_cancel(struct item *item)
{
    bide_context cx = context(item);
    load_check(bide_future_cancel(&item->timer.future, &cx) == BIDE_READY, "not cancelled");
}

static void loop_expire(size_t count)
{
    fired = 0;
    while (fired < count)
        load_check(bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0, "nothing fired");
}

static int load_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    outer = cx;
    (void)timer_load(arguments, argument, sizeof(bide_timer));
    return BIDE_READY;
}

static int load_cancel(bide_future *self, bide_context *cx)
{
    (void)self, (void)cx;
    return BIDE_COMPLETED;
}

int main(int argc, char **argv)
{
    arguments = argc;
    argument = argv;
    static const bide_future_ops ops = {sizeof ops, load_poll, load_cancel, 0};
    bide_future load;
    bide_future_init(&load, &ops);
    return bide_block_on(&load) != 0;
}
