/* The hashed wheel in tasks: sleeps, time limits and intervals awaited there, cancelled tasks, and the end of a
 * wheel on which tasks sleep. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"
#include "test_wheel.h"

TestSuite(wheel_task, .fini = free_wheel, .timeout = 60);

#define FAR BIDE_SECONDS(300)

static void make_fast(bide_wheel_form form)
{
    set_options(form, BIDE_WHEEL_MONOTONIC);
    options.tick = MS(1);
    options.max_timeout = BIDE_HOURS(1);
    make_wheel();
}

/* Spawns so many tasks, each with its number as argument, and returns the first result that is not 0. */
static int all(bide_task_function function, int count)
{
    enum { MOST = 300 };
    static int numbers[MOST];
    bide_task tasks[MOST];
    int error = 0;
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        if (!error) error = bide_spawn(&tasks[i], function, &numbers[i], NULL);
        if (error) count = i;
    }
    for (int i = 0; i < count; i++) {
        int value = 0, joined = bide_task_join(tasks[i], &value, BIDE_NEVER);
        if (!error) error = joined ? joined : value;
    }
    return error;
}

/* --- sleeps --- */

static int sleep_thrice(void *arg)
{
    int number = *(int *)arg;
    for (int i = 0; i < 3; i++) {
        bide_duration duration = MS(1 + (number + i) % 7);
        bide_instant deadline = bide_after(duration);
        int error = bide_wheel_sleep(wheel, duration);
        if (error) return error;
        if (bide_before(bide_now(), deadline)) return BIDE_EAGAIN;
    }
    return 0;
}

static int let_many_sleep(void *arg)
{
    (void)arg;
    return all(sleep_thrice, 300);
}

Test(wheel_task, sleeps_of_many_are_never_early_and_all_end)
{
    make_fast(BIDE_WHEEL_THREADED);
    WITH_WORKERS(let_many_sleep, NULL, 0);
    cr_assert_eq(stats().pending, 0);
    cr_assert_eq(stats().fired, 3 * 300 * 3);
}

Test(wheel_task, sleeps_through_a_channel_for_one_wait_for_it_rather_than_fail)
{
    set_options(BIDE_WHEEL_THREADED, BIDE_WHEEL_MONOTONIC);
    options.tick = MS(1);
    options.channel_capacity = 1;
    make_wheel();
    WITH_WORKERS(let_many_sleep, NULL, 0);
    cr_assert_eq(stats().pending, 0);
}

Test(wheel_task, sleeps_on_an_inline_wheel_are_driven_by_the_tasks_of_its_one_worker)
{
    make_fast(BIDE_WHEEL_INLINE);
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(let_many_sleep, NULL, &one));
    cr_assert_eq(stats().pending, 0);
    cr_assert_eq(stats().fired, 300 * 3);
}

static int await_sleep(void *arg)
{
    bide_wheel_sleeping *sleeping = arg;
    int error = bide_await(&sleeping->future, BIDE_NEVER);
    return error ? error : sleeping->result;
}

static int start_for_another(void *arg)
{
    bide_wheel_sleeping sleeping;
    bide_task task;
    int value = 1;
    (void)arg;
    int error = bide_wheel_sleeping_init(&sleeping, wheel, FAR);
    if (!error) error = bide_wheel_sleeping_start(&sleeping);
    if (!error) error = bide_spawn(&task, await_sleep, &sleeping, NULL);
    if (!error) error = bide_yield();
    if (!error) error = bide_wheel_sleeping_reset(&sleeping, MS(3));
    if (!error) error = bide_task_join(task, &value, BIDE_NEVER);
    return error ? error : value;
}

Test(wheel_task, a_sleep_started_by_one_is_awaited_by_another_and_moved_meanwhile)
{
    make_fast(BIDE_WHEEL_THREADED);
    for (int i = 0; i < 20; i++)
        WITH_WORKERS(start_for_another, NULL, 0);
}

/* --- time limits and intervals --- */

static int set_event(void *arg)
{
    int error = bide_wheel_sleep(wheel, MS(2));
    bide_event_set(arg);
    return error;
}

/* Every other one's event is never set. */
static int wait_with_limit(void *arg)
{
    bool comes = *(int *)arg % 2;
    bide_event event;
    bide_event_waiting waiting;
    bide_wheel_timeout limit;
    bide_task task;
    int error = bide_event_init(&event, BIDE_EVENT_MANUAL);
    if (error) return error;
    bide_event_waiting_init(&waiting, &event);
    if (comes) error = bide_spawn(&task, set_event, &event, NULL);
    if (error) return error;
    error = bide_wheel_timeout_init(&limit, wheel, &waiting.future, comes ? FAR : MS(5));
    if (!error) error = bide_await(&limit.future, BIDE_NEVER);
    if (error) return error;
    if (limit.result != (comes ? 0 : BIDE_ETIMEDOUT)) return BIDE_EINVAL;
    if (comes) return bide_task_join(task, NULL, BIDE_NEVER);
    /* It is handed back, not cancelled: it may be awaited on. */
    bide_event_set(&event);
    return bide_await(&waiting.future, BIDE_NEVER);
}

static int let_many_wait_with_limits(void *arg)
{
    (void)arg;
    return all(wait_with_limit, 100);
}

Test(wheel_task, time_limits_end_what_does_not_come_and_not_what_comes)
{
    make_fast(BIDE_WHEEL_THREADED);
    WITH_WORKERS(let_many_wait_with_limits, NULL, 0);
    cr_assert_eq(stats().pending, 0, "%zu", stats().pending);
}

/* A stream of ticks that come in time, and then not. */
static int take_ticks(void *arg)
{
    bide_wheel_interval interval;
    bide_wheel_timeout limit;
    (void)arg;
    bide_instant start = bide_now();
    int error = bide_wheel_interval_init(&interval, wheel, MS(2));
    if (!error) error = bide_wheel_timeout_init_stream(&limit, wheel, &interval.future, FAR);
    for (int i = 1; i <= 5 && !error; i++) {
        error = bide_await(&limit.future, BIDE_NEVER);
        if (!error) error = limit.result ? limit.result : interval.result;
        if (!error && bide_before(bide_now(), bide_instant_add(start, MS(2) * i))) error = BIDE_EAGAIN;
    }
    if (!error) error = bide_cancel(&limit.future) == BIDE_READY ? 0 : BIDE_EINVAL;
    if (!error) error = bide_wheel_interval_init(&interval, wheel, FAR);
    if (!error) error = bide_wheel_timeout_init_stream(&limit, wheel, &interval.future, MS(3));
    if (!error) error = bide_await(&limit.future, BIDE_NEVER);
    if (!error) error = limit.result == BIDE_ETIMEDOUT ? 0 : BIDE_EINVAL;
    (void)bide_cancel(&interval.future);
    return error;
}

static int let_many_take_ticks(void *arg)
{
    (void)arg;
    return all(take_ticks, 50);
}

Test(wheel_task, streams_and_intervals_with_limits)
{
    make_fast(BIDE_WHEEL_THREADED);
    WITH_WORKERS(let_many_take_ticks, NULL, 0);
    cr_assert_eq(stats().pending, 0, "%zu", stats().pending);
}

/* --- cancelled tasks, and the wheel's end --- */

static atomic_int asleep;

static int sleep_far(void *arg)
{
    (void)arg;
    atomic_fetch_add(&asleep, 1);
    return bide_wheel_sleep(wheel, FAR);
}

static int sleep_with_limit(void *arg)
{
    bide_event event;
    bide_event_waiting waiting;
    bide_wheel_timeout limit;
    (void)arg;
    int error = bide_event_init(&event, BIDE_EVENT_MANUAL);
    bide_event_waiting_init(&waiting, &event);
    if (!error) error = bide_wheel_timeout_init(&limit, wheel, &waiting.future, FAR);
    atomic_fetch_add(&asleep, 1);
    if (!error) error = bide_await(&limit.future, BIDE_NEVER);
    if (!error) error = limit.result;
    (void)bide_cancel(&waiting.future);
    return error;
}

/* Spawns sleepers, does something to them, and sees to it that each ends with the expected result. */
enum { SLEEPERS = 100 };
static int let_many_sleep_far(void (*end)(const bide_task *tasks), int expected)
{
    bide_task tasks[SLEEPERS];
    int error = 0;
    atomic_store(&asleep, 0);
    for (int i = 0; i < SLEEPERS; i++)
        if (!error) error = bide_spawn(&tasks[i], i % 2 ? sleep_with_limit : sleep_far, NULL, NULL);
    while (!error && atomic_load(&asleep) < SLEEPERS)
        error = bide_yield();
    if (error) return error;
    end(tasks);
    for (int i = 0; i < SLEEPERS; i++) {
        int value = 0;
        int joined = bide_task_join(tasks[i], &value, BIDE_NEVER);
        if (!error) error = joined;
        if (!error && value != expected) error = value ? value : BIDE_EAGAIN;
    }
    return error;
}

static void cancel_each(const bide_task *tasks)
{
    for (int i = 0; i < SLEEPERS; i++)
        (void)bide_task_cancel(tasks[i]);
}

static int cancel_sleepers(void *arg)
{
    (void)arg;
    return let_many_sleep_far(cancel_each, BIDE_ECANCELED);
}

Test(wheel_task, a_cancelled_task_takes_its_sleep_out_of_the_wheel)
{
    make_fast(BIDE_WHEEL_THREADED);
    WITH_WORKERS(cancel_sleepers, NULL, 0);
    cr_assert_eq(stats().pending, 0, "%zu", stats().pending);
    cr_assert_eq(stats().fired, 0);
}

static int leave_sleepers(void *arg)
{
    int error = 0;
    (void)arg;
    for (int i = 0; i < SLEEPERS && !error; i++)
        error = bide_spawn(NULL, sleep_far, NULL, NULL);
    return error ? error : bide_yield();
}

Test(wheel_task, the_end_of_the_scheduler_takes_all_sleeps_out_of_the_wheel)
{
    make_fast(BIDE_WHEEL_THREADED);
    WITH_WORKERS(leave_sleepers, NULL, 0);
    cr_assert_eq(stats().pending, 0, "%zu", stats().pending);
}

static void free_beneath(const bide_task *tasks)
{
    (void)tasks;
    (void)bide_wheel_free(wheel);
}

static int free_under_sleepers(void *arg)
{
    (void)arg;
    int error = let_many_sleep_far(free_beneath, BIDE_ESHUTDOWN);
    if (!error) error = bide_wheel_new(&wheel, &options);
    return error;
}

Test(wheel_task, freeing_the_wheel_ends_what_tasks_await_with_eshutdown)
{
    make_fast(BIDE_WHEEL_THREADED);
    for (int i = 0; i < 10; i++)
        WITH_WORKERS(free_under_sleepers, NULL, 0);
}
