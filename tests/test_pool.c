/* Blocking jobs: where they run, and how they are cancelled.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_pool.h"

TestSuite(pool, .timeout = 60, .init = begin, .fini = end);

/* --- running -------------------------------------------------------------------------------------------- */

Test(pool, a_job_runs_on_a_thread_of_the_pool_and_gives_its_result)
{
    struct place place = {0};
    cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
    cr_assert_str_eq(place.name, "bide-pool");
    cr_assert_neq(place.id, gettid());
}

Test(pool, signals_are_not_delivered_to_its_threads)
{
    struct place place = {0};
    cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        cr_assert(sigismember(&place.blocked, signals[i]) == 1, "%s is not blocked", strsignal(signals[i]));
    cr_assert(sigismember(&place.blocked, SIGSEGV) == 0);
}

Test(pool, negative_results_are_handed_on)
{
    struct held held = {.open = true, .answer = BIDE_EIO};
    cr_assert_gives(bide_job_run(run_held, &held, BIDE_NEVER), BIDE_EIO);
}

Test(pool, input_goes_on_while_a_job_blocks)
{
    struct held held = {0};
    int peer;
    bide_async *async = open_one(UNIX, &peer);
    cr_assert_gives(start(&held), BIDE_PENDING);
    AWAIT(held.entered);
    for (int i = 0; i < 100; i++) {
        char byte;
        bide_io io;
        bide_io_read(&io, async, &byte, 1);
        put(peer, "x", 1);
        cr_assert_gives(bide_io_await(&io, bide_after(LONG)), 1);
        cr_assert_gives(poll_with(&held.job.future, counting(&nobody)), BIDE_PENDING);
    }
    finish(&held);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
}

static bide_ssize sleep_and_run_another(void *arg)
{
    if (bide_sleep(BIDE_MILLISECONDS(1)) != 0) return -1;
    return bide_job_run(note_place, arg, BIDE_NEVER);
}

Test(pool, a_job_may_use_bide_and_wait_for_another_job)
{
    struct place place;
    cr_assert_gives(bide_job_run(sleep_and_run_another, &place, BIDE_NEVER), 42);
}

Test(pool, a_job_wakes_the_context_that_polled_it_last)
{
    struct held held = {0};
    struct counter first = {0}, second = {0};
    bide_job_init(&held.job, run_held, &held);
    cr_assert_gives(poll_with(&held.job.future, counting(&first)), BIDE_PENDING);
    cr_assert_gives(poll_with(&held.job.future, counting(&second)), BIDE_PENDING);
    held.open = true;
    AWAIT(second.wakes == 1);
    cr_assert_gives(poll_with(&held.job.future, counting(&second)), BIDE_READY);
    cr_assert_eq(first.wakes, 0);
}

/* The other thread's poll finds the job done while its wake is running. */
static void poll_held(struct worker *worker)
{
    struct held *held = worker->arg;
    worker->result = poll_with(&held->job.future, counting(&nobody));
}

Test(pool, a_poll_that_answers_ready_has_waited_for_the_wake)
{
    struct held held = {.open = true};
    struct gate gate = {0};
    struct worker worker;
    bide_job_init(&held.job, run_held, &held);
    cr_assert_gives(poll_with(&held.job.future, gated(&gate)), BIDE_PENDING);
    AWAIT(gate.entered);
    worker_start(&worker, poll_held, &held);
    await_asleep(&worker);
    cr_assert(!worker.done, "it did not wait for the waker");
    gate.open = true;
    cr_assert_gives(worker_join(&worker), BIDE_READY);
    cr_assert(gate.left);
}

/* --- cancelling ----------------------------------------------------------------------------------------- */

Test(pool, a_job_that_no_thread_has_begun_is_cancelled_at_once_and_never_runs)
{
    struct held first = {0}, second = {0};
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_gives(start(&first), BIDE_PENDING);
    cr_assert_gives(start(&second), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&second.job.future), BIDE_READY);
    cr_assert_gives(second.job.result, BIDE_ECANCELED);
    finish(&first);
    struct place place;
    cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
    cr_assert_eq(second.runs, 0);
}

Test(pool, cancelling_a_running_job_is_pending_until_it_ends_and_keeps_its_result)
{
    struct held held = {.answer = 7};
    struct counter counter = {0};
    cr_assert_gives(start(&held), BIDE_PENDING);
    AWAIT(held.entered);
    for (int i = 0; i < 3; i++)
        cr_assert_gives(cancel_with(&held.job.future, counting(&counter)), BIDE_PENDING);
    held.open = true;
    AWAIT(counter.wakes == 1);
    cr_assert_gives(cancel_with(&held.job.future, counting(&counter)), BIDE_COMPLETED);
    cr_assert_gives(held.job.result, 7);
}

static void cancel_held(struct worker *worker)
{
    struct held *held = worker->arg;
    worker->result = bide_cancel(&held->job.future);
}

Test(pool, waiting_for_a_cancelled_job_lasts_as_long_as_it_runs)
{
    struct held held = {.answer = 7};
    struct worker worker;
    cr_assert_gives(start(&held), BIDE_PENDING);
    AWAIT(held.entered);
    worker_start(&worker, cancel_held, &held);
    await_asleep(&worker);
    cr_assert(!worker.done);
    held.open = true;
    cr_assert_gives(worker_join(&worker), BIDE_COMPLETED);
    cr_assert_gives(held.job.result, 7);
}

Test(pool, a_deadline_cancels_what_has_not_begun_and_waits_for_what_runs)
{
    struct held first = {0}, second = {0};
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_gives(start(&first), BIDE_PENDING);
    cr_assert_gives(bide_job_run(run_held, &second, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_job_run(run_held, &second, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_eq(second.runs, 0);
    finish(&first);
}

Test(pool, a_detachable_job_is_cancelled_at_once_and_its_record_dropped_when_it_ends)
{
    struct held record = {0};
    bide_job *job = malloc(sizeof *job); /* its storage goes, as a stack frame would */
    cr_assert_not_null(job);
    bide_job_init_detachable(job, run_held, &record, drop_held);
    cr_assert_gives(poll_with(&job->future, counting(&nobody)), BIDE_PENDING);
    AWAIT(record.entered);
    cr_assert_gives(bide_cancel(&job->future), BIDE_READY);
    cr_assert_gives(job->result, BIDE_ECANCELED);
    free(job);
    cr_assert_eq(record.drops, 0);
    record.open = true;
    AWAIT(record.drops == 1);
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(record.drops, 1);
}

Test(pool, a_detachable_job_that_has_not_begun_is_dropped_in_the_cancel)
{
    struct held first = {0}, second = {0};
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_gives(start(&first), BIDE_PENDING);
    cr_assert_gives(start_detachable(&second), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&second.job.future), BIDE_READY);
    cr_assert_eq(second.drops, 1);
    finish(&first);
    cr_assert_eq(second.runs, 0);
}

Test(pool, a_detachable_job_that_ended_in_time_is_not_dropped)
{
    struct held held = {.open = true, .answer = 3};
    cr_assert_gives(start_detachable(&held), BIDE_PENDING);
    cr_assert_ok(bide_block_on(&held.job.future));
    cr_assert_gives(bide_cancel(&held.job.future), BIDE_COMPLETED);
    cr_assert_gives(held.job.result, 3);
    cr_assert_eq(held.drops, 0);
}

Test(pool, a_detachable_job_that_was_never_polled_is_not_dropped)
{
    struct held held = {0};
    bide_job_init_detachable(&held.job, run_held, &held, drop_held);
    cr_assert_gives(bide_cancel(&held.job.future), BIDE_READY);
    cr_assert_eq(held.drops, 0);
}

/* --- misuse and multitude ------------------------------------------------------------------------------- */

Test(pool, null_is_borne)
{
    bide_job_init(NULL, run_held, NULL);
    bide_job_init_detachable(NULL, run_held, NULL, drop_held);
    cr_assert_gives(bide_job_run(NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
}

static bide_ssize add_one(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

/* Each job ends in one of the ways there are, and is accounted for in each. */
static void submit_and_cancel(struct worker *worker)
{
    enum { ROUNDS = 400, JOBS = 8 };
    (void)worker;
    for (int round = 0; round < ROUNDS; round++) {
        bide_job jobs[JOBS];
        _Atomic int *counters[JOBS];
        for (int i = 0; i < JOBS; i++) {
            counters[i] = calloc(1, sizeof *counters[i]);
            bide_job_init_detachable(&jobs[i], add_one, counters[i], i % 2 ? free : NULL);
            (void)poll_with(&jobs[i].future, counting(&nobody));
        }
        for (int i = 0; i < JOBS; i++) {
            bool cancelled = (round + i) % 3 == 0 ? bide_cancel(&jobs[i].future) == BIDE_READY
                                                  : bide_block_on(&jobs[i].future) != 0;
            if (!cancelled && atomic_load(counters[i]) != 1) worker->result++;
            if (!cancelled || i % 2 == 0) free(counters[i]);
        }
    }
}

Test(pool, jobs_of_several_threads_end_in_every_way_and_none_is_lost)
{
    struct worker workers[3];
    cr_assert_ok(bide_pool_set_limit(3));
    bide_pool_set_idle(BIDE_MICROSECONDS(50));
    for (int i = 0; i < 3; i++)
        worker_start(&workers[i], submit_and_cancel, NULL);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(worker_join(&workers[i]), 0);
    struct held last = {0};
    cr_assert_gives(start_detachable(&last), BIDE_PENDING);
    finish(&last);
}
