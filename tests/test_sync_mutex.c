/* The mutex and the condition: owners, order, cancelling, lifetimes; by hand, step by step, and between tasks and
 * threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_sync.h"

#include "sync/waiting.h"

TestSuite(mutex, .timeout = 120);
TestSuite(condition, .timeout = 120);

static bide_mutex mutex = BIDE_MUTEX_INIT;

/* Another owner: a thread of its own that does one thing. */
struct errand {
    int (*what)(void);
    int result;
};

static void *run_errand(void *arg)
{
    struct errand *errand = arg;
    errand->result = errand->what();
    return NULL;
}

static int elsewhere(int (*what)(void))
{
    struct errand errand = {what, 0};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, run_errand, &errand), 0);
    (void)pthread_join(thread, NULL);
    return errand.result;
}

static int try_lock(void)
{
    return bide_mutex_lock(&mutex, BIDE_NOW);
}

static int try_lock_and_unlock(void)
{
    int error = try_lock();
    return error ? error : bide_mutex_unlock(&mutex);
}

static int unlock(void)
{
    return bide_mutex_unlock(&mutex);
}

static int lock_shortly(void)
{
    return bide_mutex_lock(&mutex, bide_after(SHORT));
}

/* --- owners ------------------------------------------------------------------------------------------------- */

Test(mutex, is_held_by_one_and_unlocked_by_that_one_alone)
{
    static bide_mutex zeroed;
    cr_assert_ok(bide_mutex_lock(&zeroed, BIDE_NEVER));
    cr_assert_ok(bide_mutex_unlock(&zeroed));

    cr_assert_gives(unlock(), BIDE_EPERM);
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NEVER));
    cr_assert_gives(bide_mutex_fini(&mutex), BIDE_EBUSY);
    cr_assert_gives(elsewhere(try_lock), BIDE_EAGAIN);
    cr_assert_gives(elsewhere(lock_shortly), BIDE_ETIMEDOUT);
    cr_assert_gives(elsewhere(unlock), BIDE_EPERM);
    cr_assert_ok(unlock());
    cr_assert_gives(unlock(), BIDE_EPERM);
    cr_assert_ok(elsewhere(try_lock_and_unlock));
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_shutdown());
}

Test(mutex, that_its_owner_locks_again_says_so_and_stays_held_once)
{
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NEVER));
    cr_assert_gives(bide_mutex_lock(&mutex, BIDE_NEVER), BIDE_EDEADLK);
    cr_assert_gives(bide_mutex_lock(&mutex, BIDE_NOW), BIDE_EDEADLK);
    bide_mutex_locking lock_wait;
    bide_mutex_locking_init(&lock_wait, &mutex);
    cr_assert_ok(bide_await(&lock_wait.future, BIDE_NEVER));
    cr_assert_gives(lock_wait.result, BIDE_EDEADLK);
    cr_assert_ok(unlock());
    cr_assert_gives(unlock(), BIDE_EPERM);
    cr_assert_ok(bide_shutdown());
}

Test(mutex, refuses_null)
{
    bide_mutex_locking lock_wait;
    bide_mutex_init(NULL);
    bide_mutex_init(&mutex);
    cr_assert_gives(bide_mutex_lock(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_mutex_unlock(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_mutex_fini(NULL), BIDE_EINVAL);
    bide_mutex_locking_init(NULL, &mutex);
    bide_mutex_locking_init(&lock_wait, NULL);
    cr_assert_ok(bide_await(&lock_wait.future, BIDE_NEVER));
    cr_assert_gives(lock_wait.result, BIDE_EINVAL);
    cr_assert_ok(bide_shutdown());
}

static int unlock_task(void *arg)
{
    (void)arg;
    return bide_mutex_unlock(&mutex);
}

static int own_in_tasks(void *arg)
{
    (void)arg;
    bide_task task;
    int value = 0;
    MUST_GIVE(bide_mutex_lock(&mutex, BIDE_NEVER), 0);
    MUST_GIVE(bide_spawn(&task, unlock_task, NULL, NULL), 0);
    MUST_GIVE(bide_task_join(task, &value, BIDE_NEVER), 0);
    MUST_GIVE(value, BIDE_EPERM);
    /* The owner is the task, on whatever thread it goes on. */
    for (int i = 0; i < 20; i++)
        MUST_GIVE(bide_sleep(BIDE_MICROSECONDS(50)), 0);
    MUST_GIVE(bide_mutex_lock(&mutex, BIDE_NOW), BIDE_EDEADLK);
    return bide_mutex_unlock(&mutex);
}

Test(mutex, belongs_to_the_task_that_locked_it_and_not_to_its_thread)
{
    WITH_WORKERS(own_in_tasks, NULL, 0);
}

/* --- waiting, step by step ---------------------------------------------------------------------------------- */

/* Waits of another owner, for each poll of the owner's own gives BIDE_EDEADLK. */
static struct counter counters[3];
static bide_mutex_locking lock_wait[3];

static int begin_waits(void)
{
    for (int i = 0; i < 3; i++) {
        counters[i].wakes = 0;
        bide_mutex_locking_init(&lock_wait[i], &mutex);
        int answer = poll_with(&lock_wait[i].future, counting(&counters[i]));
        if (answer != BIDE_PENDING) return answer;
    }
    return BIDE_PENDING;
}

static void expect_wakes(int first, int second, int third)
{
    const int expected[3] = {first, second, third};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(counters[i].wakes, expected[i], "wait %d: %d wakes instead of %d", i, counters[i].wakes,
                     expected[i]);
}

Test(mutex, wakes_the_one_that_has_waited_longest_and_no_other_before_that_one_has_looked)
{
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
    cr_assert_gives(elsewhere(begin_waits), BIDE_PENDING);
    cr_assert_gives(bide_mutex_fini(&mutex), BIDE_EBUSY);
    cr_assert_ok(unlock());
    expect_wakes(1, 0, 0);
    cr_assert_gives(bide_mutex_fini(&mutex), BIDE_EBUSY);
    /* Overtaken: whoever runs may. One that was roused is enough. */
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
    cr_assert_ok(unlock());
    expect_wakes(1, 0, 0);
    cr_assert_gives(poll_with(&lock_wait[0].future, counting(&counters[0])), BIDE_READY);
    cr_assert_gives(lock_wait[0].result, 0);
    cr_assert_ok(unlock());
    expect_wakes(1, 1, 0);
    /* The one that was roused does not come: the next is. */
    cr_assert_gives(bide_cancel(&lock_wait[1].future), BIDE_READY);
    expect_wakes(1, 1, 1);
    cr_assert_gives(bide_cancel(&lock_wait[2].future), BIDE_READY);
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_shutdown());
}

static int poll_the_first(void)
{
    return poll_with(&lock_wait[0].future, counting(&counters[0]));
}

static int cancel_the_first(void)
{
    int answer = cancel_with(&lock_wait[0].future, counting(&counters[0]));
    if (answer == BIDE_COMPLETED && bide_mutex_unlock(&mutex) != 0) return BIDE_EPERM;
    return answer;
}

Test(mutex, is_handed_to_one_that_was_overtaken_eight_times)
{
    for (int cancels = 0; cancels < 2; cancels++) {
        cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
        counters[0].wakes = 0;
        bide_mutex_locking_init(&lock_wait[0], &mutex);
        cr_assert_gives(elsewhere(poll_the_first), BIDE_PENDING);
        for (int i = 1; i <= 8; i++) {
            cr_assert_ok(unlock());
            cr_assert_eq(counters[0].wakes, i);
            cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
            cr_assert_gives(elsewhere(poll_the_first), BIDE_PENDING);
        }
        cr_assert_ok(unlock());
        cr_assert_eq(counters[0].wakes, 9);
        cr_assert_gives(bide_mutex_lock(&mutex, BIDE_NOW), BIDE_EAGAIN);
        if (cancels) {
            cr_assert_gives(elsewhere(cancel_the_first), BIDE_COMPLETED);
            cr_assert_gives(lock_wait[0].result, 0);
        } else {
            /* Whoever polls it has it. */
            cr_assert_gives(poll_the_first(), BIDE_READY);
            cr_assert_gives(lock_wait[0].result, 0);
            cr_assert_ok(unlock());
        }
        cr_assert_ok(bide_mutex_fini(&mutex));
    }
    cr_assert_ok(bide_shutdown());
}

Test(mutex, a_wait_that_is_cancelled_leaves_the_queue)
{
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
    bide_mutex_locking_init(&lock_wait[0], &mutex);
    cr_assert_gives(elsewhere(poll_the_first), BIDE_PENDING);
    cr_assert_gives(elsewhere(cancel_the_first), BIDE_READY);
    cr_assert_gives(lock_wait[0].result, BIDE_ECANCELED);
    cr_assert_ok(unlock());
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_shutdown());
}

/* --- at the same moment ------------------------------------------------------------------------------------- */

static int outcome;
static _Atomic int ready;

/* The partner is the one that waits, and gives up just when the mutex is unlocked. */
static void wait_and_cancel(void)
{
    struct counter *counter = calloc(1, sizeof *counter);
    bide_mutex_locking one;
    bide_mutex_locking_init(&one, &mutex);
    int answer = poll_with(&one.future, counting(counter));
    atomic_store(&ready, 1);
    linger(partner.delay);
    if (answer == BIDE_PENDING) answer = bide_cancel(&one.future);
    free(counter);
    outcome =
        answer == BIDE_READY && one.result == BIDE_ECANCELED ? BIDE_ECANCELED : bide_mutex_unlock(&mutex);
}

Test(mutex, a_wait_that_is_cancelled_while_the_mutex_is_unlocked_has_it_or_leaves_it_free)
{
    partner_start(wait_and_cancel);
    for (int round = 1; round <= ROUNDS; round++) {
        cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
        atomic_store(&ready, 0);
        meet(round);
        while (!atomic_load(&ready))
            (void)sched_yield();
        linger(round * 53 % 1000);
        cr_assert_ok(unlock());
        part(round);
        cr_assert(outcome == 0 || outcome == BIDE_ECANCELED, "%d", outcome);
        cr_assert_ok(bide_mutex_fini(&mutex));
    }
    partner_stop();
    cr_assert_ok(bide_shutdown());
}

/* --- parties ------------------------------------------------------------------------------------------------ */

enum { LOCKERS = 6 };

static struct {
    int counter; /* guarded by the mutex */
    bool inside; /* the same */
} guarded;

static int add_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY_TIMES / 10; i++) {
        int error = BIDE_EAGAIN;
        if (i % 5 == 1) error = bide_mutex_lock(&mutex, BIDE_NOW);
        if (i % 5 == 2) error = bide_mutex_lock(&mutex, bide_after(BIDE_MICROSECONDS(1)));
        if (error == BIDE_EAGAIN || error == BIDE_ETIMEDOUT) error = bide_mutex_lock(&mutex, BIDE_NEVER);
        MUST_GIVE(error, 0);
        MUST(!guarded.inside);
        guarded.inside = true;
        guarded.counter++;
        if (i % 7 == 0) MUST_GIVE(bide_yield(), 0);
        if (i % 64 == 0) MUST_GIVE(bide_sleep(BIDE_MICROSECONDS(20)), 0);
        guarded.inside = false;
        MUST_GIVE(bide_mutex_unlock(&mutex), 0);
    }
    return 0;
}

static int exclude_each_other(void *arg)
{
    struct party parties[LOCKERS];
    guarded.counter = 0;
    MUST_GIVE(parties_run(parties, LOCKERS, *(unsigned *)arg, add_many, NULL, 0), 0);
    MUST_GIVE(guarded.counter, LOCKERS * (MANY_TIMES / 10));
    return bide_mutex_fini(&mutex);
}

Test(mutex, excludes_tasks_and_threads_from_each_other)
{
    with_mixes(exclude_each_other);
}

/* The last user frees the object, while those before it may still be in their unlock. */
struct shared {
    bide_mutex lock;
    int users;
};

static int leave_shared(void *arg)
{
    struct shared *shared = arg;
    MUST_GIVE(bide_mutex_lock(&shared->lock, BIDE_NEVER), 0);
    bool last = --shared->users == 0;
    MUST_GIVE(bide_mutex_unlock(&shared->lock), 0);
    if (!last) return 0;
    memset(shared, 0xee, sizeof *shared);
    free(shared);
    return 0;
}

static int free_by_the_last(void *arg)
{
    enum { USERS = 3 };
    struct party parties[USERS];
    for (int i = 0; i < MANY_TIMES / 20; i++) {
        struct shared *shared = calloc(1, sizeof *shared);
        MUST(shared != NULL);
        shared->users = USERS;
        MUST_GIVE(parties_run(parties, USERS, *(unsigned *)arg, leave_shared, shared, 0), 0);
    }
    return 0;
}

Test(mutex, may_be_freed_by_its_last_owner_though_other_unlocks_have_not_returned)
{
    with_mixes(free_by_the_last);
}

static int lock_cancelled(void *arg)
{
    (void)arg;
    int error = bide_mutex_lock(&mutex, BIDE_NEVER);
    if (error) return error;
    return bide_mutex_unlock(&mutex);
}

static int cancel_lockers(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY_TIMES / 20; i++) {
        bide_task task;
        int value = 1;
        MUST_GIVE(bide_mutex_lock(&mutex, BIDE_NEVER), 0);
        MUST_GIVE(bide_spawn(&task, lock_cancelled, NULL, NULL), 0);
        if (i % 2) MUST_GIVE(bide_yield(), 0);
        if (i % 3) MUST_GIVE(bide_task_cancel(task), 0);
        MUST_GIVE(bide_mutex_unlock(&mutex), 0);
        MUST_GIVE(bide_task_cancel(task), 0);
        MUST_GIVE(bide_task_join(task, &value, BIDE_NEVER), 0);
        MUST(value == 0 || value == BIDE_ECANCELED);
        MUST_GIVE(bide_mutex_fini(&mutex), 0);
    }
    return 0;
}

Test(mutex, a_task_that_is_cancelled_has_locked_it_or_has_not)
{
    WITH_WORKERS(cancel_lockers, NULL, 0);
}

/* --- the condition ------------------------------------------------------------------------------------------ */

static bide_condition condition = BIDE_CONDITION_INIT;
static bide_condition_waiting waits[3];

static void begin_condition_waits(void)
{
    for (int i = 0; i < 3; i++) {
        counters[i].wakes = 0;
        cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
        bide_condition_waiting_init(&waits[i], &condition, &mutex);
        cr_assert_gives(poll_with(&waits[i].future, counting(&counters[i])), BIDE_PENDING);
    }
    cr_assert_gives(bide_condition_fini(&condition), BIDE_EBUSY);
}

/* It holds the mutex when it is ready. */
static void expect_waited(int i, int result)
{
    cr_assert_gives(poll_with(&waits[i].future, counting(&counters[i])), BIDE_READY);
    cr_assert_gives(waits[i].result, result);
    cr_assert_ok(unlock());
}

Test(condition, a_signal_ends_the_longest_wait_and_a_broadcast_all_each_with_the_mutex_held)
{
    bide_condition_init(NULL);
    bide_condition_init(&condition);
    begin_condition_waits();
    bide_condition_signal(&condition);
    expect_wakes(1, 0, 0);
    expect_waited(0, 0);
    bide_condition_broadcast(&condition);
    expect_wakes(1, 1, 1);
    expect_waited(1, 0);
    expect_waited(2, 0);
    cr_assert_ok(bide_condition_fini(&condition));
    /* Nobody waits: nothing is kept. */
    bide_condition_signal(&condition);
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NOW));
    cr_assert_gives(bide_condition_wait(&condition, &mutex, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(unlock());
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_shutdown());
}

Test(condition, a_wait_without_the_mutex_is_refused)
{
    bide_condition_waiting nothing;
    cr_assert_gives(bide_condition_wait(&condition, &mutex, BIDE_NEVER), BIDE_EPERM);
    cr_assert_ok(elsewhere(try_lock));
    cr_assert_gives(bide_condition_wait(&condition, &mutex, BIDE_NEVER), BIDE_EPERM);
    cr_assert_gives(bide_condition_wait(NULL, &mutex, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_condition_wait(&condition, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_condition_fini(NULL), BIDE_EINVAL);
    bide_condition_waiting_init(NULL, &condition, &mutex);
    bide_condition_waiting_init(&nothing, NULL, NULL);
    bide_condition_signal(NULL);
    bide_condition_broadcast(NULL);
    cr_assert_ok(bide_condition_fini(&condition));
    cr_assert_ok(bide_shutdown());
}

Test(condition, a_wait_that_is_cancelled_ends_with_the_mutex_held_and_one_that_was_signalled_says_so)
{
    begin_condition_waits();
    cr_assert_gives(bide_cancel(&waits[0].future), BIDE_READY);
    cr_assert_gives(waits[0].result, BIDE_ECANCELED);
    cr_assert_ok(unlock());
    bide_condition_signal(&condition);
    cr_assert_gives(bide_cancel(&waits[1].future), BIDE_COMPLETED);
    cr_assert_gives(waits[1].result, 0);
    cr_assert_ok(unlock());
    expect_wakes(0, 1, 0);
    cr_assert_gives(bide_cancel(&waits[2].future), BIDE_READY);
    cr_assert_ok(unlock());
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_shutdown());
}

static int wait_shortly(void)
{
    int error = bide_mutex_lock(&mutex, BIDE_NEVER);
    if (error) return error;
    error = bide_condition_wait(&condition, &mutex, bide_after(SHORT));
    int unlocked = bide_mutex_unlock(&mutex);
    return unlocked ? unlocked : error;
}

static void wait_shortly_in_worker(struct worker *worker)
{
    worker->result = wait_shortly();
}

Test(condition, a_wait_whose_deadline_has_come_waits_on_for_the_mutex)
{
    struct worker worker;
    worker_start(&worker, wait_shortly_in_worker, NULL);
    AWAIT(atomic_load(BIDE_ATOMIC_U32(&condition.word_)) != 0);
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NEVER));
    /* Its deadline passes, and it queues up for the mutex. */
    AWAIT((atomic_load(BIDE_ATOMIC_WORD(&mutex.word_)) & 3) != 0);
    cr_assert_ok(bide_condition_fini(&condition));
    cr_assert(!worker.done, "it did not wait for the mutex");
    cr_assert_ok(unlock());
    cr_assert_gives(worker_join(&worker), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_shutdown());
}

/* A bounded buffer of one place, by a mutex and two conditions. */
static struct {
    bide_condition filled, emptied;
    bool full;
    int value;
    int taken;
    uint64_t sum;
} place;

enum { VALUES = MANY_TIMES / 20 };

static int fill_place(void)
{
    for (int i = 1; i <= VALUES; i++) {
        MUST_GIVE(bide_mutex_lock(&mutex, BIDE_NEVER), 0);
        while (place.full) {
            int error = bide_condition_wait(&place.emptied, &mutex, i % 3 ? BIDE_NEVER : bide_after(1000));
            MUST(error == 0 || error == BIDE_ETIMEDOUT);
        }
        place.full = true;
        place.value = i;
        if (i % 2) bide_condition_signal(&place.filled);
        MUST_GIVE(bide_mutex_unlock(&mutex), 0);
        if (i % 2 == 0) bide_condition_signal(&place.filled);
    }
    return 0;
}

static int empty_place(int most)
{
    for (int i = 0; i < most; i++) {
        MUST_GIVE(bide_mutex_lock(&mutex, BIDE_NEVER), 0);
        while (!place.full)
            MUST_GIVE(bide_condition_wait(&place.filled, &mutex, BIDE_NEVER), 0);
        place.full = false;
        place.sum += (uint64_t)place.value;
        bide_condition_signal(&place.emptied);
        MUST_GIVE(bide_mutex_unlock(&mutex), 0);
    }
    return 0;
}

static int fill_or_empty(void *arg)
{
    return *(int *)arg ? fill_place() : empty_place(VALUES);
}

static int pass_through_place(void *arg)
{
    static int roles[4] = {1, 0, 0, 1};
    struct party parties[4];
    memset(&place, 0, sizeof place);
    MUST_GIVE(parties_run(parties, 4, *(unsigned *)arg, fill_or_empty, roles, sizeof *roles), 0);
    MUST(place.sum == (uint64_t)VALUES * (VALUES + 1));
    MUST_GIVE(bide_condition_fini(&place.filled), 0);
    return bide_condition_fini(&place.emptied);
}

Test(condition, no_signal_is_lost_between_tasks_and_threads)
{
    with_mixes(pass_through_place);
}

static int wait_until_cancelled(void *arg)
{
    (void)arg;
    int error = bide_mutex_lock(&mutex, BIDE_NEVER);
    if (error) return error;
    error = bide_condition_wait(&condition, &mutex, BIDE_NEVER);
    MUST(error == 0 || error == BIDE_ECANCELED);
    return bide_mutex_unlock(&mutex);
}

static int cancel_waiters(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY_TIMES / 20; i++) {
        bide_task task;
        int value = 1;
        MUST_GIVE(bide_spawn(&task, wait_until_cancelled, NULL, NULL), 0);
        if (i % 2) MUST_GIVE(bide_yield(), 0);
        MUST_GIVE(bide_mutex_lock(&mutex, BIDE_NEVER), 0);
        if (i % 3 == 0) bide_condition_signal(&condition);
        MUST_GIVE(bide_task_cancel(task), 0);
        if (i % 5 == 0) MUST_GIVE(bide_yield(), 0);
        MUST_GIVE(bide_mutex_unlock(&mutex), 0);
        MUST_GIVE(bide_task_join(task, &value, BIDE_NEVER), 0);
        /* Cancelled before it began, or when it wanted the mutex: it did not wait. */
        MUST(value == 0 || value == BIDE_ECANCELED);
        MUST_GIVE(bide_mutex_fini(&mutex), 0);
        MUST_GIVE(bide_condition_fini(&condition), 0);
    }
    return 0;
}

Test(condition, a_task_that_is_cancelled_in_it_has_the_mutex_again)
{
    WITH_WORKERS(cancel_waiters, NULL, 0);
}
