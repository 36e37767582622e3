/* Tasks that hand their worker to each other, and stacks that go from one task to the next: task.h, invariants 12, 13.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"
#include "test_task.h"

#include "support/syscalls.h"

#include <bide/group.h>

#include <fenv.h>
#include <string.h>
#include <unistd.h>

TestSuite(task_turn, .timeout = 60);

static int give_back(void *arg)
{
    return (int)(intptr_t)arg;
}

/* --- what it costs -------------------------------------------------------------------------------------------- */

enum { OFTEN = 5000, WARM = 300, CROWD = 100 };

static void spawn_and_join(int count)
{
    for (int i = 0; i < count; i++)
        cr_assert_eq(run_one(give_back, (void *)(intptr_t)i, NULL), i);
}

static void spawn_crowd_and_join(int count)
{
    bide_task tasks[CROWD];
    for (int done = 0; done < count; done += CROWD) {
        for (int i = 0; i < CROWD; i++)
            cr_assert_ok(bide_spawn(&tasks[i], give_back, NULL, NULL));
        join_all(tasks, CROWD);
    }
}

static void spawn_detached(int count)
{
    for (int done = 0; done < count; done += CROWD) {
        for (int i = 0; i < CROWD; i++)
            cr_assert_ok(bide_spawn(NULL, give_back, NULL, NULL));
        cr_assert_ok(bide_yield());
    }
}

static int count_calls(void *arg)
{
    void (*const ways[])(int count) = {spawn_and_join, spawn_crowd_and_join, spawn_detached};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        ways[i](WARM);
        bide_calls_reset();
        ways[i](OFTEN);
        cr_assert_eq(bide_calls_total(), 0, "way %d: %s", i, bide_calls_text());
        cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "way %d: %s", i, bide_calls_text());
    }
    return 0;
}

Test(task_turn, spawning_in_steady_state_makes_no_call_and_allocates_nothing)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(count_calls, NULL, &one));
}

static int count_switches(void *arg)
{
    bide_scheduler_stats before_it, after_it;
    (void)arg;
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &before_it));
    spawn_and_join(OFTEN);
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &after_it));
    cr_assert_eq(after_it.total.switches - before_it.total.switches, 2 * OFTEN);
    cr_assert_eq(after_it.total.parks, before_it.total.parks);
    return 0;
}

Test(task_turn, one_that_is_spawned_and_joined_is_two_switches)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(count_switches, NULL, &one));
}

/* --- handing over --------------------------------------------------------------------------------------------- */

/* A tree of tasks, each of which joins what it has spawned. */
static int count_leaves(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    bide_task children[2];
    int leaves = 0;
    if (depth == 0) return 1;
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_spawn(&children[i], count_leaves, (void *)(depth - 1), NULL));
    for (int i = 0; i < 2; i++) {
        int value = 0;
        /* The last one first, which is not next, and the next. */
        cr_assert_ok(bide_task_join(children[depth % 2 ? 1 - i : i], &value, BIDE_NEVER));
        leaves += value;
    }
    return leaves;
}

Test(task_turn, trees_of_tasks_that_join_each_other_come_to_their_end)
{
    WITH_WORKERS(count_leaves, (void *)(intptr_t)10, 1024);
}

struct pair {
    bide_event begun, go_on;
    bide_task_function function;
    bide_task joined;
    int result, value;
};

static int wait_in_between(void *arg)
{
    struct pair *pair = arg;
    bide_event_set(&pair->begun);
    cr_assert_ok(bide_event_wait(&pair->go_on, BIDE_NEVER));
    return 7;
}

static int yield_in_between(void *arg)
{
    struct pair *pair = arg;
    bide_event_set(&pair->begun);
    while (bide_event_wait(&pair->go_on, BIDE_NOW) != 0)
        cr_assert_ok(bide_yield());
    return 7;
}

/* It is aside until the other one waits. */
static int join_it(void *arg)
{
    struct pair *pair = arg;
    pair->value = -1;
    cr_assert_ok(bide_spawn(&pair->joined, pair->function, pair, NULL));
    pair->result = bide_task_join(pair->joined, &pair->value, BIDE_NEVER);
    return 0;
}

static int join_one_that_waits(void *arg)
{
    bide_task_function *const function = arg;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        struct pair pair = {.function = *function};
        bide_task joiner;
        cr_assert_ok(bide_event_init(&pair.begun, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_event_init(&pair.go_on, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_spawn(&joiner, join_it, &pair, NULL));
        cr_assert_ok(bide_event_wait(&pair.begun, BIDE_NEVER));
        if (cancelled) {
            cr_assert_ok(bide_task_cancel(joiner));
            cr_assert_ok(bide_task_join(joiner, NULL, BIDE_NEVER));
            cr_assert_gives(pair.result, BIDE_ECANCELED);
        }
        bide_event_set(&pair.go_on);
        if (cancelled) {
            cr_assert_ok(bide_task_join(pair.joined, &pair.value, BIDE_NEVER));
        } else {
            cr_assert_ok(bide_task_join(joiner, NULL, BIDE_NEVER));
            cr_assert_ok(pair.result);
        }
        cr_assert_eq(pair.value, 7, "%d", pair.value);
    }
    return 0;
}

Test(task_turn, one_that_joins_a_task_that_waits_first_waits_too_and_can_be_cancelled)
{
    static bide_task_function waits = wait_in_between, yields = yield_in_between;
    WITH_WORKERS(join_one_that_waits, &waits, 0);
    WITH_WORKERS(join_one_that_waits, &yields, 0);
}

static int detach_oneself(void *arg)
{
    (void)arg;
    return bide_task_detach(bide_task_self());
}

static int join_one_that_detaches_itself(void *arg)
{
    bide_task task;
    (void)arg;
    for (int i = 0; i < 100; i++) {
        cr_assert_ok(bide_spawn(&task, detach_oneself, NULL, NULL));
        cr_assert_gives(bide_task_join(task, NULL, BIDE_NEVER), BIDE_EFREED);
    }
    return 0;
}

Test(task_turn, a_handle_that_is_given_up_meanwhile_is_known_as_such_to_who_joins)
{
    WITH_WORKERS(join_one_that_detaches_itself, NULL, 0);
}

struct joiners {
    bide_task joined;
    atomic_int joins, refused;
};

static int join_one_of_many(void *arg)
{
    struct joiners *joiners = arg;
    int error = bide_task_join(joiners->joined, NULL, BIDE_NEVER);
    atomic_fetch_add(error ? &joiners->refused : &joiners->joins, 1);
    if (error) cr_assert_gives(error, BIDE_EFREED);
    return 0;
}

static int join_by_many(void *arg)
{
    enum { MANY = 5 };
    bide_task others[MANY];
    (void)arg;
    for (int round = 0; round < 100; round++) {
        struct joiners joiners = {.joins = 0};
        /* Some come before it, and some behind it. */
        for (int i = 0; i < 2; i++)
            cr_assert_ok(bide_spawn(&others[i], join_one_of_many, &joiners, NULL));
        cr_assert_ok(bide_spawn(&joiners.joined, give_back, NULL, NULL));
        for (int i = 2; i < MANY; i++)
            cr_assert_ok(bide_spawn(&others[i], join_one_of_many, &joiners, NULL));
        join_all(others, MANY);
        cr_assert_eq(atomic_load(&joiners.joins), 1);
        cr_assert_eq(atomic_load(&joiners.refused), MANY - 1);
    }
    return 0;
}

Test(task_turn, of_several_that_join_one_succeeds_and_the_others_are_told)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(join_by_many, NULL, &one));
}

struct late {
    bide_event queued;
    bide_task first, second;
    int joins, refused;
};

static void join_the_second(struct late *late)
{
    int value = 0, error = bide_task_join(late->second, &value, BIDE_NEVER);
    if (error) {
        cr_assert_gives(error, BIDE_EFREED);
        late->refused++;
    } else {
        cr_assert_eq(value, 2);
        late->joins++;
    }
}

/* The second one is queued then, and the late one comes to its turn, in the slot. */
static int call_the_late_one(void *arg)
{
    struct late *late = arg;
    bide_event_set(&late->queued);
    return bide_yield();
}

static int be_second(void *arg)
{
    cr_assert_ok(run_one(call_the_late_one, arg, NULL));
    return 2;
}

static int be_first(void *arg)
{
    struct late *late = arg;
    cr_assert_ok(bide_spawn(&late->second, be_second, late, NULL));
    join_the_second(late);
    return 0;
}

static int be_late(void *arg)
{
    struct late *late = arg;
    cr_assert_ok(bide_event_wait(&late->queued, BIDE_NEVER));
    join_the_second(late);
    return 0;
}

static int join_one_with_another_aside(void *arg)
{
    struct late late = {.joins = 0};
    bide_task others[2];
    (void)arg;
    cr_assert_ok(bide_event_init(&late.queued, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&others[0], be_late, &late, NULL));
    cr_assert_ok(bide_yield());
    cr_assert_ok(bide_spawn(&others[1], be_first, &late, NULL));
    join_all(others, 2);
    cr_assert_eq(late.joins, 1);
    cr_assert_eq(late.refused, 1);
    return 0;
}

Test(task_turn, a_second_one_that_joins_what_another_one_is_aside_for_leaves_that_in_its_place)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(join_one_with_another_aside, NULL, &one));
}

enum { BY_HANDLE, BY_GROUP, BY_DETACHING, WAYS };

struct computing {
    _Atomic bool begun, stop;
    bide_task task;
    int result, joined;
};

/* It neither waits nor yields. */
static int compute(void *arg)
{
    struct computing *computing = arg;
    atomic_store(&computing->begun, true);
    while (!atomic_load(&computing->stop))
        continue;
    return 7;
}

static int join_one_that_computes(void *arg)
{
    struct computing *computing = arg;
    cr_assert_ok(bide_spawn(&computing->task, compute, computing, NULL));
    computing->result = bide_task_join(computing->task, NULL, BIDE_NEVER);
    atomic_store(&computing->stop, true);
    bide_shield();
    computing->joined = bide_task_join(computing->task, NULL, BIDE_NEVER);
    bide_unshield();
    return 0;
}

static int tell_who_joins(void *arg)
{
    (void)arg;
    for (int way = 0; way < WAYS; way++) {
        struct computing computing = {.result = 1};
        bide_group group;
        bide_task joiner;
        cr_assert_ok(bide_group_open(&group));
        cr_assert_ok(bide_group_spawn(&group, &joiner, join_one_that_computes, &computing, NULL, BIDE_NEVER));
        /* This worker is busy, so that the other one runs both. */
        while (!atomic_load(&computing.begun))
            continue;
        if (way == BY_HANDLE) cr_assert_ok(bide_task_cancel(joiner));
        if (way == BY_GROUP) cr_assert_ok(bide_group_cancel(&group));
        if (way == BY_DETACHING) cr_assert_ok(bide_task_detach(computing.task));
        cr_assert_ok(bide_task_join(joiner, NULL, BIDE_NEVER));
        cr_assert_gives(computing.result, way == BY_DETACHING ? BIDE_EFREED : BIDE_ECANCELED);
        cr_assert_gives(computing.joined, way == BY_DETACHING ? BIDE_EFREED : 0);
        cr_assert_gives(bide_group_close(&group), way == BY_GROUP ? BIDE_ECANCELED : 0);
        /* One that was detached looks at this until it has ended. */
        while (way == BY_DETACHING && bide_task_cancel(computing.task) == 0)
            cr_assert_ok(bide_yield());
    }
    return 0;
}

Test(task_turn, one_that_joins_is_told_while_the_other_one_computes)
{
    bide_run_options two = {.workers = 2};
    cr_assert_ok(bide_run(tell_who_joins, NULL, &two));
}

static int cancel_who_is_aside(void *arg)
{
    cr_assert_ok(bide_task_cancel(*(bide_task *)arg));
    return 3;
}

static int be_cancelled_by_the_joined(void *arg)
{
    bide_task self = bide_task_self(), task;
    int value = 0;
    (void)arg;
    bide_shield();
    cr_assert_eq(run_one(cancel_who_is_aside, &self, NULL), 3);
    cr_assert_eq(run_one(cancel_who_is_aside, &self, NULL), 3);
    bide_unshield();
    cr_assert_ok(bide_spawn(&task, cancel_who_is_aside, &self, NULL));
    cr_assert_gives(bide_task_join(task, NULL, BIDE_NEVER), BIDE_ECANCELED);
    bide_shield();
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    cr_assert_eq(value, 3);
    bide_unshield();
    return 0;
}

static int be_cancelled_by_several(void *arg)
{
    for (int i = 0; i < 100; i++)
        cr_assert_ok(run_one(be_cancelled_by_the_joined, arg, NULL));
    return 0;
}

Test(task_turn, one_that_is_cancelled_by_whom_it_joins_joins_it_under_a_shield)
{
    WITH_WORKERS(be_cancelled_by_several, NULL, 0);
}

static int dump_to(void *arg)
{
    cr_assert_ok(bide_dump(*(int *)arg));
    return 0;
}

static int dump_while_joined(void *arg)
{
    char text[4096];
    int ends[2];
    (void)arg;
    cr_assert_eq(pipe(ends), 0);
    cr_assert_ok(run_one(dump_to, &ends[1], NULL));
    ssize_t length = read(ends[0], text, sizeof text - 1);
    cr_assert_gt(length, 0);
    text[length] = '\0';
    cr_assert_not_null(strstr(text, "\"main\", joins one that has not waited yet, spawned at "), "%s", text);
    cr_assert_eq(close(ends[0]) + close(ends[1]), 0);
    return 0;
}

Test(task_turn, a_dump_tells_of_one_that_joins_what_runs)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(dump_while_joined, NULL, &one));
}

/* --- stacks --------------------------------------------------------------------------------------------------- */

static int read_rounding(void *arg)
{
    (void)arg;
    return fegetround();
}

static int change_rounding(void *arg)
{
    (void)arg;
    return fesetround(FE_DOWNWARD);
}

static int spawn_with_modes(void *arg)
{
    static const int modes[] = {FE_UPWARD, FE_TONEAREST, FE_TOWARDZERO};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fesetround(modes[i]), 0);
        cr_assert_eq(run_one(change_rounding, NULL, NULL), 0);
        cr_assert_eq(run_one(read_rounding, NULL, NULL), modes[i]);
        cr_assert_eq(fegetround(), modes[i]);
    }
    cr_assert_eq(fesetround(FE_TONEAREST), 0);
    return 0;
}

Test(task_turn, a_task_on_the_stack_of_another_begins_with_the_modes_of_its_spawner)
{
    WITH_WORKERS(spawn_with_modes, NULL, 0);
}
