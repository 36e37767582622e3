/* Whole buffers as futures: all bytes, and how many of them whatever happens.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include "support/syscalls.h"

TestSuite(bulk, .init = take_inventory, .timeout = 60);

#define LARGE ((size_t)4 << 20)

static unsigned char sent[LARGE], received[LARGE];

static void make_bytes(void)
{
    for (size_t i = 0; i < LARGE; i++)
        sent[i] = (unsigned char)(i % 251);
    memset(received, 0, sizeof received);
}

Test(bulk, large_buffers_go_both_ways_at_once_by_one_thread)
{
    make_bytes();
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        static unsigned char received_back[LARGE];
        bide_async *ends[2];
        open_channel(kind, ends);
        bide_bulk all[4];
        bide_bulk_write(&all[0], ends[0], sent, LARGE);
        bide_bulk_read(&all[1], ends[1], received, LARGE);
        bide_bulk_write(&all[2], ends[1], sent, LARGE);
        bide_bulk_read(&all[3], ends[0], received_back, LARGE);
        bide_future *futures[] = {&all[0].future, &all[1].future, &all[2].future, &all[3].future};
        cr_assert_ok(bide_join(futures, 4, bide_after(LONG)));
        for (int i = 0; i < 4; i++) {
            cr_assert_ok(all[i].result);
            cr_assert_eq(all[i].done, LARGE, "%zu bytes", all[i].done);
        }
        cr_assert_eq(memcmp(sent, received, LARGE), 0, "other bytes");
        cr_assert_eq(memcmp(sent, received_back, LARGE), 0, "other bytes back");
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(bulk, a_read_goes_on_until_it_has_all_and_tells_of_an_early_end)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char bytes[8] = "";
        struct counter counter = {0};
        bide_async *async = open_one(kind, &peer);
        bide_bulk bulk;
        bide_bulk_read(&bulk, async, bytes, 7);
        cr_assert_gives(poll_with(&bulk.future, counting(&counter)), BIDE_PENDING);
        cr_assert_eq(bulk.done, 0);
        put(peer, "abc", 3);
        AWAIT(counter.wakes > 0);
        cr_assert_gives(poll_with(&bulk.future, counting(&counter)), BIDE_PENDING);
        cr_assert_eq(bulk.done, 3, "%zu bytes", bulk.done);
        put(peer, "defg+", 5);
        cr_assert_ok(bide_await(&bulk.future, bide_after(LONG)));
        cr_assert_ok(bulk.result);
        cr_assert_eq(bulk.done, 7);
        cr_assert_str_eq(bytes, "abcdefg");
        (void)close(peer);
        bide_bulk_read(&bulk, async, bytes, 7);
        cr_assert_ok(bide_await(&bulk.future, bide_after(LONG)));
        cr_assert_gives(bulk.result, BIDE_EEOF);
        cr_assert_eq(bulk.done, 1, "%zu bytes", bulk.done);
        cr_assert_ok(bide_async_free(async));
    }
    expect_nothing_left(before);
}

Test(bulk, what_was_moved_before_a_cancel_or_a_deadline_is_told)
{
    bide_async *ends[2];
    make_bytes();
    open_channel(UNIX, ends);
    bide_bulk bulk;
    bide_bulk_write(&bulk, ends[0], sent, LARGE);
    cr_assert_gives(bide_await(&bulk.future, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_gives(bulk.result, BIDE_ECANCELED);
    size_t done = bulk.done;
    cr_assert(done > 0 && done < LARGE, "%zu bytes", done);
    bide_bulk_write(&bulk, ends[0], sent + done, LARGE - done);
    cr_assert_gives(bide_await(&bulk.future, BIDE_NOW), BIDE_EAGAIN);
    done += bulk.done;
    cr_assert_ok(bide_read_exact(ends[1], received, done, bide_after(LONG), NULL));
    cr_assert_eq(memcmp(sent, received, done), 0, "other bytes");
    cr_assert_gives(bide_read(ends[1], received, 1, BIDE_NOW), BIDE_EAGAIN);

    bide_bulk_read(&bulk, ends[1], received, 10);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&bulk.future, counting(&counter)), BIDE_PENDING);
    put(bide_async_fd(ends[0]), "abcd", 4);
    AWAIT(counter.wakes > 0);
    cr_assert_gives(poll_with(&bulk.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(cancel_with(&bulk.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(bulk.result, BIDE_ECANCELED);
    cr_assert_eq(bulk.done, 4, "%zu bytes", bulk.done);
    free_both(ends);
    expect_nothing_left(before);
}

Test(bulk, of_no_bytes_it_tells_the_handles_error_without_a_system_call)
{
    bide_async *ends[2];
    char byte;
    bide_bulk bulk;
    open_channel(UNIX, ends);
    (void)bide_sleep(BIDE_MICROSECONDS(1));
    bide_calls_reset();
    bide_bulk_read(&bulk, ends[0], NULL, 0);
    cr_assert_ok(bide_await(&bulk.future, BIDE_NEVER));
    cr_assert_ok(bulk.result);
    bide_bulk_write(&bulk, ends[0], &byte, 0);
    cr_assert_ok(bide_await(&bulk.future, BIDE_NOW));
    cr_assert_ok(bulk.result);
    cr_assert_eq(bide_calls_total(), 0, "%s", bide_calls_text());
    free_both(ends);
    bide_bulk_write(&bulk, ends[0], &byte, 0);
    cr_assert_ok(bide_await(&bulk.future, BIDE_NEVER));
    cr_assert_gives(bulk.result, BIDE_EFREED);
    expect_nothing_left(before);
}

Test(bulk, errors_and_wrong_arguments_are_told)
{
    bide_async *ends[2];
    char byte = 'x';
    bide_bulk bulk;
    open_channel(UNIX, ends);
    bide_bulk_read(NULL, ends[0], &byte, 1);
    bide_bulk_write(NULL, ends[0], &byte, 1);
    for (int i = 0; i < 2; i++) {
        bide_bulk_read(&bulk, i ? ends[0] : NULL, i ? NULL : &byte, 1);
        cr_assert_ok(bide_await(&bulk.future, BIDE_NEVER));
        cr_assert_gives(bulk.result, BIDE_EINVAL);
    }
    cr_assert_ok(bide_async_free(ends[1]));
    bide_bulk_write(&bulk, ends[0], &byte, 1);
    cr_assert_ok(bide_await(&bulk.future, BIDE_NEVER));
    cr_assert_gives(bulk.result, BIDE_EPIPE);
    bide_bulk_write(&bulk, ends[0], &byte, 1);
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_ok(bide_await(&bulk.future, BIDE_NEVER));
    cr_assert_gives(bulk.result, BIDE_ECANCELED);
    cr_assert_eq(bulk.done, 0);
    expect_nothing_left(before);
}
