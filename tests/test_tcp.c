/* TCP: connecting, listening, accepting; long transfers both ways; running out of descriptors. What holds
 * for every handle is in test_async.c, test_operations.c and test_readiness.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include "support/syscalls.h"

#include <poll.h>
#include <sys/resource.h>

static struct inventory before;

static void take_inventory(void)
{
    before = inventory_now();
}

TestSuite(tcp, .init = take_inventory, .timeout = 60);

/* A listener of Bide's on a free port, and its address. */
static bide_async *listen_anywhere(bide_address *where)
{
    bide_async *listener;
    bide_address loopback = bide_address_loopback(0);
    cr_assert_ok(bide_tcp_listen(&listener, &loopback, 0));
    cr_assert_ok(bide_async_local_address(listener, where));
    return listener;
}

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

/* Connects without Bide, waiting. */
static int dial(const bide_address *where)
{
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(where, &length);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    cr_assert_done(connect(fd, address, (socklen_t)length));
    return fd;
}

/* A connection, both ends of Bide's. */
static void connect_both(bide_async *ends[2])
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    cr_assert_ok(bide_tcp_connect(&ends[0], &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &ends[1], NULL, bide_after(LONG)));
    cr_assert_ok(bide_async_free(listener));
}

static bide_ssize call_accept(struct call *call)
{
    return bide_accept(call->async, call->buffer, NULL, call->deadline);
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

Test(tcp, a_connect_that_nobody_listens_for_is_refused_and_leaves_no_descriptor)
{
    bide_address where;
    int fd = closed_port(&where);
    (void)bide_reactor_backend(bide_reactor_current());
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

Test(tcp, a_connect_to_a_full_backlog_times_out_and_leaves_no_descriptor)
{
    bide_address where = bide_address_loopback(0);
    bide_async *listener, *conn = (bide_async *)&where;
    cr_assert_ok(bide_tcp_listen(&listener, &where, 1));
    cr_assert_ok(bide_async_local_address(listener, &where));
    int filling[16];
    int count = fill_backlog(&where, filling, 16);
    cr_assert_lt(count, 16, "the backlog takes %d", count);
    int fds = bide_test_fd_count();
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_tcp_connect(&conn, &where, deadline), BIDE_ETIMEDOUT);
    cr_assert_not(bide_before(bide_now(), deadline));
    cr_assert_null(conn);
    cr_assert_gives(bide_tcp_connect(&conn, &where, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_null(conn);
    cr_assert_eq(bide_test_fd_count(), fds);

    /* The same as a future that loses a race. */
    bide_connecting connecting;
    bide_timer limit;
    bide_tcp_connecting_init(&connecting, &where);
    bide_timer_after(&limit, SHORT);
    bide_future *both[] = {&connecting.future, &limit.future};
    cr_assert_gives(bide_race(both, 2), 1);
    cr_assert_gives(connecting.result, BIDE_ECANCELED);
    cr_assert_null(connecting.conn);
    cr_assert_eq(bide_test_fd_count(), fds);
    close_all(filling, count);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, cancelling_a_connect_closes_its_descriptor)
{
    bide_address where = bide_address_loopback(0);
    bide_async *listener;
    cr_assert_ok(bide_tcp_listen(&listener, &where, 1));
    cr_assert_ok(bide_async_local_address(listener, &where));
    int filling[16];
    int count = fill_backlog(&where, filling, 16);
    int fds = bide_test_fd_count();
    for (int i = 0; i < 20; i++) {
        struct counter counter = {0};
        bide_connecting connecting;
        bide_tcp_connecting_init(&connecting, &where);
        /* One that was never started. */
        if (i % 2) cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
        if (i == 1) fds = bide_test_fd_count() - 1;
        cr_assert_gives(cancel_with(&connecting.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(connecting.result, BIDE_ECANCELED);
        cr_assert_eq(bide_test_fd_count(), fds);
        memset(&connecting, 0xa5, sizeof connecting);
    }
    close_all(filling, count);
    cr_assert_ok(bide_async_free(listener));
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
    bide_address where = bide_address_loopback(0);
    bide_async *listener;
    cr_assert_ok(bide_tcp_listen(&listener, &where, 1));
    cr_assert_ok(bide_async_local_address(listener, &where));
    int filling[16];
    int count = fill_backlog(&where, filling, 16);
    struct counter counter = {0};
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, &where);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(counter.wakes, 1);
    cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(connecting.result, BIDE_ECANCELED);
    cr_assert_null(connecting.conn);
    close_all(filling, count);
    cr_assert_ok(bide_async_free(listener));
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

/* --- long transfers ------------------------------------------------------------------------------------- */

#define TRANSFER ((size_t)16 << 20)
#define CHUNK 65536
#define PERIOD 65521 /* a prime, so that no chunk looks like the one before */

/* What is sent: byte i is table[i % PERIOD]; long enough that a chunk can begin anywhere in the period. */
static unsigned char table[PERIOD + CHUNK];

static void make_table(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof table; i++) {
        x = x * 1664525 + 1013904223; /* D. Knuth, TAOCP 3.3.4 */
        table[i] = i < PERIOD ? (unsigned char)(x >> 24) : table[i - PERIOD];
    }
}

/* One direction of one end. */
struct stream {
    bide_async *async;
    size_t done;
    bool writes;
    bool wrong;
    bide_io io;
    bide_set_member member;
    unsigned char buffer[CHUNK];
};

static size_t chunk_of(const struct stream *stream)
{
    size_t rest = TRANSFER - stream->done;
    return rest < CHUNK ? rest : CHUNK;
}

/* Takes the result of a read or a write into account. */
static bool advance(struct stream *stream, bide_ssize count)
{
    if (count <= 0) return false;
    if (!stream->writes && memcmp(stream->buffer, &table[stream->done % PERIOD], (size_t)count) != 0)
        stream->wrong = true;
    stream->done += (size_t)count;
    return true;
}

static bide_ssize run_stream(struct call *call)
{
    struct stream *stream = call->buffer;
    while (stream->done < TRANSFER) {
        size_t length = chunk_of(stream);
        bide_ssize count =
            stream->writes ? bide_write(stream->async, &table[stream->done % PERIOD], length, call->deadline)
                           : bide_read(stream->async, stream->buffer, length, call->deadline);
        if (!advance(stream, count)) return count;
    }
    return 0;
}

static void prepare(struct stream *stream)
{
    if (stream->writes)
        bide_io_write(&stream->io, stream->async, &table[stream->done % PERIOD], chunk_of(stream));
    else
        bide_io_read(&stream->io, stream->async, stream->buffer, chunk_of(stream));
}

static struct stream streams[4];

static void open_streams(bide_async *ends[2])
{
    make_table();
    connect_both(ends);
    for (int i = 0; i < 4; i++) {
        streams[i].async = ends[i / 2];
        streams[i].writes = i % 2 == 0;
    }
}

static void expect_streams_done(bide_async *ends[2])
{
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(streams[i].done, TRANSFER, "stream %d: %zu bytes", i, streams[i].done);
        cr_assert_not(streams[i].wrong, "stream %d received other bytes than were sent", i);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(tcp, sixteen_mebibytes_each_way_at_once_by_two_threads_on_each_end)
{
    bide_async *ends[2];
    open_streams(ends);
    struct call calls[4];
    for (int i = 0; i < 4; i++) {
        calls[i] = (struct call){.function = run_stream,
                                 .buffer = &streams[i],
                                 .deadline = bide_after(BIDE_SECONDS(50))};
        call_start(&calls[i]);
    }
    for (int i = 0; i < 4; i++)
        cr_assert_ok(call_join(&calls[i]));
    expect_streams_done(ends);
}

Test(tcp, sixteen_mebibytes_each_way_at_once_by_one_thread_with_a_set)
{
    bide_async *ends[2];
    open_streams(ends);
    bide_set set;
    bide_set_init(&set);
    for (int i = 0; i < 4; i++) {
        prepare(&streams[i]);
        cr_assert_ok(bide_set_add(&set, &streams[i].member, &streams[i].io.future, &streams[i]));
    }
    bide_instant limit = bide_after(BIDE_SECONDS(50));
    while (bide_set_count(&set) > 0) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(&set, limit, &ready));
        struct stream *stream = ready->tag;
        cr_assert(advance(stream, stream->io.result), "%s", bide_error_name(stream->io.result));
        if (stream->done == TRANSFER) continue;
        prepare(stream);
        cr_assert_ok(bide_set_add(&set, &stream->member, &stream->io.future, stream));
    }
    expect_streams_done(ends);
}

/* --- out of descriptors --------------------------------------------------------------------------------- */

static struct rlimit old_limit;

/* From here on the process gets no further descriptor. */
static void forbid_descriptors(void)
{
    cr_assert_done(getrlimit(RLIMIT_NOFILE, &old_limit));
    int lowest_free = fcntl(0, F_DUPFD_CLOEXEC, 0);
    cr_assert_done(lowest_free);
    (void)close(lowest_free);
    struct rlimit none = {(rlim_t)lowest_free, old_limit.rlim_max};
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &none));
}

static void allow_descriptors(void)
{
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &old_limit));
}

Test(tcp, accept_without_a_descriptor_left_gives_the_error_and_then_does_not_spin)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn = (bide_async *)&where;
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EAGAIN);
    int client = dial(&where);
    forbid_descriptors();
    bide_calls_reset();
    bide_instant begin = bide_now();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    cr_assert_null(conn);
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 1, "%s", bide_calls_text());
    /* A loop that accepts whatever happens goes round ten times a second. */
    int rounds = 0;
    while (bide_instant_since(bide_now(), begin) < BIDE_MILLISECONDS(450)) {
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
        rounds++;
    }
    cr_assert_leq(rounds, 5, "%d rounds", rounds);
    cr_assert_leq(bide_calls_of(BIDE_CALL_ACCEPT), 6, "%s", bide_calls_text());
    cr_assert_leq(bide_calls_total(), 60, "%s", bide_calls_text());
    /* The connection has waited all the while. */
    allow_descriptors();
    cr_assert_ok(bide_accept(listener, &conn, NULL, bide_after(LONG)));
    put(client, "x", 1);
    char byte;
    cr_assert_gives(bide_read(conn, &byte, 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(conn));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, every_shortage_at_accept_is_told_and_makes_the_listener_pause)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int client = dial(&where);
        bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_ACCEPT), 1, 1, errors[i]);
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)),
                        bide_error_from_system(errors[i]));
        cr_assert_eq(bide_fault_clear(), 1);
        bide_calls_reset();
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(SHORT)), BIDE_ETIMEDOUT);
        cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 0, "%s", bide_calls_text());
        cr_assert_ok(bide_accept(listener, &conn, NULL, bide_after(LONG)));
        cr_assert_ok(bide_async_free(conn));
        (void)close(client);
    }
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

/* Puts the end of the listener's pause so far away that only a closed descriptor can end it in this test. */
static void pause_for_ever(bide_async *listener)
{
    bide_os_mutex *lock = bide_wait_lock(listener);
    cr_assert_neq(listener->pause_until, 0, "the listener does not pause");
    listener->pause_until = bide_after(BIDE_HOURS(1)).ns;
    bide_wait_unlock(lock);
}

Test(tcp, the_next_accept_goes_on_as_soon_as_bide_closes_a_descriptor)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    bide_async *spare[2];
    open_channel(UNIX, spare);
    int client = dial(&where);
    forbid_descriptors();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    pause_for_ever(listener);
    struct call call = {.function = call_accept, .async = listener, .buffer = &conn, .deadline = BIDE_NEVER};
    call_start(&call);
    AWAIT(stats_now().timers_pending == 1);
    cr_assert_ok(bide_async_free(spare[0]));
    cr_assert_ok(call_join(&call));
    allow_descriptors();
    cr_assert_ok(bide_async_free(conn));
    cr_assert_ok(bide_async_free(spare[1]));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, the_next_accept_goes_on_after_100_ms_when_others_closed_a_descriptor)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    int spare = dup(0);
    int client = dial(&where);
    forbid_descriptors();
    bide_instant begin = bide_now();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    (void)close(spare);
    bide_calls_reset();
    cr_assert_ok(bide_accept(listener, &conn, NULL, BIDE_NEVER));
    cr_assert_geq(bide_instant_since(bide_now(), begin), BIDE_MILLISECONDS(100));
    cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 1, "%s", bide_calls_text());
    allow_descriptors();
    cr_assert_ok(bide_async_free(conn));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, an_accept_that_pauses_is_cancelled_when_its_listener_goes)
{
    for (int give_back = 0; give_back < 2; give_back++) {
        bide_address where;
        bide_async *listener = listen_anywhere(&where), *conn;
        int client = dial(&where);
        forbid_descriptors();
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
        struct call call = {.function = call_accept,
                            .async = listener,
                            .buffer = &conn,
                            .deadline = BIDE_NEVER};
        call_start(&call);
        AWAIT(stats_now().timers_pending == 1);
        bide_fd fd = BIDE_INVALID_FD;
        if (give_back)
            cr_assert_ok(bide_async_into_fd(listener, 0, &fd));
        else
            cr_assert_ok(bide_async_free(listener));
        cr_assert_gives(call_join(&call), BIDE_ECANCELED);
        cr_assert_null(conn);
        allow_descriptors();
        if (give_back) (void)close(fd);
        (void)close(client);
    }
    expect_nothing_left(before);
}

Test(tcp, an_accept_that_pauses_needs_no_reactor_but_its_listeners)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    bide_reactor_leave(previous);
    bide_set_threads(false);
    int client = dial(&where);
    forbid_descriptors();
    bide_calls_reset();
    bide_instant begin = bide_now();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    cr_assert_geq(bide_instant_since(bide_now(), begin), BIDE_MILLISECONDS(100));
    cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 2, "%s", bide_calls_text());
    cr_assert_leq(bide_calls_total(), 10, "%s", bide_calls_text());
    allow_descriptors();
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    cr_assert_ok(bide_reactor_free(reactor));
    bide_set_threads(true);
    expect_nothing_left(before);
}

Test(tcp, no_connection_is_lost_while_descriptors_are_short)
{
    enum { CLIENTS = 20 };
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = dial(&where);
    /* Room for two: each that is served makes room for another, and none is before there is a shortage. */
    int spare[2] = {dup(0), dup(0)};
    forbid_descriptors();
    close_all(spare, 2);
    bide_incoming incoming;
    bide_set set;
    bide_set_member accepting;
    struct {
        bide_async *conn;
        bide_io io;
        bide_set_member member;
        unsigned char number;
    } served[CLIENTS];
    bool seen[CLIENTS] = {false};
    int accepted = 0, done = 0, shortages = 0;
    bide_set_init(&set);
    bide_incoming_init(&incoming, listener);
    cr_assert_ok(bide_set_add(&set, &accepting, &incoming.future, NULL));
    while (done < CLIENTS) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(&set, bide_after(LONG), &ready));
        if (ready == &accepting) {
            if (incoming.result == 0) {
                served[accepted].conn = incoming.conn;
                bide_io_read(&served[accepted].io, incoming.conn, &served[accepted].number, 1);
                cr_assert_ok(bide_set_add(&set, &served[accepted].member, &served[accepted].io.future, NULL));
                accepted++;
            } else {
                cr_assert_gives(incoming.result, BIDE_EMFILE);
                unsigned char number = (unsigned char)shortages++;
                put(clients[number], &number, 1);
            }
            cr_assert_ok(bide_set_add(&set, &accepting, &incoming.future, NULL));
            continue;
        }
        int i = 0;
        while (ready != &served[i].member)
            i++;
        cr_assert_gives(served[i].io.result, 1);
        cr_assert_not(seen[served[i].number]);
        seen[served[i].number] = true;
        cr_assert_ok(bide_async_free(served[i].conn));
        done++;
        /* The last ones cause no shortage any more. */
        if (accepted == CLIENTS && shortages < CLIENTS) {
            unsigned char number = (unsigned char)shortages++;
            put(clients[number], &number, 1);
        }
    }
    cr_assert_geq(shortages, CLIENTS - 2);
    cr_assert_gives(bide_set_remove(&set, &accepting), BIDE_READY);
    allow_descriptors();
    close_all(clients, CLIENTS);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}
