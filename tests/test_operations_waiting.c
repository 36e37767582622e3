/* Reading and writing: deadlines, and operations as futures that may be cancelled.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

TestSuite(operations, .init = take_inventory, .timeout = 60);

/* --- deadlines ------------------------------------------------------------------------------------------ */

Test(operations, a_call_that_may_not_wait_gives_eagain)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char byte;
        for (int i = 0; i < 2; i++) {
            cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NOW), BIDE_EAGAIN);
            cr_assert_gives(bide_wait_readable(ends[0], BIDE_NOW), BIDE_EAGAIN);
        }
        cr_assert_gives(bide_wait_writable(ends[1], BIDE_NOW), 0);
        /* TCP goes on moving bytes to the peer, and so makes room, for a while. */
        if (kind != TCP) {
            (void)fill(ends[1]);
            cr_assert_gives(bide_wait_writable(ends[1], BIDE_NOW), BIDE_EAGAIN);
            cr_assert_gives(bide_write(ends[1], "x", 1, BIDE_NOW), BIDE_EAGAIN);
        }
        free_both(ends);
    }
    expect_nothing_left(before);
}

#ifdef _WIN32
/* The pair is TCP there, whose sender looks after a fifth of a second whether there is a little room by now. */
#define SETTLED BIDE_MILLISECONDS(500)
#else
#define SETTLED SHORT
#endif

Test(operations, a_deadline_that_passes_gives_etimedout_and_never_before_it)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    char byte;
    (void)fill(ends[1]);
    (void)take_all(bide_async_fd(ends[0]));
    do
        (void)fill(ends[1]);
    while (bide_wait_writable(ends[1], bide_after(SETTLED)) == 0);
    for (int i = 0; i < 2; i++) {
        bide_instant deadline = bide_after(SHORT);
        cr_assert_gives(i ? bide_wait_writable(ends[1], deadline) : bide_write(ends[1], "x", 1, deadline),
                        BIDE_ETIMEDOUT);
        cr_assert_not(bide_before(bide_now(), deadline), "%lld ns too early",
                      (long long)bide_instant_since(deadline, bide_now()));
    }
    (void)take_all(bide_async_fd(ends[0]));
    for (int i = 0; i < 2; i++) {
        bide_instant deadline = bide_after(SHORT);
        cr_assert_gives(i ? bide_wait_readable(ends[0], deadline) : bide_read(ends[0], &byte, 1, deadline),
                        BIDE_ETIMEDOUT);
        cr_assert_not(bide_before(bide_now(), deadline), "%lld ns too early",
                      (long long)bide_instant_since(deadline, bide_now()));
    }
    /* One that has passed already. */
    cr_assert_gives(bide_read(ends[0], &byte, 1, bide_after(0)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_read(ends[0], &byte, 1, bide_after(-BIDE_SECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_read(ends[0], &byte, 1, bide_instant_from_ns(1)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_wait_readable(ends[0], bide_instant_from_ns(1)), BIDE_ETIMEDOUT);
    free_both(ends);
    expect_nothing_left(before);
}

Test(operations, a_passed_deadline_still_takes_what_is_there_in_a_last_try)
{
    const bide_instant deadlines[] = {BIDE_NOW, bide_instant_from_ns(1), bide_after(-BIDE_SECONDS(1))};
    for (enum channel kind = 0; kind < CHANNELS; kind++)
        for (int i = 0; i < 3; i++) {
            bide_async *ends[2];
            open_channel(kind, ends);
            char byte = 0;
            /* The memory says "drained", and no turn of the poller has told of the byte. */
            drain_memory(ends[0]);
            put(bide_async_fd(ends[1]), "x", 1);
            cr_assert_gives(bide_wait_readable(ends[0], deadlines[i]), 0);
            cr_assert_gives(bide_read(ends[0], &byte, 1, deadlines[i]), 1);
            cr_assert_eq(byte, 'x');
            if (kind != TCP) {
                (void)fill(ends[1]);
                (void)take_all(bide_async_fd(ends[0]));
                cr_assert_gives(bide_wait_writable(ends[1], deadlines[i]), 0);
                cr_assert_gives(bide_write(ends[1], "y", 1, deadlines[i]), 1);
            }
            free_both(ends);
        }
    expect_nothing_left(before);
}

Test(operations, a_thousand_calls_that_may_not_wait_all_find_what_is_there)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    for (int i = 0; i < 1000; i++) {
        char byte;
        put(bide_async_fd(ends[1]), "x", 1);
        cr_assert_gives(bide_wait_readable(ends[0], BIDE_NOW), 0);
        bide_ssize count = bide_read(ends[0], &byte, 1, BIDE_NOW);
        cr_assert_eq(count, 1, "call %d gave %s", i, bide_error_name(count));
    }
    free_both(ends);
    expect_nothing_left(before);
}

/* Data that comes at the very moment of the deadline: the first poll finds nothing, the last try does. */
static bide_ssize late_arrival(void *arg, bide_fd fd)
{
    int *calls = arg;
    (void)fd;
    return ++*calls < 2 ? BIDE_EAGAIN : 5;
}

Test(operations, an_operation_that_finishes_at_the_deadline_keeps_its_result)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    int calls = 0;
    cr_assert_gives(bide_read_with(ends[0], late_arrival, &calls, bide_after(SHORT)), 5);
    cr_assert_eq(calls, 2);

    /* The same with a time-out around the future, both ready. */
    char byte;
    bide_io io;
    bide_timeout timeout;
    bide_io_read(&io, ends[0], &byte, 1);
    put(bide_async_fd(ends[1]), "x", 1);
    bide_timeout_init(&timeout, &io.future, bide_instant_from_ns(1));
    cr_assert_ok(bide_block_on(&timeout.future));
    cr_assert_ok(timeout.result);
    cr_assert_gives(io.result, 1);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- futures -------------------------------------------------------------------------------------------- */

Test(operations, a_cancelled_read_takes_no_byte_and_leaves_its_storage)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        struct counter counter = {0};
        unsigned char buffer[4];
        bide_io io;
        bide_io_read(&io, ends[0], buffer, 4);
        cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_PENDING);
        cr_assert_eq(waiters_of(ends[0], BIDE_READ), 1);
        cr_assert_gives(cancel_with(&io.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(io.result, BIDE_ECANCELED);
        cr_assert_gives(cancel_with(&io.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_READY);
        cr_assert_eq(waiters_of(ends[0], BIDE_READ), 0);
        memset(&io, 0xa5, sizeof io);
        memset(buffer, 0xa5, sizeof buffer);
        cr_assert_gives(bide_write(ends[1], "abc", 3, BIDE_NEVER), 3);
        char later[4] = "";
        cr_assert_gives(bide_read(ends[0], later, 4, bide_after(LONG)), 3);
        cr_assert_str_eq(later, "abc");
        cr_assert_eq(counter.wakes, 0);
        for (size_t i = 0; i < sizeof io; i++)
            cr_assert_eq(((unsigned char *)&io)[i], 0xa5, "byte %zu of the future was written", i);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(operations, a_future_that_finished_keeps_its_result_when_it_is_cancelled)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct counter counter = {0};
    char byte = 0;
    bide_io io;
    bide_io_read(&io, ends[0], &byte, 1);
    put(bide_async_fd(ends[1]), "x", 1);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(cancel_with(&io.future, counting(&counter)), BIDE_COMPLETED);
    cr_assert_gives(io.result, 1);
    free_both(ends);
    expect_nothing_left(before);
}

Test(operations, every_operation_works_as_a_future)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    char in[16] = "", out[] = "hello";
    bide_buffer in_piece = {in, 5}, out_piece = {out, 5};
    bide_io io;
    bide_io_write(&io, ends[1], out, 5);
    cr_assert_ok(bide_await(&io.future, bide_after(LONG)));
    cr_assert_gives(io.result, 5);
    bide_io_peek(&io, ends[0], in, 16);
    cr_assert_ok(bide_await(&io.future, bide_after(LONG)));
    cr_assert_gives(io.result, 5);
    bide_io_read(&io, ends[0], in, 16);
    cr_assert_ok(bide_await(&io.future, bide_after(LONG)));
    cr_assert_gives(io.result, 5);
    bide_io_writev(&io, ends[1], &out_piece, 1);
    cr_assert_ok(bide_await(&io.future, bide_after(LONG)));
    cr_assert_gives(io.result, 5);
    bide_io_readv(&io, ends[0], &in_piece, 1);
    cr_assert_ok(bide_await(&io.future, bide_after(LONG)));
    cr_assert_gives(io.result, 5);
    cr_assert_str_eq(in, "hello");
    bide_io_read(&io, NULL, in, 16);
    cr_assert_ok(bide_await(&io.future, bide_after(LONG)));
    cr_assert_gives(io.result, BIDE_EINVAL);
    free_both(ends);
    expect_nothing_left(before);
}
