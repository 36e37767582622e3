/* Channels between tasks and threads: meetings at the same moment, order, lifetimes, tasks that are cancelled.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_channel.h"

TestSuite(channel, .timeout = 120);

/* --- meetings at the same moment -------------------------------------------------------------------------- */

static int sent;

static void send_in_partner(void)
{
    sent = send_now(1);
}

Test(channel, a_receive_that_is_cancelled_while_a_value_comes_has_it_or_has_not)
{
    int both[2] = {0, 0};
    open_with(0);
    partner_start(send_in_partner);
    for (int round = 1; round <= ROUNDS; round++) {
        bide_receiving receiving;
        int value = -1;
        struct counter *counter = calloc(1, sizeof *counter);
        bide_receiving_init(&receiving, &channel, &value);
        cr_assert_gives(poll_with(&receiving.future, counting(counter)), BIDE_PENDING);
        meet(round);
        int answer = bide_cancel(&receiving.future);
        /* No wake runs any more: its waker may go. */
        free(counter);
        part(round);
        bool has = answer == BIDE_COMPLETED;
        cr_assert_gives(sent, has ? 0 : BIDE_EAGAIN);
        cr_assert_gives(receiving.result, has ? 0 : BIDE_ECANCELED);
        cr_assert_eq(value, has ? 1 : -1);
        both[has]++;
    }
    partner_stop();
    cr_log_info("%d had it, %d had not", both[1], both[0]);
    done_with_it();
}

static int received;

static void receive_in_partner(void)
{
    received = receive_now();
}

Test(channel, a_send_that_is_cancelled_while_a_receiver_comes_has_sent_or_has_not)
{
    open_with(0);
    partner_start(receive_in_partner);
    for (int round = 1; round <= ROUNDS; round++) {
        bide_sending sending;
        struct counter *counter = calloc(1, sizeof *counter);
        bide_sending_init(&sending, &channel, &round);
        cr_assert_gives(poll_with(&sending.future, counting(counter)), BIDE_PENDING);
        meet(round);
        int answer = bide_cancel(&sending.future);
        free(counter);
        part(round);
        bool has = answer == BIDE_COMPLETED;
        cr_assert_gives(received, has ? round : BIDE_EAGAIN);
        cr_assert_gives(sending.result, has ? 0 : BIDE_ECANCELED);
    }
    partner_stop();
    done_with_it();
}

/* --- parties ---------------------------------------------------------------------------------------------- */

/* Passes numbers on from one channel to the next, and closes that one. */
struct stage {
    bide_channel *from, *to;
    int count;
};

static int pass_on(void *arg)
{
    const struct stage *stage = arg;
    int value, error;
    for (int i = 0; (error = bide_channel_receive(stage->from, &value, BIDE_NEVER)) == 0; i++) {
        MUST_GIVE(value, i);
        MUST_GIVE(bide_channel_send(stage->to, &value, bide_after(LONG)), 0);
    }
    MUST_GIVE(error, BIDE_END);
    return bide_channel_close(stage->to);
}

static int produce(void *arg)
{
    const struct stage *stage = arg;
    for (int i = 0; i < stage->count; i++)
        MUST_GIVE(bide_channel_send(stage->to, &i, i % 2 ? BIDE_NEVER : bide_after(LONG)), 0);
    return bide_channel_close(stage->to);
}

static int run_stage(void *arg)
{
    return ((struct stage *)arg)->from ? pass_on(arg) : produce(arg);
}

static int pass_through_stages(void *arg)
{
    enum { STAGES = 4 };
    bide_channel channels[STAGES];
    struct stage stages[STAGES];
    struct party parties[STAGES];
    for (size_t c = 0; c < CAPACITIES; c++) {
        for (int i = 0; i < STAGES; i++) {
            MUST_GIVE(bide_channel_init(&channels[i], sizeof(int), capacities[c], NULL), 0);
            stages[i].from = i ? &channels[i - 1] : NULL;
            stages[i].to = &channels[i];
            stages[i].count = MANY_TIMES / 20;
        }
        for (unsigned i = 0; i < STAGES; i++)
            MUST_GIVE(party_start(&parties[i], *(unsigned *)arg >> i & 1, run_stage, &stages[i]), 0);
        int value;
        for (int i = 0; i < stages[0].count; i++) {
            MUST_GIVE(bide_channel_receive(&channels[STAGES - 1], &value, BIDE_NEVER), 0);
            MUST_GIVE(value, i);
        }
        MUST_GIVE(bide_channel_receive(&channels[STAGES - 1], &value, BIDE_NEVER), BIDE_END);
        for (int i = 0; i < STAGES; i++)
            MUST_GIVE(party_join(&parties[i]), 0);
        for (int i = 0; i < STAGES; i++)
            MUST_GIVE(bide_channel_fini(&channels[i]), 0);
    }
    return 0;
}

Test(channel, values_come_in_order_through_a_chain_of_tasks_and_threads)
{
    with_mixes(pass_through_stages);
}

Test(channel, works_between_threads_without_a_scheduler)
{
    unsigned threads = 0;
    cr_assert_ok(pass_through_stages(&threads));
    cr_assert_ok(bide_shutdown());
}

/* --- lifetimes -------------------------------------------------------------------------------------------- */

static int send_the_last(void *arg)
{
    int value = 42;
    return bide_channel_send(arg, &value, BIDE_NEVER);
}

static int free_after_the_last(void *arg)
{
    for (int i = 0; i < MANY_TIMES / 20; i++)
        for (size_t c = 0; c < CAPACITIES; c++) {
            struct party sender;
            int value = 0;
            bide_channel *one = malloc(sizeof *one);
            MUST(one != NULL);
            MUST_GIVE(bide_channel_init(one, sizeof(int), capacities[c], NULL), 0);
            MUST_GIVE(party_start(&sender, *(unsigned *)arg >> (i & 1) & 1, send_the_last, one), 0);
            MUST_GIVE(bide_channel_receive(one, &value, BIDE_NEVER), 0);
            MUST_GIVE(bide_channel_fini(one), 0);
            memset(one, 0xee, sizeof *one);
            free(one);
            MUST_GIVE(value, 42);
            MUST_GIVE(party_join(&sender), 0);
        }
    return 0;
}

Test(channel, may_go_when_the_last_value_was_received_though_its_send_has_not_returned)
{
    with_mixes(free_after_the_last);
}

/* --- cancelled tasks -------------------------------------------------------------------------------------- */

static int wait_to_receive(void *arg)
{
    int value = -1;
    int error = bide_channel_receive(arg, &value, BIDE_NEVER);
    if (error == 0) return value;
    MUST_GIVE(error, BIDE_ECANCELED);
    MUST_GIVE(bide_channel_receive(arg, &value, BIDE_NEVER), BIDE_ECANCELED);
    return BIDE_ECANCELED;
}

static int cancel_receivers(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY_TIMES / 20; i++) {
        bide_task task;
        int value = 0;
        bide_channel own;
        MUST_GIVE(bide_channel_init(&own, sizeof(int), 0, NULL), 0);
        MUST_GIVE(bide_spawn(&task, wait_to_receive, &own, NULL), 0);
        if (i % 3) MUST_GIVE(bide_yield(), 0);
        if (i % 2) MUST_GIVE(bide_task_cancel(task), 0);
        int error = bide_channel_send(&own, &i, i % 2 ? BIDE_NOW : BIDE_NEVER);
        MUST_GIVE(bide_task_cancel(task), 0);
        MUST_GIVE(bide_task_join(task, &value, BIDE_NEVER), 0);
        /* Sent if and only if it was received. */
        MUST_GIVE(value, error == 0 ? i : BIDE_ECANCELED);
        MUST_GIVE(bide_channel_fini(&own), 0);
    }
    return 0;
}

Test(channel, a_task_that_is_cancelled_has_received_what_was_sent_to_it_and_nothing_else)
{
    WITH_WORKERS(cancel_receivers, NULL, 0);
}

/* One that need not wait lets others have their turn all the same. */
static int flood(void *arg)
{
    int value = 0;
    while (!atomic_load((atomic_bool *)arg))
        MUST_GIVE(bide_channel_send(&channel, &value, BIDE_NEVER), 0);
    return 0;
}

static int stop_the_flood(void *arg)
{
    atomic_bool stop = false;
    bide_task task;
    int value = -1;
    (void)arg;
    open_with(BIDE_CHANNEL_UNBOUNDED);
    MUST_GIVE(bide_spawn(&task, flood, &stop, NULL), 0);
    for (int i = 0; i < 3; i++)
        MUST_GIVE(bide_yield(), 0);
    atomic_store(&stop, true);
    MUST_GIVE(bide_task_join(task, &value, BIDE_NEVER), 0);
    MUST_GIVE(bide_channel_fini(&channel), 0);
    return value;
}

Test(channel, a_sender_that_never_has_to_wait_does_not_starve_its_worker)
{
    WITH_WORKERS(stop_the_flood, NULL, 0);
}
