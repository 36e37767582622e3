/* The log function: what it is told, and when it is not called.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "os/log.h"
#include "support/syscalls.h"

#include <bide/tcp.h>
#include <stdlib.h>

/* What was logged. */
static int lines;
static int last_error;
static char last[256];

/* Takes locks of Bide's: they must be free. */
static void note(void *arg, int error, const char *message)
{
    (void)arg;
    bide_reactor_stats stats;
    cr_assert_ok(bide_reactor_stats_read(bide_reactor_global(), &stats));
    lines++;
    last_error = error;
    (void)snprintf(last, sizeof last, "%s", message);
}

static void begin(void)
{
    lines = 0;
    last[0] = '\0';
    (void)unsetenv("BIDE_BACKEND");
    cr_assert_ok(bide_set_log(note, NULL));
}

static void end(void)
{
    (void)bide_set_log(NULL, NULL);
    shut_down();
}

TestSuite(log, .init = begin, .fini = end, .timeout = 60);

static void expect_line(int error, const char *word)
{
    cr_assert_eq(lines, 1, "%d lines, the last '%s'", lines, last);
    cr_assert_gives(last_error, error);
    cr_assert(strstr(last, word), "'%s' without '%s'", last, word);
    cr_assert(!strchr(last, '\n'), "'%s' ends a line", last);
    lines = 0;
}

/* --- what it is told ------------------------------------------------------------------------------------ */

Test(log, tells_of_a_named_back_end_that_cannot_be_had)
{
    cr_assert_done(setenv("BIDE_BACKEND", "carrier-pigeon", 1));
    bide_calls_reset();
    cr_assert_null(bide_reactor_backend(bide_reactor_global()), "there is one");
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
    expect_line(BIDE_EBACKEND, "carrier-pigeon");
    cr_assert_done(unsetenv("BIDE_BACKEND"));
    /* Who names it in a call is told by the return value. */
    bide_reactor *reactor;
    cr_assert_gives(bide_reactor_new(&reactor, "carrier-pigeon"), BIDE_EBACKEND);
    cr_assert_eq(lines, 0, "'%s'", last);
}

#ifdef __linux__
Test(log, tells_that_another_back_end_is_used)
{
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_EPOLL_CREATE), 1, 1, ENOSYS);
    cr_assert_str_eq(bide_reactor_backend(bide_reactor_global()), "poll");
    (void)bide_fault_clear();
    expect_line(BIDE_ENOTSUP, "epoll");
}
#endif

Test(log, tells_that_the_helper_thread_cannot_be_started)
{
    struct counter counter = {0};
    bide_timer timer;
    bide_timer_after(&timer, BIDE_HOURS(1));
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_THREAD), 1, 1, EAGAIN);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    (void)bide_fault_clear();
    cr_assert_gives(bide_timer_error(&timer), BIDE_ENOTHREAD);
    expect_line(BIDE_ENOTHREAD, "async-io");
    /* Not where the program wants it so. */
    bide_set_threads(false);
    bide_timer_after(&timer, BIDE_HOURS(1));
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    bide_set_threads(true);
    cr_assert_gives(bide_timer_error(&timer), BIDE_ENOTSUP);
    cr_assert_eq(lines, 0, "'%s'", last);
}

Test(log, tells_that_a_listener_pauses)
{
    bide_address address = bide_address_loopback(0);
    bide_async *listener, *conn;
    cr_assert_ok(bide_tcp_listen(&listener, &address, 0));
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_ACCEPT), 1, 1, EMFILE);
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EMFILE);
    (void)bide_fault_clear();
    expect_line(BIDE_EMFILE, "listener");
    cr_assert_ok(bide_async_free(listener));
}

Test(log, cuts_long_messages_off)
{
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    bide_log(BIDE_EINVAL, "name", name);
    expect_line(BIDE_EINVAL, "name: xxx");
}

/* --- when it is not called ------------------------------------------------------------------------------ */

static int answers[2];

static void set_again(void *arg, int error, const char *message)
{
    (void)error;
    (void)message;
    lines++;
    answers[0] = bide_set_log(NULL, NULL);
    bide_log(BIDE_EIO, "caused by the log function itself", arg);
    answers[1] = bide_set_log(note, NULL);
}

Test(log, neither_changes_nor_logs_inside_itself)
{
    cr_assert_ok(bide_set_log(set_again, NULL));
    bide_log(BIDE_EIO, "once", NULL);
    cr_assert_eq(lines, 1, "%d lines", lines);
    cr_assert_gives(answers[0], BIDE_EDEADLK);
    cr_assert_gives(answers[1], BIDE_EDEADLK);
    bide_log(BIDE_EIO, "twice", NULL);
    cr_assert_eq(lines, 2, "%d lines", lines);
}

static void block(void *arg, int error, const char *message)
{
    (void)error;
    (void)message;
    bide_event *events = arg;
    bide_event_set(&events[0]);
    (void)bide_event_wait(&events[1], BIDE_NEVER);
}

static void say(struct worker *worker)
{
    bide_log(BIDE_EIO, worker->arg, NULL);
}

static void unset(struct worker *worker)
{
    worker->result = bide_set_log(NULL, NULL);
}

Test(log, is_not_running_any_more_when_another_one_was_set)
{
    bide_event events[2];
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_event_init(&events[i], BIDE_EVENT_AUTO));
    cr_assert_ok(bide_set_log(block, events));
    struct worker sayer, unsetter;
    static char text[] = "blocks";
    worker_start(&sayer, say, text);
    cr_assert_ok(bide_event_wait(&events[0], BIDE_NEVER));
    worker_start(&unsetter, unset, NULL);
    await_asleep(&unsetter);
    cr_assert(!unsetter.done, "it did not wait");
    bide_event_set(&events[1]);
    cr_assert_gives(worker_join(&unsetter), 0);
    (void)worker_join(&sayer);
    bide_log(BIDE_EIO, "to nobody", NULL);
}
