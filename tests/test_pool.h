/* What the tests of the pool share: jobs that stop in the middle, and that nothing is left.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_POOL_H
#define BIDE_TEST_POOL_H

#include "test_future.h"

#include "pool/pool.h"

#include <signal.h>
#include <sys/prctl.h>

static struct inventory before;

static inline void begin(void)
{
    before = inventory_now();
}

static inline void end(void)
{
    expect_nothing_left(before);
}

static inline struct bide_pool_counts counts_now(void)
{
    struct bide_pool_counts counts;
    bide_pool_counts_read(&counts);
    return counts;
}

/* A job that stops in the middle until it may go on. */
struct held {
    bide_job job;
    _Atomic bool entered;
    _Atomic bool open;
    _Atomic int runs;
    _Atomic int drops;
    bide_ssize answer;
};

static inline bide_ssize run_held(void *arg)
{
    struct held *held = arg;
    atomic_fetch_add(&held->runs, 1);
    atomic_store(&held->entered, true);
    AWAIT(atomic_load(&held->open));
    return held->answer;
}

static inline void drop_held(void *arg)
{
    struct held *held = arg;
    atomic_fetch_add(&held->drops, 1);
}

static struct counter nobody;

static inline int start(struct held *held)
{
    bide_job_init(&held->job, run_held, held);
    return poll_with(&held->job.future, counting(&nobody));
}

static inline int start_detachable(struct held *held)
{
    bide_job_init_detachable(&held->job, run_held, held, drop_held);
    return poll_with(&held->job.future, counting(&nobody));
}

static inline void finish(struct held *held)
{
    atomic_store(&held->open, true);
    cr_assert_ok(bide_block_on(&held->job.future));
}

/* What a job finds out about the thread that runs it. */
struct place {
    char name[16];
    sigset_t blocked;
    int id;
};

static inline bide_ssize note_place(void *arg)
{
    struct place *place = arg;
    (void)prctl(PR_GET_NAME, place->name, 0, 0, 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &place->blocked);
    place->id = gettid();
    return 42;
}

#endif
