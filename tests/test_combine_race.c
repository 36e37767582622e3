/* Several futures of which the first wins: race.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_combine.h"

TestSuite(race, .fini = shut_down, .timeout = 60);

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
