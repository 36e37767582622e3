/* The threaded form of the hashed wheel: sleeps from several threads, requests that cannot be lost, the end
 * of a wheel, and forks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_wheel.h"

#include <sys/wait.h>

TestSuite(wheel_thread, .fini = free_wheel, .timeout = 60);

#define FAR BIDE_SECONDS(300)

static void make_fast(void)
{
    set_options(BIDE_WHEEL_THREADED, BIDE_WHEEL_MONOTONIC);
    options.tick = MS(1);
    options.max_timeout = BIDE_HOURS(1);
    make_wheel();
}

static void sleep_for(struct worker *worker)
{
    bide_duration duration = *(bide_duration *)worker->arg;
    bide_instant deadline = bide_after(duration);
    worker->result = bide_wheel_sleep(wheel, duration);
    if (worker->result == 0 && bide_before(bide_now(), deadline)) worker->result = BIDE_EAGAIN;
}

Test(wheel_thread, a_later_then_an_earlier_deadline_from_two_threads, .init = make_fast)
{
    struct worker later, earlier;
    bide_duration long_one = MS(200), short_one = MS(10);
    bide_instant start = bide_now();
    worker_start(&later, sleep_for, &long_one);
    await_asleep(&later);
    worker_start(&earlier, sleep_for, &short_one);
    cr_assert_ok(worker_join(&earlier));
    cr_assert(later.done == false || bide_instant_since(bide_now(), start) >= long_one, "in the wrong order");
    cr_assert_ok(worker_join(&later));
}

struct shared {
    bide_wheel_sleeping sleeping;
};

static void await_shared(struct worker *worker)
{
    struct shared *shared = worker->arg;
    worker->result = bide_await(&shared->sleeping.future, BIDE_NEVER);
}

Test(wheel_thread, polled_on_one_thread_and_awaited_on_another_wakes_the_other, .init = make_fast)
{
    struct shared shared;
    struct counter counter = {0};
    struct worker worker;
    cr_assert_ok(bide_wheel_sleeping_init(&shared.sleeping, wheel, MS(30)));
    cr_assert_gives(poll_with(&shared.sleeping.future, counting(&counter)), BIDE_PENDING);
    worker_start(&worker, await_shared, &shared);
    cr_assert_ok(worker_join(&worker));
    cr_assert_ok(shared.sleeping.result);
}

Test(wheel_thread, a_reset_by_another_thread_takes_effect_while_it_is_awaited, .init = make_fast)
{
    struct shared shared;
    struct worker worker;
    cr_assert_ok(bide_wheel_sleeping_init(&shared.sleeping, wheel, FAR));
    cr_assert_ok(bide_wheel_sleeping_start(&shared.sleeping));
    worker_start(&worker, await_shared, &shared);
    await_asleep(&worker);
    cr_assert_ok(bide_wheel_sleeping_reset(&shared.sleeping, MS(5)));
    cr_assert_ok(worker_join(&worker));
    cr_assert(bide_wheel_sleeping_is_expired(&shared.sleeping));
}

Test(wheel_thread, an_idle_wheel_is_never_woken, .init = make_fast)
{
    cr_assert_ok(bide_wheel_sleep(wheel, MS(3)));
    int id = bide_test_thread_named("bide-wheel");
    cr_assert_neq(id, 0, "no thread of that name");
    AWAIT(bide_test_thread_asleep(id));
    struct bide_test_switches before = bide_test_thread_switches(id);
    (void)bide_sleep(MS(50));
    struct bide_test_switches after = bide_test_thread_switches(id);
    cr_assert_eq(after.voluntary, before.voluntary, "%ld wake-ups", after.voluntary - before.voluntary);
}

Test(wheel_thread, a_manual_clock_moves_it)
{
    make(BIDE_WHEEL_THREADED, BIDE_WHEEL_MANUAL);
    bide_wheel_sleeping sleeping;
    struct counter counter = {0};
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, MS(250)));
    cr_assert_gives(poll_with(&sleeping.future, counting(&counter)), BIDE_PENDING);
    (void)advance(299);
    cr_assert_eq(stats().fired, 0);
    (void)advance(300);
    AWAIT(counter.wakes == 1);
    cr_assert_gives(poll_with(&sleeping.future, counting(&counter)), BIDE_READY);
    cr_assert_ok(sleeping.result);
}

Test(wheel_thread, cancels_and_moves_need_no_room_in_the_channel_and_none_is_lost)
{
    set_options(BIDE_WHEEL_THREADED, BIDE_WHEEL_MANUAL);
    options.channel_capacity = 1;
    options.when_full = BIDE_WHEEL_FULL_WAITS;
    make_wheel();
    enum { SLEEPS = 3000 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    static struct counter counters[SLEEPS];
    for (int i = 0; i < SLEEPS; i++) {
        cr_assert_ok(bide_wheel_sleeping_init(&sleeping[i], wheel, MS(10000)));
        while (poll_with(&sleeping[i].future, counting(&counters[i])) == BIDE_PENDING &&
               sleeping[i].record_ == NULL)
            AWAIT(counters[i].wakes > 0);
        atomic_store(&counters[i].wakes, 0);
    }
    for (int i = 0; i < SLEEPS; i++) {
        if (i % 3 == 0) cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[i]), BIDE_READY);
        if (i % 3 == 1) cr_assert_ok(bide_wheel_sleeping_reset(&sleeping[i], MS(100)));
    }
    (void)advance(100);
    for (int i = 1; i < SLEEPS; i += 3)
        AWAIT(counters[i].wakes == 1);
    bide_wheel_stats now = stats();
    cr_assert_eq(now.pending, SLEEPS / 3, "%zu", now.pending);
    cr_assert_eq(now.cancelled, SLEEPS / 3);
    for (int i = 2; i < SLEEPS; i += 3)
        cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[i]), BIDE_READY);
    cr_assert_eq(stats().pending, 0);
}

Test(wheel_thread, capacity_256_refuses_the_257th_of_600)
{
    set_options(BIDE_WHEEL_THREADED, BIDE_WHEEL_MANUAL);
    options.max_capacity = 256;
    options.channel_capacity = 1024;
    make_wheel();
    enum { SLEEPS = 600 };
    static bide_wheel_sleeping sleeping[SLEEPS];
    for (int i = 0; i < SLEEPS; i++) {
        cr_assert_ok(bide_wheel_sleeping_init(&sleeping[i], wheel, MS(1000)));
        cr_assert_gives(bide_wheel_sleeping_start(&sleeping[i]), i < 256 ? 0 : BIDE_ENOCAPACITY);
    }
    for (int i = 0; i < SLEEPS; i++)
        cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping[i]), i < 256 ? BIDE_READY : BIDE_COMPLETED);
    /* What was cancelled has made room, whether or not the thread has seen it. */
    for (int i = 0; i < 256; i++)
        cr_assert_gives(bide_wheel_sleeping_start(&sleeping[i]), 0);
}

static void sleep_many(struct worker *worker)
{
    for (int i = 0; i < 20 && worker->result == 0; i++)
        worker->result = bide_wheel_sleep(wheel, MS(1));
}

Test(wheel_thread, who_waits_for_room_gets_it)
{
    set_options(BIDE_WHEEL_THREADED, BIDE_WHEEL_MONOTONIC);
    options.tick = MS(1);
    options.initial_capacity = options.max_capacity = 2;
    options.channel_capacity = 1;
    options.when_full = BIDE_WHEEL_FULL_WAITS;
    make_wheel();
    enum { WORKERS = 8 };
    struct worker workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        worker_start(&workers[i], sleep_many, NULL);
    for (int i = 0; i < WORKERS; i++)
        cr_assert_ok(worker_join(&workers[i]));
    cr_assert_eq(stats().pending, 0);
}

/* Starts, moves, cancels and lets fire, at random, on several threads. */
static void do_anything(struct worker *worker)
{
    enum { SLEEPS = 50 };
    bide_wheel_sleeping sleeping[SLEEPS];
    bool used[SLEEPS] = {false};
    uint32_t random = (uint32_t)(uintptr_t)worker->arg * 2654435761u + 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        int j = (int)(random >> 16) % SLEEPS;
        bide_duration duration = BIDE_MICROSECONDS(random >> 22);
        if (!used[j]) {
            (void)bide_wheel_sleeping_init(&sleeping[j], wheel, duration);
            int error = bide_wheel_sleeping_start(&sleeping[j]);
            if (error && error != BIDE_ENOCAPACITY) worker->result = error;
            used[j] = error == 0;
        } else if (random & 0x8000) {
            if (bide_wheel_sleeping_reset(&sleeping[j], duration) != 0) worker->result = BIDE_EINVAL;
        } else {
            int answer = bide_wheel_sleeping_cancel(&sleeping[j]);
            if (answer == BIDE_COMPLETED && !bide_wheel_sleeping_is_expired(&sleeping[j]))
                worker->result = BIDE_EAGAIN; /* early */
            if (answer != BIDE_COMPLETED && answer != BIDE_READY) worker->result = answer;
            used[j] = false;
        }
    }
    for (int j = 0; j < SLEEPS; j++)
        if (used[j]) (void)bide_wheel_sleeping_cancel(&sleeping[j]);
}

Test(wheel_thread, threads_that_do_anything_at_once_lose_nothing_and_nothing_is_early)
{
    set_options(BIDE_WHEEL_THREADED, BIDE_WHEEL_MONOTONIC);
    options.tick = BIDE_MICROSECONDS(100);
    options.slots = 64;
    options.max_timeout = BIDE_SECONDS(1);
    make_wheel();
    enum { WORKERS = 4 };
    struct worker workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        worker_start(&workers[i], do_anything, (void *)(uintptr_t)i);
    for (int i = 0; i < WORKERS; i++)
        cr_assert_ok(worker_join(&workers[i]));
    cr_assert_eq(stats().pending, 0, "%zu", stats().pending);
}

Test(wheel_thread, freeing_it_ends_what_other_threads_await_with_eshutdown, .init = make_fast)
{
    enum { WORKERS = 4 };
    struct worker workers[WORKERS];
    bide_duration far = FAR;
    for (int i = 0; i < WORKERS; i++)
        worker_start(&workers[i], sleep_for, &far);
    for (int i = 0; i < WORKERS; i++)
        await_asleep(&workers[i]);
    int threads = bide_test_thread_count();
    cr_assert_ok(bide_wheel_free(wheel));
    wheel = NULL;
    for (int i = 0; i < WORKERS; i++)
        cr_assert_gives(worker_join(&workers[i]), BIDE_ESHUTDOWN);
    cr_assert_leq(bide_test_thread_count(), threads - 1);
    cr_assert_eq(bide_test_thread_named("bide-wheel"), 0, "its thread is left");
}

Test(wheel_thread, is_not_made_where_threads_are_forbidden)
{
    bide_set_threads(false);
    cr_assert_gives(bide_wheel_new(&wheel, NULL), BIDE_ENOTSUP);
    bide_set_threads(true);
}

#ifndef BIDE_TEST_TSAN /* which does not bear threads in the child of a process that has some */
static atomic_bool enough;

static void start_and_cancel(struct worker *worker)
{
    bide_wheel_sleeping sleeping;
    while (!atomic_load(&enough) && worker->result == 0) {
        worker->result = bide_wheel_sleeping_init(&sleeping, wheel, MS(1));
        if (worker->result == 0) worker->result = bide_wheel_sleeping_start(&sleeping);
        if (worker->result == BIDE_ENOCAPACITY) worker->result = 0;
        (void)bide_wheel_sleeping_cancel(&sleeping);
    }
}

/* Gives the parent's wheel up and has two of its own, of which one is in the other's memory. */
static bool child_has_wheels_of_its_own(void)
{
    bide_wheel *mine, *another;
    bool good = bide_wheel_sleep(wheel, MS(1)) == BIDE_EFORKED && bide_wheel_free(wheel) == 0 &&
                bide_wheel_new(&mine, &options) == 0 && bide_wheel_new(&another, &options) == 0 &&
                bide_wheel_sleep(mine, MS(2)) == 0 && bide_wheel_sleep(another, MS(1)) == 0;
    return good && bide_wheel_free(mine) == 0 && bide_wheel_free(another) == 0;
}

Test(wheel_thread, the_child_of_a_fork_gives_up_a_wheel_that_others_were_using, .init = make_fast)
{
    enum { WORKERS = 3, CHILDREN = 20 };
    struct worker workers[WORKERS];
    atomic_store(&enough, false);
    for (int i = 0; i < WORKERS; i++)
        worker_start(&workers[i], start_and_cancel, NULL);
    /* A thread that begins may hold a lock of AddressSanitizer's, which its child would find held. */
    for (int i = 0; i < WORKERS; i++)
        AWAIT(workers[i].id != 0);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        cr_assert_done(child);
        if (child == 0) {
            (void)alarm(30); /* a lock that nobody holds any more */
            _exit(child_has_wheels_of_its_own() ? 0 : 1);
        }
        int status = 0;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %#x", i, (unsigned)status);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < WORKERS; i++)
        cr_assert_ok(worker_join(&workers[i]));
}

#endif

Test(wheel_thread, in_the_child_of_a_fork_it_answers_eforked, .init = make_fast)
{
    bide_wheel_sleeping sleeping;
    struct counter counter = {0};
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, FAR));
    cr_assert_gives(poll_with(&sleeping.future, counting(&counter)), BIDE_PENDING);
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        bide_wheel_stats now;
        bide_wheel_sleeping mine;
        bool good = bide_wheel_stats_read(wheel, &now) == BIDE_EFORKED &&
                    poll_with(&sleeping.future, counting(&counter)) == BIDE_READY &&
                    sleeping.result == BIDE_EFORKED && bide_wheel_sleep(wheel, MS(1)) == BIDE_EFORKED &&
                    bide_wheel_sleeping_init(&mine, wheel, MS(1)) == 0 &&
                    bide_wheel_sleeping_start(&mine) == BIDE_EFORKED && bide_wheel_free(wheel) == 0;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %#x", (unsigned)status);
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping), BIDE_READY);
}

Test(wheel_thread, in_the_child_of_a_fork_an_inline_wheel_goes_on_as_a_copy)
{
    set_options(BIDE_WHEEL_INLINE, BIDE_WHEEL_MONOTONIC);
    options.tick = MS(1);
    make_wheel();
    bide_wheel_sleeping sleeping;
    bide_wheel_driving driving;
    struct counter counter = {0};
    bide_wheel_driving_init(&driving, wheel);
    cr_assert_gives(poll_with(&driving.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_wheel_sleeping_init(&sleeping, wheel, MS(5)));
    cr_assert_gives(poll_with(&sleeping.future, counting(&counter)), BIDE_PENDING);
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        (void)alarm(30);
        /* The driving's timer is the parent's; a new one serves. */
        bool good = poll_with(&driving.future, counting(&counter)) == BIDE_READY &&
                    driving.result == BIDE_EFORKED && bide_wheel_sleep(wheel, MS(20)) == 0 &&
                    poll_with(&sleeping.future, counting(&counter)) == BIDE_READY && sleeping.result == 0 &&
                    bide_wheel_free(wheel) == 0;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %#x", (unsigned)status);
    cr_assert_gives(bide_cancel(&driving.future), BIDE_READY);
    cr_assert_gives(bide_wheel_sleeping_cancel(&sleeping), BIDE_READY);
}
