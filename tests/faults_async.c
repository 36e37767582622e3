/* Scenarios of handles for test_faults.c: wrapping, reading, writing, waiting, freeing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

static int wrap_and_free(int (*wrap)(bide_async **, bide_fd), enum channel kind)
{
    int ends[2];
    scene_pair(kind, ends);
    bide_async *async = NULL;
    int error = wrap(&async, ends[0]);
    bool owned = error == 0 && wrap != bide_async_borrow;
    if (error && async) error = WRONG;
    if (!error) error = bide_async_free(async);
    end_of_faults();
    /* After an error the descriptor is the caller's still, and in the mode it was. */
    if (owned == is_open(ends[0])) return WRONG;
    if (!owned) {
        if (is_nonblocking(ends[0])) return WRONG;
        (void)close(ends[0]);
    }
    (void)close(ends[1]);
    return error;
}

static int run_new(void)
{
    return wrap_and_free(bide_async_new, PIPE);
}

static int run_new_socket(void)
{
    return wrap_and_free(bide_async_new, TCP);
}

static int run_new_nonblocking(void)
{
    return wrap_and_free(bide_async_new_nonblocking, UNIX);
}

static int run_borrow(void)
{
    return wrap_and_free(bide_async_borrow, PIPE);
}

static int run_into_fd(void)
{
    int peer;
    bide_async *async = scene_handle(PIPE, &peer);
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_async_into_fd(async, BIDE_RESTORE_MODE, &fd);
    end_of_faults();
    if (error || !is_open(fd)) return WRONG;
    (void)close(fd);
    (void)close(peer);
    return 0;
}

static int run_read(void)
{
    int peer;
    char buffer[8];
    bide_async *async = scene_handle(TCP, &peer);
    scene_put(peer, "abc");
    int error = expect_count(bide_read(async, buffer, 8, bide_after(PATIENCE)), 3);
    /* The second one has to wait. */
    scene_put(peer, "abc");
    if (!error) error = expect_count(bide_read(async, buffer, 8, bide_after(PATIENCE)), 3);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_readv_and_peek(void)
{
    int peer;
    char buffer[8];
    bide_buffer pieces[] = {{buffer, 1}, {buffer + 1, 7}};
    bide_async *async = scene_handle(UNIX, &peer);
    scene_put(peer, "abc");
    int error = expect_count(bide_peek(async, buffer, 8, bide_after(PATIENCE)), 3);
    if (!error) error = expect_count(bide_readv(async, pieces, 2, bide_after(PATIENCE)), 3);
    scene_put(peer, "abc");
    if (!error) error = expect_count(bide_readv(async, pieces, 2, bide_after(PATIENCE)), 3);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_read_exact(void)
{
    int peer;
    char buffer[8];
    size_t done = 0;
    bide_async *async = scene_handle(PIPE, &peer);
    scene_put(peer, "abcdefgh");
    int error = bide_read_exact(async, buffer, 8, bide_after(PATIENCE), &done);
    if ((error == 0) != (done == 8)) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_write(void)
{
    int peer;
    char text[] = "abcdef";
    bide_buffer pieces[] = {{text, 3}, {text + 3, 3}};
    bide_async *async = scene_handle(UNIX, &peer);
    int error = expect_count(bide_write(async, text, 6, bide_after(PATIENCE)), 6);
    if (!error) error = expect_count(bide_writev(async, pieces, 2, bide_after(PATIENCE)), 6);
    if (!error) error = bide_write_all(async, text, 6, bide_after(PATIENCE), NULL);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_full_write(void)
{
    int peer;
    static char zeros[4096];
    bide_async *async = scene_handle(UNIX, &peer);
    SCENE(while (bide_write(async, zeros, sizeof zeros, BIDE_NOW) > 0) continue);
    SCENE({
        int flags = fcntl(peer, F_GETFL);
        (void)fcntl(peer, F_SETFL, flags | O_NONBLOCK);
        (void)take_all(peer);
    });
    /* The memory says "full", the kernel knows better. */
    int error = expect_count(bide_write(async, zeros, 1, bide_after(PATIENCE)), 1);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static bide_ssize receive_one(void *arg, bide_fd fd)
{
    ssize_t count;
    do
        count = recv(fd, arg, 1, 0);
    while (count < 0 && errno == EINTR);
    return count < 0 ? bide_last_error() : count;
}

static int run_read_with(void)
{
    int peer;
    char byte;
    bide_async *async = scene_handle(UNIX, &peer);
    scene_put(peer, "ab");
    int error = expect_count(bide_read_with(async, receive_one, &byte, bide_after(PATIENCE)), 1);
    if (!error) error = expect_count(bide_write_with(async, receive_one, &byte, bide_after(PATIENCE)), 1);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_wait_for_readiness(void)
{
    int peer;
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_wait_readable(async, BIDE_NOW);
    error = error == BIDE_EAGAIN ? 0 : error == 0 ? WRONG : error;
    if (!error) error = bide_wait_writable(async, bide_after(PATIENCE));
    scene_put(peer, "x");
    if (!error) error = bide_wait_readable(async, bide_after(PATIENCE));
    if (!error) error = bide_wait_readable(async, bide_after(PATIENCE));
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_stored_waker(void)
{
    int peer;
    struct counter counter = {0};
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_async_poll_readable(async, counting(&counter));
    if (error == BIDE_PENDING) {
        scene_put(peer, "x");
        error = await_wake(&counter);
        if (!error) error = bide_async_poll_readable(async, counting(&counter));
        if (error == BIDE_PENDING) error = WRONG;
    }
    if (error == BIDE_READY) error = 0;
    int forgotten = bide_async_forget(async, BIDE_READ);
    if (forgotten) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

/* The same for writing, to what is full. */
static int run_stored_waker_of_a_writer(void)
{
    int peer;
    static char zeros[4096];
    struct counter counter = {0};
    bide_async *async = scene_handle(UNIX, &peer);
    SCENE(while (bide_write(async, zeros, sizeof zeros, BIDE_NOW) > 0) continue);
    int error = bide_async_poll_writable(async, counting(&counter));
    if (error == BIDE_PENDING) {
        SCENE({
            if (fcntl(peer, F_SETFL, O_NONBLOCK) != 0) abort();
            (void)take_all(peer);
        });
        error = await_wake(&counter);
        if (!error) error = bide_async_poll_writable(async, counting(&counter));
        if (error == BIDE_PENDING) error = WRONG;
    }
    if (error == BIDE_READY) error = 0;
    if (bide_async_forget(async, BIDE_WRITE) != 0) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_awaited_operation(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_async *async = scene_handle(TCP, &peer);
    bide_io_read(&io, async, &byte, 1);
    int error = expect_count(bide_io_await(&io, BIDE_NOW), BIDE_EAGAIN);
    error = error == BIDE_EAGAIN ? 0 : error;
    scene_put(peer, "x");
    bide_io_read(&io, async, &byte, 1);
    if (!error) error = expect_count(bide_io_await(&io, bide_after(PATIENCE)), 1);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_future_in_the_background(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_io io;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    int answer = poll_with(&io.future, counting(&counter));
    int error = 0;
    if (answer == BIDE_PENDING) {
        scene_put(peer, "x");
        error = await_wake(&counter);
        if (!error) answer = poll_with(&io.future, counting(&counter));
    }
    if (!error) error = answer == BIDE_READY ? expect_count(io.result, 1) : WRONG;
    if (answer == BIDE_PENDING) (void)cancel_with(&io.future, counting(&counter));
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_free_with_waiters(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_io io;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    int answer = poll_with(&io.future, counting(&counter));
    int fd = async->fd;
    int freed = bide_async_free(async);
    end_of_faults();
    if (freed || is_open(fd)) return WRONG;
    (void)close(peer);
    if (answer == BIDE_READY) return io.result < 0 ? (int)io.result : WRONG;
    answer = poll_with(&io.future, counting(&counter));
    return answer == BIDE_READY && io.result == BIDE_ECANCELED && counter.wakes == 1 ? 0 : WRONG;
}

const struct scenario scenarios_of_async[] = {
    {"new", "async_new async_free", run_new},
    {"new of a socket", "async_new", run_new_socket},
    {"new_nonblocking", "async_new_nonblocking", run_new_nonblocking},
    {"borrow", "async_borrow", run_borrow},
    {"into_fd", "async_into_fd", run_into_fd},
    {"read", "read io_read", run_read},
    {"readv and peek", "readv peek io_readv io_peek", run_readv_and_peek},
    {"read_exact", "read_exact", run_read_exact},
    {"write, writev, write_all", "write writev write_all io_write io_writev", run_write},
    {"write to what was full", "write", run_full_write},
    {"read_with and write_with", "read_with write_with io_read_with io_write_with", run_read_with},
    {"wait_readable and wait_writable", "wait_readable wait_writable readable_init writable_init",
     run_wait_for_readiness},
    {"poll_readable", "async_poll_readable async_forget", run_stored_waker},
    {"poll_writable", "async_poll_writable", run_stored_waker_of_a_writer},
    {"await of an operation", "io_await", run_awaited_operation},
    {"a read polled in the background", "io_read future_poll future_cancel", run_future_in_the_background},
    {"free with waiters", "async_free", run_free_with_waiters},
    {NULL, NULL, NULL},
};
