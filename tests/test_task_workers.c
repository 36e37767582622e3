/* Which worker runs a task, and when: pinned tasks, several schedulers, threads outside, the reactor's turns.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_background.h"
#include "test_task.h"

TestSuite(task_workers, .timeout = 60);

static atomic_bool released;

static int spin_until_released(void *arg)
{
    (void)arg;
    while (!atomic_load(&released))
        continue;
    return 0;
}

/* --- many queued -------------------------------------------------------------------------------------------- */

static int numbers[300];
static int ran;

static int note_number(void *arg)
{
    numbers[ran++] = (int)((int *)arg - numbers);
    return 0;
}

static int overflow_the_ring(void *arg)
{
    bide_task tasks[300];
    bool seen[300] = {false};
    (void)arg;
    ran = 0;
    for (int i = 0; i < 300; i++)
        cr_assert_ok(bide_spawn(&tasks[i], note_number, &numbers[i], NULL));
    join_all(tasks, 300);
    cr_assert_eq(ran, 300);
    for (int i = 0; i < 300; i++) {
        cr_assert(!seen[numbers[i]], "%d ran twice", numbers[i]);
        seen[numbers[i]] = true;
    }
    return 0;
}

Test(task_workers, three_hundred_spawned_at_once_overflow_the_ring_and_each_runs_once)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(overflow_the_ring, NULL, &one));
}

static int release_when_woken(void *arg)
{
    cr_assert_ok(bide_event_wait(arg, BIDE_NEVER));
    atomic_store(&released, true);
    return 0;
}

static int wake_and_compute(void *arg)
{
    (void)arg;
    for (int round = 0; round < 300; round++) {
        bide_event event;
        bide_task task;
        atomic_store(&released, false);
        cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_spawn(&task, release_when_woken, &event, NULL));
        cr_assert_ok(bide_yield());
        bide_event_set(&event);
        (void)spin_until_released(NULL);
        cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    }
    return 0;
}

Test(task_workers, one_that_is_woken_by_a_task_that_computes_on_is_taken_up_by_an_idle_worker)
{
    bide_run_options two = {.workers = 2};
    cr_assert_ok(bide_run(wake_and_compute, NULL, &two));
}

/* --- pinned --------------------------------------------------------------------------------------------------- */

static int stay_on_one(void *arg)
{
    unsigned worker = bide_task_worker();
    pthread_t thread = pthread_self();
    if (arg) cr_assert_eq(worker, *(unsigned *)arg);
    for (int i = 0; i < 200; i++) {
        cr_assert_ok(i % 20 ? bide_yield() : bide_sleep(BIDE_MICROSECONDS(100)));
        cr_assert_eq(bide_task_worker(), worker);
        cr_assert(pthread_equal(pthread_self(), thread));
    }
    return 0;
}

static int wander(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        cr_assert_ok(bide_yield());
    return 0;
}

static int pin_some(void *arg)
{
    unsigned workers = *(unsigned *)arg;
    bide_task tasks[24];
    unsigned home[24];
    int count = 0;
    for (unsigned i = 0; i < 8; i++) {
        home[count] = i % workers + 1;
        bide_task_options to_one = {.worker = home[count]}, here = {.pinned = true};
        cr_assert_ok(bide_spawn(&tasks[count], stay_on_one, &home[count], &to_one));
        count++;
        cr_assert_ok(bide_spawn(&tasks[count++], stay_on_one, NULL, &here));
        cr_assert_ok(bide_spawn(&tasks[count++], wander, NULL, NULL));
    }
    join_all(tasks, count);
    bide_task_options none = {.worker = workers + 1};
    cr_assert_gives(bide_spawn(NULL, wander, NULL, &none), BIDE_EINVAL);
    return 0;
}

Test(task_workers, a_pinned_task_stays_on_its_worker)
{
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        bide_run_options options = {.workers = workers};
        cr_assert_ok(bide_run(pin_some, &workers, &options));
    }
}

static int pin_to_a_busy_one(void *arg)
{
    bide_task spinner, pinned;
    (void)arg;
    atomic_store(&released, false);
    bide_task_options first = {.worker = 1}, second = {.worker = 2};
    cr_assert_ok(bide_spawn(&spinner, spin_until_released, NULL, bide_task_worker() == 1 ? &second : &first));
    cr_assert_ok(bide_spawn(&pinned, wander, NULL, bide_task_worker() == 1 ? &second : &first));
    /* This task's worker is idle now, and takes neither. */
    cr_assert_gives(bide_task_join(pinned, NULL, bide_after(BIDE_MILLISECONDS(20))), BIDE_ETIMEDOUT);
    atomic_store(&released, true);
    cr_assert_ok(bide_task_join(pinned, NULL, BIDE_NEVER));
    return bide_task_join(spinner, NULL, BIDE_NEVER);
}

Test(task_workers, a_pinned_task_is_not_stolen_from_a_busy_worker)
{
    bide_run_options two = {.workers = 2};
    cr_assert_ok(bide_run(pin_to_a_busy_one, NULL, &two));
}

static int wait_for_event(void *arg)
{
    cr_assert_ok(bide_event_wait(arg, BIDE_NEVER));
    return (int)bide_task_worker();
}

static int wake_a_pinned_one(void *arg)
{
    (void)arg;
    for (unsigned round = 0; round < 200; round++) {
        bide_event event;
        bide_task task;
        int value = 0;
        bide_task_options to_one = {.worker = round % 4 + 1};
        cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_spawn(&task, wait_for_event, &event, &to_one));
        if (round % 2) cr_assert_ok(bide_yield());
        bide_event_set(&event);
        cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
        cr_assert_eq(value, (int)to_one.worker);
    }
    return 0;
}

Test(task_workers, a_pinned_task_is_woken_on_its_own_worker_by_tasks_on_others)
{
    bide_run_options four = {.workers = 4};
    cr_assert_ok(bide_run(wake_a_pinned_one, NULL, &four));
}

static void *set_from_outside(void *arg)
{
    bide_event *events = arg;
    for (int i = 0; i < 100; i++) {
        cr_assert_ok(bide_event_wait(&events[0], BIDE_NEVER));
        bide_event_set(&events[1]);
    }
    return NULL;
}

static int wait_a_hundred_times(void *arg)
{
    bide_event *events = arg;
    for (int i = 0; i < 100; i++) {
        bide_event_set(&events[0]);
        cr_assert_ok(bide_event_wait(&events[1], BIDE_NEVER));
    }
    return (int)bide_task_worker();
}

static int wake_from_outside(void *arg)
{
    bide_event events[2];
    pthread_t thread;
    bide_task_options second = {.worker = 2};
    (void)arg;
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_event_init(&events[i], BIDE_EVENT_AUTO));
    cr_assert_eq(pthread_create(&thread, NULL, set_from_outside, events), 0);
    cr_assert_eq(run_one(wait_a_hundred_times, events, &second), 2);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    return 0;
}

Test(task_workers, a_pinned_task_is_woken_by_threads_outside_while_its_worker_sleeps)
{
    bide_run_options two = {.workers = 2};
    cr_assert_ok(bide_run(wake_from_outside, NULL, &two));
}

/* --- numbers of workers ---------------------------------------------------------------------------------------- */

static int count_workers(void *arg)
{
    bide_scheduler_stats stats;
    (void)arg;
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &stats));
    cr_assert_geq(bide_task_worker(), 1);
    cr_assert_leq(bide_task_worker(), stats.workers);
    return (int)stats.workers;
}

Test(task_workers, from_one_to_sixty_four_run_and_end)
{
    static const unsigned counts[] = {1, 2, 3, 63, 64};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        bide_run_options options = {.workers = counts[i]};
        cr_assert_gives(bide_run(count_workers, NULL, &options), (int)counts[i]);
    }
}

/* --- several schedulers ---------------------------------------------------------------------------------------- */

struct side {
    bide_event *mine, *other;
    bool first;
};

static int play(void *arg)
{
    const struct side *side = arg;
    for (int i = 0; i < 500; i++) {
        if (side->first) bide_event_set(side->other);
        cr_assert_ok(bide_event_wait(side->mine, BIDE_NEVER));
        if (!side->first) bide_event_set(side->other);
    }
    return 11;
}

static void *run_side(void *arg)
{
    bide_run_options two = {.workers = 2};
    cr_assert_gives(bide_run(play, arg, &two), 11);
    return NULL;
}

Test(task_workers, tasks_of_several_schedulers_wake_each_other)
{
    bide_event events[2];
    pthread_t threads[2];
    struct side sides[2];
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_event_init(&events[i], BIDE_EVENT_AUTO));
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){&events[i], &events[1 - i], i == 0};
        cr_assert_eq(pthread_create(&threads[i], NULL, run_side, &sides[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
}

/* --- threads outside, and the end ------------------------------------------------------------------------------ */

struct outsider {
    bide_scheduler scheduler;
    bide_event has_it, may_end;
    atomic_int spawned, began, dropped;
};

static int begin(void *arg)
{
    atomic_fetch_add(&((struct outsider *)arg)->began, 1);
    return 0;
}

static void drop_it(void *arg)
{
    atomic_fetch_add(&((struct outsider *)arg)->dropped, 1);
}

/* Until it is told that the scheduler has ended. */
static void *spawn_until_the_end(void *arg)
{
    struct outsider *outsider = arg;
    cr_assert_ok(bide_event_wait(&outsider->has_it, BIDE_NEVER));
    bide_task_options options = {.scheduler = outsider->scheduler, .drop = drop_it};
    int error;
    while ((error = bide_spawn(NULL, begin, outsider, &options)) == 0)
        if (atomic_fetch_add(&outsider->spawned, 1) == 10) bide_event_set(&outsider->may_end);
    cr_assert_gives(error, BIDE_ECANCELED);
    return NULL;
}

static int end_amid_spawns(void *arg)
{
    struct outsider *outsider = arg;
    outsider->scheduler = bide_scheduler_current();
    bide_event_set(&outsider->has_it);
    return bide_event_wait(&outsider->may_end, BIDE_NEVER);
}

Test(task_workers, a_thread_that_spawns_while_the_scheduler_ends_is_told_and_what_it_spawned_is_gone)
{
    for (int round = 0; round < 60; round++) {
        struct outsider outsider = {.scheduler = {NULL, 0}};
        pthread_t thread;
        bide_run_options options = {.workers = worker_counts[round % 3]};
        cr_assert_ok(bide_event_init(&outsider.has_it, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_event_init(&outsider.may_end, BIDE_EVENT_AUTO));
        cr_assert_eq(pthread_create(&thread, NULL, spawn_until_the_end, &outsider), 0);
        cr_assert_ok(bide_run(end_amid_spawns, &outsider, &options));
        cr_assert_eq(pthread_join(thread, NULL), 0);
        cr_assert_eq(atomic_load(&outsider.spawned),
                     atomic_load(&outsider.began) + atomic_load(&outsider.dropped));
    }
}

static int give_scheduler(void *arg)
{
    *(bide_scheduler *)arg = bide_scheduler_current();
    return 0;
}

Test(task_workers, a_scheduler_that_has_ended_is_known_as_such_for_ever)
{
    bide_scheduler first, later;
    bide_run_options one = {.workers = 1};
    bide_scheduler_stats stats;
    cr_assert_ok(bide_run(give_scheduler, &first, &one));
    for (int i = 0; i < 10; i++) {
        bide_task_options options = {.scheduler = first};
        cr_assert_gives(bide_spawn(NULL, begin, NULL, &options), BIDE_ECANCELED);
        cr_assert_gives(bide_scheduler_stats_read(first, &stats), BIDE_EFREED);
        cr_assert_ok(bide_run(give_scheduler, &later, &one));
    }
}

static void *set_event(void *arg)
{
    bide_event_set(arg);
    return NULL;
}

static int wait_for_a_thread(void *arg)
{
    return bide_event_wait(arg, BIDE_NEVER);
}

/* The thread may be on its way out of the wake when the scheduler is freed. */
Test(task_workers, a_thread_that_wakes_the_last_task_does_not_touch_the_scheduler_afterwards)
{
    for (int round = 0; round < 300; round++) {
        bide_event event;
        pthread_t thread;
        bide_run_options options = {.workers = worker_counts[round % 2]};
        cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
        cr_assert_eq(pthread_create(&thread, NULL, set_event, &event), 0);
        cr_assert_ok(bide_run(wait_for_a_thread, &event, &options));
        cr_assert_eq(pthread_join(thread, NULL), 0);
    }
}

/* --- the reactor ------------------------------------------------------------------------------------------------ */

enum { SWITCHES_A_TURN = 61, YIELDS = 6100 };

/* So that sixty-one of them take longer than the time for which one look is enough. */
static int yield_many_times_slowly(void *arg)
{
    (void)arg;
    for (int i = 0; i < YIELDS; i++) {
        bide_instant until = bide_after(BIDE_MICROSECONDS(1));
        while (bide_before(bide_now(), until))
            continue;
        cr_assert_ok(bide_yield());
    }
    return 0;
}

static int count_turns(void *arg)
{
    bide_task others[2];
    bide_reactor_stats before_it, after_it;
    bide_scheduler_stats switches[2];
    (void)arg;
    /* It is open, and the worker has not parked with the role. */
    cr_assert_not_null(bide_reactor_backend(bide_reactor_global()));
    before_it = stats_now();
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &switches[0]));
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_spawn(&others[i], yield_many_times_slowly, NULL, NULL));
    join_all(others, 2);
    after_it = stats_now();
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &switches[1]));
    uint64_t turns = after_it.turns - before_it.turns;
    uint64_t due = (switches[1].total.switches - switches[0].total.switches) / SWITCHES_A_TURN;
    cr_assert_geq(due, 2 * YIELDS / SWITCHES_A_TURN);
    cr_assert_leq(turns > due ? turns - due : due - turns, 1, "%lu turns instead of %lu",
                  (unsigned long)turns, (unsigned long)due);
    cr_assert_eq(switches[1].total.parks, switches[0].total.parks);
    cr_assert_eq(after_it.notifies, before_it.notifies);
    cr_assert_eq(after_it.hand_overs, before_it.hand_overs);
    return 0;
}

Test(task_workers, a_busy_worker_looks_at_the_reactor_each_sixty_first_switch_at_most_and_wakes_nobody_for_it)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(count_turns, NULL, &one));
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Each lies in the ring for a moment: the other worker sees it there, and looks again before it sleeps. */
static int spawn_and_join_many(void *arg)
{
    enum { MANY = 100000 };
    bide_scheduler_stats stats;
    bide_instant began = bide_now();
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        bide_task task;
        cr_assert_ok(bide_spawn(&task, nothing, NULL, NULL));
        cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    }
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &stats));
    /* For each that it took in time the spawner waits, and then it does; and it parks after each pause. */
    uint64_t pauses = (uint64_t)(bide_instant_since(bide_now(), began) / BIDE_MICROSECONDS(50));
    cr_assert_leq(stats.total.parks, 2 * stats.total.steals + pauses + MANY / 16, "%lu parks, %lu steals",
                  (unsigned long)stats.total.parks, (unsigned long)stats.total.steals);
    return 0;
}

Test(task_workers, one_that_is_called_in_vain_time_and_again_pauses)
{
    bide_run_options two = {.workers = 2};
    cr_assert_ok(bide_run(spawn_and_join_many, NULL, &two));
}

static int read_a_byte(void *arg)
{
    char byte;
    return (int)bide_read(arg, &byte, 1, BIDE_NEVER);
}

static int keep_the_only_worker_busy(void *arg)
{
    int pipe_ends[2];
    bide_async *async;
    bide_task reader;
    struct source source;
    (void)arg;
    make_pipe(pipe_ends);
    cr_assert_ok(bide_async_new(&async, pipe_ends[0]));
    cr_assert_ok(bide_spawn(&reader, read_a_byte, async, NULL));
    cr_assert_ok(bide_yield());
    put(pipe_ends[1], "x", 1);

    /* For the task nobody steps in: its worker is busy, and would have to run it. */
    bide_instant until = bide_after(BIDE_MILLISECONDS(10));
    while (bide_before(bide_now(), until))
        continue;
    cr_assert_eq(helper_id(), 0);
    cr_assert_eq(stats_now().hand_overs, 0);

    /* A state machine's wait is served meanwhile. */
    open_source(&source);
    cr_assert_gives(await_source(&source), BIDE_PENDING);
    put(source.ends[1], "x", 1);
    while (atomic_load(&source.counter.wakes) == 0)
        continue;
    cr_assert_neq(helper_id(), 0);
    int value = 0;
    cr_assert_ok(bide_task_join(reader, &value, BIDE_NEVER));
    cr_assert_eq(value, 1);
    close_source(&source);
    cr_assert_ok(bide_async_free(async));
    (void)close(pipe_ends[1]);
    return 0;
}

Test(task_workers, while_all_are_busy_the_helper_thread_serves_those_alone_who_are_no_tasks)
{
    bide_run_options one = {.workers = 1};
    cr_assert_ok(bide_run(keep_the_only_worker_busy, NULL, &one));
}
