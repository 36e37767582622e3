/* Reading and writing: what goes through, peeking, shutting down. Deadlines and cancelling are in
 * test_operations_waiting.c, operations of the caller's own in test_operations_custom.c, readers that are
 * gone in test_operations_sigpipe.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include <sys/eventfd.h>

TestSuite(operations, .init = take_inventory, .timeout = 60);

/* --- reading and writing -------------------------------------------------------------------------------- */

Test(operations, bytes_go_through_every_kind_of_channel)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        for (int round = 0; round < 3; round++) {
            char buffer[16] = "";
            struct call reader = {.function = call_read,
                                  .async = ends[0],
                                  .buffer = buffer,
                                  .length = 16,
                                  .deadline = bide_after(LONG)};
            drain_memory(ends[0]);
            call_start(&reader);
            await_waiters(ends[0], BIDE_READ, 1);
            cr_assert_gives(bide_write(ends[1], "hello", 5, bide_after(LONG)), 5);
            bide_ssize count = call_join(&reader);
            cr_assert_eq(count, 5, "%s: read gave %td", channel_names[kind], count);
            cr_assert_str_eq(buffer, "hello", "%s: read '%s'", channel_names[kind], buffer);
        }
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(operations, an_eventfd_is_awaited_like_any_other)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, fd));
    uint64_t value = 0;
    cr_assert_gives(bide_read(async, &value, sizeof value, bide_after(SHORT)), BIDE_ETIMEDOUT);
    struct call reader = {.function = call_read,
                          .async = async,
                          .buffer = &value,
                          .length = sizeof value,
                          .deadline = bide_after(LONG)};
    call_start(&reader);
    await_waiters(async, BIDE_READ, 1);
    uint64_t three = 3;
    cr_assert_gives(bide_write(async, &three, sizeof three, bide_after(LONG)), sizeof three);
    cr_assert_gives(call_join(&reader), sizeof value);
    cr_assert_eq(value, 3);

    /* Full, it can be waited for in the other direction. */
    uint64_t most = UINT64_MAX - 1;
    cr_assert_gives(bide_write(async, &most, sizeof most, BIDE_NOW), sizeof most);
    struct call writer = {.function = call_write,
                          .async = async,
                          .buffer = &three,
                          .length = sizeof three,
                          .deadline = bide_after(LONG)};
    call_start(&writer);
    await_waiters(async, BIDE_WRITE, 1);
    cr_assert_gives(bide_read(async, &value, sizeof value, bide_after(LONG)), sizeof value);
    cr_assert_gives(call_join(&writer), sizeof three);
    cr_assert_ok(bide_async_free(async));
    expect_nothing_left(before);
}

Test(operations, vectored_writes_and_reads_keep_the_order)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char a[] = "one ", b[] = "", c[] = "two ", d[] = "three";
        bide_buffer out[] = {{a, 4}, {b, 0}, {c, 4}, {d, 5}};
        cr_assert_gives(bide_writev(ends[1], out, 4, bide_after(LONG)), 13);
        char first[3], second[1], third[64] = "";
        bide_buffer in[] = {{first, 3}, {second, 1}, {third, 64}};
        cr_assert_gives(bide_readv(ends[0], in, 3, bide_after(LONG)), 13);
        cr_assert_eq(memcmp(first, "one", 3), 0, "%s", channel_names[kind]);
        cr_assert_eq(second[0], ' ', "%s", channel_names[kind]);
        cr_assert_str_eq(third, "two three", "%s", channel_names[kind]);
        /* Waiting, too. */
        cr_assert_gives(bide_readv(ends[0], in, 3, bide_after(SHORT)), BIDE_ETIMEDOUT);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(operations, up_to_1024_buffers_are_taken_and_more_refused)
{
    static char bytes[1025];
    static bide_buffer pieces[1025];
    for (int i = 0; i < 1025; i++)
        pieces[i] = (bide_buffer){&bytes[i], 1};
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        cr_assert_gives(bide_writev(ends[1], pieces, 1025, BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_writev(ends[1], pieces, SIZE_MAX / 2 + 2, BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_writev(ends[1], pieces, 1024, BIDE_NOW), 1024);
        cr_assert_gives(bide_readv(ends[0], pieces, 1025, BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_readv(ends[0], pieces, SIZE_MAX / 2 + 2, BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_readv(ends[0], pieces, 1024, BIDE_NOW), 1024);
        /* Refused at once also when it would have to wait. */
        drain_memory(ends[0]);
        cr_assert_gives(bide_readv(ends[0], pieces, 1025, bide_after(LONG)), BIDE_EINVAL);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(operations, a_read_of_no_bytes_does_not_wait)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char byte;
        bide_buffer nothing = {&byte, 0};
        for (int drained = 0; drained < 2; drained++) {
            cr_assert_gives(bide_read(ends[0], &byte, 0, bide_after(LONG)), 0);
            cr_assert_gives(bide_readv(ends[0], &nothing, 1, bide_after(LONG)), 0);
            cr_assert_gives(bide_readv(ends[0], NULL, 0, bide_after(LONG)), 0);
            cr_assert_gives(bide_write(ends[1], &byte, 0, bide_after(LONG)), 0);
            cr_assert_gives(bide_writev(ends[1], NULL, 0, bide_after(LONG)), 0);
            drain_memory(ends[0]);
            (void)fill(ends[1]);
            (void)take_all(bide_async_fd(ends[0]));
        }
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(operations, peek_and_then_read_give_the_same_bytes)
{
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char buffer[16] = "";
        cr_assert_gives(bide_peek(ends[0], buffer, 16, bide_after(SHORT)), BIDE_ETIMEDOUT);
        cr_assert_gives(bide_write(ends[1], "hello", 5, BIDE_NEVER), 5);
        for (int i = 0; i < 3; i++) {
            memset(buffer, 0, sizeof buffer);
            cr_assert_gives(bide_peek(ends[0], buffer, 16, bide_after(LONG)), 5);
            cr_assert_str_eq(buffer, "hello");
        }
        memset(buffer, 0, sizeof buffer);
        cr_assert_gives(bide_peek(ends[0], buffer, 2, bide_after(LONG)), 2);
        cr_assert_str_eq(buffer, "he");
        cr_assert_gives(bide_read(ends[0], buffer, 16, bide_after(LONG)), 5);
        cr_assert_str_eq(buffer, "hello");
        cr_assert_ok(bide_async_free(ends[1]));
        cr_assert_gives(bide_peek(ends[0], buffer, 16, bide_after(LONG)), 0);
        cr_assert_gives(bide_read(ends[0], buffer, 16, bide_after(LONG)), 0);
        cr_assert_ok(bide_async_free(ends[0]));
    }
    expect_nothing_left(before);
}

Test(operations, peek_at_what_is_no_socket_is_refused_whatever_the_memory_says)
{
    bide_async *ends[2];
    open_channel(PIPE, ends);
    char byte;
    cr_assert_gives(bide_peek(ends[0], &byte, 1, bide_after(LONG)), BIDE_ENOTSOCK);
    drain_memory(ends[0]);
    cr_assert_gives(bide_peek(ends[0], &byte, 1, bide_after(LONG)), BIDE_ENOTSOCK);
    free_both(ends);
    expect_nothing_left(before);
}

Test(operations, when_the_writer_is_gone_a_read_gives_the_rest_and_then_0)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++)
        for (int waiting = 0; waiting < 2; waiting++) {
            bide_async *ends[2];
            open_channel(kind, ends);
            char buffer[16];
            struct call reader = {.function = call_read,
                                  .async = ends[0],
                                  .buffer = buffer,
                                  .length = 16,
                                  .deadline = BIDE_NEVER};
            if (waiting) {
                call_start(&reader);
                await_waiters(ends[0], BIDE_READ, 1);
            } else {
                cr_assert_gives(bide_write(ends[1], "rest", 4, BIDE_NEVER), 4);
            }
            cr_assert_ok(bide_async_free(ends[1]));
            if (waiting)
                cr_assert_ok(call_join(&reader));
            else
                cr_assert_gives(bide_read(ends[0], buffer, 16, BIDE_NEVER), 4);
            for (int i = 0; i < 3; i++)
                cr_assert_gives(bide_read(ends[0], buffer, 16, BIDE_NEVER), 0);
            cr_assert_ok(bide_async_free(ends[0]));
        }
    expect_nothing_left(before);
}

/* More than any channel takes in. */
static char more_than_fits[64 << 20];

Test(operations, read_exact_and_write_all_tell_how_far_they_came)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char buffer[16] = "";
        size_t done = 99;
        cr_assert_gives(bide_read_exact(ends[0], buffer, 4, bide_after(SHORT), &done), BIDE_ETIMEDOUT);
        cr_assert_eq(done, 0);
        cr_assert_gives(bide_write_all(ends[1], "hello!", 6, bide_after(LONG), &done), 0);
        cr_assert_eq(done, 6);
        cr_assert_gives(bide_read_exact(ends[0], buffer, 4, bide_after(LONG), &done), 0);
        cr_assert_eq(done, 4);
        cr_assert_eq(memcmp(buffer, "hell", 4), 0);
        cr_assert_gives(bide_read_exact(ends[0], buffer, 4, bide_after(SHORT), &done), BIDE_ETIMEDOUT);
        cr_assert_eq(done, 2, "%zu", done);
        cr_assert_gives(bide_read_exact(ends[0], buffer, 4, BIDE_NOW, &done), BIDE_EAGAIN);
        cr_assert_gives(bide_read_exact(ends[0], buffer, 0, BIDE_NEVER, &done), 0);
        cr_assert_eq(done, 0);

        cr_assert_gives(bide_write_all(ends[1], more_than_fits, sizeof more_than_fits, bide_after(SHORT),
                                       &done),
                        BIDE_ETIMEDOUT);
        cr_assert(done > 0 && done < sizeof more_than_fits, "%s: %zu of %zu bytes", channel_names[kind], done,
                  sizeof more_than_fits);
        size_t taken = 0, got;
        while (taken < done) {
            size_t wanted = done - taken < sizeof more_than_fits ? done - taken : sizeof more_than_fits;
            cr_assert_gives(bide_read_exact(ends[0], more_than_fits, wanted, bide_after(LONG), &got), 0);
            taken += got;
        }
        cr_assert_gives(bide_write(ends[1], "end", 3, BIDE_NEVER), 3);
        cr_assert_ok(bide_async_free(ends[1]));
        cr_assert_gives(bide_read_exact(ends[0], buffer, 4, bide_after(LONG), &done), BIDE_EEOF);
        cr_assert_eq(done, 3);
        cr_assert_gives(bide_read_exact(ends[0], buffer, 4, bide_after(LONG), NULL), BIDE_EEOF);
        cr_assert_ok(bide_async_free(ends[0]));
    }
    expect_nothing_left(before);
}

/* --- shutting down -------------------------------------------------------------------------------------- */

/* A thread that waits to read from a handle on which nothing has come yet. */
static void start_reader(struct call *reader, bide_async *async, char buffer[8])
{
    drain_memory(async);
    *reader = (struct call){
        .function = call_read, .async = async, .buffer = buffer, .length = 8, .deadline = BIDE_NEVER};
    call_start(reader);
    await_waiters(async, BIDE_READ, 1);
}

Test(operations, shutting_the_writing_side_down_ends_the_peers_reads)
{
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char buffer[8];
        struct call reader;
        start_reader(&reader, ends[0], buffer);
        cr_assert_ok(bide_async_shutdown(ends[1], BIDE_WRITE));
        cr_assert_ok(call_join(&reader));
        cr_assert_gives(bide_write(ends[1], "x", 1, bide_after(LONG)), BIDE_EPIPE);
        /* The other way is open. */
        cr_assert_gives(bide_write(ends[0], "back", 4, bide_after(LONG)), 4);
        cr_assert_gives(bide_read(ends[1], buffer, 8, bide_after(LONG)), 4);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(operations, shutting_the_reading_side_down_ends_ones_own_reads)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    char buffer[8];
    struct call reader;
    start_reader(&reader, ends[0], buffer);
    cr_assert_ok(bide_async_shutdown(ends[0], BIDE_READ));
    cr_assert_ok(call_join(&reader));
    free_both(ends);

    open_channel(PIPE, ends);
    cr_assert_gives(bide_async_shutdown(ends[1], BIDE_WRITE), BIDE_ENOTSOCK);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- fairness ------------------------------------------------------------------------------------------- */

Test(operations, after_128_calls_that_need_not_wait_the_others_have_a_turn)
{
    /* Nobody but the reader's own turns can bring this wake, if it is the driver of a reactor of its own. */
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    int fds[4];
    make_socketpair(fds, SOCK_STREAM);
    make_socketpair(fds + 2, SOCK_STREAM);
    bide_async *reader, *watched;
    cr_assert_ok(bide_async_new(&reader, fds[0]));
    cr_assert_ok(bide_async_new(&watched, fds[2]));
    static char plenty[4096];
    put(fds[1], plenty, sizeof plenty);
    struct counter counter = {0};
    cr_assert_gives(bide_async_poll_readable(watched, counting(&counter)), BIDE_PENDING);
    put(fds[3], "x", 1);
    int reads = 0;
    while (counter.wakes == 0 && reads < 1000) {
        char byte;
        cr_assert_gives(bide_read(reader, &byte, 1, BIDE_NEVER), 1);
        reads++;
    }
    cr_assert_geq(reads, 100, "a turn after %d reads already", reads);
    cr_assert_leq(reads, 130, "no turn in %d reads", reads);
    cr_assert_ok(bide_async_free(reader));
    cr_assert_ok(bide_async_free(watched));
    (void)close(fds[1]);
    (void)close(fds[3]);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
    expect_nothing_left(before);
}
