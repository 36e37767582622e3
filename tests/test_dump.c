/* Looking inside: what bide_dump tells of tasks, descriptors, timers and threads, and the counts. With 1, 2 and 8
 * workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_dump.h"

#include "future/waiter.h"
#include "reactor/reactor.h"

TestSuite(dump, .timeout = 60);

static const unsigned worker_counts[] = {1, 2, 8};

#define WITH_WORKERS(function, arg)                                                     \
    do {                                                                                \
        for (size_t i_ = 0; i_ < sizeof worker_counts / sizeof *worker_counts; i_++) {  \
            bide_run_options options_ = {.workers = worker_counts[i_]};                 \
            int result_ = bide_run(function, arg, &options_);                           \
            cr_assert_eq(result_, 0, "%d with %u workers", result_, worker_counts[i_]); \
        }                                                                               \
    } while (0)

/* --- without tasks ------------------------------------------------------------------------------------------- */

Test(dump, tells_descriptors_with_their_readiness_and_waiters)
{
    int fds[2];
    bide_async *async;
    struct counter counter = {0};
    bide_readable readable;
    char expected[32];
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    cr_assert_ok(bide_async_new(&async, fds[0]));
    bide_readable_init(&readable, async);
    cr_assert_eq(poll_with(&readable.future, counting(&counter)), BIDE_PENDING);
    dump_now();
    (void)snprintf(expected, sizeof expected, ": fd %d,", fds[0]);
    EXPECT_LINE(expected, "read clear waiters 1");
    EXPECT_LINE("reactor 0: ", "background 1");
    EXPECT_LINE("async-io: ", "s");
    cr_assert_eq(cancel_with(&readable.future, counting(&counter)), BIDE_READY);
    cr_assert_ok(bide_async_free(async));
    (void)close(fds[1]);
    dump_now();
    cr_assert_null(line_with(expected, ""), "%s", text);
    cr_assert_ok(bide_shutdown());
}

Test(dump, tells_how_many_timers_there_are_and_when_the_first_is_due)
{
    bide_reactor *mine;
    struct counter counter = {0};
    bide_timer timers[3];
    cr_assert_ok(bide_reactor_new(&mine, NULL));
    bide_reactor *before_it = bide_reactor_enter(mine);
    for (int i = 0; i < 3; i++) {
        bide_timer_after(&timers[i], BIDE_SECONDS(1000) * (i + 1));
        cr_assert_eq(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
    }
    bide_reactor_leave(before_it);
    dump_now();
    EXPECT_LINE("reactor 1: ", "timers 3, first in 999.");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(cancel_with(&timers[i].future, counting(&counter)), BIDE_READY);
    cr_assert_ok(bide_reactor_free(mine));
    dump_now();
    cr_assert_null(line_with("reactor 1: ", ""), "%s", text);
}

static bide_ssize nothing(void *arg)
{
    (void)arg;
    return 0;
}

Test(dump, tells_the_threads_of_the_pool)
{
    cr_assert_eq(bide_job_run(nothing, NULL, BIDE_NEVER), 0);
    dump_now();
    EXPECT_LINE("pool: threads 1, ", "jobs waiting 0");
    cr_assert_ok(bide_shutdown());
}

Test(dump, says_why_it_could_not_be_written)
{
    int fds[2];
    cr_assert_gives(bide_dump(-1), BIDE_EBADF);
    cr_assert_done(pipe2(fds, O_CLOEXEC));
    (void)close(fds[0]);
    cr_assert_gives(bide_dump(fds[1]), BIDE_EPIPE);
    (void)close(fds[1]);
}

/* As in a debugger, which has stopped the thread that holds it: here it is this one. */
Test(dump, leaves_alone_what_is_locked_for_long_and_tells_the_rest)
{
    int fds[2];
    bide_async *async;
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    cr_assert_ok(bide_async_new(&async, fds[0]));
    bide_os_mutex *lock = bide_wait_lock(async);
    dump_now();
    bide_wait_unlock(lock);
    EXPECT_LINE("source ", ": busy");
    EXPECT_LINE("reactor 0: ", "driven by nobody");
    struct bide_reactor *reactor = bide_reactor_global();
    bide_os_mutex_lock(&reactor->lock);
    dump_now();
    bide_os_mutex_unlock(&reactor->lock);
    EXPECT_LINE("reactor 0: busy", "");
    EXPECT_LINE("source ", "read ready waiters 0");
    cr_assert_ok(bide_async_free(async));
    (void)close(fds[1]);
    cr_assert_ok(bide_shutdown());
}

/* --- tasks --------------------------------------------------------------------------------------------------- */

struct waits {
    bide_async *async;
    bide_event event;
    bide_task sleeper;
    bide_async *others[2];
};

static int read_one(void *arg)
{
    char byte;
    bide_ssize count = bide_read(((struct waits *)arg)->async, &byte, 1, bide_after(BIDE_SECONDS(500)));
    return count == BIDE_ECANCELED ? 0 : 1;
}

static int wait_for_event(void *arg)
{
    return bide_event_wait(&((struct waits *)arg)->event, BIDE_NEVER) == BIDE_ECANCELED ? 0 : 1;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return bide_sleep(BIDE_SECONDS(1000)) == BIDE_ECANCELED ? 0 : 1;
}

static int join_sleeper(void *arg)
{
    return bide_task_join(((struct waits *)arg)->sleeper, NULL, BIDE_NEVER) == BIDE_ECANCELED ? 0 : 1;
}

static int race_long(void *arg)
{
    bide_readable readable;
    bide_timer timer;
    bide_readable_init(&readable, ((struct waits *)arg)->async);
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    bide_future *both[] = {&readable.future, &timer.future};
    return bide_race(both, 2) == BIDE_ECANCELED ? 0 : 1;
}

static int own_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_PENDING;
}

static int own_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static void own_describe(const bide_future *self, char *into, size_t room)
{
    (void)self;
    (void)snprintf(into, room, "the moon");
}

static int wait_for_own(void *arg)
{
    static const bide_future_kind own = {{sizeof own.ops, own_poll, own_cancel, BIDE_FUTURE_NAMED},
                                         "light of",
                                         own_describe};
    bide_future future;
    (void)arg;
    bide_future_init(&future, &own.ops);
    return bide_block_on(&future) == BIDE_ECANCELED ? 0 : 1;
}

/* Until that many tasks wait. */
static void let_them_wait(unsigned many)
{
    for (;;) {
        unsigned waiting = 0;
        dump_now();
        for (const char *at = text; (at = strstr(at, "\", waits for ")) != NULL; at++)
            waiting++;
        if (waiting >= many) return;
        cr_assert_ok(bide_yield());
    }
}

static int look_at_waits(void *arg)
{
    static const struct {
        const char *name;
        bide_task_function function;
        const char *expected;
    } kinds[] = {
        {"reader", read_one, "to read, since "},
        {"eventful", wait_for_event, "waits for event, since "},
        {"sleeper", sleep_long, "waits for sleep,"},
        {"joiner", join_sleeper, "waits for join of task "},
        {"racer", race_long, "waits for race of 2: fd "},
        {"dreamer", wait_for_own, "waits for light of the moon, "},
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    bide_task tasks[KINDS];
    struct waits waits;
    int fds[2];
    char expected[64];
    (void)arg;
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    cr_assert_ok(bide_async_new(&waits.async, fds[0]));
    cr_assert_ok(bide_event_init(&waits.event, BIDE_EVENT_AUTO));
    bide_task_options sleeps = {.name = "first"};
    cr_assert_ok(bide_spawn(&waits.sleeper, sleep_long, NULL, &sleeps));
    int line = 0;
    for (int i = 0; i < KINDS; i++) {
        bide_task_options options = {.name = kinds[i].name};
        line = __LINE__ + 1;
        cr_assert_ok(bide_spawn(&tasks[i], kinds[i].function, &waits, &options));
    }
    let_them_wait(KINDS + 1);
    for (int i = 0; i < KINDS; i++) {
        (void)snprintf(expected, sizeof expected, ": \"%s\", ", kinds[i].name);
        EXPECT_LINE(expected, kinds[i].expected);
        EXPECT_LINE(expected, " of 131072, most ");
    }
    (void)snprintf(expected, sizeof expected, "%s:%d,", "test_dump.c", line);
    EXPECT_LINE("\"racer\"", expected);
    (void)snprintf(expected, sizeof expected, "waits for fd %d to read", fds[0]);
    EXPECT_LINE("\"reader\"", expected);
    EXPECT_LINE("\"reader\"", "at most 499.");
    EXPECT_LINE("\"racer\"", "to be readable, timer in 999");
    EXPECT_LINE(": \"main\", running, ", "stack 0 of");
    EXPECT_LINE("scheduler ", ", tasks 8");
    EXPECT_LINE("worker ", ": runs task ");
    for (int i = 0; i < KINDS; i++) {
        int value = 1;
        cr_assert_ok(bide_task_cancel(tasks[i]));
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_eq(value, 0, "%s gave %d", kinds[i].name, value);
    }
    cr_assert_ok(bide_task_cancel(waits.sleeper));
    cr_assert_ok(bide_task_join(waits.sleeper, NULL, BIDE_NEVER));
    cr_assert_ok(bide_async_free(waits.async));
    (void)close(fds[1]);
    return 0;
}

Test(dump, tells_what_each_task_waits_for_since_when_and_where_it_was_spawned)
{
    WITH_WORKERS(look_at_waits, NULL);
    dump_now();
    cr_assert_null(line_with("task ", ""), "%s", text);
    cr_assert_null(line_with("scheduler ", ""), "%s", text);
}

static bide_outcome sleep_for_ever(void *arg)
{
    (void)arg;
    return bide_outcome_error(bide_sleep_until(BIDE_NEVER));
}

static bide_outcome pass_on(bide_outcome outcome, void *arg)
{
    (void)arg;
    return outcome;
}

static int look_at_promises(void *arg)
{
    bide_task_options first = {.name = "promised"}, then = {.name = "step"};
    bide_promise *promise;
    bide_outcome outcome;
    (void)arg;
    int line = __LINE__ + 1;
    cr_assert_ok(bide_promise_spawn(&promise, sleep_for_ever, NULL, &first));
    cr_assert_ok(bide_promise_chain(&promise, pass_on, NULL, &then));
    let_them_wait(2);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "%s:%d,", "test_dump.c", line);
    EXPECT_LINE("\"promised\"", expected);
    EXPECT_LINE("\"step\"", expected);
    cr_assert_ok(bide_promise_cancel(promise));
    cr_assert_ok(bide_promise_sync(&promise, &outcome, BIDE_NEVER));
    cr_assert_eq(outcome.error, BIDE_ECANCELED);
    return 0;
}

Test(dump, tells_of_promises_where_the_first_of_a_chain_was_spawned)
{
    WITH_WORKERS(look_at_promises, NULL);
}

/* A spawn by the function, not the macro, is of no known place. */
static int spawn_by_address(void *arg)
{
    int (*spawn)(bide_task *, bide_task_function, void *, const bide_task_options *) = bide_spawn;
    struct waits *waits = arg;
    bide_task tasks[2];
    cr_assert_ok(spawn(&tasks[0], wait_for_event, waits, &(bide_task_options){.name = "one"}));
    cr_assert_ok(
        bide_spawn(&tasks[1], wait_for_event, waits, &(bide_task_options){.name = "two", .drop = NULL}));
    let_them_wait(2);
    EXPECT_LINE("\"one\"", "spawned at ?, ");
    EXPECT_LINE("\"two\"", "test_dump.c:");
    for (int i = 0; i < 2; i++) {
        cr_assert_ok(bide_task_cancel(tasks[i]));
        cr_assert_ok(bide_task_join(tasks[i], NULL, BIDE_NEVER));
    }
    return 0;
}

Test(dump, spawning_is_a_function_and_a_macro_that_knows_its_place)
{
    struct waits waits;
    cr_assert_ok(bide_event_init(&waits.event, BIDE_EVENT_AUTO));
    WITH_WORKERS(spawn_by_address, &waits);
}

/* --- while everything moves ---------------------------------------------------------------------------------- */

static atomic_bool stop;

static void *dump_again_and_again(void *arg)
{
    int fd = *(int *)arg;
    int dumps = 0;
    for (; !atomic_load(&stop); dumps++)
        if (bide_dump(fd) != 0) return NULL;
    return dumps > 0 ? arg : NULL;
}

struct ball {
    bide_event here, there;
};

enum { ROUNDS = 3000 };

static int pass(void *arg)
{
    struct ball *ball = arg;
    for (int i = 0; i < ROUNDS; i++) {
        cr_assert_ok(bide_event_wait(&ball->here, BIDE_NEVER));
        bide_event_set(&ball->there);
    }
    return 0;
}

static int come_and_go(void *arg)
{
    (void)arg;
    return bide_sleep(BIDE_MICROSECONDS(50));
}

static int play(void *arg)
{
    struct ball ball;
    bide_task partner;
    (void)arg;
    cr_assert_ok(bide_event_init(&ball.here, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&ball.there, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&partner, pass, &ball, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        bide_event_set(&ball.here);
        cr_assert_ok(bide_event_wait(&ball.there, BIDE_NEVER));
        if (i % 50 == 0) cr_assert_ok(bide_spawn(NULL, come_and_go, NULL, NULL));
    }
    return bide_task_join(partner, NULL, BIDE_NEVER);
}

/* A wake that comes while a task is looked at is not lost: else the game would stop. */
Test(dump, of_tasks_that_never_rest_loses_no_wake)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pthread_t thread;
    void *done = NULL;
    cr_assert_done(fd);
    cr_assert_eq(pthread_create(&thread, NULL, dump_again_and_again, &fd), 0);
    WITH_WORKERS(play, NULL);
    atomic_store(&stop, true);
    cr_assert_eq(pthread_join(thread, &done), 0);
    cr_assert_not_null(done, "a dump failed");
    (void)close(fd);
}

/* --- counts -------------------------------------------------------------------------------------------------- */

static int yield_ten_times(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        cr_assert_ok(bide_yield());
    return bide_sleep(BIDE_MICROSECONDS(10));
}

static int count_all(void *arg)
{
    bide_scheduler_stats stats;
    bide_worker_stats sum = {0};
    bide_task tasks[100];
    (void)arg;
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_spawn(&tasks[i], yield_ten_times, NULL, NULL));
    cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &stats));
    cr_assert_leq(stats.live, 101);
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_task_join(tasks[i], NULL, BIDE_NEVER));
    /* One that has been joined may just be going. */
    do {
        cr_assert_ok(bide_yield());
        cr_assert_ok(bide_scheduler_stats_read(bide_scheduler_current(), &stats));
    } while (stats.live > 1);
    cr_assert_eq(stats.total.spawned, 101, "%llu", (unsigned long long)stats.total.spawned);
    cr_assert_geq(stats.total.switches, 101, "%llu", (unsigned long long)stats.total.switches);
    cr_assert_geq(stats.total.wakes, 1);
    cr_assert_geq(stats.injected, 1);
    if (stats.workers == 1) cr_assert_eq(stats.total.steals, 0);
    for (unsigned i = 0; i < stats.workers; i++) {
        bide_worker_stats one;
        cr_assert_ok(bide_worker_stats_read(bide_scheduler_current(), i, &one));
        sum.spawned += one.spawned;
        sum.switches += one.switches;
    }
    cr_assert_eq(sum.spawned, 100, "%llu", (unsigned long long)sum.spawned);
    cr_assert_geq(sum.switches, stats.total.switches);
    cr_assert_gives(bide_worker_stats_read(bide_scheduler_current(), stats.workers, &sum), BIDE_EINVAL);
    cr_assert_gives(bide_scheduler_stats_read(bide_scheduler_current(), NULL), BIDE_EINVAL);
    return 0;
}

Test(dump, counts_what_schedulers_and_workers_do)
{
    bide_scheduler_stats stats;
    cr_assert_gives(bide_scheduler_stats_read(bide_scheduler_current(), &stats), BIDE_EINVAL);
    WITH_WORKERS(count_all, NULL);
}
