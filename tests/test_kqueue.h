/* What the tests of bide/os/kqueue.h share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_KQUEUE_H
#define BIDE_TEST_KQUEUE_H

#include "test_async.h"

#include <bide/os/kqueue.h>

#include <signal.h>
#include <sys/event.h>
#include <sys/wait.h>

static struct inventory inventory_before;

static inline void count_what_is_there(void)
{
    inventory_before = inventory_now();
}

static inline void expect_no_more(void)
{
    expect_nothing_left(inventory_before);
}

static inline void assert_signal(bide_kqueue *source, int number, uint64_t count)
{
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_eq(event.number, number, "signal %d, not %d", event.number, number);
    cr_assert_eq(event.count, count, "%u of them, not %u", (unsigned)event.count, (unsigned)count);
    cr_assert_eq(event.changes, 0);
    cr_assert_eq(event.status, 0);
}

/* Nothing has happened, as far as the kernel has told by now. */
static inline void assert_quiet(bide_kqueue *source)
{
    bide_kqueue_event event;
    cr_assert_gives(bide_kqueue_wait(source, &event, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
}

/* --- children --- */

/* A child that ends, as told by `ending`, when it is let go. */
struct child {
    pid_t id;
    int leash;
};

static inline void exit_with_7(void)
{
    _exit(7);
}

static inline struct child start(void (*ending)(void))
{
    int ends[2];
    make_pipe(ends);
    const pid_t id = fork();
    cr_assert_done(id);
    if (id == 0) {
        char byte;
        (void)close(ends[1]);
        (void)!read(ends[0], &byte, 1);
        ending();
    }
    (void)close(ends[0]);
    return (struct child){id, ends[1]};
}

static inline void let_go(const struct child *child)
{
    (void)close(child->leash);
}

static inline int reap(pid_t id)
{
    int status = -1;
    cr_assert_eq(waitpid(id, &status, 0), id);
    return status;
}

#endif
