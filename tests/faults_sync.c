/* Scenarios of channels and locks for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/sync.h>

/* A wait that is meant to end at its deadline. */
#define SOON bide_after(BIDE_MICROSECONDS(50))

static int expect_timeout(int result)
{
    if (result == BIDE_ETIMEDOUT) return 0;
    return result == 0 ? WRONG : result;
}

static int expect_value(int error, int got, int expected)
{
    if (error) return error < 0 ? error : WRONG;
    return got == expected ? 0 : WRONG;
}

/* Sends three and receives three, in whatever way. */
static int exchange(bide_channel *channel)
{
    int one = 1, two = 2, three = 3, got = 0;
    bide_sending sending;
    bide_receiving receiving;
    bide_sending_init(&sending, channel, &one);
    int error = bide_await(&sending.future, bide_after(PATIENCE));
    if (!error) error = sending.result;
    if (!error) error = bide_channel_send(channel, &two, bide_after(PATIENCE));
    if (!error) error = bide_channel_send(channel, &three, BIDE_NOW);
    bide_receiving_init(&receiving, channel, &got);
    if (!error) error = bide_await(&receiving.future, bide_after(PATIENCE));
    if (!error) error = expect_value(receiving.result, got, 1);
    if (!error) error = bide_channel_receive(channel, &got, BIDE_NOW);
    if (!error) error = expect_value(0, got, 2);
    bide_case cases[] = {bide_case_receive(channel, &got)};
    if (!error) error = bide_select(cases, 1, bide_after(PATIENCE));
    if (!error) error = expect_value(cases[0].result, got, 3);
    bide_receiving_init_stream(&receiving, channel, &got);
    if (!error) error = expect_timeout(bide_await(&receiving.future, SOON));
    if (!error) error = expect_timeout(bide_select(cases, 1, SOON));
    if (!error) error = expect_timeout(bide_channel_receive(channel, &got, SOON));
    if (!error && bide_channel_count(channel) != 0) error = WRONG;
    return error;
}

static int run_channels(void)
{
    static const size_t capacities[] = {3, BIDE_CHANNEL_UNBOUNDED};
    int error = 0;
    for (size_t i = 0; !error && i < 2; i++) {
        bide_channel channel;
        error = bide_channel_init(&channel, sizeof(int), capacities[i], NULL);
        if (error) break;
        error = exchange(&channel);
        if (bide_channel_is_closed(&channel) || bide_channel_close(&channel) != 0) error = WRONG;
        if (bide_channel_fini(&channel) != 0) error = WRONG;
    }
    end_of_faults();
    return error;
}

/* A select in the background. */
static int run_select(void)
{
    bide_channel channel;
    bide_timer timer;
    bide_selecting selecting;
    int got = 0;
    if (bide_channel_init(&channel, sizeof(int), 0, NULL) != 0) return WRONG;
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    bide_case cases[] = {bide_case_receive(&channel, &got), bide_case_future(&timer.future)};
    bide_selecting_init(&selecting, cases, 2);
    int error = poll_to_the_end(&selecting.future);
    if (!error) error = selecting.result == 1 ? bide_timer_error(&timer) : WRONG;
    if (bide_channel_fini(&channel) != 0) error = WRONG;
    end_of_faults();
    return error;
}

static int run_mutex(void)
{
    bide_mutex mutex;
    bide_condition condition;
    bide_mutex_locking locking;
    bide_condition_waiting waiting;
    bide_mutex_init(&mutex);
    bide_condition_init(&condition);
    bide_mutex_locking_init(&locking, &mutex);
    int error = bide_await(&locking.future, bide_after(PATIENCE));
    if (!error) error = locking.result;
    if (error) error = bide_mutex_lock(&mutex, BIDE_NEVER) == 0 ? error : WRONG;
    int waited = bide_condition_wait(&condition, &mutex, SOON);
    if (!error) error = expect_timeout(waited);
    bide_condition_waiting_init(&waiting, &condition, &mutex);
    waited = bide_await(&waiting.future, SOON);
    if (!error) error = expect_timeout(waited);
    bide_condition_signal(&condition);
    bide_condition_broadcast(&condition);
    /* Whatever has failed, the mutex is held. */
    if (bide_mutex_unlock(&mutex) != 0) error = WRONG;
    if (bide_mutex_fini(&mutex) != 0 || bide_condition_fini(&condition) != 0) error = WRONG;
    end_of_faults();
    return error;
}

static int run_rwlock(void)
{
    bide_rwlock rwlock;
    bide_rwlock_locking locking;
    bide_rwlock_init(&rwlock);
    int error = bide_rwlock_lock_read(&rwlock, BIDE_NEVER);
    if (!error) error = expect_timeout(bide_rwlock_lock_write(&rwlock, SOON));
    bide_rwlock_locking_init(&locking, &rwlock, BIDE_RWLOCK_WRITE);
    if (!error) error = expect_timeout(bide_await(&locking.future, SOON));
    if (bide_rwlock_unlock_read(&rwlock) != 0) error = WRONG;
    if (bide_rwlock_lock_write(&rwlock, BIDE_NEVER) != 0 || bide_rwlock_unlock_write(&rwlock) != 0)
        error = WRONG;
    if (bide_rwlock_fini(&rwlock) != 0) error = WRONG;
    end_of_faults();
    return error;
}

static int run_counting(void)
{
    bide_semaphore semaphore;
    bide_wait_group group;
    bide_semaphore_acquiring acquiring;
    bide_wait_group_waiting waiting;
    bide_wait_group_init(&group);
    if (bide_semaphore_init(&semaphore, 1) != 0) return WRONG;
    int error = expect_timeout(bide_semaphore_acquire(&semaphore, 2, SOON));
    bide_semaphore_acquiring_init(&acquiring, &semaphore, 2);
    if (!error) error = expect_timeout(bide_await(&acquiring.future, SOON));
    if (bide_semaphore_release(&semaphore, 1) != 0 || bide_semaphore_permits(&semaphore) != 2) error = WRONG;
    if (bide_wait_group_add(&group, 1) != 0) error = WRONG;
    if (!error) error = expect_timeout(bide_wait_group_wait(&group, SOON));
    bide_wait_group_waiting_init(&waiting, &group);
    if (!error) error = expect_timeout(bide_await(&waiting.future, SOON));
    if (bide_wait_group_done(&group) != 0 || bide_wait_group_count(&group) != 0) error = WRONG;
    if (bide_semaphore_fini(&semaphore) != 0 || bide_wait_group_fini(&group) != 0) error = WRONG;
    end_of_faults();
    return error;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int run_meeting(void)
{
    bide_barrier barrier;
    bide_once once = BIDE_ONCE_INIT;
    bide_barrier_waiting waiting;
    bide_once_entering entering;
    if (bide_barrier_init(&barrier, 2) != 0) return WRONG;
    int error = expect_timeout(bide_barrier_wait(&barrier, SOON));
    bide_barrier_waiting_init(&waiting, &barrier);
    if (!error) error = expect_timeout(bide_await(&waiting.future, SOON));
    if (bide_once_enter(&once, BIDE_NEVER) != BIDE_ONCE_RUN || bide_once_leave(&once, false) != 0)
        error = WRONG;
    if (bide_once_run(&once, do_nothing, NULL, BIDE_NEVER) != 0 || !bide_once_is_done(&once)) error = WRONG;
    bide_once_entering_init(&entering, &once);
    if (!error) error = bide_await(&entering.future, bide_after(PATIENCE));
    if (!error) error = entering.result;
    if (bide_barrier_fini(&barrier) != 0) error = WRONG;
    end_of_faults();
    return error;
}

const struct scenario scenarios_of_sync[] = {
    {"channels",
     "channel_init channel_send channel_receive channel_close channel_fini channel_count channel_is_closed "
     "sending_init receiving_init receiving_init_stream select",
     run_channels},
    {"a select in the background", "selecting_init", run_select},
    {"mutex and condition",
     "mutex_init mutex_lock mutex_unlock mutex_fini mutex_locking_init condition_init condition_wait "
     "condition_signal condition_broadcast condition_fini condition_waiting_init",
     run_mutex},
    {"read-write lock",
     "rwlock_init rwlock_lock_read rwlock_lock_write rwlock_unlock_read rwlock_unlock_write rwlock_fini "
     "rwlock_locking_init",
     run_rwlock},
    {"semaphore and wait group",
     "semaphore_init semaphore_acquire semaphore_release semaphore_permits semaphore_fini "
     "semaphore_acquiring_init wait_group_init wait_group_add wait_group_done wait_group_wait "
     "wait_group_count "
     "wait_group_fini wait_group_waiting_init",
     run_counting},
    {"barrier and once",
     "barrier_init barrier_wait barrier_fini barrier_waiting_init once_run once_enter once_leave "
     "once_is_done "
     "once_entering_init",
     run_meeting},
    {NULL, NULL, NULL},
};
