/* Waiting on threads: how often futures are polled, nested waits, signals, pthread_cancel.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include <signal.h>

TestSuite(block_on, .fini = shut_down, .timeout = 60);

/* --- how often ------------------------------------------------------------------------------------------ */

/* Wakes itself in its poll, a number of times, and is ready then. */
struct yielding {
    bide_future future;
    int yields;
    int polls;
};

static int yielding_poll(bide_future *self, bide_context *cx)
{
    struct yielding *yielding = (struct yielding *)self;
    if (yielding->polls++ == yielding->yields) return BIDE_READY;
    bide_waker waker = bide_context_waker(cx);
    waker.wake(waker.arg);
    return BIDE_PENDING;
}

static int stop_at_once(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

Test(block_on, polls_once_for_each_wake)
{
    static const bide_future_ops ops = {sizeof ops, yielding_poll, stop_at_once, 0};
    for (int yields = 0; yields < 100; yields++) {
        struct yielding yielding = {.yields = yields};
        bide_future_init(&yielding.future, &ops);
        cr_assert_ok(bide_block_on(&yielding.future));
        cr_assert_eq(yielding.polls, yields + 1, "%d polls for %d wakes", yielding.polls, yields);
    }
}

/* A future whose wakes come from elsewhere: it is ready once `wanted` wakes were counted. */
struct remote {
    bide_future future;
    _Atomic(void *) arg; /* the waker of the latest poll, in two halves */
    void (*wake)(void *arg);
    _Atomic int wakes;
    _Atomic int polls;
    int wanted;
    void (*during_first)(struct remote *remote);
};

static int remote_poll(bide_future *self, bide_context *cx)
{
    struct remote *remote = (struct remote *)self;
    bide_waker waker = bide_context_waker(cx);
    remote->wake = waker.wake;
    atomic_store(&remote->arg, waker.arg);
    if (atomic_fetch_add(&remote->polls, 1) == 0 && remote->during_first) remote->during_first(remote);
    return remote->wakes >= remote->wanted ? BIDE_READY : BIDE_PENDING;
}

static void remote_init(struct remote *remote, int wanted, void (*during_first)(struct remote *remote))
{
    static const bide_future_ops ops = {sizeof ops, remote_poll, stop_at_once, 0};
    memset(remote, 0, sizeof *remote);
    bide_future_init(&remote->future, &ops);
    remote->wanted = wanted;
    remote->during_first = during_first;
}

/* Wakes the future as it was polled last. */
static void wake_remote(struct remote *remote)
{
    void *arg = atomic_load(&remote->arg);
    remote->wake(arg);
}

static void block_on_remote(struct worker *worker)
{
    struct remote *remote = worker->arg;
    worker->result = bide_block_on(&remote->future);
}

Test(block_on, polls_again_only_when_it_was_woken)
{
    struct remote remote;
    remote_init(&remote, 3, NULL);
    struct worker worker;
    worker_start(&worker, block_on_remote, &remote);
    for (int i = 1; i <= 3; i++) {
        AWAIT(remote.polls == i);
        await_asleep(&worker);
        cr_assert_eq(remote.polls, i, "%d polls", remote.polls);
        remote.wakes++;
        wake_remote(&remote);
    }
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_eq(remote.polls, 4, "%d polls", remote.polls);
}

Test(block_on, on_many_threads_at_once)
{
    enum { THREADS = 16 };
    struct remote remotes[THREADS];
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        remote_init(&remotes[i], 1, NULL);
        worker_start(&workers[i], block_on_remote, &remotes[i]);
    }
    for (int i = THREADS - 1; i >= 0; i--) {
        AWAIT(remotes[i].polls == 1);
        remotes[i].wakes++;
        wake_remote(&remotes[i]);
        cr_assert_gives(worker_join(&workers[i]), 0);
    }
}

/* --- nested --------------------------------------------------------------------------------------------- */

static struct remote inner;
static int inner_result;

static void block_on_inner(struct remote *outer)
{
    (void)outer;
    inner_result = bide_block_on(&inner.future);
}

Test(block_on, nested_does_not_let_the_inner_wakes_wake_the_outer)
{
    struct remote outer;
    remote_init(&inner, 3, NULL);
    remote_init(&outer, 1, block_on_inner);
    struct worker worker;
    worker_start(&worker, block_on_remote, &outer);
    for (int i = 1; i <= 3; i++) {
        AWAIT(inner.polls == i);
        inner.wakes++;
        wake_remote(&inner);
    }
    /* The inner wait is over, and the outer future pending. */
    AWAIT(inner.polls == 4);
    await_asleep(&worker);
    cr_assert_eq(outer.polls, 1, "the outer future was polled %d times", outer.polls);
    outer.wakes++;
    wake_remote(&outer);
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_gives(inner_result, 0);
    cr_assert_eq(outer.polls, 2, "the outer future was polled %d times", outer.polls);
    cr_assert_eq(inner.polls, 4, "the inner future was polled %d times", inner.polls);
}

Test(block_on, nested_does_not_let_the_outer_wakes_wake_the_inner_and_loses_none)
{
    struct remote outer;
    remote_init(&inner, 1, NULL);
    remote_init(&outer, 100, block_on_inner);
    struct worker worker;
    worker_start(&worker, block_on_remote, &outer);
    AWAIT(inner.polls == 1);
    await_asleep(&worker);
    for (int i = 0; i < 100; i++) {
        outer.wakes++;
        wake_remote(&outer);
    }
    await_asleep(&worker);
    cr_assert_eq(inner.polls, 1, "the inner future was polled %d times", inner.polls);
    inner.wakes++;
    wake_remote(&inner);
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_eq(inner.polls, 2, "the inner future was polled %d times", inner.polls);
    /* It was ready in its first poll, which had not ended yet. */
    cr_assert_eq(outer.polls, 1, "the outer future was polled %d times", outer.polls);
}

Test(block_on, nested_keeps_a_wake_of_the_outer_that_came_during_the_inner_wait)
{
    struct remote outer;
    remote_init(&inner, 1, NULL);
    remote_init(&outer, 2, block_on_inner);
    struct worker worker;
    worker_start(&worker, block_on_remote, &outer);
    AWAIT(inner.polls == 1);
    await_asleep(&worker);
    outer.wakes++;
    wake_remote(&outer);
    inner.wakes++;
    wake_remote(&inner);
    AWAIT(outer.polls == 2);
    await_asleep(&worker);
    cr_assert_eq(outer.polls, 2, "the outer future was polled %d times", outer.polls);
    outer.wakes++;
    wake_remote(&outer);
    cr_assert_gives(worker_join(&worker), 0);
}

Test(block_on, a_wake_that_is_left_from_the_first_call_does_not_wake_the_second)
{
    struct manual first;
    manual_init(&first, BIDE_READY);
    cr_assert_ok(bide_block_on(&first.future));
    for (int i = 0; i < 3; i++) {
        first.waker.wake(first.waker.arg);
        struct manual second;
        manual_init(&second, BIDE_PENDING);
        cr_assert_gives(bide_await(&second.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
        /* Once at first, and once at the deadline. */
        cr_assert_eq(second.polls, 2, "polled %d times", second.polls);
    }
}

static void wake_for_ever(struct worker *worker)
{
    bide_waker *waker = worker->arg;
    while (waker->arg && worker->result < 200000) {
        waker->wake(waker->arg);
        worker->result++;
    }
}

Test(block_on, bears_wakes_that_come_for_no_reason)
{
    struct manual first;
    manual_init(&first, BIDE_READY);
    cr_assert_ok(bide_block_on(&first.future));
    struct worker worker;
    worker_start(&worker, wake_for_ever, &first.waker);
    for (int i = 0; i < 1000; i++) {
        bide_instant deadline = bide_after(BIDE_MICROSECONDS(i));
        struct manual second;
        manual_init(&second, BIDE_PENDING);
        cr_assert_gives(bide_await(&second.future, deadline), BIDE_ETIMEDOUT);
        cr_assert(!bide_before(bide_now(), deadline), "too early");
    }
    (void)worker_join(&worker);
}

static void leave_waker_behind(struct worker *worker)
{
    struct manual *manual = worker->arg;
    worker->result = bide_block_on(&manual->future);
}

Test(block_on, bears_a_wake_for_a_thread_that_has_ended)
{
    struct manual manual;
    manual_init(&manual, BIDE_READY);
    struct worker worker;
    worker_start(&worker, leave_waker_behind, &manual);
    cr_assert_gives(worker_join(&worker), 0);
    manual.waker.wake(manual.waker.arg);
    struct manual ours;
    manual_init(&ours, BIDE_PENDING);
    cr_assert_gives(bide_await(&ours.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    manual.waker.wake(manual.waker.arg);
}

/* --- signals and cancelling threads --------------------------------------------------------------------- */

static _Atomic int handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

/* One thread of the two is asleep in the poller, the other on its own word. */
struct two {
    struct remote remotes[2];
    struct worker workers[2];
};

static void start_two(struct two *two, void (*function)(struct worker *worker))
{
    /* A source makes the reactor worth driving. */
    cr_assert_not_null(bide_reactor_backend(bide_reactor_global()), "the reactor cannot be opened");
    for (int i = 0; i < 2; i++) {
        remote_init(&two->remotes[i], 1, NULL);
        worker_start(&two->workers[i], function, &two->remotes[i]);
        AWAIT(two->remotes[i].polls == 1);
        await_asleep(&two->workers[i]);
    }
}

Test(block_on, is_not_interrupted_by_signals)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle; /* without SA_RESTART */
    cr_assert_done(sigaction(SIGUSR1, &action, NULL));
    struct two two;
    start_two(&two, block_on_remote);
    for (int i = 1; i <= 1000; i++) {
        for (int k = 0; k < 2; k++)
            cr_assert_eq(pthread_kill(two.workers[k].thread, SIGUSR1), 0, "pthread_kill");
        AWAIT(handled == 2 * i);
    }
    for (int i = 0; i < 2; i++) {
        await_asleep(&two.workers[i]);
        cr_assert_eq(two.remotes[i].polls, 1, "thread %d polled %d times", i, two.remotes[i].polls);
        two.remotes[i].wakes++;
        wake_remote(&two.remotes[i]);
        cr_assert_gives(worker_join(&two.workers[i]), 0);
    }
}

static _Atomic int returned;

static void block_and_then_be_cancelled(struct worker *worker)
{
    struct remote *remote = worker->arg;
    worker->result = bide_block_on(&remote->future);
    if (worker->result == 0) returned++;
    pthread_testcancel();
    worker->result = BIDE_EINVAL;
}

Test(block_on, is_no_cancellation_point)
{
    struct two two;
    start_two(&two, block_and_then_be_cancelled);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_cancel(two.workers[i].thread), 0, "pthread_cancel");
    for (int i = 0; i < 2; i++) {
        await_asleep(&two.workers[i]);
        two.remotes[i].wakes++;
        wake_remote(&two.remotes[i]);
        void *result;
        cr_assert_eq(pthread_join(two.workers[i].thread, &result), 0, "pthread_join");
        cr_assert(result == PTHREAD_CANCELED, "the thread was not cancelled afterwards");
        cr_assert_gives(two.workers[i].result, 0);
        cr_assert_eq(returned, i + 1, "%d waits have returned", returned);
    }
    /* What they held is free again. */
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(1)));
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MILLISECONDS(1));
    cr_assert_ok(bide_timer_wait(&timer));
}
