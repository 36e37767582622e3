/* Values of a task's own: in tasks that change threads, on plain threads, at their end, inherited.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"

#include <bide/local.h>

#include "future/thread.h"

TestSuite(local, .timeout = 60);

static atomic_int dropped, order;

static void count_drop(void *value)
{
    (void)value;
    atomic_fetch_add(&dropped, 1);
}

static void *next_of(void *value)
{
    return (char *)value + 1;
}

static char numbers[256];

static const bide_local plain = {NULL, NULL};
static const bide_local counted = {count_drop, NULL};
static const bide_local inherited = {count_drop, next_of};

static int keep_one(void *arg)
{
    cr_assert_null(bide_local_get(&counted));
    cr_assert_ok(bide_local_set(&counted, arg));
    for (int i = 0; i < 20; i++) {
        cr_assert_ok(i % 5 ? bide_yield() : bide_sleep(BIDE_MICROSECONDS(20)));
        cr_assert_eq(bide_local_get(&counted), arg);
    }
    return 0;
}

static int keep_many(void *arg)
{
    enum { TASKS = 100 };
    bide_task tasks[TASKS];
    (void)arg;
    atomic_store(&dropped, 0);
    cr_assert_ok(bide_local_set(&counted, numbers));
    for (int i = 0; i < TASKS; i++)
        cr_assert_ok(bide_spawn(&tasks[i], keep_one, &numbers[i], NULL));
    for (int i = 0; i < TASKS; i++)
        cr_assert_ok(bide_task_join(tasks[i], NULL, BIDE_NEVER));
    cr_assert_eq(atomic_load(&dropped), TASKS);
    cr_assert_eq(bide_local_get(&counted), numbers);
    return 0;
}

Test(local, values_are_a_tasks_own_on_whatever_thread)
{
    char own;
    cr_assert_ok(bide_local_set(&plain, &own));
    WITH_WORKERS(keep_many, NULL, 0);
    cr_assert_eq(atomic_load(&dropped), 101);
    cr_assert_eq(bide_local_get(&plain), &own);
}

static int hold_many_keys(void *arg)
{
    enum { KEYS = 300 };
    static bide_local keys[KEYS];
    (void)arg;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < KEYS; i++) {
            keys[i].drop = count_drop;
            cr_assert_null(bide_local_get(&keys[i]));
            cr_assert_ok(bide_local_set(&keys[i], &keys[i]));
            for (int j = 0; j <= i; j += 37)
                cr_assert_eq(bide_local_get(&keys[j]), &keys[j]);
        }
        if (round == 2) break;
        for (int i = 0; i < KEYS; i++)
            cr_assert_ok(bide_local_set(&keys[i], NULL));
    }
    atomic_store(&dropped, 0);
    return 0;
}

Test(local, there_may_be_any_number_of_keys)
{
    for (size_t i = 0; i < sizeof worker_counts / sizeof *worker_counts; i++) {
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_run(hold_many_keys, NULL, &options));
        cr_assert_eq(atomic_load(&dropped), 300);
    }
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static void set_another(void *value);

static const bide_local last = {count_drop, NULL};
static const bide_local first = {set_another, NULL};

static void set_another(void *value)
{
    cr_assert_eq(atomic_fetch_add(&order, 1), 1);
    cr_assert_null(bide_local_get(&first));
    bide_shield();
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
    bide_unshield();
    cr_assert_ok(bide_local_set(&last, value));
}

static void use_value(void *arg)
{
    (void)arg;
    cr_assert_eq(atomic_fetch_add(&order, 1), 0);
    cr_assert_eq(bide_local_get(&first), numbers);
}

static int end_with_values(void *arg)
{
    bool wait = arg != NULL;
    cr_assert_ok(bide_local_set(&first, numbers));
    cr_assert_ok(bide_defer(use_value, NULL));
    return wait ? bide_sleep_until(BIDE_NEVER) : 0;
}

static int end_in_order(void *arg)
{
    bide_task task;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        atomic_store(&order, 0);
        atomic_store(&dropped, 0);
        cr_assert_ok(bide_spawn(&task, end_with_values, cancelled ? numbers : arg, NULL));
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
        if (cancelled) {
            /* It may not have begun. */
            while (bide_task_cancel(task) == 0 && atomic_load(&order) == 0)
                if (bide_task_join(task, NULL, bide_after(BIDE_MILLISECONDS(1))) == 0) break;
        }
        (void)bide_task_join(task, NULL, BIDE_NEVER);
        cr_assert_eq(atomic_load(&order), 2 * (atomic_load(&order) > 0));
        cr_assert_eq(atomic_load(&dropped), atomic_load(&order) > 0);
    }
    return 0;
}

Test(local, drops_run_after_what_was_put_off_until_no_value_is_left)
{
    WITH_WORKERS(end_in_order, NULL, 0);
}

static void put_off(void *value)
{
    cr_assert_ok(bide_defer(count_drop, value));
}

static const bide_local putting_off = {put_off, NULL};

static void set_one_that_puts_off(void *value)
{
    cr_assert_ok(bide_local_set(&putting_off, value));
}

static int put_off_again(void *arg)
{
    cr_assert_ok(bide_defer(set_one_that_puts_off, arg));
    return 0;
}

static int end_with_more_to_do(void *arg)
{
    atomic_store(&dropped, 0);
    cr_assert_ok(run_one(put_off_again, arg, NULL));
    cr_assert_eq(atomic_load(&dropped), 1);
    return 0;
}

Test(local, what_a_drop_puts_off_is_done_too)
{
    WITH_WORKERS(end_with_more_to_do, numbers, 0);
}

static void *have_values(void *arg)
{
    cr_assert_null(bide_local_get(&counted));
    cr_assert_ok(bide_local_set(&counted, arg));
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
    cr_assert_eq(bide_local_get(&counted), arg);
    return NULL;
}

Test(local, a_plain_thread_has_values_too_and_drops_them_at_its_end)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, have_values, &numbers[i]), 0);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(atomic_load(&dropped), 8);
    cr_assert_null(bide_local_get(&counted));
}

/* Ends as some C libraries have a thread end: what it had of thread-local variables is gone before it hears of it. */
static void *lose_the_record(void *arg)
{
    (void)have_values(arg);
    memset(bide_thread_self(), 0, sizeof *bide_thread_self());
    return NULL;
}

Test(local, a_threads_values_are_dropped_though_its_record_has_gone_before)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, lose_the_record, numbers), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(atomic_load(&dropped), 1);
}

/* --- inheritance --------------------------------------------------------------------------------------------- */

static int expect_inherited(void *arg)
{
    int depth = *(int *)arg - 1;
    bide_task task;
    cr_assert_null(bide_local_get(&counted));
    cr_assert_eq(bide_local_get(&inherited), &numbers[10 - depth], "at depth %d", depth);
    if (depth == 0) return 0;
    cr_assert_ok(bide_local_set(&counted, numbers));
    cr_assert_ok(bide_spawn(&task, expect_inherited, &depth, NULL));
    return bide_task_join(task, NULL, BIDE_NEVER);
}

static int inherit(void *arg)
{
    int depth = 10;
    bide_task task;
    (void)arg;
    cr_assert_ok(bide_local_set(&inherited, numbers));
    cr_assert_ok(bide_local_set(&counted, numbers));
    atomic_store(&dropped, 0);
    cr_assert_ok(bide_spawn(&task, expect_inherited, &depth, NULL));
    cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    cr_assert_eq(atomic_load(&dropped), 10 + 9);
    /* Of a task that cannot be spawned nothing is left. */
    bide_task_options huge = {.stack_size = SIZE_MAX / 2};
    cr_assert_gives(bide_spawn(&task, expect_inherited, &depth, &huge), BIDE_EINVAL);
    cr_assert_eq(atomic_load(&dropped), 10 + 9 + 1);
    return 0;
}

Test(local, a_spawned_task_inherits_what_its_key_gives_it_and_nothing_else)
{
    WITH_WORKERS(inherit, NULL, 0);
}

enum { MORE = 32 };

static bide_local more[MORE];
static int refused;

/* Sets keys of the task that spawns, more than there is room for. */
static void *set_more(void *value)
{
    for (int i = 0; i < MORE; i++) {
        int error = bide_local_set(&more[i], value);
        if (error) cr_assert_gives(error, BIDE_EDEADLK);
        cr_assert_eq(bide_local_get(&more[i]), error ? NULL : value);
        refused += error != 0;
    }
    return value;
}

static int expect_something(void *arg)
{
    return bide_local_get(arg) == numbers ? 0 : -1;
}

static int set_while_inheriting(void *arg)
{
    static bide_local setting = {NULL, set_more};
    static bide_local after = {NULL, next_of};
    bide_task task;
    int value = -1;
    (void)arg;
    refused = 0;
    cr_assert_ok(bide_local_set(&setting, numbers));
    cr_assert_ok(bide_local_set(&after, numbers));
    cr_assert_ok(bide_spawn(&task, expect_something, &setting, NULL));
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    cr_assert_ok(value);
    cr_assert_gt(refused, 0);
    /* Afterwards there is room again. */
    for (int i = 0; i < MORE; i++)
        cr_assert_ok(bide_local_set(&more[i], numbers));
    return 0;
}

Test(local, one_that_is_inherited_from_gets_no_new_keys_meanwhile)
{
    WITH_WORKERS(set_while_inheriting, NULL, 0);
}

Test(local, refuses_null)
{
    cr_assert_gives(bide_local_set(NULL, numbers), BIDE_EINVAL);
    cr_assert_null(bide_local_get(NULL));
    cr_assert_null(bide_local_get(&plain));
    cr_assert_ok(bide_local_set(&plain, NULL));
}
