/* Several futures awaited as one: race, join, time-outs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

TestSuite(race, .fini = shut_down, .timeout = 60);
TestSuite(join, .fini = shut_down, .timeout = 60);
TestSuite(timeout, .fini = shut_down, .timeout = 60);

enum { P = BIDE_PENDING, R = BIDE_READY };

/* Futures that answer what is in the list. */
static void make_members(struct manual *members, bide_future **futures, const int *answers, int count)
{
    for (int i = 0; i < count; i++) {
        manual_init(&members[i], answers[i]);
        futures[i] = &members[i].future;
    }
}

/* --- race ----------------------------------------------------------------------------------------------- */

Test(race, gives_the_index_of_the_one_that_is_ready_and_cancels_the_others)
{
    struct manual members[3];
    bide_future *futures[3];
    for (int winner = 0; winner < 3; winner++) {
        const int answers[3] = {winner == 0 ? R : P, winner == 1 ? R : P, winner == 2 ? R : P};
        make_members(members, futures, answers, 3);
        cr_assert_gives(bide_race(futures, 3), winner);
        for (int i = 0; i < 3; i++) {
            /* One that came after the winner was perhaps never polled; then there was nothing to cancel. */
            int expected = i != winner && members[i].polls > 0;
            cr_assert_eq(members[i].cancels, expected, "member %d was cancelled %d times", i,
                         members[i].cancels);
            cr_assert_gives(bide_cancel(futures[i]), i == winner ? BIDE_COMPLETED : BIDE_READY);
        }
    }
}

Test(race, is_fair_among_several_that_are_ready)
{
    static const struct {
        int count;
        int answers[6];
    } cases[] = {
        {2, {R, R}},       {4, {R, R, R, R}},       {3, {P, R, R}},
        {4, {P, R, R, R}}, {6, {R, P, P, P, P, R}}, {6, {P, P, R, R, P, R}},
    };
    enum { RUNS = 12000 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int wins[6] = {0};
        int ready = 0;
        for (int i = 0; i < cases[c].count; i++)
            ready += cases[c].answers[i] == R;
        for (int run = 0; run < RUNS; run++) {
            struct manual members[6];
            bide_future *futures[6];
            make_members(members, futures, cases[c].answers, cases[c].count);
            int winner = bide_race(futures, (size_t)cases[c].count);
            cr_assert(winner >= 0 && winner < cases[c].count, "winner %d", winner);
            wins[winner]++;
        }
        /* A tenth is more than six standard deviations. */
        for (int i = 0; i < cases[c].count; i++) {
            int expected = cases[c].answers[i] == R ? RUNS / ready : 0;
            cr_assert(abs(wins[i] - expected) <= expected / 10, "case %zu: member %d won %d times of %d", c,
                      i, wins[i], RUNS);
        }
    }
}

Test(race, is_fair_between_two_of_many)
{
    enum { COUNT = 1000, RUNS = 2000 };
    static struct manual members[COUNT];
    static bide_future *futures[COUNT];
    int first = 0;
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < COUNT; i++) {
            manual_init(&members[i], i == 400 || i == 401 ? R : P);
            futures[i] = &members[i].future;
        }
        int winner = bide_race(futures, COUNT);
        cr_assert(winner == 400 || winner == 401, "winner %d", winner);
        first += winner == 400;
    }
    cr_assert(first > RUNS / 3 && first < RUNS * 2 / 3, "the first won %d times of %d", first, RUNS);
}

Test(race, tells_which_losers_had_finished_before_they_could_be_cancelled)
{
    struct manual members[3];
    bide_future *futures[3];
    const int answers[3] = {P, P, P};
    make_members(members, futures, answers, 3);
    struct counter counter = {0};
    for (int i = 0; i < 3; i++)
        cr_assert_gives(poll_with(futures[i], counting(&counter)), BIDE_PENDING);
    members[1].on_cancel = BIDE_COMPLETED;
    members[2].on_poll = BIDE_READY;
    bool completed[3] = {true, false, false};
    cr_assert_gives(bide_race_until(futures, 3, BIDE_NEVER, completed), 2);
    cr_assert(!completed[0] && completed[1] && completed[2], "reported %d %d %d", completed[0], completed[1],
              completed[2]);
}

Test(race, counts_a_loser_that_was_ready_before_it_began)
{
    struct manual members[2];
    bide_future *futures[2];
    const int answers[2] = {R, R};
    make_members(members, futures, answers, 2);
    cr_assert_ok(bide_block_on(futures[0]));
    cr_assert_ok(bide_block_on(futures[1]));
    bool completed[2] = {false, false};
    int winner = bide_race_until(futures, 2, BIDE_NEVER, completed);
    cr_assert(winner == 0 || winner == 1, "winner %d", winner);
    cr_assert(completed[0] && completed[1], "reported %d %d", completed[0], completed[1]);
}

Test(race, gives_up_at_the_deadline_and_cancels_all)
{
    static const int answers[3] = {P, P, P};
    for (int now = 0; now < 2; now++) {
        struct manual members[3];
        bide_future *futures[3];
        make_members(members, futures, answers, 3);
        bool completed[3] = {true, true, true};
        bide_instant deadline = now ? BIDE_NOW : bide_after(SHORT);
        int expected = now ? BIDE_EAGAIN : BIDE_ETIMEDOUT;
        cr_assert_gives(bide_race_until(futures, 3, deadline, completed), expected);
        cr_assert(now || !bide_before(bide_now(), deadline), "too early");
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(members[i].cancels, 1, "member %d: %d cancels", i, members[i].cancels);
            cr_assert(!completed[i], "member %d is reported", i);
        }
    }
}

Test(race, is_won_at_the_deadline_by_one_that_finishes_while_it_is_cancelled)
{
    static const int answers[3] = {P, P, P};
    struct manual members[3];
    bide_future *futures[3];
    make_members(members, futures, answers, 3);
    members[1].on_cancel = BIDE_COMPLETED;
    bool completed[3] = {true, false, true};
    cr_assert_gives(bide_race_until(futures, 3, bide_after(SHORT), completed), 1);
    cr_assert(!completed[0] && completed[1] && !completed[2], "reported %d %d %d", completed[0], completed[1],
              completed[2]);
}

struct slow_race {
    bide_future *futures[3];
    bool completed[3];
};

static void race_slowly(struct worker *worker)
{
    struct slow_race *it = worker->arg;
    worker->result = bide_race_until(it->futures, 3, BIDE_NEVER, it->completed);
}

Test(race, waits_for_losers_that_the_kernel_still_owns_and_keeps_their_results)
{
    struct counter counter = {0};
    struct owned finishes, stops;
    owned_init(&finishes, BIDE_COMPLETED);
    owned_init(&stops, BIDE_READY);
    struct manual winner;
    manual_init(&winner, BIDE_READY);
    struct slow_race it = {{&finishes.future, &winner.future, &stops.future}, {false, false, false}};
    cr_assert_gives(poll_with(&finishes.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(poll_with(&stops.future, counting(&counter)), BIDE_PENDING);
    struct worker worker;
    worker_start(&worker, race_slowly, &it);
    await_asleep(&worker);
    bide_event_set(&finishes.answered);
    AWAIT(!bide_event_fini(&finishes.answered));
    await_asleep(&worker);
    cr_assert(!worker.done, "the race ended with %ld before the last loser answered", worker.result);
    bide_event_set(&stops.answered);
    cr_assert_gives(worker_join(&worker), 1);
    cr_assert(it.completed[0] && it.completed[1] && !it.completed[2], "reported %d %d %d", it.completed[0],
              it.completed[1], it.completed[2]);
}

/* A stream, that finishes at once when it is cancelled, has no memory of it: the report must. */
Test(race, reports_a_stream_that_finished_while_it_waited_for_another_loser)
{
    struct counter counter = {0};
    struct owned stops;
    owned_init(&stops, BIDE_READY);
    struct manual stream, winner;
    manual_stream_init(&stream, BIDE_PENDING);
    stream.on_cancel = BIDE_COMPLETED;
    manual_init(&winner, BIDE_READY);
    cr_assert_gives(poll_with(&stream.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(poll_with(&stops.future, counting(&counter)), BIDE_PENDING);
    bide_future *futures[3] = {&stream.future, &winner.future, &stops.future};
    bool completed[3];
    bide_racing racing;
    bide_racing_init(&racing, futures, 3, completed);
    /* The stream is perhaps polled before the winner. */
    cr_assert_gives(poll_with(&racing.future, counting(&counter)), BIDE_PENDING);
    bide_event_set(&stops.answered);
    cr_assert_gives(poll_with(&racing.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(racing.result, 1);
    cr_assert(completed[0] && completed[1] && !completed[2], "reported %d %d %d", completed[0], completed[1],
              completed[2]);
}

Test(race, leaves_a_stream_that_lost_to_be_used_again)
{
    bide_timer tick;
    bide_timer_interval(&tick, BIDE_HOURS(1));
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    for (int i = 0; i < 3; i++) {
        bide_event_waiting waiting;
        bide_event_waiting_init(&waiting, &event);
        bide_future *both[] = {&tick.future, &waiting.future};
        bide_event_set(&event);
        cr_assert_gives(bide_race(both, 2), 1);
        cr_assert_eq(stats_now().timers_pending, 0, "the loser is still armed");
    }
    cr_assert_ok(bide_timer_set_interval_at(&tick, bide_now(), BIDE_HOURS(1)));
    cr_assert_ok(bide_timer_wait(&tick));
}

Test(race, between_a_descriptor_and_a_timer)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    for (int bytes = 0; bytes < 2; bytes++) {
        bide_timer limit;
        bide_readable ready;
        if (bytes) put(writer, "x", 1);
        bide_timer_after(&limit, bytes ? BIDE_HOURS(1) : SHORT);
        bide_readable_init(&ready, async);
        bide_future *both[] = {&ready.future, &limit.future};
        cr_assert_gives(bide_race(both, 2), bytes ? 0 : 1);
        cr_assert_gives(ready.result, bytes ? 0 : BIDE_ECANCELED);
        cr_assert_eq(waiters_of(async, BIDE_READ), 0, "the loser still waits");
        cr_assert_eq(stats_now().timers_pending, 0, "a timer is still armed");
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

Test(race, is_a_future_that_may_race_and_be_cancelled)
{
    bide_event events[3];
    bide_event_waiting waiting[3];
    bide_future *futures[3];
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_event_init(&events[i], BIDE_EVENT_AUTO));
        bide_event_waiting_init(&waiting[i], &events[i]);
        futures[i] = &waiting[i].future;
    }
    bide_racing inner;
    bide_racing_init(&inner, futures, 2, NULL);
    bide_future *outer[] = {&inner.future, futures[2]};
    bide_event_set(&events[1]);
    cr_assert_gives(bide_race(outer, 2), 0);
    cr_assert_gives(inner.result, 1);

    bide_event_waiting_init(&waiting[0], &events[0]);
    bide_event_waiting_init(&waiting[1], &events[1]);
    bide_event_waiting_init(&waiting[2], &events[2]);
    bide_racing_init(&inner, futures, 2, NULL);
    bide_event_set(&events[2]);
    cr_assert_gives(bide_race(outer, 2), 1);
    cr_assert_gives(inner.result, BIDE_ECANCELED);
    for (int i = 0; i < 3; i++)
        cr_assert_ok(bide_event_fini(&events[i]));
}

Test(race, that_is_cancelled_after_a_member_finished_has_completed)
{
    struct counter counter = {0};
    struct manual members[2];
    bide_future *futures[2];
    const int answers[2] = {P, P};
    make_members(members, futures, answers, 2);
    members[1].on_cancel = BIDE_COMPLETED;
    bool completed[2];
    bide_racing racing;
    bide_racing_init(&racing, futures, 2, completed);
    cr_assert_gives(poll_with(&racing.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(cancel_with(&racing.future, counting(&counter)), BIDE_COMPLETED);
    cr_assert_gives(racing.result, 1);
    cr_assert(!completed[0] && completed[1], "reported %d %d", completed[0], completed[1]);
}

Test(race, without_members_or_with_bad_ones_is_refused_and_the_others_are_cancelled)
{
    struct manual member;
    manual_init(&member, BIDE_PENDING);
    bide_future *futures[] = {&member.future, NULL};
    cr_assert_gives(bide_race(futures, 0), BIDE_EINVAL);
    cr_assert_gives(bide_race(NULL, 2), BIDE_EINVAL);
    cr_assert_gives(bide_race(futures, SIZE_MAX), BIDE_EINVAL);
    cr_assert_gives(bide_race(futures, 2), BIDE_EINVAL);
    cr_assert_eq(member.cancels, member.polls > 0, "%d cancels", member.cancels);

    struct manual moved, elsewhere;
    struct counter counter = {0};
    manual_init(&moved, BIDE_PENDING);
    cr_assert_gives(poll_with(&moved.future, counting(&counter)), BIDE_PENDING);
    memcpy(&elsewhere, &moved, sizeof moved);
    futures[0] = &elsewhere.future;
    cr_assert_gives(bide_race(futures, 1), BIDE_EMOVED);
    cr_assert_gives(bide_cancel(&moved.future), BIDE_READY);
}

enum { ROUNDS = 1000 };

/* Sets its event once each round. */
struct rounds {
    pthread_barrier_t start;
    pthread_barrier_t end;
    bide_event events[2];
};

static void set_each_round(struct worker *worker)
{
    struct rounds *rounds = worker->arg;
    for (int i = 0; i < ROUNDS; i++) {
        (void)pthread_barrier_wait(&rounds->start);
        bide_event_set(&rounds->events[0]);
        bide_event_set(&rounds->events[1]);
        (void)pthread_barrier_wait(&rounds->end);
    }
}

Test(race, loses_no_event_when_both_are_set_at_once)
{
    struct rounds rounds;
    (void)pthread_barrier_init(&rounds.start, NULL, 2);
    (void)pthread_barrier_init(&rounds.end, NULL, 2);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_event_init(&rounds.events[i], BIDE_EVENT_AUTO));
    struct worker worker;
    worker_start(&worker, set_each_round, &rounds);
    int both = 0;
    for (int i = 0; i < ROUNDS; i++) {
        bide_event_waiting waiting[2];
        bide_future *futures[2];
        for (int k = 0; k < 2; k++) {
            bide_event_waiting_init(&waiting[k], &rounds.events[k]);
            futures[k] = &waiting[k].future;
        }
        bool completed[2];
        (void)pthread_barrier_wait(&rounds.start);
        int winner = bide_race_until(futures, 2, BIDE_NEVER, completed);
        (void)pthread_barrier_wait(&rounds.end);
        cr_assert(winner == 0 || winner == 1, "winner %d", winner);
        cr_assert(completed[winner], "the winner is not among the completed");
        for (int k = 0; k < 2; k++) {
            cr_assert_neq(completed[k], bide_event_is_set(&rounds.events[k]), "round %d: event %d: taken %d",
                          i, k, completed[k]);
            cr_assert_gives(waiting[k].result, completed[k] ? 0 : BIDE_ECANCELED);
            bide_event_reset(&rounds.events[k]);
        }
        both += completed[0] && completed[1];
    }
    (void)worker_join(&worker);
    cr_log_info("both completed in %d of %d rounds", both, ROUNDS);
}

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
