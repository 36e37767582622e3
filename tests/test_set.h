/* What the tests of sets share: a set, what it must yield, and members that wait for an event each.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_SET_H
#define BIDE_TEST_SET_H

#include "test_future.h"

static bide_set set;

/* The next member must come at once. */
static inline bide_set_member *next_now(void)
{
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), 0);
    cr_assert_not_null(ready, "no member");
    return ready;
}

static inline void expect_next(const bide_set_member *expected)
{
    bide_set_member *ready = next_now();
    cr_assert_eq((const void *)ready, (const void *)expected, "another member, with tag %p", ready->tag);
}

static inline void expect_none(void)
{
    bide_set_member *ready = (void *)&set;
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), BIDE_EAGAIN);
    cr_assert_null(ready, "a member was given");
}

static inline void expect_count(size_t expected)
{
    cr_assert_eq(bide_set_count(&set), expected, "%zu members instead of %zu", bide_set_count(&set),
                 expected);
}

/* Members that wait for an event each. */
struct waits {
    bide_event event;
    bide_event_waiting waiting;
    bide_set_member member;
};

static inline void wait_in_set(struct waits *it, void *tag)
{
    bide_event_waiting_init(&it->waiting, &it->event);
    cr_assert_ok(bide_set_add(&set, &it->member, &it->waiting.future, tag));
}

static inline void make_waits(struct waits *waits, size_t count)
{
    bide_set_init(&set);
    for (size_t i = 0; i < count; i++) {
        cr_assert_ok(bide_event_init(&waits[i].event, BIDE_EVENT_AUTO));
        wait_in_set(&waits[i], (void *)(uintptr_t)i);
    }
}

static inline void remove_all(struct waits *waits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)bide_set_remove(&set, &waits[i].member);
    expect_count(0);
}

#endif
