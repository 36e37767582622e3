/* Channels: order, capacity, closing, cancelling, streams; by hand, step by step.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_channel.h"

TestSuite(channel, .timeout = 120);

/* --- one party -------------------------------------------------------------------------------------------- */

Test(channel, stores_as_many_values_as_its_capacity_and_gives_them_in_order)
{
    for (int capacity = 1; capacity <= 5; capacity++) {
        open_with((size_t)capacity);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < capacity; i++)
                cr_assert_ok(send_now(i));
            cr_assert_gives(send_now(99), BIDE_EAGAIN);
            cr_assert_eq(bide_channel_count(&channel), (size_t)capacity);
            for (int i = 0; i < capacity; i++)
                cr_assert_gives(receive_now(), i);
            cr_assert_gives(receive_now(), BIDE_EAGAIN);
        }
        done_with_it();
    }
}

Test(channel, of_capacity_0_has_nothing_to_give_without_a_sender_and_takes_nothing_without_a_receiver)
{
    open_with(0);
    cr_assert_gives(send_now(1), BIDE_EAGAIN);
    cr_assert_gives(receive_now(), BIDE_EAGAIN);
    cr_assert_eq(bide_channel_count(&channel), 0);
    done_with_it();
}

Test(channel, that_is_unbounded_takes_any_number_and_gives_them_in_order)
{
    open_with(BIDE_CHANNEL_UNBOUNDED);
    int next_in = 0, next_out = 0;
    /* Chunks fill, are emptied in the middle, and are used again. */
    for (int burst = 1; burst < 6000; burst = burst * 3 + 1) {
        for (int i = 0; i < burst; i++)
            cr_assert_ok(send_now(next_in++));
        for (int i = 0; i < burst - burst / 3; i++)
            cr_assert_gives(receive_now(), next_out++);
    }
    cr_assert_eq(bide_channel_count(&channel), (size_t)(next_in - next_out));
    while (next_out < next_in)
        cr_assert_gives(receive_now(), next_out++);
    cr_assert_gives(receive_now(), BIDE_EAGAIN);
    /* What is left is dropped without a leak. */
    for (int i = 0; i < 5000; i++)
        cr_assert_ok(send_now(i));
    done_with_it();
}

Test(channel, carries_values_of_any_size_also_of_none)
{
    static const size_t sizes[] = {0, 1, 3, 4, 8, 24, 5000};
    static const size_t rooms[] = {2, BIDE_CHANNEL_UNBOUNDED};
    unsigned char in[5000], out[5000];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t r = 0; r < 2; r++) {
            size_t size = sizes[s];
            cr_assert_ok(bide_channel_init(&channel, size, rooms[r], NULL));
            for (int round = 0; round < 3; round++) {
                for (int i = 0; i < 2; i++) {
                    memset(in, round * 2 + i, size);
                    cr_assert_ok(bide_channel_send(&channel, size ? in : NULL, BIDE_NOW));
                }
                for (int i = 0; i < 2; i++) {
                    memset(in, round * 2 + i, size);
                    memset(out, 0xff, sizeof out);
                    cr_assert_ok(bide_channel_receive(&channel, size ? out : NULL, BIDE_NOW));
                    cr_assert_eq(memcmp(in, out, size), 0, "another value of %zu bytes", size);
                    cr_assert(size == sizeof out || out[size] == 0xff, "more than %zu bytes", size);
                }
                cr_assert_gives(bide_channel_receive(&channel, size ? out : NULL, BIDE_NOW), BIDE_EAGAIN);
            }
            done_with_it();
        }
}

Test(channel, uses_storage_of_the_callers)
{
    int storage[4] = {0};
    cr_assert_ok(bide_channel_init(&channel, sizeof(int), 3, storage));
    for (int i = 1; i <= 3; i++)
        cr_assert_ok(send_now(i));
    cr_assert_gives(send_now(4), BIDE_EAGAIN);
    cr_assert(storage[0] == 1 && storage[1] == 2 && storage[2] == 3 && storage[3] == 0, "%d %d %d %d",
              storage[0], storage[1], storage[2], storage[3]);
    cr_assert_gives(receive_now(), 1);
    done_with_it();
}

Test(channel, refuses_bad_arguments_and_tells_what_was_given_up)
{
    int value = 0;
    static bide_channel zeroed;
    cr_assert_gives(bide_channel_init(NULL, 4, 1, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_channel_init(&channel, 4, 0, &value), BIDE_EINVAL);
    cr_assert_gives(bide_channel_init(&channel, 4, BIDE_CHANNEL_UNBOUNDED, &value), BIDE_EINVAL);
    cr_assert_gives(bide_channel_init(&channel, SIZE_MAX / 2, 3, NULL), BIDE_ENOMEM);
    cr_assert_gives(bide_channel_init(&channel, 4, SIZE_MAX - 1, NULL), BIDE_ENOMEM);
    cr_assert_gives(bide_channel_send(NULL, &value, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_channel_receive(NULL, &value, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_channel_close(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_channel_fini(NULL), BIDE_EINVAL);
    cr_assert_eq(bide_channel_count(NULL), 0);
    cr_assert(bide_channel_is_closed(NULL), "NULL is open");
    cr_assert_gives(bide_channel_receive(&zeroed, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_channel_close(&zeroed), BIDE_EINVAL);

    open_with(1);
    cr_assert_gives(bide_channel_send(&channel, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_channel_receive(&channel, NULL, BIDE_NEVER), BIDE_EINVAL);
    bide_sending_init(NULL, &channel, &value);
    bide_receiving_init(NULL, &channel, &value);
    bide_sending nowhere;
    bide_sending_init(&nowhere, NULL, &value);
    cr_assert_ok(bide_await(&nowhere.future, BIDE_NEVER));
    cr_assert_gives(nowhere.result, BIDE_EINVAL);
    cr_assert_ok(bide_channel_fini(&channel));
    cr_assert_gives(bide_channel_fini(&channel), BIDE_EFREED);
    cr_assert_gives(bide_channel_close(&channel), BIDE_EFREED);
    cr_assert_gives(bide_channel_receive(&channel, NULL, BIDE_NEVER), BIDE_EFREED);
    cr_assert_ok(bide_shutdown());
}

Test(channel, gives_up_at_the_deadline_and_not_before_and_has_neither_sent_nor_received)
{
    for (size_t i = 0; i < 2; i++) {
        open_with(capacities[i]);
        int value = 7;
        bide_instant deadline = bide_after(SHORT);
        cr_assert_gives(bide_channel_receive(&channel, &value, deadline), BIDE_ETIMEDOUT);
        cr_assert(!bide_before(bide_now(), deadline), "too early");
        cr_assert_eq(value, 7);
        if (capacities[i]) cr_assert_ok(send_now(1));
        deadline = bide_after(SHORT);
        cr_assert_gives(bide_channel_send(&channel, &value, deadline), BIDE_ETIMEDOUT);
        cr_assert(!bide_before(bide_now(), deadline), "too early");
        cr_assert_eq(bide_channel_count(&channel), capacities[i]);
        if (capacities[i]) cr_assert_gives(receive_now(), 1);
        done_with_it();
    }
}

/* --- several waits, step by step -------------------------------------------------------------------------- */

static struct counter counters[4];

/* Sends of 0 to 3 that wait, in order. */
static void begin_sends(bide_sending sends[4], const int values[4])
{
    for (int i = 0; i < 4; i++) {
        counters[i].wakes = 0;
        bide_sending_init(&sends[i], &channel, &values[i]);
        cr_assert_gives(poll_with(&sends[i].future, counting(&counters[i])), BIDE_PENDING);
    }
}

static void begin_receives(bide_receiving receives[4], int into[4])
{
    for (int i = 0; i < 4; i++) {
        counters[i].wakes = 0;
        into[i] = -1;
        bide_receiving_init(&receives[i], &channel, &into[i]);
        cr_assert_gives(poll_with(&receives[i].future, counting(&counters[i])), BIDE_PENDING);
    }
}

static void expect_ready(bide_future *future, int i, const int *result, int expected)
{
    cr_assert_eq(counters[i].wakes, 1, "%d was woken %d times", i, counters[i].wakes);
    cr_assert_gives(poll_with(future, counting(&counters[i])), BIDE_READY);
    cr_assert_gives(*result, expected);
}

static const int values[4] = {10, 11, 12, 13};

Test(channel, serves_those_who_wait_to_send_in_order_and_no_try_overtakes_them)
{
    for (size_t capacity = 0; capacity <= 2; capacity++) {
        bide_sending sends[4];
        open_with(capacity);
        for (size_t i = 0; i < capacity; i++)
            cr_assert_ok(send_now((int)i));
        begin_sends(sends, values);
        cr_assert_gives(send_now(99), BIDE_EAGAIN);
        /* Each receive lets the one that has waited longest go on; its value comes behind those stored. */
        for (int i = 0; i < 4; i++) {
            cr_assert_gives(receive_now(), i < (int)capacity ? i : values[i - (int)capacity]);
            expect_ready(&sends[i].future, i, &sends[i].result, 0);
            cr_assert_gives(send_now(99), BIDE_EAGAIN);
        }
        for (int i = 4 - (int)capacity; i < 4; i++)
            cr_assert_gives(receive_now(), values[i]);
        cr_assert_gives(receive_now(), BIDE_EAGAIN);
        done_with_it();
    }
}

Test(channel, serves_those_who_wait_to_receive_in_order)
{
    for (size_t c = 0; c < CAPACITIES; c++) {
        bide_receiving receives[4];
        int into[4];
        open_with(capacities[c]);
        begin_receives(receives, into);
        for (int i = 0; i < 4; i++) {
            cr_assert_ok(send_now(values[i]));
            expect_ready(&receives[i].future, i, &receives[i].result, 0);
            cr_assert_eq(into[i], values[i]);
        }
        cr_assert_eq(bide_channel_count(&channel), 0);
        done_with_it();
    }
}

Test(channel, a_send_that_is_cancelled_has_not_sent_and_one_that_had_says_so)
{
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        bide_sending sends[4];
        open_with(capacity);
        if (capacity) cr_assert_ok(send_now(1));
        begin_sends(sends, values);
        cr_assert_gives(bide_cancel(&sends[1].future), BIDE_READY);
        cr_assert_gives(sends[1].result, BIDE_ECANCELED);
        if (capacity)
            cr_assert_gives(receive_now(), 1);
        else
            cr_assert_gives(receive_now(), 10);
        /* 10 is stored, or received. */
        cr_assert_gives(bide_cancel(&sends[0].future), BIDE_COMPLETED);
        cr_assert_gives(sends[0].result, 0);
        if (capacity) cr_assert_gives(receive_now(), 10);
        cr_assert_gives(receive_now(), 12);
        cr_assert_gives(receive_now(), 13);
        cr_assert_gives(receive_now(), BIDE_EAGAIN);
        for (int i = 2; i < 4; i++)
            expect_ready(&sends[i].future, i, &sends[i].result, 0);
        cr_assert_eq(counters[1].wakes, 0);
        done_with_it();
    }
}

Test(channel, a_receive_that_is_cancelled_takes_nothing_and_one_that_had_a_value_keeps_it)
{
    for (size_t c = 0; c < CAPACITIES; c++) {
        bide_receiving receives[4];
        int into[4];
        open_with(capacities[c]);
        begin_receives(receives, into);
        cr_assert_gives(bide_cancel(&receives[0].future), BIDE_READY);
        cr_assert_gives(receives[0].result, BIDE_ECANCELED);
        cr_assert_ok(send_now(5));
        cr_assert_gives(bide_cancel(&receives[1].future), BIDE_COMPLETED);
        cr_assert_gives(receives[1].result, 0);
        cr_assert_eq(into[0], -1);
        cr_assert_eq(into[1], 5);
        cr_assert_ok(send_now(6));
        expect_ready(&receives[2].future, 2, &receives[2].result, 0);
        cr_assert_eq(into[2], 6);
        cr_assert_gives(bide_cancel(&receives[3].future), BIDE_READY);
        done_with_it();
    }
}

Test(channel, the_losers_of_a_race_have_not_taken_a_value_unless_the_race_says_so)
{
    bide_channel other;
    int into[2] = {-1, -1};
    bool completed[2];
    bide_receiving receives[2];
    bide_future *both[] = {&receives[0].future, &receives[1].future};
    open_with(0);
    cr_assert_ok(bide_channel_init(&other, sizeof(int), 4, NULL));
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_channel_send(&other, &values[i], BIDE_NOW));
    bide_receiving_init(&receives[0], &channel, &into[0]);
    bide_receiving_init(&receives[1], &other, &into[1]);
    cr_assert_gives(bide_race_until(both, 2, BIDE_NEVER, completed), 1);
    cr_assert(!completed[0] && completed[1]);
    cr_assert_eq(into[1], 10);
    cr_assert_eq(into[0], -1);

    /* Both are given a value before the race looks: the loser says that it has one. */
    struct counter counter = {0};
    bide_racing racing;
    cr_assert_ok(bide_channel_receive(&other, &into[1], BIDE_NOW));
    bide_receiving_init(&receives[0], &channel, &into[0]);
    bide_receiving_init(&receives[1], &other, &into[1]);
    bide_racing_init(&racing, both, 2, completed);
    cr_assert_gives(poll_with(&racing.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(send_now(1));
    cr_assert_ok(bide_channel_send(&other, &values[2], BIDE_NOW));
    cr_assert_gives(poll_with(&racing.future, counting(&counter)), BIDE_READY);
    cr_assert(completed[0] && completed[1], "%d %d", completed[0], completed[1]);
    cr_assert(into[0] == 1 && into[1] == 12, "%d %d", into[0], into[1]);
    cr_assert_ok(bide_channel_fini(&other));
    done_with_it();
}

Test(channel, one_that_is_awaited_is_not_given_up)
{
    bide_receiving receives[4];
    bide_sending sends[4];
    int into[4];
    open_with(0);
    begin_receives(receives, into);
    cr_assert_gives(bide_channel_fini(&channel), BIDE_EBUSY);
    for (int i = 0; i < 4; i++)
        cr_assert_gives(bide_cancel(&receives[i].future), BIDE_READY);
    begin_sends(sends, values);
    cr_assert_gives(bide_channel_fini(&channel), BIDE_EBUSY);
    cr_assert_gives(receive_now(), 10);
    for (int i = 1; i < 4; i++)
        cr_assert_gives(bide_cancel(&sends[i].future), BIDE_READY);
    done_with_it();
}

/* --- closing ---------------------------------------------------------------------------------------------- */

Test(channel, that_is_closed_gives_what_is_stored_and_then_the_end)
{
    static const size_t rooms[] = {3, BIDE_CHANNEL_UNBOUNDED};
    for (int r = 0; r < 2; r++) {
        open_with(rooms[r]);
        for (int i = 0; i < 3; i++)
            cr_assert_ok(send_now(i));
        cr_assert(!bide_channel_is_closed(&channel));
        cr_assert_ok(bide_channel_close(&channel));
        cr_assert_gives(bide_channel_close(&channel), BIDE_ECLOSED);
        cr_assert(bide_channel_is_closed(&channel));
        cr_assert_gives(send_now(3), BIDE_ECLOSED);
        for (int i = 0; i < 3; i++)
            cr_assert_gives(receive_now(), i);
        for (int i = 0; i < 2; i++) {
            int value;
            cr_assert_gives(receive_now(), BIDE_END);
            cr_assert_gives(bide_channel_receive(&channel, &value, BIDE_NEVER), BIDE_END);
        }
        done_with_it();
    }
}

Test(channel, closing_tells_the_end_to_all_who_wait_to_receive)
{
    for (size_t c = 0; c < CAPACITIES; c++) {
        bide_receiving receives[4];
        int into[4];
        open_with(capacities[c]);
        begin_receives(receives, into);
        cr_assert_ok(bide_channel_close(&channel));
        cr_assert_gives(bide_cancel(&receives[3].future), BIDE_COMPLETED);
        cr_assert_gives(receives[3].result, BIDE_END);
        for (int i = 0; i < 3; i++) {
            expect_ready(&receives[i].future, i, &receives[i].result, BIDE_END);
            cr_assert_eq(into[i], -1);
        }
        done_with_it();
    }
}

Test(channel, closing_turns_away_all_who_wait_to_send_and_keeps_what_is_stored)
{
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        bide_sending sends[4];
        open_with(capacity);
        if (capacity) cr_assert_ok(send_now(1));
        begin_sends(sends, values);
        cr_assert_ok(bide_channel_close(&channel));
        for (int i = 0; i < 4; i++)
            expect_ready(&sends[i].future, i, &sends[i].result, BIDE_ECLOSED);
        if (capacity) cr_assert_gives(receive_now(), 1);
        cr_assert_gives(receive_now(), BIDE_END);
        done_with_it();
    }
}

/* A waker of one of those who are told may find another one in the closer's batch. */
static bide_receiving batch[3];
static int cancelled;

static void cancel_the_next(void *arg)
{
    (void)arg;
    cr_assert_gives(bide_cancel(&batch[1].future), BIDE_EDEADLK);
}

static int cancel_in_batch_main(void)
{
    return bide_cancel(&batch[2].future);
}

static void note_cancelled(void)
{
    cancelled = cancel_in_batch_main();
}

Test(channel, one_that_is_cancelled_while_it_is_being_told_of_the_end_was_told)
{
    partner_start(note_cancelled);
    for (int round = 1; round <= ROUNDS; round++) {
        struct counter counter = {0};
        int into;
        open_with(0);
        for (int i = 0; i < 3; i++) {
            bide_waker waker = i == 0 ? (bide_waker){cancel_the_next, NULL} : counting(&counter);
            bide_receiving_init(&batch[i], &channel, &into);
            cr_assert_gives(poll_with(&batch[i].future, waker), BIDE_PENDING);
        }
        meet(round);
        cr_assert_ok(bide_channel_close(&channel));
        part(round);
        int expected = cancelled == BIDE_COMPLETED ? BIDE_END : BIDE_ECANCELED;
        cr_assert_gives(batch[2].result, expected);
        for (int i = 0; i < 2; i++) {
            cr_assert_gives(poll_with(&batch[i].future, counting(&counter)), BIDE_READY);
            cr_assert_gives(batch[i].result, BIDE_END);
        }
        cr_assert_ok(bide_channel_fini(&channel));
    }
    partner_stop();
    cr_assert_ok(bide_shutdown());
}

/* --- streams ---------------------------------------------------------------------------------------------- */

Test(channel, a_stream_gives_each_value_and_at_last_the_end)
{
    for (size_t c = 1; c < CAPACITIES; c++) {
        bide_receiving stream;
        int value = -1;
        open_with(capacities[c]);
        bide_receiving_init_stream(&stream, &channel, &value);
        struct counter counter = {0};
        for (int i = 0; i < 300; i++) {
            if (i % 3 == 0) {
                /* It waits. */
                counter.wakes = 0;
                cr_assert_gives(poll_with(&stream.future, counting(&counter)), BIDE_PENDING);
                cr_assert_ok(send_now(i));
                cr_assert_eq(counter.wakes, 1);
            } else {
                cr_assert_ok(send_now(i));
            }
            cr_assert_ok(bide_await(&stream.future, BIDE_NEVER));
            cr_assert_gives(stream.result, 0);
            cr_assert_eq(value, i);
        }
        cr_assert_gives(bide_await(&stream.future, BIDE_NOW), BIDE_EAGAIN);
        cr_assert_ok(bide_channel_close(&channel));
        for (int i = 0; i < 2; i++) {
            cr_assert_ok(bide_await(&stream.future, BIDE_NEVER));
            cr_assert_gives(stream.result, BIDE_END);
        }
        done_with_it();
    }
}

Test(channel, a_stream_in_a_set_is_ready_for_each_value)
{
    bide_set set;
    bide_set_member member, *ready;
    bide_receiving stream;
    int value = -1;
    open_with(8);
    bide_set_init(&set);
    bide_receiving_init_stream(&stream, &channel, &value);
    for (int i = 0; i < 8; i++)
        cr_assert_ok(send_now(i));
    for (int i = 0; i < 8; i++) {
        cr_assert_ok(bide_set_add(&set, &member, &stream.future, NULL));
        cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
        cr_assert_eq(value, i);
    }
    done_with_it();
}
