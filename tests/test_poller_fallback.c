/* The poller where the system denies it something: missing calls, exhaustion, full counters; and how many
 * system calls it makes.
 *
 * These tests name the back end that they are about, whatever BIDE_BACKEND says.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller.h"

#include "poll/backend.h"
#include "support/syscalls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ = BIDE_POLL_READ };

#define BIT(kind) BIDE_CALL_BIT(BIDE_CALL_##kind)

bide_poller *poller;
static int pair[2];

static void open_all(void)
{
    make_pair(pair);
}

static void close_all(void)
{
    close_pair(pair);
    bide_poller_free(poller);
}

TestSuite(poller_fallback, .init = open_all, .fini = close_all, .timeout = 30);

static const char *const names[] = {"epoll", "poll"};
enum { BACKENDS = 2 };

static void make(const char *name)
{
    bide_poller_free(poller);
    cr_assert_ok(bide_poller_new(&poller, name));
}

/* A wait that must end without events, and how long it took. */
static bide_duration empty_wait(bide_duration duration)
{
    bide_poll_event event;
    const bide_instant begin = bide_now();
    cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_instant_add(begin, duration)), 0);
    return bide_instant_since(bide_now(), begin);
}

/* Never early; returns how late the best of several was. */
static bide_duration best_delay(bide_duration asked)
{
    bide_duration best = BIDE_DURATION_MAX;
    for (int i = 0; i < 20; i++) {
        bide_duration late = empty_wait(asked) - asked;
        cr_assert_geq(late, 0, "%lld ns early", (long long)-late);
        if (late < best) best = late;
    }
    return best;
}

/* One event, by a wait with this deadline. */
static void wait_for_one(bide_instant deadline)
{
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, &event, 1, deadline), 1);
}

/* Notifications before, during and between waits, and stale wake-ups. */
static void exercise_notifications(void)
{
    bide_poll_event event;
    for (int i = 0; i < 10; i++) {
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 0);
    }
    for (int i = 0; i < 5; i++) {
        struct waiter waiter;
        waiter_start(&waiter, poller, BIDE_NEVER);
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert_gives(waiter_join(&waiter), 0);
    }
    poller->backend->wake(poller);
    cr_assert_geq(empty_wait(BIDE_MILLISECONDS(5)), BIDE_MILLISECONDS(5));
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    for (int i = 0; i < 5; i++) {
        poller->backend->wake(poller);
        waiter_settle(&waiter);
    }
    cr_assert_not(waiter.done);
    cr_assert_ok(bide_poller_notify(poller));
    cr_assert_gives(waiter_join(&waiter), 0);
}

/* --- time-outs ------------------------------------------------------------------------------------------ */

/* Makes a poller whose first wait with a limit was denied its system call, and `more` after it. The limit is far
 * away, and an event ends the wait: a near one might pass before the call, which then would be another one. */
static void deny_epoll_pwait2_and(uint64_t more, int error)
{
    make("epoll");
    const int ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_assert_ok(bide_poller_add(poller, ready, 1, READ, BIDE_POLL_LEVEL));
    const int before = bide_test_fd_count();
    const unsigned faults = more ? 2 : 1;
    bide_fault_set(BIT(EPOLL_WAIT) | more, 1, faults, error);
    wait_for_one(bide_after(BIDE_HOURS(1)));
    cr_assert_eq(bide_fault_clear(), faults);
    if (more) cr_assert_eq(bide_test_fd_count(), before);
    cr_assert_ok(bide_poller_delete(poller, ready));
    close(ready);
}

static void deny_epoll_pwait2(int error)
{
    deny_epoll_pwait2_and(0, error);
}

Test(poller_fallback, without_epoll_pwait2_a_timer_descriptor_keeps_deadlines_precise)
{
    const int errors[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < 2; i++) {
        bide_calls_reset();
        deny_epoll_pwait2(errors[i]);
        bide_duration delay = best_delay(BIDE_MICROSECONDS(100));
        cr_assert_lt(delay, BIDE_MICROSECONDS(500), "%lld ns late at best", (long long)delay);
        delay = best_delay(BIDE_MICROSECONDS(3100));
        cr_assert_lt(delay, BIDE_MICROSECONDS(500), "%lld ns late at best", (long long)delay);
        cr_assert_eq(bide_calls_of(BIDE_CALL_TIMERFD_CREATE), 1, "%s", bide_calls_text());
    }
    exercise_notifications();
}

Test(poller_fallback, a_timer_descriptor_is_set_only_when_the_deadline_differs)
{
    deny_epoll_pwait2(ENOSYS);
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    const bide_instant late = bide_after(BIDE_HOURS(1));
    const bide_instant later = bide_after(BIDE_HOURS(2));
    const struct {
        bide_instant deadline;
        unsigned long settings;
    } steps[] = {
        {late, 1},  {late, 0},       {late, 0},       {BIDE_NOW, 0}, {late, 0},  {later, 1},
        {later, 0}, {BIDE_NEVER, 1}, {BIDE_NEVER, 0}, {BIDE_NOW, 0}, {later, 1}, {bide_after(-1), 0},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        bide_calls_reset();
        wait_for_one(steps[i].deadline);
        cr_assert_eq(bide_calls_of(BIDE_CALL_TIMERFD_SETTIME), steps[i].settings, "step %zu: %s", i,
                     bide_calls_text());
        cr_assert_eq(bide_calls_total(), 1 + steps[i].settings, "step %zu: %s", i, bide_calls_text());
    }
}

Test(poller_fallback, an_expired_timer_descriptor_ends_no_later_wait)
{
    deny_epoll_pwait2(ENOSYS);
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    /* armed, and not waited for until it expired */
    const bide_instant soon = bide_after(BIDE_MILLISECONDS(5));
    wait_for_one(soon);
    while (bide_before(bide_now(), soon))
        pause_briefly();
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    cr_assert_not(waiter.done);
    cr_assert_ok(bide_poller_notify(poller));
    cr_assert_gives(waiter_join(&waiter), 0);
    cr_assert_geq(empty_wait(BIDE_MILLISECONDS(5)), BIDE_MILLISECONDS(5));
}

/* Right, if late, and without spinning through the last millisecond. */
static void expect_milliseconds(enum bide_call kind)
{
    (void)best_delay(BIDE_MICROSECONDS(100));
    for (int i = 0; i < 10; i++) {
        bide_calls_reset();
        (void)empty_wait(BIDE_MICROSECONDS(3100));
        cr_assert_leq(bide_calls_of(kind), 2, "%s", bide_calls_text());
        cr_assert_leq(bide_calls_total(), 2, "%s", bide_calls_text());
    }
    exercise_notifications();
}

Test(poller_fallback, without_a_timer_descriptor_milliseconds_are_rounded_up)
{
    deny_epoll_pwait2_and(BIT(TIMERFD_CREATE), ENOSYS);
    bide_duration took = empty_wait(BIDE_MICROSECONDS(20100));
    cr_assert_geq(took, BIDE_MICROSECONDS(20100), "%lld ns", (long long)took);
    expect_milliseconds(BIDE_CALL_EPOLL_WAIT);
}

Test(poller_fallback, a_timer_descriptor_that_cannot_be_watched_is_closed_again)
{
    deny_epoll_pwait2_and(BIT(EPOLL_CTL), EPERM);
    expect_milliseconds(BIDE_CALL_EPOLL_WAIT);
}

Test(poller_fallback, a_timer_descriptor_that_cannot_be_set_gives_way_to_milliseconds)
{
    deny_epoll_pwait2(ENOSYS);
    bide_fault_set(BIT(TIMERFD_SETTIME), 1, 1, EPERM);
    bide_duration took = empty_wait(BIDE_MICROSECONDS(20100));
    cr_assert_eq(bide_fault_clear(), 1);
    cr_assert_geq(took, BIDE_MICROSECONDS(20100), "%lld ns", (long long)took);
    expect_milliseconds(BIDE_CALL_EPOLL_WAIT);
}

Test(poller_fallback, without_ppoll_milliseconds_are_rounded_up)
{
    make("poll");
    bide_fault_set(BIT(POLL), 1, 1, ENOSYS);
    bide_duration took = empty_wait(BIDE_MICROSECONDS(20100));
    cr_assert_eq(bide_fault_clear(), 1);
    cr_assert_geq(took, BIDE_MICROSECONDS(20100), "%lld ns", (long long)took);
    expect_milliseconds(BIDE_CALL_POLL);
}

Test(poller_fallback, interruptions_and_errors_of_the_wait_itself)
{
    for (int i = 0; i < BACKENDS; i++) {
        const uint64_t kind = i == 0 ? BIT(EPOLL_WAIT) : BIT(POLL);
        make(names[i]);
        bide_fault_set(kind, 1, 3, EINTR);
        bide_duration took = empty_wait(BIDE_MILLISECONDS(2));
        cr_assert_eq(bide_fault_clear(), 3);
        cr_assert_geq(took, BIDE_MILLISECONDS(2), "%lld ns", (long long)took);

        bide_poll_event event;
        bide_fault_set(kind, 1, 1, ENOMEM);
        cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), BIDE_ENOMEM);
        cr_assert_eq(bide_fault_clear(), 1);
        /* and it is usable afterwards */
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 0);
    }
}

/* --- waking --------------------------------------------------------------------------------------------- */

Test(poller_fallback, without_eventfd_a_pipe_wakes)
{
    for (int i = 0; i < BACKENDS; i++) {
        bide_calls_reset();
        bide_fault_set(BIT(EVENTFD), 1, 1, i == 0 ? ENOSYS : EPERM);
        make(names[i]);
        cr_assert_eq(bide_fault_clear(), 1);
        cr_assert_eq(bide_calls_of(BIDE_CALL_PIPE), 1, "%s", bide_calls_text());
        exercise_notifications();
        /* emptied each time: on some kernels (5.5 to 5.13) only an empty pipe makes an edge */
        bide_calls_reset();
        poller->backend->wake(poller);
        expect_nothing(poller);
        cr_assert_geq(bide_calls_of(BIDE_CALL_READ), 1, "%s: %s", names[i], bide_calls_text());
    }
}

Test(poller_fallback, a_full_pipe_still_wakes)
{
    for (int i = 0; i < BACKENDS; i++) {
        bide_fault_set(BIT(EVENTFD), 1, 1, ENOSYS);
        make(names[i]);
        cr_assert_eq(bide_fault_clear(), 1);
        for (int k = 0; k < 20000; k++) /* 8 bytes each, 64 KiB of room */
            poller->backend->wake(poller);
        exercise_notifications();
    }
}

/* The newest descriptor that is an eventfd. */
static int find_eventfd(void)
{
    for (int fd = 255; fd >= 0; fd--) {
        char path[64], target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "[eventfd]")) return fd;
    }
    return -1;
}

Test(poller_fallback, a_full_counter_still_wakes)
{
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        const int fd = find_eventfd();
        cr_assert_geq(fd, 0);
        const uint64_t most = UINT64_MAX - 1;
        cr_assert_eq(write(fd, &most, sizeof most), (ssize_t)sizeof most, "%s", strerror(errno));
        /* the fill itself has made an edge, which must be gone before the test has a meaning */
        if (i == 0) cr_assert_geq(empty_wait(BIDE_MILLISECONDS(1)), BIDE_MILLISECONDS(1));
        struct waiter waiter;
        waiter_start(&waiter, poller, BIDE_NEVER);
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert_gives(waiter_join(&waiter), 0);
        exercise_notifications();
    }
}

/* --- the choice of the back end ------------------------------------------------------------------------- */

static void expect_chosen(const char *name)
{
    bide_poller *other;
    cr_assert_ok(bide_poller_new(&other, NULL));
    cr_assert_str_eq(bide_poller_backend(other), name);
    bide_poller_free(other);
}

Test(poller_fallback, where_epoll_is_denied_poll_is_chosen)
{
    (void)unsetenv("BIDE_BACKEND");
    const int before = bide_test_fd_count();
    const int errors[] = {ENOSYS, EPERM, EACCES};
    const uint64_t kinds[] = {BIT(EPOLL_CREATE), BIT(EPOLL_CTL)};
    for (size_t i = 0; i < 6; i++) {
        bide_fault_set(kinds[i / 3], 1, 1, errors[i % 3]);
        expect_chosen("poll");
        cr_assert_eq(bide_fault_clear(), 1);

        bide_fault_set(kinds[i / 3], 1, 1, errors[i % 3]);
        bide_poller *other;
        cr_assert_gives(bide_poller_new(&other, "epoll"), BIDE_EBACKEND);
        cr_assert_null(other);
        cr_assert_eq(bide_fault_clear(), 1);
        cr_assert_eq(bide_test_fd_count(), before);
    }
    (void)setenv("BIDE_BACKEND", "epoll", 1);
    bide_fault_set(BIT(EPOLL_CREATE), 1, 1, ENOSYS);
    bide_poller *other;
    cr_assert_gives(bide_poller_new(&other, NULL), BIDE_EBACKEND);
    cr_assert_eq(bide_fault_clear(), 1);
}

Test(poller_fallback, where_nothing_can_wake_there_is_no_back_end)
{
    (void)unsetenv("BIDE_BACKEND");
    bide_fault_set(BIT(EVENTFD) | BIT(PIPE), 1, 100, ENOSYS);
    bide_poller *other;
    cr_assert_gives(bide_poller_new(&other, NULL), BIDE_EBACKEND);
    cr_assert_gives(bide_poller_new(&other, "poll"), BIDE_EBACKEND);
    (void)bide_fault_clear();
}

Test(poller_fallback, having_no_descriptors_left_is_an_error_and_no_reason_for_another_back_end)
{
    (void)unsetenv("BIDE_BACKEND");
    const int before = bide_test_fd_count();
    const uint64_t kinds[] = {BIT(EPOLL_CREATE), BIT(EVENTFD)};
    for (size_t i = 0; i < 2; i++) {
        bide_poller *other;
        bide_fault_set(kinds[i], 1, 1, EMFILE);
        cr_assert_gives(bide_poller_new(&other, NULL), BIDE_EMFILE);
        bide_fault_set(kinds[i], 1, 1, ENFILE);
        cr_assert_gives(bide_poller_new(&other, NULL), BIDE_ENFILE);
        cr_assert_eq(bide_fault_clear(), 1);
        cr_assert_eq(bide_test_fd_count(), before);
    }
}

/* --- anything may fail ---------------------------------------------------------------------------------- */

static void make_and_free(void *name)
{
    const int before = bide_test_fd_count();
    bide_poller *other;
    int error = bide_poller_new(&other, name);
    if (error) cr_assert_null(other);
    bide_poller_free(other);
    cr_assert_eq(bide_test_fd_count(), before, "call %lu failed, %d descriptors left", bide_fault_run(),
                 bide_test_fd_count() - before);
}

Test(poller_fallback, whatever_fails_while_it_is_made_nothing_is_left_open)
{
    (void)unsetenv("BIDE_BACKEND");
    static char epoll[] = "epoll", poll[] = "poll";
    char *const which[] = {NULL, epoll, poll};
    const int errors[] = {EMFILE, ENOMEM, ENOSYS, EPERM};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_geq(bide_fault_each(make_and_free, which[i], BIDE_CALLS_ALLOC, ENOMEM), 1);
        for (size_t k = 0; k < 4; k++)
            cr_assert_geq(bide_fault_each(make_and_free, which[i], BIDE_CALLS_FALLIBLE, errors[k]), 1);
    }
}

enum { MANY = 70 };
static int copies[MANY];

/* Registers many descriptors; what cannot be registered must have changed nothing, and succeed the next
 * time. */
static void register_many(void *name)
{
    bide_poller *other;
    int error = bide_poller_new(&other, name);
    if (error) return;
    for (int i = 0; i < MANY; i++) {
        error = bide_poller_add(other, copies[i], (uint64_t)i, READ, BIDE_POLL_LEVEL);
        if (error) {
            cr_assert_eq(error, BIDE_ENOMEM, "%s", bide_error_name(error));
            bide_poll_event events[MANY];
            cr_assert_gives(look(other, events, MANY), i);
            cr_assert_gives(bide_poller_delete(other, copies[i]), BIDE_ENOENT);
            cr_assert_ok(bide_poller_add(other, copies[i], (uint64_t)i, READ, BIDE_POLL_LEVEL));
        }
    }
    bide_poll_event events[MANY];
    cr_assert_gives(look(other, events, MANY), MANY);
    bide_poller_free(other);
}

Test(poller_fallback, an_add_without_memory_changes_nothing)
{
    feed(pair[1]);
    for (int i = 0; i < MANY; i++)
        copies[i] = dup(pair[0]);
    static char poll[] = "poll", epoll[] = "epoll";
    /* beyond those of bide_poller_new() itself */
    cr_assert_gt(bide_fault_each(register_many, poll, BIDE_CALLS_ALLOC, ENOMEM), 6);
    cr_assert_geq(bide_fault_each(register_many, epoll, BIDE_CALLS_ALLOC, ENOMEM), 1);
    cr_assert_geq(bide_fault_each(register_many, epoll, BIT(EPOLL_CTL), ENOMEM), MANY);
    for (int i = 0; i < MANY; i++)
        (void)close(copies[i]);
}

Test(poller_fallback, the_limit_of_watched_descriptors_is_an_error)
{
    make("epoll");
    bide_fault_set(BIT(EPOLL_CTL), 1, 1, ENOSPC);
    cr_assert_gives(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL), BIDE_ENOSPC);
    cr_assert_eq(bide_fault_clear(), 1);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
}

/* --- how many calls ------------------------------------------------------------------------------------- */

Test(poller_fallback, a_wait_is_one_system_call_and_allocates_nothing)
{
    if (syscall(SYS_epoll_pwait2, -1, NULL, 1, NULL, NULL, 0) < 0 && errno == ENOSYS)
        BIDE_SKIP("the kernel has no epoll_pwait2");
    feed(pair[1]);
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
        const bide_instant deadlines[] = {BIDE_NOW, BIDE_NEVER, bide_after(BIDE_HOURS(1)), bide_after(-1)};
        for (size_t k = 0; k < 4; k++) {
            bide_calls_reset();
            wait_for_one(deadlines[k]);
            cr_assert_eq(bide_calls_total(), 1, "%s, deadline %zu: %s", names[i], k, bide_calls_text());
            cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
        }
        cr_assert_ok(bide_poller_delete(poller, pair[0]));
        bide_calls_reset();
        (void)empty_wait(BIDE_MILLISECONDS(1));
        cr_assert_eq(bide_calls_total(), 1, "%s: %s", names[i], bide_calls_text());
    }
}

Test(poller_fallback, add_modify_and_delete_are_one_system_call_each)
{
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        bide_calls_reset();
        cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
        cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
        cr_assert_ok(bide_poller_delete(poller, pair[0]));
        cr_assert_eq(bide_calls_total(), 3, "%s: %s", names[i], bide_calls_text());
    }
}

Test(poller_fallback, a_notification_is_no_system_call_when_nobody_waits)
{
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        bide_calls_reset();
        for (int k = 0; k < 10; k++)
            cr_assert_ok(bide_poller_notify(poller));
        cr_assert_eq(bide_calls_total(), 0, "%s: %s", names[i], bide_calls_text());
    }
}

Test(poller_fallback, waking_a_blocked_wait_is_one_write_and_on_epoll_no_read)
{
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        struct waiter waiter;
        waiter_start(&waiter, poller, BIDE_NEVER);
        bide_calls_reset();
        for (int k = 0; k < 10; k++)
            cr_assert_ok(bide_poller_notify(poller));
        cr_assert_gives(waiter_join(&waiter), 0);
        cr_assert_leq(bide_calls_of(BIDE_CALL_WRITE), 10, "%s: %s", names[i], bide_calls_text());
        cr_assert_geq(bide_calls_of(BIDE_CALL_WRITE), 1, "%s: %s", names[i], bide_calls_text());
        cr_assert_leq(bide_calls_of(BIDE_CALL_READ), (unsigned long)i, "%s: %s", names[i], bide_calls_text());
    }
}

Test(poller_fallback, a_wake_up_whose_write_is_interrupted_again_and_again_is_not_lost)
{
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        struct waiter waiter;
        waiter_start(&waiter, poller, BIDE_NEVER);
        bide_fault_set(BIT(WRITE), 1, 10, EINTR);
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert_gives(waiter_join(&waiter), 0);
        cr_assert_eq(bide_fault_clear(), 10);
    }
}

Test(poller_fallback, a_wake_up_whose_write_fails_once_is_not_lost_and_leaves_errno)
{
    for (int i = 0; i < BACKENDS; i++) {
        make(names[i]);
        struct waiter waiter;
        waiter_start(&waiter, poller, BIDE_NEVER);
        bide_fault_set(BIT(WRITE), 1, 1, EINTR);
        errno = EXDEV;
        const int error = bide_poller_notify(poller);
        const int left = errno;
        cr_assert_eq(error, 0, "%s", bide_error_name(error));
        cr_assert_eq(left, EXDEV, "errno became %d", left);
        cr_assert_gives(waiter_join(&waiter), 0);
        cr_assert_eq(bide_fault_clear(), 1);
    }
}
