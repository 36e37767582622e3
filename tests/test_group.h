/* What the tests of groups share: what their tasks do, and what became of them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_GROUP_H
#define BIDE_TEST_GROUP_H

#include "test_task.h"

#include <bide/group.h>

/* What the tasks of a group do, and what became of them. */
struct tally {
    atomic_int begun, ended, cleaned, cancelled, dropped, present, most;
};

static inline void clear(struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
}

static inline void count_clean(void *arg)
{
    struct tally *tally = arg;
    bide_shield();
    /* A clean-up that waits is waited for. */
    (void)bide_sleep(BIDE_MICROSECONDS(100));
    bide_unshield();
    atomic_fetch_add(&tally->cleaned, 1);
}

static inline void count_drop(void *arg)
{
    atomic_fetch_add(&((struct tally *)arg)->dropped, 1);
}

/* Waits until it is cancelled. */
static inline int wait_for_ever(void *arg)
{
    struct tally *tally = arg;
    cr_assert_ok(bide_defer(count_clean, tally));
    atomic_fetch_add(&tally->begun, 1);
    int error = bide_sleep_until(BIDE_NEVER);
    cr_assert_gives(error, BIDE_ECANCELED);
    atomic_fetch_add(&tally->cancelled, 1);
    return error;
}

static inline int nap(void *arg)
{
    struct tally *tally = arg;
    atomic_fetch_add(&tally->begun, 1);
    int error = bide_sleep(BIDE_MICROSECONDS(200));
    atomic_fetch_add(&tally->ended, 1);
    return error;
}

static inline int fail_with(void *arg)
{
    return *(int *)arg;
}

static inline void spawn(bide_group *group, bide_task_function function, void *arg)
{
    cr_assert_ok(bide_group_spawn(group, NULL, function, arg, NULL, BIDE_NEVER));
}

/* So that they are cancelled while they wait. */
static inline void spawn_waiting(bide_group *group, struct tally *tally, int count)
{
    for (int i = 0; i < count; i++)
        spawn(group, wait_for_ever, tally);
    while (atomic_load(&tally->begun) < count)
        cr_assert_ok(bide_yield());
}

/* All that have begun were cancelled, and their clean-up has run to its end. */
static inline void expect_gone(struct tally *tally, int count)
{
    cr_assert_eq(atomic_load(&tally->cancelled), count, "%d cancelled", atomic_load(&tally->cancelled));
    cr_assert_eq(atomic_load(&tally->cleaned), count, "%d cleaned up", atomic_load(&tally->cleaned));
}

#endif
