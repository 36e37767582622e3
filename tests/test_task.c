/* Tasks: spawning, joining, cancelling, clean-up, and how a scheduler ends. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"

#include "os/pages.h"

#include <sys/wait.h>

TestSuite(task, .timeout = 60);

static int answer(void *arg)
{
    return arg ? *(int *)arg : 42;
}

Test(task, run_returns_what_the_main_task_returns)
{
    WITH_WORKERS(answer, NULL, 42);
}

static int count_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 7;
}

static int join_many(void *arg)
{
    enum { MANY = 1000 };
    static bide_task tasks[MANY];
    for (int i = 0; i < MANY; i++)
        cr_assert_ok(bide_spawn(&tasks[i], count_one, arg, NULL));
    for (int i = 0; i < MANY; i++) {
        int value = 0;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_eq(value, 7);
        cr_assert_gives(bide_task_join(tasks[i], &value, BIDE_NEVER), BIDE_EFREED);
    }
    cr_assert_eq(atomic_load((atomic_int *)arg), MANY);
    return atomic_exchange((atomic_int *)arg, 0);
}

Test(task, a_thousand_are_spawned_and_joined_each_once)
{
    atomic_int count = 0;
    WITH_WORKERS(join_many, &count, 1000);
}

struct order {
    int next;
    int seen[10];
};

static struct order order;

static int note_order(void *arg)
{
    order.seen[order.next++] = *(int *)arg;
    return 0;
}

static int spawn_in_order(void *arg)
{
    static int numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    bide_task tasks[10];
    (void)arg;
    for (int i = 0; i < 10; i++)
        cr_assert_ok(bide_spawn(&tasks[i], note_order, &numbers[i], NULL));
    for (int i = 0; i < 10; i++)
        cr_assert_ok(bide_task_join(tasks[i], NULL, BIDE_NEVER));
    for (int i = 0; i < 10; i++)
        cr_assert_eq(order.seen[i], i, "%d in place %d", order.seen[i], i);
    return 0;
}

Test(task, the_first_spawned_is_the_first_to_run_on_one_worker)
{
    bide_run_options options = {.workers = 1};
    cr_assert_ok(bide_run(spawn_in_order, NULL, &options));
}

static int sleep_shortly(void *arg)
{
    (void)arg;
    return bide_sleep(BIDE_MILLISECONDS(2));
}

static int sleep_together(void *arg)
{
    enum { SLEEPERS = 500 };
    bide_task tasks[SLEEPERS];
    bide_instant begin = bide_now();
    (void)arg;
    for (int i = 0; i < SLEEPERS; i++)
        cr_assert_ok(bide_spawn(&tasks[i], sleep_shortly, NULL, NULL));
    for (int i = 0; i < SLEEPERS; i++) {
        int value = 1;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
    cr_assert_geq(bide_instant_since(bide_now(), begin), BIDE_MILLISECONDS(2));
    return 0;
}

Test(task, a_sleep_suspends_the_task_alone)
{
    WITH_WORKERS(sleep_together, NULL, 0);
}

/* --- many --------------------------------------------------------------------------------------------------- */

/* The thread sanitizer has room for some 8,000 fibers. */
#if defined(BIDE_TEST_TSAN)
enum { MANY = 2000, MOST = 2000 };
#elif defined(BIDE_TEST_ASAN)
enum { MANY = 20000, MOST = 20000 };
#else
enum { MANY = 20000, MOST = 200000 };
#endif

static int wait_for_start(void *arg)
{
    return bide_event_wait(arg, BIDE_NEVER);
}

static int hold_many(void *arg)
{
    bide_event start;
    int count = *(int *)arg;
    bide_task *tasks = calloc((size_t)count, sizeof *tasks);
    cr_assert_not_null(tasks);
    cr_assert_ok(bide_event_init(&start, BIDE_EVENT_MANUAL));
    for (int i = 0; i < count; i++)
        cr_assert_ok(bide_spawn(&tasks[i], wait_for_start, &start, NULL));
    bide_event_set(&start);
    for (int i = 0; i < count; i++) {
        int value = 1;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
    free(tasks);
    return 0;
}

Test(task, twenty_thousand_are_alive_at_once)
{
    int count = MANY;
    WITH_WORKERS(hold_many, &count, 0);
}

/* Where guards split mappings there is no room for so many (stack.h). */
Test(task, two_hundred_thousand_are_alive_at_once_where_guards_are_light)
{
    int count = MOST;
    enum bide_os_guard how = BIDE_OS_GUARD_LIGHT;
    void *pages;
    cr_assert_ok(bide_os_pages_map(&pages, bide_os_page_size()));
    cr_assert_ok(bide_os_pages_guard(pages, bide_os_page_size(), &how));
    bide_os_pages_unmap(pages, bide_os_page_size());
    if (how != BIDE_OS_GUARD_LIGHT) BIDE_SKIP("the system has no light guards");
    bide_run_options two = {.workers = 2};
    cr_assert_ok(bide_run(hold_many, &count, &two));
}

static int spin_until_set(void *arg)
{
    while (!atomic_load((atomic_bool *)arg))
        continue;
    return 0;
}

static int yield_to_a_spinner(void *arg)
{
    (void)arg;
    for (int round = 0; round < 1000; round++) {
        atomic_bool set = false;
        bide_task spinner;
        cr_assert_ok(bide_spawn(&spinner, spin_until_set, &set, NULL));
        /* The spinner may be next on this worker: then another one must take this task up. */
        cr_assert_ok(bide_yield());
        atomic_store(&set, true);
        cr_assert_ok(bide_task_join(spinner, NULL, BIDE_NEVER));
    }
    return 0;
}

Test(task, one_that_yields_to_a_busy_one_is_taken_up_by_an_idle_worker)
{
    bide_run_options options = {.workers = 2};
    cr_assert_ok(bide_run(yield_to_a_spinner, NULL, &options));
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static atomic_int cleaned, dropped, cancelled_waits, waiting;

static void clean(void *arg)
{
    (void)arg;
    atomic_fetch_add(&cleaned, 1);
}

static void drop(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    cr_assert_ok(bide_defer(clean, NULL));
    atomic_fetch_add(&waiting, 1);
    int error = bide_sleep_until(BIDE_NEVER);
    cr_assert_gives(error, BIDE_ECANCELED);
    /* It is sticky. */
    cr_assert_gives(bide_sleep(BIDE_MILLISECONDS(1)), BIDE_ECANCELED);
    cr_assert_gives(bide_yield(), BIDE_ECANCELED);
    atomic_fetch_add(&cancelled_waits, 1);
    return error;
}

static int leave_others_behind(void *arg)
{
    int began = atomic_load(&waiting);
    (void)arg;
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_spawn(NULL, wait_for_ever, NULL, NULL));
    while (atomic_load(&waiting) < began + 100)
        cr_assert_ok(bide_yield());
    return 3;
}

Test(task, the_end_of_the_main_task_cancels_the_others_and_waits_for_their_clean_up)
{
    WITH_WORKERS(leave_others_behind, NULL, 3);
    cr_assert_eq(atomic_load(&cleaned), 300);
    cr_assert_eq(atomic_load(&cancelled_waits), 300);
}

static int spawn_and_end(void *arg)
{
    bide_task_options options = {.drop = drop};
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_spawn(NULL, count_one, arg, &options));
    return 0;
}

Test(task, one_that_never_began_has_its_argument_dropped)
{
    atomic_int ran = 0;
    bide_run_options options = {.workers = 1};
    cr_assert_ok(bide_run(spawn_and_end, &ran, &options));
    cr_assert_eq(atomic_load(&ran), 0);
    cr_assert_eq(atomic_load(&dropped), 100);
    WITH_WORKERS(spawn_and_end, &ran, 0);
    cr_assert_eq(atomic_load(&ran) + atomic_load(&dropped), 400);
}

/* --- cancelling ---------------------------------------------------------------------------------------------- */

static int clean_up_in_peace(void *arg)
{
    bide_event_set(arg);
    cr_assert_gives(bide_sleep_until(BIDE_NEVER), BIDE_ECANCELED);
    bide_shield();
    bide_shield();
    bide_unshield();
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
    bide_unshield();
    cr_assert_gives(bide_sleep(BIDE_MICROSECONDS(100)), BIDE_ECANCELED);
    return 5;
}

static int cancel_one(void *arg)
{
    bide_task task;
    bide_event began;
    int value = 0;
    (void)arg;
    cr_assert_ok(bide_event_init(&began, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&task, clean_up_in_peace, &began, NULL));
    cr_assert_ok(bide_event_wait(&began, BIDE_NEVER));
    cr_assert_gives(bide_task_join(task, &value, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_ok(bide_task_join(task, &value, BIDE_NEVER));
    cr_assert_eq(value, 5);
    cr_assert_gives(bide_task_cancel(task), BIDE_EFREED);
    cr_assert_gives(bide_task_detach(task), BIDE_EFREED);
    return 0;
}

Test(task, a_shield_lets_the_clean_up_of_a_cancelled_one_wait)
{
    WITH_WORKERS(cancel_one, NULL, 0);
}

/* --- sockets ------------------------------------------------------------------------------------------------- */

static int echo_until_the_end(void *arg)
{
    bide_async *conn = arg;
    char buffer[256];
    bide_ssize count;
    while ((count = bide_read(conn, buffer, sizeof buffer, BIDE_NEVER)) > 0)
        cr_assert_ok(bide_write_all(conn, buffer, (size_t)count, BIDE_NEVER, NULL));
    cr_assert_ok(bide_async_free(conn));
    return (int)count;
}

struct talk {
    bide_async *conn;
    int number;
};

static int talk(void *arg)
{
    struct talk *talking = arg;
    for (int i = 0; i < 100; i++) {
        int sent = talking->number * 1000 + i;
        int received = -1;
        cr_assert_ok(bide_write_all(talking->conn, &sent, sizeof sent, BIDE_NEVER, NULL));
        cr_assert_ok(bide_read_exact(talking->conn, &received, sizeof received, bide_after(LONG), NULL));
        cr_assert_eq(received, sent);
    }
    cr_assert_ok(bide_async_free(talking->conn));
    return 0;
}

static int talk_over_pairs(void *arg)
{
    enum { PAIRS = 32 };
    struct talk talks[PAIRS];
    bide_task tasks[2 * PAIRS];
    (void)arg;
    for (int i = 0; i < PAIRS; i++) {
        int fds[2];
        bide_async *server;
        cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
        cr_assert_ok(bide_async_new(&server, fds[0]));
        cr_assert_ok(bide_async_new(&talks[i].conn, fds[1]));
        talks[i].number = i;
        cr_assert_ok(bide_spawn(&tasks[2 * i], echo_until_the_end, server, NULL));
        cr_assert_ok(bide_spawn(&tasks[2 * i + 1], talk, &talks[i], NULL));
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        int value = 1;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
    return 0;
}

Test(task, sockets_suspend_the_task_alone)
{
    WITH_WORKERS(talk_over_pairs, NULL, 0);
}

static int time_out(void *arg)
{
    int fds[2];
    char byte;
    bide_async *async;
    (void)arg;
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    cr_assert_ok(bide_async_new(&async, fds[0]));
    bide_instant begin = bide_now();
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(BIDE_MILLISECONDS(100))), BIDE_ETIMEDOUT);
    cr_assert_geq(bide_instant_since(bide_now(), begin), BIDE_MILLISECONDS(100));
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_async_free(async));
    (void)close(fds[1]);
    return 0;
}

Test(task, a_read_times_out_after_100_ms)
{
    WITH_WORKERS(time_out, NULL, 0);
}

/* --- threads ------------------------------------------------------------------------------------------------- */

struct outside {
    bide_scheduler scheduler;
    bide_event done;
    atomic_int count;
};

static int set_when_all(void *arg)
{
    struct outside *outside = arg;
    if (atomic_fetch_add(&outside->count, 1) == 99) bide_event_set(&outside->done);
    return 0;
}

static void *spawn_from_outside(void *arg)
{
    struct outside *outside = arg;
    bide_task_options options = {.scheduler = outside->scheduler};
    for (int i = 0; i < 100; i++)
        cr_assert_ok(bide_spawn(NULL, set_when_all, outside, &options));
    return NULL;
}

static int let_a_thread_spawn(void *arg)
{
    struct outside outside = {.scheduler = bide_scheduler_current()};
    pthread_t thread;
    (void)arg;
    cr_assert_ok(bide_event_init(&outside.done, BIDE_EVENT_AUTO));
    cr_assert_eq(pthread_create(&thread, NULL, spawn_from_outside, &outside), 0);
    cr_assert_ok(bide_event_wait(&outside.done, BIDE_NEVER));
    cr_assert_eq(pthread_join(thread, NULL), 0);
    return 0;
}

Test(task, a_thread_outside_spawns_too)
{
    WITH_WORKERS(let_a_thread_spawn, NULL, 0);
}

/* --- fork --------------------------------------------------------------------------------------------------- */

enum { IN_CHILD = 77 };

static int fork_in_a_task(void *arg)
{
    (void)arg;
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        /* Plain code from here on. */
        bide_run_options one = {.workers = 1};
        bool plain = !bide_in_task() && bide_sleep(BIDE_MICROSECONDS(10)) == 0 && bide_yield() == 0 &&
                     bide_spawn(NULL, answer, NULL, NULL) == BIDE_EINVAL &&
                     bide_run(answer, NULL, &one) == 42;
        _exit(plain ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
    child = fork();
    cr_assert_done(child);
    if (child == 0) return IN_CHILD;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
    return bide_sleep(BIDE_MICROSECONDS(10));
}

Test(task, the_child_of_a_task_that_forks_is_plain_code)
{
    /* Sanitizers leave locks of their own held in a child whose parent has several threads. */
#if defined(BIDE_TEST_ASAN) || defined(BIDE_TEST_TSAN)
    size_t most = 1;
#else
    size_t most = sizeof worker_counts / sizeof *worker_counts;
#endif
    for (size_t i = 0; i < most; i++) {
        bide_run_options options = {.workers = worker_counts[i]};
        int result = bide_run(fork_in_a_task, NULL, &options);
        /* Its body has returned in the child, too: here, or the thread has ended and the process with it. */
        if (result == IN_CHILD) _exit(0);
        cr_assert_ok(result);
    }
}

/* --- misuse -------------------------------------------------------------------------------------------------- */

static int use_some_stack(void *arg)
{
    volatile char bytes[6000];
    (void)arg;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    return bytes[sizeof bytes - 1] == (char)(sizeof bytes - 1) ? bide_yield() : 1;
}

static int misuse(void *arg)
{
    bide_task none = {NULL, 0};
    (void)arg;
    cr_assert_gives(bide_spawn(NULL, NULL, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_task_join(none, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_task_cancel(none), BIDE_EINVAL);
    cr_assert_gives(bide_task_detach(none), BIDE_EINVAL);
    cr_assert_gives(bide_defer(NULL, NULL), BIDE_EINVAL);
    bide_task_options small = {.stack_size = 1}, large = {.stack_size = SIZE_MAX};
    cr_assert_ok(run_one(use_some_stack, NULL, &small));
    cr_assert_gives(bide_spawn(NULL, use_some_stack, NULL, &large), BIDE_EINVAL);
    cr_assert_gives(bide_run(answer, NULL, NULL), BIDE_EDEADLK);
    cr_assert_gives(bide_shutdown(), BIDE_EDEADLK);
    cr_assert(bide_in_task());
    cr_assert_str_eq(bide_task_name(), "main");
    return 0;
}

Test(task, misuse_gives_errors_that_name_it)
{
    bide_run_options many = {.workers = 65};
    cr_assert_gives(bide_run(NULL, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_run(answer, NULL, &many), BIDE_EINVAL);
    cr_assert_gives(bide_spawn(NULL, answer, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_defer(clean, NULL), BIDE_EINVAL);
    cr_assert(!bide_in_task());
    cr_assert_null(bide_task_name());
    cr_assert_ok(bide_yield());
    WITH_WORKERS(misuse, NULL, 0);
}
