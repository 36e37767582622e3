/* bide_shutdown(): everything is cancelled, nothing is left, and a later use begins anew.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

TestSuite(shutdown, .timeout = 60);

static struct counter counter;

/* One of each kind that waits on the reactor. */
struct waiting {
    int ends[2];
    bide_async *async;
    bide_readable readable;
    bide_io io;
    char byte;
    bide_timer timer;
    bide_timer never;
    bide_timeout timeout;
    struct manual inner;
};

enum { KINDS = 5 };

static void begin(struct waiting *it)
{
    make_pipe(it->ends);
    cr_assert_ok(bide_async_new(&it->async, it->ends[0]));
    bide_readable_init(&it->readable, it->async);
    bide_io_read(&it->io, it->async, &it->byte, 1);
    bide_timer_after(&it->timer, BIDE_HOURS(1));
    bide_timer_never(&it->never);
    manual_init(&it->inner, BIDE_PENDING);
    bide_timeout_init(&it->timeout, &it->inner.future, bide_after(BIDE_HOURS(1)));
}

static void expect_all(struct waiting *it, int expected)
{
    bide_future *futures[KINDS] = {&it->readable.future, &it->io.future, &it->timer.future, &it->never.future,
                                   &it->timeout.future};
    for (int i = 0; i < KINDS; i++) {
        int answer = poll_with(futures[i], counting(&counter));
        cr_assert_eq(answer, expected, "future %d: %d", i, answer);
    }
}

static void expect_cancelled(struct waiting *it)
{
    expect_all(it, BIDE_READY);
    cr_assert_gives(it->readable.result, BIDE_ECANCELED);
    cr_assert_gives(it->io.result, BIDE_ECANCELED);
    cr_assert_gives(bide_timer_error(&it->timer), BIDE_ECANCELED);
    cr_assert_gives(bide_timer_error(&it->never), BIDE_ECANCELED);
    cr_assert_gives(it->timeout.result, BIDE_ECANCELED);
    cr_assert_eq(it->inner.cancels, 1, "the inner future was cancelled %d times", it->inner.cancels);
}

static void end(struct waiting *it)
{
    cr_assert_ok(bide_async_free(it->async));
    (void)close(it->ends[1]);
}

Test(shutdown, of_what_was_never_used_does_nothing)
{
    struct inventory before = inventory_now();
    cr_assert_ok(bide_shutdown());
    cr_assert_ok(bide_shutdown());
    expect_nothing_left(before);
}

Test(shutdown, wakes_what_waits_and_cancels_it)
{
    struct inventory before = inventory_now();
    struct waiting it;
    begin(&it);
    expect_all(&it, BIDE_PENDING);
    AWAIT(bide_test_thread_named("async-io") != 0);
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(counter.wakes, KINDS, "%d wakes for %d futures", counter.wakes, KINDS);
    expect_cancelled(&it);
    end(&it);
    expect_nothing_left(before);
}

Test(shutdown, cancels_what_was_made_but_never_polled)
{
    struct waiting it;
    begin(&it);
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
    expect_cancelled(&it);
    end(&it);
}

Test(shutdown, is_not_final)
{
    struct inventory before = inventory_now();
    for (int i = 0; i < 20; i++) {
        struct waiting it;
        begin(&it);
        counter.wakes = 0;
        expect_all(&it, BIDE_PENDING);
        put(it.ends[1], "xy", 2);
        cr_assert_ok(bide_timer_set_after(&it.timer, 0));
        cr_assert_ok(bide_timer_set_after(&it.never, 0));
        AWAIT(counter.wakes == 4);
        cr_assert_gives(poll_with(&it.readable.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(poll_with(&it.io.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(it.io.result, 1);
        cr_assert_ok(bide_timer_wait(&it.timer));
        cr_assert_ok(bide_timer_wait(&it.never));
        cr_assert_ok(bide_shutdown());
        cr_assert_gives(poll_with(&it.timeout.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(it.timeout.result, BIDE_ECANCELED);
        end(&it);
    }
    expect_nothing_left(before);
}

Test(shutdown, lets_handles_give_back_their_descriptors)
{
    struct waiting it;
    begin(&it);
    cr_assert_ok(bide_shutdown());
    char byte;
    cr_assert_gives(bide_read(it.async, &byte, 1, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_gives(bide_wait_readable(it.async, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_gives(bide_async_poll_readable(it.async, counting(&counter)), BIDE_ECANCELED);
    bide_fd fd;
    cr_assert_ok(bide_async_into_fd(it.async, 0, &fd));
    cr_assert_eq(fd, it.ends[0], "another descriptor");
    cr_assert_ok(bide_async_new(&it.async, fd));
    put(it.ends[1], "x", 1);
    cr_assert_gives(bide_read(it.async, &byte, 1, BIDE_NEVER), 1);
    end(&it);
}

Test(shutdown, does_not_let_later_timers_be_served_by_a_helper_that_is_gone)
{
    /* A set that waits for an event alone: its wait outlasts the shutdown, for nothing of it is in the
     * reactor. */
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    bide_set set;
    bide_set_member member;
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &member, &waiting.future, NULL));
    struct counter of_set = {0};
    cr_assert_gives(poll_with(&set.future, counting(&of_set)), BIDE_PENDING);
    cr_assert_ok(bide_shutdown());

    bide_timer timer;
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    AWAIT(counter.wakes > 0);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    bide_event_set(&event);
    cr_assert_eq(of_set.wakes, 1, "%d wakes of the set", of_set.wakes);
    cr_assert_gives(poll_with(&set.future, counting(&of_set)), BIDE_READY);
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
    cr_assert_ok(bide_shutdown());
}

static void wait_for_event(struct worker *worker)
{
    worker->result = bide_event_wait(worker->arg, BIDE_NEVER);
}

Test(shutdown, is_refused_while_a_thread_waits_and_changes_nothing)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_timer timer;
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    struct worker worker;
    worker_start(&worker, wait_for_event, &event);
    await_asleep(&worker);
    cr_assert_gives(bide_shutdown(), BIDE_EBUSY);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    AWAIT(counter.wakes > 0);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    bide_event_set(&event);
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_ok(bide_shutdown());
}

static struct gate gate;

static void shut_down_meanwhile(struct worker *worker)
{
    worker->result = bide_shutdown();
    if (!gate.left) worker->result = BIDE_EINVAL;
}

Test(shutdown, waits_for_a_waker_that_runs_on_the_helper_thread)
{
    bide_timer timer;
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, gated(&gate)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    AWAIT(gate.entered);
    struct worker worker;
    worker_start(&worker, shut_down_meanwhile, NULL);
    await_asleep(&worker);
    cr_assert(!worker.done, "it ended with %ld while the waker ran", worker.result);
    gate.open = true;
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
}

static void shut_down_often(struct worker *worker)
{
    for (int i = 0; i < 50 && worker->result == 0; i++)
        worker->result = bide_shutdown();
}

Test(shutdown, may_be_called_by_two_threads_at_once)
{
    struct worker workers[2];
    for (int round = 0; round < 20; round++) {
        bide_timer timer;
        bide_timer_after(&timer, BIDE_HOURS(1));
        cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
        for (int i = 0; i < 2; i++)
            worker_start(&workers[i], shut_down_often, NULL);
        for (int i = 0; i < 2; i++)
            cr_assert_gives(worker_join(&workers[i]), 0);
        cr_assert_gives(bide_timer_wait(&timer), BIDE_ECANCELED);
    }
}

static _Atomic bool stop;

/* Timers, sleeps, descriptors: whatever a shutdown may come upon. All ends well, or is cancelled. */
static void use_often(struct worker *worker)
{
    int ends[2];
    if (pipe(ends) != 0) return;
    for (int i = 0; !stop && worker->result == 0; i++) {
        /* Now and then nobody waits. */
        for (int spin = i * 13 % 50 * 100; spin > 0; spin--)
            bide_os_spin_pause();
        bide_timer timer;
        bide_async *async;
        bide_timer_after(&timer, BIDE_MICROSECONDS(i % 60));
        int error = i % 2 ? bide_timer_wait(&timer) : bide_sleep(BIDE_MICROSECONDS(i % 60));
        if (error && error != BIDE_ECANCELED) worker->result = error;
        error = bide_async_new(&async, ends[0]);
        if (error == BIDE_ECANCELED) continue;
        if (!error) {
            error = bide_wait_readable(async, bide_after(BIDE_MICROSECONDS(i % 60)));
            if (error != BIDE_ETIMEDOUT && error != BIDE_ECANCELED) worker->result = BIDE_EINVAL;
            struct counter mine = {0};
            bide_timer_after(&timer, BIDE_MICROSECONDS(i % 60));
            if (poll_with(&timer.future, counting(&mine)) == BIDE_PENDING) (void)bide_cancel(&timer.future);
            bide_fd back = BIDE_INVALID_FD;
            error = bide_async_into_fd(async, 0, &back);
            ends[0] = (int)back;
        }
        if (error) worker->result = error;
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(shutdown, at_any_moment_of_another_threads_use_ends_well)
{
    struct inventory before = inventory_now();
    struct worker workers[2];
    for (int i = 0; i < 2; i++)
        worker_start(&workers[i], use_often, NULL);
    int done = 0;
    bide_instant limit = bide_after(BIDE_SECONDS(2));
    for (int i = 0; done < 1000 && bide_before(bide_now(), limit); i++) {
        int error = bide_shutdown();
        if (error != BIDE_EBUSY) cr_assert_ok(error);
        done += error == 0;
        for (int spin = i * 7 % 100; spin > 0; spin--)
            bide_os_spin_pause();
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    cr_log_info("%d shutdowns were not refused", done);
    expect_nothing_left(before);
}
