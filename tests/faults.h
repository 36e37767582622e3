/* What the scenarios of test_faults.c share. A scenario runs in a process that the runner does not know,
 * so that it may not use assertions: it gives an error, or WRONG.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_FAULTS_H
#define BIDE_TEST_FAULTS_H

#include "test_async.h"

#include "support/syscalls.h"

/* Ends any wait that a fault has made endless; whoever gets here has hung. */
#define PATIENCE BIDE_SECONDS(20)

/* A result of a scenario that no function of Bide gives: something else than an error code was wrong. */
#define WRONG (-9999)

/* Something done with a few functions, whatever fails meanwhile. It gives 0 or the error that it was given, and
 * leaves nothing behind. */
struct scenario {
    const char *name;
    const char *functions; /* of Bide that it is about, without the prefix, separated by spaces */
    int (*run)(void);
};

/* Each file's, up to one without a name. */
extern const struct scenario scenarios_of_async[], scenarios_of_net[], scenarios_of_time[],
    scenarios_of_core[], scenarios_of_names[], scenarios_of_messages[], scenarios_of_unix[],
    scenarios_of_tasks[], scenarios_of_structured[], scenarios_of_sync[];

/* The calls of the scene, not of the library. */
#define SCENE(...)           \
    do {                     \
        bide_calls_pause();  \
        __VA_ARGS__;         \
        bide_calls_resume(); \
    } while (0)

/* From here on nothing fails any more: the scenario cleans up. */
static inline void end_of_faults(void)
{
    (void)bide_fault_clear();
}

static inline int expect_count(bide_ssize count, bide_ssize expected)
{
    if (count < 0) return (int)count;
    return count == expected ? 0 : WRONG;
}

/* The scene may not use assertions: it runs in a process that the runner does not know. */
static inline void scene_pair(enum channel kind, int ends[2])
{
    SCENE({
        switch (kind) {
        case PIPE:
            if (pipe2(ends, O_CLOEXEC) != 0) abort();
            break;
        case UNIX:
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) abort();
            break;
        default: make_tcp_pair(ends); break;
        }
    });
}

static inline void scene_put(int fd, const char *text)
{
    SCENE(if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort());
}

/* A handle on one end, made while nothing fails; the other end is the peer's. */
static inline bide_async *scene_handle(enum channel kind, int *peer)
{
    int ends[2];
    bide_async *async;
    scene_pair(kind, ends);
    SCENE(if (bide_async_new(&async, ends[0]) != 0) abort());
    *peer = ends[1];
    return async;
}

/* Waits until the counter's waker was called; a helper thread must do that. */
static inline int await_wake(struct counter *counter)
{
    bide_instant limit = bide_after(PATIENCE);
    while (atomic_load(&counter->wakes) == 0) {
        if (!bide_before(bide_now(), limit)) return BIDE_ETIMEDOUT;
        pause_briefly();
    }
    return 0;
}

/* Polls a future with a waker of one's own until it is ready; cancels it if no wake comes. */
static inline int poll_to_the_end(bide_future *future)
{
    struct counter counter = {0};
    int error = 0;
    int answer = poll_with(future, counting(&counter));
    while (answer == BIDE_PENDING && !error) {
        error = await_wake(&counter);
        atomic_store(&counter.wakes, 0);
        if (!error) answer = poll_with(future, counting(&counter));
    }
    if (answer == BIDE_PENDING) (void)cancel_with(future, counting(&counter));
    return error;
}

#endif
