/* Sources of bide/os/kqueue.h used by several threads and by tasks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_kqueue.h"

#include <bide/task.h>

TestSuite(kqueue_threads, .init = count_what_is_there, .fini = expect_no_more, .timeout = 60);

enum { THREADS = 4, SIGNALS = 2000 };

struct waiter {
    pthread_t thread;
    bide_kqueue *source;
    uint64_t count;
    int status;
    int result;
};

static struct waiter waiters[THREADS];
static _Atomic uint64_t heard;

/* Until an error comes. */
static void *wait_on(void *arg)
{
    struct waiter *waiter = arg;
    bide_kqueue_event event;
    while ((waiter->result = bide_kqueue_wait(waiter->source, &event, BIDE_NEVER)) == 0) {
        waiter->count += event.count;
        atomic_fetch_add(&heard, event.count);
    }
    return NULL;
}

static void *wait_once(void *arg)
{
    struct waiter *waiter = arg;
    bide_kqueue_event event;
    waiter->result = bide_kqueue_wait(waiter->source, &event, bide_after(LONG));
    waiter->status = event.status;
    return NULL;
}

static void start_waiters(bide_kqueue *source, void *(*body)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        waiters[i] = (struct waiter){.source = source};
        cr_assert_eq(pthread_create(&waiters[i].thread, NULL, body, &waiters[i]), 0);
    }
}

static void join_waiters(int result)
{
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(waiters[i].thread, NULL);
        cr_assert_gives(waiters[i].result, result);
    }
}

static void block(int how)
{
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, SIGUSR1);
    (void)pthread_sigmask(how, &one, NULL);
}

Test(kqueue_threads, each_signal_goes_to_one_of_those_who_wait_and_freeing_ends_them_all)
{
    bide_kqueue *source;
    (void)signal(SIGUSR1, SIG_IGN);
    cr_assert_ok(bide_kqueue_signals(&source, (const int[]){SIGUSR1}, 1));
    block(SIG_BLOCK);
    start_waiters(source, wait_on);
    block(SIG_UNBLOCK);
    /* This thread alone takes them, each before it sends the next. */
    for (int i = 0; i < SIGNALS; i++)
        cr_assert_done(kill(getpid(), SIGUSR1));
    AWAIT(atomic_load(&heard) >= SIGNALS);
    cr_assert_ok(bide_kqueue_free(source));
    join_waiters(BIDE_ECANCELED);
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += waiters[i].count;
    cr_assert_eq(sum, SIGNALS, "%u of %d", (unsigned)sum, SIGNALS);
}

Test(kqueue_threads, the_end_of_a_child_reaches_every_thread)
{
    for (int round = 0; round < 50; round++) {
        struct child child = start(exit_with_7);
        bide_kqueue *source;
        cr_assert_ok(bide_kqueue_process(&source, child.id));
        start_waiters(source, wait_once);
        if (round % 2 == 0) (void)sched_yield();
        let_go(&child);
        join_waiters(0);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(waiters[i].status, 7 << 8, "status %#x", (unsigned)waiters[i].status);
        cr_assert_eq(reap(child.id), 7 << 8);
        cr_assert_ok(bide_kqueue_free(source));
    }
}

/* --- tasks --- */

static bide_kqueue *timer;
static int ticks, turns;

static int tick_five_times(void *arg)
{
    (void)arg;
    for (bide_kqueue_event event; ticks < 5; ticks++) {
        int error = bide_kqueue_wait(timer, &event, bide_after(LONG));
        if (error) return error;
    }
    return 0;
}

static int turn_meanwhile(void *arg)
{
    (void)arg;
    while (ticks < 5) {
        turns++;
        int error = bide_sleep(BIDE_MILLISECONDS(1));
        if (error) return error;
    }
    return 0;
}

static int wait_in_tasks(void *arg)
{
    bide_task other;
    (void)arg;
    int error = bide_spawn(&other, turn_meanwhile, NULL, NULL);
    if (error) return error;
    int result = 0;
    int mine = tick_five_times(NULL);
    error = bide_task_join(other, &result, BIDE_NEVER);
    return mine ? mine : error ? error : result;
}

Test(kqueue_threads, a_task_waits_on_a_source_while_others_run)
{
    const bide_run_options options = {.workers = 1};
    cr_assert_ok(bide_kqueue_timer(&timer, BIDE_MILLISECONDS(5), true));
    cr_assert_ok(bide_run(wait_in_tasks, NULL, &options));
    cr_assert_eq(ticks, 5);
    cr_assert_gt(turns, 1);
    cr_assert_ok(bide_kqueue_free(timer));
}
