/* The stacks of a scheduler's tasks, by size.
 *
 * A worker takes those of the default size from a cache of its own, and all others, and other threads, from
 * the shelf's under its lock.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/task.h"

/* So many free stacks keep their memory. */
#define KEPT_LOW 64
#define KEPT_HIGH 256

unsigned bide_shelf_for(size_t size)
{
    unsigned shelf = 0;
    while (shelf < BIDE_SHELVES && BIDE_STACK_LEAST << shelf < size)
        shelf++;
    return shelf;
}

/* Lock held. */
static int make(struct bide_shelf *shelf, size_t size)
{
    if (shelf->made) return 0;
    int error = bide_stack_pool_init(&shelf->pool, size, KEPT_LOW, KEPT_HIGH);
    if (error) return error;
    bide_stack_cache_init(&shelf->cache, &shelf->pool);
    shelf->made = true;
    return 0;
}

int bide_shelf_make(struct bide_scheduler *scheduler, unsigned number)
{
    struct bide_shelf *shelf = &scheduler->shelves[number];
    bide_os_mutex_lock(&shelf->lock);
    int error = make(shelf, BIDE_STACK_LEAST << number);
    bide_os_mutex_unlock(&shelf->lock);
    return error;
}

int bide_shelf_take_shared(struct bide_scheduler *scheduler, unsigned number, struct bide_stack **stack)
{
    struct bide_shelf *shelf = &scheduler->shelves[number];
    bide_os_mutex_lock(&shelf->lock);
    int error = make(shelf, BIDE_STACK_LEAST << number);
    if (!error) error = bide_stack_take(&shelf->cache, stack);
    bide_os_mutex_unlock(&shelf->lock);
    return error;
}

void bide_shelf_give_shared(struct bide_scheduler *scheduler, struct bide_stack *stack)
{
    struct bide_shelf *shelf = &scheduler->shelves[bide_shelf_for(stack->size)];
    bide_os_mutex_lock(&shelf->lock);
    bide_stack_give(&shelf->cache, stack);
    bide_os_mutex_unlock(&shelf->lock);
}

void bide_shelf_destroy(struct bide_scheduler *scheduler)
{
    for (unsigned i = 0; i < scheduler->count; i++)
        bide_stack_cache_drain(&scheduler->workers[i].stacks);
    for (unsigned i = 0; i < BIDE_SHELVES; i++) {
        struct bide_shelf *shelf = &scheduler->shelves[i];
        if (!shelf->made) continue;
        bide_stack_cache_drain(&shelf->cache);
        bide_stack_pool_destroy(&shelf->pool);
    }
}
