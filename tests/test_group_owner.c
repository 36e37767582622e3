/* Groups: who may wait for one, close it and spawn into it; threads, forks, misuse. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_group.h"

#include "task/task.h"

#include <sys/wait.h>

TestSuite(group, .timeout = 60);

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
    cr_assert_ok(bide_group_set_deadline(&group, bide_after(BIDE_SECONDS(30))));
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
