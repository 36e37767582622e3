/* Scenarios of datagrams, messages, and options of sockets for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

/* Two UDP sockets that are each other's peers, made while nothing fails. */
static void scene_udp(bide_async *ends[2], bide_address where[2])
{
    SCENE({
        for (int i = 0; i < 2; i++) {
            where[i] = bide_address_loopback(0);
            if (bide_udp_bind(&ends[i], &where[i]) != 0 || bide_async_local_address(ends[i], &where[i]) != 0)
                abort();
        }
        if (bide_udp_connect_to(ends[0], &where[1]) != 0 || bide_udp_connect_to(ends[1], &where[0]) != 0)
            abort();
    });
}

/* Two connected Unix sockets, made while nothing fails. */
static void scene_unix(bide_async *ends[2], int type)
{
    SCENE({
        int fds[2];
        if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) abort();
        if (bide_async_new(&ends[0], fds[0]) != 0 || bide_async_new(&ends[1], fds[1]) != 0) abort();
    });
}

static void free_ends(bide_async *ends[2])
{
    end_of_faults();
    (void)bide_async_free(ends[0]);
    (void)bide_async_free(ends[1]);
}

static int run_bind(void)
{
    bide_async *ends[2] = {NULL, NULL};
    bide_address where = bide_address_loopback(0);
    bide_socket_options options = {.reuse_port = true, .send_buffer = 20000, .receive_buffer = 20000};
    options.reuse_address = BIDE_TOGGLE_ON;
    int error = bide_udp_bind(&ends[0], &where);
    if (error && ends[0]) error = WRONG;
    if (!error) error = bide_udp_bind_with(&ends[1], &where, &options);
    if (error && ends[1]) error = WRONG;
    free_ends(ends);
    return error;
}

static int run_connect(void)
{
    bide_async *ends[2], *client = NULL;
    bide_address where[2];
    scene_udp(ends, where);
    int error = bide_udp_connect(&client, &where[0]);
    if (error && client) error = WRONG;
    if (!error) error = bide_udp_connect_to(client, &where[1]);
    if (!error) error = bide_udp_disconnect(client);
    free_ends(ends);
    (void)bide_async_free(client);
    return error;
}

static int run_listen_with(void)
{
    bide_async *listener = NULL;
    bide_address where = bide_address_loopback(0);
    bide_socket_options options = {.backlog = 3, .fast_open = 3, .reuse_port = true}, found;
    int error = bide_tcp_listen_with(&listener, &where, &options);
    if (error && listener) error = WRONG;
    if (!error) error = bide_socket_options_read(listener, &found);
    if (!error && !found.reuse_port) error = WRONG;
    end_of_faults();
    (void)bide_async_free(listener);
    return error;
}

static int run_datagrams(void)
{
    bide_async *ends[2];
    bide_address where[2], from;
    char buffer[8];
    scene_udp(ends, where);
    int error = expect_count(bide_send(ends[0], "ab", 2, bide_after(PATIENCE)), 2);
    if (!error) error = expect_count(bide_send_to(ends[0], "cd", 2, &where[1], bide_after(PATIENCE)), 2);
    if (!error) error = expect_count(bide_peek_from(ends[1], buffer, 8, &from, bide_after(PATIENCE)), 2);
    if (!error) error = expect_count(bide_recv(ends[1], buffer, 8, bide_after(PATIENCE)), 2);
    if (!error) error = expect_count(bide_recv_from(ends[1], buffer, 8, &from, bide_after(PATIENCE)), 2);
    if (!error && !bide_address_equal(&from, &where[0])) error = WRONG;
    free_ends(ends);
    return error;
}

static int run_waiting(void)
{
    bide_async *ends[2];
    bide_address where[2];
    char buffer[8];
    struct counter counter = {0};
    scene_udp(ends, where);
    bide_message message;
    bide_message_recv_init(&message, ends[1], buffer, sizeof buffer);
    int answer = poll_with(&message.future, counting(&counter));
    int error = answer == BIDE_READY ? (int)message.result : 0;
    SCENE(if (bide_send(ends[0], "x", 1, BIDE_NEVER) != 1) abort());
    if (!error) error = poll_to_the_end(&message.future);
    if (!error) error = expect_count(message.result, 1);
    free_ends(ends);
    return error;
}

static int run_pieces(void)
{
    bide_async *ends[2];
    bide_address where[2];
    char bytes[4] = "abc";
    bide_buffer pieces[2] = {{bytes, 1}, {bytes + 1, 2}};
    scene_udp(ends, where);
    bide_message message;
    bide_message_sendv_init(&message, ends[0], pieces, 2);
    int error = expect_count(bide_message_await(&message, bide_after(PATIENCE)), 3);
    bide_message_recvv_init(&message, ends[1], pieces, 2);
    if (!error) error = expect_count(bide_message_await(&message, bide_after(PATIENCE)), 3);
    free_ends(ends);
    return error;
}

static int run_batches(void)
{
    bide_async *ends[2];
    bide_address where[2];
    char bytes[4];
    bide_datagram datagrams[4];
    scene_udp(ends, where);
    memset(datagrams, 0, sizeof datagrams);
    for (int i = 0; i < 4; i++) {
        datagrams[i].buffer.base = &bytes[i];
        datagrams[i].buffer.length = 1;
    }
    bide_batch batch;
    int error = expect_count(bide_send_batch(ends[0], datagrams, 2, bide_after(PATIENCE)), 2);
    bide_batch_send_init(&batch, ends[0], datagrams, 2);
    if (!error) error = bide_await(&batch.future, bide_after(PATIENCE));
    if (!error) error = expect_count(batch.result, 2);
    bide_batch_recv_init(&batch, ends[1], datagrams, 3);
    if (!error) error = bide_await(&batch.future, bide_after(PATIENCE));
    if (!error) error = expect_count(batch.result, 3);
    if (!error) error = expect_count(bide_recv_batch(ends[1], datagrams, 4, bide_after(PATIENCE)), 1);
    free_ends(ends);
    return error;
}

static int run_descriptors(void)
{
    bide_async *ends[2];
    char byte;
    bide_fd sent[3] = {0, 0, 0}, room[2] = {-1, -1};
    scene_unix(ends, SOCK_STREAM);
    int error = bide_socket_set_pass_credentials(ends[1], true);
    bool on = false;
    if (!error) error = bide_socket_pass_credentials(ends[1], &on);
    if (!error && !on) error = WRONG;
    bide_message message;
    bide_message_send_init(&message, ends[0], "x", 1);
    message.fds = sent;
    message.fd_count = 3;
    message.options = BIDE_MESSAGE_CREDENTIALS;
    if (!error) error = expect_count(bide_message_await(&message, bide_after(PATIENCE)), 1);
    bide_message_recv_init(&message, ends[1], &byte, 1);
    message.fds = room;
    message.fd_count = 2;
    message.options = BIDE_MESSAGE_CREDENTIALS;
    if (!error) error = expect_count(bide_message_await(&message, bide_after(PATIENCE)), 1);
    if (!error && (message.fd_count != 2 || message.credentials.pid != getpid())) error = WRONG;
    free_ends(ends);
    if (room[0] >= 0) close_all(room, 2);
    return error;
}

/* An addressed receiver that is full for a while. */
static int run_full_receiver(void)
{
    bide_async *sender, *receiver;
    bide_address where;
    char byte;
    SCENE({
        int fds[2] = {socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                      socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        const sa_family_t family = AF_UNIX;
        if (bind(fds[1], (const struct sockaddr *)(const void *)&family, sizeof family) != 0) abort();
        if (bide_async_new(&sender, fds[0]) != 0 || bide_async_new(&receiver, fds[1]) != 0) abort();
        if (bide_async_local_address(receiver, &where) != 0) abort();
        while (bide_send_to(sender, "x", 1, &where, BIDE_NOW) == 1)
            continue;
    });
    struct counter counter = {0};
    bide_message message;
    bide_message_send_init(&message, sender, "y", 1);
    message.address = where;
    int answer = poll_with(&message.future, counting(&counter));
    int error = answer == BIDE_READY ? (int)message.result : 0;
    SCENE(if (bide_recv(receiver, &byte, 1, BIDE_NOW) != 1) abort());
    if (!error) error = poll_to_the_end(&message.future);
    if (!error) error = expect_count(message.result, 1);
    end_of_faults();
    (void)bide_async_free(sender);
    (void)bide_async_free(receiver);
    return error;
}

static int run_tcp_options(void)
{
    int peer;
    bide_async *async = scene_handle(TCP, &peer);
    bool on;
    bide_keepalive probes = {true, BIDE_SECONDS(30), BIDE_SECONDS(5), 4};
    bide_duration duration;
    int error = bide_tcp_nodelay(async, &on);
    if (!error) error = bide_socket_set_keepalive(async, &probes);
    if (!error) error = bide_socket_keepalive(async, &probes);
    if (!error) error = bide_socket_set_user_timeout(async, BIDE_SECONDS(1));
    if (!error) error = bide_socket_user_timeout(async, &duration);
    if (!error) error = bide_socket_set_linger(async, BIDE_SECONDS(1));
    if (!error) error = bide_socket_linger(async, &duration);
    if (!error) error = bide_socket_set_linger(async, BIDE_LINGER_OFF);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_options(void)
{
    bide_async *ends[2];
    bide_address where[2];
    size_t bytes;
    int number;
    scene_udp(ends, where);
    int error = bide_socket_set_send_buffer(ends[0], 20000);
    if (!error) error = bide_socket_send_buffer(ends[0], &bytes);
    if (!error) error = bide_socket_set_receive_buffer(ends[0], 20000);
    if (!error) error = bide_socket_receive_buffer(ends[0], &bytes);
    if (!error) error = bide_socket_set_traffic_class(ends[0], 8);
    if (!error) error = bide_socket_traffic_class(ends[0], &number);
    if (!error && number != 8) error = WRONG;
    if (!error) error = bide_socket_set_hop_limit(ends[0], 9);
    if (!error) error = bide_socket_hop_limit(ends[0], &number);
    if (!error && number != 9) error = WRONG;
    free_ends(ends);
    return error;
}

static int run_multicast(void)
{
    static const uint8_t bytes[4] = {239, 255, 77, 78};
    bide_async *ends[2];
    bide_address where[2], group = bide_address_ipv4(bytes, 0);
    bool on;
    int number;
    /* The loopback interface. */
    uint32_t interface = 1;
    scene_udp(ends, where);
    int error = bide_udp_join(ends[0], &group, interface);
    if (!error) error = bide_udp_set_multicast_loop(ends[0], true);
    if (!error) error = bide_udp_multicast_loop(ends[0], &on);
    if (!error) error = bide_udp_set_multicast_ttl(ends[0], 2);
    if (!error) error = bide_udp_multicast_ttl(ends[0], &number);
    if (!error && (!on || number != 2)) error = WRONG;
    if (!error) error = bide_udp_set_multicast_interface(ends[0], interface);
    if (!error) error = bide_udp_leave(ends[0], &group, interface);
    if (!error) error = bide_udp_set_broadcast(ends[0], true);
    if (!error) error = bide_udp_broadcast(ends[0], &on);
    if (!error && !on) error = WRONG;
    free_ends(ends);
    return error;
}

const struct scenario scenarios_of_messages[] = {
    {"bind a UDP socket", "udp_bind udp_bind_with", run_bind},
    {"connect a UDP socket", "udp_connect udp_connect_to udp_disconnect", run_connect},
    {"listen with options", "tcp_listen_with socket_options_read", run_listen_with},
    {"datagrams", "send send_to recv recv_from peek_from", run_datagrams},
    {"a message that is waited for in the background", "message_recv_init", run_waiting},
    {"messages in pieces", "message_sendv_init message_recvv_init message_await", run_pieces},
    {"batches", "send_batch recv_batch batch_send_init batch_recv_init", run_batches},
    {"descriptors and credentials",
     "message_send_init message_recv_init message_await socket_set_pass_credentials socket_pass_credentials",
     run_descriptors},
    {"a receiver that is full", "message_send_init", run_full_receiver},
    {"options of TCP",
     "tcp_nodelay socket_set_keepalive socket_keepalive socket_set_user_timeout socket_user_timeout "
     "socket_set_linger socket_linger",
     run_tcp_options},
    {"options of sockets",
     "socket_set_send_buffer socket_send_buffer socket_set_receive_buffer socket_receive_buffer "
     "socket_set_traffic_class socket_traffic_class socket_set_hop_limit socket_hop_limit",
     run_options},
    {"multicast and broadcast",
     "udp_join udp_leave udp_set_multicast_loop udp_multicast_loop udp_set_multicast_ttl udp_multicast_ttl "
     "udp_set_multicast_interface udp_set_broadcast udp_broadcast",
     run_multicast},
    {NULL, NULL, NULL},
};
