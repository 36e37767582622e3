/* Writing to where nobody reads any more: an error, and never a signal.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include <signal.h>
#include <sys/uio.h>

TestSuite(operations, .init = take_inventory, .timeout = 60);

static _Atomic int pipe_signals;

/* More than any channel takes at once. */
static char more_than_fits[64 << 20];

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
