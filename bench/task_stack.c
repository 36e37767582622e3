/* Taking stacks and giving them back.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench.h"

#include "task/stack.h"

#include <stdlib.h>

#define CROWD 1000

static struct bide_stack_cache cache;

static void take_and_give(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        struct bide_stack *stack;
        if (bide_stack_take(&cache, &stack) != 0) abort();
        bide_stack_give(&cache, stack);
    }
}

static void take_many_and_give_them(void *arg, uint64_t count)
{
    static struct bide_stack *crowd[CROWD];
    (void)arg;
    for (uint64_t i = 0; i < count; i += CROWD) {
        for (int k = 0; k < CROWD; k++)
            if (bide_stack_take(&cache, &crowd[k]) != 0) abort();
        for (int k = 0; k < CROWD; k++) {
            crowd[k]->low[crowd[k]->size - 1] = 1;
            bide_stack_give(&cache, crowd[k]);
        }
    }
}

static void make_first(void *arg, uint64_t count)
{
    struct bide_stack_pool pool;
    struct bide_stack_cache own;
    (void)arg;
    if (bide_stack_pool_init(&pool, 0, 0, 0) != 0) abort();
    bide_stack_cache_init(&own, &pool);
    struct bide_stack *list = NULL;
    for (uint64_t i = 0; i < count; i++) {
        struct bide_stack *stack;
        if (bide_stack_take(&own, &stack) != 0) abort();
        stack->next = list;
        list = stack;
    }
    while (list) {
        struct bide_stack *next = list->next;
        bide_stack_give(&own, list);
        list = next;
    }
    bide_stack_cache_drain(&own);
    bide_stack_pool_destroy(&pool);
}

int main(void)
{
    static struct bide_stack_pool pool;
    if (bide_stack_pool_init(&pool, 0, CROWD, 2 * CROWD) != 0) return 1;
    bide_stack_cache_init(&cache, &pool);
    bench_run("take-give", take_and_give, NULL, 100000);
    bench_run("take-give-1000", take_many_and_give_them, NULL, 20000);
    bench_run("take-give-new", make_first, NULL, 2000);
    bide_stack_cache_drain(&cache);
    bide_stack_pool_destroy(&pool);
    return 0;
}
