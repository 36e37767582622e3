/* Messages between two tasks on one worker: through channels of several capacities, and by a select; and what a lock
 * costs that nobody else wants. An operation is one message, from its send to its receive; or one lock and its unlock.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counted.h"

#include <bide/sync.h>
#include <bide/task.h>

#define MESSAGES UINT64_C(50000)

static bide_channel channel, back;

static int send_all(void *arg)
{
    uint64_t count = *(const uint64_t *)arg;
    for (uint64_t i = 0; i < count; i++)
        if (bide_channel_send(&channel, &i, BIDE_NEVER) != 0) return 1;
    return 0;
}

/* The calling task receives what another one sends. */
static void receive_all(void *arg, uint64_t count)
{
    bide_task task;
    uint64_t value;
    (void)arg;
    (void)bide_spawn(&task, send_all, &count, NULL);
    for (uint64_t i = 0; i < count; i++)
        (void)bide_channel_receive(&channel, &value, BIDE_NEVER);
    (void)bide_task_join(task, NULL, BIDE_NEVER);
}

static void select_all(void *arg, uint64_t count)
{
    bide_task task;
    uint64_t value;
    bide_case cases[] = {bide_case_receive(&channel, &value), bide_case_receive(&back, &value)};
    (void)arg;
    (void)bide_spawn(&task, send_all, &count, NULL);
    for (uint64_t i = 0; i < count; i++)
        (void)bide_select(cases, 2, BIDE_NEVER);
    (void)bide_task_join(task, NULL, BIDE_NEVER);
}

static int answer_all(void *arg)
{
    uint64_t count = *(const uint64_t *)arg;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t value;
        (void)bide_channel_receive(&channel, &value, BIDE_NEVER);
        (void)bide_channel_send(&back, &value, BIDE_NEVER);
    }
    return 0;
}

static void ask_all(void *arg, uint64_t count)
{
    bide_task task;
    uint64_t value, half = count / 2;
    (void)arg;
    (void)bide_spawn(&task, answer_all, &half, NULL);
    for (uint64_t i = 0; i < half; i++) {
        (void)bide_channel_send(&channel, &i, BIDE_NEVER);
        (void)bide_channel_receive(&back, &value, BIDE_NEVER);
    }
    (void)bide_task_join(task, NULL, BIDE_NEVER);
}

/* One party alone, without waiting. */
static void send_and_receive(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t value;
        (void)bide_channel_send(&channel, &i, BIDE_NOW);
        (void)bide_channel_receive(&channel, &value, BIDE_NOW);
    }
}

static void lock_and_unlock(void *arg, uint64_t count)
{
    static bide_mutex mutex = BIDE_MUTEX_INIT;
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        (void)bide_mutex_lock(&mutex, BIDE_NEVER);
        (void)bide_mutex_unlock(&mutex);
    }
}

static void read_and_unlock(void *arg, uint64_t count)
{
    static bide_rwlock rwlock = BIDE_RWLOCK_INIT;
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        (void)bide_rwlock_lock_read(&rwlock, BIDE_NEVER);
        (void)bide_rwlock_unlock_read(&rwlock);
    }
}

static void acquire_and_release(void *arg, uint64_t count)
{
    static bide_semaphore semaphore = BIDE_SEMAPHORE_INIT(1);
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        (void)bide_semaphore_acquire(&semaphore, 1, BIDE_NEVER);
        (void)bide_semaphore_release(&semaphore, 1);
    }
}

static void with_capacity(const char *name, const char *operation, size_t capacity,
                          void (*work)(void *arg, uint64_t count))
{
    if (bide_channel_init(&channel, sizeof(uint64_t), capacity, NULL) != 0) return;
    if (bide_channel_init(&back, sizeof(uint64_t), capacity, NULL) != 0) return;
    bench_run_counted(name, operation, work, NULL, MESSAGES);
    (void)bide_channel_fini(&channel);
    (void)bide_channel_fini(&back);
}

static int run_all(void *arg)
{
    (void)arg;
    with_capacity("rendezvous", "rendezvous-message", 0, receive_all);
    with_capacity("rendezvous-back", "rendezvous-there-and-back", 0, ask_all);
    with_capacity("rendezvous-select", "rendezvous-by-a-select", 0, select_all);
    with_capacity("bounded-1", "channel-message-of-1", 1, receive_all);
    with_capacity("bounded-64", "channel-message", 64, receive_all);
    with_capacity("unbounded", "channel-message-unbounded", BIDE_CHANNEL_UNBOUNDED, receive_all);
    with_capacity("bounded-now", "channel-message-now", 64, send_and_receive);
    bench_run_counted("mutex", "mutex", lock_and_unlock, NULL, MESSAGES);
    bench_run_counted("rwlock-read", "rwlock-read", read_and_unlock, NULL, MESSAGES);
    bench_run_counted("semaphore", "semaphore", acquire_and_release, NULL, MESSAGES);
    return 0;
}

int main(void)
{
    bide_run_options one = {.workers = 1};
    return bide_run(run_all, NULL, &one);
}
