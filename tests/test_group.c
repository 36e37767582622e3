/* Groups: waiting for all, the first error, deadlines, closing, nesting. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_group.h"

TestSuite(group, .timeout = 60);

/* --- waiting ----------------------------------------------------------------------------------------------- */

static int wait_for_all(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_wait(&group, BIDE_NOW));
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 100; i++)
            spawn(&group, nap, tally);
        cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
        cr_assert_eq(atomic_load(&tally->ended), 100 * round);
        cr_assert_eq(bide_group_count(&group), 0);
    }
    cr_assert_ok(bide_group_close(&group));
    return 0;
}

Test(group, is_waited_for_until_all_have_ended_and_used_again)
{
    struct tally tally;
    WITH_WORKERS(wait_for_all, &tally, 0);
}

static int fail_one(void *arg)
{
    static int errors[] = {BIDE_EIO, BIDE_EPIPE};
    struct tally *tally = arg;
    bide_group group;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn_waiting(&group, tally, 50);
    bide_task first;
    cr_assert_ok(bide_group_spawn(&group, &first, fail_with, &errors[0], NULL, BIDE_NEVER));
    cr_assert_ok(bide_task_join(first, NULL, BIDE_NEVER));
    cr_assert_gives(bide_group_error(&group), BIDE_EIO);
    cr_assert_gives(bide_group_spawn(&group, NULL, fail_with, &errors[1], NULL, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_gives(bide_group_wait(&group, BIDE_NEVER), BIDE_EIO);
    expect_gone(tally, 50);
    cr_assert_gives(bide_group_close(&group), BIDE_EIO);
    cr_assert_gives(bide_group_close(&group), BIDE_EFREED);
    cr_assert_gives(bide_group_spawn(&group, NULL, nap, tally, NULL, BIDE_NEVER), BIDE_EFREED);
    cr_assert_gives(bide_group_wait(&group, BIDE_NEVER), BIDE_EFREED);
    return 0;
}

Test(group, is_cancelled_by_the_first_error_which_waiting_gives)
{
    struct tally tally;
    WITH_WORKERS(fail_one, &tally, 0);
}

static int cancel_by_handle(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    bide_task task;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_spawn(&group, &task, wait_for_ever, tally, NULL, BIDE_NEVER));
    while (!atomic_load(&tally->begun))
        cr_assert_ok(bide_yield());
    cr_assert_gives(bide_group_wait(&group, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_group_error(&group));
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_ok(bide_task_detach(task));
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    spawn(&group, nap, tally);
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_ok(bide_group_close(&group));
    expect_gone(tally, 1);
    return 0;
}

Test(group, is_not_failed_by_a_task_that_was_cancelled_by_its_handle)
{
    struct tally tally;
    WITH_WORKERS(cancel_by_handle, &tally, 0);
}

static int race_the_wait(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    bide_timer limit;
    bide_group_waiting waiting;
    bide_future *both[] = {&waiting.future, &limit.future};
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn_waiting(&group, tally, 3);
    bide_group_waiting_init(&waiting, &group);
    bide_timer_after(&limit, BIDE_MILLISECONDS(1));
    cr_assert_eq(bide_race(both, 2), 1);
    cr_assert_eq(bide_group_count(&group), 3);
    cr_assert_ok(bide_group_cancel(&group));
    bide_group_waiting_init(&waiting, &group);
    bide_timer_after(&limit, LONG);
    cr_assert_eq(bide_race(both, 2), 0);
    cr_assert_gives(waiting.result, BIDE_ECANCELED);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(tally, 3);
    return 0;
}

Test(group, wait_is_a_future_that_may_lose_a_race)
{
    struct tally tally;
    WITH_WORKERS(race_the_wait, &tally, 0);
}

struct search {
    bide_group *group;
    atomic_int found;
};

static int find(void *arg)
{
    struct search *search = arg;
    atomic_fetch_add(&search->found, 1);
    cr_assert_ok(bide_group_cancel(search->group));
    return 0;
}

static int first_success(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    struct search search = {&group, 0};
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn_waiting(&group, tally, 10);
    spawn(&group, find, &search);
    cr_assert_gives(bide_group_wait(&group, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_eq(atomic_load(&search.found), 1);
    expect_gone(tally, 10);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    return 0;
}

Test(group, is_cancelled_by_its_own_task_that_was_first_to_succeed)
{
    struct tally tally;
    WITH_WORKERS(first_success, &tally, 0);
}

/* --- the deadline ------------------------------------------------------------------------------------------- */

static int run_late(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn_waiting(&group, tally, 20);
    bide_instant deadline = bide_after(BIDE_MILLISECONDS(5));
    cr_assert_ok(bide_group_set_deadline(&group, bide_after(LONG)));
    cr_assert_ok(bide_group_set_deadline(&group, deadline));
    /* The opener is somewhere else meanwhile. */
    while (bide_group_count(&group) > 0)
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
    cr_assert(!bide_before(bide_now(), deadline));
    cr_assert_gives(bide_group_error(&group), BIDE_ETIMEDOUT);
    expect_gone(tally, 20);
    cr_assert_gives(bide_group_close(&group), BIDE_ETIMEDOUT);

    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_set_deadline(&group, bide_after(BIDE_MILLISECONDS(1))));
    cr_assert_ok(bide_group_set_deadline(&group, BIDE_NEVER));
    spawn_waiting(&group, tally, 1);
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(2)));
    cr_assert_ok(bide_group_error(&group));
    cr_assert_ok(bide_group_set_deadline(&group, BIDE_NOW));
    cr_assert_gives(bide_group_wait(&group, BIDE_NEVER), BIDE_ETIMEDOUT);
    expect_gone(tally, 1);
    cr_assert_gives(bide_group_close(&group), BIDE_ETIMEDOUT);
    return 0;
}

Test(group, fails_at_its_deadline_whatever_its_opener_does)
{
    struct tally tally;
    WITH_WORKERS(run_late, &tally, 0);
}

/* --- closing, and the opener's end --------------------------------------------------------------------------- */

static int close_with_tasks(void *arg)
{
    struct tally *tally = arg;
    bide_task_options options = {.drop = count_drop};
    bide_group group;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn_waiting(&group, tally, 30);
    for (int i = 0; i < 30; i++)
        cr_assert_ok(bide_group_spawn(&group, NULL, nap, tally, &options, BIDE_NEVER));
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(tally, 30);
    int napped = atomic_load(&tally->begun) - 30;
    cr_assert_eq(atomic_load(&tally->ended), napped);
    cr_assert_eq(atomic_load(&tally->dropped), 30 - napped);
    return 0;
}

Test(group, closing_cancels_what_runs_and_waits_for_its_clean_up)
{
    struct tally tally;
    WITH_WORKERS(close_with_tasks, &tally, 0);
}

struct opener {
    struct tally tally;
    bide_event opened, gone;
    int depth;
};

/* Opens groups within groups; the innermost has tasks that wait. */
static int open_deep(void *arg)
{
    struct opener *opener = arg;
    bide_group group;
    cr_assert_ok(bide_group_open(&group));
    if (opener->depth-- == 0) {
        spawn_waiting(&group, &opener->tally, 10);
        bide_event_set(&opener->opened);
    } else {
        spawn(&group, open_deep, opener);
    }
    int error = bide_group_wait(&group, BIDE_NEVER);
    cr_assert_gives(error, BIDE_ECANCELED);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(&opener->tally, 10);
    return error;
}

static int cancel_deep(void *arg)
{
    struct opener *opener = arg;
    clear(&opener->tally);
    opener->depth = 20;
    cr_assert_ok(bide_event_init(&opener->opened, BIDE_EVENT_AUTO));
    bide_group group;
    cr_assert_ok(bide_group_open(&group));
    spawn(&group, open_deep, opener);
    cr_assert_ok(bide_event_wait(&opener->opened, BIDE_NEVER));
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(&opener->tally, 10);
    return 0;
}

Test(group, within_groups_are_cancelled_from_above_and_gone_when_that_is_closed)
{
    struct opener opener;
    WITH_WORKERS(cancel_deep, &opener, 0);
}

static void set_gone(void *arg)
{
    bide_event_set(&((struct opener *)arg)->gone);
}

static int tell_when_cancelled(void *arg)
{
    cr_assert_ok(bide_defer(set_gone, arg));
    bide_event_set(&((struct opener *)arg)->opened);
    return bide_sleep_until(BIDE_NEVER);
}

/* Is cancelled while it waits for something else; its tasks are before it comes to close the group. */
static int open_and_wait_elsewhere(void *arg)
{
    struct opener *opener = arg;
    bide_group group;
    cr_assert_ok(bide_group_open(&group));
    spawn(&group, tell_when_cancelled, opener);
    cr_assert_gives(bide_sleep_until(BIDE_NEVER), BIDE_ECANCELED);
    bide_shield();
    cr_assert_ok(bide_event_wait(&opener->gone, BIDE_NEVER));
    bide_unshield();
    cr_assert_gives(bide_group_error(&group), BIDE_ECANCELED);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    return 0;
}

static int cancel_the_opener(void *arg)
{
    struct opener *opener = arg;
    bide_task task;
    cr_assert_ok(bide_event_init(&opener->opened, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&opener->gone, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&task, open_and_wait_elsewhere, opener, NULL));
    cr_assert_ok(bide_event_wait(&opener->opened, BIDE_NEVER));
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    return 0;
}

Test(group, is_cancelled_with_the_task_that_opened_it)
{
    struct opener opener;
    WITH_WORKERS(cancel_the_opener, &opener, 0);
}

/* A clean-up of a cancelled task does several things at once, and is cancelled when the shield is gone. */
static int open_under_a_shield(void *arg)
{
    struct opener *opener = arg;
    bide_group group;
    cr_assert_gives(bide_sleep_until(BIDE_NEVER), BIDE_ECANCELED);
    bide_shield();
    cr_assert_ok(bide_group_open(&group));
    for (int i = 0; i < 5; i++)
        spawn(&group, nap, &opener->tally);
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_eq(atomic_load(&opener->tally.ended), 5);
    clear(&opener->tally);
    spawn_waiting(&group, &opener->tally, 2);
    bide_unshield();
    cr_assert_gives(bide_group_wait(&group, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(&opener->tally, 2);
    return 0;
}

static int shield_a_group(void *arg)
{
    struct opener *opener = arg;
    bide_task task;
    clear(&opener->tally);
    cr_assert_ok(bide_spawn(&task, open_under_a_shield, opener, NULL));
    cr_assert_ok(bide_yield());
    cr_assert_ok(bide_task_cancel(task));
    int value = 1;
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    /* It may have been cancelled before it began. */
    cr_assert(value == 0 || value == BIDE_ECANCELED, "%d", value);
    return 0;
}

Test(group, of_a_shielded_task_runs_until_the_shield_is_gone)
{
    struct opener opener;
    WITH_WORKERS(shield_a_group, &opener, 0);
}

static int leave_it_to_the_end(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    cr_assert_ok(bide_group_open(&group));
    for (int i = 0; i < 10; i++)
        spawn(&group, wait_for_ever, tally);
    int error = bide_group_wait(&group, BIDE_NEVER);
    cr_assert_gives(error, BIDE_ECANCELED);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    cr_assert_eq(atomic_load(&tally->cancelled), atomic_load(&tally->begun));
    atomic_fetch_add(&tally->ended, 1);
    return error;
}

static int end_at_once(void *arg)
{
    struct tally *tally = arg;
    clear(tally);
    cr_assert_ok(bide_spawn(NULL, leave_it_to_the_end, tally, NULL));
    while (atomic_load(&tally->begun) < 10)
        cr_assert_ok(bide_yield());
    return 0;
}

Test(group, ends_in_order_when_the_main_task_has_ended)
{
    for (size_t i = 0; i < sizeof worker_counts / sizeof *worker_counts; i++) {
        struct tally tally;
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_run(end_at_once, &tally, &options));
        expect_gone(&tally, 10);
        cr_assert_eq(atomic_load(&tally.ended), 1);
    }
}

/* --- all at once --------------------------------------------------------------------------------------------- */

static int end_somehow(void *arg)
{
    struct tally *tally = arg;
    int begun = atomic_fetch_add(&tally->begun, 1);
    int error = begun % 3 == 0 ? bide_yield() : bide_sleep(BIDE_MICROSECONDS(begun % 5 * 10));
    atomic_fetch_add(&tally->ended, 1);
    return error || begun % 40 != 39 ? 0 : BIDE_EIO;
}

static int cancel_it(void *arg)
{
    (void)bide_group_cancel(arg);
    return 0;
}

static int end_in_every_way(void *arg)
{
    struct tally *tally = arg;
    for (int round = 0; round < 300; round++) {
        bide_task_options options = {.drop = count_drop};
        bide_group group;
        int spawned = 0;
        clear(tally);
        cr_assert_ok(bide_group_open(&group));
        if (round % 2) cr_assert_ok(bide_group_set_limit(&group, 1 + (size_t)round % 7));
        if (round % 3 == 0)
            cr_assert_ok(bide_group_set_deadline(&group, bide_after(BIDE_MICROSECONDS(round))));
        for (int i = 0; i < 20 + round % 30; i++)
            spawned += bide_group_spawn(&group, NULL, end_somehow, tally, &options, BIDE_NEVER) == 0;
        if (round % 5 == 0) (void)bide_group_spawn(&group, NULL, cancel_it, &group, NULL, BIDE_NEVER);
        if (round % 4) (void)bide_group_wait(&group, BIDE_NEVER);
        (void)bide_group_close(&group);
        cr_assert_eq(atomic_load(&tally->ended), atomic_load(&tally->begun));
        cr_assert_eq(atomic_load(&tally->begun) + atomic_load(&tally->dropped), spawned);
    }
    return 0;
}

Test(group, whatever_ends_it_all_are_gone_when_it_is_closed)
{
    struct tally tally;
    WITH_WORKERS(end_in_every_way, &tally, 0);
}
