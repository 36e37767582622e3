/* Groups: waiting for all, the first error, deadlines, limits, closing, nesting. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"

#include "task/task.h"

#include <bide/group.h>

#include <sys/wait.h>

TestSuite(group, .timeout = 60);

/* What the tasks of a group do, and what became of them. */
struct tally {
    atomic_int begun, ended, cleaned, cancelled, dropped, present, most;
};

static void clear(struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
}

static void count_clean(void *arg)
{
    struct tally *tally = arg;
    bide_shield();
    /* A clean-up that waits is waited for. */
    (void)bide_sleep(BIDE_MICROSECONDS(100));
    bide_unshield();
    atomic_fetch_add(&tally->cleaned, 1);
}

static void count_drop(void *arg)
{
    atomic_fetch_add(&((struct tally *)arg)->dropped, 1);
}

/* Waits until it is cancelled. */
static int wait_for_ever(void *arg)
{
    struct tally *tally = arg;
    cr_assert_ok(bide_defer(count_clean, tally));
    atomic_fetch_add(&tally->begun, 1);
    int error = bide_sleep_until(BIDE_NEVER);
    cr_assert_gives(error, BIDE_ECANCELED);
    atomic_fetch_add(&tally->cancelled, 1);
    return error;
}

static int nap(void *arg)
{
    struct tally *tally = arg;
    atomic_fetch_add(&tally->begun, 1);
    int error = bide_sleep(BIDE_MICROSECONDS(200));
    atomic_fetch_add(&tally->ended, 1);
    return error;
}

static int fail_with(void *arg)
{
    return *(int *)arg;
}

static void spawn(bide_group *group, bide_task_function function, void *arg)
{
    cr_assert_ok(bide_group_spawn(group, NULL, function, arg, NULL, BIDE_NEVER));
}

/* So that they are cancelled while they wait. */
static void spawn_waiting(bide_group *group, struct tally *tally, int count)
{
    for (int i = 0; i < count; i++)
        spawn(group, wait_for_ever, tally);
    while (atomic_load(&tally->begun) < count)
        cr_assert_ok(bide_yield());
}

/* All that have begun were cancelled, and their clean-up has run to its end. */
static void expect_gone(struct tally *tally, int count)
{
    cr_assert_eq(atomic_load(&tally->cancelled), count, "%d cancelled", atomic_load(&tally->cancelled));
    cr_assert_eq(atomic_load(&tally->cleaned), count, "%d cleaned up", atomic_load(&tally->cleaned));
}

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

/* --- spawning ------------------------------------------------------------------------------------------------ */

struct tree {
    bide_group *group;
    atomic_int leaves;
    int depth;
};

struct branch {
    struct tree *tree;
    int depth;
};

static int grow(void *arg)
{
    struct branch branch = *(struct branch *)arg;
    free(arg);
    if (branch.depth == 0) {
        atomic_fetch_add(&branch.tree->leaves, 1);
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        struct branch *next = malloc(sizeof *next);
        if (!next) return BIDE_ENOMEM;
        next->tree = branch.tree;
        next->depth = branch.depth - 1;
        int error = bide_group_spawn(branch.tree->group, NULL, grow, next, NULL, BIDE_NEVER);
        if (error) return error;
    }
    return 0;
}

static int grow_a_tree(void *arg)
{
    bide_group group;
    struct tree tree = {&group, 0, 0};
    struct branch *root = malloc(sizeof *root);
    (void)arg;
    cr_assert_not_null(root);
    root->tree = &tree;
    root->depth = 5;
    cr_assert_ok(bide_group_open(&group));
    spawn(&group, grow, root);
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_eq(atomic_load(&tree.leaves), 243);
    cr_assert_ok(bide_group_close(&group));
    return 0;
}

Test(group, is_spawned_into_by_its_own_tasks)
{
    WITH_WORKERS(grow_a_tree, NULL, 0);
}

static int be_present(void *arg)
{
    struct tally *tally = arg;
    int present = atomic_fetch_add(&tally->present, 1) + 1;
    int most = atomic_load(&tally->most);
    while (present > most && !atomic_compare_exchange_weak(&tally->most, &most, present))
        continue;
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(50)));
    atomic_fetch_sub(&tally->present, 1);
    return 0;
}

static int limit_to_four(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_set_limit(&group, 4));
    for (int i = 0; i < 100; i++)
        spawn(&group, be_present, tally);
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_leq(atomic_load(&tally->most), 4, "%d at once", atomic_load(&tally->most));
    cr_assert_ok(bide_group_close(&group));
    return 0;
}

Test(group, limit_is_how_many_run_at_once)
{
    struct tally tally;
    WITH_WORKERS(limit_to_four, &tally, 0);
}

/* In the order of its number, whatever the others do. */
struct turn {
    bide_group *group;
    struct tally *tally;
    int number;
    bide_event waits;
};

static atomic_int next_turn;

static int note_turn(void *arg)
{
    struct turn *turn = arg;
    cr_assert_eq(atomic_fetch_add(&next_turn, 1), turn->number);
    return 0;
}

static int spawn_in_turn(void *arg)
{
    struct turn *turn = arg;
    bide_group_spawning spawning;
    bide_group_spawning_init(&spawning, turn->group, NULL, note_turn, turn, NULL);
    bide_event_set(&turn->waits);
    int error = bide_await(&spawning.future, BIDE_NEVER);
    return error ? error : spawning.result;
}

static int wait_for_room(void *arg)
{
    enum { TURNS = 5 };
    struct tally *tally = arg;
    bide_group group;
    bide_task blocker, tasks[TURNS];
    struct turn turns[TURNS];
    clear(tally);
    atomic_store(&next_turn, 0);
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_set_limit(&group, 1));
    cr_assert_ok(bide_group_spawn(&group, &blocker, wait_for_ever, tally, NULL, BIDE_NEVER));
    while (!atomic_load(&tally->begun))
        cr_assert_ok(bide_yield());
    cr_assert_gives(bide_group_spawn(&group, NULL, nap, tally, NULL, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_group_spawn(&group, NULL, nap, tally, NULL, bide_after(BIDE_MILLISECONDS(1))),
                    BIDE_ETIMEDOUT);
    for (int i = 0; i < TURNS; i++) {
        turns[i] = (struct turn){.group = &group, .tally = tally, .number = i};
        cr_assert_ok(bide_event_init(&turns[i].waits, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_spawn(&tasks[i], spawn_in_turn, &turns[i], NULL));
        /* On the one worker we go on when it waits for room. */
        cr_assert_ok(bide_event_wait(&turns[i].waits, BIDE_NEVER));
    }
    cr_assert_ok(bide_task_cancel(blocker));
    cr_assert_ok(bide_task_detach(blocker));
    for (int i = 0; i < TURNS; i++) {
        int value = 1;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_eq(atomic_load(&next_turn), TURNS);
    cr_assert_ok(bide_group_close(&group));
    return 0;
}

Test(group, room_is_given_in_the_order_of_asking)
{
    struct tally tally;
    /* One worker: else what was spawned first need not run first. */
    bide_run_options options = {.workers = 1};
    cr_assert_ok(bide_run(wait_for_room, &tally, &options));
}

static int spawn_one_more(void *arg)
{
    struct turn *turn = arg;
    bide_event_set(&turn->waits);
    return bide_group_spawn(turn->group, NULL, nap, turn->tally, NULL, BIDE_NEVER);
}

/* Those who wait for room are cancelled, are let in by a higher limit, and learn that the group has failed. */
static int change_the_limit(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    bide_task tasks[3];
    struct turn turn = {.group = &group, .tally = tally};
    int value;
    clear(tally);
    cr_assert_ok(bide_event_init(&turn.waits, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_set_limit(&group, 1));
    spawn_waiting(&group, tally, 1);
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_spawn(&tasks[i], spawn_one_more, &turn, NULL));
        cr_assert_ok(bide_event_wait(&turn.waits, BIDE_NEVER));
    }
    cr_assert_ok(bide_task_cancel(tasks[0]));
    cr_assert_ok(bide_task_join(tasks[0], &value, BIDE_NEVER));
    cr_assert_gives(value, BIDE_ECANCELED);
    cr_assert_eq(atomic_load(&tally->ended), 0);
    cr_assert_ok(bide_group_set_limit(&group, 2));
    for (int i = 1; i < 3; i++) {
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
    while (atomic_load(&tally->ended) < 2)
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(50)));
    cr_assert_ok(bide_group_set_limit(&group, 1));
    cr_assert_ok(bide_spawn(&tasks[0], spawn_one_more, &turn, NULL));
    cr_assert_ok(bide_event_wait(&turn.waits, BIDE_NEVER));
    cr_assert_ok(bide_group_cancel(&group));
    cr_assert_ok(bide_task_join(tasks[0], &value, BIDE_NEVER));
    cr_assert_gives(value, BIDE_ECANCELED);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(tally, 1);
    return 0;
}

Test(group, those_who_wait_for_room_are_cancelled_let_in_and_told_of_failure)
{
    struct tally tally;
    WITH_WORKERS(change_the_limit, &tally, 0);
}

/* --- who may ------------------------------------------------------------------------------------------------- */

static int wait_for_itself(void *arg)
{
    bide_group group, *outer = arg;
    cr_assert_gives(bide_group_wait(outer, BIDE_NEVER), BIDE_EDEADLK);
    cr_assert_gives(bide_group_close(outer), BIDE_EDEADLK);
    cr_assert_gives(bide_group_set_limit(outer, 1), BIDE_EPERM);
    cr_assert_gives(bide_group_set_deadline(outer, BIDE_NOW), BIDE_EPERM);
    if (bide_group_error(outer) == 0) {
        cr_assert_ok(bide_group_open(&group));
        cr_assert_ok(bide_group_close(&group));
    }
    return 0;
}

static int open_below(void *arg)
{
    bide_group group;
    cr_assert_ok(bide_group_open(&group));
    spawn(&group, wait_for_itself, arg);
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    return bide_group_close(&group);
}

static int not_the_opener(void *arg)
{
    cr_assert_gives(bide_group_close(arg), BIDE_EPERM);
    return bide_group_wait(arg, BIDE_NEVER);
}

static int forbid(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    bide_task other;
    int value = 1;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn(&group, wait_for_itself, &group);
    spawn(&group, open_below, &group);
    cr_assert_ok(bide_spawn(&other, not_the_opener, &group, NULL));
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_ok(bide_task_join(other, &value, BIDE_NEVER));
    cr_assert_ok(value);
    cr_assert_ok(bide_group_close(&group));
    return 0;
}

Test(group, is_not_waited_for_by_its_own_and_closed_by_its_opener_alone)
{
    struct tally tally;
    WITH_WORKERS(forbid, &tally, 0);
}

struct outside {
    bide_scheduler scheduler;
    bide_event over;
    struct tally tally;
};

static void *group_on_a_thread(void *arg)
{
    struct outside *outside = arg;
    bide_task_options options = {.scheduler = outside->scheduler};
    bide_group group;
    cr_assert_ok(bide_group_open(&group));
    cr_assert_gives(bide_group_spawn(&group, NULL, nap, &outside->tally, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_ok(bide_group_set_limit(&group, 3));
    for (int i = 0; i < 20; i++)
        cr_assert_ok(bide_group_spawn(&group, NULL, nap, &outside->tally, &options, BIDE_NEVER));
    cr_assert_ok(bide_group_wait(&group, BIDE_NEVER));
    cr_assert_eq(atomic_load(&outside->tally.ended), 20);
    cr_assert_ok(bide_group_spawn(&group, NULL, wait_for_ever, &outside->tally, &options, BIDE_NEVER));
    cr_assert_ok(bide_group_set_deadline(&group, bide_after(BIDE_MILLISECONDS(2))));
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    cr_assert_eq(atomic_load(&outside->tally.cancelled), atomic_load(&outside->tally.begun) - 20);
    bide_event_set(&outside->over);
    return NULL;
}

static int group_outside(void *arg)
{
    struct outside *outside = arg;
    pthread_t thread;
    clear(&outside->tally);
    outside->scheduler = bide_scheduler_current();
    cr_assert_ok(bide_event_init(&outside->over, BIDE_EVENT_AUTO));
    cr_assert_eq(pthread_create(&thread, NULL, group_on_a_thread, outside), 0);
    /* On one worker the thread's tasks must have their turn. */
    cr_assert_ok(bide_event_wait(&outside->over, BIDE_NEVER));
    cr_assert_eq(pthread_join(thread, NULL), 0);
    return 0;
}

Test(group, of_a_plain_thread_has_tasks_of_a_scheduler)
{
    struct outside outside;
    WITH_WORKERS(group_outside, &outside, 0);
}

static int fork_with_a_group(void *arg)
{
    struct tally *tally = arg;
    bide_group group;
    clear(tally);
    cr_assert_ok(bide_group_open(&group));
    spawn_waiting(&group, tally, 2);
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        bool told = bide_group_wait(&group, BIDE_NEVER) == BIDE_EFORKED &&
                    bide_group_cancel(&group) == BIDE_EFORKED &&
                    bide_group_spawn(&group, NULL, nap, tally, NULL, BIDE_NEVER) == BIDE_EFORKED &&
                    bide_group_close(&group) == BIDE_EFORKED && bide_group_close(&group) == BIDE_EFREED;
        _exit(told ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
    cr_assert_gives(bide_group_close(&group), BIDE_ECANCELED);
    expect_gone(tally, 2);
    return 0;
}

Test(group, of_the_parent_is_told_as_such_in_the_child_of_a_fork)
{
    struct tally tally;
    bide_run_options options = {.workers = 1};
    cr_assert_ok(bide_run(fork_with_a_group, &tally, &options));
}

static int refuse(void *arg)
{
    bide_group group;
    (void)arg;
    cr_assert_gives(bide_group_open(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_group_close(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_group_cancel(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_group_error(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_group_wait(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_group_set_limit(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_group_set_deadline(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_group_spawn(NULL, NULL, nap, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_eq(bide_group_count(NULL), 0);
    bide_group_waiting_init(NULL, &group);
    bide_group_spawning_init(NULL, &group, NULL, nap, NULL, NULL);
    cr_assert_ok(bide_group_open(&group));
    cr_assert_gives(bide_group_spawn(&group, NULL, NULL, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    bide_task_options huge = {.stack_size = SIZE_MAX / 2};
    cr_assert_gives(bide_group_spawn(&group, NULL, nap, NULL, &huge, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_eq(bide_group_count(&group), 0);
    return bide_group_close(&group);
}

struct named {
    bide_event go_on;
    bide_task task;
    const char *name;
    int calls;
};

static int wait_to_go_on(void *arg)
{
    return bide_event_wait(arg, BIDE_NEVER);
}

/* In the waker of who waits for the group. */
static void look_at_name(void *arg)
{
    struct named *named = arg;
    const struct bide_task_record *record = named->task.record_;
    named->name = record->name;
    named->calls++;
}

static int wait_for_names(void *arg)
{
    static const bide_task_options options = {.name = "of a moment"};
    struct named named = {.name = "unseen"};
    bide_group group;
    bide_group_waiting waiting;
    bide_context cx;
    bide_waker waker = {look_at_name, &named};
    (void)arg;
    cr_assert_ok(bide_event_init(&named.go_on, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_group_open(&group));
    cr_assert_ok(bide_group_spawn(&group, &named.task, wait_to_go_on, &named.go_on, &options, BIDE_NEVER));
    bide_context_init(&cx, waker);
    bide_group_waiting_init(&waiting, &group);
    cr_assert_eq(bide_future_poll(&waiting.future, &cx), BIDE_PENDING);
    bide_event_set(&named.go_on);
    cr_assert_ok(bide_task_join(named.task, NULL, BIDE_NEVER));
    cr_assert_eq(named.calls, 1);
    cr_assert_null(named.name);
    cr_assert_eq(bide_future_poll(&waiting.future, &cx), BIDE_READY);
    cr_assert_ok(bide_group_close(&group));
    return 0;
}

Test(group, whoever_is_told_that_all_are_gone_has_their_names_again)
{
    WITH_WORKERS(wait_for_names, NULL, 0);
}

Test(group, refuses_null)
{
    WITH_WORKERS(refuse, NULL, 0);
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
