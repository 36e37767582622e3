/* Batches of datagrams.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_udp.h"

#include "support/syscalls.h"

TestSuite(batch, .init = take_inventory, .timeout = 60);

#define BIT(name) BIDE_CALL_BIT(BIDE_CALL_##name)

/* Room or contents of one byte each, which is its number. */
static void prepare(bide_datagram *datagrams, unsigned char *bytes, size_t count)
{
    memset(datagrams, 0, count * sizeof *datagrams);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)i;
        datagrams[i].buffer.base = &bytes[i];
        datagrams[i].buffer.length = 1;
    }
}

static void assert_in_order(const bide_datagram *datagrams, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(bytes[i], i, "datagram %zu is number %d", i, bytes[i]);
        cr_assert_eq(datagrams[i].length, 1, "datagram %zu has %zu bytes", i, datagrams[i].length);
        cr_assert_eq(datagrams[i].flags, 0, "datagram %zu: flags %#x", i, datagrams[i].flags);
    }
}

Test(batch, sixty_four_datagrams_go_in_one_call_and_come_in_one)
{
    bide_address where[2];
    bide_async *ends[2] = {bind_anywhere(&where[0]), bind_anywhere(&where[1])};
    bide_datagram datagrams[BIDE_BATCH_MOST];
    unsigned char bytes[BIDE_BATCH_MOST];
    cr_assert_ok(bide_sleep(1));
    prepare(datagrams, bytes, BIDE_BATCH_MOST);
    for (int i = 0; i < BIDE_BATCH_MOST; i++)
        datagrams[i].address = where[1];
    bide_calls_reset();
    cr_assert_gives(bide_send_batch(ends[0], datagrams, BIDE_BATCH_MOST, BIDE_NEVER), BIDE_BATCH_MOST);
    cr_assert_eq(bide_calls_total(), 1, "%s", bide_calls_text());
    prepare(datagrams, bytes, BIDE_BATCH_MOST);
    memset(bytes, 255, sizeof bytes);
    bide_calls_reset();
    cr_assert_gives(bide_recv_batch(ends[1], datagrams, BIDE_BATCH_MOST, BIDE_NEVER), BIDE_BATCH_MOST);
    cr_assert_eq(bide_calls_total(), 1, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
    assert_in_order(datagrams, bytes, BIDE_BATCH_MOST);
    for (int i = 0; i < BIDE_BATCH_MOST; i++)
        assert_same_address(&datagrams[i].address, &where[0]);
    free_both(ends);
    expect_nothing_left(before);
}

Test(batch, of_a_longer_array_the_first_are_moved)
{
    bide_async *ends[2];
    bide_datagram datagrams[BIDE_BATCH_MOST + 10];
    unsigned char bytes[BIDE_BATCH_MOST + 10];
    connect_udp(ends);
    prepare(datagrams, bytes, BIDE_BATCH_MOST + 10);
    cr_assert_gives(bide_send_batch(ends[0], datagrams, BIDE_BATCH_MOST + 10, BIDE_NEVER), BIDE_BATCH_MOST);
    cr_assert_gives(bide_send_batch(ends[0], datagrams + BIDE_BATCH_MOST, 10, BIDE_NEVER), 10);
    prepare(datagrams, bytes, BIDE_BATCH_MOST + 10);
    cr_assert_gives(bide_recv_batch(ends[1], datagrams, BIDE_BATCH_MOST + 10, BIDE_NEVER), BIDE_BATCH_MOST);
    cr_assert_gives(bide_recv_batch(ends[1], datagrams + BIDE_BATCH_MOST, 10, BIDE_NEVER), 10);
    assert_in_order(datagrams, bytes, BIDE_BATCH_MOST + 10);
    free_both(ends);
    expect_nothing_left(before);
}

Test(batch, what_has_come_is_taken_without_waiting_for_more)
{
    bide_async *ends[2];
    bide_datagram datagrams[8];
    unsigned char bytes[8];
    connect_udp(ends);
    prepare(datagrams, bytes, 8);
    cr_assert_gives(bide_recv_batch(ends[1], datagrams, 8, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_send_batch(ends[0], datagrams, 3, BIDE_NEVER), 3);
    cr_assert_gives(bide_recv_batch(ends[1], datagrams, 8, BIDE_NEVER), 3);
    assert_in_order(datagrams, bytes, 3);
    free_both(ends);
    expect_nothing_left(before);
}

Test(batch, truncation_is_reported_for_the_datagram_it_hit)
{
    bide_async *ends[2];
    bide_datagram datagrams[3];
    unsigned char bytes[3];
    connect_udp(ends);
    cr_assert_gives(bide_send(ends[0], "a", 1, BIDE_NEVER), 1);
    cr_assert_gives(bide_send(ends[0], "bcd", 3, BIDE_NEVER), 3);
    cr_assert_gives(bide_send(ends[0], "", 0, BIDE_NEVER), 0);
    prepare(datagrams, bytes, 3);
    cr_assert_gives(bide_recv_batch(ends[1], datagrams, 3, BIDE_NEVER), 3);
    static const uint32_t flags[] = {0, BIDE_MESSAGE_TRUNCATED, 0};
    static const size_t lengths[] = {1, 1, 0};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(datagrams[i].flags, flags[i], "datagram %d: flags %#x", i, datagrams[i].flags);
        cr_assert_eq(datagrams[i].length, lengths[i], "datagram %d: %zu bytes", i, datagrams[i].length);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(batch, one_that_cannot_be_sent_is_told_by_the_call_that_begins_with_it)
{
    static char large[70000];
    bide_async *ends[2];
    bide_datagram datagrams[5];
    unsigned char bytes[5];
    for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
        connect_udp(ends);
        prepare(datagrams, bytes, 5);
        datagrams[2].buffer.base = large;
        datagrams[2].buffer.length = sizeof large;
        if (one_by_one) bide_fault_set(BIT(SENDMSG), 1, 1, ENOSYS);
        cr_assert_gives(bide_send_batch(ends[0], datagrams, 5, BIDE_NEVER), 2);
        cr_assert_eq(bide_fault_clear(), (unsigned long)one_by_one);
        cr_assert_gives(bide_send_batch(ends[0], datagrams + 2, 3, BIDE_NEVER), BIDE_EMSGSIZE);
        cr_assert_gives(bide_send_batch(ends[0], datagrams + 3, 2, BIDE_NEVER), 2);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(batch, a_system_without_such_calls_moves_one_after_the_other)
{
    bide_address where[2];
    bide_async *ends[2] = {bind_anywhere(&where[0]), bind_anywhere(&where[1])};
    bide_datagram datagrams[8];
    unsigned char bytes[8];
    for (int receives_first = 0; receives_first < 2; receives_first++)
        for (int round = 0; round < 2; round++) {
            prepare(datagrams, bytes, 8);
            for (int i = 0; i < 8; i++)
                datagrams[i].address = where[1];
            /* It is asked once. */
            bide_calls_reset();
            if (round == 0 && !receives_first) bide_fault_set(BIT(SENDMSG), 1, 1, ENOSYS);
            cr_assert_gives(bide_send_batch(ends[0], datagrams, 8, BIDE_NEVER), 8);
            (void)bide_fault_clear();
            cr_assert_eq(bide_calls_of(BIDE_CALL_SENDMSG), round == 0 && !receives_first ? 9 : 8, "%s",
                         bide_calls_text());
            prepare(datagrams, bytes, 8);
            bide_calls_reset();
            cr_assert_gives(bide_recv_batch(ends[1], datagrams, 5, BIDE_NEVER), 5);
            cr_assert_gives(bide_recv_batch(ends[1], datagrams + 5, 3, BIDE_NEVER), 3);
            cr_assert_eq(bide_calls_of(BIDE_CALL_RECVMSG), 8, "%s", bide_calls_text());
            assert_in_order(datagrams, bytes, 8);
            assert_same_address(&datagrams[7].address, &where[0]);
            cr_assert_gives(bide_recv_batch(ends[1], datagrams, 8, BIDE_NOW), BIDE_EAGAIN);
        }
    free_both(ends);
    expect_nothing_left(before);
}

Test(batch, a_system_that_cannot_receive_several_receives_one_after_the_other)
{
    bide_async *ends[2];
    bide_datagram datagrams[4];
    unsigned char bytes[4];
    connect_udp(ends);
    prepare(datagrams, bytes, 4);
    cr_assert_gives(bide_send_batch(ends[0], datagrams, 4, BIDE_NEVER), 4);
    bide_fault_set(BIT(RECVMSG), 1, 1, ENOSYS);
    cr_assert_gives(bide_recv_batch(ends[1], datagrams, 4, BIDE_NEVER), 4);
    cr_assert_eq(bide_fault_clear(), 1);
    assert_in_order(datagrams, bytes, 4);
    free_both(ends);
    expect_nothing_left(before);
}

Test(batch, a_full_receiver_that_is_addressed_is_tried_again)
{
    bide_address where;
    bide_async *receiver = name_unix(&where), *sender = unnamed_unix();
    bide_datagram datagrams[BIDE_BATCH_MOST];
    unsigned char bytes[BIDE_BATCH_MOST];
    prepare(datagrams, bytes, BIDE_BATCH_MOST);
    for (int i = 0; i < BIDE_BATCH_MOST; i++)
        datagrams[i].address = where;
    bide_ssize result;
    while ((result = bide_send_batch(sender, datagrams, BIDE_BATCH_MOST, BIDE_NOW)) > 0)
        continue;
    cr_assert_gives(result, BIDE_EAGAIN);
    cr_assert_gives(bide_send_batch(sender, datagrams, BIDE_BATCH_MOST, bide_after(SHORT)), BIDE_ETIMEDOUT);
    struct counter counter = {0};
    bide_batch batch;
    bide_batch_send_init(&batch, sender, datagrams, BIDE_BATCH_MOST);
    cr_assert_eq(poll_with(&batch.future, counting(&counter)), BIDE_PENDING);
    char byte;
    for (int i = 0; i < 2; i++)
        cr_assert_gives(bide_recv(receiver, &byte, 1, BIDE_NOW), 1);
    AWAIT(counter.wakes > 0);
    cr_assert_eq(poll_with(&batch.future, counting(&counter)), BIDE_READY);
    cr_assert(batch.result >= 1 && batch.result <= 3, "%td were sent", batch.result);
    cr_assert_ok(bide_async_free(sender));
    cr_assert_ok(bide_async_free(receiver));
    expect_nothing_left(before);
}
