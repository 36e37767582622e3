/* What waits in the background, and the helper thread "async-io" that serves it: that it does so in time,
 * disturbs nobody, and sleeps otherwise.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_background.h"

TestSuite(background, .fini = shut_down, .timeout = 60);

/* --- service -------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const bide_duration *x = a;
    const bide_duration *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Within a millisecond, or on Windows two ticks of its clock, when the machine is free: the best of many. In the
 * median it may be busy, but no longer than nobody would notice. */
#ifdef _WIN32
#define PROMPT BIDE_MILLISECONDS(32)
#define UNNOTICED BIDE_MILLISECONDS(80)
#else
#define PROMPT BIDE_MILLISECONDS(1)
#define UNNOTICED BIDE_MILLISECONDS(50)
#endif

static void expect_prompt(bide_duration *times, size_t count, const char *what)
{
    qsort(times, count, sizeof *times, compare);
    bide_duration best = times[0], median = times[count / 2];
    cr_log_info("%s: %lld us at best, %lld us in the median", what, (long long)(best / 1000),
                (long long)(median / 1000));
    cr_assert_leq(best, PROMPT, "%s: %lld us at best", what, (long long)(best / 1000));
    cr_assert_leq(median, UNNOTICED, "%s: %lld us", what, (long long)(median / 1000));
}

/* Computes: the thread does not come near the reactor. */
static bide_duration compute_until_woken(struct counter *counter, int wakes)
{
    bide_instant begin = bide_now();
    bide_instant limit = bide_instant_add(begin, LONG);
    while (counter->wakes < wakes && bide_before(bide_now(), limit))
        bide_os_spin_pause();
    cr_assert_eq(counter->wakes, wakes, "%d wakes instead of %d", counter->wakes, wakes);
    return bide_instant_since(bide_now(), begin);
}

enum { TIMES = 20 };

Test(background, is_served_while_the_program_never_waits)
{
    bide_duration bytes[TIMES], timers[TIMES];
    struct source source;
    open_source(&source);
    struct counter counter = {0};
    for (int i = 0; i < TIMES; i++) {
        cr_assert_gives(await_source(&source), BIDE_PENDING);
        put(source.ends[1], "x", 1);
        bytes[i] = compute_until_woken(&source.counter, i + 1);
        cr_assert_gives(poll_with(&source.readable.future, counting(&source.counter)), BIDE_READY);
        take_byte(&source);
        bide_timer timer;
        bide_timer_never(&timer);
        cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
        cr_assert_ok(bide_timer_set_after(&timer, 0));
        timers[i] = compute_until_woken(&counter, i + 1);
        cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    }
    expect_prompt(bytes, TIMES, "a descriptor");
    expect_prompt(timers, TIMES, "a timer");
    close_source(&source);
}

/* Whether the helper thread has found nothing to look after, and sleeps without limit. */
static bool helper_sleeps_on(void)
{
    struct bide_reactor *reactor = bide_reactor_global();
    bide_os_mutex_lock(&reactor->lock);
    bool sleeps = reactor->helper && reactor->standby == reactor->helper && !reactor->standby_timed &&
                  atomic_load(&reactor->helper->state) == BIDE_PARKER_FUTEX;
    bide_os_mutex_unlock(&reactor->lock);
    return sleeps;
}

Test(background, is_served_by_a_helper_that_began_while_the_reactor_was_closed)
{
    /* What a set that is polled in the background leaves if a shutdown comes between its look at the reactor
     * and its arming. */
    cr_assert_ok(bide_background_arm(bide_reactor_global()));
    AWAIT(helper_sleeps_on());
    struct counter counter = {0};
    bide_timer timer;
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    AWAIT(counter.wakes > 0);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    bide_background_disarm(bide_reactor_global());
}

/* Sends back what it gets, until the end; not at once, so that who asks has to wait. */
static void echo(struct worker *worker)
{
    int fd = *(int *)worker->arg;
    char byte;
    while (read(fd, &byte, 1) == 1) {
        bide_instant until = bide_after(BIDE_MICROSECONDS(20));
        while (bide_before(bide_now(), until))
            bide_os_spin_pause();
        if (write(fd, &byte, 1) != 1) return;
    }
}

static void ask(bide_async *async)
{
    char byte;
    cr_assert_gives(bide_write(async, "x", 1, BIDE_NEVER), 1);
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);
}

static uint64_t turns_so_far(void)
{
    return stats_now().turns;
}

/* What the helper did while this thread asked for 20 ms. */
struct asked {
    int away;  /* how often the thread was away from the reactor for as long as the helper looks on */
    int took;  /* hand-overs */
    long woke; /* the helper's context switches */
    bide_duration elapsed;
};

static struct asked ask_often(bide_async *async, int helper)
{
    struct asked asked = {.away = 0};
    /* From a moment at which this thread had the role. */
    bide_instant touched;
    uint64_t turns;
    do {
        touched = bide_now();
        turns = turns_so_far();
        ask(async);
    } while (turns_so_far() == turns || helper_holds_role());
    uint64_t hand_overs = stats_now().hand_overs;
    long switches = bide_test_thread_switches(helper).voluntary;

    bide_instant begin = bide_now();
    turns = turns_so_far();
    for (bide_instant now = begin; bide_instant_since(now, begin) < BIDE_MILLISECONDS(20);) {
        bide_instant last = now;
        ask(async);
        now = bide_now();
        if (turns_so_far() == turns) continue;
        turns = turns_so_far();
        asked.away += bide_instant_since(now, touched) >= BIDE_STANDBY_PERIOD;
        touched = last;
    }
    asked.took = (int)(stats_now().hand_overs - hand_overs);
    asked.away += bide_instant_since(bide_now(), touched) >= BIDE_STANDBY_PERIOD;
    asked.woke = bide_test_thread_switches(helper).voluntary - switches;
    asked.elapsed = bide_instant_since(bide_now(), begin);
    return asked;
}

Test(background, neither_disturbs_direct_calls_nor_is_forgotten_after_them)
{
    struct source source;
    open_source(&source);
    cr_assert_gives(await_source(&source), BIDE_PENDING);
    int pair[2];
    make_socketpair(pair, SOCK_STREAM);
    struct worker worker;
    worker_start(&worker, echo, &pair[1]);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, pair[0]));
    AWAIT(helper_id() != 0);
    int id = helper_id();

    bide_duration served[TIMES];
    for (int i = 0; i < TIMES; i++) {
        /* It has the role still, and is woken by each answer, until a call has to wait, or yields. */
        int calls = 0;
        for (; helper_holds_role(); calls++)
            ask(async);
        cr_assert_leq(calls, 1000, "the role was not taken back by %d calls", calls);

        /* A hand-over needs the role to be vacant for a whole period. */
        struct asked asked = ask_often(async, id);
        cr_assert_leq(asked.took, asked.away, "%d hand-overs, but the role was left only %d times",
                      asked.took, asked.away);
        /* It looks once each period. After a hand-over it is woken by each call until one takes the role. */
        long limit = (long)(asked.elapsed / BIDE_STANDBY_PERIOD) + 300L * asked.took + 10;
        cr_assert_leq(asked.woke, limit, "async-io woke %ld times in %lld us", asked.woke,
                      (long long)(asked.elapsed / 1000));

        put(source.ends[1], "x", 1);
        served[i] = compute_until_woken(&source.counter, i + 1);
        cr_assert_gives(poll_with(&source.readable.future, counting(&source.counter)), BIDE_READY);
        take_byte(&source);
        cr_assert_gives(await_source(&source), BIDE_PENDING);
    }
    expect_prompt(served, TIMES, "a descriptor, after calls on another one");
    cr_assert_ok(bide_async_free(async));
    (void)worker_join(&worker);
    (void)close(pair[1]);
    close_source(&source);
}

/* There is always something to read: no call has to wait, and none would park. */
Test(background, gives_the_role_to_a_thread_that_never_has_to_wait)
{
    struct source source;
    open_source(&source);
    cr_assert_gives(await_source(&source), BIDE_PENDING);
    int ends[2];
    make_pipe(ends);
    bide_async *busy;
    cr_assert_ok(bide_async_new(&busy, ends[0]));
    AWAIT(helper_is_blocked());
    static char bytes[10000];
    size_t reads = 0;
    for (char byte; helper_holds_role(); reads++) {
        if (reads % sizeof bytes == 0) put(ends[1], bytes, sizeof bytes);
        cr_assert_gives(bide_read(busy, &byte, 1, BIDE_NEVER), 1);
    }
    cr_assert_geq(reads, 128, "the role was given after %zu reads", reads);
    /* And has it again when the thread goes off. */
    put(source.ends[1], "x", 1);
    (void)compute_until_woken(&source.counter, 1);
    cr_assert_ok(bide_async_free(busy));
    (void)close(ends[1]);
    close_source(&source);
}

/* --- notifies ------------------------------------------------------------------------------------------- */

static uint64_t notifies_so_far(void)
{
    AWAIT(helper_is_blocked());
    return stats_now().notifies;
}

static void expect_notifies(uint64_t before, int expected, const char *what)
{
    int notifies = (int)(stats_now().notifies - before);
    cr_assert_eq(notifies, expected, "%d notifies for %s instead of %d", notifies, what, expected);
}

Test(background, is_notified_of_a_timer_only_if_it_became_the_earliest)
{
    struct counter counter = {0};
    bide_timer first, others[100], earlier;
    bide_timer_after(&first, BIDE_HOURS(1));
    cr_assert_gives(poll_with(&first.future, counting(&counter)), BIDE_PENDING);

    uint64_t before = notifies_so_far();
    for (int i = 0; i < 100; i++) {
        bide_timer_after(&others[i], BIDE_HOURS(2) - i);
        cr_assert_gives(poll_with(&others[i].future, counting(&counter)), BIDE_PENDING);
    }
    expect_notifies(before, 0, "a hundred later timers");
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_timer_set_after(&others[i], BIDE_HOURS(3) + i));
    expect_notifies(before, 0, "moves to later");
    for (int i = 0; i < 50; i++)
        cr_assert_gives(bide_cancel(&others[i].future), BIDE_READY);
    expect_notifies(before, 0, "cancels");

    bide_timer_after(&earlier, BIDE_MINUTES(30));
    cr_assert_gives(poll_with(&earlier.future, counting(&counter)), BIDE_PENDING);
    expect_notifies(before, 1, "an earlier timer");
    AWAIT(stats_now().turns > 0 && helper_is_blocked());

    before = notifies_so_far();
    cr_assert_ok(bide_timer_set_after(&first, BIDE_HOURS(4)));
    expect_notifies(before, 0, "the second moved to later");
    cr_assert_ok(bide_timer_set_after(&others[99], BIDE_MINUTES(1)));
    expect_notifies(before, 1, "another one moved to the front");

    cr_assert_gives(bide_cancel(&first.future), BIDE_READY);
    cr_assert_gives(bide_cancel(&earlier.future), BIDE_READY);
    for (int i = 50; i < 100; i++)
        cr_assert_gives(bide_cancel(&others[i].future), BIDE_READY);
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
}

/* --- idle ----------------------------------------------------------------------------------------------- */

struct idler {
    bide_reactor *reactor;
    bide_event *event;
};

static void idle(struct worker *worker)
{
    struct idler *idler = worker->arg;
    bide_reactor *previous = bide_reactor_enter(idler->reactor);
    worker->result = bide_event_wait(idler->event, bide_after(BIDE_HOURS(1)));
    bide_reactor_leave(previous);
}

enum { IDLERS = 6, SOURCES = 100 };

static long switches_of(const int *ids, int count)
{
    long sum = 0;
    for (int i = 0; i < count; i++) {
        struct bide_test_switches switches = bide_test_thread_switches(ids[i]);
        cr_assert_geq(switches.voluntary, 0, "thread %d is gone", ids[i]);
        sum += switches.voluntary + switches.involuntary;
    }
    return sum;
}

static void nap(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

/* The helper thread serves a hundred descriptors and a timer. Two reactors more have three threads each
 * that wait: one drives, one is the standby, one is neither. */
Test(background, that_is_idle_wakes_no_thread)
{
    static struct source sources[SOURCES];
    for (int i = 0; i < SOURCES; i++) {
        open_source(&sources[i]);
        cr_assert_gives(await_source(&sources[i]), BIDE_PENDING);
    }
    bide_timer timer;
    struct counter counter = {0};
    bide_timer_after(&timer, BIDE_HOURS(1));
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);

    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_MANUAL));
    struct idler idlers[2];
    struct worker workers[IDLERS];
    int ids[IDLERS + 1];
    for (int i = 0; i < IDLERS; i++) {
        struct idler *idler = &idlers[i / 3];
        if (i % 3 == 0) {
            idler->event = &event;
            cr_assert_ok(bide_reactor_new(&idler->reactor, NULL));
        }
        worker_start(&workers[i], idle, idler);
        await_asleep(&workers[i]);
        ids[i] = workers[i].id;
    }
    AWAIT(helper_is_blocked());
    ids[IDLERS] = helper_id();

    /* Until all have settled. */
    long before = -1;
    for (int quiet = 0; quiet < 5; quiet++) {
        long now = switches_of(ids, IDLERS + 1);
        if (now != before) quiet = 0;
        before = now;
        nap(20);
    }
    uint64_t turns = stats_now().turns;
    nap(3000);
    long woke = switches_of(ids, IDLERS + 1) - before;
    cr_assert_eq(woke, 0, "%ld context switches in 3 s", woke);
    cr_assert_eq(stats_now().turns, turns, "%d turns in 3 s", (int)(stats_now().turns - turns));

    bide_event_set(&event);
    for (int i = 0; i < IDLERS; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_reactor_free(idlers[i].reactor));
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    for (int i = 0; i < SOURCES; i++)
        close_source(&sources[i]);
}

/* On one reactor: the helper was there first, then threads took the role from it. */
Test(background, that_is_idle_beside_waiting_threads_wakes_none)
{
    struct source source;
    open_source(&source);
    cr_assert_gives(await_source(&source), BIDE_PENDING);
    AWAIT(helper_is_blocked());
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_MANUAL));
    struct idler idler = {NULL, &event};
    struct worker workers[3];
    int ids[4];
    for (int i = 0; i < 3; i++) {
        worker_start(&workers[i], idle, &idler);
        await_asleep(&workers[i]);
        ids[i] = workers[i].id;
    }
    ids[3] = helper_id();
    long before = -1;
    for (int quiet = 0; quiet < 5; quiet++) {
        long now = switches_of(ids, 4);
        if (now != before) quiet = 0;
        before = now;
        nap(20);
    }
    cr_assert(!helper_is_blocked(), "the helper thread kept the role");
    nap(500);
    long woke = switches_of(ids, 4) - before;
    cr_assert_eq(woke, 0, "%ld context switches in 500 ms", woke);
    bide_event_set(&event);
    for (int i = 0; i < 3; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    close_source(&source);
}
