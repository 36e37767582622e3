/* Groups: tasks of theirs that spawn more, limits, and who gets the room. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_group.h"

TestSuite(group, .timeout = 60);

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
