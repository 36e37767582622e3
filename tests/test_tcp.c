/* TCP: connecting, listening, accepting. Long transfers are in test_tcp_transfer.c, running out of
 * descriptors in test_tcp_shortage.c; what holds for every handle is in test_async.c, test_operations.c
 * and test_readiness.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_tcp.h"

#include <poll.h>

TestSuite(tcp, .init = take_inventory, .timeout = 60);

/* A port of the loopback on which nobody listens: bound, so that nobody else gets it. */
static int closed_port(bide_address *where)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    cr_assert_done(bind(fd, (struct sockaddr *)&address, sizeof address));
    socklen_t length = sizeof address;
    cr_assert_done(getsockname(fd, (struct sockaddr *)&address, &length));
    cr_assert_ok(bide_address_from_system(where, &address, length));
    return fd;
}

/* --- connecting and accepting --------------------------------------------------------------------------- */

Test(tcp, a_connection_is_made_and_carries_bytes_both_ways)
{
    bide_address where, local, peer, seen;
    bide_async *listener = listen_anywhere(&where);
    cr_assert_neq(bide_address_port(&where), 0);
    bide_async *client, *server;
    cr_assert_ok(bide_tcp_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &server, &seen, bide_after(LONG)));
    cr_assert_ok(bide_async_peer_address(client, &peer));
    cr_assert(bide_address_equal(&peer, &where));
    cr_assert_ok(bide_async_local_address(client, &local));
    cr_assert(bide_address_equal(&local, &seen));
    cr_assert_ok(bide_async_peer_address(server, &peer));
    cr_assert(bide_address_equal(&local, &peer));

    char buffer[8] = "";
    cr_assert_gives(bide_write(client, "ping", 4, bide_after(LONG)), 4);
    cr_assert_gives(bide_read(server, buffer, 8, bide_after(LONG)), 4);
    cr_assert_str_eq(buffer, "ping");
    cr_assert_gives(bide_write(server, "pong", 4, bide_after(LONG)), 4);
    cr_assert_gives(bide_read(client, buffer, 8, bide_after(LONG)), 4);
    cr_assert_str_eq(buffer, "pong");
    cr_assert_ok(bide_async_free(client));
    cr_assert_gives(bide_read(server, buffer, 8, bide_after(LONG)), 0);
    cr_assert_ok(bide_async_free(server));
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, over_ipv6_too)
{
    bide_address where;
    bide_async *listener, *client, *server;
    cr_assert_ok(bide_address_parse(&where, "[::1]:0"));
    int error = bide_tcp_listen(&listener, &where, 0);
    if (error == BIDE_EAFNOSUPPORT || error == BIDE_EADDRNOTAVAIL) BIDE_SKIP("no IPv6 here");
    cr_assert_ok(error);
    cr_assert_ok(bide_async_local_address(listener, &where));
    cr_assert_ok(bide_tcp_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &server, NULL, bide_after(LONG)));
    char byte;
    cr_assert_gives(bide_write(client, "x", 1, bide_after(LONG)), 1);
    cr_assert_gives(bide_read(server, &byte, 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(server));
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, its_descriptors_are_non_blocking_and_close_on_exec)
{
    bide_address where;
    bide_async *all[3];
    all[0] = listen_anywhere(&where);
    cr_assert_ok(bide_tcp_connect(&all[1], &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(all[0], &all[2], NULL, bide_after(LONG)));
    for (int i = 0; i < 3; i++) {
        int fd = bide_async_fd(all[i]);
        cr_assert(is_nonblocking(fd));
        cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC, "socket %d", i);
        cr_assert_ok(bide_async_free(all[i]));
        cr_assert_not(is_open(fd));
    }
    expect_nothing_left(before);
}

/* Those of the poller: on kernels before 5.11 the first wait with a limit makes one more, unless the limit has passed
 * by then. */
static void make_descriptors_of_its_own(void)
{
    (void)bide_reactor_backend(bide_reactor_current());
    (void)bide_sleep(BIDE_MILLISECONDS(100));
}

Test(tcp, a_connect_that_nobody_listens_for_is_refused_and_leaves_no_descriptor)
{
    bide_address where;
    int fd = closed_port(&where);
    make_descriptors_of_its_own();
    int fds = bide_test_fd_count();
    const bide_instant deadlines[] = {BIDE_NEVER, bide_after(LONG)};
    for (int i = 0; i < 2; i++) {
        bide_async *conn = (bide_async *)&where;
        cr_assert_gives(bide_tcp_connect(&conn, &where, deadlines[i]), BIDE_ECONNREFUSED);
        cr_assert_null(conn);
        cr_assert_eq(bide_test_fd_count(), fds);
    }
    (void)close(fd);
    expect_nothing_left(before);
}

Test(tcp, a_connect_is_refused_after_the_listener_was_closed)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    cr_assert_ok(bide_tcp_connect(&conn, &where, bide_after(LONG)));
    cr_assert_ok(bide_async_free(conn));
    cr_assert_ok(bide_async_free(listener));
    cr_assert_gives(bide_tcp_connect(&conn, &where, bide_after(LONG)), BIDE_ECONNREFUSED);
    cr_assert_null(conn);
    expect_nothing_left(before);
}

Test(tcp, a_connect_refuses_what_is_no_address_of_its_own)
{
    bide_async *conn = (bide_async *)&before;
    bide_address where = bide_address_loopback(1), none;
    memset(&none, 0, sizeof none);
    cr_assert_gives(bide_tcp_connect(NULL, &where, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_tcp_connect(&conn, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_null(conn);
    cr_assert_gives(bide_tcp_connect(&conn, &none, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_tcp_listen(NULL, &where, 0), BIDE_EINVAL);
    cr_assert_gives(bide_tcp_listen(&conn, NULL, 0), BIDE_EINVAL);
    cr_assert_gives(bide_tcp_listen(&conn, &none, 0), BIDE_EINVAL);
    cr_assert_null(conn);
    cr_assert_gives(bide_accept(NULL, &conn, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_async_local_address(NULL, &where), BIDE_EINVAL);
    cr_assert_gives(bide_async_peer_address(NULL, &where), BIDE_EINVAL);
    cr_assert_gives(bide_tcp_set_nodelay(NULL, true), BIDE_EINVAL);
    bide_async *listener = listen_anywhere(&where);
    cr_assert_gives(bide_accept(listener, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_async_local_address(listener, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_async_peer_address(listener, &where), BIDE_ENOTCONN);
    cr_assert_ok(bide_async_free(listener));
    cr_assert_gives(bide_async_local_address(listener, &where), BIDE_EFREED);
    cr_assert_gives(bide_tcp_set_nodelay(listener, true), BIDE_EFREED);
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NEVER), BIDE_EFREED);
    expect_nothing_left(before);
}

Test(tcp, listening_where_somebody_listens_already_is_an_error_and_leaves_no_descriptor)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *other;
    int fds = bide_test_fd_count();
    cr_assert_gives(bide_tcp_listen(&other, &where, 0), BIDE_EADDRINUSE);
    cr_assert_null(other);
    cr_assert_ok(bide_address_parse(&where, "192.0.2.1:0")); /* for documentation: nobody's, RFC 5737 */
    cr_assert_gives(bide_tcp_listen(&other, &where, 0), BIDE_EADDRNOTAVAIL);
    cr_assert_null(other);
    cr_assert_eq(bide_test_fd_count(), fds);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, a_server_can_be_started_again_at_once_on_the_same_port)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *client, *server;
    cr_assert_ok(bide_tcp_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &server, NULL, bide_after(LONG)));
    /* The server closes first: its end stays in TIME_WAIT. */
    cr_assert_ok(bide_async_free(server));
    char byte;
    cr_assert_gives(bide_read(client, &byte, 1, bide_after(LONG)), 0);
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(listener));
    cr_assert_ok(bide_tcp_listen(&listener, &where, 0));
    cr_assert_ok(bide_tcp_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

/* Connects until the listener, which accepts nobody, takes no more in; returns how many. */
static int fill_backlog(const bide_address *where, int fds[], int most)
{
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(where, &length);
    for (int i = 0; i < most; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        cr_assert_done(fds[i]);
        if (connect(fds[i], address, (socklen_t)length) == 0) continue;
        cr_assert_eq(errno, EINPROGRESS, "%s", strerror(errno));
        struct pollfd entry = {.fd = fds[i], .events = POLLOUT};
        if (poll(&entry, 1, 100) == 0) return i + 1;
    }
    return most;
}

/* A listener whose backlog is full: connecting to it waits. */
struct full {
    bide_address where;
    bide_async *listener;
    int filling[16];
    int count;
};

static void make_full(struct full *full)
{
    bide_address loopback = bide_address_loopback(0);
    cr_assert_ok(bide_tcp_listen(&full->listener, &loopback, 1));
    cr_assert_ok(bide_async_local_address(full->listener, &full->where));
    full->count = fill_backlog(&full->where, full->filling, 16);
    cr_assert_lt(full->count, 16, "the backlog takes %d", full->count);
}

static void free_full(struct full *full)
{
    close_all(full->filling, full->count);
    cr_assert_ok(bide_async_free(full->listener));
}

Test(tcp, a_connect_to_a_full_backlog_times_out_and_leaves_no_descriptor)
{
    struct full full;
    make_full(&full);
    bide_async *conn = (bide_async *)&full;
    make_descriptors_of_its_own();
    int fds = bide_test_fd_count();
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_tcp_connect(&conn, &full.where, deadline), BIDE_ETIMEDOUT);
    cr_assert_not(bide_before(bide_now(), deadline));
    cr_assert_null(conn);
    cr_assert_gives(bide_tcp_connect(&conn, &full.where, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_null(conn);
    cr_assert_eq(bide_test_fd_count(), fds);

    /* The same as a future that loses a race. */
    bide_connecting connecting;
    bide_timer limit;
    bide_tcp_connecting_init(&connecting, &full.where);
    bide_timer_after(&limit, SHORT);
    bide_future *both[] = {&connecting.future, &limit.future};
    cr_assert_gives(bide_race(both, 2), 1);
    cr_assert_gives(connecting.result, BIDE_ECANCELED);
    cr_assert_null(connecting.conn);
    cr_assert_eq(bide_test_fd_count(), fds);
    free_full(&full);
    expect_nothing_left(before);
}

Test(tcp, cancelling_a_connect_closes_its_descriptor)
{
    struct full full;
    make_full(&full);
    int fds = bide_test_fd_count();
    for (int i = 0; i < 20; i++) {
        struct counter counter = {0};
        bide_connecting connecting;
        bide_tcp_connecting_init(&connecting, &full.where);
        /* One that was never started. */
        if (i % 2) cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
        if (i == 1) fds = bide_test_fd_count() - 1;
        cr_assert_gives(cancel_with(&connecting.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(connecting.result, BIDE_ECANCELED);
        cr_assert_eq(bide_test_fd_count(), fds);
        memset(&connecting, 0xa5, sizeof connecting);
    }
    free_full(&full);
    expect_nothing_left(before);
}

Test(tcp, a_connect_as_a_future_yields_the_connection)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *server;
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, &where);
    cr_assert_ok(bide_await(&connecting.future, bide_after(LONG)));
    cr_assert_ok(connecting.result);
    cr_assert_not_null(connecting.conn);
    cr_assert_ok(bide_accept(listener, &server, NULL, bide_after(LONG)));
    cr_assert_gives(bide_write(connecting.conn, "x", 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(connecting.conn));
    cr_assert_ok(bide_async_free(server));
    bide_tcp_connecting_init(&connecting, NULL);
    cr_assert_ok(bide_block_on(&connecting.future));
    cr_assert_gives(connecting.result, BIDE_EINVAL);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, a_connect_under_way_is_cancelled_by_a_shutdown)
{
    struct full full;
    make_full(&full);
    struct counter counter = {0};
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, &full.where);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(counter.wakes, 1);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(connecting.result, BIDE_ECANCELED);
    cr_assert_null(connecting.conn);
    free_full(&full);
    expect_nothing_left(before);
}

Test(tcp, accept_observes_its_deadline_and_takes_what_is_there_in_a_last_try)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn = (bide_async *)&where;
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_null(conn);
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_accept(listener, &conn, NULL, deadline), BIDE_ETIMEDOUT);
    cr_assert_not(bide_before(bide_now(), deadline));
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(-1)), BIDE_ETIMEDOUT);
    const bide_instant passed[] = {BIDE_NOW, bide_after(-1), bide_instant_from_ns(1)};
    for (int i = 0; i < 3; i++) {
        int client = dial(&where);
        cr_assert_ok(bide_accept(listener, &conn, NULL, passed[i]));
        cr_assert_ok(bide_async_free(conn));
        (void)close(client);
    }
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, a_waiting_accept_is_cancelled_when_its_listener_is_freed)
{
    enum { THREADS = 4 };
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    struct call calls[THREADS];
    bide_async *conns[THREADS];
    for (int i = 0; i < THREADS; i++) {
        calls[i] = (struct call){.function = call_accept,
                                 .async = listener,
                                 .buffer = &conns[i],
                                 .deadline = BIDE_NEVER};
        call_start(&calls[i]);
    }
    await_waiters(listener, BIDE_READ, THREADS);
    cr_assert_ok(bide_async_free(listener));
    for (int i = 0; i < THREADS; i++) {
        cr_assert_gives(call_join(&calls[i]), BIDE_ECANCELED);
        cr_assert_null(conns[i]);
    }
    expect_nothing_left(before);
}

Test(tcp, several_threads_accept_from_one_listener_and_each_connection_is_given_once)
{
    enum { THREADS = 4, EACH = 25 };
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    static int clients[THREADS * EACH];
    static bool seen[THREADS * EACH];
    for (int round = 0; round < EACH; round++) {
        struct call calls[THREADS];
        bide_async *conns[THREADS];
        for (int i = 0; i < THREADS; i++) {
            calls[i] = (struct call){.function = call_accept,
                                     .async = listener,
                                     .buffer = &conns[i],
                                     .deadline = bide_after(LONG)};
            call_start(&calls[i]);
        }
        for (int i = 0; i < THREADS; i++) {
            unsigned char number = (unsigned char)(round * THREADS + i);
            clients[number] = dial(&where);
            put(clients[number], &number, 1);
        }
        for (int i = 0; i < THREADS; i++) {
            unsigned char number;
            cr_assert_ok(call_join(&calls[i]));
            cr_assert_gives(bide_read(conns[i], &number, 1, bide_after(LONG)), 1);
            cr_assert_not(seen[number], "connection %d was given twice", number);
            seen[number] = true;
            cr_assert_ok(bide_async_free(conns[i]));
        }
    }
    close_all(clients, THREADS * EACH);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, incoming_connections_are_a_stream)
{
    bide_address where, local;
    bide_async *listener = listen_anywhere(&where);
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    for (int i = 0; i < 5; i++) {
        struct counter counter = {0};
        cr_assert_gives(poll_with(&incoming.future, counting(&counter)), BIDE_PENDING);
        bide_async *client;
        cr_assert_ok(bide_tcp_connect(&client, &where, bide_after(LONG)));
        AWAIT(counter.wakes > 0);
        cr_assert_gives(poll_with(&incoming.future, counting(&counter)), BIDE_READY);
        cr_assert_ok(incoming.result);
        cr_assert_ok(bide_async_local_address(client, &local));
        cr_assert(bide_address_equal(&local, &incoming.peer));
        cr_assert_ok(bide_async_free(incoming.conn));
        cr_assert_ok(bide_async_free(client));
    }
    /* Cancelled in between, it can go on. */
    struct counter counter = {0};
    cr_assert_gives(poll_with(&incoming.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(cancel_with(&incoming.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(incoming.result, BIDE_ECANCELED);
    int client = dial(&where);
    cr_assert_ok(bide_await(&incoming.future, bide_after(LONG)));
    cr_assert_ok(incoming.result);
    cr_assert_ok(bide_async_free(incoming.conn));
    (void)close(client);

    cr_assert_gives(poll_with(&incoming.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_async_free(listener));
    cr_assert_gives(poll_with(&incoming.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(incoming.result, BIDE_ECANCELED);
    cr_assert_null(incoming.conn);
    expect_nothing_left(before);
}

Test(tcp, incoming_of_a_freed_listener_never_accepts_from_the_next_owner_of_its_slot)
{
    enum { LISTENERS = 80 };
    bide_address where;
    bide_async *others[LISTENERS];
    for (int i = 0; i < LISTENERS; i++)
        others[i] = listen_anywhere(&where);
    bide_async *listener = listen_anywhere(&where), *stale = listener;
    bide_incoming fresh, used;
    bide_incoming_init(&fresh, listener);
    bide_incoming_init(&used, listener);
    int client = dial(&where);
    cr_assert_ok(bide_await(&used.future, bide_after(LONG)));
    cr_assert_ok(used.result);
    cr_assert_ok(bide_async_free(used.conn));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    for (int i = 0; i < LISTENERS; i++)
        cr_assert_ok(bide_async_free(others[i]));
    listener = NULL;
    for (int i = 0; i < LISTENERS; i++) {
        bide_address there;
        others[i] = listen_anywhere(&there);
        if (others[i] != stale) continue;
        listener = others[i];
        where = there;
    }
    cr_assert_not_null(listener, "the slot was not used again");
    client = dial(&where);
    cr_assert_ok(bide_await(&fresh.future, bide_after(LONG)));
    cr_assert_gives(fresh.result, BIDE_ECANCELED);
    cr_assert_ok(bide_await(&used.future, bide_after(LONG)));
    cr_assert_gives(used.result, BIDE_ECANCELED);
    bide_async *conn;
    cr_assert_ok(bide_accept(listener, &conn, NULL, bide_after(LONG)));
    cr_assert_ok(bide_async_free(conn));
    (void)close(client);
    for (int i = 0; i < LISTENERS; i++)
        cr_assert_ok(bide_async_free(others[i]));
    expect_nothing_left(before);
}

Test(tcp, nodelay_is_set_and_taken_back)
{
    bide_async *ends[2];
    connect_both(ends);
    for (int on = 1; on >= 0; on--) {
        cr_assert_ok(bide_tcp_set_nodelay(ends[0], on != 0));
        int value = -1;
        socklen_t length = sizeof value;
        cr_assert_done(getsockopt(bide_async_fd(ends[0]), IPPROTO_TCP, TCP_NODELAY, &value, &length));
        cr_assert_eq(value != 0, on != 0);
    }
    free_both(ends);
    open_channel(PIPE, ends);
    cr_assert_gives(bide_tcp_set_nodelay(ends[0], true), BIDE_ENOTSOCK);
    free_both(ends);
    expect_nothing_left(before);
}
