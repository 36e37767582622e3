/* Handles: wrapping, giving back and freeing. Stale ones and misuse are in test_async_misuse.c; operations
 * in test_operations.c, readiness in test_readiness.c, connecting and accepting in test_tcp.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include <limits.h>

TestSuite(async, .init = take_inventory, .timeout = 60);

/* The three ways to wrap. */
static int (*const wraps[])(bide_async **, bide_fd) = {bide_async_new, bide_async_new_nonblocking,
                                                       bide_async_borrow};
static const char *const wrap_names[] = {"new", "new_nonblocking", "borrow"};
#define WRAPS 3

/* --- wrapping ------------------------------------------------------------------------------------------- */

Test(async, new_makes_the_descriptor_non_blocking)
{
    int ends[2];
    make_pipe(ends);
    cr_assert_not(is_nonblocking(ends[0]));
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, ends[0]));
    cr_assert(is_nonblocking(ends[0]));
    cr_assert_eq(bide_async_fd(async), ends[0]);
    cr_assert_ok(bide_async_free(async));
    (void)close(ends[1]);
    expect_nothing_left(before);
}

Test(async, new_nonblocking_only_registers)
{
    int ends[2];
    make_pipe(ends);
    cr_assert_done(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    for (int i = 0; i < 2; i++) {
        int flags = fcntl(ends[i], F_GETFL);
        bide_async *async;
        cr_assert_ok(bide_async_new_nonblocking(&async, ends[i]));
        cr_assert_eq(fcntl(ends[i], F_GETFL), flags, "flags of end %d changed", i);
        cr_assert_ok(bide_async_free(async));
        cr_assert_not(is_open(ends[i]), "end %d is owned, and must be closed", i);
    }
    expect_nothing_left(before);
}

Test(async, into_fd_gives_the_descriptor_back_open_and_still_non_blocking)
{
    int ends[2];
    make_pipe(ends);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, ends[0]));
    bide_fd fd = BIDE_INVALID_FD;
    cr_assert_ok(bide_async_into_fd(async, 0, &fd));
    cr_assert_eq(fd, ends[0]);
    cr_assert(is_nonblocking(fd));
    cr_assert_eq(bide_async_fd(async), BIDE_INVALID_FD);

    /* It is registered no more: it can be wrapped again, and works. */
    cr_assert_ok(bide_async_new(&async, fd));
    put(ends[1], "x", 1);
    char byte;
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(async));
    (void)close(ends[1]);
    expect_nothing_left(before);
}

Test(async, into_fd_can_restore_the_mode_that_new_found)
{
    int ends[2];
    make_pipe(ends);
    cr_assert_done(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    for (int i = 0; i < 2; i++) {
        bool was = is_nonblocking(ends[i]);
        bide_async *async;
        bide_fd fd;
        cr_assert_ok(bide_async_new(&async, ends[i]));
        cr_assert(is_nonblocking(ends[i]));
        cr_assert_ok(bide_async_into_fd(async, BIDE_RESTORE_MODE, &fd));
        cr_assert_eq(is_nonblocking(fd), was, "end %d was %d, is %d", i, was, is_nonblocking(fd));
    }
    close_all(ends, 2);
    expect_nothing_left(before);
}

Test(async, into_fd_refuses_unknown_flags_and_nowhere_to_put_an_owned_descriptor)
{
    int ends[2];
    make_pipe(ends);
    bide_async *async;
    bide_fd fd = 12345;
    cr_assert_ok(bide_async_new(&async, ends[0]));
    cr_assert_gives(bide_async_into_fd(async, 0, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_async_into_fd(async, BIDE_RESTORE_MODE << 1, &fd), BIDE_EINVAL);
    cr_assert_gives(bide_async_into_fd(NULL, 0, &fd), BIDE_EINVAL);
    cr_assert_eq(fd, 12345);

    /* The handle goes on. */
    put(ends[1], "x", 1);
    char byte;
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(async));

    /* A borrowed one is the caller's anyhow. */
    cr_assert_ok(bide_async_borrow(&async, ends[1]));
    cr_assert_ok(bide_async_into_fd(async, BIDE_RESTORE_MODE, NULL));
    cr_assert(is_open(ends[1]));
    (void)close(ends[1]);
    expect_nothing_left(before);
}

Test(async, free_deregisters_then_closes)
{
    int ends[2];
    make_socketpair(ends, SOCK_STREAM);
    /* Another descriptor of the same socket keeps it alive in epoll after a mere close. */
    int copy = dup(ends[0]);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, ends[0]));
    drain_memory(async);
    cr_assert_ok(bide_async_free(async));
    cr_assert_not(is_open(ends[0]));
    while (bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0)
        continue;
    uint64_t events = stats_now().events;
    put(ends[1], "x", 1);
    cr_assert_gives(bide_reactor_run_once(bide_reactor_current(), BIDE_NOW), 0);
    cr_assert_eq(stats_now().events, events, "an event came for a handle that was freed");
    (void)close(copy);
    (void)close(ends[1]);
    expect_nothing_left(before);
}

Test(async, reads_and_writes_refuse_a_borrowed_descriptor_that_would_make_them_wait)
{
    int ends[2];
    make_socketpair(ends, SOCK_STREAM);
    bide_async *async;
    cr_assert_ok(bide_async_borrow(&async, ends[0]));
    char byte = 'x';
    bide_buffer piece = {&byte, 1};
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), BIDE_EINVAL);
    cr_assert_gives(bide_readv(async, &piece, 1, bide_after(LONG)), BIDE_EINVAL);
    cr_assert_gives(bide_peek(async, &byte, 1, bide_after(LONG)), BIDE_EINVAL);
    cr_assert_gives(bide_write(async, &byte, 1, bide_after(LONG)), BIDE_EINVAL);
    cr_assert_gives(bide_writev(async, &piece, 1, bide_after(LONG)), BIDE_EINVAL);
    /* The owner changes its mind. */
    cr_assert_done(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    cr_assert_gives(bide_write(async, &byte, 1, bide_after(LONG)), 1);
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_async_free(async));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(async, borrow_never_changes_flags_and_never_closes)
{
    int ends[2];
    make_socketpair(ends, SOCK_STREAM);
    cr_assert_done(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    for (int i = 0; i < 2; i++) {
        int flags = fcntl(ends[i], F_GETFL);
        bide_async *async;
        cr_assert_ok(bide_async_borrow(&async, ends[i]));
        cr_assert_gives(bide_wait_writable(async, bide_after(LONG)), 0);
        cr_assert_gives(bide_wait_readable(async, BIDE_NOW), BIDE_EAGAIN);
        put(ends[1 - i], "x", 1);
        cr_assert_gives(bide_wait_readable(async, bide_after(LONG)), 0);
        char byte;
        bool blocks = !(flags & O_NONBLOCK);
        if (blocks) cr_assert_eq(read(ends[i], &byte, 1), 1);
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), blocks ? BIDE_EINVAL : 1);
        cr_assert_eq(fcntl(ends[i], F_GETFL), flags);
        cr_assert_ok(bide_async_free(async));
        cr_assert(is_open(ends[i]));
        cr_assert_eq(fcntl(ends[i], F_GETFL), flags);

        bide_fd fd;
        cr_assert_ok(bide_async_borrow(&async, ends[i]));
        cr_assert_ok(bide_async_into_fd(async, BIDE_RESTORE_MODE, &fd));
        cr_assert_eq(fd, ends[i]);
        cr_assert_eq(fcntl(ends[i], F_GETFL), flags);
    }
    close_all(ends, 2);
    expect_nothing_left(before);
}

Test(async, a_second_registration_is_refused_and_the_first_goes_on)
{
    for (int first = 0; first < WRAPS; first++)
        for (int second = 0; second < WRAPS; second++) {
            int ends[2];
            make_socketpair(ends, SOCK_STREAM);
            bide_async *async, *other = (bide_async *)&async;
            cr_assert_ok(wraps[first](&async, ends[0]));
            int flags = fcntl(ends[0], F_GETFL);
            struct call reader = {.function = call_wait_readable, .async = async, .deadline = BIDE_NEVER};
            call_start(&reader);
            await_waiters(async, BIDE_READ, 1);

            int error = wraps[second](&other, ends[0]);
            cr_assert_eq(error, BIDE_EEXIST, "%s after %s gave %s", wrap_names[second], wrap_names[first],
                         bide_error_name(error));
            cr_assert_null(other);
            cr_assert_eq(fcntl(ends[0], F_GETFL), flags, "%s after %s changed the flags", wrap_names[second],
                         wrap_names[first]);

            put(ends[1], "x", 1);
            cr_assert_ok(call_join(&reader));
            char byte;
            cr_assert_done(fcntl(ends[0], F_SETFL, flags | O_NONBLOCK)); /* it may have been lent blocking */
            cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), 1);
            bide_fd fd;
            cr_assert_ok(bide_async_into_fd(async, 0, &fd));
            close_all(ends, 2);
        }
    expect_nothing_left(before);
}

Test(async, what_was_freed_can_be_wrapped_again_under_the_same_number)
{
    for (int i = 0; i < 100; i++) {
        int ends[2];
        make_pipe(ends);
        bide_async *async;
        cr_assert_ok(wraps[i % WRAPS](&async, ends[0]));
        cr_assert_done(fcntl(ends[0], F_SETFL, O_NONBLOCK));
        drain_memory(async);
        put(ends[1], "x", 1);
        char byte;
        cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), 1);
        cr_assert_ok(bide_async_free(async));
        if (is_open(ends[0])) (void)close(ends[0]);
        (void)close(ends[1]);
    }
    expect_nothing_left(before);
}

/* Wrapping fails with that error and leaves everything as it was. */
static void expect_refused(const char *what, int fd, int expected)
{
    int flags = fcntl(fd, F_GETFL);
    int fds = bide_test_fd_count();
    for (int i = 0; i < WRAPS; i++) {
        bide_async *async = (bide_async *)&flags;
        int error = wraps[i](&async, fd);
        cr_assert_eq(error, expected, "%s of %s gave %s instead of %s", wrap_names[i], what,
                     bide_error_name(error), bide_error_name(expected));
        cr_assert_null(async);
        cr_assert_eq(fcntl(fd, F_GETFL), flags, "%s changed the flags of %s", wrap_names[i], what);
    }
    cr_assert_eq(bide_test_fd_count(), fds);
}

Test(async, a_regular_file_or_a_folder_is_refused_and_left_as_it_was)
{
    (void)bide_reactor_backend(bide_reactor_current()); /* opens its descriptors */
    char name[] = "/tmp/bide-test-XXXXXX";
    int file = mkstemp(name);
    cr_assert_done(file);
    (void)unlink(name);
    expect_refused("a regular file", file, BIDE_ENOTPOLLABLE);
    cr_assert_done(fcntl(file, F_SETFL, O_NONBLOCK));
    expect_refused("a non-blocking regular file", file, BIDE_ENOTPOLLABLE);
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_done(folder);
    expect_refused("a folder", folder, BIDE_ENOTPOLLABLE);
    (void)close(file);
    (void)close(folder);
    expect_nothing_left(before);
}

Test(async, a_closed_or_negative_descriptor_is_refused)
{
    (void)bide_reactor_backend(bide_reactor_current());
    int closed = dup(2);
    (void)close(closed);
    expect_refused("a closed descriptor", closed, BIDE_EBADF);
    expect_refused("-1", -1, BIDE_EBADF);
    expect_refused("INT_MIN", INT_MIN, BIDE_EBADF);
    expect_refused("INT_MAX", INT_MAX, BIDE_EBADF);
    expect_nothing_left(before);
}

Test(async, a_device_that_cannot_be_polled_is_refused_where_the_system_can_tell)
{
    const char *backend = bide_reactor_backend(bide_reactor_current());
    int null = open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (strcmp(backend, "epoll") == 0) {
        expect_refused("/dev/null", null, BIDE_ENOTPOLLABLE);
    } else {
        /* poll(2) calls it ready, always. */
        bide_async *async;
        char byte = 'x';
        cr_assert_ok(bide_async_borrow(&async, null));
        cr_assert_ok(bide_wait_readable(async, BIDE_NEVER));
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 0);
        cr_assert_gives(bide_write(async, &byte, 1, BIDE_NEVER), 1);
        cr_assert_ok(bide_async_free(async));
    }
    (void)close(null);
    expect_nothing_left(before);
}

Test(async, nowhere_to_put_the_handle_is_an_error_and_changes_nothing)
{
    int ends[2];
    make_pipe(ends);
    int flags = fcntl(ends[0], F_GETFL);
    for (int i = 0; i < WRAPS; i++)
        cr_assert_gives(wraps[i](NULL, ends[0]), BIDE_EINVAL);
    cr_assert_eq(fcntl(ends[0], F_GETFL), flags);
    close_all(ends, 2);
    expect_nothing_left(before);
}

Test(async, several_hundred_handles_live_side_by_side)
{
    enum { PAIRS = 400 };
    static bide_async *handles[PAIRS][2];
    for (int i = 0; i < PAIRS; i++)
        open_channel(UNIX, handles[i]);
    for (int i = 0; i < PAIRS; i++) {
        char byte = (char)i;
        drain_memory(handles[i][0]);
        cr_assert_gives(bide_write(handles[i][1], &byte, 1, BIDE_NEVER), 1);
    }
    for (int i = PAIRS - 1; i >= 0; i--) {
        char byte = 0;
        cr_assert_gives(bide_read(handles[i][0], &byte, 1, bide_after(LONG)), 1);
        cr_assert_eq(byte, (char)i, "handle %d read %d", i, byte);
    }
    for (int i = 0; i < PAIRS; i++)
        free_both(handles[i]);
    expect_nothing_left(before);
}

/* --- reactors ------------------------------------------------------------------------------------------- */

Test(async, a_handle_belongs_to_the_reactor_that_was_current_and_its_calls_drive_that_one)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_async *ends[2];
    open_channel(TCP, ends);
    bide_reactor_leave(previous);

    /* Not entered any more: the direct calls know where they belong. No helper thread is needed. */
    bide_set_threads(false);
    char buffer[8];
    cr_assert_gives(bide_read(ends[0], buffer, 8, bide_after(SHORT)), BIDE_ETIMEDOUT);
    struct call reader = {
        .function = call_read, .async = ends[0], .buffer = buffer, .length = 8, .deadline = bide_after(LONG)};
    call_start(&reader);
    await_waiters(ends[0], BIDE_READ, 1);
    cr_assert_gives(bide_write(ends[1], "x", 1, BIDE_NEVER), 1);
    cr_assert_gives(call_join(&reader), 1);
    cr_assert_eq(bide_test_thread_named("async-io"), 0);
    free_both(ends);
    cr_assert_ok(bide_reactor_free(reactor));
    bide_set_threads(true);
    expect_nothing_left(before);
}

Test(async, after_a_shutdown_a_handle_can_only_be_given_back_or_freed)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    char byte;
    cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    struct counter counter = {0};
    bide_io io;
    bide_io_read(&io, ends[0], &byte, 1);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(counter.wakes, 1);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(io.result, BIDE_ECANCELED);
    cr_assert_gives(bide_read(ends[0], &byte, 1, bide_after(LONG)), BIDE_ECANCELED);
    cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NOW), BIDE_ECANCELED);
    cr_assert_gives(bide_write(ends[1], &byte, 1, bide_after(LONG)), BIDE_ECANCELED);
    cr_assert_gives(bide_wait_readable(ends[0], bide_after(LONG)), BIDE_ECANCELED);
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_ECANCELED);
    bide_fd fd;
    cr_assert_ok(bide_async_into_fd(ends[0], BIDE_RESTORE_MODE, &fd));
    cr_assert_not(is_nonblocking(fd));

    /* It can be wrapped anew, and freeing what was left from before does not disturb it. */
    bide_async *old = ends[1], *again, *borrowed;
    bide_fd other = bide_async_fd(old);
    cr_assert_eq(other, BIDE_INVALID_FD, "a cancelled handle gives no descriptor away");
    cr_assert_ok(bide_async_borrow(&again, fd));
    cr_assert_ok(bide_shutdown());
    cr_assert_ok(bide_async_borrow(&borrowed, fd));
    cr_assert_ok(bide_async_free(again));
    cr_assert_done(fcntl(fd, F_SETFL, O_NONBLOCK));
    drain_memory(borrowed);
    cr_assert_ok(bide_async_free(old));
    cr_assert_gives(bide_read(borrowed, &byte, 1, bide_after(LONG)), 0);
    cr_assert_ok(bide_async_free(borrowed));
    (void)close(fd);
    expect_nothing_left(before);
}
