/* Promises: outcomes, steps, ownership of values and arguments. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"

#include <bide/promise.h>

TestSuite(promise, .timeout = 60);

/* Values are counted: none may be lost, or dropped twice. */
static atomic_int values, dropped_args;

static void drop_value(void *value)
{
    atomic_fetch_sub(&values, 1);
    free(value);
}

static void drop_arg(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped_args, 1);
}

static bide_outcome value_of(int number)
{
    int *value = malloc(sizeof *value);
    if (!value) return bide_outcome_error(BIDE_ENOMEM);
    *value = number;
    atomic_fetch_add(&values, 1);
    return bide_outcome_value(value, drop_value);
}

static bide_outcome give(void *arg)
{
    (void)bide_yield();
    return value_of(*(int *)arg);
}

static bide_outcome fail(void *arg)
{
    (void)bide_yield();
    return bide_outcome_error(*(int *)arg);
}

static bide_outcome wait_for_ever(void *arg)
{
    if (arg) bide_event_set(arg);
    return bide_outcome_error(bide_sleep_until(BIDE_NEVER));
}

static bide_outcome add(bide_outcome earlier, void *arg)
{
    cr_assert_ok(earlier.error);
    int number = *(int *)earlier.value;
    bide_outcome_drop(earlier);
    return value_of(number + *(int *)arg);
}

/* The error as a value. */
static bide_outcome recover(bide_outcome earlier, void *arg)
{
    (void)arg;
    cr_assert_lt(earlier.error, 0);
    return value_of(earlier.error);
}

static bide_outcome hand_on(bide_outcome earlier, void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return earlier;
}

static int one = 1, five = 5, eio = BIDE_EIO;

static void expect_value(bide_promise **promise, int expected)
{
    bide_outcome outcome;
    cr_assert_ok(bide_promise_sync(promise, &outcome, BIDE_NEVER));
    cr_assert_null(*promise);
    cr_assert_ok(outcome.error);
    cr_assert_eq(*(int *)outcome.value, expected, "%d", *(int *)outcome.value);
    bide_outcome_drop(outcome);
}

static void expect_error(bide_promise **promise, int expected)
{
    bide_outcome outcome;
    cr_assert_ok(bide_promise_sync(promise, &outcome, BIDE_NEVER));
    cr_assert_null(*promise);
    cr_assert_eq(outcome.error, expected, "%s", bide_error_name(outcome.error));
}

static void finish_count(int args)
{
    cr_assert_eq(atomic_load(&values), 0, "%d values are left", atomic_load(&values));
    cr_assert_eq(atomic_exchange(&dropped_args, 0), args);
}

static int take_steps(void *arg)
{
    atomic_int count = 0;
    bide_promise *promise;
    bide_task_options options = {.drop = drop_arg};
    (void)arg;
    /* A value passes success, then, chain, and is left alone by fail. */
    cr_assert_ok(bide_promise_spawn(&promise, give, &five, &options));
    cr_assert_ok(bide_promise_success(&promise, add, &one, &options));
    cr_assert_ok(bide_promise_then(&promise, add, recover, &one, &options));
    cr_assert_ok(bide_promise_chain(&promise, hand_on, &count, &options));
    cr_assert_ok(bide_promise_fail(&promise, recover, NULL, &options));
    expect_value(&promise, 7);
    finish_count(1);
    /* An error passes over success, and is made a value by fail. */
    cr_assert_ok(bide_promise_spawn(&promise, fail, &eio, &options));
    cr_assert_ok(bide_promise_success(&promise, add, &one, &options));
    cr_assert_ok(bide_promise_chain(&promise, hand_on, &count, &options));
    cr_assert_ok(bide_promise_then(&promise, add, recover, NULL, &options));
    cr_assert_ok(bide_promise_success(&promise, add, &one, &options));
    expect_value(&promise, BIDE_EIO + 1);
    finish_count(1);
    cr_assert_ok(bide_promise_spawn(&promise, fail, &eio, NULL));
    cr_assert_ok(bide_promise_success(&promise, add, &one, NULL));
    expect_error(&promise, BIDE_EIO);
    cr_assert_eq(atomic_load(&count), 2);
    finish_count(0);
    return 0;
}

Test(promise, steps_run_after_values_and_errors_as_their_names_say)
{
    WITH_WORKERS(take_steps, NULL, 0);
}

struct ending {
    bide_event done;
    int error;
};

static void note_end(bide_outcome earlier, void *arg)
{
    struct ending *ending = arg;
    ending->error = earlier.error;
    bide_outcome_drop(earlier);
    bide_event_set(&ending->done);
}

static int end_finally(void *arg)
{
    struct ending ending = {.error = 1};
    bide_promise *promise;
    (void)arg;
    cr_assert_ok(bide_event_init(&ending.done, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_promise_spawn(&promise, give, &five, NULL));
    cr_assert_ok(bide_promise_finally(&promise, note_end, &ending, NULL));
    cr_assert_null(promise);
    cr_assert_ok(bide_event_wait(&ending.done, BIDE_NEVER));
    cr_assert_ok(ending.error);
    cr_assert_ok(bide_promise_spawn(&promise, fail, &eio, NULL));
    cr_assert_ok(bide_promise_finally(&promise, note_end, &ending, NULL));
    cr_assert_ok(bide_event_wait(&ending.done, BIDE_NEVER));
    cr_assert_eq(ending.error, BIDE_EIO);
    finish_count(0);
    return 0;
}

Test(promise, the_last_step_runs_in_any_case)
{
    WITH_WORKERS(end_finally, NULL, 0);
}

static int wait_and_race(void *arg)
{
    bide_event began;
    bide_promise *promise;
    bide_promise_syncing syncing;
    bide_timer limit;
    bide_future *both[] = {&syncing.future, &limit.future};
    bide_outcome outcome;
    (void)arg;
    cr_assert_ok(bide_event_init(&began, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_promise_spawn(&promise, wait_for_ever, &began, NULL));
    cr_assert_ok(bide_event_wait(&began, BIDE_NEVER));
    cr_assert_gives(bide_promise_sync(&promise, &outcome, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_promise_sync(&promise, &outcome, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    bide_promise_syncing_init(&syncing, &promise);
    bide_timer_after(&limit, BIDE_MILLISECONDS(1));
    cr_assert_eq(bide_race(both, 2), 1);
    cr_assert_not_null(promise);
    cr_assert_ok(bide_promise_cancel(promise));
    bide_promise_syncing_init(&syncing, &promise);
    bide_timer_after(&limit, LONG);
    cr_assert_eq(bide_race(both, 2), 0);
    cr_assert_null(promise);
    cr_assert_ok(syncing.result);
    cr_assert_gives(syncing.outcome.error, BIDE_ECANCELED);
    return 0;
}

Test(promise, waiting_for_the_outcome_is_a_future)
{
    WITH_WORKERS(wait_and_race, NULL, 0);
}

static int cancel_a_chain(void *arg)
{
    bide_event began;
    atomic_int count = 0;
    bide_promise *promise;
    (void)arg;
    cr_assert_ok(bide_event_init(&began, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_promise_spawn(&promise, wait_for_ever, &began, NULL));
    for (int i = 0; i < 10; i++) {
        cr_assert_ok(bide_promise_success(&promise, add, &one, NULL));
        cr_assert_ok(bide_promise_chain(&promise, hand_on, &count, NULL));
    }
    cr_assert_ok(bide_event_wait(&began, BIDE_NEVER));
    cr_assert_ok(bide_promise_cancel(promise));
    expect_error(&promise, BIDE_ECANCELED);
    cr_assert_eq(atomic_load(&count), 10);
    finish_count(0);
    return 0;
}

Test(promise, cancelling_the_last_step_cancels_all_before_it)
{
    WITH_WORKERS(cancel_a_chain, NULL, 0);
}

static int give_up(void *arg)
{
    bide_promise *promise;
    bide_task_options options = {.drop = drop_arg};
    (void)arg;
    for (int i = 0; i < 50; i++) {
        cr_assert_ok(bide_promise_spawn(&promise, give, &five, &options));
        if (i % 2) cr_assert_ok(bide_promise_success(&promise, add, &one, &options));
        if (i % 3 == 0) cr_assert_ok(bide_yield());
        if (i % 5 == 0) cr_assert_ok(bide_promise_cancel(promise));
        bide_promise_free(promise);
    }
    bide_promise_free(NULL);
    /* Those that have not begun by the end of the main task are cancelled. */
    for (int i = 0; i < 50; i++) {
        cr_assert_ok(bide_promise_spawn(&promise, give, &five, &options));
        cr_assert_ok(bide_promise_success(&promise, add, &one, &options));
        bide_promise_free(promise);
    }
    return 0;
}

Test(promise, what_is_given_up_is_dropped_when_it_comes)
{
    for (size_t i = 0; i < sizeof worker_counts / sizeof *worker_counts; i++) {
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_run(give_up, NULL, &options));
        cr_assert_eq(atomic_load(&values), 0, "%d values are left", atomic_load(&values));
    }
}

/* A step that is waiting when the main task ends takes what comes, and cleans up. */
static int leave_the_end_to_steps(void *arg)
{
    bide_event began;
    bide_promise *promise;
    cr_assert_ok(bide_event_init(&began, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_promise_spawn(&promise, wait_for_ever, &began, NULL));
    cr_assert_ok(bide_promise_finally(&promise, note_end, arg, NULL));
    cr_assert_ok(bide_event_wait(&began, BIDE_NEVER));
    return 0;
}

Test(promise, the_end_of_the_main_task_runs_the_steps_that_clean_up)
{
    for (size_t i = 0; i < sizeof worker_counts / sizeof *worker_counts; i++) {
        struct ending ending = {.error = 1};
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_event_init(&ending.done, BIDE_EVENT_MANUAL));
        cr_assert_ok(bide_run(leave_the_end_to_steps, &ending, &options));
        cr_assert(bide_event_is_set(&ending.done));
        cr_assert_eq(ending.error, BIDE_ECANCELED);
    }
}

struct outside {
    bide_scheduler scheduler;
    atomic_bool done;
};

static void *sync_on_a_thread(void *arg)
{
    struct outside *outside = arg;
    bide_task_options options = {.scheduler = outside->scheduler};
    bide_promise *promise;
    cr_assert_gives(bide_promise_spawn(&promise, give, &five, NULL), BIDE_EINVAL);
    cr_assert_null(promise);
    cr_assert_ok(bide_promise_spawn(&promise, give, &five, &options));
    cr_assert_gives(bide_promise_success(&promise, add, &one, NULL), BIDE_EINVAL);
    cr_assert_ok(bide_promise_success(&promise, add, &one, &options));
    expect_value(&promise, 6);
    atomic_store(&outside->done, true);
    return NULL;
}

static int promise_outside(void *arg)
{
    struct outside outside = {.scheduler = bide_scheduler_current()};
    pthread_t thread;
    (void)arg;
    cr_assert_eq(pthread_create(&thread, NULL, sync_on_a_thread, &outside), 0);
    while (!atomic_load(&outside.done))
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
    cr_assert_eq(pthread_join(thread, NULL), 0);
    return 0;
}

Test(promise, a_plain_thread_spawns_and_waits_too)
{
    WITH_WORKERS(promise_outside, NULL, 0);
    finish_count(0);
}

static int refuse(void *arg)
{
    bide_promise *promise = NULL;
    bide_outcome outcome;
    (void)arg;
    cr_assert_gives(bide_promise_spawn(NULL, give, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_promise_spawn(&promise, NULL, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_promise_success(NULL, add, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_promise_success(&promise, add, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_promise_finally(&promise, note_end, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_promise_sync(&promise, &outcome, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_promise_sync(NULL, &outcome, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_promise_cancel(NULL), BIDE_EINVAL);
    bide_promise_syncing_init(NULL, &promise);
    cr_assert_ok(bide_promise_spawn(&promise, give, &five, NULL));
    cr_assert_gives(bide_promise_then(&promise, NULL, NULL, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_promise_sync(&promise, NULL, BIDE_NEVER), BIDE_EINVAL);
    expect_value(&promise, 5);
    return 0;
}

Test(promise, refuses_null_and_leaves_the_promise_as_it_was)
{
    WITH_WORKERS(refuse, NULL, 0);
}
