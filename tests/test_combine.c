/* Several futures awaited as one: join, time-outs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_combine.h"

TestSuite(join, .fini = shut_down, .timeout = 60);
TestSuite(timeout, .fini = shut_down, .timeout = 60);

/* --- join ----------------------------------------------------------------------------------------------- */

Test(join, waits_for_all)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_set(&event);
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    bide_timer timers[2];
    bide_timer_after(&timers[0], BIDE_MILLISECONDS(10));
    bide_timer_after(&timers[1], BIDE_MILLISECONDS(5));
    bide_instant last = bide_timer_deadline(&timers[0]);
    bide_future *all[] = {&timers[0].future, &waiting.future, &timers[1].future};
    cr_assert_ok(bide_join(all, 3, BIDE_NEVER));
    cr_assert(!bide_before(bide_now(), last), "it ended before the last timer");
    cr_assert_gives(waiting.result, 0);
    cr_assert(!bide_timer_will_fire(&timers[0]) && !bide_timer_will_fire(&timers[1]),
              "a timer has not fired");
}

Test(join, polls_each_only_until_it_is_ready_also_a_stream)
{
    struct counter counter = {0};
    struct manual stream, future, last;
    manual_stream_init(&stream, BIDE_READY);
    manual_init(&future, BIDE_READY);
    manual_init(&last, BIDE_PENDING);
    bide_future *all[] = {&stream.future, &future.future, &last.future};
    bide_joining joining;
    bide_joining_init(&joining, all, 3);
    for (int i = 1; i <= 3; i++) {
        cr_assert_gives(poll_with(&joining.future, counting(&counter)), BIDE_PENDING);
        cr_assert_eq(stream.polls, 1, "the stream was polled %d times", stream.polls);
        cr_assert_eq(future.polls, 1, "the future was polled %d times", future.polls);
        cr_assert_eq(last.polls, i, "the last was polled %d times", last.polls);
    }
    manual_finish(&last);
    cr_assert_gives(poll_with(&joining.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(joining.result, 0);
    /* Afterwards the stream has more. */
    cr_assert_ok(bide_block_on(&stream.future));
    cr_assert_eq(stream.polls, 2, "the stream was polled %d times", stream.polls);
}

Test(join, cancels_at_the_deadline_those_that_are_not_ready)
{
    static const struct {
        bide_instant deadline;
        int expected;
    } cases[] = {{{INT64_MIN}, BIDE_EAGAIN}, {{1}, BIDE_ETIMEDOUT}};
    for (size_t c = 0; c < 2; c++) {
        struct manual ready, pending, stream;
        manual_init(&ready, BIDE_READY);
        manual_init(&pending, BIDE_PENDING);
        manual_stream_init(&stream, BIDE_READY);
        bide_future *all[] = {&ready.future, &pending.future, &stream.future};
        cr_assert_gives(bide_join(all, 3, cases[c].deadline), cases[c].expected);
        cr_assert_eq(pending.cancels, 1, "cancelled %d times", pending.cancels);
        cr_assert_gives(bide_cancel(&ready.future), BIDE_COMPLETED);
        cr_assert_ok(bide_block_on(&stream.future));
        cr_assert_eq(stream.polls, 2, "the stream was polled %d times", stream.polls);
    }
}

Test(join, that_is_complete_beats_its_deadline)
{
    struct manual members[2];
    bide_future *futures[2];
    const int answers[2] = {R, R};
    make_members(members, futures, answers, 2);
    cr_assert_ok(bide_join(futures, 2, BIDE_NOW));
    cr_assert_ok(bide_join(futures, 2, bide_after(-1)));
    members[0].polls = members[1].polls = 0;
    manual_init(&members[0], BIDE_PENDING);
    members[0].on_cancel = BIDE_COMPLETED;
    cr_assert_ok(bide_join(futures, 2, bide_after(-1)));
}

Test(join, of_nothing_is_complete)
{
    bide_future *futures[1] = {NULL};
    cr_assert_ok(bide_join(futures, 0, BIDE_NEVER));
    cr_assert_ok(bide_join(NULL, 0, BIDE_NEVER));
}

Test(join, with_bad_members_is_refused_once_the_others_are_ready)
{
    struct manual member;
    manual_init(&member, BIDE_READY);
    bide_future *futures[] = {NULL, &member.future};
    cr_assert_gives(bide_join(futures, 2, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_eq(member.polls, 1, "polled %d times", member.polls);
    cr_assert_gives(bide_join(NULL, 2, BIDE_NEVER), BIDE_EINVAL);
}

static void join_timers(struct worker *worker)
{
    bide_timer timers[20];
    bide_future *futures[20];
    bide_instant last = BIDE_NOW;
    for (int i = 0; i < 20; i++) {
        bide_timer_after(&timers[i], BIDE_MICROSECONDS(100 * ((i * 7) % 20)));
        if (bide_before(last, bide_timer_deadline(&timers[i]))) last = bide_timer_deadline(&timers[i]);
        futures[i] = &timers[i].future;
    }
    worker->result = bide_join(futures, 20, BIDE_NEVER);
    if (bide_before(bide_now(), last)) worker->result = BIDE_EINVAL;
}

Test(join, on_several_threads_at_once)
{
    struct worker workers[4];
    for (int i = 0; i < 4; i++)
        worker_start(&workers[i], join_timers, NULL);
    for (int i = 0; i < 4; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    cr_assert_eq(stats_now().timers_pending, 0, "%zu timers are armed", stats_now().timers_pending);
}

/* --- time-outs ------------------------------------------------------------------------------------------ */

Test(timeout, lets_the_inner_future_finish_in_time)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    bide_timeout timeout;
    bide_timeout_init(&timeout, &waiting.future, bide_after(BIDE_HOURS(1)));
    struct counter counter = {0};
    cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_PENDING);
    bide_event_set(&event);
    cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(timeout.result, 0);
    cr_assert_gives(waiting.result, 0);
    cr_assert_eq(stats_now().timers_pending, 0, "its timer is still armed");
}

Test(timeout, cancels_the_inner_future_at_the_deadline)
{
    struct manual inner;
    manual_init(&inner, BIDE_PENDING);
    bide_instant deadline = bide_after(SHORT);
    bide_timeout timeout;
    bide_timeout_init(&timeout, &inner.future, deadline);
    cr_assert_ok(bide_block_on(&timeout.future));
    cr_assert_gives(timeout.result, BIDE_ETIMEDOUT);
    cr_assert_eq(inner.cancels, 1, "cancelled %d times", inner.cancels);
    cr_assert(!bide_before(bide_now(), deadline), "it ended too early");
    cr_assert_eq(stats_now().timers_pending, 0, "its timer is still armed");
}

Test(timeout, loses_against_a_result_when_both_are_there)
{
    static const bide_instant deadlines[] = {{INT64_MIN}, {1}, {INT64_MAX}};
    for (size_t i = 0; i < 3; i++) {
        struct manual inner;
        manual_init(&inner, BIDE_READY);
        bide_timeout timeout;
        bide_timeout_init(&timeout, &inner.future, deadlines[i]);
        cr_assert_ok(bide_block_on(&timeout.future));
        cr_assert_gives(timeout.result, 0);
    }
}

Test(timeout, loses_against_a_result_that_comes_while_the_inner_future_is_cancelled)
{
    struct manual inner;
    manual_init(&inner, BIDE_PENDING);
    inner.on_cancel = BIDE_COMPLETED;
    bide_timeout timeout;
    bide_timeout_init(&timeout, &inner.future, bide_after(0));
    cr_assert_ok(bide_block_on(&timeout.future));
    cr_assert_gives(timeout.result, 0);

    struct owned owned;
    for (int outcome = BIDE_READY; outcome <= BIDE_COMPLETED; outcome++) {
        owned_init(&owned, outcome);
        bide_timeout_init(&timeout, &owned.future, bide_after(0));
        struct counter counter = {0};
        cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_PENDING);
        bide_event_set(&owned.answered);
        cr_assert_eq(counter.wakes, 1, "%d wakes", counter.wakes);
        cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(timeout.result, outcome == BIDE_COMPLETED ? 0 : BIDE_ETIMEDOUT);
    }
}

Test(timeout, that_is_cancelled_cancels_both)
{
    for (int outcome = BIDE_READY; outcome <= BIDE_COMPLETED; outcome++) {
        struct manual inner;
        manual_init(&inner, BIDE_PENDING);
        inner.on_cancel = outcome;
        bide_timeout timeout;
        bide_timeout_init(&timeout, &inner.future, bide_after(BIDE_HOURS(1)));
        struct counter counter = {0};
        cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_PENDING);
        cr_assert_gives(bide_cancel(&timeout.future), outcome);
        cr_assert_gives(timeout.result, outcome == BIDE_COMPLETED ? 0 : BIDE_ECANCELED);
        cr_assert_eq(inner.cancels, 1, "cancelled %d times", inner.cancels);
        cr_assert_eq(stats_now().timers_pending, 0, "its timer is still armed");
    }
}

Test(timeout, around_nothing_is_refused)
{
    bide_timeout timeout;
    bide_timeout_init(&timeout, NULL, BIDE_NEVER);
    cr_assert_ok(bide_block_on(&timeout.future));
    cr_assert_gives(timeout.result, BIDE_EINVAL);
}

Test(timeout, races_and_nests)
{
    struct manual inner;
    manual_init(&inner, BIDE_PENDING);
    bide_timeout shorter, longer;
    bide_timeout_init(&shorter, &inner.future, bide_after(BIDE_MILLISECONDS(2)));
    bide_timeout_init(&longer, &shorter.future, bide_after(BIDE_HOURS(1)));
    bide_timer limit;
    bide_timer_after(&limit, BIDE_HOURS(1));
    bide_future *both[] = {&limit.future, &longer.future};
    cr_assert_gives(bide_race(both, 2), 1);
    cr_assert_gives(longer.result, 0);
    cr_assert_gives(shorter.result, BIDE_ETIMEDOUT);
    cr_assert_eq(stats_now().timers_pending, 0, "a timer is still armed");
}
