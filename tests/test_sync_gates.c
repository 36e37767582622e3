/* Semaphores, wait groups, barriers and onces: what they promise, step by step, and between tasks and threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_sync_waits.h"

TestSuite(semaphore, .timeout = 120);
TestSuite(wait_group, .timeout = 120);
TestSuite(barrier, .timeout = 120);
TestSuite(once, .timeout = 120);

/* --- semaphore ---------------------------------------------------------------------------------------------- */

static bide_semaphore semaphore = BIDE_SEMAPHORE_INIT(3);
static bide_semaphore_acquiring acquiring[4];

static void begin_acquiring(int i, uint32_t permits)
{
    bide_semaphore_acquiring_init(&acquiring[i], &semaphore, permits);
    cr_assert_gives(poll_nth(&acquiring[i].future, i), BIDE_PENDING);
}

static void expect_acquired(int i)
{
    cr_assert_gives(poll_nth(&acquiring[i].future, i), BIDE_READY);
    cr_assert_gives(acquiring[i].result, 0);
}

Test(semaphore, gives_as_many_permits_as_it_has_all_or_none)
{
    cr_assert_eq(bide_semaphore_permits(&semaphore), 3);
    cr_assert_ok(bide_semaphore_acquire(&semaphore, 2, BIDE_NEVER));
    cr_assert_gives(bide_semaphore_acquire(&semaphore, 2, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_semaphore_acquire(&semaphore, 2, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_eq(bide_semaphore_permits(&semaphore), 1);
    cr_assert_ok(bide_semaphore_acquire(&semaphore, 0, BIDE_NOW));
    cr_assert_ok(bide_semaphore_release(&semaphore, 2));
    cr_assert_gives(bide_semaphore_release(&semaphore, BIDE_SEMAPHORE_MAX), BIDE_EOVERFLOW);
    cr_assert_eq(bide_semaphore_permits(&semaphore), 3);
    cr_assert_ok(bide_semaphore_release(&semaphore, BIDE_SEMAPHORE_MAX - 3));
    cr_assert_ok(bide_semaphore_acquire(&semaphore, BIDE_SEMAPHORE_MAX, BIDE_NOW));
    cr_assert_ok(bide_semaphore_fini(&semaphore));
    cr_assert_gives(bide_semaphore_init(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_semaphore_init(&semaphore, BIDE_SEMAPHORE_MAX + 1), BIDE_EINVAL);
    cr_assert_ok(bide_semaphore_init(&semaphore, 5));
    cr_assert_eq(bide_semaphore_permits(&semaphore), 5);
    cr_assert_eq(bide_semaphore_permits(NULL), 0);
    cr_assert_gives(bide_semaphore_acquire(NULL, 1, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_semaphore_acquire(&semaphore, BIDE_SEMAPHORE_MAX + 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_semaphore_release(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_semaphore_fini(NULL), BIDE_EINVAL);
    bide_semaphore_acquiring_init(NULL, &semaphore, 1);
    bide_semaphore_acquiring_init(&acquiring[0], NULL, 1);
    cr_assert_ok(bide_await(&acquiring[0].future, BIDE_NEVER));
    cr_assert_gives(acquiring[0].result, BIDE_EINVAL);
    cr_assert_ok(bide_shutdown());
}

Test(semaphore, serves_in_order_so_that_one_that_wants_many_is_not_starved)
{
    clear_counters();
    cr_assert_ok(bide_semaphore_acquire(&semaphore, 3, BIDE_NOW));
    begin_acquiring(0, 3);
    begin_acquiring(1, 1);
    cr_assert_ok(bide_semaphore_release(&semaphore, 2));
    expect_wakes(0, 0, 0, 0);
    cr_assert_gives(bide_semaphore_acquire(&semaphore, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_semaphore_fini(&semaphore), BIDE_EBUSY);
    begin_acquiring(2, 2);
    cr_assert_ok(bide_semaphore_release(&semaphore, 2));
    expect_wakes(1, 1, 0, 0);
    expect_acquired(0);
    expect_acquired(1);
    /* One that is cancelled lets those behind it pass, and one that had its permits keeps them. */
    begin_acquiring(3, 1);
    cr_assert_ok(bide_semaphore_release(&semaphore, 1));
    cr_assert_gives(bide_cancel(&acquiring[2].future), BIDE_READY);
    cr_assert_gives(acquiring[2].result, BIDE_ECANCELED);
    expect_wakes(1, 1, 0, 1);
    cr_assert_gives(bide_cancel(&acquiring[3].future), BIDE_COMPLETED);
    cr_assert_gives(acquiring[3].result, 0);
    cr_assert_eq(bide_semaphore_permits(&semaphore), 0);
    cr_assert_ok(bide_semaphore_fini(&semaphore));
    cr_assert_ok(bide_shutdown());
}

static atomic_int permits_out;

static int use_permits(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY_TIMES / 20; i++) {
        uint32_t wants = (uint32_t)(i % 3) + 1;
        int error = bide_semaphore_acquire(&semaphore, wants, i % 4 == 1 ? bide_after(2000) : BIDE_NEVER);
        if (error == BIDE_ETIMEDOUT) continue;
        MUST_GIVE(error, 0);
        MUST(atomic_fetch_add(&permits_out, (int)wants) + (int)wants <= 3);
        if (i % 5 == 0) MUST_GIVE(bide_yield(), 0);
        atomic_fetch_sub(&permits_out, (int)wants);
        MUST_GIVE(bide_semaphore_release(&semaphore, wants), 0);
    }
    return 0;
}

static int share_permits(void *arg)
{
    struct party parties[6];
    MUST_GIVE(parties_run(parties, 6, *(unsigned *)arg, use_permits, NULL, 0), 0);
    MUST_GIVE((int)bide_semaphore_permits(&semaphore), 3);
    return bide_semaphore_fini(&semaphore);
}

Test(semaphore, never_gives_more_than_it_has_whether_to_tasks_or_threads)
{
    with_mixes(share_permits);
}

static int release_one(void *arg)
{
    return bide_semaphore_release(arg, 1);
}

static int free_after_acquiring(void *arg)
{
    for (int i = 0; i < MANY_TIMES / 20; i++) {
        struct party party;
        bide_semaphore *one = calloc(1, sizeof *one);
        MUST(one != NULL);
        MUST_GIVE(party_start(&party, *(unsigned *)arg >> (i & 1) & 1, release_one, one), 0);
        MUST_GIVE(bide_semaphore_acquire(one, 1, BIDE_NEVER), 0);
        MUST_GIVE(bide_semaphore_fini(one), 0);
        memset(one, 0xee, sizeof *one);
        free(one);
        MUST_GIVE(party_join(&party), 0);
    }
    return 0;
}

Test(semaphore, may_go_when_its_permit_was_taken_though_the_release_has_not_returned)
{
    with_mixes(free_after_acquiring);
}

/* --- wait group --------------------------------------------------------------------------------------------- */

static bide_wait_group group = BIDE_WAIT_GROUP_INIT;

Test(wait_group, waits_until_all_are_done_and_never_counts_below_none)
{
    clear_counters();
    bide_wait_group_waiting waits[3];
    cr_assert_ok(bide_wait_group_wait(&group, BIDE_NEVER));
    cr_assert_gives(bide_wait_group_done(&group), BIDE_EINVAL);
    cr_assert_ok(bide_wait_group_add(&group, 3));
    cr_assert_gives(bide_wait_group_add(&group, -4), BIDE_EINVAL);
    cr_assert_gives(bide_wait_group_add(&group, INT32_MIN), BIDE_EINVAL);
    cr_assert_gives(bide_wait_group_add(&group, INT32_MAX), BIDE_EOVERFLOW);
    cr_assert_eq(bide_wait_group_count(&group), 3);
    cr_assert_gives(bide_wait_group_wait(&group, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_wait_group_wait(&group, bide_after(SHORT)), BIDE_ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        bide_wait_group_waiting_init(&waits[i], &group);
        cr_assert_gives(poll_nth(&waits[i].future, i), BIDE_PENDING);
    }
    cr_assert_gives(bide_wait_group_fini(&group), BIDE_EBUSY);
    cr_assert_ok(bide_wait_group_add(&group, -2));
    cr_assert_gives(bide_wait_group_add(&group, -2), BIDE_EINVAL);
    cr_assert_gives(bide_cancel(&waits[1].future), BIDE_READY);
    expect_wakes(0, 0, 0, 0);
    cr_assert_ok(bide_wait_group_done(&group));
    expect_wakes(1, 0, 1, 0);
    cr_assert_gives(poll_nth(&waits[0].future, 0), BIDE_READY);
    cr_assert_gives(bide_cancel(&waits[2].future), BIDE_COMPLETED);
    cr_assert_gives(waits[2].result, 0);
    cr_assert_ok(bide_wait_group_fini(&group));

    bide_wait_group_init(NULL);
    bide_wait_group_init(&group);
    cr_assert_gives(bide_wait_group_add(NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_wait_group_done(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_wait_group_wait(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_wait_group_fini(NULL), BIDE_EINVAL);
    cr_assert_eq(bide_wait_group_count(NULL), 0);
    bide_wait_group_waiting_init(NULL, &group);
    bide_wait_group_waiting_init(&waits[0], NULL);
    cr_assert_ok(bide_await(&waits[0].future, BIDE_NEVER));
    cr_assert_gives(waits[0].result, BIDE_EINVAL);
    cr_assert_ok(bide_shutdown());
}

struct crew {
    bide_wait_group group;
    atomic_int worked;
};

static int work(void *arg)
{
    struct crew *crew = arg;
    atomic_fetch_add(&crew->worked, 1);
    return bide_wait_group_done(&crew->group);
}

static int wait_for_crew(void *arg)
{
    enum { CREW = 3 };
    struct party parties[CREW];
    for (int i = 0; i < MANY_TIMES / 40; i++) {
        struct crew *crew = calloc(1, sizeof *crew);
        MUST(crew != NULL);
        MUST_GIVE(bide_wait_group_add(&crew->group, CREW), 0);
        for (unsigned k = 0; k < CREW; k++)
            MUST_GIVE(party_start(&parties[k], *(unsigned *)arg >> k & 1, work, crew), 0);
        MUST_GIVE(bide_wait_group_wait(&crew->group, BIDE_NEVER), 0);
        MUST_GIVE(atomic_load(&crew->worked), CREW);
        /* The last one may still be in its call. */
        MUST_GIVE(bide_wait_group_fini(&crew->group), 0);
        memset(crew, 0xee, sizeof *crew);
        free(crew);
        for (int k = 0; k < CREW; k++)
            MUST_GIVE(party_join(&parties[k]), 0);
    }
    return 0;
}

Test(wait_group, sees_what_all_did_and_may_go_though_the_last_has_not_returned)
{
    with_mixes(wait_for_crew);
}

/* --- barrier ------------------------------------------------------------------------------------------------ */

static bide_barrier barrier;

Test(barrier, lets_all_go_when_the_last_comes_and_tells_that_one)
{
    clear_counters();
    bide_barrier_waiting waits[3];
    cr_assert_gives(bide_barrier_init(&barrier, 0), BIDE_EINVAL);
    cr_assert_gives(bide_barrier_init(NULL, 1), BIDE_EINVAL);
    cr_assert_ok(bide_barrier_init(&barrier, 1));
    cr_assert_gives(bide_barrier_wait(&barrier, BIDE_NEVER), BIDE_BARRIER_LAST);
    cr_assert_ok(bide_barrier_init(&barrier, 3));
    cr_assert_gives(bide_barrier_wait(&barrier, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_barrier_wait(&barrier, bide_after(SHORT)), BIDE_ETIMEDOUT);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            bide_barrier_waiting_init(&waits[i], &barrier);
            cr_assert_gives(poll_nth(&waits[i].future, i), BIDE_PENDING);
            cr_assert_gives(poll_nth(&waits[i].future, i), BIDE_PENDING);
        }
        cr_assert_gives(bide_barrier_fini(&barrier), BIDE_EBUSY);
        /* One that is cancelled has not come. */
        cr_assert_gives(bide_cancel(&waits[0].future), BIDE_READY);
        bide_barrier_waiting_init(&waits[0], &barrier);
        cr_assert_gives(poll_nth(&waits[0].future, 0), BIDE_PENDING);
        expect_wakes(round, round, 0, 0);
        cr_assert_gives(bide_barrier_wait(&barrier, BIDE_NEVER), BIDE_BARRIER_LAST);
        expect_wakes(round + 1, round + 1, 0, 0);
        cr_assert_gives(poll_nth(&waits[0].future, 0), BIDE_READY);
        cr_assert_gives(waits[0].result, 0);
        cr_assert_gives(bide_cancel(&waits[1].future), BIDE_COMPLETED);
        cr_assert_gives(waits[1].result, 0);
        cr_assert_ok(bide_barrier_fini(&barrier));
    }
    cr_assert_gives(bide_barrier_wait(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_barrier_fini(NULL), BIDE_EINVAL);
    bide_barrier_waiting_init(NULL, &barrier);
    cr_assert_ok(bide_shutdown());
}

enum { MEETERS = 4 };

static atomic_int arrived, lasts;

static int meet_often(void *arg)
{
    (void)arg;
    for (int round = 1; round <= MANY_TIMES / 40; round++) {
        atomic_fetch_add(&arrived, 1);
        int answer = bide_barrier_wait(&barrier, bide_after(LONG));
        MUST(answer == 0 || answer == BIDE_BARRIER_LAST);
        if (answer) atomic_fetch_add(&lasts, 1);
        MUST(atomic_load(&arrived) >= round * MEETERS);
        answer = bide_barrier_wait(&barrier, BIDE_NEVER);
        MUST(answer == 0 || answer == BIDE_BARRIER_LAST);
        MUST_GIVE(atomic_load(&lasts), round);
        answer = bide_barrier_wait(&barrier, BIDE_NEVER);
        MUST(answer == 0 || answer == BIDE_BARRIER_LAST);
    }
    return 0;
}

static int meet_at_barrier(void *arg)
{
    struct party parties[MEETERS];
    atomic_store(&arrived, 0);
    atomic_store(&lasts, 0);
    MUST_GIVE(bide_barrier_init(&barrier, MEETERS), 0);
    MUST_GIVE(parties_run(parties, MEETERS, *(unsigned *)arg, meet_often, NULL, 0), 0);
    return bide_barrier_fini(&barrier);
}

Test(barrier, nobody_passes_before_all_tasks_and_threads_have_come_round_after_round)
{
    with_mixes(meet_at_barrier);
}

/* --- once --------------------------------------------------------------------------------------------------- */

static bide_once once = BIDE_ONCE_INIT;

static int again_inside(void *arg)
{
    int *calls = arg;
    ++*calls;
    if (bide_once_run(&once, again_inside, arg, BIDE_NEVER) != BIDE_EDEADLK) return BIDE_EIO;
    return *calls == 1 ? BIDE_ENOENT : 5;
}

Test(once, is_done_once_by_the_first_who_succeeds)
{
    int calls = 0;
    cr_assert(!bide_once_is_done(&once));
    cr_assert_gives(bide_once_run(&once, again_inside, &calls, BIDE_NEVER), BIDE_ENOENT);
    cr_assert(!bide_once_is_done(&once));
    for (int i = 0; i < 3; i++)
        cr_assert_ok(bide_once_run(&once, again_inside, &calls, BIDE_NEVER));
    cr_assert_eq(calls, 2);
    cr_assert(bide_once_is_done(&once));
    cr_assert_gives(bide_once_run(&once, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_once_run(NULL, again_inside, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_once_enter(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_once_leave(NULL, true), BIDE_EINVAL);
    cr_assert(!bide_once_is_done(NULL));
    bide_once_entering_init(NULL, &once);
    cr_assert_ok(bide_shutdown());
}

Test(once, that_failed_is_given_to_the_next_who_waits_and_when_done_all_pass)
{
    clear_counters();
    bide_once_entering entering[3];
    cr_assert_gives(bide_once_leave(&once, true), BIDE_EPERM);
    cr_assert_gives(bide_once_enter(&once, BIDE_NEVER), BIDE_ONCE_RUN);
    cr_assert_gives(bide_once_enter(&once, BIDE_NEVER), BIDE_EDEADLK);
    once.owner_ = 1; /* another party's */
    cr_assert_gives(bide_once_enter(&once, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_once_leave(&once, true), BIDE_EPERM);
    for (int i = 0; i < 3; i++) {
        bide_once_entering_init(&entering[i], &once);
        cr_assert_gives(poll_nth(&entering[i].future, i), BIDE_PENDING);
    }
    once.owner_ = (uintptr_t)bide_thread_self();
    cr_assert_ok(bide_once_leave(&once, false));
    expect_wakes(1, 0, 0, 0);
    /* One that is cancelled when it was given the run has to leave as well. */
    cr_assert_gives(bide_cancel(&entering[0].future), BIDE_COMPLETED);
    cr_assert_gives(entering[0].result, BIDE_ONCE_RUN);
    cr_assert_ok(bide_once_leave(&once, false));
    expect_wakes(1, 1, 0, 0);
    cr_assert_gives(poll_nth(&entering[1].future, 1), BIDE_READY);
    cr_assert_gives(entering[1].result, BIDE_ONCE_RUN);
    cr_assert_ok(bide_once_leave(&once, true));
    cr_assert_gives(poll_nth(&entering[2].future, 2), BIDE_READY);
    cr_assert_gives(entering[2].result, 0);
    cr_assert_ok(bide_shutdown());
}

struct first_time {
    bide_once once;
    int made; /* by the once */
    atomic_int tries;
};

static int make(void *arg)
{
    struct first_time *first = arg;
    int tries = atomic_fetch_add(&first->tries, 1) + 1;
    (void)bide_sleep(BIDE_MICROSECONDS(10));
    if (tries < 3) return BIDE_EIO;
    first->made++;
    return 0;
}

static int need(void *arg)
{
    struct first_time *first = arg;
    int error;
    while ((error = bide_once_run(&first->once, make, first, BIDE_NEVER)) == BIDE_EIO)
        continue;
    MUST_GIVE(error, 0);
    MUST_GIVE(first->made, 1);
    return 0;
}

static int need_by_many(void *arg)
{
    struct party parties[5];
    for (int i = 0; i < MANY_TIMES / 100; i++) {
        struct first_time first = {BIDE_ONCE_INIT, 0, 0};
        MUST_GIVE(parties_run(parties, 5, *(unsigned *)arg, need, &first, 0), 0);
        MUST_GIVE(atomic_load(&first.tries), 3);
    }
    return 0;
}

Test(once, what_it_made_is_seen_by_all_tasks_and_threads)
{
    with_mixes(need_by_many);
}
