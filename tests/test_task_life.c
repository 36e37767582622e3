/* The ends of tasks: joining, cancelling at bad moments, clean-up, deadlines that are kept from one wait to the next.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"
#include "test_task.h"

#include "task/task.h"

TestSuite(task_life, .timeout = 60);

#if defined(BIDE_TEST_TSAN) || defined(BIDE_TEST_ASAN)
enum { ROUNDS = 200 };
#else
enum { ROUNDS = 1000 };
#endif

/* --- joining -------------------------------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int sleep_shortly(void *arg)
{
    (void)arg;
    return bide_sleep(BIDE_MICROSECONDS(20));
}

static int set_and_wait_for_ever(void *arg)
{
    bide_event_set(arg);
    cr_assert_gives(bide_sleep_until(BIDE_NEVER), BIDE_ECANCELED);
    bide_event_set(arg);
    return 0;
}

static int set_later(void *arg)
{
    int error = bide_yield();
    bide_event_set(arg);
    return error;
}

static int tree(void *arg)
{
    int depth = *(int *)arg, below = depth - 1;
    bide_task children[10];
    int sum = 1;
    if (depth == 0) return 1;
    for (int i = 0; i < 10; i++)
        cr_assert_ok(bide_spawn(&children[i], tree, &below, NULL));
    for (int i = 0; i < 10; i++) {
        int value = 0;
        cr_assert_ok(bide_task_join(children[i], &value, BIDE_NEVER));
        sum += value;
    }
    return sum;
}

Test(task_life, one_joins_ten_of_which_each_joins_ten_on_four_workers)
{
    bide_run_options four = {.workers = 4};
    int depth = 2;
    cr_assert_gives(bide_run(tree, &depth, &four), 111);
}

static int join_oneself(void *arg)
{
    (void)arg;
    return bide_task_join(bide_task_self(), NULL, BIDE_NEVER);
}

static int told;

/* Also as a future, and by whom nobody else can join. */
static int join_oneself_and_tell(void *arg)
{
    bide_task_joining joining;
    bide_task_joining_init(&joining, bide_task_self());
    cr_assert_ok(bide_await(&joining.future, BIDE_NEVER));
    told = joining.result == BIDE_EDEADLK ? join_oneself(NULL) : joining.result;
    if (arg) bide_event_set(arg);
    return 0;
}

static int spawn_without_a_handle(void *arg)
{
    bide_event done;
    (void)arg;
    cr_assert_ok(bide_event_init(&done, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(NULL, join_oneself_and_tell, &done, NULL));
    cr_assert_ok(bide_event_wait(&done, BIDE_NEVER));
    cr_assert_gives(told, BIDE_EDEADLK);
    return 0;
}

Test(task_life, oneself_cannot_be_joined_either_where_nobody_holds_the_handle)
{
    WITH_WORKERS(join_oneself_and_tell, NULL, 0);
    cr_assert_gives(told, BIDE_EDEADLK);
    WITH_WORKERS(spawn_without_a_handle, NULL, 0);
}

static int join_others(void *arg)
{
    bide_task task;
    (void)arg;
    cr_assert_ok(bide_spawn(&task, join_oneself, NULL, NULL));
    int value = 0;
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    cr_assert_eq(value, BIDE_EDEADLK);
    cr_assert_gives(bide_task_join(task, &value, BIDE_NEVER), BIDE_EFREED);
    /* One that nobody holds is not to be joined. */
    cr_assert_eq(run_one(join_oneself, NULL, NULL), BIDE_EDEADLK);
    cr_assert_ok(bide_spawn(&task, nothing, NULL, NULL));
    cr_assert_ok(bide_task_detach(task));
    cr_assert_gives(bide_task_join(task, NULL, BIDE_NEVER), BIDE_EFREED);
    cr_assert_gives(bide_task_detach(task), BIDE_EFREED);
    return 0;
}

Test(task_life, oneself_and_what_was_joined_or_detached_cannot_be_joined)
{
    WITH_WORKERS(join_others, NULL, 0);
}

static atomic_int joined, refused;

static int try_to_join(void *arg)
{
    int error = bide_task_join(*(bide_task *)arg, NULL, BIDE_NEVER);
    cr_assert(error == 0 || error == BIDE_EFREED, "%s", bide_error_name(error));
    atomic_fetch_add(error ? &refused : &joined, 1);
    return 0;
}

/* Joiners of all kinds: tasks, of which the first has a place of its own, and the main one in a race. */
static int join_all_at_once(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        bide_task task, joiners[3];
        atomic_store(&joined, 0);
        atomic_store(&refused, 0);
        cr_assert_ok(bide_spawn(&task, round % 2 ? nothing : sleep_shortly, NULL, NULL));
        for (int i = 0; i < 3; i++)
            cr_assert_ok(bide_spawn(&joiners[i], try_to_join, &task, NULL));
        bide_task_joining joining;
        bide_timer timer;
        bide_task_joining_init(&joining, task);
        bide_timer_after(&timer, BIDE_MICROSECONDS(round % 3 ? 1 : 200));
        bide_future *both[] = {&joining.future, &timer.future};
        int first = bide_race(both, 2);
        cr_assert_geq(first, 0);
        if (first == 0) atomic_fetch_add(joining.result ? &refused : &joined, 1);
        if (round % 5 == 0 && bide_task_detach(task) == 0) atomic_fetch_add(&joined, 1);
        join_all(joiners, 3);
        cr_assert_eq(atomic_load(&joined), 1);
    }
    return 0;
}

Test(task_life, of_several_who_join_one_does_and_the_others_are_told)
{
    WITH_WORKERS(join_all_at_once, NULL, 0);
}

static int detach_what_is_awaited(void *arg)
{
    bide_task task, first, second;
    bide_event began;
    (void)arg;
    cr_assert_ok(bide_event_init(&began, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&task, set_and_wait_for_ever, &began, NULL));
    cr_assert_ok(bide_event_wait(&began, BIDE_NEVER));
    atomic_store(&refused, 0);
    cr_assert_ok(bide_spawn(&first, try_to_join, &task, NULL));
    cr_assert_ok(bide_spawn(&second, try_to_join, &task, NULL));
    /* So that they wait, with one worker at least. */
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(2)));
    cr_assert_ok(bide_task_detach(task));
    cr_assert_ok(bide_task_join(first, NULL, BIDE_NEVER));
    cr_assert_ok(bide_task_join(second, NULL, BIDE_NEVER));
    cr_assert_eq(atomic_load(&refused), 2);
    /* It runs still. */
    cr_assert_ok(bide_task_cancel(task));
    return bide_event_wait(&began, BIDE_NEVER);
}

Test(task_life, those_who_wait_to_join_are_told_at_once_when_the_handle_is_given_up)
{
    WITH_WORKERS(detach_what_is_awaited, NULL, 0);
}

/* --- handles ---------------------------------------------------------------------------------------------------- */

static int give_oneself(void *arg)
{
    *(bide_task *)arg = bide_task_self();
    return bide_sleep_until(BIDE_NEVER);
}

static int number_tasks(void *arg)
{
    enum { MANY = 500 };
    static uint64_t ids[MANY];
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        bide_task task, self = {NULL, 0};
        cr_assert_ok(bide_spawn(&task, give_oneself, &self, NULL));
        while (!self.record_)
            cr_assert_ok(bide_yield());
        ids[i] = bide_task_id(task);
        cr_assert_eq(bide_task_id(self), ids[i]);
        cr_assert_neq(ids[i], 0);
        for (int k = 0; k < i; k++)
            cr_assert_neq(ids[k], ids[i]);
        cr_assert_ok(bide_task_cancel(self));
        int value = 0;
        cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
        cr_assert_eq(value, BIDE_ECANCELED);
        cr_assert_gives(bide_task_cancel(self), BIDE_EFREED);
    }
    return 0;
}

Test(task_life, each_task_has_a_number_of_its_own_and_a_handle_of_itself)
{
    bide_run_options one = {.workers = 1};
    bide_task none = {NULL, 0};
    cr_assert_eq(bide_task_id(none), 0);
    cr_assert_eq(bide_task_id(bide_task_self()), 0);
    cr_assert_eq(bide_task_worker(), 0);
    cr_assert_ok(bide_run(number_tasks, NULL, &one));
}

static int detach_and_cancel(void *arg)
{
    bide_task task;
    bide_event began;
    (void)arg;
    cr_assert_ok(bide_event_init(&began, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&task, set_and_wait_for_ever, &began, NULL));
    cr_assert_ok(bide_event_wait(&began, BIDE_NEVER));
    cr_assert_ok(bide_task_detach(task));
    cr_assert_ok(bide_task_cancel(task));
    return bide_event_wait(&began, BIDE_NEVER);
}

Test(task_life, a_detached_task_is_cancelled_by_its_handle_while_it_runs)
{
    WITH_WORKERS(detach_and_cancel, NULL, 0);
}

/* --- cancelling ------------------------------------------------------------------------------------------------- */

static int wait_or_be_cancelled(void *arg)
{
    int error = bide_event_wait(arg, BIDE_NEVER);
    cr_assert(error == 0 || error == BIDE_ECANCELED, "%s", bide_error_name(error));
    /* An event that was taken by one who was cancelled is not lost: it is set again. */
    if (error == 0) bide_event_set(arg);
    return error;
}

struct disturbed {
    bide_task task;
    bide_event *event;
};

static int cancel_it(void *arg)
{
    return bide_task_cancel(((struct disturbed *)arg)->task);
}

static int set_it(void *arg)
{
    bide_event_set(((struct disturbed *)arg)->event);
    return 0;
}

static int cancel_during_wakes(void *arg)
{
    int results[2] = {0, 0};
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        bide_event event;
        bide_task others[2];
        struct disturbed disturbed = {.event = &event};
        int value = 1;
        cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_spawn(&disturbed.task, wait_or_be_cancelled, &event, NULL));
        if (round % 3) cr_assert_ok(bide_yield());
        cr_assert_ok(bide_spawn(&others[0], round % 2 ? cancel_it : set_it, &disturbed, NULL));
        cr_assert_ok(bide_spawn(&others[1], round % 2 ? set_it : cancel_it, &disturbed, NULL));
        join_all(others, 2);
        cr_assert_ok(bide_task_join(disturbed.task, &value, BIDE_NEVER));
        results[value == 0]++;
        /* Whoever had the event has given it back. */
        cr_assert_ok(bide_event_wait(&event, BIDE_NOW));
    }
    cr_assert_eq(results[0] + results[1], ROUNDS);
    return 0;
}

Test(task_life, a_cancel_that_meets_a_wake_loses_neither)
{
    WITH_WORKERS(cancel_during_wakes, NULL, 0);
}

static int yield_until_cancelled(void *arg)
{
    (void)arg;
    while (bide_yield() == 0)
        continue;
    return 3;
}

static int cancel_what_is_stolen(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS / 10; round++) {
        bide_task tasks[20];
        for (int i = 0; i < 20; i++)
            cr_assert_ok(bide_spawn(&tasks[i], yield_until_cancelled, NULL, NULL));
        if (round % 2) cr_assert_ok(bide_yield());
        for (int i = 0; i < 20; i++)
            cr_assert_ok(bide_task_cancel(tasks[i]));
        for (int i = 0; i < 20; i++) {
            int value = 0;
            cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
            cr_assert(value == 3 || value == BIDE_ECANCELED, "%d", value);
        }
    }
    return 0;
}

Test(task_life, tasks_are_cancelled_while_they_are_queued_and_stolen)
{
    WITH_WORKERS(cancel_what_is_stolen, NULL, 0);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static struct bide_task_record *record_of(bide_task task)
{
    return task.record_;
}

static bool runs(struct bide_task_record *record)
{
    return (atomic_load(&record->life) & BIDE_TASK_RUNS) != 0;
}

static int wait_for(void *event)
{
    return bide_event_wait(event, BIDE_NEVER);
}

static int end_before_its_name_does(void *arg)
{
    char name[] = "of a moment";
    bide_task_options options = {.name = name};
    bide_task task;
    bide_event go_on;
    (void)arg;
    cr_assert_ok(bide_event_init(&go_on, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&task, wait_for, &go_on, &options));
    cr_assert(bide_record_pin(record_of(task), task.generation_));
    cr_assert_eq(record_of(task)->name, name);
    bide_event_set(&go_on);
    cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    /* Who dumps has it pinned now. */
    cr_assert_null(record_of(task)->name);
    bide_record_unpin(record_of(task));
    return 0;
}

Test(task_life, a_name_is_its_makers_again_when_the_task_is_gone)
{
    WITH_WORKERS(end_before_its_name_does, NULL, 0);
}

/* The main task's record becomes another's, who was let in before the end began. */
enum { SPAWNERS = 16 };

static struct {
    bide_scheduler scheduler;
    bide_task task;
    bide_event begun, go_on;
    struct worker runner, spawners[SPAWNERS];
} reuse;

static int wait_for_the_others(void *arg)
{
    (void)arg;
    reuse.scheduler = bide_scheduler_current();
    reuse.task = bide_task_self();
    bide_event_set(&reuse.begun);
    cr_assert_ok(bide_event_wait(&reuse.go_on, BIDE_NEVER));
    return 42;
}

static void run_main(struct worker *worker)
{
    static const bide_run_options one = {.workers = 1};
    worker->result = bide_run(wait_for_the_others, NULL, &one);
}

static void spawn_late(struct worker *worker)
{
    bide_task_options options = {.scheduler = reuse.scheduler};
    worker->result = bide_spawn(NULL, nothing, NULL, &options);
}

Test(task_life, a_task_that_has_the_main_tasks_record_after_it_does_not_end_the_run_again)
{
    cr_assert_ok(bide_event_init(&reuse.begun, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&reuse.go_on, BIDE_EVENT_AUTO));
    worker_start(&reuse.runner, run_main, NULL);
    cr_assert_ok(bide_event_wait(&reuse.begun, BIDE_NEVER));
    struct bide_task_record *record = record_of(reuse.task);
    cr_assert(bide_record_pin(record, reuse.task.generation_));
    /* They are let in, and wait for records. */
    bide_record_lock();
    for (int i = 0; i < SPAWNERS; i++) {
        worker_start(&reuse.spawners[i], spawn_late, NULL);
        await_asleep(&reuse.spawners[i]);
    }
    bide_event_set(&reuse.go_on);
    AWAIT(!runs(record));
    await_asleep(&reuse.runner);
    bide_record_unlock();
    /* It is free before the last of those who wait for the lock is awake. */
    bide_record_unpin(record);
    for (int i = 0; i < SPAWNERS; i++)
        cr_assert_ok(worker_join(&reuse.spawners[i]));
    cr_assert_eq(worker_join(&reuse.runner), 42);
    cr_assert_ok(bide_shutdown());
}

enum { OTHERS = 200 };

static int give_up_soon(void *arg)
{
    return arg ? bide_task_detach(bide_task_self()) : 0;
}

/* Its end is that of its handle, or its handle has gone before. */
static int use_up_a_record(void *arg)
{
    bide_task task, others[OTHERS];
    int gone = arg ? BIDE_EFREED : 0;
    cr_assert_ok(bide_spawn(&task, nothing, NULL, NULL));
    cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    struct bide_task_record *record = record_of(task);
    atomic_store(&record->life, (uint64_t)UINT32_MAX << 32);
    cr_assert_ok(bide_spawn(&task, give_up_soon, arg, NULL));
    cr_assert_eq(record_of(task), record);
    cr_assert_eq(task.generation_, UINT32_MAX);
    cr_assert_gives(bide_task_join(task, NULL, BIDE_NEVER), gone);
    for (int i = 0; i < OTHERS; i++) {
        cr_assert_ok(bide_spawn(&others[i], nothing, NULL, NULL));
        cr_assert_neq(record_of(others[i]), record);
    }
    for (int i = 0; i < OTHERS; i++)
        cr_assert_ok(bide_task_join(others[i], NULL, BIDE_NEVER));
    cr_assert_gives(bide_task_cancel(task), BIDE_EFREED);
    return 0;
}

Test(task_life, a_record_serves_no_task_more_than_it_has_generations)
{
    static int gone;
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(use_up_a_record, NULL, &one));
    cr_assert_ok(bide_run(use_up_a_record, &gone, &one));
}

/* --- clean-up --------------------------------------------------------------------------------------------------- */

static atomic_int cleaned;

static void yield_and_count(void *arg)
{
    (void)arg;
    bide_shield();
    for (int i = 0; i < 10; i++)
        cr_assert_ok(bide_yield());
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
    bide_unshield();
    cr_assert_gives(bide_yield(), BIDE_ECANCELED);
    atomic_fetch_add(&cleaned, 1);
}

static int sleep_till_the_end(void *arg)
{
    cr_assert_ok(bide_defer(yield_and_count, NULL));
    atomic_fetch_add((atomic_int *)arg, 1);
    return bide_sleep(LONG);
}

static int leave_sleepers(void *arg)
{
    static atomic_int asleep;
    (void)arg;
    atomic_store(&asleep, 0);
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_spawn(NULL, sleep_till_the_end, &asleep, NULL));
    while (atomic_load(&asleep) < 100)
        cr_assert_ok(bide_yield());
    return 0;
}

Test(task_life, sleepers_are_cancelled_at_the_end_and_yield_in_their_clean_up)
{
    WITH_WORKERS(leave_sleepers, NULL, 0);
    cr_assert_eq(atomic_load(&cleaned), 300);
}

/* --- deadlines ------------------------------------------------------------------------------------------------- */

static int keep_a_deadline(void *arg)
{
    bide_event event;
    bide_reactor_stats before_it, after_it;
    (void)arg;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    /* Waits that end before it leave the timer where it is. */
    before_it = stats_now();
    for (int i = 0; i < 1000; i++) {
        bide_task setter;
        cr_assert_ok(bide_spawn(&setter, set_later, &event, NULL));
        cr_assert_ok(bide_event_wait(&event, bide_after(LONG)));
        cr_assert_ok(bide_task_join(setter, NULL, bide_after(LONG)));
    }
    after_it = stats_now();
    cr_assert_eq(after_it.timers_pending, before_it.timers_pending + 1, "%zu", after_it.timers_pending);
    cr_assert_eq(after_it.timers, before_it.timers);

    /* An earlier one moves it, a later one is kept though it fires before. */
    for (int i = 0; i < 3; i++) {
        bide_instant deadline = bide_after(BIDE_MILLISECONDS(i == 1 ? 2 : 5));
        cr_assert_gives(bide_event_wait(&event, deadline), BIDE_ETIMEDOUT);
        cr_assert(!bide_before(bide_now(), deadline));
    }
    bide_instant early = bide_after(BIDE_MILLISECONDS(2)), late = bide_after(BIDE_MILLISECONDS(20));
    bide_event_set(&event);
    cr_assert_ok(bide_event_wait(&event, early));
    cr_assert_gives(bide_event_wait(&event, late), BIDE_ETIMEDOUT);
    cr_assert(!bide_before(bide_now(), late));
    return 0;
}

static int keep_deadlines(void *arg)
{
    (void)arg;
    cr_assert_ok(run_one(keep_a_deadline, NULL, NULL));
    /* It went with the task. */
    cr_assert_eq(stats_now().timers_pending, 0);
    return 0;
}

Test(task_life, a_deadline_stays_armed_from_one_wait_to_the_next)
{
    WITH_WORKERS(keep_deadlines, NULL, 0);
}
