/* The poller: notifications, before, during and between waits.
 *
 * Interleavings are forced by hooks around the back end's functions. All tests use the back end that
 * bide_poller_new() chooses.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller_hooks.h"

enum { READ = BIDE_POLL_READ };

TestSuite(poller_wait, .init = open_all, .fini = close_all, .timeout = 30);

static void *notify_in_thread(void *arg)
{
    (void)arg;
    return bide_poller_notify(poller) == 0 ? poller : NULL;
}

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

/* A blocked wait, and a thread that has found it blocked and is held before it wakes it. */
static pthread_t hold_a_wake_up(struct waiter *waiter)
{
    install_hooks();
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    waiter_start(waiter, poller, BIDE_NEVER);
    hold_wake = true;
    pthread_t notifier;
    cr_assert_eq(pthread_create(&notifier, NULL, notify_in_thread, NULL), 0);
    while (sem_wait(&wake_reached) != 0)
        continue;
    return notifier;
}

Test(poller_wait, a_wake_up_that_comes_after_its_wait_has_ended_does_not_end_the_next)
{
    struct waiter waiter;
    pthread_t notifier = hold_a_wake_up(&waiter);
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
    struct waiter waiter;
    pthread_t notifier = hold_a_wake_up(&waiter);
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
