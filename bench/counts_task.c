/* The hot paths of tasks, for bench/counts.c: on one worker, so that they are the same each time.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counts.h"

#include "os/compiler.h"
#include "task/context.h"

#include <bide.h>

#include <stdalign.h>

#define CROWD 100
#define BLOCKED 10000
#define YIELDS 100
#define ROUNDS 1000

/* --- fibers ---------------------------------------------------------------------------------------------- */

static struct bide_fiber thread, peer;
static alignas(64) char stack[65536];

static BIDE_OS_NOINLINE void switch_often(struct bide_fiber *from, struct bide_fiber *to, uint64_t count)
{
    for (; count > 0; count--)
        bide_fiber_switch(from, to);
}

static void switch_back(void *arg)
{
    (void)arg;
    switch_often(&peer, &thread, UINT64_MAX);
}

static void finish(void *arg)
{
    (void)arg;
    bide_fiber_exit(&peer, &thread);
}

static void make_run_and_end(int count)
{
    for (int i = 0; i < count; i++) {
        bide_fiber_make(&peer, stack, sizeof stack, finish, NULL, false);
        bide_fiber_switch(&thread, &peer);
        bide_fiber_retire(&peer);
    }
}

static void count_switches(void)
{
    bide_fiber_adopt(&thread);
    bide_fiber_make(&peer, stack, sizeof stack, switch_back, NULL, false);
    switch_often(&thread, &peer, 1);
    BEGIN();
    switch_often(&thread, &peer, ROUNDS / 2);
    END("switch", 1000);
    bide_fiber_make(&peer, stack, sizeof stack, switch_back, NULL, true);
    switch_often(&thread, &peer, 1);
    BEGIN();
    switch_often(&thread, &peer, ROUNDS / 2);
    END("switch-of-modes", 1000);
    make_run_and_end(1);
    BEGIN();
    make_run_and_end(ROUNDS);
    END("fiber-life", 1000);
}

/* --- from the spawn to the join --------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static bide_task tasks[CROWD];

static void spawn_all(bide_task_function function, void *arg)
{
    for (int i = 0; i < CROWD; i++)
        must(bide_spawn(&tasks[i], function, arg, NULL) == 0);
}

static void join_all(void)
{
    for (int i = 0; i < CROWD; i++)
        must(bide_task_join(tasks[i], NULL, BIDE_NEVER) == 0);
}

static void count_spawns(void)
{
    for (int round = 0; round < 2; round++) {
        BEGIN();
        for (int i = 0; i < CROWD; i++) {
            must(bide_spawn(&tasks[0], nothing, NULL, NULL) == 0);
            must(bide_task_join(tasks[0], NULL, BIDE_NEVER) == 0);
        }
        if (round) END("spawn-and-join", CROWD);
    }
    for (int round = 0; round < 2; round++) {
        BEGIN();
        spawn_all(nothing, NULL);
        join_all();
        if (round) END("spawn-and-join-of-a-crowd", CROWD);
    }
    for (int round = 0; round < 2; round++) {
        BEGIN();
        for (int i = 0; i < CROWD; i++)
            must(bide_spawn(NULL, nothing, NULL, NULL) == 0);
        must(bide_yield() == 0);
        if (round) END("spawn-detached", CROWD);
    }
}

/* --- waiting and yielding --------------------------------------------------------------------------------- */

static bide_event start;
static int blocked;

static int wait_for_start(void *arg)
{
    (void)arg;
    blocked++;
    return bide_event_wait(&start, BIDE_NEVER);
}

/* More than there were before, so that most get a stack that is new, as in a crowd that grows. */
static void count_blocked_crowd(void)
{
    static bide_task crowd[BLOCKED];
    must(bide_event_init(&start, BIDE_EVENT_MANUAL) == 0);
    BEGIN();
    for (int i = 0; i < BLOCKED; i++)
        must(bide_spawn(&crowd[i], wait_for_start, NULL, NULL) == 0);
    while (blocked < BLOCKED)
        must(bide_yield() == 0);
    END("spawn-and-block", 10000);
    BEGIN();
    bide_event_set(&start);
    for (int i = 0; i < BLOCKED; i++)
        must(bide_task_join(crowd[i], NULL, BIDE_NEVER) == 0);
    END("wake-and-join", 10000);
    must(bide_event_fini(&start) == 0);
}

static int yield_for_long(void *arg)
{
    (void)arg;
    for (int i = 0; i < YIELDS; i++)
        must(bide_yield() == 0);
    return 0;
}

/* A hundred yields of a hundred tasks, and of one. */
static void count_yields(void)
{
    spawn_all(yield_for_long, NULL);
    BEGIN();
    join_all();
    END("yield", 10000);
    for (int round = 0; round < 2; round++) {
        BEGIN();
        must(bide_spawn(&tasks[0], yield_for_long, NULL, NULL) == 0);
        must(bide_task_join(tasks[0], NULL, BIDE_NEVER) == 0);
        if (round) END("yield-alone", YIELDS);
    }
}

static bide_event ping, pong;
static bide_duration limit; /* of each wait; 0: none */

static void wait_for(bide_event *event)
{
    must(bide_event_wait(event, limit ? bide_after(limit) : BIDE_NEVER) == 0);
}

static int answer(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS / 2; i++) {
        wait_for(&ping);
        bide_event_set(&pong);
    }
    return 0;
}

static void play(void)
{
    must(bide_spawn(&tasks[0], answer, NULL, NULL) == 0);
    for (int i = 0; i < ROUNDS / 2; i++) {
        bide_event_set(&ping);
        wait_for(&pong);
    }
    must(bide_task_join(tasks[0], NULL, BIDE_NEVER) == 0);
}

static void count_wakes(void)
{
    must(bide_event_init(&ping, BIDE_EVENT_AUTO) == 0 && bide_event_init(&pong, BIDE_EVENT_AUTO) == 0);
    play();
    BEGIN();
    play();
    END("wake-and-wait", 1000);
    limit = BIDE_SECONDS(3600);
    play();
    BEGIN();
    play();
    END("wake-and-wait-until", 1000);
    must(bide_event_fini(&ping) == 0 && bide_event_fini(&pong) == 0);
}

/* --- channels --------------------------------------------------------------------------------------------- */

static bide_channel channel, back;

static int send_all(void *arg)
{
    uint64_t count = *(const uint64_t *)arg;
    for (uint64_t i = 0; i < count; i++)
        must(bide_channel_send(&channel, &i, BIDE_NEVER) == 0);
    return 0;
}

static void receive_all(uint64_t count)
{
    uint64_t value;
    must(bide_spawn(&tasks[0], send_all, &count, NULL) == 0);
    for (uint64_t i = 0; i < count; i++)
        must(bide_channel_receive(&channel, &value, BIDE_NEVER) == 0 && value == i);
    must(bide_task_join(tasks[0], NULL, BIDE_NEVER) == 0);
}

static void select_all(uint64_t count)
{
    uint64_t value;
    bide_case cases[] = {bide_case_receive(&channel, &value), bide_case_receive(&back, &value)};
    must(bide_spawn(&tasks[0], send_all, &count, NULL) == 0);
    for (uint64_t i = 0; i < count; i++)
        must(bide_select(cases, 2, BIDE_NEVER) == 0 && value == i);
    must(bide_task_join(tasks[0], NULL, BIDE_NEVER) == 0);
}

static int answer_all(void *arg)
{
    uint64_t count = *(const uint64_t *)arg, value;
    for (uint64_t i = 0; i < count; i++)
        must(bide_channel_receive(&channel, &value, BIDE_NEVER) == 0 &&
             bide_channel_send(&back, &value, BIDE_NEVER) == 0);
    return 0;
}

static void ask_all(uint64_t count)
{
    uint64_t value, half = count / 2;
    must(bide_spawn(&tasks[0], answer_all, &half, NULL) == 0);
    for (uint64_t i = 0; i < half; i++)
        must(bide_channel_send(&channel, &i, BIDE_NEVER) == 0 &&
             bide_channel_receive(&back, &value, BIDE_NEVER) == 0 && value == i);
    must(bide_task_join(tasks[0], NULL, BIDE_NEVER) == 0);
}

static void send_and_receive(uint64_t count)
{
    uint64_t value;
    for (uint64_t i = 0; i < count; i++)
        must(bide_channel_send(&channel, &i, BIDE_NOW) == 0 &&
             bide_channel_receive(&channel, &value, BIDE_NOW) == 0);
}

/* A thousand messages by `work`, which did so before. */
#define COUNT_MESSAGES(name, capacity, work)                                      \
    do {                                                                          \
        must(bide_channel_init(&channel, sizeof(uint64_t), capacity, NULL) == 0); \
        must(bide_channel_init(&back, sizeof(uint64_t), capacity, NULL) == 0);    \
        work(ROUNDS);                                                             \
        BEGIN();                                                                  \
        work(ROUNDS);                                                             \
        END(name, 1000);                                                          \
        must(bide_channel_fini(&channel) == 0 && bide_channel_fini(&back) == 0);  \
    } while (0)

static void count_channels(void)
{
    COUNT_MESSAGES("rendezvous-message", 0, receive_all);
    COUNT_MESSAGES("rendezvous-there-and-back", 0, ask_all);
    COUNT_MESSAGES("rendezvous-by-a-select", 0, select_all);
    COUNT_MESSAGES("channel-message-of-1", 1, receive_all);
    COUNT_MESSAGES("channel-message", 64, receive_all);
    COUNT_MESSAGES("channel-message-unbounded", BIDE_CHANNEL_UNBOUNDED, receive_all);
    COUNT_MESSAGES("channel-message-now", 64, send_and_receive);
}

/* --- locks that nobody else wants ------------------------------------------------------------------------- */

static void count_locks(void)
{
    static bide_mutex mutex = BIDE_MUTEX_INIT;
    static bide_rwlock rwlock = BIDE_RWLOCK_INIT;
    static bide_semaphore semaphore = BIDE_SEMAPHORE_INIT(1);
    for (int round = 0; round < 2; round++) {
        BEGIN();
        for (int i = 0; i < ROUNDS; i++)
            must(bide_mutex_lock(&mutex, BIDE_NEVER) == 0 && bide_mutex_unlock(&mutex) == 0);
        if (round) END("mutex", 1000);
        BEGIN();
        for (int i = 0; i < ROUNDS; i++)
            must(bide_rwlock_lock_read(&rwlock, BIDE_NEVER) == 0 && bide_rwlock_unlock_read(&rwlock) == 0);
        if (round) END("rwlock-read", 1000);
        BEGIN();
        for (int i = 0; i < ROUNDS; i++)
            must(bide_semaphore_acquire(&semaphore, 1, BIDE_NEVER) == 0 &&
                 bide_semaphore_release(&semaphore, 1) == 0);
        if (round) END("semaphore", 1000);
    }
}

static int count_in_a_task(void *arg)
{
    (void)arg;
    count_spawns();
    count_yields();
    count_blocked_crowd();
    count_wakes();
    count_channels();
    count_locks();
    return 0;
}

void count_tasks(void)
{
    bide_run_options one = {.workers = 1};
    count_switches();
    must(bide_run(count_in_a_task, NULL, &one) == 0);
}
