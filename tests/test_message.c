/* Datagrams and messages: addresses, peeking, truncation, deadlines, cancelling.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_udp.h"

#include "support/syscalls.h"

TestSuite(message, .init = take_inventory, .timeout = 60);

/* --- UDP ------------------------------------------------------------------------------------------------ */

Test(message, send_to_and_recv_from_tell_who_it_is)
{
    bide_address where[2], from;
    bide_async *ends[2] = {bind_anywhere(&where[0]), bind_anywhere(&where[1])};
    char buffer[16];
    for (int i = 0; i < 3; i++) {
        cr_assert_gives(bide_send_to(ends[0], "ping", 4, &where[1], BIDE_NEVER), 4);
        assert_bytes(buffer, bide_recv_from(ends[1], buffer, sizeof buffer, &from, bide_after(LONG)), "ping");
        assert_same_address(&from, &where[0]);
        cr_assert_gives(bide_send_to(ends[1], "pong!", 5, &from, BIDE_NEVER), 5);
        assert_bytes(buffer, bide_recv_from(ends[0], buffer, sizeof buffer, NULL, bide_after(LONG)), "pong!");
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, send_and_recv_on_connected_sockets)
{
    bide_async *ends[2], *stranger;
    bide_address where, stranger_at;
    char buffer[16];
    connect_udp(ends);
    stranger = bind_anywhere(&stranger_at);
    cr_assert_ok(bide_async_local_address(ends[1], &where));
    cr_assert_gives(bide_send_to(stranger, "no", 2, &where, BIDE_NEVER), 2);
    cr_assert_gives(bide_send(ends[0], "yes", 3, BIDE_NEVER), 3);
    assert_bytes(buffer, bide_recv(ends[1], buffer, sizeof buffer, bide_after(LONG)), "yes");
    cr_assert_gives(bide_recv(ends[1], buffer, sizeof buffer, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_async_free(stranger));
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, peek_and_peek_from_give_what_the_next_receive_gives)
{
    bide_address where[2], from;
    bide_async *ends[2] = {bind_anywhere(&where[0]), bind_anywhere(&where[1])};
    char buffer[16];
    cr_assert_gives(bide_peek_from(ends[1], buffer, sizeof buffer, &from, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_send_to(ends[0], "one", 3, &where[1], BIDE_NEVER), 3);
    cr_assert_gives(bide_send_to(ends[0], "two", 3, &where[1], BIDE_NEVER), 3);
    for (int i = 0; i < 3; i++) {
        assert_bytes(buffer, bide_peek_from(ends[1], buffer, sizeof buffer, &from, bide_after(LONG)), "one");
        assert_same_address(&from, &where[0]);
        assert_bytes(buffer, bide_peek(ends[1], buffer, sizeof buffer, bide_after(LONG)), "one");
    }
    assert_bytes(buffer, bide_recv(ends[1], buffer, sizeof buffer, bide_after(LONG)), "one");
    assert_bytes(buffer, bide_peek_from(ends[1], buffer, sizeof buffer, NULL, bide_after(LONG)), "two");
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, a_datagram_longer_than_the_buffer_is_reported_truncated_and_the_rest_is_lost)
{
    bide_async *ends[2];
    char buffer[5] = "????";
    connect_udp(ends);
    cr_assert_gives(bide_send(ends[0], "truncated", 9, BIDE_NEVER), 9);
    cr_assert_gives(bide_send(ends[0], "1234", 4, BIDE_NEVER), 4);
    bide_message message;
    bide_message_recv_init(&message, ends[1], buffer, 4);
    message.options = BIDE_MESSAGE_PEEK;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 4);
    cr_assert_eq(message.flags, BIDE_MESSAGE_TRUNCATED, "flags %#x", message.flags);
    bide_message_recv_init(&message, ends[1], buffer, 4);
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 4);
    cr_assert_eq(message.flags, BIDE_MESSAGE_TRUNCATED, "flags %#x", message.flags);
    cr_assert_str_eq(buffer, "trun");
    bide_message_recv_init(&message, ends[1], buffer, 4);
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 4);
    cr_assert_eq(message.flags, 0, "flags %#x of one that fits", message.flags);
    cr_assert_str_eq(buffer, "1234");
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, a_short_datagram_never_means_that_there_is_no_more)
{
    bide_async *ends[2];
    char buffer[64];
    connect_udp(ends);
    cr_assert_ok(bide_sleep(1));
    for (int i = 0; i < 3; i++)
        cr_assert_gives(bide_send(ends[0], "x", 1, BIDE_NEVER), 1);
    bide_calls_reset();
    cr_assert_gives(bide_recv(ends[1], buffer, sizeof buffer, BIDE_NEVER), 1);
    cr_assert_gives(bide_read(ends[1], buffer, sizeof buffer, BIDE_NEVER), 1);
    cr_assert_gives(bide_recv_from(ends[1], buffer, sizeof buffer, NULL, BIDE_NEVER), 1);
    cr_assert_eq(bide_calls_total(), 3, "%s", bide_calls_text());
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, empty_datagrams_are_datagrams)
{
    bide_async *ends[2];
    bide_address where, from;
    char buffer[16];
    connect_udp(ends);
    cr_assert_ok(bide_async_local_address(ends[0], &where));
    cr_assert_gives(bide_recv(ends[1], buffer, sizeof buffer, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_send(ends[0], NULL, 0, BIDE_NEVER), 0);
    cr_assert_gives(bide_send(ends[0], "", 0, BIDE_NEVER), 0);
    cr_assert_gives(bide_send(ends[0], "x", 1, BIDE_NEVER), 1);
    cr_assert_gives(bide_recv_from(ends[1], buffer, sizeof buffer, &from, bide_after(LONG)), 0);
    assert_same_address(&from, &where);
    /* Without room an empty one is whole, another one is not. */
    bide_message message;
    bide_message_recv_init(&message, ends[1], NULL, 0);
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 0);
    cr_assert_eq(message.flags, 0, "flags %#x", message.flags);
    bide_message_recvv_init(&message, ends[1], NULL, 0);
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 0);
    cr_assert_eq(message.flags, BIDE_MESSAGE_TRUNCATED, "flags %#x", message.flags);
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, pieces_are_gathered_and_scattered)
{
    bide_async *ends[2];
    connect_udp(ends);
    char left[3], right[8];
    bide_buffer out[] = {{(char[]){"ab"}, 2}, {NULL, 0}, {(char[]){"cdef"}, 4}};
    bide_buffer in[] = {{left, sizeof left}, {right, sizeof right}};
    bide_message message;
    bide_message_sendv_init(&message, ends[0], out, 3);
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), 6);
    bide_message_recvv_init(&message, ends[1], in, 2);
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 6);
    cr_assert(memcmp(left, "abc", 3) == 0 && memcmp(right, "def", 3) == 0);
    bide_message_sendv_init(&message, ends[0], out, 1025);
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EINVAL);
    bide_message_recvv_init(&message, ends[0], NULL, 1);
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EINVAL);
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, a_refusal_by_the_peers_machine_is_reported_and_the_socket_goes_on)
{
    bide_address where, elsewhere = bide_address_loopback(9), client_at;
    bide_async *peer = bind_anywhere(&where), *client;
    char byte;
    cr_assert_ok(bide_udp_connect(&client, &where));
    cr_assert_ok(bide_async_local_address(client, &client_at));
    /* It holds the port, so that nobody else takes it, and listens to another. */
    cr_assert_ok(bide_udp_connect_to(peer, &elsewhere));
    cr_assert_gives(bide_send(client, "x", 1, BIDE_NEVER), 1);
    cr_assert_gives(bide_recv(client, &byte, 1, bide_after(LONG)), BIDE_ECONNREFUSED);
    cr_assert_gives(bide_recv(client, &byte, 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
    /* Also when it waits already. */
    struct call call = {.function = call_read, .async = client, .buffer = &byte, .length = 1};
    call.deadline = BIDE_NEVER;
    call_start(&call);
    await_waiters(client, BIDE_READ, 1);
    cr_assert_gives(bide_send(client, "x", 1, BIDE_NEVER), 1);
    cr_assert_gives(call_join(&call), BIDE_ECONNREFUSED);
    cr_assert_ok(bide_udp_connect_to(peer, &client_at));
    cr_assert_gives(bide_send(client, "x", 1, BIDE_NEVER), 1);
    cr_assert_gives(bide_recv(peer, &byte, 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(peer));
    cr_assert_ok(bide_async_free(client));
    expect_nothing_left(before);
}

Test(message, what_cannot_be_sent_is_told)
{
    static char large[70000];
    bide_address where;
    bide_async *socket = bind_anywhere(&where);
    cr_assert_gives(bide_send_to(socket, large, sizeof large, &where, BIDE_NEVER), BIDE_EMSGSIZE);
    cr_assert_gives(bide_send(socket, "x", 1, BIDE_NEVER), BIDE_EDESTADDRREQ);
    static const uint8_t six[16] = {[15] = 1};
    bide_address ipv6 = bide_address_ipv6(six, 9, 0);
    cr_assert_gives(bide_send_to(socket, "x", 1, &ipv6, BIDE_NEVER), BIDE_EAFNOSUPPORT);
    static const uint8_t all[4] = {255, 255, 255, 255};
    bide_address broadcast = bide_address_ipv4(all, 9);
    bide_ssize result = bide_send_to(socket, "x", 1, &broadcast, BIDE_NEVER);
    cr_assert(result == BIDE_EACCES || result == BIDE_ENETUNREACH, "%s", bide_error_name(result));
    cr_assert_ok(bide_async_free(socket));
    expect_nothing_left(before);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

Test(message, a_deadline_ends_the_waiting)
{
    bide_async *ends[2];
    char buffer[16];
    bide_address from;
    connect_udp(ends);
    memset(&from, 7, sizeof from);
    bide_address untouched = from;
    cr_assert_gives(bide_recv(ends[0], buffer, sizeof buffer, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_recv_from(ends[0], buffer, sizeof buffer, &from, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_peek_from(ends[0], buffer, sizeof buffer, &from, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert(memcmp(&from, &untouched, sizeof from) == 0, "the address was changed");
    bide_datagram datagram = {.buffer = {buffer, sizeof buffer}};
    cr_assert_gives(bide_recv_batch(ends[0], &datagram, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_recv_batch(ends[0], &datagram, 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
    /* One that came late is taken by the next. */
    cr_assert_gives(bide_send(ends[1], "late", 4, BIDE_NEVER), 4);
    assert_bytes(buffer, bide_recv(ends[0], buffer, sizeof buffer, bide_after(LONG)), "late");
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, a_wait_ends_when_something_comes)
{
    bide_async *ends[2];
    char buffer[16];
    connect_udp(ends);
    bide_message message;
    bide_batch batch;
    bide_datagram datagram = {.buffer = {buffer, sizeof buffer}};
    for (int i = 0; i < 2; i++) {
        bide_message_recv_init(&message, ends[0], buffer, sizeof buffer);
        bide_batch_recv_init(&batch, ends[0], &datagram, 1);
        bide_future *future = i ? &batch.future : &message.future;
        struct counter counter = {0};
        cr_assert_eq(poll_with(future, counting(&counter)), BIDE_PENDING);
        cr_assert_gives(bide_send(ends[1], "event", 5, BIDE_NEVER), 5);
        AWAIT(counter.wakes > 0);
        cr_assert_eq(poll_with(future, counting(&counter)), BIDE_READY);
        cr_assert_gives(i ? batch.result : message.result, i ? 1 : 5);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, cancelling_keeps_nothing)
{
    bide_async *ends[2];
    char buffer[16] = "";
    connect_udp(ends);
    bide_message message;
    bide_batch batch;
    bide_datagram datagram = {.buffer = {buffer, sizeof buffer}};
    for (int i = 0; i < 2; i++) {
        bide_message_recv_init(&message, ends[0], buffer, sizeof buffer);
        bide_batch_recv_init(&batch, ends[0], &datagram, 1);
        bide_future *future = i ? &batch.future : &message.future;
        struct counter counter = {0};
        cr_assert_eq(poll_with(future, counting(&counter)), BIDE_PENDING);
        cr_assert_eq(waiters_of(ends[0], BIDE_READ), 1);
        cr_assert_eq(cancel_with(future, counting(&counter)), BIDE_READY);
        cr_assert_eq(waiters_of(ends[0], BIDE_READ), 0);
        cr_assert_gives(i ? batch.result : message.result, BIDE_ECANCELED);
        cr_assert_gives(bide_send(ends[1], "kept", 4, BIDE_NEVER), 4);
        cr_assert_str_eq(buffer, "");
        cr_assert_gives(bide_recv(ends[0], buffer, sizeof buffer, bide_after(LONG)), 4);
        cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
        memset(buffer, 0, sizeof buffer);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, freeing_the_handle_cancels_who_waits)
{
    bide_async *ends[2];
    char buffer[16];
    connect_udp(ends);
    bide_message message;
    struct counter counter = {0};
    bide_message_recv_init(&message, ends[0], buffer, sizeof buffer);
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_PENDING);
    bide_message unpolled;
    bide_message_recv_init(&unpolled, ends[0], buffer, sizeof buffer);
    cr_assert_ok(bide_async_free(ends[0]));
    AWAIT(counter.wakes > 0);
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(message.result, BIDE_ECANCELED);
    /* Also if another has the place by now. */
    bide_address where;
    bide_async *next = bind_anywhere(&where);
    for (int tries = 0; next != ends[0]; tries++) {
        cr_assert_lt(tries, 1000, "the place is not given to another: the test shows nothing");
        cr_assert_ok(bide_async_free(next));
        next = bind_anywhere(&where);
    }
    cr_assert_gives(bide_send_to(ends[0], "mine", 4, &where, BIDE_NEVER), 4);
    cr_assert_gives(bide_message_await(&unpolled, bide_after(LONG)), BIDE_ECANCELED);
    cr_assert_ok(bide_async_free(next));
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}

Test(message, one_that_was_never_polled_may_move)
{
    bide_async *ends[2];
    char buffer[16];
    connect_udp(ends);
    bide_message first, second;
    bide_message_send_init(&first, ends[0], "moved", 5);
    second = first;
    memset(&first, 0xff, sizeof first);
    cr_assert_gives(bide_message_await(&second, BIDE_NEVER), 5);
    bide_message_recv_init(&first, ends[1], buffer, sizeof buffer);
    second = first;
    memset(&first, 0xff, sizeof first);
    assert_bytes(buffer, bide_message_await(&second, bide_after(LONG)), "moved");
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, a_borrowed_socket_that_blocks_does_not_block)
{
    int fds[2];
    char byte;
    make_socketpair(fds, SOCK_DGRAM);
    bide_async *async;
    cr_assert_ok(bide_async_borrow(&async, fds[0]));
    cr_assert_gives(bide_recv(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_recv(async, &byte, 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
    put(fds[1], "x", 1);
    cr_assert_gives(bide_recv(async, &byte, 1, bide_after(LONG)), 1);
    while (bide_send(async, "x", 1, BIDE_NOW) == 1)
        continue;
    cr_assert_gives(bide_send(async, "x", 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_not(is_nonblocking(fds[0]));
    cr_assert_ok(bide_async_free(async));
    close_all(fds, 2);
    expect_nothing_left(before);
}

Test(message, a_send_waits_for_room_of_a_connected_peer)
{
    bide_async *ends[2];
    char byte;
    connect_unix(ends, SOCK_DGRAM);
    int sent = 0;
    bide_ssize result;
    while ((result = bide_send(ends[0], "x", 1, BIDE_NOW)) == 1)
        sent++;
    cr_assert_gives(result, BIDE_EAGAIN);
    cr_assert_gt(sent, 0);
    bide_message message;
    struct counter counter = {0};
    bide_message_send_init(&message, ends[0], "last", 4);
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_PENDING);
    cr_assert_eq(waiters_of(ends[0], BIDE_WRITE), 1);
    for (int i = 0; i < sent; i++)
        cr_assert_gives(bide_recv(ends[1], &byte, 1, BIDE_NOW), 1);
    AWAIT(counter.wakes > 0);
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(message.result, 4);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- misuse --------------------------------------------------------------------------------------------- */

static int answer_in_waker;
static bide_async *async_in_waker;

static void send_in_waker(void *arg)
{
    (void)arg;
    answer_in_waker = (int)bide_send(async_in_waker, "x", 1, BIDE_NOW);
}

Test(message, misuse_is_an_error)
{
    bide_async *ends[2];
    char byte;
    bide_datagram datagram = {.buffer = {&byte, 1}};
    cr_assert_gives(bide_send(NULL, "x", 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_recv(NULL, &byte, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_send_to(NULL, "x", 1, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_recv_from(NULL, &byte, 1, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_peek_from(NULL, &byte, 1, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_send_batch(NULL, &datagram, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_recv_batch(NULL, &datagram, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_message_await(NULL, BIDE_NEVER), BIDE_EINVAL);
    bide_message_send_init(NULL, NULL, NULL, 0);
    bide_message_recv_init(NULL, NULL, NULL, 0);
    bide_message_sendv_init(NULL, NULL, NULL, 0);
    bide_message_recvv_init(NULL, NULL, NULL, 0);
    bide_batch_send_init(NULL, NULL, NULL, 0);
    bide_batch_recv_init(NULL, NULL, NULL, 0);
    bide_message message;
    bide_message_recv_init(&message, NULL, &byte, 1);
    struct counter counter = {0};
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(message.result, BIDE_EINVAL);
    connect_udp(ends);
    cr_assert_gives(bide_recv_batch(ends[0], NULL, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_recv_batch(ends[0], &datagram, 0, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_send_batch(ends[0], &datagram, 0, BIDE_NEVER), BIDE_EINVAL);
    free_both(ends);
    cr_assert_gives(bide_send(ends[0], "x", 1, BIDE_NEVER), BIDE_EFREED);
    int peer;
    bide_async *pipe_end = open_one(PIPE, &peer);
    cr_assert_gives(bide_recv(pipe_end, &byte, 1, BIDE_NEVER), BIDE_ENOTSOCK);
    cr_assert_ok(bide_async_free(pipe_end));
    (void)close(peer);
    /* A waker may not send. */
    connect_udp(ends);
    async_in_waker = ends[0];
    bide_event event;
    bide_event_waiting waiting;
    bide_event_init(&event, BIDE_EVENT_AUTO);
    bide_event_waiting_init(&waiting, &event);
    bide_waker waker = {send_in_waker, NULL};
    cr_assert_eq(poll_with(&waiting.future, waker), BIDE_PENDING);
    bide_event_set(&event);
    cr_assert_gives(answer_in_waker, BIDE_EDEADLK);
    cr_assert_eq(poll_with(&waiting.future, waker), BIDE_READY);
    bide_event_fini(&event);
    free_both(ends);
    expect_nothing_left(before);
}

Test(message, a_peer_that_is_gone_gives_an_error_and_no_signal)
{
    bide_async *ends[2];
    connect_unix(ends, SOCK_STREAM);
    cr_assert_ok(bide_async_free(ends[1]));
    cr_assert_gives(bide_send(ends[0], "x", 1, BIDE_NEVER), BIDE_EPIPE);
    cr_assert_ok(bide_async_free(ends[0]));
    expect_nothing_left(before);
}
