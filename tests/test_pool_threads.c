/* The threads of the pool: how many there are and when they leave, shutdown, and forks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_pool.h"

#include "support/syscalls.h"

#include <bide/task.h>
#include <sys/wait.h>

TestSuite(pool, .timeout = 60, .init = begin, .fini = end);

/* --- threads -------------------------------------------------------------------------------------------- */

Test(pool, there_is_no_thread_before_the_first_job_and_one_serves_jobs_that_follow_each_other)
{
    struct place place;
    cr_assert_eq(counts_now().threads, 0);
    for (int i = 0; i < 100; i++) {
        cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
        AWAIT(counts_now().idle == 1);
    }
    cr_assert_eq(counts_now().threads, 1);
}

Test(pool, there_are_no_more_threads_than_jobs_nor_than_the_limit)
{
    enum { JOBS = 10 };
    struct held held[JOBS];
    memset(held, 0, sizeof held);
    cr_assert_ok(bide_pool_set_limit(4));
    for (int i = 0; i < JOBS; i++) {
        cr_assert_gives(start(&held[i]), BIDE_PENDING);
        struct bide_pool_counts counts = counts_now();
        cr_assert_eq(counts.threads, (size_t)(i < 4 ? i + 1 : 4), "%zu threads", counts.threads);
    }
    AWAIT(counts_now().queued == JOBS - 4);
    for (int i = 0; i < 4; i++)
        AWAIT(held[i].entered);
    cr_assert_ok(bide_pool_set_limit(6));
    AWAIT(counts_now().queued == JOBS - 6);
    cr_assert_eq(counts_now().threads, 6);
    AWAIT(held[4].entered && held[5].entered);
    for (int i = 0; i < JOBS; i++)
        held[i].open = true;
    for (int i = 0; i < JOBS; i++)
        cr_assert_ok(bide_block_on(&held[i].job.future));
    cr_assert_gives(bide_pool_set_limit(0), BIDE_EINVAL);
}

Test(pool, threads_leave_when_the_limit_was_lowered_and_they_have_no_job)
{
    struct held held[3];
    memset(held, 0, sizeof held);
    for (int i = 0; i < 3; i++)
        cr_assert_gives(start(&held[i]), BIDE_PENDING);
    cr_assert_ok(bide_pool_set_limit(1));
    for (int i = 0; i < 3; i++)
        finish(&held[i]);
    AWAIT(counts_now().threads == 1);
}

Test(pool, jobs_that_find_all_threads_busy_run_in_their_order)
{
    struct held first = {0}, second = {0}, third = {0};
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_gives(start(&first), BIDE_PENDING);
    cr_assert_gives(start(&second), BIDE_PENDING);
    cr_assert_gives(start(&third), BIDE_PENDING);
    finish(&first);
    AWAIT(second.entered);
    cr_assert(!third.entered);
    finish(&second);
    finish(&third);
}

Test(pool, an_idle_thread_leaves_after_its_time)
{
    struct place place;
    bide_pool_set_idle(SHORT);
    bide_instant began = bide_now();
    cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
    AWAIT(counts_now().threads == 0);
    cr_assert_geq(bide_instant_since(bide_now(), began), SHORT);
    AWAIT(bide_test_thread_named("bide-pool") == 0);
    bide_pool_set_idle(0);
    for (int i = 0; i < 10; i++) {
        cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
        AWAIT(counts_now().threads == 0);
    }
}

Test(pool, an_idle_thread_is_never_woken)
{
    struct place place;
    cr_assert_gives(bide_job_run(note_place, &place, BIDE_NEVER), 42);
    AWAIT(counts_now().idle == 1);
    AWAIT(bide_test_thread_asleep(place.id));
    struct bide_test_switches first = bide_test_thread_switches(place.id);
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(200)));
    struct bide_test_switches second = bide_test_thread_switches(place.id);
    cr_assert_eq(second.voluntary, first.voluntary, "it was woken %ld times",
                 second.voluntary - first.voluntary);
}

Test(pool, where_threads_are_forbidden_a_job_is_not_supported)
{
    struct held held = {0};
    bide_set_threads(false);
    cr_assert_gives(bide_job_run(run_held, &held, BIDE_NEVER), BIDE_ENOTSUP);
    bide_set_threads(true);
    held.open = true;
    cr_assert_gives(bide_job_run(run_held, &held, BIDE_NEVER), 0);
    cr_assert_eq(held.runs, 1);
}

Test(pool, without_any_thread_a_job_fails_and_with_one_it_waits)
{
    struct held first = {0}, second = {0};
    cr_assert_eq(start(&first), BIDE_PENDING);
    AWAIT(first.entered);
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_THREAD), 1, 1000, EAGAIN);
    cr_assert_gives(start(&second), BIDE_PENDING);
    finish(&first);
    finish(&second);
    cr_assert_eq(bide_fault_clear(), 1);
    cr_assert_ok(bide_shutdown());

    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_THREAD), 1, 1000, EAGAIN);
    cr_assert_gives(bide_job_run(run_held, &second, BIDE_NEVER), BIDE_ENOTHREAD);
    bide_fault_set(BIDE_CALLS_ALLOC, 1, 1000, 0);
    cr_assert_gives(bide_job_run(run_held, &second, BIDE_NEVER), BIDE_ENOMEM);
    (void)bide_fault_clear();
    cr_assert_eq(second.runs, 1);
    cr_assert_gives(bide_job_run(run_held, &second, BIDE_NEVER), 0);
}

/* A call whose storage the job has in use while waiting fails. */
struct abandoned {
    struct held held;
    struct worker caller;
    _Atomic bool returned;
};

static void run_without_poller(struct worker *worker)
{
    struct abandoned *abandoned = worker->arg;
    worker->result = bide_block_on(&abandoned->held.job.future);
    abandoned->returned = true;
}

Test(pool, a_call_does_not_return_before_its_job_though_the_poller_fails)
{
    static struct abandoned abandoned;
    bide_async *ends[2];
    open_channel(UNIX, ends); /* something for the poller to wait for */
    cr_assert_eq(start(&abandoned.held), BIDE_PENDING);
    AWAIT(abandoned.held.entered);
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_EPOLL_WAIT) | BIDE_CALL_BIT(BIDE_CALL_POLL), 1, 1000000, ENOMEM);
    worker_start(&abandoned.caller, run_without_poller, &abandoned);
    await_asleep(&abandoned.caller);
    cr_assert(!abandoned.returned, "it gave %s", bide_error_name((int)abandoned.caller.result));
    abandoned.held.open = true;
    cr_assert_ok((int)worker_join(&abandoned.caller));
    cr_assert_gt(bide_fault_clear(), 0);
    free_both(ends);
}

static int open_when_others_wait(void *arg)
{
    struct abandoned *abandoned = arg;
    AWAIT(abandoned->held.entered);
    for (int i = 0; i < 10; i++)
        cr_assert_ok(bide_yield());
    bool returned = abandoned->returned;
    abandoned->held.open = true;
    return returned;
}

static int run_without_memory(void *arg)
{
    struct abandoned *abandoned = arg;
    bide_task opener;
    int returned;
    cr_assert_eq(bide_job_run(run_held, &(struct held){.open = true}, BIDE_NEVER), 0);
    cr_assert_ok(bide_spawn(&opener, open_when_others_wait, arg, NULL));
    /* That for the timer of the deadline. */
    bide_fault_set(BIDE_CALLS_ALLOC, 1, 1000000, ENOMEM);
    bide_ssize answer = bide_job_run(run_held, &abandoned->held, bide_after(BIDE_SECONDS(60)));
    abandoned->returned = true;
    unsigned long failed = bide_fault_clear();
    cr_assert_ok(bide_task_join(opener, &returned, BIDE_NEVER));
    cr_assert(!returned, "it gave %s", bide_error_name((int)answer));
    cr_assert_eq(answer, 7);
    cr_assert_gt(failed, 0);
    return 0;
}

Test(pool, a_call_in_a_task_does_not_return_before_its_job_though_there_is_no_memory_for_its_deadline)
{
    static struct abandoned abandoned;
    static const bide_run_options one = {.workers = 1};
    abandoned.held.answer = 7;
    cr_assert_ok(bide_run(run_without_memory, &abandoned, &one));
}

/* --- shutdown and fork ---------------------------------------------------------------------------------- */

static void shut_down_apart(struct worker *worker)
{
    worker->result = bide_shutdown();
}

Test(pool, shutdown_cancels_what_waits_and_waits_for_what_runs)
{
    struct held first = {.answer = 5}, second = {0};
    struct counter counter = {0};
    struct worker worker;
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_gives(start(&first), BIDE_PENDING);
    AWAIT(first.entered);
    bide_job_init(&second.job, run_held, &second);
    cr_assert_gives(poll_with(&second.job.future, counting(&counter)), BIDE_PENDING);
    worker_start(&worker, shut_down_apart, NULL);
    AWAIT(counter.wakes == 1);
    cr_assert_gives(poll_with(&second.job.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(second.job.result, BIDE_ECANCELED);
    await_asleep(&worker);
    cr_assert(!worker.done);

    /* A new job is of a new life: it does not wait for the old one, nor shutdown for it. */
    struct held third = {0};
    cr_assert_gives(start(&third), BIDE_PENDING);
    AWAIT(third.entered);
    first.open = true;
    cr_assert_ok(worker_join(&worker));
    cr_assert_gives(poll_with(&first.job.future, counting(&nobody)), BIDE_READY);
    cr_assert_gives(first.job.result, 5);
    cr_assert_eq(counts_now().threads, 1);
    finish(&third);
    cr_assert_eq(second.runs, 0);
}

static bide_ssize shut_down_from_within(void *arg)
{
    (void)arg;
    return bide_shutdown();
}

Test(pool, shutdown_inside_a_job_is_refused)
{
    cr_assert_gives(bide_job_run(shut_down_from_within, NULL, BIDE_NEVER), BIDE_EDEADLK);
}

#ifndef BIDE_TEST_TSAN /* which does not bear threads in the child of a process that has some */
/* What a child finds: 0, or the line of what is wrong. */
static int look_around(struct held *running, struct held *queued)
{
    struct place place;
    if (poll_with(&running->job.future, counting(&nobody)) != BIDE_READY) return __LINE__;
    if (running->job.result != BIDE_EFORKED) return __LINE__;
    if (cancel_with(&queued->job.future, counting(&nobody)) != BIDE_READY) return __LINE__;
    if (counts_now().threads != 0 || counts_now().queued != 0) return __LINE__;
    if (bide_job_run(note_place, &place, BIDE_NEVER) != 42) return __LINE__;
    if (bide_shutdown() != 0) return __LINE__;
    return queued->runs == 0 ? 0 : __LINE__;
}

Test(pool, the_child_of_a_fork_has_a_pool_of_its_own)
{
    struct held running = {.answer = 1}, queued = {.answer = 2};
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_gives(start(&running), BIDE_PENDING);
    AWAIT(running.entered);
    cr_assert_gives(start(&queued), BIDE_PENDING);
    pid_t child = fork();
    if (child == 0) _exit(look_around(&running, &queued) % 256);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "status %#x", (unsigned)status);
    finish(&running);
    finish(&queued);
    cr_assert_gives(running.job.result, 1);
    cr_assert_gives(queued.job.result, 2);
}

Test(pool, a_child_may_shut_down_while_its_parent_does)
{
    struct held held = {0};
    struct worker worker;
    cr_assert_gives(start(&held), BIDE_PENDING);
    AWAIT(held.entered);
    worker_start(&worker, shut_down_apart, NULL);
    await_asleep(&worker);
    pid_t child = fork();
    if (child == 0) _exit(bide_shutdown() == 0 ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "status %#x", (unsigned)status);
    held.open = true;
    cr_assert_ok(worker_join(&worker));
    finish(&held);
}

static void leave(void)
{
    _exit(0);
}

/* The child has one thread, which is no longer the pool's: what is refused inside a job is not there. */
static bide_ssize fork_and_return(void *arg)
{
    pid_t child = fork();
    struct place place;
    if (child) return child;
    (void)arg;
    if (bide_job_run(note_place, &place, BIDE_NEVER) != 42) _exit(1);
    if (bide_shutdown() != 0) _exit(2);
    /* The return ends the last thread, and so the process: without what the runner does then. */
    if (atexit(leave) != 0) _exit(3);
    return 0;
}

Test(pool, a_job_may_fork_and_return_in_the_child)
{
    for (int round = 0; round < 10; round++) {
        pid_t child = (pid_t)bide_job_run(fork_and_return, NULL, BIDE_NEVER);
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "status %#x", (unsigned)status);
    }
}
#endif
