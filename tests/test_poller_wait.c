/* The poller: how a wait begins and ends. Deadlines, signals, notifications, changes from other threads.
 *
 * Interleavings are forced by hooks around the back end's functions. All tests use the back end that
 * bide_poller_new() chooses.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller.h"

#include "poll/backend.h"

#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

enum { READ = BIDE_POLL_READ };

bide_poller *poller;
static int pair[2];

static void open_all(void)
{
    cr_assert_ok(bide_poller_new(&poller, NULL));
    make_pair(pair);
}

static void close_all(void)
{
    close_pair(pair);
    bide_poller_free(poller);
}

TestSuite(poller_wait, .init = open_all, .fini = close_all, .timeout = 30);

/* --- hooks ---------------------------------------------------------------------------------------------- */

static const bide_poll_backend *real;
static bide_poll_backend hooked;
static void (*before_wait)(void); /* each is called once */
static void (*after_wait)(void);
static _Atomic int wakes; /* calls of the back end's wake */
static bool hold_wake;    /* stop before the real wake until told to go on */
static sem_t wake_reached, wake_may_go_on;

static void call_once(void (**hook)(void))
{
    void (*function)(void) = *hook;
    *hook = NULL;
    if (function) function();
}

static int hooked_wait(bide_poller *p, bide_poll_event *events, size_t capacity, bide_instant deadline)
{
    call_once(&before_wait);
    int result = real->wait(p, events, capacity, deadline);
    call_once(&after_wait);
    return result;
}

static void hooked_wake(bide_poller *p)
{
    wakes++;
    if (hold_wake) {
        hold_wake = false;
        (void)sem_post(&wake_reached);
        while (sem_wait(&wake_may_go_on) != 0)
            continue;
    }
    real->wake(p);
}

static void install_hooks(void)
{
    (void)sem_init(&wake_reached, 0, 0);
    (void)sem_init(&wake_may_go_on, 0, 0);
    real = poller->backend;
    hooked = *real;
    hooked.wait = hooked_wait;
    hooked.wake = hooked_wake;
    poller->backend = &hooked;
}

static void notify(void)
{
    cr_assert_ok(bide_poller_notify(poller));
}

static void *notify_in_thread(void *arg)
{
    (void)arg;
    return bide_poller_notify(poller) == 0 ? poller : NULL;
}

/* A wait that must end without events, and how long it took. */
static bide_duration empty_wait(bide_duration duration)
{
    bide_poll_event event;
    const bide_instant begin = bide_now();
    cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_instant_add(begin, duration)), 0);
    return bide_instant_since(bide_now(), begin);
}

static void expect_timeout(void)
{
    const bide_duration asked = BIDE_MILLISECONDS(5);
    bide_duration took = empty_wait(asked);
    cr_assert_geq(took, asked, "ended after %lld ns", (long long)took);
}

/* A wait for ever that must end at once. */
static void expect_end(int events)
{
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), events);
}

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

/* --- notifications -------------------------------------------------------------------------------------- */

Test(poller_wait, a_notification_before_a_wait_ends_it_at_once_and_only_it)
{
    notify();
    expect_end(0);
    expect_timeout();
}

Test(poller_wait, a_notification_during_a_wait_ends_it_and_only_it)
{
    for (int i = 0; i < 10; i++) {
        struct waiter waiter;
        waiter_start(&waiter, poller, i % 2 ? BIDE_NEVER : bide_after(BIDE_HOURS(1)));
        notify();
        cr_assert_gives(waiter_join(&waiter), 0);
    }
    expect_timeout();
}

Test(poller_wait, ten_notifications_give_ten_immediate_empty_waits)
{
    for (int i = 0; i < 10; i++) {
        notify();
        expect_end(0);
    }
    expect_timeout();
}

Test(poller_wait, notifications_are_coalesced)
{
    for (int i = 0; i < 10; i++)
        notify();
    expect_end(0);
    expect_timeout();
}

Test(poller_wait, a_wait_that_a_notification_ends_returns_the_events_there_are)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    feed(pair[1]);
    notify();
    expect_end(1);
    expect_timeout();
}

Test(poller_wait, a_notification_is_cheap_when_nobody_waits)
{
    install_hooks();
    for (int i = 0; i < 10; i++)
        notify();
    expect_end(0);
    cr_assert_eq(wakes, 0, "%d wake-ups", wakes);
    /* a wait of zero need not be woken either */
    before_wait = notify;
    expect_nothing(poller);
    cr_assert_eq(wakes, 0, "%d wake-ups", wakes);
    expect_timeout();
}

static void notify_three_times(void)
{
    for (int i = 0; i < 3; i++)
        notify();
}

Test(poller_wait, one_wake_up_is_made_for_several_notifications_of_a_blocked_wait)
{
    install_hooks();
    before_wait = notify_three_times;
    expect_end(0);
    cr_assert_eq(wakes, 1, "%d wake-ups", wakes);
    expect_timeout();
}

Test(poller_wait, a_notification_between_the_begin_of_a_wait_and_its_block_is_not_lost)
{
    install_hooks();
    for (int i = 0; i < 5; i++) {
        before_wait = notify;
        expect_end(0);
    }
    expect_timeout();
}

Test(poller_wait, a_notification_after_the_last_look_counts_for_the_wait_that_is_returning)
{
    install_hooks();
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    feed(pair[1]);
    after_wait = notify;
    expect_end(1);
    cr_assert_eq(wakes, 1, "%d wake-ups", wakes);
    /* the wake-up that nobody saw is stale now */
    expect_timeout();
}

Test(poller_wait, a_stale_wake_up_does_not_end_a_later_wait_early)
{
    poller->backend->wake(poller);
    expect_timeout();
    poller->backend->wake(poller);
    expect_nothing(poller);
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    for (int i = 0; i < 5; i++) {
        poller->backend->wake(poller);
        waiter_settle(&waiter);
    }
    cr_assert_not(waiter.done);
    notify();
    cr_assert_gives(waiter_join(&waiter), 0);
}

Test(poller_wait, a_wake_up_that_comes_after_its_wait_has_ended_does_not_end_the_next)
{
    install_hooks();
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);

    /* the notifier has found the wait blocked, and is held before it wakes it */
    hold_wake = true;
    pthread_t notifier;
    cr_assert_eq(pthread_create(&notifier, NULL, notify_in_thread, NULL), 0);
    while (sem_wait(&wake_reached) != 0)
        continue;
    /* meanwhile the wait ends by an event, and another one begins */
    feed(pair[1]);
    cr_assert_gives(waiter_join(&waiter), 1);
    waiter_start(&waiter, poller, BIDE_NEVER);
    (void)sem_post(&wake_may_go_on);
    void *notified;
    (void)pthread_join(notifier, &notified);
    cr_assert_not_null(notified);
    waiter_settle(&waiter);
    cr_assert_not(waiter.done, "the late wake-up ended it");

    notify();
    cr_assert_gives(waiter_join(&waiter), 0);
    expect_timeout();
}

Test(poller_wait, a_second_notification_passes_a_first_one_that_is_still_on_its_way)
{
    install_hooks();
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    hold_wake = true;
    pthread_t notifier;
    cr_assert_eq(pthread_create(&notifier, NULL, notify_in_thread, NULL), 0);
    while (sem_wait(&wake_reached) != 0)
        continue;
    feed(pair[1]);
    cr_assert_gives(waiter_join(&waiter), 1);
    waiter_start(&waiter, poller, BIDE_NEVER);
    notify();
    cr_assert_gives(waiter_join(&waiter), 0);
    (void)sem_post(&wake_may_go_on);
    (void)pthread_join(notifier, NULL);
    cr_assert_eq(wakes, 2, "%d wake-ups", wakes);
    expect_timeout();
}

/* Two threads hand a plain variable to and fro, each waiting in a poller of its own: the thread sanitizer
 * tells if a notification does not order memory. */
enum { ROUNDS = 2000 };
static bide_poller *other_poller;
static int plain;

static void *answer(void *arg)
{
    int *wrong = arg;
    for (int i = 0; i < ROUNDS; i++) {
        bide_poll_event event;
        if (bide_poller_wait(other_poller, &event, 1, BIDE_NEVER) != 0 || plain != 2 * i + 1) ++*wrong;
        plain++;
        (void)bide_poller_notify(poller);
    }
    return NULL;
}

Test(poller_wait, what_was_written_before_a_notification_is_seen_after_the_wait)
{
    cr_assert_ok(bide_poller_new(&other_poller, NULL));
    int wrong = 0;
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, answer, &wrong), 0);
    for (int i = 0; i < ROUNDS; i++) {
        plain++;
        cr_assert_ok(bide_poller_notify(other_poller));
        expect_end(0);
        cr_assert_eq(plain, 2 * i + 2, "%d instead of %d", plain, 2 * i + 2);
    }
    (void)pthread_join(thread, NULL);
    cr_assert_eq(wrong, 0, "%d wrong values or waits", wrong);
    bide_poller_free(other_poller);
}

enum { NOTIFIERS = 3, NOTIFICATIONS = 5000 };
static _Atomic int given;

static void *notify_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < NOTIFICATIONS; i++) {
        given++;
        (void)bide_poller_notify(poller);
    }
    return NULL;
}

Test(poller_wait, of_many_notifications_from_many_threads_none_is_lost)
{
    pthread_t threads[NOTIFIERS];
    for (int i = 0; i < NOTIFIERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, notify_often, NULL), 0);
    /* Blocks for ever if the last one is lost. */
    while (given < NOTIFIERS * NOTIFICATIONS)
        expect_end(0);
    for (int i = 0; i < NOTIFIERS; i++)
        (void)pthread_join(threads[i], NULL);
    expect_nothing(poller);
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
