/* A poller and a pair of descriptors, made anew for each test, and waits of which one knows the end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_POLLER_PAIR_H
#define BIDE_TEST_POLLER_PAIR_H

#include "test_poller.h"

bide_poller *poller;
static int pair[2];

static inline void open_all(void)
{
    cr_assert_ok(bide_poller_new(&poller, NULL));
    make_pair(pair);
}

static inline void close_all(void)
{
    close_pair(pair);
    bide_poller_free(poller);
}

static inline void notify(void)
{
    cr_assert_ok(bide_poller_notify(poller));
}

/* A wait that must end without events, and how long it took. */
static inline bide_duration empty_wait(bide_duration duration)
{
    bide_poll_event event;
    const bide_instant begin = bide_now();
    cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_instant_add(begin, duration)), 0);
    return bide_instant_since(bide_now(), begin);
}

static inline void expect_timeout(void)
{
    const bide_duration asked = BIDE_MILLISECONDS(5);
    bide_duration took = empty_wait(asked);
    cr_assert_geq(took, asked, "ended after %lld ns", (long long)took);
}

/* A wait for ever that must end at once. */
static inline void expect_end(int events)
{
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), events);
}

#endif
