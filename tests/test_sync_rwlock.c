/* Read-write locks: what they promise, step by step, and between tasks and threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_sync_waits.h"

TestSuite(rwlock, .timeout = 120);

static bide_rwlock rwlock = BIDE_RWLOCK_INIT;
static bide_rwlock_locking lock_wait[4];

static void begin_locking(int i, bide_rwlock_mode mode, int answer)
{
    bide_rwlock_locking_init(&lock_wait[i], &rwlock, mode);
    cr_assert_gives(poll_nth(&lock_wait[i].future, i), answer);
}

static void expect_locked(int i)
{
    cr_assert_gives(poll_nth(&lock_wait[i].future, i), BIDE_READY);
    cr_assert_gives(lock_wait[i].result, 0);
}

Test(rwlock, has_many_readers_or_one_writer_and_a_stranger_cannot_unlock_it)
{
    bide_rwlock_init(NULL);
    bide_rwlock_init(&rwlock);
    cr_assert_gives(bide_rwlock_unlock_read(&rwlock), BIDE_EPERM);
    cr_assert_gives(bide_rwlock_unlock_write(&rwlock), BIDE_EPERM);
    cr_assert_ok(bide_rwlock_lock_read(&rwlock, BIDE_NEVER));
    cr_assert_ok(bide_rwlock_lock_read(&rwlock, BIDE_NOW));
    cr_assert_gives(bide_rwlock_lock_write(&rwlock, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_rwlock_lock_write(&rwlock, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_rwlock_unlock_write(&rwlock), BIDE_EPERM);
    cr_assert_gives(bide_rwlock_fini(&rwlock), BIDE_EBUSY);
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    cr_assert_gives(bide_rwlock_unlock_read(&rwlock), BIDE_EPERM);
    cr_assert_ok(bide_rwlock_lock_write(&rwlock, BIDE_NEVER));
    cr_assert_gives(bide_rwlock_unlock_read(&rwlock), BIDE_EPERM);
    cr_assert_gives(bide_rwlock_lock_read(&rwlock, BIDE_NEVER), BIDE_EDEADLK);
    cr_assert_gives(bide_rwlock_lock_write(&rwlock, BIDE_NEVER), BIDE_EDEADLK);
    begin_locking(0, BIDE_RWLOCK_READ, BIDE_READY);
    cr_assert_gives(lock_wait[0].result, BIDE_EDEADLK);
    cr_assert_ok(bide_rwlock_unlock_write(&rwlock));
    cr_assert_ok(bide_rwlock_fini(&rwlock));
    cr_assert_gives(bide_rwlock_lock_read(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_rwlock_unlock_read(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_rwlock_unlock_write(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_rwlock_fini(NULL), BIDE_EINVAL);
    bide_rwlock_locking_init(NULL, &rwlock, BIDE_RWLOCK_READ);
    bide_rwlock_locking_init(&lock_wait[0], &rwlock, (bide_rwlock_mode)7);
    cr_assert_ok(bide_await(&lock_wait[0].future, BIDE_NEVER));
    cr_assert_gives(lock_wait[0].result, BIDE_EINVAL);
    cr_assert_ok(bide_shutdown());
}

Test(rwlock, serves_in_order_and_readers_that_stand_together_at_once)
{
    clear_counters();
    cr_assert_ok(bide_rwlock_lock_read(&rwlock, BIDE_NOW));
    begin_locking(0, BIDE_RWLOCK_WRITE, BIDE_PENDING);
    /* No reader overtakes the writer that waits. */
    cr_assert_gives(bide_rwlock_lock_read(&rwlock, BIDE_NOW), BIDE_EAGAIN);
    begin_locking(1, BIDE_RWLOCK_READ, BIDE_PENDING);
    begin_locking(2, BIDE_RWLOCK_READ, BIDE_PENDING);
    begin_locking(3, BIDE_RWLOCK_WRITE, BIDE_PENDING);
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    expect_wakes(1, 0, 0, 0);
    expect_locked(0);
    cr_assert_ok(bide_rwlock_unlock_write(&rwlock));
    expect_wakes(1, 1, 1, 0);
    expect_locked(1);
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    expect_locked(2);
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    expect_wakes(1, 1, 1, 1);
    expect_locked(3);
    cr_assert_ok(bide_rwlock_unlock_write(&rwlock));
    cr_assert_ok(bide_rwlock_fini(&rwlock));
    cr_assert_ok(bide_shutdown());
}

Test(rwlock, a_writer_that_is_cancelled_lets_the_readers_behind_it_pass)
{
    clear_counters();
    cr_assert_ok(bide_rwlock_lock_read(&rwlock, BIDE_NOW));
    begin_locking(0, BIDE_RWLOCK_WRITE, BIDE_PENDING);
    begin_locking(1, BIDE_RWLOCK_READ, BIDE_PENDING);
    begin_locking(2, BIDE_RWLOCK_READ, BIDE_PENDING);
    begin_locking(3, BIDE_RWLOCK_WRITE, BIDE_PENDING);
    cr_assert_gives(bide_cancel(&lock_wait[0].future), BIDE_READY);
    expect_wakes(0, 1, 1, 0);
    cr_assert_gives(bide_cancel(&lock_wait[1].future), BIDE_COMPLETED);
    cr_assert_gives(lock_wait[1].result, 0);
    expect_locked(2);
    for (int i = 0; i < 3; i++)
        cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    cr_assert_gives(bide_cancel(&lock_wait[3].future), BIDE_COMPLETED);
    cr_assert_ok(bide_rwlock_unlock_write(&rwlock));
    cr_assert_ok(bide_rwlock_fini(&rwlock));
    cr_assert_ok(bide_shutdown());
}

static int written; /* guarded by rwlock */
static _Atomic int locked_by;

/* Relaxed: what orders the accesses to `written` is the lock alone. */
static void come_to(int step)
{
    while (atomic_load_explicit(&locked_by, memory_order_relaxed) < step)
        (void)sched_yield();
}

static void *write_before(void *arg)
{
    if (bide_rwlock_lock_write(&rwlock, BIDE_NOW) == 0) written = 1;
    (void)bide_rwlock_unlock_write(&rwlock);
    atomic_store_explicit(&locked_by, 1, memory_order_relaxed);
    return arg;
}

static void *read_between(void *arg)
{
    come_to(1);
    (void)bide_rwlock_lock_read(&rwlock, BIDE_NOW);
    atomic_store_explicit(&locked_by, 2, memory_order_relaxed);
    return arg;
}

/* For the thread sanitizer: neither who cancels nor who passes then has seen the lock free. */
Test(rwlock, who_passes_because_another_one_is_cancelled_sees_what_was_written_before)
{
    pthread_t writer, reader;
    cr_assert_eq(pthread_create(&writer, NULL, write_before, NULL), 0);
    cr_assert_eq(pthread_create(&reader, NULL, read_between, NULL), 0);
    come_to(2);
    begin_locking(0, BIDE_RWLOCK_WRITE, BIDE_PENDING);
    begin_locking(1, BIDE_RWLOCK_READ, BIDE_PENDING);
    cr_assert_gives(bide_cancel(&lock_wait[0].future), BIDE_READY);
    expect_locked(1);
    cr_assert_eq(written, 1);
    cr_assert_eq(pthread_join(writer, NULL), 0);
    cr_assert_eq(pthread_join(reader, NULL), 0);
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
    cr_assert_ok(bide_rwlock_fini(&rwlock));
    cr_assert_ok(bide_shutdown());
}

static struct {
    int first, second; /* equal, guarded by rwlock */
} pair;

static atomic_int readers_at_once;

static int read_and_write(void *arg)
{
    (void)arg;
    for (int i = 1; i <= MANY_TIMES / 20; i++) {
        bide_instant deadline = i % 7 == 3 ? bide_after(2000) : BIDE_NEVER;
        if (i % 3 == 0) {
            int error = bide_rwlock_lock_write(&rwlock, deadline);
            if (error == BIDE_ETIMEDOUT) continue;
            MUST_GIVE(error, 0);
            MUST_GIVE(atomic_load(&readers_at_once), 0);
            pair.first++;
            if (i % 4 == 0) MUST_GIVE(bide_yield(), 0);
            pair.second++;
            MUST_GIVE(bide_rwlock_unlock_write(&rwlock), 0);
        } else {
            int error = bide_rwlock_lock_read(&rwlock, deadline);
            if (error == BIDE_ETIMEDOUT) continue;
            MUST_GIVE(error, 0);
            atomic_fetch_add(&readers_at_once, 1);
            if (i % 4 == 0) MUST_GIVE(bide_yield(), 0);
            MUST_GIVE(pair.first, pair.second);
            atomic_fetch_sub(&readers_at_once, 1);
            MUST_GIVE(bide_rwlock_unlock_read(&rwlock), 0);
        }
    }
    return 0;
}

static int share_and_exclude(void *arg)
{
    struct party parties[6];
    MUST_GIVE(parties_run(parties, 6, *(unsigned *)arg, read_and_write, NULL, 0), 0);
    return bide_rwlock_fini(&rwlock);
}

Test(rwlock, readers_see_no_half_written_pair_whether_tasks_or_threads)
{
    with_mixes(share_and_exclude);
}
