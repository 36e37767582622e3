/* What the tests of costs share: the number of calls that something may make, and a peer whose calls are
 * not counted. Where the back end makes a difference, each has its own number: poll(2) has no edges, so
 * that who waits arms its registration anew, for which it asks whether the descriptor is open still (one
 * fcntl).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_COUNTS_H
#define BIDE_TEST_COUNTS_H

#include "test_async.h"

#include "support/syscalls.h"

static struct inventory before;
static bool edges;

static inline void prepare(void)
{
    before = inventory_now();
    edges = strcmp(bide_reactor_backend(bide_reactor_current()), "epoll") == 0;
}

/* So many calls since the last reset, all on this thread. */
static inline void expect_calls(const char *what, unsigned long expected)
{
    unsigned long total = bide_calls_total();
    cr_assert_eq(total, expected, "%s: %lu calls instead of %lu: %s", what, total, expected,
                 bide_calls_text());
}

static inline void expect_no_allocation(const char *what)
{
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s: %s", what, bide_calls_text());
}

/* What the peer does is not counted. */
static inline void put_unseen(int fd, const void *bytes, size_t length)
{
    bide_calls_pause();
    put(fd, bytes, length);
    bide_calls_resume();
}

static inline void take_unseen(int fd, void *bytes, size_t length)
{
    bide_calls_pause();
    size_t taken = 0;
    while (taken < length) {
        ssize_t count = read(fd, (char *)bytes + taken, length - taken);
        cr_assert_gt(count, 0, "read gave %zd: %s", count, strerror(errno));
        taken += (size_t)count;
    }
    bide_calls_resume();
}

/* The first wait of a thread and of a reactor costs what later ones do not. */
static inline void warm_up(void)
{
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(1)));
}

#endif
