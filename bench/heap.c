/* The heap of deadlines by itself, without clock and lock. See timer_load.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "timer_load.h"

#include "timer/heap.h"

struct item {
    bide_heap_id id;
    char rest[44]; /* as far apart as libev's timers are */
};

static struct item *items;
static struct bide_heap heap;

static void loop_open(void)
{
    items = calloc(LOAD_MOST, sizeof *items);
    load_check(items, "no memory");
}

static void loop_close(void)
{
    bide_heap_clear(&heap);
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
    bool earliest;
    load_check(bide_heap_add(&heap, bide_instant_from_ns(deadline), item, &item->id, &earliest) == 0,
               "no memory");
}

static void item_move(struct item *item, int64_t deadline)
{
    bool earliest;
    bide_heap_move(&heap, item->id, bide_instant_from_ns(deadline), &earliest);
}

static void item_cancel(struct item *item)
{
    bide_heap_remove(&heap, item->id);
}

static void loop_expire(size_t count)
{
    size_t fired = 0;
    bide_instant now = bide_now();
    for (struct item *item; (item = bide_heap_pop(&heap, now)) != NULL;)
        fired += item->id != 0;
    load_check(fired == count, "not all fired");
}

int main(int argc, char **argv)
{
    return timer_load(argc, argv, 0);
}
