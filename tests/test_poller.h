/* What the tests of the poller share: pairs of descriptors, waits that must give one event, and a thread that
 * waits, of which one can tell that it is blocked.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_POLLER_H
#define BIDE_TEST_POLLER_H

#include "bide_test.h"

#include <bide/poller.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The poller of the test, made anew for each. */
extern bide_poller *poller;

#define cr_assert_ok(call)                                                             \
    do {                                                                               \
        int cr_result_ = (call);                                                       \
        cr_assert_eq(cr_result_, 0, "%s gave %s", #call, bide_error_name(cr_result_)); \
    } while (0)

#define cr_assert_gives(call, expected)                                                          \
    do {                                                                                         \
        int cr_result_ = (call);                                                                 \
        cr_assert_eq(cr_result_, (expected), "%s gave %d (%s) instead of %d", #call, cr_result_, \
                     bide_error_name(cr_result_), (int)(expected));                              \
    } while (0)

/* Two connected stream sockets, both non-blocking. */
static inline void make_pair(int pair[2])
{
    int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
    cr_assert_eq(failed, 0, "socketpair: %s", strerror(errno));
}

static inline void close_pair(const int pair[2])
{
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* Puts one byte in; the other end becomes readable. */
static inline void feed(int fd)
{
    ssize_t written = write(fd, "x", 1);
    cr_assert_eq(written, 1, "write gave %zd: %s", written, strerror(errno));
}

/* Takes everything out. */
static inline void drain(int fd)
{
    char buffer[256];
    while (read(fd, buffer, sizeof buffer) > 0)
        continue;
}

/* A wait without blocking. */
static inline int look(bide_poller *p, bide_poll_event *events, size_t capacity)
{
    return bide_poller_wait(p, events, capacity, BIDE_NOW);
}

/* Nothing is ready. */
static inline void expect_nothing(bide_poller *p)
{
    bide_poll_event events[4];
    int count = look(p, events, 4);
    cr_assert_eq(count, 0, "%d events, the first with key %llu and %#x", count,
                 count > 0 ? (unsigned long long)events[0].key : 0, count > 0 ? events[0].ready : 0);
}

/* Exactly one event, this one. */
static inline void expect_event(bide_poller *p, uint64_t key, unsigned ready)
{
    bide_poll_event events[4];
    int count = look(p, events, 4);
    cr_assert_eq(count, 1, "%d events instead of one", count);
    cr_assert_eq(events[0].key, key, "key %llu instead of %llu", (unsigned long long)events[0].key,
                 (unsigned long long)key);
    cr_assert_eq(events[0].ready, ready, "ready %#x instead of %#x", events[0].ready, ready);
}

static inline bool has_edges(const bide_poller *p)
{
    return bide_poller_supports(p, BIDE_POLL_EDGE);
}

/* A short pause between two looks at something that another thread will change. */
static inline void pause_briefly(void)
{
    const struct timespec pause = {0, 100000};
    (void)nanosleep(&pause, NULL);
}

/* A thread in bide_poller_wait(). */
struct waiter {
    pthread_t thread;
    bide_poller *poller;
    bide_instant deadline;
    bide_poll_event events[8];
    int result;
    bide_instant ended;
    _Atomic int id; /* the kernel's, 0 until it runs */
    _Atomic bool done;
};

static inline void *waiter_run(void *arg)
{
    struct waiter *waiter = arg;
    waiter->id = gettid();
    waiter->result = bide_poller_wait(waiter->poller, waiter->events, 8, waiter->deadline);
    waiter->ended = bide_now();
    waiter->done = true;
    return NULL;
}

/* Returns when the thread is blocked, or done. */
static inline void waiter_settle(const struct waiter *waiter)
{
    while (!waiter->done && (waiter->id == 0 || !bide_test_thread_asleep(waiter->id)))
        pause_briefly();
}

/* Starts the thread and returns when it is blocked in its wait, or done. */
static inline void waiter_start(struct waiter *waiter, bide_poller *p, bide_instant deadline)
{
    memset(waiter->events, 0, sizeof waiter->events);
    waiter->poller = p;
    waiter->deadline = deadline;
    waiter->id = 0;
    waiter->done = false;
    int failed = pthread_create(&waiter->thread, NULL, waiter_run, waiter);
    cr_assert_eq(failed, 0, "pthread_create: %s", strerror(failed));
    waiter_settle(waiter);
}

/* Waits for the end of the wait and gives its result. */
static inline int waiter_join(struct waiter *waiter)
{
    (void)pthread_join(waiter->thread, NULL);
    return waiter->result;
}

#endif
