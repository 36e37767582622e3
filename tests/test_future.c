/* Futures: what poll, cancel and await promise whatever the future is, and what misuse gives.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

TestSuite(future, .fini = shut_down, .timeout = 30);

/* --- polling and cancelling ----------------------------------------------------------------------------- */

Test(future, one_that_was_never_polled_may_go_out_of_scope)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    {
        bide_event_waiting waiting;
        bide_readable readable;
        bide_io io;
        bide_timer timer;
        bide_timeout timeout;
        bide_racing racing;
        bide_joining joining;
        char byte;
        bide_event_waiting_init(&waiting, &event);
        bide_readable_init(&readable, async);
        bide_io_read(&io, async, &byte, 1);
        bide_timer_after(&timer, 0);
        bide_timeout_init(&timeout, &io.future, BIDE_NOW);
        bide_future *all[] = {&waiting.future, &readable.future, &timer.future};
        bide_racing_init(&racing, all, 3, NULL);
        bide_joining_init(&joining, all, 3);
    }
    bide_reactor_stats stats = stats_now();
    cr_assert_eq(stats.timers_pending, 0, "%zu timers are armed", stats.timers_pending);
    cr_assert_eq(stats.background, 0, "%zu wait in the background", stats.background);
    cr_assert_ok(bide_event_fini(&event));
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

Test(future, cancelling_one_that_was_never_polled_does_not_reach_it)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    cr_assert_gives(bide_cancel(&manual.future), BIDE_READY);
    cr_assert_gives(bide_block_on(&manual.future), 0);
    cr_assert_eq(manual.polls + manual.cancels, 0, "%d polls, %d cancels", manual.polls, manual.cancels);

    bide_event event;
    bide_event_waiting waiting;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_MANUAL));
    bide_event_waiting_init(&waiting, &event);
    cr_assert_gives(bide_cancel(&waiting.future), BIDE_READY);
    cr_assert_gives(waiting.result, BIDE_ECANCELED);
}

Test(future, one_that_was_ready_is_not_polled_again)
{
    struct manual manual;
    manual_init(&manual, BIDE_READY);
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_READY);
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_READY);
    cr_assert_ok(bide_block_on(&manual.future));
    cr_assert_ok(bide_await(&manual.future, BIDE_NOW));
    cr_assert_eq(manual.polls, 1, "polled %d times", manual.polls);
}

Test(future, one_that_was_cancelled_is_not_polled_again)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_PENDING);
    cr_assert_gives(bide_future_cancel(&manual.future, &cx), BIDE_READY);
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_READY);
    cr_assert_ok(bide_block_on(&manual.future));
    cr_assert_eq(manual.polls, 1, "polled %d times", manual.polls);
}

Test(future, cancelling_is_idempotent)
{
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    for (int answer = BIDE_READY; answer <= BIDE_COMPLETED; answer++) {
        struct manual manual;
        manual_init(&manual, BIDE_PENDING);
        manual.on_cancel = answer;
        cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_PENDING);
        for (int i = 0; i < 3; i++)
            cr_assert_gives(bide_future_cancel(&manual.future, &cx), answer);
        cr_assert_eq(manual.cancels, 1, "cancelled %d times", manual.cancels);
    }
    struct manual ready;
    manual_init(&ready, BIDE_READY);
    cr_assert_ok(bide_block_on(&ready.future));
    for (int i = 0; i < 3; i++)
        cr_assert_gives(bide_cancel(&ready.future), BIDE_COMPLETED);
    cr_assert_eq(ready.cancels, 0, "cancelled %d times", ready.cancels);
}

Test(future, a_stream_may_be_polled_again_after_each_item_and_after_a_cancel)
{
    struct manual stream;
    manual_stream_init(&stream, BIDE_READY);
    for (int i = 1; i <= 3; i++) {
        cr_assert_ok(bide_block_on(&stream.future));
        cr_assert_eq(stream.polls, i, "%d polls for item %d", stream.polls, i);
    }
    stream.on_poll = BIDE_PENDING;
    cr_assert_gives(bide_await(&stream.future, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_eq(stream.cancels, 1, "cancelled %d times", stream.cancels);
    stream.on_poll = BIDE_READY;
    cr_assert_ok(bide_block_on(&stream.future));
    cr_assert_eq(stream.polls, 5, "polled %d times", stream.polls);
}

Test(future, may_be_initialised_and_used_again)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    for (int i = 0; i < 3; i++) {
        bide_event_waiting_init(&waiting, &event);
        cr_assert_gives(bide_await(&waiting.future, BIDE_NOW), BIDE_EAGAIN);
        bide_event_waiting_init(&waiting, &event);
        bide_event_set(&event);
        cr_assert_ok(bide_block_on(&waiting.future));
        cr_assert_gives(waiting.result, 0);
    }
}

Test(future, a_context_hands_on_the_waker_it_was_made_with)
{
    struct counter counter = {0};
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    bide_context cx = context_with(counting(&counter));
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_PENDING);
    cr_assert(manual.waker.wake == count_wake && manual.waker.arg == &counter, "another waker came");
}

/* --- awaiting ------------------------------------------------------------------------------------------- */

Test(future, await_with_now_tries_once_and_gives_again)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    cr_assert_gives(bide_await(&manual.future, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_eq(manual.polls, 1, "polled %d times", manual.polls);
    cr_assert_eq(manual.cancels, 1, "cancelled %d times", manual.cancels);
}

Test(future, await_cancels_at_the_deadline_and_not_before)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_await(&manual.future, deadline), BIDE_ETIMEDOUT);
    cr_assert(!bide_before(bide_now(), deadline), "it gave up %lld ns early",
              (long long)bide_instant_since(deadline, bide_now()));
    cr_assert_eq(manual.cancels, 1, "cancelled %d times", manual.cancels);

    manual_init(&manual, BIDE_PENDING);
    cr_assert_gives(bide_await(&manual.future, bide_after(-1)), BIDE_ETIMEDOUT);
    cr_assert_eq(manual.cancels, 1, "cancelled %d times", manual.cancels);
}

Test(future, a_result_that_is_there_beats_the_deadline)
{
    struct manual manual;
    manual_init(&manual, BIDE_READY);
    cr_assert_ok(bide_await(&manual.future, bide_after(-1)));
    manual_init(&manual, BIDE_READY);
    cr_assert_ok(bide_await(&manual.future, BIDE_NOW));
}

Test(future, one_that_finishes_while_the_deadline_cancels_it_keeps_its_result)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    manual.on_cancel = BIDE_COMPLETED;
    cr_assert_ok(bide_await(&manual.future, bide_after(-1)));
    manual_init(&manual, BIDE_PENDING);
    manual.on_cancel = BIDE_COMPLETED;
    cr_assert_ok(bide_await(&manual.future, BIDE_NOW));
}

static void cancel_owned(struct worker *worker)
{
    struct owned *owned = worker->arg;
    worker->result = bide_cancel(&owned->future);
}

static void await_owned(struct worker *worker)
{
    struct owned *owned = worker->arg;
    worker->result = bide_await(&owned->future, bide_after(-1));
}

Test(future, cancelling_waits_for_the_last_word_of_the_kernel)
{
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    for (int outcome = BIDE_READY; outcome <= BIDE_COMPLETED; outcome++) {
        struct owned owned;
        owned_init(&owned, outcome);
        cr_assert_gives(bide_future_poll(&owned.future, &cx), BIDE_PENDING);
        struct worker worker;
        worker_start(&worker, cancel_owned, &owned);
        await_asleep(&worker);
        cr_assert(!worker.done, "cancel answered %ld before the kernel did", worker.result);
        bide_event_set(&owned.answered);
        cr_assert_gives(worker_join(&worker), outcome);
    }
}

Test(future, a_deadline_waits_for_the_last_word_of_the_kernel)
{
    for (int outcome = BIDE_READY; outcome <= BIDE_COMPLETED; outcome++) {
        struct owned owned;
        owned_init(&owned, outcome);
        struct worker worker;
        worker_start(&worker, await_owned, &owned);
        await_asleep(&worker);
        cr_assert(!worker.done, "await ended with %ld while the kernel owned the buffer", worker.result);
        bide_event_set(&owned.answered);
        cr_assert_gives(worker_join(&worker), outcome == BIDE_COMPLETED ? 0 : BIDE_ETIMEDOUT);
    }
}

/* --- budget --------------------------------------------------------------------------------------------- */

/* Has as much to do as it may, and never has to wait. */
struct busy {
    bide_future future;
    int work; /* units left */
    int most; /* done in one poll */
    int polls;
};

static int busy_poll(bide_future *self, bide_context *cx)
{
    struct busy *busy = (struct busy *)self;
    busy->polls++;
    for (int done = 0; busy->work > 0; done++) {
        if (done > busy->most) busy->most = done;
        if (!bide_context_spend(cx)) return BIDE_PENDING;
        busy->work--;
    }
    return BIDE_READY;
}

static int busy_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static void busy_init(struct busy *busy, int work)
{
    static const bide_future_ops ops = {sizeof ops, busy_poll, busy_cancel, 0};
    memset(busy, 0, sizeof *busy);
    bide_future_init(&busy->future, &ops);
    busy->work = work;
}

Test(future, one_that_never_waits_is_made_to_yield_every_128th_time)
{
    struct busy busy;
    busy_init(&busy, 1000);
    struct counter counter = {0};
    for (int polls = 1; polls <= 8; polls++) {
        bide_context cx = context_with(counting(&counter));
        int expected = polls < 8 ? BIDE_PENDING : BIDE_READY;
        cr_assert_gives(bide_future_poll(&busy.future, &cx), expected);
        cr_assert_eq(counter.wakes, polls < 8 ? polls : 7, "%d wakes after %d polls", counter.wakes, polls);
    }
    cr_assert_eq(busy.most, 128, "%d units in one poll", busy.most);
}

Test(future, one_that_never_waits_lets_the_reactor_have_its_turns)
{
    struct busy busy;
    busy_init(&busy, 100000);
    cr_assert_not_null(bide_reactor_backend(bide_reactor_global()), "the reactor cannot be opened");
    bide_reactor_stats before = stats_now();
    cr_assert_ok(bide_block_on(&busy.future));
    uint64_t turns = stats_now().turns - before.turns;
    cr_assert_eq(busy.most, 128, "%d units in one poll", busy.most);
    cr_assert_eq((int)turns, busy.polls - 1, "%d polls, but %d turns between them", busy.polls, (int)turns);
}

/* --- misuse --------------------------------------------------------------------------------------------- */

/* Polls the future, moves it bytewise, and expects every call to notice. Then it is moved back and
 * cancelled. */
static void expect_moved(bide_future *future, bide_future *elsewhere, size_t size)
{
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    cr_assert_gives(bide_future_poll(future, &cx), BIDE_PENDING);
    memcpy(elsewhere, future, size);
    cr_assert_gives(bide_future_poll(elsewhere, &cx), BIDE_EMOVED);
    cr_assert_gives(bide_future_cancel(elsewhere, &cx), BIDE_EMOVED);
    cr_assert_gives(bide_block_on(elsewhere), BIDE_EMOVED);
    cr_assert_gives(bide_await(elsewhere, BIDE_NOW), BIDE_EMOVED);
    cr_assert_gives(bide_cancel(elsewhere), BIDE_EMOVED);
    cr_assert_gives(bide_future_cancel(future, &cx), BIDE_READY);
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
}

Test(future, one_that_was_moved_after_its_first_poll_is_noticed)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    char byte;

    bide_event_waiting waiting[2];
    bide_event_waiting_init(&waiting[0], &event);
    expect_moved(&waiting[0].future, &waiting[1].future, sizeof waiting[0]);
    bide_readable readable[2];
    bide_readable_init(&readable[0], async);
    expect_moved(&readable[0].future, &readable[1].future, sizeof readable[0]);
    bide_io io[2];
    bide_io_read(&io[0], async, &byte, 1);
    expect_moved(&io[0].future, &io[1].future, sizeof io[0]);
    bide_timer timer[2];
    bide_timer_after(&timer[0], BIDE_HOURS(1));
    expect_moved(&timer[0].future, &timer[1].future, sizeof timer[0]);
    bide_timeout timeout[2];
    bide_event_waiting_init(&waiting[0], &event);
    bide_timeout_init(&timeout[0], &waiting[0].future, BIDE_NEVER);
    expect_moved(&timeout[0].future, &timeout[1].future, sizeof timeout[0]);
    bide_event_waiting_init(&waiting[0], &event);
    bide_future *members[] = {&waiting[0].future};
    bide_racing racing[2];
    bide_racing_init(&racing[0], members, 1, NULL);
    expect_moved(&racing[0].future, &racing[1].future, sizeof racing[0]);
    bide_event_waiting_init(&waiting[0], &event);
    bide_joining joining[2];
    bide_joining_init(&joining[0], members, 1);
    expect_moved(&joining[0].future, &joining[1].future, sizeof joining[0]);

    cr_assert_ok(bide_event_fini(&event));
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

Test(future, may_be_moved_before_its_first_poll_and_after_it_is_ready)
{
    struct manual here, there;
    manual_init(&here, BIDE_READY);
    memcpy(&there, &here, sizeof here);
    cr_assert_ok(bide_block_on(&there.future));
    memcpy(&here, &there, sizeof here);
    cr_assert_ok(bide_block_on(&here.future));
    cr_assert_eq(here.polls, 1, "polled %d times", here.polls);

    manual_stream_init(&here, BIDE_READY);
    cr_assert_ok(bide_block_on(&here.future));
    memcpy(&there, &here, sizeof here);
    cr_assert_ok(bide_block_on(&there.future));
    cr_assert_eq(there.polls, 2, "polled %d times", there.polls);
}

Test(future, null_and_uninitialised_ones_are_refused)
{
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    struct manual manual;
    manual_init(&manual, BIDE_READY);
    bide_future empty;
    memset(&empty, 0, sizeof empty);
    bide_future *bad[] = {NULL, &empty};
    for (int i = 0; i < 2; i++) {
        cr_assert_gives(bide_future_poll(bad[i], &cx), BIDE_EINVAL);
        cr_assert_gives(bide_future_cancel(bad[i], &cx), BIDE_EINVAL);
        cr_assert_gives(bide_block_on(bad[i]), BIDE_EINVAL);
        cr_assert_gives(bide_await(bad[i], BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_cancel(bad[i]), BIDE_EINVAL);
    }
    cr_assert_gives(bide_future_poll(&manual.future, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_future_cancel(&manual.future, NULL), BIDE_EINVAL);
    cr_assert_eq(manual.polls, 0, "polled %d times", manual.polls);
}

/* What a waker must not do, and what became of the attempts. */
enum { FORBIDDEN_CALLS = 22 };
struct offender {
    bide_future *future;
    bide_set *set;
    bide_set_member *member;
    bide_timer *timer;
    bide_event *event;
    bide_async *async;
    bide_reactor *reactor;
    bide_set_member *ready;
    int answers[FORBIDDEN_CALLS];
    int wakes;
};

static void offend(void *arg)
{
    struct offender *it = arg;
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    bide_set_member spare;
    bide_fd fd;
    int n = 0;
    it->wakes++;
    it->answers[n++] = bide_future_poll(it->future, &cx);
    it->answers[n++] = bide_future_cancel(it->future, &cx);
    it->answers[n++] = bide_block_on(it->future);
    it->answers[n++] = bide_await(it->future, BIDE_NOW);
    it->answers[n++] = bide_cancel(it->future);
    it->answers[n++] = bide_race(&it->future, 1);
    it->answers[n++] = bide_race_until(&it->future, 1, BIDE_NEVER, NULL);
    it->answers[n++] = bide_join(&it->future, 1, BIDE_NOW);
    it->answers[n++] = bide_sleep(0);
    it->answers[n++] = bide_sleep_until(BIDE_NOW);
    it->answers[n++] = bide_timer_wait(it->timer);
    it->answers[n++] = bide_event_wait(it->event, BIDE_NOW);
    it->answers[n++] = bide_set_add(it->set, &spare, it->future, NULL);
    it->answers[n++] = bide_set_remove(it->set, it->member);
    it->answers[n++] = bide_set_next(it->set, BIDE_NOW, &it->ready);
    it->answers[n++] = bide_async_free(it->async);
    it->answers[n++] = bide_async_into_fd(it->async, 0, &fd);
    it->answers[n++] = bide_async_forget(it->async, BIDE_READ);
    it->answers[n++] = bide_async_poll_readable(it->async, counting(&counter));
    it->answers[n++] = bide_reactor_run_once(it->reactor, BIDE_NOW);
    it->answers[n++] = bide_reactor_free(it->reactor);
    it->answers[n++] = bide_shutdown();
}

Test(future, a_waker_that_polls_cancels_frees_or_waits_is_refused_and_nothing_changes)
{
    int ends[2];
    make_pipe(ends);
    bide_event event, trigger;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&trigger, BIDE_EVENT_AUTO));
    struct offender it = {.event = &event};
    cr_assert_ok(bide_reactor_new(&it.reactor, NULL));
    cr_assert_ok(bide_async_new(&it.async, ends[0]));
    bide_event_waiting waiting, member, triggered;
    bide_event_waiting_init(&waiting, &event);
    bide_event_waiting_init(&member, &event);
    bide_event_waiting_init(&triggered, &trigger);
    bide_timer timer;
    bide_timer_after(&timer, 0);
    it.future = &waiting.future;
    it.timer = &timer;

    /* The set has yielded one member, and another one waits. */
    struct manual yielded;
    manual_init(&yielded, BIDE_READY);
    bide_set set;
    bide_set_member members[2];
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &members[0], &yielded.future, NULL));
    cr_assert_ok(bide_set_add(&set, &members[1], &member.future, NULL));
    cr_assert_ok(bide_set_next(&set, BIDE_NOW, &it.ready));
    it.set = &set;
    it.member = &members[1];

    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    cr_assert_gives(bide_future_poll(&waiting.future, &cx), BIDE_PENDING);
    bide_waker waker = {offend, &it};
    cr_assert_gives(poll_with(&triggered.future, waker), BIDE_PENDING);
    bide_event_set(&trigger);

    cr_assert_eq(it.wakes, 1, "%d wakes", it.wakes);
    for (int i = 0; i < FORBIDDEN_CALLS; i++)
        cr_assert_gives(it.answers[i], BIDE_EDEADLK);
    cr_assert_null(it.ready, "a member was given together with the error");
    cr_assert_eq(bide_set_count(&set), 1, "%zu members", bide_set_count(&set));
    cr_assert(bide_timer_will_fire(&timer), "the timer has fired");
    cr_assert_ok(bide_timer_wait(&timer));
    cr_assert_gives(bide_future_poll(&waiting.future, &cx), BIDE_PENDING);
    bide_event_set(&event);
    cr_assert_eq(counter.wakes, 1, "%d wakes", counter.wakes);
    cr_assert_gives(bide_future_poll(&waiting.future, &cx), BIDE_READY);
    bide_event_set(&event);
    cr_assert_ok(bide_set_next(&set, BIDE_NOW, &it.ready));
    cr_assert_eq((void *)it.ready, (void *)&members[1], "another member");

    cr_assert_gives(poll_with(&triggered.future, waker), BIDE_READY);
    cr_assert_ok(bide_reactor_free(it.reactor));
    cr_assert_ok(bide_async_free(it.async));
    (void)close(ends[1]);
}

static void set_and_arrange(void *arg)
{
    struct offender *it = arg;
    it->wakes++;
    bide_event_set(it->event);
    it->answers[0] = bide_timer_set_after(it->timer, BIDE_HOURS(1));
    it->answers[1] = bide_timer_will_fire(it->timer);
    it->answers[2] = bide_event_is_set(it->event);
}

Test(future, a_waker_may_set_events_and_timers)
{
    bide_event event, trigger;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&trigger, BIDE_EVENT_AUTO));
    bide_timer timer;
    bide_timer_never(&timer);
    struct offender it = {.event = &event, .timer = &timer};
    bide_waker waker = {set_and_arrange, &it};
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &trigger);
    cr_assert_gives(poll_with(&waiting.future, waker), BIDE_PENDING);
    bide_event_set(&trigger);
    cr_assert_eq(it.wakes, 1, "%d wakes", it.wakes);
    cr_assert_gives(it.answers[0], 0);
    cr_assert(it.answers[1], "the timer was not set");
    cr_assert(it.answers[2], "the event was not set");
    cr_assert_gives(poll_with(&waiting.future, waker), BIDE_READY);
}
