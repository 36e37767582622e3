/* What the tests of handles share: descriptors of several kinds, threads of which one can tell that they
 * wait, and a look at what is left at the end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_ASYNC_H
#define BIDE_TEST_ASYNC_H

#include "bide_test.h"

#include "future/waiter.h"
#include "reactor/source.h"

#include <bide/event.h>
#include <bide/net.h>
#include <bide/reactor.h>
#include <bide/set.h>
#include <bide/timer.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define cr_assert_gives(call, expected)                                                          \
    do {                                                                                         \
        bide_ssize result_ = (call);                                                             \
        bide_ssize expected_ = (expected);                                                       \
        cr_assert_eq(result_, expected_, "%s gave %td (%s) instead of %td (%s)", #call, result_, \
                     bide_error_name(result_), expected_, bide_error_name(expected_));           \
    } while (0)

#define cr_assert_ok(call) cr_assert_gives(call, 0)

/* For the system calls of the test itself. */
#define cr_assert_done(call)                                                            \
    do {                                                                                \
        cr_assert_geq((long long)(call), 0LL, "%s failed: %s", #call, strerror(errno)); \
    } while (0)

/* A deadline that is not meant to pass: a call that hangs is ended by the runner, not by a last try that
 * hides it. */
#define LONG BIDE_HOURS(1)
/* A deadline that is meant to pass. */
#define SHORT BIDE_MILLISECONDS(20)

/* A short pause between two looks at something that another thread will change. */
static inline void pause_briefly(void)
{
    const struct timespec pause = {0, 50000};
    (void)nanosleep(&pause, NULL);
}

#define AWAIT(condition)     \
    do {                     \
        while (!(condition)) \
            pause_briefly(); \
    } while (0)

/* --- what is left --------------------------------------------------------------------------------------- */

struct inventory {
    int fds;
    int threads;
};

static inline struct inventory inventory_now(void)
{
    struct inventory now = {bide_test_fd_count(), bide_test_thread_count()};
    return now;
}

static inline bide_reactor_stats stats_now(void)
{
    bide_reactor_stats stats;
    cr_assert_ok(bide_reactor_stats_read(bide_reactor_current(), &stats));
    return stats;
}

/* Everything the test made is gone: descriptors, threads, waiters in the background, timers. The inventory
 * was taken before the first use of Bide. A thread that was joined may still be seen for a moment. */
static inline void expect_nothing_left(struct inventory before)
{
    bide_reactor_stats stats = stats_now();
    cr_assert_eq(stats.background, 0, "%zu still wait in the background", stats.background);
    cr_assert_eq(stats.timers_pending, 0, "%zu timers are still armed", stats.timers_pending);
    cr_assert_ok(bide_shutdown());
    for (int i = 0; i < 1000 && bide_test_thread_count() > before.threads; i++)
        pause_briefly();
    struct inventory after = inventory_now();
    cr_assert_eq(after.fds, before.fds, "%d descriptors before, %d after", before.fds, after.fds);
    cr_assert_eq(after.threads, before.threads, "%d threads before, %d after", before.threads, after.threads);
}

/* --- descriptors ---------------------------------------------------------------------------------------- */

static inline bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static inline bool is_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    cr_assert_geq(flags, 0, "F_GETFL of %d: %s", fd, strerror(errno));
    return (flags & O_NONBLOCK) != 0;
}

static inline void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        (void)close(fds[i]);
}

static inline void make_socketpair(int pair[2], int type)
{
    cr_assert_done(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
}

/* [0] reads, [1] writes. */
static inline void make_pipe(int ends[2])
{
    cr_assert_done(pipe2(ends, O_CLOEXEC));
}

/* A listener on a free port of the loopback, and where it listens. */
static inline int make_listener(struct sockaddr_in *where, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    memset(where, 0, sizeof *where);
    where->sin_family = AF_INET;
    where->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_done(bind(fd, (struct sockaddr *)where, sizeof *where));
    socklen_t length = sizeof *where;
    cr_assert_done(getsockname(fd, (struct sockaddr *)where, &length));
    cr_assert_done(listen(fd, backlog));
    return fd;
}

/* Two connected TCP sockets, without Nagle's delay. */
static inline void make_tcp_pair(int pair[2])
{
    struct sockaddr_in where;
    int listener = make_listener(&where, 1);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_done(pair[0]);
    cr_assert_done(connect(pair[0], (struct sockaddr *)&where, sizeof where));
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_done(pair[1]);
    (void)close(listener);
    int on = 1;
    for (int i = 0; i < 2; i++)
        cr_assert_done(setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

/* The kinds of channel that a promise about bytes is tried on. */
enum channel { TCP, UNIX, PIPE, CHANNELS };
static const char *const channel_names[] = {"TCP", "Unix socket", "pipe"};

/* Bytes written to [1] come out of [0]. */
static inline void make_channel(enum channel kind, int ends[2])
{
    switch (kind) {
    case TCP: make_tcp_pair(ends); break;
    case UNIX: make_socketpair(ends, SOCK_STREAM); break;
    default: make_pipe(ends); break;
    }
}

/* Both ends wrapped and owned. */
static inline void open_channel(enum channel kind, bide_async *ends[2])
{
    int fds[2];
    make_channel(kind, fds);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_new(&ends[i], fds[i]));
}

/* One end wrapped, the other one the peer's. */
static inline bide_async *open_one(enum channel kind, int *peer)
{
    int ends[2];
    make_channel(kind, ends);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, ends[0]));
    *peer = ends[1];
    return async;
}

static inline void free_both(bide_async *ends[2])
{
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_ok(bide_async_free(ends[1]));
}

/* Writes bytes to a descriptor, behind the back of any handle. */
static inline void put(int fd, const void *bytes, size_t length)
{
    ssize_t count = write(fd, bytes, length);
    cr_assert_eq(count, (ssize_t)length, "write gave %zd instead of %zu: %s", count, length, strerror(errno));
}

/* Takes everything out of a non-blocking descriptor, behind the back of any handle; returns how much that
 * was. */
static inline size_t take_all(int fd)
{
    static char buffer[65536];
    size_t sum = 0;
    ssize_t count;
    while ((count = read(fd, buffer, sizeof buffer)) > 0)
        sum += (size_t)count;
    return sum;
}

/* Makes Bide find the direction drained, so that its memory is clear. */
static inline void drain_memory(bide_async *async)
{
    char buffer[256];
    bide_ssize count;
    while ((count = bide_read(async, buffer, sizeof buffer, BIDE_NOW)) > 0)
        continue;
    cr_assert_gives(count, BIDE_EAGAIN);
}

/* Writes through the handle until it is full; returns how much that was. */
static inline size_t fill(bide_async *async)
{
    static char zeros[65536];
    size_t sum = 0;
    bide_ssize count;
    while ((count = bide_write(async, zeros, sizeof zeros, BIDE_NOW)) > 0)
        sum += (size_t)count;
    cr_assert_gives(count, BIDE_EAGAIN);
    return sum;
}

/* --- who waits ------------------------------------------------------------------------------------------ */

/* How many waiters are linked to a direction of the handle. */
static inline int waiters_of(bide_async *async, bide_direction direction)
{
    int count = 0;
    bide_os_mutex *lock = bide_wait_lock(async);
    bide_link *queue = &async->queue[direction];
    for (bide_link *link = queue->next_; link != queue; link = link->next_)
        count++;
    bide_wait_unlock(lock);
    return count;
}

/* Returns when that many wait. */
static inline void await_waiters(bide_async *async, bide_direction direction, int count)
{
    AWAIT(waiters_of(async, direction) == count);
}

/* A waker that counts. */
struct counter {
    _Atomic int wakes;
};

static inline void count_wake(void *arg)
{
    struct counter *counter = arg;
    atomic_fetch_add(&counter->wakes, 1);
}

static inline bide_waker counting(struct counter *counter)
{
    bide_waker waker = {count_wake, counter};
    return waker;
}

/* Polls a future once, as a state machine with that waker does. */
static inline int poll_with(bide_future *future, bide_waker waker)
{
    bide_context cx;
    bide_context_init(&cx, waker);
    return bide_future_poll(future, &cx);
}

static inline int cancel_with(bide_future *future, bide_waker waker)
{
    bide_context cx;
    bide_context_init(&cx, waker);
    return bide_future_cancel(future, &cx);
}

/* A waker that stops in the middle until it may go on: for forcing what happens meanwhile. */
struct gate {
    _Atomic bool entered;
    _Atomic bool open;
    _Atomic bool left;
};

static inline void gate_wake(void *arg)
{
    struct gate *gate = arg;
    atomic_store(&gate->entered, true);
    AWAIT(atomic_load(&gate->open));
    atomic_store(&gate->left, true);
}

static inline bide_waker gated(struct gate *gate)
{
    bide_waker waker = {gate_wake, gate};
    return waker;
}

/* --- threads -------------------------------------------------------------------------------------------- */

/* A thread that makes one call. */
struct call {
    pthread_t thread;
    bide_ssize (*function)(struct call *call);
    bide_async *async;
    bide_instant deadline;
    void *buffer;
    size_t length;
    bide_ssize result;
    _Atomic bool done;
};

static inline void *call_run(void *arg)
{
    struct call *call = arg;
    call->result = call->function(call);
    atomic_store(&call->done, true);
    return NULL;
}

static inline void call_start(struct call *call)
{
    atomic_store(&call->done, false);
    int failed = pthread_create(&call->thread, NULL, call_run, call);
    cr_assert_eq(failed, 0, "pthread_create: %s", strerror(failed));
}

static inline bide_ssize call_join(struct call *call)
{
    (void)pthread_join(call->thread, NULL);
    return call->result;
}

static inline bide_ssize call_read(struct call *call)
{
    return bide_read(call->async, call->buffer, call->length, call->deadline);
}

static inline bide_ssize call_write(struct call *call)
{
    return bide_write(call->async, call->buffer, call->length, call->deadline);
}

static inline bide_ssize call_wait_readable(struct call *call)
{
    return bide_wait_readable(call->async, call->deadline);
}

static inline bide_ssize call_wait_writable(struct call *call)
{
    return bide_wait_writable(call->async, call->deadline);
}

static inline bide_ssize call_free(struct call *call)
{
    return bide_async_free(call->async);
}

#endif
