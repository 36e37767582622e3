/* Fairness: neither timers starve descriptors nor the reverse, and who drives for others gets away in time.
 *
 * Counted, not timed, on a reactor of the test's own, which nobody else drives.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "reactor/reactor.h"

#include <sys/resource.h>

static bide_reactor *reactor;

static void enter_reactor(void)
{
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    cr_assert(bide_reactor_enter(reactor) == bide_reactor_global(), "another reactor was current");
}

static void leave_reactor(void)
{
    bide_reactor_leave(bide_reactor_global());
    (void)bide_reactor_free(reactor);
}

TestSuite(fairness, .init = enter_reactor, .fini = leave_reactor, .timeout = 120);

/* What a call that never waits may do before the others have a turn, and a little. */
enum { SOON = 130 };

/* A pipe, and a future for its readability. */
struct source {
    int ends[2];
    bide_async *async;
    bide_readable readable;
    struct counter counter;
};

static void open_source(struct source *source)
{
    make_pipe(source->ends);
    cr_assert_ok(bide_async_new(&source->async, source->ends[0]));
    bide_readable_init(&source->readable, source->async);
    source->counter.wakes = 0;
}

/* Polled, it waits. */
static void await_source(struct source *source)
{
    cr_assert_gives(poll_with(&source->readable.future, counting(&source->counter)), BIDE_PENDING);
}

static void close_source(struct source *source)
{
    cr_assert_ok(bide_async_free(source->async));
    (void)close(source->ends[1]);
}

Test(fairness, a_zero_timer_that_is_set_again_and_again_does_not_starve_a_descriptor)
{
    struct source source;
    open_source(&source);
    await_source(&source);
    put(source.ends[1], "x", 1);
    bide_timer timer;
    bide_timer_after(&timer, 0);
    int fired = 0;
    for (; source.counter.wakes == 0 && fired < 10 * SOON; fired++) {
        cr_assert_ok(bide_timer_wait(&timer));
        cr_assert_ok(bide_timer_set_after(&timer, 0));
    }
    cr_assert_leq(fired, SOON, "it fired %d times first", fired);
    close_source(&source);
}

Test(fairness, a_zero_timer_in_a_set_does_not_starve_a_descriptor)
{
    struct source source;
    open_source(&source);
    bide_timer timer;
    bide_set set;
    bide_set_member timer_member, source_member, *ready = NULL;
    bide_timer_after(&timer, 0);
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &timer_member, &timer.future, NULL));
    cr_assert_ok(bide_set_add(&set, &source_member, &source.readable.future, NULL));
    int fired = 0;
    for (; fired < 10 * SOON; fired++) {
        if (fired == 10) put(source.ends[1], "x", 1);
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), 0);
        if (ready == &source_member) break;
        cr_assert_ok(bide_timer_set_after(&timer, 0));
        cr_assert_ok(bide_set_add(&set, &timer_member, &timer.future, NULL));
    }
    cr_assert_leq(fired, 10 + SOON, "it fired %d times first", fired);
    close_source(&source);
}

Test(fairness, an_interval_that_has_missed_ticks_without_end_does_not_starve_a_descriptor)
{
    struct source source;
    open_source(&source);
    await_source(&source);
    put(source.ends[1], "x", 1);
    bide_timer timer;
    bide_timer_interval_at(&timer, bide_instant_from_ns(1), 1);
    int fired = 0;
    for (; source.counter.wakes == 0 && fired < 10 * SOON; fired++)
        cr_assert_ok(bide_timer_wait(&timer));
    cr_assert_leq(fired, SOON, "it fired %d times first", fired);
    close_source(&source);
}

Test(fairness, a_descriptor_that_is_always_readable_starves_neither_a_timer_nor_another_one)
{
    struct source busy, other;
    open_source(&busy);
    open_source(&other);
    static char bytes[60000];
    put(busy.ends[1], bytes, sizeof bytes);
    await_source(&other);
    put(other.ends[1], "x", 1);
    bide_timer timer;
    bide_timer_never(&timer);
    struct counter fired = {0};
    cr_assert_gives(poll_with(&timer.future, counting(&fired)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    int reads = 0;
    for (char byte; (other.counter.wakes == 0 || fired.wakes == 0) && reads < 10 * SOON; reads++)
        cr_assert_gives(bide_read(busy.async, &byte, 1, BIDE_NEVER), 1);
    cr_assert_leq(reads, SOON, "%d reads first", reads);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    close_source(&busy);
    close_source(&other);
}

Test(fairness, a_call_that_succeeds_without_waiting_yields_every_128th_time)
{
    enum { READS = 12800 };
    struct source busy;
    open_source(&busy);
    static char bytes[READS];
    put(busy.ends[1], bytes, sizeof bytes);
    uint64_t before = stats_now().turns;
    for (int i = 0; i < READS; i++)
        cr_assert_gives(bide_read(busy.async, bytes, 1, BIDE_NEVER), 1);
    int turns = (int)(stats_now().turns - before);
    cr_assert(turns >= READS / 129 && turns <= READS / 128, "%d turns for %d reads", turns, READS);
    close_source(&busy);
}

#if defined(BIDE_TEST_ASAN) || defined(BIDE_TEST_TSAN)
enum { MILLION = 100000 };
#else
enum { MILLION = 1000000 };
#endif

/* All due at once, and nobody has driven yet. */
static bide_timer *make_due_timers(struct counter *counter)
{
    bide_timer *timers = calloc(MILLION, sizeof *timers);
    cr_assert_not_null(timers, "no memory");
    for (int i = 0; i < MILLION; i++) {
        bide_timer_never(&timers[i]);
        cr_assert_gives(poll_with(&timers[i].future, counting(counter)), BIDE_PENDING);
        cr_assert_ok(bide_timer_set_after(&timers[i], 0));
    }
    return timers;
}

Test(fairness, a_million_timers_due_at_once_do_not_starve_a_descriptor)
{
    struct counter fired = {0};
    bide_timer *timers = make_due_timers(&fired);
    struct source source;
    open_source(&source);
    await_source(&source);
    put(source.ends[1], "x", 1);
    int handled = bide_reactor_run_once(reactor, BIDE_NEVER);
    cr_assert_eq(source.counter.wakes, 1, "%d wakes in the first turn", source.counter.wakes);
    cr_assert(fired.wakes > 0 && fired.wakes <= 1000, "%d timers in one turn", fired.wakes);
    cr_assert_eq(handled, fired.wakes + 1, "%d handled", handled);
    close_source(&source);
    int turns = 1;
    for (; fired.wakes < MILLION; turns++)
        cr_assert_gt(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "an empty turn, %d of %d fired",
                     fired.wakes, MILLION);
    cr_assert_eq(stats_now().timers_pending, 0, "%zu armed", stats_now().timers_pending);
    cr_log_info("%d timers in %d turns", MILLION, turns);
    for (int i = 0; i < MILLION; i++)
        cr_assert_gives(bide_cancel(&timers[i].future), BIDE_READY);
    free(timers);
}

static void set_event(void *arg)
{
    bide_event_set(arg);
}

Test(fairness, who_drives_for_a_million_timers_gets_away_when_its_own_future_is_ready)
{
    struct counter fired = {0};
    bide_timer *timers = make_due_timers(&fired);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    /* The first timer to fire sets what the thread awaits. */
    bide_waker waker = {set_event, &event};
    cr_assert_ok(bide_timer_set_at(&timers[0], BIDE_NEVER));
    cr_assert_gives(poll_with(&timers[0].future, waker), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_at(&timers[0], bide_instant_from_ns(1)));
    cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
    cr_assert_leq(fired.wakes, 1000, "it had to fire %d of %d timers", fired.wakes, MILLION);
    for (int i = 0; i < MILLION; i++)
        cr_assert_gives(bide_cancel(&timers[i].future), BIDE_READY);
    free(timers);
}

enum { SOURCES = 600 };

/* Needs some descriptors more than shells allow by default. */
static struct source *open_sources(void)
{
    struct rlimit limit;
    cr_assert_done(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < 2 * SOURCES + 50)
        BIDE_SKIP("only %ld descriptors are allowed", (long)limit.rlim_max);
    struct source *sources = calloc(SOURCES, sizeof *sources);
    cr_assert_not_null(sources, "no memory");
    for (int i = 0; i < SOURCES; i++) {
        open_source(&sources[i]);
        await_source(&sources[i]);
        put(sources[i].ends[1], "x", 1);
    }
    return sources;
}

static int count_woken(const struct source *sources)
{
    int woken = 0;
    for (int i = 0; i < SOURCES; i++) {
        cr_assert_leq(sources[i].counter.wakes, 1, "source %d was woken %d times", i,
                      sources[i].counter.wakes);
        woken += sources[i].counter.wakes;
    }
    return woken;
}

static void close_sources(struct source *sources)
{
    for (int i = 0; i < SOURCES; i++)
        close_source(&sources[i]);
    free(sources);
}

Test(fairness, more_ready_descriptors_than_a_turn_takes_do_not_starve_a_timer)
{
    struct source *sources = open_sources();
    bide_timer timer;
    bide_timer_never(&timer);
    struct counter fired = {0};
    cr_assert_gives(poll_with(&timer.future, counting(&fired)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    cr_assert_gt(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "an empty turn");
    int woken = count_woken(sources);
    cr_assert(woken > 0 && woken < SOURCES, "%d of %d in one turn", woken, SOURCES);
    cr_assert_eq(fired.wakes, 1, "the timer fired %d times in the first turn", fired.wakes);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    close_sources(sources);
}

Test(fairness, more_ready_descriptors_than_a_turn_takes_are_all_served)
{
    struct source *sources = open_sources();
    int turns = 0;
    for (int woken = 0; woken < SOURCES; turns++) {
        cr_assert_lt(turns, 10, "%d of %d after %d turns", woken, SOURCES, turns);
        cr_assert_gt(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "an empty turn");
        woken = count_woken(sources);
    }
    close_sources(sources);
}
