/* Many senders and receivers, tasks and threads, that give up, select, race and time out all the time: what was sent
 * is received, once, and in order. And what the common case costs: no system call, no allocation.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_sync.h"

#include "support/syscalls.h"

TestSuite(sync_stress, .timeout = 120);
TestSuite(sync_counts, .timeout = 60);

/* --- the stress ----------------------------------------------------------------------------------------------- */

enum { SENDERS = 4, RECEIVERS = 4, EACH = MANY_TIMES / 20 };

struct message {
    uint32_t sender, number;
};

struct stress {
    bide_channel channel, unheard, silent; /* on which nobody receives, and nobody sends */
    atomic_uint next_sender, next_receiver;
    atomic_ullong sent, received; /* checksums */
    atomic_int senders_left;
};

static uint64_t checksum(const struct message *message)
{
    /* Each message has its own, so that one lost and another doubled are seen. */
    uint64_t x = ((uint64_t)message->sender << 32 | message->number) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

/* Gives up soon, now and then; 0: sent. */
static int send_somehow(struct stress *stress, const struct message *message, unsigned how)
{
    bide_sending sending;
    bide_case cases[2];
    switch (how % 6) {
    case 0: return bide_channel_send(&stress->channel, message, BIDE_NEVER);
    case 1: return bide_channel_send(&stress->channel, message, BIDE_NOW);
    case 2: return bide_channel_send(&stress->channel, message, bide_after(BIDE_MICROSECONDS(how % 50)));
    case 3:
        cases[0] = bide_case_send(&stress->channel, message);
        cases[1] = bide_case_send(&stress->unheard, message);
        return bide_select(cases, 2, how % 12 == 3 ? BIDE_NEVER : bide_after(BIDE_MICROSECONDS(how % 50)));
    case 4: {
        bide_timer timer;
        bide_future *both[] = {&sending.future, &timer.future};
        bool completed[2];
        bide_sending_init(&sending, &stress->channel, message);
        bide_timer_after(&timer, BIDE_MICROSECONDS(how % 50));
        int winner = bide_race_until(both, 2, BIDE_NEVER, completed);
        if (winner < 0) return winner;
        return completed[0] ? sending.result : BIDE_ETIMEDOUT;
    }
    default: {
        bide_sending_init(&sending, &stress->channel, message);
        int error = bide_await(&sending.future, BIDE_NOW);
        return error ? error : sending.result;
    }
    }
}

static bool gave_up(int error)
{
    return error == BIDE_EAGAIN || error == BIDE_ETIMEDOUT;
}

static int send_many(struct stress *stress)
{
    struct message message = {atomic_fetch_add(&stress->next_sender, 1), 0};
    for (unsigned how = message.sender; message.number < EACH; how++) {
        int error = send_somehow(stress, &message, how);
        if (gave_up(error)) continue;
        MUST_GIVE(error, 0);
        atomic_fetch_add(&stress->sent, checksum(&message));
        message.number++;
    }
    /* The last one closes. */
    return atomic_fetch_sub(&stress->senders_left, 1) == 1 ? bide_channel_close(&stress->channel) : 0;
}

static int receive_somehow(struct stress *stress, struct message *message, unsigned how)
{
    bide_receiving receiving;
    bide_case cases[2];
    switch (how % 5) {
    case 0: return bide_channel_receive(&stress->channel, message, BIDE_NEVER);
    case 1: return bide_channel_receive(&stress->channel, message, BIDE_NOW);
    case 2: return bide_channel_receive(&stress->channel, message, bide_after(BIDE_MICROSECONDS(how % 50)));
    case 3: {
        cases[0] = bide_case_receive(&stress->silent, message);
        cases[1] = bide_case_receive(&stress->channel, message);
        int chosen =
            bide_select(cases, 2, how % 10 == 3 ? BIDE_NEVER : bide_after(BIDE_MICROSECONDS(how % 50)));
        return chosen == 1 ? cases[1].result : chosen == 0 ? -1 : chosen;
    }
    default: {
        bide_receiving_init_stream(&receiving, &stress->channel, message);
        int error = bide_await(&receiving.future, bide_after(BIDE_MICROSECONDS(how % 50)));
        return error ? error : receiving.result;
    }
    }
}

static int receive_many(struct stress *stress)
{
    uint32_t last[SENDERS];
    memset(last, 0xff, sizeof last);
    for (unsigned how = atomic_fetch_add(&stress->next_receiver, 1);; how++) {
        struct message message = {99, 99};
        int error = receive_somehow(stress, &message, how);
        if (gave_up(error)) continue;
        if (error == BIDE_END) return 0;
        MUST_GIVE(error, 0);
        MUST(message.sender < SENDERS);
        /* Of one sender's, each receiver sees a later one each time. */
        MUST(last[message.sender] == UINT32_MAX || message.number > last[message.sender]);
        last[message.sender] = message.number;
        atomic_fetch_add(&stress->received, checksum(&message));
    }
}

struct role {
    struct stress *stress;
    bool sends;
};

static int take_part(void *arg)
{
    const struct role *role = arg;
    return role->sends ? send_many(role->stress) : receive_many(role->stress);
}

static int give_up_all_the_time(void *arg)
{
    static const size_t capacities[] = {0, 1, 16, BIDE_CHANNEL_UNBOUNDED};
    struct party parties[SENDERS + RECEIVERS];
    struct role roles[SENDERS + RECEIVERS];
    for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        struct stress stress;
        memset(&stress, 0, sizeof stress);
        MUST_GIVE(bide_channel_init(&stress.channel, sizeof(struct message), capacities[c], NULL), 0);
        MUST_GIVE(bide_channel_init(&stress.unheard, sizeof(struct message), 0, NULL), 0);
        MUST_GIVE(bide_channel_init(&stress.silent, sizeof(struct message), 0, NULL), 0);
        atomic_store(&stress.senders_left, SENDERS);
        for (int i = 0; i < SENDERS + RECEIVERS; i++)
            roles[i] = (struct role){&stress, i % 4 < 2};
        MUST_GIVE(parties_run(parties, SENDERS + RECEIVERS, *(unsigned *)arg, take_part, roles,
                              sizeof *roles),
                  0);
        MUST(atomic_load(&stress.sent) == atomic_load(&stress.received) && atomic_load(&stress.sent) != 0);
        MUST_GIVE(bide_channel_fini(&stress.channel), 0);
        MUST_GIVE(bide_channel_fini(&stress.unheard), 0);
        MUST_GIVE(bide_channel_fini(&stress.silent), 0);
    }
    return 0;
}

Test(sync_stress, what_is_sent_is_received_once_and_in_order_whoever_gives_up)
{
    with_mixes(give_up_all_the_time);
}

/* --- what it costs -------------------------------------------------------------------------------------------- */

static int count_messages(void *arg)
{
    bide_channel *channel = arg;
    for (int i = 0; i < 1000; i++)
        MUST_GIVE(bide_channel_send(channel, &i, BIDE_NEVER), 0);
    return 0;
}

static int pass_messages(void *arg)
{
    bide_channel channel;
    bide_task task;
    int value;
    MUST_GIVE(bide_channel_init(&channel, sizeof(int), *(size_t *)arg, NULL), 0);
    MUST_GIVE(bide_spawn(&task, count_messages, &channel, NULL), 0);
    MUST_GIVE(bide_channel_receive(&channel, &value, BIDE_NEVER), 0);
    bide_calls_reset();
    for (int i = 1; i < 1000; i++)
        MUST_GIVE(bide_channel_receive(&channel, &value, BIDE_NEVER), 0);
    MUST_GIVE((int)bide_calls_of(BIDE_CALL_ALLOC), 0);
    /* A look at the reactor each so many switches, of which each is one call. */
    MUST(bide_calls_total() < 100);
    MUST_GIVE(bide_task_join(task, &value, BIDE_NEVER), 0);
    MUST_GIVE(value, 0);
    return bide_channel_fini(&channel);
}

Test(sync_counts, a_message_between_two_tasks_allocates_nothing_and_makes_no_system_call)
{
    static size_t capacities[] = {0, 1, 64};
    bide_run_options one = {.workers = 1};
    for (size_t i = 0; i < 3; i++)
        cr_assert_ok(bide_run(pass_messages, &capacities[i], &one));
}

Test(sync_counts, locks_that_nobody_else_wants_make_no_system_call_and_allocate_nothing)
{
    bide_mutex mutex = BIDE_MUTEX_INIT;
    bide_condition condition = BIDE_CONDITION_INIT;
    bide_rwlock rwlock = BIDE_RWLOCK_INIT;
    bide_semaphore semaphore = BIDE_SEMAPHORE_INIT(1);
    bide_wait_group group = BIDE_WAIT_GROUP_INIT;
    bide_once once = BIDE_ONCE_INIT;
    bide_calls_reset();
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NEVER));
        bide_condition_signal(&condition);
        cr_assert_ok(bide_mutex_unlock(&mutex));
        cr_assert_ok(bide_rwlock_lock_read(&rwlock, bide_after(LONG)));
        cr_assert_ok(bide_rwlock_unlock_read(&rwlock));
        cr_assert_ok(bide_rwlock_lock_write(&rwlock, BIDE_NOW));
        cr_assert_ok(bide_rwlock_unlock_write(&rwlock));
        cr_assert_ok(bide_semaphore_acquire(&semaphore, 1, BIDE_NEVER));
        cr_assert_ok(bide_semaphore_release(&semaphore, 1));
        cr_assert_ok(bide_wait_group_add(&group, 1));
        cr_assert_ok(bide_wait_group_done(&group));
        cr_assert_ok(bide_wait_group_wait(&group, BIDE_NEVER));
        int entered = bide_once_enter(&once, BIDE_NEVER);
        cr_assert_gives(entered, i ? 0 : BIDE_ONCE_RUN);
        if (entered) cr_assert_ok(bide_once_leave(&once, true));
    }
    cr_assert_eq(bide_calls_total() + bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
    cr_assert_ok(bide_mutex_fini(&mutex));
    cr_assert_ok(bide_rwlock_fini(&rwlock));
}
