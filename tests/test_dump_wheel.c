/* What bide_dump tells of wheels.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_dump.h"

#include "wheel/wheel.h"

#include <sys/wait.h>

TestSuite(dump, .timeout = 60);

/* A wheel with three sleeps in it, the first due after that time. */
static bide_wheel *wheel_with(const bide_wheel_options *options, bide_wheel_sleeping *sleeping,
                              bide_duration first)
{
    bide_wheel *wheel;
    cr_assert_ok(bide_wheel_new(&wheel, options));
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_wheel_sleeping_init(&sleeping[i], wheel, first * (3 - i)));
        cr_assert_ok(bide_wheel_sleeping_start(&sleeping[i]));
    }
    return wheel;
}

Test(dump, tells_of_a_wheel_how_many_sleep_in_it_when_the_first_is_due_and_its_threads_name)
{
    bide_wheel_sleeping sleeping[3];
    bide_wheel_options options;
    bide_wheel_options_init(&options);
    options.thread_name = "a name of over fifteen bytes";
    bide_wheel *wheel = wheel_with(&options, sleeping, BIDE_SECONDS(100));
    (void)bide_wheel_next(wheel); /* now the thread has them all */
    dump_now();
    EXPECT_LINE("wheel 0: with a thread, sleeps 3, first in ", ", thread \"a name of over \"");
    const char *line = strstr(line_with("wheel 0: ", ""), "first in ");
    long first = strtol(line + strlen("first in "), NULL, 10);
    cr_assert(first >= 90 && first <= 100, "%s", line);
    for (int i = 1; i < 3; i++)
        cr_assert_eq(bide_wheel_sleeping_cancel(&sleeping[i]), 1);
    (void)bide_wheel_next(wheel);
    dump_now();
    EXPECT_LINE("wheel 0: with a thread, sleeps 1, ", "first in ");
    cr_assert_ok(bide_wheel_free(wheel));
    dump_now();
    cr_assert_null(line_with("wheel ", ""), "%s", text);
}

/* By its own clock, which here stands. */
Test(dump, tells_of_a_wheel_without_a_thread_what_its_owner_was_told_last)
{
    bide_wheel_sleeping sleeping[3];
    bide_wheel_options options;
    bide_wheel_options_init(&options);
    options.form = BIDE_WHEEL_INLINE;
    options.clock = BIDE_WHEEL_MANUAL;
    bide_wheel *first = wheel_with(&options, sleeping, BIDE_SECONDS(100));
    options.clock = BIDE_WHEEL_MONOTONIC;
    bide_wheel *second;
    cr_assert_ok(bide_wheel_new(&second, &options));
    dump_now();
    cr_assert_eq(strcmp(line_with("wheel 0: ", ""), "wheel 0: inline, sleeps 3"), 0, "%s", text);
    bide_instant next = bide_wheel_next(first);
    dump_now();
    char expected[64];
    (void)snprintf(expected, sizeof expected, "wheel 0: inline, sleeps 3, first in %d.%d00 s",
                   (int)(next.ns / 1000000000), (int)(next.ns / 100000000 % 10));
    cr_assert_eq(strcmp(line_with("wheel 0: ", ""), expected), 0, "not '%s': %s", expected, text);
    cr_assert_eq(strcmp(line_with("wheel 1: ", ""), "wheel 1: inline, sleeps 0"), 0, "%s", text);
    cr_assert_ok(bide_wheel_free(first));
    dump_now();
    cr_assert_null(line_with("wheel 0: ", ""), "%s", text);
    EXPECT_LINE("wheel 1: inline, ", "");
    first = wheel_with(&options, sleeping, BIDE_SECONDS(100));
    bide_wheel_driving driving;
    struct counter counter = {0};
    bide_wheel_driving_init(&driving, first);
    cr_assert_eq(poll_with(&driving.future, counting(&counter)), BIDE_PENDING);
    dump_now();
    EXPECT_LINE("wheel 0: inline, sleeps 3, first in ", "");
    cr_assert_eq(cancel_with(&driving.future, counting(&counter)), BIDE_READY);
    cr_assert_ok(bide_wheel_free(first));
    cr_assert_ok(bide_wheel_free(second));
}

Test(dump, goes_past_a_wheel_that_is_locked_for_long_or_is_the_parents)
{
    bide_wheel_sleeping sleeping[3];
    bide_wheel_options options;
    bide_wheel_options_init(&options);
    bide_wheel *wheel = wheel_with(&options, sleeping, BIDE_SECONDS(100));
    bide_os_mutex_lock(&wheel->lock);
    dump_now();
    EXPECT_LINE("wheel 0: busy", "");
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        dump_now();
        bool told = line_with("wheel 0: of the parent", "") && line_with("bide ", "");
        _exit(told && bide_wheel_free(wheel) == 0 ? 0 : 1);
    }
    bide_os_mutex_unlock(&wheel->lock);
    int status;
    cr_assert_done(waitpid(child, &status, 0));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    dump_now();
    EXPECT_LINE("wheel 0: with a thread, sleeps 3, ", "");
    cr_assert_ok(bide_wheel_free(wheel));
}

/* --- while everything moves ---------------------------------------------------------------------------------- */

static atomic_bool stop;

/* Until it is stopped, at least once: a wheel comes, has sleeps that end and are cancelled, and goes. */
static void *use_wheels(void *arg)
{
    bide_wheel_options options;
    bide_wheel_options_init(&options);
    options.form = *(const bide_wheel_form *)arg;
    options.tick = BIDE_MICROSECONDS(100);
    do {
        bide_wheel_sleeping sleeping[3];
        bide_wheel *wheel = wheel_with(&options, sleeping, BIDE_MILLISECONDS(10));
        cr_assert_ok(bide_wheel_sleep(wheel, BIDE_MICROSECONDS(200)));
        (void)bide_wheel_sleeping_cancel(&sleeping[0]); /* it may have ended */
        cr_assert_ok(bide_wheel_free(wheel));
    } while (!atomic_load(&stop));
    return arg;
}

Test(dump, of_wheels_that_come_and_go_disturbs_none)
{
    static const bide_wheel_form forms[] = {BIDE_WHEEL_THREADED, BIDE_WHEEL_INLINE};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pthread_t threads[2];
    cr_assert_done(fd);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, use_wheels, (void *)(uintptr_t)&forms[i]), 0);
    for (int dumps = 0; dumps < 2000; dumps++)
        cr_assert_ok(bide_dump(fd));
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        void *done = NULL;
        cr_assert_eq(pthread_join(threads[i], &done), 0);
        cr_assert_not_null(done);
    }
    (void)close(fd);
    cr_assert_ok(bide_shutdown());
}
