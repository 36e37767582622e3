/* What waits in the background, and the helper thread "async-io" that serves it: when it is started, and
 * what happens when it cannot be. What it does then is in test_background_service.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_background.h"

#include "support/syscalls.h"

#include <signal.h>

TestSuite(background, .fini = shut_down, .timeout = 60);

/* --- when it is started --------------------------------------------------------------------------------- */

Test(background, has_no_thread_before_one_is_needed)
{
    struct source source;
    open_source(&source);
    put(source.ends[1], "x", 1);
    take_byte(&source);
    char byte;
    cr_assert_gives(bide_read(source.async, &byte, 1, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MILLISECONDS(1));
    cr_assert_ok(bide_timer_wait(&timer));
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_gives(bide_event_wait(&event, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(1)));
    /* An event waits in no reactor. */
    struct counter counter = {0};
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
    bide_timer_after(&timer, 0);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    cr_assert_eq(helper_id(), 0, "a helper thread");
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);

    cr_assert_gives(await_source(&source), BIDE_PENDING);
    AWAIT(helper_id() != 0);
    cr_assert_eq(stats_now().background, 1, "%zu wait in the background", stats_now().background);
    cr_assert_gives(bide_cancel(&waiting.future), BIDE_READY);
    close_source(&source);
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
}

static void arm_and_cancel(struct worker *worker)
{
    struct counter counter = {0};
    for (int i = 0; i < 100 && worker->result == 0; i++) {
        bide_timer timer;
        bide_timer_after(&timer, BIDE_HOURS(1));
        worker->result = poll_with(&timer.future, counting(&counter));
        if (worker->result == 0 && bide_cancel(&timer.future) != BIDE_READY) worker->result = BIDE_EINVAL;
    }
}

Test(background, has_one_thread_whoever_needs_it)
{
    struct inventory before = inventory_now();
    struct worker workers[4];
    for (int i = 0; i < 4; i++)
        worker_start(&workers[i], arm_and_cancel, NULL);
    for (int i = 0; i < 4; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    AWAIT(bide_test_thread_count() <= before.threads + 1);
    AWAIT(helper_id() != 0);
    expect_nothing_left(before);
}

/* The bits of a mask in the thread's status. */
static unsigned long long status_mask(int id, const char *key)
{
    char path[64], line[256];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/status", id);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    unsigned long long mask = 0;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) mask = strtoull(line + strlen(key), NULL, 16);
    (void)fclose(file);
    return mask;
}

Test(background, has_a_thread_that_leaves_signals_to_those_of_the_program)
{
    struct source source;
    open_source(&source);
    cr_assert_gives(await_source(&source), BIDE_PENDING);
    AWAIT(helper_id() != 0);
    unsigned long long blocked = status_mask(helper_id(), "SigBlk:");
    static const int ours[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE,  SIGALRM,
                               SIGTERM, SIGCHLD, SIGTSTP, SIGURG,  SIGPROF, SIGWINCH, SIGIO};
    static const int its_own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        cr_assert(blocked >> (ours[i] - 1) & 1, "it takes signal %d", ours[i]);
    for (size_t i = 0; i < sizeof its_own / sizeof *its_own; i++)
        cr_assert(!(blocked >> (its_own[i] - 1) & 1), "it blocks signal %d", its_own[i]);
    sigset_t mask;
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0, "pthread_sigmask");
    cr_assert(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGINT), "this thread's mask has changed");
    close_source(&source);
}

/* --- when it cannot be started -------------------------------------------------------------------------- */

/* Every way to arm something in the background gives this error, and leaves nothing behind. */
static void expect_refusals(int expected)
{
    struct source source;
    open_source(&source);
    struct counter counter = {0};
    char byte;

    cr_assert_gives(await_source(&source), BIDE_READY);
    cr_assert_gives(source.readable.result, expected);
    bide_io io;
    bide_io_read(&io, source.async, &byte, 1);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(io.result, expected);
    cr_assert_gives(bide_async_poll_readable(source.async, counting(&counter)), expected);
    bide_timer timer;
    bide_timer_after(&timer, BIDE_HOURS(1));
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(bide_timer_error(&timer), expected);
    cr_assert_eq(timer.result.ns, BIDE_NOW.ns, "a result");
    struct manual inner;
    bide_timeout timeout;
    manual_init(&inner, BIDE_PENDING);
    bide_timeout_init(&timeout, &inner.future, bide_after(BIDE_HOURS(1)));
    cr_assert_gives(poll_with(&timeout.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(timeout.result, expected);
    bide_event event;
    bide_event_waiting waiting;
    bide_set set;
    bide_set_member member;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting_init(&waiting, &event);
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &member, &waiting.future, NULL));
    cr_assert_gives(poll_with(&set.future, counting(&counter)), expected);
    cr_assert_eq(bide_set_count(&set), 1, "the member has left");

    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
    cr_assert_eq(helper_id(), 0, "a helper thread");
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
    cr_assert_eq(stats_now().timers_pending, 0, "%zu timers are armed", stats_now().timers_pending);

    /* What needs no helper works: waits on this thread. */
    cr_assert_ok(bide_timer_set_after(&timer, BIDE_MICROSECONDS(100)));
    cr_assert_ok(bide_timer_wait(&timer));
    put(source.ends[1], "x", 1);
    cr_assert_ok(bide_wait_readable(source.async, BIDE_NEVER));
    take_byte(&source);
    bide_event_set(&event);
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), 0);
    cr_assert_eq(helper_id(), 0, "a helper thread");
    close_source(&source);
}

/* And afterwards everything works. */
static void expect_service(void)
{
    struct source source;
    open_source(&source);
    cr_assert_gives(await_source(&source), BIDE_PENDING);
    put(source.ends[1], "x", 1);
    AWAIT(source.counter.wakes > 0);
    cr_assert_gives(poll_with(&source.readable.future, counting(&source.counter)), BIDE_READY);
    cr_assert_gives(source.readable.result, 0);
    close_source(&source);
}

Test(background, is_refused_where_threads_are_forbidden)
{
    bide_set_threads(false);
    expect_refusals(BIDE_ENOTSUP);
    bide_set_threads(true);
    expect_service();
}

Test(background, is_refused_when_the_thread_cannot_be_started)
{
    for (int i = 0; i < 2; i++) {
        bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_THREAD), 1, 1000, EAGAIN);
        expect_refusals(BIDE_ENOTHREAD);
        cr_assert_geq(bide_fault_clear(), 6, "fewer attempts than things to arm");
    }
    expect_service();
}

Test(background, goes_on_with_a_thread_that_runs_already_when_threads_are_forbidden)
{
    expect_service();
    bide_set_threads(false);
    expect_service();
    cr_assert_ok(bide_shutdown());
    expect_refusals(BIDE_ENOTSUP);
}
