/* Messages on Unix sockets: descriptors and credentials that go with the bytes, and receivers that are full.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_udp.h"

#include "support/syscalls.h"

TestSuite(control, .init = take_inventory, .timeout = 60);

/* --- descriptors ---------------------------------------------------------------------------------------- */

/* Sends a byte with so many descriptors, all of them of one pipe. */
static void pass(bide_async *async, size_t count)
{
    int ends[2];
    bide_fd fds[BIDE_MESSAGE_MOST_FDS];
    make_pipe(ends);
    for (size_t i = 0; i < count; i++)
        fds[i] = ends[1];
    bide_message message;
    bide_message_send_init(&message, async, "x", 1);
    message.fds = fds;
    message.fd_count = count;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), 1);
    cr_assert(is_open(ends[1]), "the sender's own was closed");
    close_all(ends, 2);
}

static void is_passed_and_close_on_exec(int type)
{
    bide_async *ends[2];
    int channel[2];
    char byte;
    connect_unix(ends, type);
    make_pipe(channel);
    bide_message message;
    bide_message_send_init(&message, ends[0], "x", 1);
    message.fds = &channel[1];
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), 1);
    bide_fd room[4] = {-7, -7, -7, -7};
    bide_message_recv_init(&message, ends[1], &byte, 1);
    message.fds = room;
    message.fd_count = 4;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
    cr_assert_eq(message.fd_count, 1, "%zu descriptors", message.fd_count);
    cr_assert_eq(message.flags, 0, "flags %#x", message.flags);
    cr_assert_eq(room[1], -7);
    int flags = fcntl(room[0], F_GETFD);
    cr_assert(flags >= 0 && (flags & FD_CLOEXEC), "flags %d", flags);
    put(room[0], "through", 7);
    char text[8] = "";
    cr_assert_eq(read(channel[0], text, sizeof text), 7);
    cr_assert_str_eq(text, "through");
    (void)close(room[0]);
    close_all(channel, 2);
    free_both(ends);
}

Test(control, a_descriptor_is_passed_and_close_on_exec)
{
    is_passed_and_close_on_exec(SOCK_STREAM);
    is_passed_and_close_on_exec(SOCK_DGRAM);
    is_passed_and_close_on_exec(SOCK_SEQPACKET);
    expect_nothing_left(before);
}

Test(control, descriptors_without_room_are_closed_and_reported)
{
    static const struct {
        size_t sent, room;
    } cases[] = {{1, 0}, {5, 0}, {2, 1}, {3, 1}, {3, 2}, {5, 4}, {253, 1}, {253, 252}};
    bide_async *ends[2];
    char byte;
    connect_unix(ends, SOCK_STREAM);
    for (int credentials = 0; credentials < 2; credentials++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            int open_before = bide_test_fd_count();
            pass(ends[0], cases[i].sent);
            bide_fd room[BIDE_MESSAGE_MOST_FDS];
            bide_message message;
            bide_message_recv_init(&message, ends[1], &byte, 1);
            message.fds = cases[i].room ? room : NULL;
            message.fd_count = cases[i].room;
            if (credentials) message.options = BIDE_MESSAGE_CREDENTIALS;
            cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
            cr_assert_eq(message.fd_count, cases[i].room, "%zu descriptors of %zu in room for %zu",
                         message.fd_count, cases[i].sent, cases[i].room);
            cr_assert(message.flags & BIDE_MESSAGE_CONTROL_TRUNCATED, "flags %#x", message.flags);
            close_all(room, (int)message.fd_count);
            int open_after = bide_test_fd_count();
            cr_assert_eq(open_after, open_before, "%d descriptors before, %d after, of %zu in room for %zu",
                         open_before, open_after, cases[i].sent, cases[i].room);
        }
    /* A simple call, and a batch. */
    int open_before = bide_test_fd_count();
    pass(ends[0], 3);
    cr_assert_gives(bide_recv(ends[1], &byte, 1, bide_after(LONG)), 1);
    pass(ends[0], 3);
    cr_assert_gives(bide_read(ends[1], &byte, 1, bide_after(LONG)), 1);
    pass(ends[0], 3);
    bide_datagram datagram = {.buffer = {&byte, 1}};
    cr_assert_gives(bide_recv_batch(ends[1], &datagram, 1, bide_after(LONG)), 1);
    cr_assert_eq(bide_test_fd_count(), open_before);
    free_both(ends);
    expect_nothing_left(before);
}

Test(control, as_many_descriptors_go_as_the_system_lets)
{
    bide_async *ends[2];
    char byte;
    bide_fd room[BIDE_MESSAGE_MOST_FDS + 1];
    connect_unix(ends, SOCK_STREAM);
    pass(ends[0], BIDE_MESSAGE_MOST_FDS);
    bide_message message;
    bide_message_recv_init(&message, ends[1], &byte, 1);
    message.fds = room;
    message.fd_count = BIDE_MESSAGE_MOST_FDS + 1;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
    cr_assert_eq(message.fd_count, BIDE_MESSAGE_MOST_FDS, "%zu descriptors", message.fd_count);
    cr_assert_eq(message.flags, 0, "flags %#x", message.flags);
    close_all(room, BIDE_MESSAGE_MOST_FDS);
    for (size_t i = 0; i < BIDE_MESSAGE_MOST_FDS + 1; i++)
        room[i] = 0;
    bide_message_send_init(&message, ends[0], "x", 1);
    message.fds = room;
    message.fd_count = BIDE_MESSAGE_MOST_FDS + 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EINVAL);
    free_both(ends);
    expect_nothing_left(before);
}

Test(control, descriptors_that_cannot_go_are_an_error)
{
    bide_async *ends[2];
    bide_fd closed = -1, standard = 0;
    connect_unix(ends, SOCK_STREAM);
    bide_message message;
    bide_message_send_init(&message, ends[0], "x", 1);
    message.fds = &closed;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EBADF);
    bide_message_send_init(&message, ends[0], "x", 1);
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EINVAL);
    /* A stream would drop them. */
    bide_message_send_init(&message, ends[0], NULL, 0);
    message.fds = &standard;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EINVAL);
    free_both(ends);
    /* A datagram does not, and other families would drop whatever it is. */
    for (int credentials = 0; credentials < 2; credentials++) {
        bide_async *others[2];
        open_channel(TCP, others);
        bide_message_send_init(&message, others[0], "x", 1);
        message.options = credentials ? BIDE_MESSAGE_CREDENTIALS : 0;
        message.fds = &standard;
        message.fd_count = credentials ? 0 : 1;
        cr_assert_gives(bide_message_await(&message, BIDE_NEVER), BIDE_EAFNOSUPPORT);
        free_both(others);
    }
    connect_unix(ends, SOCK_DGRAM);
    bide_message_send_init(&message, ends[0], NULL, 0);
    message.fds = &standard;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), 0);
    bide_fd room = -1;
    bide_message_recv_init(&message, ends[1], NULL, 0);
    message.fds = &room;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 0);
    cr_assert_eq(message.fd_count, 1);
    (void)close(room);
    free_both(ends);
    expect_nothing_left(before);
}

Test(control, a_peek_gives_duplicates)
{
    bide_async *ends[2];
    char byte;
    connect_unix(ends, SOCK_STREAM);
    pass(ends[0], 1);
    bide_fd rooms[2] = {-1, -1};
    for (int i = 0; i < 2; i++) {
        bide_message message;
        bide_message_recv_init(&message, ends[1], &byte, 1);
        message.options = i == 0 ? BIDE_MESSAGE_PEEK : 0;
        message.fds = &rooms[i];
        message.fd_count = 1;
        cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
        cr_assert_eq(message.fd_count, 1, "round %d: %zu descriptors", i, message.fd_count);
    }
    cr_assert_neq(rooms[0], rooms[1]);
    close_all(rooms, 2);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- credentials ---------------------------------------------------------------------------------------- */

static void assert_own(const bide_message *message)
{
    cr_assert(message->flags & BIDE_MESSAGE_CREDENTIALS, "flags %#x", message->flags);
    cr_assert_eq(message->credentials.pid, getpid(), "pid %d", (int)message->credentials.pid);
    cr_assert_eq(message->credentials.uid, getuid(), "uid %u", message->credentials.uid);
    cr_assert_eq(message->credentials.gid, getgid(), "gid %u", message->credentials.gid);
}

Test(control, credentials_come_with_each_message_once_they_are_asked_for)
{
    bide_async *ends[2];
    char byte;
    connect_unix(ends, SOCK_DGRAM);
    bide_message message;
    cr_assert_gives(bide_send(ends[0], "x", 1, BIDE_NEVER), 1);
    bide_message_recv_init(&message, ends[1], &byte, 1);
    message.options = BIDE_MESSAGE_CREDENTIALS;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
    cr_assert_eq(message.flags, 0, "flags %#x before they are asked for", message.flags);
    cr_assert_ok(bide_socket_set_pass_credentials(ends[1], true));
    /* By itself, and by name; and with descriptors. */
    for (int by_name = 0; by_name < 2; by_name++) {
        bide_fd fd = 0, room = -1;
        bide_message_send_init(&message, ends[0], "x", 1);
        message.options = by_name ? BIDE_MESSAGE_CREDENTIALS : 0;
        message.fds = &fd;
        message.fd_count = 1;
        cr_assert_gives(bide_message_await(&message, BIDE_NEVER), 1);
        bide_message_recv_init(&message, ends[1], &byte, 1);
        message.options = BIDE_MESSAGE_CREDENTIALS;
        message.fds = &room;
        message.fd_count = 1;
        cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
        assert_own(&message);
        cr_assert_eq(message.fd_count, 1);
        cr_assert_not(message.flags & BIDE_MESSAGE_CONTROL_TRUNCATED, "flags %#x", message.flags);
        (void)close(room);
    }
    /* Who has room for descriptors alone gets them still. */
    bide_fd fd = 0, room = -1;
    bide_message_send_init(&message, ends[0], "x", 1);
    message.fds = &fd;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), 1);
    bide_message_recv_init(&message, ends[1], &byte, 1);
    message.fds = &room;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
    cr_assert_eq(message.fd_count, 1);
    cr_assert_eq(message.flags, 0, "flags %#x", message.flags);
    (void)close(room);
    free_both(ends);
    expect_nothing_left(before);
}

Test(control, credentials_of_others_need_a_privilege)
{
    bide_async *ends[2];
    connect_unix(ends, SOCK_STREAM);
    bide_message message;
    bide_message_send_init(&message, ends[0], "x", 1);
    message.options = BIDE_MESSAGE_CREDENTIALS;
    message.credentials.pid = getpid();
    message.credentials.uid = getuid() + 1;
    message.credentials.gid = getgid();
    cr_assert_gives(bide_message_await(&message, BIDE_NEVER), geteuid() == 0 ? 1 : BIDE_EPERM);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- full receivers ------------------------------------------------------------------------------------- */

/* Fills the receiver's queue from a socket that is not connected to it; returns how many that took. */
static int fill_queue(bide_async *sender, const bide_address *to)
{
    int sent = 0;
    bide_ssize result;
    while ((result = bide_send_to(sender, "x", 1, to, BIDE_NOW)) == 1)
        sent++;
    cr_assert_gives(result, BIDE_EAGAIN);
    return sent;
}

Test(control, an_addressed_receiver_that_is_full_is_tried_again_ever_less_often)
{
    bide_address where;
    bide_async *receiver = name_unix(&where), *sender = unnamed_unix();
    (void)fill_queue(sender, &where);
    bide_message message;
    bide_message_send_init(&message, sender, "last", 4);
    message.address = where;
    struct counter counter = {0};
    static const int delays[] = {1, 2, 4, 8, 16, 32, 50, 50};
    enum { TRIES = sizeof delays / sizeof *delays };
    bide_calls_reset();
    /* On a busy machine one poll may make two tries: the first delay is over before it has been waited for. */
    for (unsigned long tries = 0; tries < TRIES;) {
        cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_PENDING);
        tries = bide_calls_of(BIDE_CALL_SENDMSG);
        int delay = delays[tries < TRIES ? tries - 1 : TRIES - 1];
        cr_assert_eq(message.transfer_.delay_, BIDE_MILLISECONDS(delay), "after try %lu: %lld ns", tries,
                     (long long)message.transfer_.delay_);
        /* A poll for no reason tries nothing. */
        bide_instant due = bide_timer_deadline(&message.transfer_.retry_);
        cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_PENDING);
        if (!bide_is_never(due) && bide_before(bide_now(), due))
            cr_assert_eq(bide_calls_of(BIDE_CALL_SENDMSG), tries, "%s", bide_calls_text());
        AWAIT(counter.wakes > 0);
        atomic_store(&counter.wakes, 0);
    }
    char buffer[8];
    cr_assert_gives(bide_recv(receiver, buffer, sizeof buffer, BIDE_NOW), 1);
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(message.result, 4);
    cr_assert_ok(bide_async_free(sender));
    cr_assert_ok(bide_async_free(receiver));
    expect_nothing_left(before);
}

static bide_ssize call_send_to(struct call *call)
{
    return bide_send_to(call->async, "y", 1, call->buffer, call->deadline);
}

Test(control, waiting_for_a_full_receiver_burns_no_processor_and_ends_soon_after_there_is_room)
{
    bide_address where;
    bide_async *receiver = name_unix(&where), *sender = unnamed_unix();
    (void)fill_queue(sender, &where);
    bide_calls_reset();
    cr_assert_gives(bide_send_to(sender, "y", 1, &where, bide_after(BIDE_MILLISECONDS(400))), BIDE_ETIMEDOUT);
    /* 1 + 2 + 4 + 8 + 16 + 32 ms, then one try each 50 ms, and the last try. */
    cr_assert_leq(bide_calls_of(BIDE_CALL_SENDMSG), 16, "%s", bide_calls_text());
    cr_assert_geq(bide_calls_of(BIDE_CALL_SENDMSG), 3, "%s", bide_calls_text());
    cr_assert_leq(bide_calls_total(), 80, "%s", bide_calls_text());
    struct call call = {.function = call_send_to, .async = sender, .buffer = &where, .deadline = BIDE_NEVER};
    call_start(&call);
    AWAIT(stats_now().timers_pending == 1);
    char byte;
    cr_assert_gives(bide_recv(receiver, &byte, 1, BIDE_NOW), 1);
    bide_instant begin = bide_now();
    cr_assert_gives(call_join(&call), 1);
    bide_duration took = bide_instant_since(bide_now(), begin);
    /* 50 ms are promised; the rest is the machine's. */
    cr_assert_leq(took, BIDE_SECONDS(1), "it took %lld ns", (long long)took);
    cr_assert_ok(bide_async_free(sender));
    cr_assert_ok(bide_async_free(receiver));
    expect_nothing_left(before);
}

Test(control, a_full_peer_keeps_nobody_from_sending_to_another_address)
{
    bide_address full_at, free_at;
    bide_async *full = name_unix(&full_at), *other = name_unix(&free_at), *sender = unnamed_unix();
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(&full_at, &length);
    cr_assert_done(connect(bide_async_fd(sender), address, (socklen_t)length));
    bide_ssize result;
    while ((result = bide_send(sender, "x", 1, BIDE_NOW)) == 1)
        continue;
    cr_assert_gives(result, BIDE_EAGAIN);
    /* Its memory says by now that it is not writable: that is about the peer. */
    cr_assert_gives(bide_send(sender, "x", 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
    char byte;
    cr_assert_gives(bide_send_to(sender, "y", 1, &free_at, bide_after(LONG)), 1);
    cr_assert_gives(bide_recv(other, &byte, 1, bide_after(LONG)), 1);
    bide_datagram datagram = {.buffer = {&byte, 1}, .address = free_at};
    cr_assert_gives(bide_send_batch(sender, &datagram, 1, bide_after(LONG)), 1);
    bide_async *all[] = {full, other, sender};
    for (int i = 0; i < 3; i++)
        cr_assert_ok(bide_async_free(all[i]));
    expect_nothing_left(before);
}

Test(control, freeing_the_handle_and_cancelling_end_the_tries)
{
    bide_address where;
    bide_async *receiver = name_unix(&where), *sender = unnamed_unix();
    (void)fill_queue(sender, &where);
    bide_message message;
    bide_message_send_init(&message, sender, "y", 1);
    message.address = where;
    struct counter counter = {0};
    cr_assert_eq(poll_with(&message.future, counting(&counter)), BIDE_PENDING);
    cr_assert_eq(cancel_with(&message.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(message.result, BIDE_ECANCELED);
    cr_assert_eq(stats_now().timers_pending, 0);
    struct call call = {.function = call_send_to, .async = sender, .buffer = &where, .deadline = BIDE_NEVER};
    call_start(&call);
    AWAIT(stats_now().timers_pending == 1);
    cr_assert_ok(bide_async_free(sender));
    cr_assert_gives(call_join(&call), BIDE_ECANCELED);
    cr_assert_ok(bide_async_free(receiver));
    expect_nothing_left(before);
}

/* The next try would have been much later: its timer is in the future's storage, which the caller takes back. */
Test(control, a_last_try_that_ends_the_send_leaves_no_timer_armed)
{
    bide_address where;
    bide_async *receiver = name_unix(&where), *sender = unnamed_unix();
    (void)fill_queue(sender, &where);
    for (int round = 0; round < 2; round++) {
        struct counter counter = {0};
        bide_message message;
        bide_message_send_init(&message, sender, "y", 1);
        message.address = where;
        cr_assert_gives(poll_with(&message.future, counting(&counter)), BIDE_PENDING);
        cr_assert_ok(bide_timer_set_after(&message.transfer_.retry_, LONG));
        char byte;
        if (round == 0)
            cr_assert_gives(bide_recv(receiver, &byte, 1, BIDE_NOW), 1);
        else
            cr_assert_ok(bide_async_free(sender));
        cr_assert_ok(bide_await(&message.future, bide_after(-1)));
        cr_assert_gives(message.result, round == 0 ? 1 : BIDE_ECANCELED);
        cr_assert_eq(stats_now().timers_pending, 0, "round %d: the timer is armed", round);
    }
    cr_assert_ok(bide_async_free(receiver));
    expect_nothing_left(before);
}

Test(control, the_tries_need_no_reactor_but_the_sockets)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_address where;
    bide_async *receiver = name_unix(&where), *sender = unnamed_unix();
    bide_reactor_leave(previous);
    bide_set_threads(false);
    (void)fill_queue(sender, &where);
    cr_assert_gives(bide_send_to(sender, "y", 1, &where, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_async_free(sender));
    cr_assert_ok(bide_async_free(receiver));
    cr_assert_ok(bide_reactor_free(reactor));
    bide_set_threads(true);
    expect_nothing_left(before);
}
