/* What the tests of fork(2) share: children that may use nothing of the runner. A check that fails ends the child, and
 * tells the test its line.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_FORK_H
#define BIDE_TEST_FORK_H

#include "test_async.h"

#include <sys/wait.h>

/* ThreadSanitizer gives up when a thread in a child has the stack, and so the name, of one that was left in the
 * parent. */
#ifdef BIDE_TEST_TSAN
#define CHILDREN_START_THREADS false
#else
#define CHILDREN_START_THREADS true
#endif

#define CHECK(condition)                         \
    do {                                         \
        if (!(condition)) leave_child(__LINE__); \
    } while (0)

/* A status has eight bits: the line goes to the test through a page that both share. */
static int failed_pipe[2];

static inline _Noreturn void leave_child(int line)
{
    if (line) (void)!write(failed_pipe[1], &line, sizeof line);
    _exit(line ? 1 : 0);
}

static inline void make_failed_pipe(void)
{
    cr_assert_done(pipe2(failed_pipe, O_CLOEXEC | O_NONBLOCK));
}

static inline void close_failed_pipe(void)
{
    (void)close(failed_pipe[0]);
    (void)close(failed_pipe[1]);
}

static inline pid_t start_child(void (*body)(void *), void *arg)
{
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        body(arg);
        leave_child(0);
    }
    return child;
}

static inline void await_child(pid_t child)
{
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    int line = 0;
    (void)!read(failed_pipe[0], &line, sizeof line);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed in line %d, status %#x", line,
              (unsigned)status);
}

static inline void in_child(void (*body)(void *), void *arg)
{
    await_child(start_child(body, arg));
}

static inline void make_pair(bide_async *pair[2])
{
    int fds[2];
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    cr_assert_ok(bide_async_new(&pair[0], fds[0]));
    cr_assert_ok(bide_async_new(&pair[1], fds[1]));
}

static inline void free_pair(bide_async *pair[2])
{
    cr_assert_ok(bide_async_free(pair[0]));
    cr_assert_ok(bide_async_free(pair[1]));
}

static inline void set_flag(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

/* All of Bide, on a new reactor: a timer, a wait for readiness, and a wake by the thread "async-io". */
static inline void use_everything(void *arg)
{
    (void)arg;
    bide_async *pair[2];
    int fds[2];
    char byte = 0;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(bide_async_new(&pair[0], fds[0]) == 0);
    CHECK(bide_async_new(&pair[1], fds[1]) == 0);
    CHECK(bide_read(pair[0], &byte, 1, bide_after(BIDE_MILLISECONDS(1))) == BIDE_ETIMEDOUT);
    CHECK(bide_sleep(BIDE_MICROSECONDS(10)) == 0);
    CHECK(bide_write(pair[1], "x", 1, BIDE_NEVER) == 1);
    CHECK(bide_read(pair[0], &byte, 1, BIDE_NEVER) == 1);
    CHECK(byte == 'x');

    if (CHILDREN_START_THREADS) {
        atomic_bool woken = false;
        bide_waker waker = {set_flag, &woken};
        CHECK(bide_async_poll_readable(pair[0], waker) == BIDE_PENDING);
        CHECK(bide_write(pair[1], "y", 1, BIDE_NEVER) == 1);
        AWAIT(atomic_load(&woken));
    }
    CHECK(bide_async_free(pair[0]) == 0);
    CHECK(bide_async_free(pair[1]) == 0);
    bide_reactor *reactor;
    CHECK(bide_reactor_new(&reactor, NULL) == 0);
    CHECK(bide_reactor_run_once(reactor, BIDE_NOW) == 0);
    CHECK(bide_reactor_free(reactor) == 0);
    CHECK(bide_shutdown() == 0);
}

#endif
