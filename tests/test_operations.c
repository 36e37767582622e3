/* Operations on handles: reading and writing on pipes, Unix sockets, TCP and eventfds; no SIGPIPE; deadlines;
 * operations as futures; operations of the caller's; shutting down; fairness.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

static struct inventory before;

static void take_inventory(void)
{
    before = inventory_now();
}

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
        cr_assert_gives(bide_writev(ends[1], pieces, (size_t)UINT32_MAX + 2, BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_writev(ends[1], pieces, 1024, BIDE_NOW), 1024);
        cr_assert_gives(bide_readv(ends[0], pieces, 1025, BIDE_NOW), BIDE_EINVAL);
        cr_assert_gives(bide_readv(ends[0], pieces, (size_t)UINT32_MAX + 2, BIDE_NOW), BIDE_EINVAL);
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

/* --- no SIGPIPE ----------------------------------------------------------------------------------------- */

static _Atomic int pipe_signals;

static void count_signal(int number)
{
    (void)number;
    pipe_signals++;
}

/* Writes to a channel whose reader is gone, in every way there is. Without a handler the signal would end
 * the test. */
static void write_to_nobody(enum channel kind)
{
    bide_async *ends[2];
    open_channel(kind, ends);
    cr_assert_ok(bide_async_free(ends[0]));
    char byte = 'x';
    bide_buffer pieces[] = {{&byte, 1}, {&byte, 1}};
    bide_ssize error = 0;
    /* TCP takes the first bytes, until the answer to them is a reset. */
    for (int i = 0; i < 100 && error >= 0; i++) {
        error = bide_write(ends[1], &byte, 1, bide_after(LONG));
        if (error >= 0) pause_briefly();
    }
    cr_assert(error == BIDE_EPIPE || (kind == TCP && error == BIDE_ECONNRESET), "%s: write gave %td (%s)",
              channel_names[kind], error, bide_error_name(error));
    for (int i = 0; i < 3; i++) {
        cr_assert_gives(bide_write(ends[1], &byte, 1, bide_after(LONG)), BIDE_EPIPE);
        cr_assert_gives(bide_writev(ends[1], pieces, 2, bide_after(LONG)), BIDE_EPIPE);
        cr_assert_gives(bide_write_all(ends[1], &byte, 1, bide_after(LONG), NULL), BIDE_EPIPE);
    }
    cr_assert_ok(bide_async_free(ends[1]));
}

Test(operations, when_the_reader_is_gone_a_write_fails_without_a_signal)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        write_to_nobody(kind);
        (void)signal(SIGPIPE, count_signal);
        write_to_nobody(kind);
        (void)signal(SIGPIPE, SIG_DFL);
        cr_assert_eq(pipe_signals, 0, "%s: %d signals", channel_names[kind], pipe_signals);
    }
    expect_nothing_left(before);
}

static bide_ssize call_write_all(struct call *call)
{
    return bide_write_all(call->async, call->buffer, call->length, call->deadline, NULL);
}

Test(operations, a_waiting_writer_fails_when_its_reader_goes)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        struct call writer = {.function = call_write_all,
                              .async = ends[1],
                              .buffer = more_than_fits,
                              .length = sizeof more_than_fits,
                              .deadline = BIDE_NEVER};
        call_start(&writer);
        await_waiters(ends[1], BIDE_WRITE, 1);
        cr_assert_ok(bide_async_free(ends[0]));
        bide_ssize error = call_join(&writer);
        cr_assert(error == BIDE_EPIPE || (kind == TCP && error == BIDE_ECONNRESET), "%s: %td (%s)",
                  channel_names[kind], error, bide_error_name(error));
        cr_assert_ok(bide_async_free(ends[1]));
    }
    expect_nothing_left(before);
}

/* Kernels without RWF_NOSIGNAL. The flag is looked for once in the life of a process, hence tests of their
 * own. */
static int pwritev2_error;
static _Atomic int pwritev2_calls;

ssize_t __real_pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, int flags)
{
    pwritev2_calls++;
    if (!pwritev2_error) return __real_pwritev2(fd, pieces, count, offset, flags);
    errno = pwritev2_error;
    return -1;
}

static void write_to_nobody_without_the_flag(int error)
{
    pwritev2_error = error;
    write_to_nobody(PIPE);
    cr_assert_eq(pwritev2_calls, 1, "the kernel was asked %d times for what it does not have",
                 pwritev2_calls);

    /* What the thread had blocked and pending stays so. */
    sigset_t pipe_only, mask;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_assert_not(sigismember(&mask, SIGPIPE));
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    write_to_nobody(PIPE);
    (void)sigpending(&mask);
    cr_assert_not(sigismember(&mask, SIGPIPE), "a signal was left pending");
    (void)raise(SIGPIPE);
    write_to_nobody(PIPE);
    (void)sigpending(&mask);
    cr_assert(sigismember(&mask, SIGPIPE), "a signal that was the caller's own was taken away");
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_assert(sigismember(&mask, SIGPIPE));
    const struct timespec no_time = {0, 0};
    cr_assert_eq(sigtimedwait(&pipe_only, NULL, &no_time), SIGPIPE);

    /* And bytes get through. */
    bide_async *ends[2];
    open_channel(PIPE, ends);
    char buffer[8] = "";
    cr_assert_gives(bide_write(ends[1], "hello", 5, BIDE_NEVER), 5);
    cr_assert_gives(bide_read(ends[0], buffer, 8, BIDE_NEVER), 5);
    cr_assert_str_eq(buffer, "hello");
    (void)fill(ends[1]);
    free_both(ends);
    expect_nothing_left(before);
}

Test(operations, a_pipe_without_a_reader_raises_no_signal_on_kernels_that_do_not_know_the_flag)
{
    write_to_nobody_without_the_flag(EOPNOTSUPP);
}

Test(operations, a_pipe_without_a_reader_raises_no_signal_on_kernels_that_do_not_have_the_call)
{
    write_to_nobody_without_the_flag(ENOSYS);
}

Test(operations, a_mistake_of_the_caller_does_not_make_later_writes_to_pipes_dearer)
{
    bide_async *ends[2];
    open_channel(PIPE, ends);
    static bide_buffer pieces[1025];
    cr_assert_gives(bide_writev(ends[1], pieces, 1025, BIDE_NOW), BIDE_EINVAL);
    pwritev2_calls = 0;
    cr_assert_gives(bide_write(ends[1], "x", 1, BIDE_NOW), 1);
    cr_assert_eq(pwritev2_calls, 1);
    free_both(ends);
    expect_nothing_left(before);
}

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

Test(operations, a_deadline_that_passes_gives_etimedout_and_never_before_it)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    char byte;
    (void)fill(ends[1]);
    (void)take_all(bide_async_fd(ends[0]));
    (void)fill(ends[1]);
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

/* --- operations of the caller's ------------------------------------------------------------------------- */

struct tls_like {
    int calls;
    bide_fd fd;
    bide_ssize answers[4];
};

static bide_ssize answer_in_turn(void *arg, bide_fd fd)
{
    struct tls_like *like = arg;
    like->fd = fd;
    return like->answers[like->calls++];
}

Test(operations, an_operation_is_called_with_the_descriptor_and_its_answer_is_the_result)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    const bide_ssize answers[] = {5, 0, BIDE_EIO, BIDE_EPROTO, BIDE_ESYSTEM_BASE - 200, PTRDIFF_MAX};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct tls_like like = {.answers = {answers[i]}};
        cr_assert_gives(bide_read_with(ends[0], answer_in_turn, &like, BIDE_NEVER), answers[i]);
        cr_assert_eq(like.fd, bide_async_fd(ends[0]));
        struct tls_like again = {.answers = {answers[i]}};
        cr_assert_gives(bide_write_with(ends[0], answer_in_turn, &again, BIDE_NEVER), answers[i]);
        cr_assert_eq(again.calls, 1);
    }
    free_both(ends);
    expect_nothing_left(before);
}

/* Polls an operation whose tries all answer `wanted`, and checks in which direction it waits then. */
static void wait_across(bool reads, bide_ssize wanted, bide_direction expected)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct counter counter = {0};
    struct tls_like like = {.answers = {wanted, wanted, wanted, wanted}};
    bide_io io;
    if (reads)
        bide_io_read_with(&io, ends[0], answer_in_turn, &like);
    else
        bide_io_write_with(&io, ends[0], answer_in_turn, &like);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gt(like.calls, 0);
    cr_assert_eq(waiters_of(ends[0], expected), 1, "it does not wait in direction %d", (int)expected);
    cr_assert_eq(waiters_of(ends[0], expected == BIDE_READ ? BIDE_WRITE : BIDE_READ), 0);
    cr_assert_gives(cancel_with(&io.future, counting(&counter)), BIDE_READY);
    free_both(ends);
}

Test(operations, an_operation_may_wait_in_either_direction)
{
    wait_across(true, BIDE_EAGAIN, BIDE_READ);
    wait_across(true, BIDE_WANT_READ, BIDE_READ);
    wait_across(true, BIDE_WANT_WRITE, BIDE_WRITE);
    wait_across(false, BIDE_EAGAIN, BIDE_WRITE);
    wait_across(false, BIDE_WANT_WRITE, BIDE_WRITE);
    wait_across(false, BIDE_WANT_READ, BIDE_READ);
    expect_nothing_left(before);
}

struct renegotiation {
    const char *reply;
    bool asked, answered;
    int calls;
};

/* A write that needs something read first, as in a TLS handshake; all on a real socket. */
static bide_ssize write_after_read(void *arg, bide_fd fd)
{
    struct renegotiation *state = arg;
    state->calls++;
    if (!state->asked) {
        if (send(fd, "ask", 3, MSG_NOSIGNAL) != 3) return BIDE_WANT_WRITE;
        state->asked = true;
    }
    if (!state->answered) {
        char reply[8];
        ssize_t count = recv(fd, reply, sizeof reply, 0);
        if (count < 0) return errno == EAGAIN ? BIDE_WANT_READ : bide_last_error();
        state->answered = true;
    }
    ssize_t count = send(fd, "data", 4, MSG_NOSIGNAL);
    return count < 0 ? bide_last_error() : count;
}

/* A read that needs something written first, to a peer that does not take it yet. */
static bide_ssize read_after_write(void *arg, bide_fd fd)
{
    struct renegotiation *state = arg;
    state->calls++;
    if (!state->asked) {
        if (send(fd, "ask", 3, MSG_NOSIGNAL) != 3) return BIDE_WANT_WRITE;
        state->asked = true;
    }
    char reply[8];
    ssize_t count = recv(fd, reply, sizeof reply, 0);
    return count < 0 ? bide_last_error() : count;
}

static bide_ssize run_write_after_read(struct call *call)
{
    return bide_write_with(call->async, write_after_read, call->buffer, call->deadline);
}

static bide_ssize run_read_after_write(struct call *call)
{
    return bide_read_with(call->async, read_after_write, call->buffer, call->deadline);
}

Test(operations, a_write_that_must_read_first_goes_on_when_that_came)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    for (int round = 0; round < 3; round++) {
        struct renegotiation state = {.calls = 0};
        struct call call = {.function = run_write_after_read,
                            .async = ends[0],
                            .buffer = &state,
                            .deadline = bide_after(LONG)};
        call_start(&call);
        char buffer[8] = "";
        cr_assert_ok(bide_read_exact(ends[1], buffer, 3, bide_after(LONG), NULL));
        await_waiters(ends[0], BIDE_READ, 1);
        cr_assert_eq(waiters_of(ends[0], BIDE_WRITE), 0);
        cr_assert_gives(bide_write(ends[1], "reply", 5, bide_after(LONG)), 5);
        cr_assert_gives(call_join(&call), 4);
        cr_assert_ok(bide_read_exact(ends[1], buffer, 4, bide_after(LONG), NULL));
        cr_assert_eq(memcmp(buffer, "data", 4), 0);
        cr_assert_leq(state.calls, 4, "%d calls", state.calls);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(operations, a_read_that_must_write_first_goes_on_when_there_is_room)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    for (int round = 0; round < 3; round++) {
        (void)fill(ends[0]);
        put(bide_async_fd(ends[1]), "reply", 5);
        struct renegotiation state = {.calls = 0};
        struct call call = {.function = run_read_after_write,
                            .async = ends[0],
                            .buffer = &state,
                            .deadline = bide_after(LONG)};
        call_start(&call);
        await_waiters(ends[0], BIDE_WRITE, 1);
        while (!atomic_load(&call.done))
            (void)take_all(bide_async_fd(ends[1]));
        cr_assert_gives(call_join(&call), 5);
        cr_assert(state.asked);
    }
    free_both(ends);
    expect_nothing_left(before);
}

static bide_ssize always_again(void *arg, bide_fd fd)
{
    (void)fd;
    ++*(int *)arg;
    return BIDE_EAGAIN;
}

Test(operations, an_operation_that_always_wants_to_wait_does_not_spin)
{
    /* The socket is writable all the time, and says so once: an operation that has another reason to wait
     * for is not called in a circle. */
    bide_async *ends[2];
    open_channel(UNIX, ends);
    int calls = 0;
    cr_assert_gives(bide_write_with(ends[0], always_again, &calls, bide_after(SHORT)), BIDE_ETIMEDOUT);
    if (strcmp(bide_reactor_backend(bide_reactor_current()), "epoll") == 0)
        cr_assert_leq(calls, 4, "%d calls", calls);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- shutting down -------------------------------------------------------------------------------------- */

Test(operations, shutting_the_writing_side_down_ends_the_peers_reads)
{
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        char buffer[8];
        drain_memory(ends[0]);
        struct call reader = {
            .function = call_read, .async = ends[0], .buffer = buffer, .length = 8, .deadline = BIDE_NEVER};
        call_start(&reader);
        await_waiters(ends[0], BIDE_READ, 1);
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
    drain_memory(ends[0]);
    struct call reader = {
        .function = call_read, .async = ends[0], .buffer = buffer, .length = 8, .deadline = BIDE_NEVER};
    call_start(&reader);
    await_waiters(ends[0], BIDE_READ, 1);
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
