/* Sandboxes: a filter of system calls (seccomp(2)) denies what the library likes best, in both ways that
 * sandboxes have. It falls back, and is as right as before, or says a clear error.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include <bide/event.h>
#include <bide/poller.h>
#include <bide/timer.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(sandbox, .timeout = 60);

/* Calls that some machines never had are nothing to be denied there. */
#ifdef SYS_epoll_pwait2
#define EPOLL_PWAIT2 SYS_epoll_pwait2
#else
#define EPOLL_PWAIT2 441
#endif
#ifdef SYS_eventfd
#define EVENTFD SYS_eventfd
#else
#define EVENTFD SYS_eventfd2
#endif

/* From here on this process, which is the test's own, gets `error` for these calls. */
static void deny(int error, const int *calls, size_t count)
{
    struct sock_filter program[20];
    size_t length = 0;
    cr_assert_lt(2 * count + 2, sizeof program / sizeof *program);
    program[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        program[length++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
    }
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {(unsigned short)length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        BIDE_SKIP("no filters of system calls here: %s", strerror(errno));
}

#define DENY(error, ...)                                     \
    do {                                                     \
        static const int calls_[] = {__VA_ARGS__};           \
        deny(error, calls_, sizeof calls_ / sizeof *calls_); \
        errno = 0;                                           \
    } while (0)

static void *notify(void *poller)
{
    (void)bide_poller_notify(poller);
    return NULL;
}

/* A poller that waits no less than asked, hears of what is ready, and is woken. */
static void expect_a_good_poller(const char *name)
{
    bide_poller *poller;
    bide_poll_event event;
    int ends[2];
    (void)unsetenv("BIDE_BACKEND");
    int error = bide_poller_new(&poller, NULL);
    cr_assert_eq(error, 0, "%s", bide_error_name(error));
    cr_assert_str_eq(bide_poller_backend(poller), name, "%s", bide_poller_backend(poller));

    bide_instant deadline = bide_after(BIDE_MILLISECONDS(3.1));
    cr_assert_eq(bide_poller_wait(poller, &event, 1, deadline), 0);
    cr_assert(!bide_before(bide_now(), deadline), "ended early");

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(bide_poller_add(poller, ends[0], 7, BIDE_POLL_READ, BIDE_POLL_ONESHOT), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    cr_assert_eq(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 1);
    cr_assert_eq(event.key, 7);

    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, notify, poller), 0);
    cr_assert_eq(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 0);
    (void)pthread_join(thread, NULL);
    (void)close(ends[0]), (void)close(ends[1]);
    bide_poller_free(poller);
}

/* A timer of the global reactor, which is the whole way from the heap to the kernel. */
static void expect_a_good_timer(void)
{
    bide_timer timer;
    bide_instant deadline = bide_after(BIDE_MILLISECONDS(2));
    bide_timer_after(&timer, BIDE_MILLISECONDS(2));
    int error = bide_timer_wait(&timer);
    cr_assert_eq(error, 0, "%s", bide_error_name(error));
    cr_assert(!bide_before(bide_now(), deadline), "ended early");
}

#define EXPECT_ALL_WELL(error, name, ...) \
    do {                                  \
        DENY(error, __VA_ARGS__);         \
        expect_a_good_poller(name);       \
        expect_a_good_timer();            \
    } while (0)

/* Filters add up and cannot be taken away, so that each test has one answer. */

Test(sandbox, waits_are_right_without_epoll_pwait2_by_ENOSYS)
{
    EXPECT_ALL_WELL(ENOSYS, "epoll", EPOLL_PWAIT2);
}

Test(sandbox, waits_are_right_without_epoll_pwait2_by_EPERM)
{
    EXPECT_ALL_WELL(EPERM, "epoll", EPOLL_PWAIT2);
}

Test(sandbox, waits_are_right_without_timerfd_by_ENOSYS)
{
    EXPECT_ALL_WELL(ENOSYS, "epoll", SYS_timerfd_create);
}

Test(sandbox, waits_are_right_without_timerfd_by_EPERM)
{
    EXPECT_ALL_WELL(EPERM, "epoll", SYS_timerfd_create);
}

Test(sandbox, waits_are_right_without_epoll_pwait2_and_timerfd_by_ENOSYS)
{
    EXPECT_ALL_WELL(ENOSYS, "epoll", EPOLL_PWAIT2, SYS_timerfd_create);
}

Test(sandbox, waits_are_right_without_epoll_pwait2_and_timerfd_by_EPERM)
{
    EXPECT_ALL_WELL(EPERM, "epoll", EPOLL_PWAIT2, SYS_timerfd_create);
}

Test(sandbox, a_pipe_wakes_without_eventfd_by_ENOSYS)
{
    EXPECT_ALL_WELL(ENOSYS, "epoll", EVENTFD, SYS_eventfd2);
}

Test(sandbox, a_pipe_wakes_without_eventfd_by_EPERM)
{
    EXPECT_ALL_WELL(EPERM, "epoll", EVENTFD, SYS_eventfd2);
}

Test(sandbox, everything_falls_back_together_by_ENOSYS)
{
    EXPECT_ALL_WELL(ENOSYS, "epoll", EPOLL_PWAIT2, SYS_timerfd_create, EVENTFD, SYS_eventfd2);
}

Test(sandbox, everything_falls_back_together_by_EPERM)
{
    EXPECT_ALL_WELL(EPERM, "epoll", EPOLL_PWAIT2, SYS_timerfd_create, EVENTFD, SYS_eventfd2);
}

Test(sandbox, poll_takes_the_place_of_a_denied_epoll_by_ENOSYS)
{
    EXPECT_ALL_WELL(ENOSYS, "poll", SYS_epoll_create1, EPOLL_PWAIT2, EVENTFD, SYS_eventfd2);
}

Test(sandbox, poll_takes_the_place_of_a_denied_epoll_by_EPERM)
{
    EXPECT_ALL_WELL(EPERM, "poll", SYS_epoll_create1, EPOLL_PWAIT2, EVENTFD, SYS_eventfd2);
}

/* Nothing left to wake with: an error, at once, and nothing is left behind. */
static void expect_a_clear_error(int answer)
{
    DENY(answer, SYS_epoll_create1, EVENTFD, SYS_eventfd2, SYS_pipe2);
    (void)unsetenv("BIDE_BACKEND");
    const int before = bide_test_fd_count();
    bide_poller *poller = (bide_poller *)&before;
    int error = bide_poller_new(&poller, NULL);
    cr_assert(error == BIDE_EBACKEND || error == BIDE_ENOTSUP || error == BIDE_EPERM, "%s",
              bide_error_name(error));
    cr_assert_null(poller);
    cr_assert_eq(bide_test_fd_count(), before);
}

Test(sandbox, that_leaves_nothing_is_a_clear_error_by_ENOSYS)
{
    expect_a_clear_error(ENOSYS);
}

Test(sandbox, that_leaves_nothing_is_a_clear_error_by_EPERM)
{
    expect_a_clear_error(EPERM);
}
