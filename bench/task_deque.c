/* The workers' queues: by the owner alone, by a thief in bulk, and with thieves at work.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench.h"

#include "task/deque.h"

#include <pthread.h>

#define CROWD 128u

static struct bide_deque deque;
static struct bide_deque other;
static struct bide_inject inject;
static struct bide_runnable tasks[CROWD];
static _Atomic bool ended;

static void push_and_pop(void *arg, uint64_t count)
{
    (void)arg;
    struct bide_runnable *task = &tasks[0];
    for (uint64_t i = 0; i < count; i++) {
        bide_deque_push(&deque, task, &inject);
        do
            task = bide_deque_pop(&deque);
        while (!task && bide_inject_take(&inject, &task, 1) == 0);
    }
}

static void push_many_and_pop_them(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i += CROWD) {
        for (unsigned k = 0; k < CROWD; k++)
            bide_deque_push(&deque, &tasks[k], &inject);
        while (bide_deque_pop(&deque))
            continue;
    }
}

static void push_and_steal(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i += CROWD) {
        for (unsigned k = 0; k < CROWD; k++)
            bide_deque_push(&deque, &tasks[k], &inject);
        while (bide_deque_steal(&deque, &other))
            while (bide_deque_pop(&other))
                continue;
    }
}

static void inject_and_take(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        struct bide_runnable *task;
        bide_inject_push(&inject, &tasks[0]);
        (void)bide_inject_take(&inject, &task, 1);
    }
}

/* Gives back what it takes, so that the owner does not run out of tasks. */
static void *steal_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
        struct bide_runnable *task = bide_deque_steal(&deque, &other);
        for (; task; task = bide_deque_pop(&other))
            bide_inject_push(&inject, task);
    }
    return NULL;
}

int main(void)
{
    bench_run("push-pop", push_and_pop, NULL, 100000);
    bench_run("push-pop-128", push_many_and_pop_them, NULL, 100000);
    bench_run("push-steal-128", push_and_steal, NULL, 100000);
    bench_run("inject", inject_and_take, NULL, 100000);
    pthread_t thief;
    if (pthread_create(&thief, NULL, steal_all_the_time, NULL) != 0) return 1;
    bench_run("push-pop-thief", push_and_pop, NULL, 100000);
    atomic_store_explicit(&ended, true, memory_order_relaxed);
    (void)pthread_join(thief, NULL);
    return 0;
}
