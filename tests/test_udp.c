/* UDP sockets: binding, peers, multicast, broadcast. Sending and receiving is in test_message.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_udp.h"

#include "support/syscalls.h"

#include <net/if.h>

TestSuite(udp, .init = take_inventory, .timeout = 60);

static const uint8_t six_loopback[16] = {[15] = 1};

static bool has_ipv6(void)
{
    bide_address loopback = bide_address_ipv6(six_loopback, 0, 0);
    bide_async *socket;
    if (bide_udp_bind(&socket, &loopback) != 0) return false;
    return bide_async_free(socket) == 0;
}

/* --- making --------------------------------------------------------------------------------------------- */

Test(udp, a_bound_socket_has_the_address_is_close_on_exec_and_does_not_block)
{
    bide_address where;
    bide_async *socket = bind_anywhere(&where);
    cr_assert_eq(bide_address_family(&where), BIDE_FAMILY_IPV4);
    cr_assert_neq(bide_address_port(&where), 0);
    cr_assert(is_nonblocking(bide_async_fd(socket)));
    cr_assert(fcntl(bide_async_fd(socket), F_GETFD) & FD_CLOEXEC);
    bide_async *second = socket;
    cr_assert_gives(bide_udp_bind(&second, &where), BIDE_EADDRINUSE);
    cr_assert_null(second);
    cr_assert_ok(bide_async_free(socket));
    cr_assert_ok(bide_udp_bind(&second, &where));
    cr_assert_ok(bide_async_free(second));
    expect_nothing_left(before);
}

Test(udp, ipv6_works_like_ipv4)
{
    if (!has_ipv6()) BIDE_SKIP("no IPv6 here");
    bide_address loopback = bide_address_ipv6(six_loopback, 0, 0), where, from;
    bide_async *server, *client;
    char buffer[8];
    cr_assert_ok(bide_udp_bind(&server, &loopback));
    cr_assert_ok(bide_async_local_address(server, &where));
    cr_assert_ok(bide_udp_connect(&client, &where));
    cr_assert_gives(bide_send(client, "six", 3, BIDE_NEVER), 3);
    assert_bytes(buffer, bide_recv_from(server, buffer, sizeof buffer, &from, bide_after(LONG)), "six");
    cr_assert_ok(bide_async_local_address(client, &where));
    assert_same_address(&from, &where);
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(server));
    expect_nothing_left(before);
}

Test(udp, connect_chooses_a_port_and_knows_the_peer)
{
    bide_address where, local, peer;
    bide_async *server = bind_anywhere(&where), *client;
    cr_assert_ok(bide_udp_connect(&client, &where));
    cr_assert_ok(bide_async_local_address(client, &local));
    cr_assert_neq(bide_address_port(&local), 0);
    cr_assert_ok(bide_async_peer_address(client, &peer));
    assert_same_address(&peer, &where);
    cr_assert(is_nonblocking(bide_async_fd(client)));
    cr_assert(fcntl(bide_async_fd(client), F_GETFD) & FD_CLOEXEC);
    cr_assert_ok(bide_async_free(client));
    cr_assert_ok(bide_async_free(server));
    expect_nothing_left(before);
}

Test(udp, misuse_is_an_error_and_leaves_no_descriptor)
{
    bide_async *out = (bide_async *)&before;
    bide_address none, path, where = bide_address_loopback(9);
    memset(&none, 0, sizeof none);
    const struct sockaddr unnamed = {.sa_family = AF_UNIX};
    cr_assert_ok(bide_address_from_system(&path, &unnamed, sizeof unnamed.sa_family));
    const bide_address *wrong[] = {NULL, &none, &path};
    for (size_t i = 0; i < 3; i++) {
        out = (bide_async *)&before;
        cr_assert_gives(bide_udp_bind(&out, wrong[i]), BIDE_EINVAL);
        cr_assert_null(out);
        out = (bide_async *)&before;
        cr_assert_gives(bide_udp_connect(&out, wrong[i]), BIDE_EINVAL);
        cr_assert_null(out);
    }
    cr_assert_gives(bide_udp_bind(NULL, &where), BIDE_EINVAL);
    cr_assert_gives(bide_udp_connect(NULL, &where), BIDE_EINVAL);
    cr_assert_gives(bide_udp_connect_to(NULL, &where), BIDE_EINVAL);
    cr_assert_gives(bide_udp_disconnect(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_udp_join(NULL, &where, 0), BIDE_EINVAL);
    cr_assert_gives(bide_udp_leave(NULL, &where, 0), BIDE_EINVAL);
    static const uint8_t elsewhere[4] = {192, 0, 2, 1};
    bide_address foreign = bide_address_ipv4(elsewhere, 0);
    cr_assert_gives(bide_udp_bind(&out, &foreign), BIDE_EADDRNOTAVAIL);
    bide_async *socket = bind_anywhere(&where);
    cr_assert_gives(bide_udp_connect_to(socket, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_udp_join(socket, &none, 0), BIDE_EINVAL);
    cr_assert_gives(bide_udp_join(socket, &where, 0), BIDE_EINVAL);
    bide_socket_options options = {.backlog = 5};
    cr_assert_gives(bide_udp_bind_with(&out, &where, &options), BIDE_EINVAL);
    cr_assert_ok(bide_async_free(socket));
    cr_assert_gives(bide_udp_disconnect(socket), BIDE_EFREED);
    cr_assert_gives(bide_udp_join(socket, &where, 0), BIDE_EFREED);
    expect_nothing_left(before);
}

/* --- peers ---------------------------------------------------------------------------------------------- */

Test(udp, a_socket_may_change_its_peer_and_lose_it)
{
    bide_address where[3], peer;
    bide_async *sockets[3];
    char buffer[8];
    for (int i = 0; i < 3; i++)
        sockets[i] = bind_anywhere(&where[i]);
    /* A port that the system chose would go with the peer. */
    cr_assert_ok(bide_async_free(sockets[0]));
    cr_assert_ok(bide_udp_bind(&sockets[0], &where[0]));
    for (int i = 1; i < 3; i++) {
        cr_assert_ok(bide_udp_connect_to(sockets[0], &where[i]));
        cr_assert_ok(bide_async_peer_address(sockets[0], &peer));
        assert_same_address(&peer, &where[i]);
        cr_assert_gives(bide_send(sockets[0], "peer", 4, BIDE_NEVER), 4);
        assert_bytes(buffer, bide_recv(sockets[i], buffer, sizeof buffer, bide_after(LONG)), "peer");
    }
    cr_assert_ok(bide_udp_disconnect(sockets[0]));
    cr_assert_gives(bide_async_peer_address(sockets[0], &peer), BIDE_ENOTCONN);
    cr_assert_gives(bide_send(sockets[0], "peer", 4, BIDE_NEVER), BIDE_EDESTADDRREQ);
    cr_assert_ok(bide_udp_disconnect(sockets[0]));
    /* Its own address was bound, and stays. */
    cr_assert_gives(bide_send_to(sockets[1], "all", 3, &where[0], BIDE_NEVER), 3);
    assert_bytes(buffer, bide_recv(sockets[0], buffer, sizeof buffer, bide_after(LONG)), "all");
    for (int i = 0; i < 3; i++)
        cr_assert_ok(bide_async_free(sockets[i]));
    expect_nothing_left(before);
}

Test(udp, a_stream_is_given_no_peer)
{
    bide_async *ends[2];
    bide_address where = bide_address_loopback(9);
    open_channel(TCP, ends);
    cr_assert_gives(bide_udp_connect_to(ends[0], &where), BIDE_EPROTOTYPE);
    cr_assert_gives(bide_udp_disconnect(ends[0]), BIDE_EPROTOTYPE);
    cr_assert_gives(bide_write(ends[0], "x", 1, BIDE_NEVER), 1);
    free_both(ends);
    open_channel(PIPE, ends);
    cr_assert_gives(bide_udp_disconnect(ends[0]), BIDE_ENOTSOCK);
    free_both(ends);
    bide_async *socket = bind_anywhere(&where);
    bide_address six = bide_address_ipv6(six_loopback, 9, 0);
    cr_assert_gives(bide_udp_connect_to(socket, &six), BIDE_EAFNOSUPPORT);
    cr_assert_ok(bide_async_free(socket));
    expect_nothing_left(before);
}

/* --- multicast and broadcast ------------------------------------------------------------------------------ */

/* A socket on a group's port, on all interfaces, and the loopback interface's index. */
static bide_async *open_member(bide_address *group, bool ipv6, uint32_t *interface)
{
    static const uint8_t group4[4] = {239, 255, 77, 77};
    static const uint8_t group6[16] = {0xff, 0x01, [14] = 0x77, [15] = 0x77};
    static const uint8_t any6[16] = {0};
    bide_address any = ipv6 ? bide_address_ipv6(any6, 0, 0) : bide_address_any(0), where;
    bide_async *socket;
    cr_assert_ok(bide_udp_bind(&socket, &any));
    cr_assert_ok(bide_async_local_address(socket, &where));
    *interface = if_nametoindex("lo");
    uint16_t port = bide_address_port(&where);
    *group = ipv6 ? bide_address_ipv6(group6, port, *interface) : bide_address_ipv4(group4, port);
    return socket;
}

static void receives_while_a_member(bool ipv6)
{
    bide_address group;
    uint32_t interface;
    char buffer[8];
    bide_async *socket = open_member(&group, ipv6, &interface);
    cr_assert_neq(interface, 0, "no loopback interface");
    cr_assert_ok(bide_udp_set_multicast_interface(socket, interface));
    cr_assert_gives(bide_udp_leave(socket, &group, interface), BIDE_EADDRNOTAVAIL);
    cr_assert_ok(bide_udp_join(socket, &group, interface));
    cr_assert_gives(bide_udp_join(socket, &group, interface), BIDE_EADDRINUSE);
    bide_ssize sent = bide_send_to(socket, "group", 5, &group, BIDE_NEVER);
    if (ipv6 && sent == BIDE_ENETUNREACH) {
        cr_log_info("no route to groups of IPv6 here: nothing is sent\n");
        cr_assert_ok(bide_udp_leave(socket, &group, interface));
        cr_assert_ok(bide_async_free(socket));
        return;
    }
    cr_assert_gives(sent, 5);
    assert_bytes(buffer, bide_recv(socket, buffer, sizeof buffer, bide_after(LONG)), "group");
    cr_assert_ok(bide_udp_leave(socket, &group, interface));
    cr_assert_gives(bide_send_to(socket, "group", 5, &group, BIDE_NEVER), 5);
    cr_assert_gives(bide_recv(socket, buffer, sizeof buffer, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_async_free(socket));
}

Test(udp, a_member_of_a_group_receives_what_is_sent_to_it)
{
    receives_while_a_member(false);
    expect_nothing_left(before);
}

Test(udp, a_member_of_an_ipv6_group_receives_what_is_sent_to_it)
{
    if (!has_ipv6()) BIDE_SKIP("no IPv6 here");
    receives_while_a_member(true);
    expect_nothing_left(before);
}

Test(udp, options_of_multicast_are_read_as_they_were_set)
{
    for (int ipv6 = 0; ipv6 < (has_ipv6() ? 2 : 1); ipv6++) {
        bide_address group;
        uint32_t interface;
        int hops = -1;
        bool loop = false;
        bide_async *socket = open_member(&group, ipv6, &interface);
        cr_assert_ok(bide_udp_multicast_ttl(socket, &hops));
        cr_assert_eq(hops, 1, "%d hops by default", hops);
        cr_assert_ok(bide_udp_multicast_loop(socket, &loop));
        cr_assert(loop);
        cr_assert_ok(bide_udp_set_multicast_loop(socket, false));
        cr_assert_ok(bide_udp_multicast_loop(socket, &loop));
        cr_assert_not(loop);
        static const int valid[] = {0, 1, 32, 255};
        for (size_t i = 0; i < 4; i++) {
            cr_assert_ok(bide_udp_set_multicast_ttl(socket, valid[i]));
            cr_assert_ok(bide_udp_multicast_ttl(socket, &hops));
            cr_assert_eq(hops, valid[i], "%d hops instead of %d", hops, valid[i]);
        }
        cr_assert_gives(bide_udp_set_multicast_ttl(socket, -1), BIDE_EINVAL);
        cr_assert_gives(bide_udp_set_multicast_ttl(socket, 256), BIDE_EINVAL);
        cr_assert_gives(bide_udp_set_multicast_interface(socket, UINT32_MAX), BIDE_ENODEV);
        cr_assert_lt(bide_udp_set_multicast_interface(socket, 1000000), 0);
        cr_assert_ok(bide_async_free(socket));
    }
    expect_nothing_left(before);
}

Test(udp, groups_of_another_family_are_an_error)
{
    static const uint8_t group6[16] = {0xff, 0x01, [15] = 0x77};
    bide_address group, six = bide_address_ipv6(group6, 9, 0);
    uint32_t interface;
    bide_async *socket = open_member(&group, false, &interface);
    cr_assert_gives(bide_udp_join(socket, &six, interface), BIDE_EAFNOSUPPORT);
    cr_assert_gives(bide_udp_leave(socket, &six, interface), BIDE_EAFNOSUPPORT);
    cr_assert_gives(bide_udp_join(socket, &group, 1000000), BIDE_ENODEV);
    cr_assert_ok(bide_async_free(socket));
    bide_async *ends[2];
    open_channel(UNIX, ends);
    bool on;
    int hops;
    cr_assert_gives(bide_udp_join(ends[0], &group, interface), BIDE_EAFNOSUPPORT);
    cr_assert_gives(bide_udp_set_multicast_loop(ends[0], true), BIDE_EAFNOSUPPORT);
    cr_assert_gives(bide_udp_multicast_ttl(ends[0], &hops), BIDE_EAFNOSUPPORT);
    cr_assert_gives(bide_udp_set_broadcast(ends[0], true), BIDE_EAFNOSUPPORT);
    free_both(ends);
    open_channel(TCP, ends);
    cr_assert_gives(bide_udp_join(ends[0], &group, interface), BIDE_ENOPROTOOPT);
    cr_assert_gives(bide_udp_set_broadcast(ends[0], true), BIDE_ENOPROTOOPT);
    cr_assert_gives(bide_udp_broadcast(ends[0], &on), BIDE_ENOPROTOOPT);
    free_both(ends);
    expect_nothing_left(before);
}

Test(udp, several_members_share_a_port)
{
    bide_address group, any;
    uint32_t interface;
    char buffer[8];
    bide_async *members[2];
    bide_socket_options options = {.reuse_address = BIDE_TOGGLE_ON};
    bide_async *probe = open_member(&group, false, &interface);
    cr_assert_ok(bide_async_local_address(probe, &any));
    cr_assert_ok(bide_async_free(probe));
    for (int i = 0; i < 2; i++) {
        cr_assert_ok(bide_udp_bind_with(&members[i], &any, &options));
        cr_assert_ok(bide_udp_join(members[i], &group, interface));
    }
    cr_assert_ok(bide_udp_set_multicast_interface(members[0], interface));
    cr_assert_gives(bide_send_to(members[0], "both", 4, &group, BIDE_NEVER), 4);
    for (int i = 0; i < 2; i++)
        assert_bytes(buffer, bide_recv(members[i], buffer, sizeof buffer, bide_after(LONG)), "both");
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_free(members[i]));
    expect_nothing_left(before);
}

Test(udp, broadcast_must_be_allowed_first)
{
    bide_address where, all;
    bool on = true;
    bide_async *socket = bind_anywhere(&where);
    static const uint8_t loopback_all[4] = {127, 255, 255, 255};
    all = bide_address_ipv4(loopback_all, bide_address_port(&where));
    cr_assert_ok(bide_udp_broadcast(socket, &on));
    cr_assert_not(on);
    cr_assert_gives(bide_send_to(socket, "x", 1, &all, BIDE_NEVER), BIDE_EACCES);
    cr_assert_ok(bide_udp_set_broadcast(socket, true));
    cr_assert_ok(bide_udp_broadcast(socket, &on));
    cr_assert(on);
    cr_assert_gives(bide_send_to(socket, "x", 1, &all, BIDE_NEVER), 1);
    cr_assert_ok(bide_async_free(socket));
    expect_nothing_left(before);
}
