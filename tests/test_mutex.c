/* The mutex that everything stands on: src/os/mutex.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include "os/mutex.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

TestSuite(mutex, .timeout = 60);

static bide_os_mutex mutex;

static void *lock_and_unlock(void *arg)
{
    atomic_int *stage = arg;
    atomic_store(stage, 1);
    bide_os_mutex_lock(&mutex);
    atomic_store(stage, 2);
    bide_os_mutex_unlock(&mutex);
    return NULL;
}

static void start(pthread_t *thread, atomic_int *stage)
{
    atomic_store(stage, 0);
    cr_assert_eq(pthread_create(thread, NULL, lock_and_unlock, stage), 0);
    /* Until it says in the word that it sleeps, or is about to. */
    while (atomic_load(&mutex.word) != 2)
        sched_yield();
    cr_assert_eq(atomic_load(stage), 1);
}

Test(mutex, one_who_sleeps_is_woken_by_the_unlock)
{
    atomic_int stage;
    pthread_t thread;
    bide_os_mutex_lock(&mutex);
    start(&thread, &stage);
    bide_os_mutex_unlock(&mutex);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(atomic_load(&stage), 2);
    cr_assert_eq(atomic_load(&mutex.word) & 1, 0, "still locked");
}

/* What an unlock does that has looked before the other one said so: it stores, and wakes nobody. */
Test(mutex, one_whom_the_unlock_has_overlooked_wakes_by_itself)
{
    atomic_int stage;
    pthread_t thread;
    bide_os_mutex_lock(&mutex);
    start(&thread, &stage);
    atomic_store_explicit(&mutex.word, 0, memory_order_release);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(atomic_load(&stage), 2);
}

static long counted;

static void *count_up(void *arg)
{
    for (int i = 0; i < 100000; i++) {
        bide_os_mutex_lock(&mutex);
        counted++;
        bide_os_mutex_unlock(&mutex);
    }
    return arg;
}

Test(mutex, of_many_one_is_inside)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(counted, 400000L);
}

Test(mutex, that_is_held_is_not_had_by_a_try)
{
    bide_os_mutex_lock(&mutex);
    cr_assert(!bide_os_mutex_try(&mutex));
    bide_os_mutex_unlock(&mutex);
    cr_assert(bide_os_mutex_try(&mutex));
    bide_os_mutex_unlock(&mutex);
}
