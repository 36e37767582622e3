/* Operations of the caller's own, through bide_read_with() and bide_write_with().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

TestSuite(operations, .init = take_inventory, .timeout = 60);

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
