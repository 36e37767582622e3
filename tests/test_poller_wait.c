/* The poller: deadlines, signals, and several threads at one poller. Notifications are in
 * test_poller_notify.c.
 *
 * All tests use the back end that bide_poller_new() chooses.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller_hooks.h"

#include <signal.h>
#include <stdlib.h>

enum { READ = BIDE_POLL_READ };

TestSuite(poller_wait, .init = open_all, .fini = close_all, .timeout = 30);

/* --- deadlines ------------------------------------------------------------------------------------------ */

Test(poller_wait, a_hundred_waits_of_zero_do_not_block)
{
    bide_poll_event event;
    for (int i = 0; i < 100; i++) {
        cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NOW), 0);
        cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_after(0)), 0);
        cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_after(-1)), 0);
        cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_instant_from_ns(-1)), 0);
        cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_instant_from_ns(0)), 0);
    }
}

Test(poller_wait, a_wait_of_zero_reports_what_is_ready)
{
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NOW), 1);
    cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_after(-1)), 1);
}

Test(poller_wait, a_wait_of_zero_reports_what_an_interest_grew_to_just_before_beside_others)
{
    bide_poll_event events[3];
    int other[2];
    make_pair(other);
    feed(other[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_ok(bide_poller_add(poller, other[0], 2, READ, BIDE_POLL_LEVEL));
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
        cr_assert_gives(bide_poller_wait(poller, events, 3, BIDE_NOW), 1);
        cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ | BIDE_POLL_WRITE, BIDE_POLL_LEVEL));
        cr_assert_gives(bide_poller_wait(poller, events, 3, BIDE_NOW), 2);
        cr_assert_eq(events[0].key + events[1].key, 3);
    }
    close_pair(other);
}

/* Never early, and the best of several is close: the machine may be busy, but not each time. */
static void expect_precision(bide_duration asked)
{
    bide_duration best = BIDE_DURATION_MAX;
    for (int i = 0; i < 40; i++) {
        bide_duration late = empty_wait(asked) - asked;
        cr_assert_geq(late, 0, "%lld ns early", (long long)-late);
        if (late < best) best = late;
    }
    cr_assert_lt(best, BIDE_MICROSECONDS(500), "%lld ns late at best", (long long)best);
}

Test(poller_wait, a_hundred_microseconds_are_met_within_five_hundred_and_never_early)
{
    expect_precision(BIDE_MICROSECONDS(100));
}

Test(poller_wait, three_milliseconds_and_a_tenth_are_met_within_half_a_millisecond_and_never_early)
{
    expect_precision(BIDE_MICROSECONDS(3100));
}

Test(poller_wait, no_wait_is_shorter_than_asked)
{
    srand(3);
    for (int i = 0; i < 200; i++) {
        bide_duration asked = rand() % BIDE_MILLISECONDS(2);
        bide_duration took = empty_wait(asked);
        cr_assert_geq(took, asked, "%lld ns instead of %lld", (long long)took, (long long)asked);
    }
}

Test(poller_wait, a_deadline_beyond_all_bounds_is_for_ever)
{
    const bide_instant far[] = {BIDE_NEVER, bide_instant_from_ns(INT64_MAX - 1),
                                bide_after(BIDE_DURATION_MAX), bide_after(BIDE_HOURS(24 * 365 * 200))};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        struct waiter waiter;
        waiter_start(&waiter, poller, far[i]);
        cr_assert_not(waiter.done, "the wait for deadline %zu ended by itself", i);
        notify();
        cr_assert_gives(waiter_join(&waiter), 0);
    }
}

Test(poller_wait, an_event_ends_a_wait_before_its_deadline)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    struct waiter waiter;
    waiter_start(&waiter, poller, bide_after(BIDE_HOURS(1)));
    feed(pair[1]);
    cr_assert_gives(waiter_join(&waiter), 1);
    cr_assert_eq(waiter.events[0].key, 1);
}

Test(poller_wait, an_idle_wait_is_never_woken)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    /* a limit that passed earlier must not wake the thread later */
    (void)empty_wait(BIDE_MILLISECONDS(1));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    const long before = bide_test_thread_switches(waiter.id).voluntary;
    const struct timespec while_idle = {0, 100000000};
    (void)nanosleep(&while_idle, NULL);
    const long after = bide_test_thread_switches(waiter.id).voluntary;
    cr_assert_eq(after, before, "%ld context switches in an idle thread", after - before);
    notify();
    cr_assert_gives(waiter_join(&waiter), 0);
}

/* --- signals -------------------------------------------------------------------------------------------- */

static _Atomic int signals;
static _Atomic bool errno_kept = true;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void notify_by_signal(int number)
{
    (void)number;
    const int saved = errno;
    errno = EXDEV;
    if (bide_poller_notify(poller) != 0 || errno != EXDEV) errno_kept = false;
    errno = saved;
    signals++;
}

static void handle(void (*function)(int))
{
    struct sigaction action; /* without SA_RESTART */
    memset(&action, 0, sizeof action);
    action.sa_handler = function;
    (void)sigaction(SIGUSR1, &action, NULL);
}

/* Interrupts the waiting thread, and returns when its handler ran. */
static void interrupt(const struct waiter *waiter)
{
    const int before = signals;
    (void)pthread_kill(waiter->thread, SIGUSR1);
    while (signals == before)
        pause_briefly();
}

Test(poller_wait, a_signal_does_not_end_a_wait)
{
    handle(count_signal);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    for (int i = 0; i < 5; i++) {
        interrupt(&waiter);
        waiter_settle(&waiter);
        cr_assert_not(waiter.done, "signal %d ended the wait with %d", i, waiter.result);
    }
    feed(pair[1]);
    cr_assert_gives(waiter_join(&waiter), 1);
}

Test(poller_wait, signals_do_not_move_the_deadline)
{
    handle(count_signal);
    const bide_instant deadline = bide_after(BIDE_MILLISECONDS(50));
    struct waiter waiter;
    waiter_start(&waiter, poller, deadline);
    /* Far more often than the deadline is long: with a relative time-out this would never end. */
    while (!waiter.done) {
        (void)pthread_kill(waiter.thread, SIGUSR1);
        pause_briefly();
    }
    cr_assert_gives(waiter_join(&waiter), 0);
    cr_assert_not(bide_before(waiter.ended, deadline), "ended %lld ns early",
                  (long long)bide_instant_since(deadline, waiter.ended));
    cr_assert_gt(signals, 0);
}

Test(poller_wait, a_signal_handler_may_notify)
{
    handle(notify_by_signal);
    for (int i = 0; i < 20; i++) {
        struct waiter waiter;
        waiter_start(&waiter, poller, BIDE_NEVER);
        interrupt(&waiter);
        cr_assert_gives(waiter_join(&waiter), 0);
    }
    cr_assert(errno_kept, "bide_poller_notify() failed or changed errno");
    expect_timeout();
}

static _Atomic bool about_to_wait;

static void *wait_for_the_first_time(void *arg)
{
    static char good;
    bide_poll_event event;
    (void)arg;
    about_to_wait = true;
    return bide_poller_wait(poller, &event, 1, BIDE_NEVER) == 0 ? &good : NULL;
}

/* At any moment of it, which is what the sanitizer has trouble with: os/sanitize.h. */
Test(poller_wait, a_signal_to_a_thread_that_waits_for_the_first_time_is_handled)
{
    handle(notify_by_signal);
    for (int i = 0; i < 400; i++) {
        pthread_t thread;
        void *result;
        about_to_wait = false;
        cr_assert_eq(pthread_create(&thread, NULL, wait_for_the_first_time, NULL), 0);
        while (!about_to_wait)
            continue;
        for (volatile int k = 0; k < i * 100; k++)
            continue;
        cr_assert_eq(pthread_kill(thread, SIGUSR1), 0);
        cr_assert_eq(pthread_join(thread, &result), 0);
        cr_assert_not_null(result);
    }
}

Test(poller_wait, a_wait_is_no_cancellation_point)
{
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    (void)pthread_cancel(waiter.thread);
    waiter_settle(&waiter);
    cr_assert_not(waiter.done);
    notify();
    (void)pthread_join(waiter.thread, NULL);
    cr_assert(waiter.done, "the thread ended inside the wait");
    expect_timeout();
}

/* --- several threads ------------------------------------------------------------------------------------ */

Test(poller_wait, a_second_thread_in_wait_is_told_so_at_once_and_the_first_goes_on)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), BIDE_EBUSY);
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NOW), BIDE_EBUSY);
    cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_after(BIDE_HOURS(1))), BIDE_EBUSY);
    waiter_settle(&waiter);
    cr_assert_not(waiter.done);
    feed(pair[1]);
    cr_assert_gives(waiter_join(&waiter), 1);
    expect_nothing(poller);
}

static int nested_result;

static void wait_again(void)
{
    bide_poll_event event;
    nested_result = bide_poller_wait(poller, &event, 1, BIDE_NEVER);
}

Test(poller_wait, a_refused_second_wait_uses_up_no_notification)
{
    install_hooks();
    notify();
    before_wait = wait_again;
    expect_end(0);
    cr_assert_eq(nested_result, BIDE_EBUSY, "%s", bide_error_name(nested_result));
    before_wait = wait_again;
    after_wait = notify;
    expect_nothing(poller);
    cr_assert_eq(nested_result, BIDE_EBUSY, "%s", bide_error_name(nested_result));
    expect_timeout();
}

Test(poller_wait, threads_may_take_turns_in_waiting)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    for (int i = 0; i < 20; i++) {
        struct waiter waiter;
        waiter_start(&waiter, poller, i % 2 ? BIDE_NEVER : bide_after(BIDE_HOURS(1)));
        feed(pair[1]);
        cr_assert_gives(waiter_join(&waiter), 1);
        drain(pair[0]);
        expect_timeout();
    }
}

Test(poller_wait, add_takes_effect_during_a_blocked_wait)
{
    feed(pair[1]);
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    cr_assert_ok(bide_poller_add(poller, pair[0], 7, READ, BIDE_POLL_ONESHOT));
    cr_assert_gives(waiter_join(&waiter), 1);
    cr_assert_eq(waiter.events[0].key, 7);
}

Test(poller_wait, what_becomes_ready_after_an_add_during_a_blocked_wait_is_seen)
{
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    cr_assert_ok(bide_poller_add(poller, pair[0], 7, READ, BIDE_POLL_ONESHOT));
    waiter_settle(&waiter);
    cr_assert_not(waiter.done, "the change itself ended the wait");
    feed(pair[1]);
    cr_assert_gives(waiter_join(&waiter), 1);
    cr_assert_eq(waiter.events[0].key, 7);
}

Test(poller_wait, modify_takes_effect_during_a_blocked_wait)
{
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    expect_event(poller, 1, READ);
    for (uint64_t key = 2; key < 6; key++) {
        struct waiter waiter;
        waiter_start(&waiter, poller, bide_after(BIDE_HOURS(1)));
        cr_assert_ok(bide_poller_modify(poller, pair[0], key, READ, BIDE_POLL_ONESHOT));
        cr_assert_gives(waiter_join(&waiter), 1);
        cr_assert_eq(waiter.events[0].key, key, "key %llu instead of %llu",
                     (unsigned long long)waiter.events[0].key, (unsigned long long)key);
    }
}

Test(poller_wait, delete_takes_effect_during_a_blocked_wait)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    cr_assert_ok(bide_poller_delete(poller, pair[0]));
    feed(pair[1]);
    waiter_settle(&waiter);
    cr_assert_not(waiter.done, "key %llu was reported", (unsigned long long)waiter.events[0].key);
    cr_assert_ok(bide_poller_add(poller, pair[0], 2, READ, BIDE_POLL_LEVEL));
    cr_assert_gives(waiter_join(&waiter), 1);
    cr_assert_eq(waiter.events[0].key, 2);
}

static _Atomic bool stop;

/* Adds, modifies and deletes a descriptor of its own without pause. */
static void *change_without_pause(void *arg)
{
    int *fd = arg;
    while (!stop) {
        (void)bide_poller_add(poller, *fd, 100, READ, BIDE_POLL_LEVEL);
        (void)bide_poller_modify(poller, *fd, 101, READ, BIDE_POLL_ONESHOT);
        (void)bide_poller_delete(poller, *fd);
    }
    return NULL;
}

Test(poller_wait, changes_without_pause_neither_end_nor_starve_a_wait)
{
    int quiet[2];
    make_pair(quiet);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, change_without_pause, &quiet[0]), 0);
    for (int i = 0; i < 10; i++) {
        expect_timeout();
        feed(pair[1]);
        bide_poll_event event;
        cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 1);
        cr_assert_eq(event.key, 1);
        drain(pair[0]);
        cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    }
    stop = true;
    (void)pthread_join(thread, NULL);
    close_pair(quiet);
}

static _Atomic int wrong_results;

/* Everything that threads may do, at the same time. */
static void *use(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    int own[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, own) != 0) abort();
    (void)!write(own[1], "x", 1);
    for (int i = 0; i < 2000; i++) {
        bide_poll_event events[2];
        int result = 0;
        switch (rand_r(&seed) % 6) {
        case 0:
            result = bide_poller_add(poller, own[0], seed, READ, BIDE_POLL_LEVEL);
            if (result == BIDE_EEXIST) result = 0;
            break;
        case 1:
            result = bide_poller_modify(poller, own[0], seed, READ, BIDE_POLL_ONESHOT);
            if (result == BIDE_ENOENT) result = 0;
            break;
        case 2:
            result = bide_poller_delete(poller, own[0]);
            if (result == BIDE_ENOENT) result = 0;
            break;
        case 3: result = bide_poller_notify(poller); break;
        default:
            result = bide_poller_wait(poller, events, 2, bide_after(rand_r(&seed) % BIDE_MICROSECONDS(100)));
            if (result == BIDE_EBUSY || result > 0) result = 0;
            break;
        }
        if (result != 0) wrong_results++;
    }
    (void)bide_poller_delete(poller, own[0]);
    close_pair(own);
    return NULL;
}

Test(poller_wait, threads_that_do_everything_at_once_corrupt_nothing)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, use, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_eq(wrong_results, 0, "%d unexpected results", wrong_results);
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    expect_event(poller, 1, READ);
}
