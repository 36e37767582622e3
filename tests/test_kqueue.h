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

#endif
