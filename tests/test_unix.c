/* Unix sockets: streams, listeners and their files, pairs, datagrams, credentials. Full backlogs, and what
 * calls are made, are in test_unix_busy.c; long transfers in test_tcp_transfer.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_unix.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

TestSuite(unix_sockets, .init = make_folder, .fini = remove_folder, .timeout = 60);

static void expect_echo(bide_async *client, bide_async *server)
{
    char buffer[8] = "";
    cr_assert_gives(bide_write(client, "ping", 4, bide_after(LONG)), 4);
    cr_assert_gives(bide_read(server, buffer, 8, bide_after(LONG)), 4);
    cr_assert_str_eq(buffer, "ping");
    cr_assert_gives(bide_write(server, "pong", 4, bide_after(LONG)), 4);
    cr_assert_gives(bide_read(client, buffer, 8, bide_after(LONG)), 4);
    cr_assert_str_eq(buffer, "pong");
}

static void expect_address(bide_async *async, int (*ask)(const bide_async *, bide_address *),
                           const bide_address *expected)
{
    bide_address address;
    char text[BIDE_ADDRESS_TEXT_MAX];
    cr_assert_ok(ask(async, &address));
    (void)bide_address_format(&address, text, sizeof text);
    cr_assert(bide_address_equal(&address, expected), "%s", text);
}

/* A connection over that address carries bytes both ways, and both ends know their addresses. */
static void expect_connection_at(const bide_address *where)
{
    bide_async *listener, *client, *server;
    bide_address seen, unnamed = bide_address_unnamed();
    cr_assert_ok(bide_unix_listen(&listener, where, 0));
    expect_address(listener, bide_async_local_address, where);
    cr_assert_ok(bide_unix_connect(&client, where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &server, &seen, bide_after(LONG)));
    cr_assert(bide_address_equal(&seen, &unnamed), "the client has an address");
    expect_address(client, bide_async_peer_address, where);
    expect_address(client, bide_async_local_address, &unnamed);
    expect_address(server, bide_async_local_address, where);
    expect_address(server, bide_async_peer_address, &unnamed);
    expect_echo(client, server);
    cr_assert_ok(bide_async_free(client));
    char byte;
    cr_assert_gives(bide_read(server, &byte, 1, bide_after(LONG)), 0);
    cr_assert_gives(bide_write(server, "x", 1, bide_after(LONG)), BIDE_EPIPE);
    cr_assert_ok(bide_async_free(server));
    cr_assert_ok(bide_async_free(listener));
}

Test(unix_sockets, a_connection_over_a_path_carries_bytes_both_ways)
{
    bide_address where = address_of("socket");
    expect_connection_at(&where);
    cr_assert(exists("socket"), "the file is gone, which is not promised");
    remove_file("socket");
    expect_nothing_left(before);
}

Test(unix_sockets, over_an_abstract_name_too_which_needs_no_file)
{
    char name[64];
    /* With a zero byte inside. */
    int length = snprintf(name, sizeof name, "bide-test%c%d", 0, (int)getpid());
    bide_address where;
    cr_assert_ok(bide_address_abstract(&where, name, (size_t)length));
    expect_connection_at(&where);
    /* The name is free again. */
    expect_connection_at(&where);
    expect_nothing_left(before);
}

Test(unix_sockets, the_longest_path_is_told_as_it_is)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    size_t length = strlen(folder);
    memcpy(path, folder, length);
    path[length] = '/';
    bide_address where;
    cr_assert_ok(bide_address_unix(&where, path));
    expect_connection_at(&where);
    cr_assert_done(unlink(path));
    expect_nothing_left(before);
}

Test(unix_sockets, a_listener_without_an_address_gets_a_name)
{
    bide_address where;
    size_t length = 0;
    bide_async *listener = listen_anywhere(&where, 0), *client;
    cr_assert_not_null(bide_address_name(&where, &length));
    cr_assert_gt(length, 0);
    cr_assert_ok(bide_unix_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(unix_sockets, their_descriptors_are_non_blocking_and_close_on_exec)
{
    bide_address where;
    bide_async *all[8];
    all[0] = listen_anywhere(&where, 0);
    cr_assert_ok(bide_unix_connect(&all[1], &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(all[0], &all[2], NULL, bide_after(LONG)));
    cr_assert_ok(bide_unix_pair(&all[3], &all[4]));
    cr_assert_ok(bide_unix_datagram_pair(&all[5], &all[6]));
    cr_assert_ok(bide_unix_datagram_unbound(&all[7]));
    for (int i = 0; i < 8; i++) {
        int fd = bide_async_fd(all[i]);
        cr_assert(is_nonblocking(fd), "socket %d", i);
        cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC, "socket %d", i);
        cr_assert_ok(bide_async_free(all[i]));
        cr_assert_not(is_open(fd));
    }
    expect_nothing_left(before);
}

Test(unix_sockets, a_connect_names_what_stands_in_its_way_and_leaves_no_descriptor)
{
    bide_address missing = address_of("missing"), file = address_of("file"), stale = address_of("stale");
    bide_address unused, datagrams = address_of("datagrams");
    cr_assert_ok(bide_address_abstract(&unused, "bide-test: nobody listens", 25));
    bide_async *listener, *receiver, *conn;
    cr_assert_ok(bide_unix_listen(&listener, &stale, 0));
    cr_assert_ok(bide_async_free(listener));
    cr_assert_ok(bide_unix_datagram_bind(&receiver, &datagrams));
    cr_assert_done(close(open(path_of("file"), O_CREAT | O_CLOEXEC, 0600)));
    int fds = bide_test_fd_count();
    const struct {
        const bide_address *where;
        int error;
    } cases[] = {{&missing, BIDE_ENOENT},
                 {&file, BIDE_ECONNREFUSED},
                 {&stale, BIDE_ECONNREFUSED},
                 {&unused, BIDE_ECONNREFUSED},
                 {&datagrams, BIDE_EPROTOTYPE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        conn = (bide_async *)&missing;
        cr_assert_gives(bide_unix_connect(&conn, cases[i].where, bide_after(LONG)), cases[i].error);
        cr_assert_null(conn);
        cr_assert_eq(bide_test_fd_count(), fds);
    }
    cr_assert_ok(bide_async_free(receiver));
    remove_file("file");
    remove_file("stale");
    remove_file("datagrams");
    expect_nothing_left(before);
}

Test(unix_sockets, what_is_no_address_of_theirs_is_refused)
{
    bide_address loopback = bide_address_loopback(1), none = {0}, unnamed = bide_address_unnamed();
    const bide_address *wrong[] = {NULL, &loopback, &none};
    bide_async *a, *b, *pair[2];
    bide_credentials credentials;
    cr_assert_ok(bide_unix_datagram_pair(&pair[0], &pair[1]));
    for (int i = 0; i < 3; i++) {
        a = (bide_async *)&a;
        cr_assert_gives(bide_unix_connect(&a, wrong[i], BIDE_NEVER), BIDE_EINVAL);
        cr_assert_null(a);
        cr_assert_gives(bide_unix_listen(&a, wrong[i], 0), BIDE_EINVAL);
        cr_assert_gives(bide_unix_datagram_bind(&a, wrong[i]), BIDE_EINVAL);
        cr_assert_gives(bide_unix_datagram_connect(pair[0], wrong[i]), BIDE_EINVAL);
        cr_assert_gives(bide_unix_remove_stale(wrong[i]), BIDE_EINVAL);
    }
    cr_assert_gives(bide_unix_connect(&a, &unnamed, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_unix_datagram_connect(pair[0], &unnamed), BIDE_EINVAL);
    cr_assert_gives(bide_unix_remove_stale(&unnamed), BIDE_EINVAL);
    cr_assert_gives(bide_unix_connect(NULL, &unnamed, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_unix_listen(NULL, &unnamed, 0), BIDE_EINVAL);
    cr_assert_gives(bide_unix_datagram_bind(NULL, &unnamed), BIDE_EINVAL);
    cr_assert_gives(bide_unix_datagram_unbound(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_unix_datagram_connect(NULL, &unnamed), BIDE_EINVAL);
    a = b = pair[0];
    cr_assert_gives(bide_unix_pair(&a, NULL), BIDE_EINVAL);
    cr_assert_null(a);
    cr_assert_gives(bide_unix_pair(NULL, &b), BIDE_EINVAL);
    cr_assert_null(b);
    cr_assert_gives(bide_unix_pair(&a, &a), BIDE_EINVAL);
    cr_assert_gives(bide_unix_datagram_pair(NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_unix_peer_credentials(NULL, &credentials), BIDE_EINVAL);
    cr_assert_gives(bide_unix_peer_credentials(pair[0], NULL), BIDE_EINVAL);
    free_both(pair);
    bide_address somewhere = address_of("x");
    cr_assert_gives(bide_unix_datagram_connect(pair[0], &somewhere), BIDE_EFREED);
    cr_assert_gives(bide_unix_peer_credentials(pair[0], &credentials), BIDE_EFREED);
    bide_connecting connecting;
    bide_unix_connecting_init(NULL, &somewhere);
    bide_unix_connecting_init(&connecting, &loopback);
    cr_assert_ok(bide_block_on(&connecting.future));
    cr_assert_gives(connecting.result, BIDE_EINVAL);
    expect_nothing_left(before);
}

/* --- files of listeners --------------------------------------------------------------------------------- */

Test(unix_sockets, listening_at_a_file_that_is_there_is_an_error_and_leaves_it_alone)
{
    bide_address where = address_of("socket"), nowhere = address_of("no/folder");
    bide_async *listener, *other = (bide_async *)&where, *conn;
    cr_assert_ok(bide_unix_listen(&listener, &where, 0));
    int fds = bide_test_fd_count();
    cr_assert_gives(bide_unix_listen(&other, &where, 0), BIDE_EADDRINUSE);
    cr_assert_null(other);
    cr_assert_gives(bide_unix_datagram_bind(&other, &where), BIDE_EADDRINUSE);
    cr_assert_gives(bide_unix_listen(&other, &nowhere, 0), BIDE_ENOENT);
    cr_assert_eq(bide_test_fd_count(), fds);
    cr_assert_ok(bide_unix_connect(&conn, &where, bide_after(LONG)));
    cr_assert_ok(bide_async_free(conn));
    cr_assert_ok(bide_async_free(listener));
    /* Also when nobody listens. */
    cr_assert_gives(bide_unix_listen(&other, &where, 0), BIDE_EADDRINUSE);
    remove_file("socket");
    expect_nothing_left(before);
}

Test(unix_sockets, a_stale_file_is_removed_so_that_a_server_can_be_started_again)
{
    bide_address where = address_of("socket");
    bide_async *socket;
    cr_assert_gives(bide_unix_remove_stale(&where), BIDE_ENOENT);
    for (int i = 0; i < 2; i++) {
        int error = bide_unix_listen(&socket, &where, 0);
        if (error == BIDE_EADDRINUSE && bide_unix_remove_stale(&where) == 0)
            error = bide_unix_listen(&socket, &where, 0);
        cr_assert_ok(error);
        cr_assert_ok(bide_async_free(socket));
    }
    cr_assert_ok(bide_unix_remove_stale(&where));
    cr_assert_not(exists("socket"));
    cr_assert_ok(bide_unix_datagram_bind(&socket, &where));
    cr_assert_ok(bide_async_free(socket));
    cr_assert_ok(bide_unix_remove_stale(&where));
    expect_nothing_left(before);
}

/* A socket without Bide that is bound to that address. */
static int bound(const bide_address *where, int type)
{
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(where, &length);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    cr_assert_done(bind(fd, address, (socklen_t)length));
    return fd;
}

Test(unix_sockets, a_file_that_somebody_has_open_is_not_stale_and_its_owner_notices_nothing)
{
    bide_address where = address_of("socket");
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        int fd = bound(&where, types[i]);
        cr_assert_gives(bide_unix_remove_stale(&where), BIDE_EADDRINUSE);
        cr_assert(exists("socket"));
        (void)close(fd);
        cr_assert_ok(bide_unix_remove_stale(&where));
    }
    bide_async *listener, *conn;
    cr_assert_ok(bide_unix_listen(&listener, &where, 1));
    for (int i = 0; i < 5; i++) /* also when its backlog would be full */
        cr_assert_gives(bide_unix_remove_stale(&where), BIDE_EADDRINUSE);
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_async_free(listener));
    remove_file("socket");

    /* A datagram socket that takes datagrams from its own peer only. */
    bide_address first = address_of("first");
    int one = bound(&first, SOCK_DGRAM), two = bound(&where, SOCK_DGRAM);
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(&first, &length);
    cr_assert_done(connect(two, address, (socklen_t)length));
    cr_assert_gives(bide_unix_remove_stale(&where), BIDE_EADDRINUSE);
    (void)close(one);
    (void)close(two);
    remove_file("first");
    remove_file("socket");
    expect_nothing_left(before);
}

Test(unix_sockets, a_file_that_is_no_socket_is_not_removed)
{
    bide_address file = address_of("file"), link = address_of("link"), where = address_of("socket");
    bide_address inside = address_of("file/inside");
    cr_assert_done(close(open(path_of("file"), O_CREAT | O_CLOEXEC, 0600)));
    cr_assert_gives(bide_unix_remove_stale(&file), BIDE_ENOTSOCK);
    cr_assert_gives(bide_unix_remove_stale(&inside), BIDE_ENOTDIR);
    bide_async *listener;
    cr_assert_ok(bide_unix_listen(&listener, &where, 0));
    cr_assert_ok(bide_async_free(listener));
    cr_assert_done(symlink("socket", path_of("link")));
    cr_assert_gives(bide_unix_remove_stale(&link), BIDE_ENOTSOCK);
    remove_file("link");
    remove_file("file");
    remove_file("socket");
    expect_nothing_left(before);
}

/* --- pairs and datagrams -------------------------------------------------------------------------------- */

Test(unix_sockets, a_pair_is_connected_both_ways)
{
    bide_async *ends[2];
    bide_address unnamed = bide_address_unnamed();
    cr_assert_ok(bide_unix_pair(&ends[0], &ends[1]));
    expect_address(ends[0], bide_async_local_address, &unnamed);
    expect_address(ends[1], bide_async_peer_address, &unnamed);
    expect_echo(ends[0], ends[1]);
    cr_assert_ok(bide_async_shutdown(ends[0], BIDE_WRITE));
    char byte;
    cr_assert_gives(bide_read(ends[1], &byte, 1, bide_after(LONG)), 0);
    free_both(ends);
    expect_nothing_left(before);
}

Test(unix_sockets, a_pair_of_datagram_sockets_keeps_the_borders_of_what_is_sent)
{
    bide_async *ends[2];
    char buffer[16] = "";
    cr_assert_ok(bide_unix_datagram_pair(&ends[0], &ends[1]));
    cr_assert_gives(bide_write(ends[0], "one", 3, bide_after(LONG)), 3);
    cr_assert_gives(bide_write(ends[0], "three", 5, bide_after(LONG)), 5);
    cr_assert_gives(bide_peek(ends[1], buffer, sizeof buffer, bide_after(LONG)), 3);
    cr_assert_gives(bide_read(ends[1], buffer, sizeof buffer, bide_after(LONG)), 3);
    cr_assert_gives(bide_read(ends[1], buffer, sizeof buffer, bide_after(LONG)), 5);
    cr_assert_str_eq(buffer, "three");
    cr_assert_gives(bide_read(ends[1], buffer, sizeof buffer, BIDE_NOW), BIDE_EAGAIN);
    free_both(ends);
    expect_nothing_left(before);
}

Test(unix_sockets, datagrams_go_to_the_peer_that_was_set_last)
{
    bide_address first = address_of("first"), second = address_of("second"), missing = address_of("missing");
    bide_async *sender, *receivers[2];
    char buffer[16] = "";
    cr_assert_ok(bide_unix_datagram_bind(&receivers[0], &first));
    cr_assert_ok(bide_unix_datagram_bind(&receivers[1], &second));
    expect_address(receivers[0], bide_async_local_address, &first);
    cr_assert_ok(bide_unix_datagram_unbound(&sender));
    cr_assert_gives(bide_write(sender, "x", 1, bide_after(LONG)), BIDE_ENOTCONN);
    cr_assert_ok(bide_unix_datagram_connect(sender, &first));
    cr_assert_gives(bide_write(sender, "to the first", 12, bide_after(LONG)), 12);
    cr_assert_ok(bide_unix_datagram_connect(sender, &second));
    expect_address(sender, bide_async_peer_address, &second);
    cr_assert_gives(bide_unix_datagram_connect(sender, &missing), BIDE_ENOENT);
    cr_assert_gives(bide_write(sender, "to the second", 13, bide_after(LONG)), 13);
    cr_assert_gives(bide_read(receivers[0], buffer, sizeof buffer, bide_after(LONG)), 12);
    cr_assert_gives(bide_read(receivers[0], buffer, sizeof buffer, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_read(receivers[1], buffer, sizeof buffer, bide_after(LONG)), 13);
    cr_assert_str_eq(buffer, "to the second");
    cr_assert_ok(bide_async_free(receivers[1]));
    cr_assert_gives(bide_write(sender, "x", 1, bide_after(LONG)), BIDE_ECONNREFUSED);
    cr_assert_gives(bide_unix_datagram_connect(sender, &second), BIDE_ECONNREFUSED);
    cr_assert_ok(bide_async_free(receivers[0]));
    cr_assert_ok(bide_async_free(sender));
    remove_file("first");
    remove_file("second");
    expect_nothing_left(before);
}

Test(unix_sockets, a_datagram_socket_may_have_an_abstract_name_or_be_given_one)
{
    bide_address unnamed = bide_address_unnamed(), name;
    bide_async *receiver, *sender;
    char buffer[16];
    cr_assert_ok(bide_unix_datagram_bind(&receiver, &unnamed));
    cr_assert_ok(bide_async_local_address(receiver, &name));
    cr_assert_not_null(bide_address_name(&name, NULL));
    cr_assert_ok(bide_unix_datagram_unbound(&sender));
    cr_assert_ok(bide_unix_datagram_connect(sender, &name));
    cr_assert_gives(bide_write(sender, "x", 1, bide_after(LONG)), 1);
    cr_assert_gives(bide_read(receiver, buffer, sizeof buffer, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(receiver));
    cr_assert_ok(bide_unix_datagram_bind(&receiver, &name));
    cr_assert_ok(bide_async_free(receiver));
    cr_assert_ok(bide_async_free(sender));
    expect_nothing_left(before);
}

/* A datagram that found the peer full is sent when there is room. */
Test(unix_sockets, a_write_to_a_full_datagram_peer_waits_until_there_is_room)
{
    bide_async *ends[2];
    cr_assert_ok(bide_unix_datagram_pair(&ends[0], &ends[1]));
    size_t sent = 0;
    while (bide_write(ends[0], "x", 1, BIDE_NOW) == 1)
        sent++;
    cr_assert_gt(sent, 0);
    cr_assert_gives(bide_write(ends[0], "x", 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
    char last = 'y';
    struct call call = {
        .function = call_write, .async = ends[0], .buffer = &last, .length = 1, .deadline = BIDE_NEVER};
    call_start(&call);
    await_waiters(ends[0], BIDE_WRITE, 1);
    char byte;
    for (size_t i = 0; i <= sent; i++)
        cr_assert_gives(bide_read(ends[1], &byte, 1, BIDE_NEVER), 1);
    cr_assert_eq(byte, 'y');
    cr_assert_gives(call_join(&call), 1);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- with messages -------------------------------------------------------------------------------------- */

Test(unix_sockets, datagrams_from_a_bound_socket_can_be_answered_and_from_an_unbound_one_not)
{
    bide_address where = address_of("server"), mine = bide_address_unnamed(), from;
    bide_async *server, *client, *unbound;
    char buffer[16] = "";
    cr_assert_ok(bide_unix_datagram_bind(&server, &where));
    cr_assert_ok(bide_unix_datagram_bind(&client, &mine));
    cr_assert_ok(bide_async_local_address(client, &mine));
    cr_assert_ok(bide_unix_datagram_unbound(&unbound));
    cr_assert_gives(bide_send_to(client, "question", 8, &where, bide_after(LONG)), 8);
    cr_assert_gives(bide_recv_from(server, buffer, sizeof buffer, &from, bide_after(LONG)), 8);
    cr_assert(bide_address_equal(&from, &mine));
    cr_assert_gives(bide_send_to(server, "answer", 6, &from, bide_after(LONG)), 6);
    cr_assert_gives(bide_recv_from(client, buffer, sizeof buffer, &from, bide_after(LONG)), 6);
    cr_assert(bide_address_equal(&from, &where));
    cr_assert_gives(bide_send_to(unbound, "x", 1, &where, bide_after(LONG)), 1);
    cr_assert_gives(bide_recv_from(server, buffer, sizeof buffer, &from, bide_after(LONG)), 1);
    cr_assert_null(bide_address_path(&from, NULL));
    cr_assert_null(bide_address_name(&from, NULL));
    cr_assert_ok(bide_async_free(server));
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(unbound));
    remove_file("server");
    expect_nothing_left(before);
}

static void send_descriptor(bide_async *async, int fd)
{
    bide_message message;
    bide_message_send_init(&message, async, "+", 1);
    message.fds = &fd;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
}

/* Stops after what came with descriptors: a short count, with more behind it. */
Test(unix_sockets, a_connection_passes_descriptors_in_turn_with_lines)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where, 0), *client, *server, *in;
    cr_assert_ok(bide_unix_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &server, NULL, bide_after(LONG)));
    int ends[2], passed = -1;
    char buffer[32], byte;
    size_t length;
    bide_reader reader;
    bide_reader_init(&reader, server, buffer, sizeof buffer);
    make_pipe(ends);
    cr_assert_gives(bide_write(client, "line\n", 5, bide_after(LONG)), 5);
    cr_assert_gives(bide_read_until(&reader, "\n", 1, NULL, NULL, bide_after(LONG)), 5);
    send_descriptor(client, ends[0]);
    cr_assert_gives(bide_write(client, "next\n", 5, bide_after(LONG)), 5);
    bide_message message;
    bide_message_recv_init(&message, server, &byte, 1);
    message.fds = &passed;
    message.fd_count = 1;
    cr_assert_gives(bide_message_await(&message, bide_after(LONG)), 1);
    cr_assert_eq(message.fd_count, 1, "%zu descriptors", message.fd_count);
    cr_assert_gives(bide_read_until(&reader, "\n", 1, NULL, NULL, bide_after(LONG)), 5);
    cr_assert_ok(bide_async_new(&in, passed));
    put(ends[1], "x", 1);
    cr_assert_gives(bide_read(in, &byte, 1, bide_after(LONG)), 1);
    cr_assert_eq(byte, 'x');
    cr_assert_ok(bide_async_free(in));

    /* What a plain read takes loses its descriptors, and leaks none. */
    int fds = bide_test_fd_count();
    send_descriptor(client, ends[0]);
    cr_assert_gives(bide_write(client, "last\n", 5, bide_after(LONG)), 5);
    const char *line;
    cr_assert_gives(bide_read_until(&reader, "\n", 1, &line, &length, bide_after(LONG)), 6);
    cr_assert_eq(memcmp(line, "+last", length), 0, "\"%.*s\"", (int)length, line);
    cr_assert_eq(bide_test_fd_count(), fds);
    close_all(ends, 2);
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(server));
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

/* --- credentials ---------------------------------------------------------------------------------------- */

Test(unix_sockets, both_ends_of_a_connection_know_who_the_other_one_is)
{
    bide_address where = address_of("socket");
    bide_async *listener, *server, *client;
    cr_assert_ok(bide_unix_listen(&listener, &where, 0));
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* does not outlive a test that failed */
        int fd = dial(&where, SOCK_STREAM);
        char byte;
        (void)read(fd, &byte, 1);
        _exit(0);
    }
    bide_credentials peer = {-1, 1234, 1234};
    cr_assert_gives(bide_unix_peer_credentials(listener, &peer), BIDE_ENOTCONN);
    cr_assert_eq(peer.pid, -1, "pid %d", (int)peer.pid);
    cr_assert_ok(bide_accept(listener, &server, NULL, bide_after(LONG)));
    cr_assert_ok(bide_unix_peer_credentials(server, &peer));
    cr_assert_eq(peer.pid, child, "pid %d, not %d", (int)peer.pid, (int)child);
    cr_assert_eq(peer.uid, getuid(), "uid %u", (unsigned)peer.uid);
    cr_assert_eq(peer.gid, getgid(), "gid %u", (unsigned)peer.gid);
    cr_assert_ok(bide_async_free(server));
    (void)waitpid(child, NULL, 0);

    cr_assert_ok(bide_unix_connect(&client, &where, bide_after(LONG)));
    cr_assert_ok(bide_unix_peer_credentials(client, &peer));
    cr_assert_eq(peer.pid, getpid(), "pid %d, not %d", (int)peer.pid, (int)getpid());
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(listener));
    remove_file("socket");
    expect_nothing_left(before);
}

Test(unix_sockets, what_has_no_such_peer_tells_so)
{
    bide_credentials peer;
    bide_async *ends[2], *unbound;
    cr_assert_ok(bide_unix_pair(&ends[0], &ends[1]));
    cr_assert_ok(bide_unix_peer_credentials(ends[0], &peer));
    cr_assert_eq(peer.pid, getpid(), "pid %d", (int)peer.pid);
    free_both(ends);
    open_channel(TCP, ends);
    cr_assert_gives(bide_unix_peer_credentials(ends[0], &peer), BIDE_ENOTCONN);
    free_both(ends);
    open_channel(PIPE, ends);
    cr_assert_gives(bide_unix_peer_credentials(ends[0], &peer), BIDE_ENOTSOCK);
    free_both(ends);
    cr_assert_ok(bide_unix_datagram_unbound(&unbound));
    cr_assert_gives(bide_unix_peer_credentials(unbound, &peer), BIDE_ENOTCONN);
    cr_assert_ok(bide_async_free(unbound));
    expect_nothing_left(before);
}
