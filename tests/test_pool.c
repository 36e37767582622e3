/* Blocking jobs: where they run, how they are cancelled, and what becomes of the threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "pool/pool.h"
#include "support/syscalls.h"

#include <bide/task.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct inventory before;

static void begin(void)
{
    before = inventory_now();
}

static void end(void)
{
    expect_nothing_left(before);
}

TestSuite(pool, .timeout = 60, .init = begin, .fini = end);

static struct bide_pool_counts counts_now(void)
{
    struct bide_pool_counts counts;
    bide_pool_counts_read(&counts);
    return counts;
}

/* A job that stops in the middle until it may go on. */
struct held {
    bide_job job;
    _Atomic bool entered;
    _Atomic bool open;
    _Atomic int runs;
    _Atomic int drops;
    bide_ssize answer;
};

static bide_ssize run_held(void *arg)
{
    struct held *held = arg;
    atomic_fetch_add(&held->runs, 1);
    atomic_store(&held->entered, true);
    AWAIT(atomic_load(&held->open));
    return held->answer;
}

static void drop_held(void *arg)
{
    struct held *held = arg;
    atomic_fetch_add(&held->drops, 1);
}

static struct counter nobody;

static int start(struct held *held)
{
    bide_job_init(&held->job, run_held, held);
    return poll_with(&held->job.future, counting(&nobody));
}

static int start_detachable(struct held *held)
{
    bide_job_init_detachable(&held->job, run_held, held, drop_held);
    return poll_with(&held->job.future, counting(&nobody));
}

static void finish(struct held *held)
{
    atomic_store(&held->open, true);
    cr_assert_ok(bide_block_on(&held->job.future));
}

/* --- running -------------------------------------------------------------------------------------------- */

struct place {
    char name[16];
    sigset_t blocked;
    int id;
};

static bide_ssize note_place(void *arg)
{
    struct place *place = arg;
    (void)prctl(PR_GET_NAME, place->name, 0, 0, 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &place->blocked);
    place->id = gettid();
    return 42;
}

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
