/* Options of sockets: read as they were set, and refused clearly where they are none.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_udp.h"

#include "support/syscalls.h"

TestSuite(options, .init = take_inventory, .timeout = 60);

static const uint8_t six_loopback[16] = {[15] = 1};

/* A UDP socket over IPv6, or NULL where there is none. */
static bide_async *bind_ipv6(void)
{
    bide_address loopback = bide_address_ipv6(six_loopback, 0, 0);
    bide_async *socket;
    int error = bide_udp_bind(&socket, &loopback);
    return error ? NULL : socket;
}

static int asked(bide_async *async, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    cr_assert_done(getsockopt(bide_async_fd(async), level, option, &value, &size));
    return value;
}

/* --- TCP ------------------------------------------------------------------------------------------------ */

Test(options, nodelay_is_read_as_it_was_set_and_costs_one_call)
{
    bide_async *ends[2];
    bool on = false;
    open_channel(TCP, ends);
    cr_assert_ok(bide_tcp_nodelay(ends[0], &on));
    cr_assert(on);
    bide_calls_reset();
    cr_assert_ok(bide_tcp_set_nodelay(ends[0], false));
    cr_assert_eq(bide_calls_total(), 1, "%s", bide_calls_text());
    cr_assert_ok(bide_tcp_nodelay(ends[0], &on));
    cr_assert_not(on);
    cr_assert_eq(asked(ends[0], IPPROTO_TCP, TCP_NODELAY), 0);
    free_both(ends);
    expect_nothing_left(before);
}

Test(options, keepalive_is_read_as_it_was_set_in_whole_seconds)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    bide_keepalive defaults, set = {true, BIDE_SECONDS(30), BIDE_MILLISECONDS(4001), 4}, found;
    cr_assert_ok(bide_socket_keepalive(ends[0], &defaults));
    cr_assert_not(defaults.on);
    cr_assert_ok(bide_socket_set_keepalive(ends[0], &set));
    cr_assert_ok(bide_socket_keepalive(ends[0], &found));
    cr_assert(found.on);
    cr_assert_eq(found.idle, BIDE_SECONDS(30), "%lld ns", (long long)found.idle);
    cr_assert_eq(found.interval, BIDE_SECONDS(5), "%lld ns", (long long)found.interval);
    cr_assert_eq(found.count, 4, "%d", found.count);
    /* What is 0 stays. */
    bide_keepalive off = {false, 0, 0, 0};
    cr_assert_ok(bide_socket_set_keepalive(ends[0], &off));
    cr_assert_ok(bide_socket_keepalive(ends[0], &found));
    cr_assert_not(found.on);
    cr_assert_eq(found.idle, BIDE_SECONDS(30), "%lld ns", (long long)found.idle);
    bide_keepalive wrong[] = {{true, -1, 0, 0},
                              {true, 0, BIDE_HOURS(100), 0},
                              {true, 0, 0, -1},
                              {true, 0, 0, 1000},
                              {true, BIDE_DURATION_MAX, 0, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_gives(bide_socket_set_keepalive(ends[0], &wrong[i]), BIDE_EINVAL);
        cr_assert_ok(bide_socket_keepalive(ends[0], &found));
        cr_assert_not(found.on, "case %zu turned it on", i);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(options, user_timeout_is_read_as_it_was_set_in_whole_milliseconds)
{
    bide_async *ends[2];
    bide_duration found = -1;
    open_channel(TCP, ends);
    cr_assert_ok(bide_socket_user_timeout(ends[0], &found));
    cr_assert_eq(found, 0, "%lld ns", (long long)found);
    cr_assert_ok(bide_socket_set_user_timeout(ends[0], BIDE_MICROSECONDS(1500)));
    cr_assert_ok(bide_socket_user_timeout(ends[0], &found));
    cr_assert_eq(found, BIDE_MILLISECONDS(2), "%lld ns", (long long)found);
    cr_assert_ok(bide_socket_set_user_timeout(ends[0], 0));
    cr_assert_gives(bide_socket_set_user_timeout(ends[0], -1), BIDE_EINVAL);
    cr_assert_gives(bide_socket_set_user_timeout(ends[0], BIDE_HOURS(24 * 30)), BIDE_EINVAL);
    free_both(ends);
    expect_nothing_left(before);
}

Test(options, linger_is_read_as_it_was_set_and_zero_resets)
{
    bide_async *ends[2];
    bide_duration found = 0;
    char byte;
    open_channel(TCP, ends);
    cr_assert_ok(bide_socket_linger(ends[0], &found));
    cr_assert_eq(found, BIDE_LINGER_OFF, "%lld ns", (long long)found);
    cr_assert_ok(bide_socket_set_linger(ends[0], BIDE_MILLISECONDS(1200)));
    cr_assert_ok(bide_socket_linger(ends[0], &found));
    cr_assert_eq(found, BIDE_SECONDS(2), "%lld ns", (long long)found);
    cr_assert_ok(bide_socket_set_linger(ends[0], BIDE_LINGER_OFF));
    cr_assert_ok(bide_socket_linger(ends[0], &found));
    cr_assert_eq(found, BIDE_LINGER_OFF, "%lld ns", (long long)found);
    cr_assert_gives(bide_socket_set_linger(ends[0], -2), BIDE_EINVAL);
    cr_assert_ok(bide_socket_set_linger(ends[0], 0));
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_gives(bide_read(ends[1], &byte, 1, bide_after(LONG)), BIDE_ECONNRESET);
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}

/* --- every socket, and packets -------------------------------------------------------------------------- */

Test(options, buffers_are_read_as_the_system_has_them)
{
    bide_async *ends[2];
    size_t bytes = 0;
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        open_channel(kind, ends);
        cr_assert_ok(bide_socket_set_send_buffer(ends[0], 20000));
        cr_assert_ok(bide_socket_send_buffer(ends[0], &bytes));
        cr_assert(bytes >= 20000 && bytes <= 40000, "%zu bytes", bytes);
        cr_assert_ok(bide_socket_set_receive_buffer(ends[0], 30000));
        cr_assert_ok(bide_socket_receive_buffer(ends[0], &bytes));
        cr_assert(bytes >= 30000 && bytes <= 60000, "%zu bytes", bytes);
        cr_assert_ok(bide_socket_set_send_buffer(ends[0], SIZE_MAX));
        cr_assert_ok(bide_socket_send_buffer(ends[0], &bytes));
        cr_assert_gt(bytes, 40000, "%zu bytes", bytes);
        cr_assert_gives(bide_socket_set_send_buffer(ends[0], 0), BIDE_EINVAL);
        cr_assert_gives(bide_socket_set_receive_buffer(ends[0], 0), BIDE_EINVAL);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(options, traffic_class_and_hop_limit_are_read_as_they_were_set)
{
    bide_address where;
    bide_async *sockets[2] = {bind_anywhere(&where), bind_ipv6()};
    for (int i = 0; i < 2 && sockets[i]; i++) {
        int found = -1;
        cr_assert_ok(bide_socket_set_traffic_class(sockets[i], 46 << 2));
        cr_assert_ok(bide_socket_traffic_class(sockets[i], &found));
        cr_assert_eq(found, 46 << 2, "%d", found);
        cr_assert_ok(bide_socket_hop_limit(sockets[i], &found));
        cr_assert(found > 0 && found <= 255, "%d", found);
        cr_assert_ok(bide_socket_set_hop_limit(sockets[i], 7));
        cr_assert_ok(bide_socket_hop_limit(sockets[i], &found));
        cr_assert_eq(found, 7, "%d", found);
        cr_assert_gives(bide_socket_set_traffic_class(sockets[i], -1), BIDE_EINVAL);
        cr_assert_gives(bide_socket_set_traffic_class(sockets[i], 256), BIDE_EINVAL);
        cr_assert_gives(bide_socket_set_hop_limit(sockets[i], 0), BIDE_EINVAL);
        cr_assert_gives(bide_socket_set_hop_limit(sockets[i], 256), BIDE_EINVAL);
        /* Also for IPv4 peers of an IPv6 socket. */
        cr_assert_eq(asked(sockets[i], IPPROTO_IP, IP_TTL), 7);
        cr_assert_eq(asked(sockets[i], IPPROTO_IP, IP_TOS), 46 << 2);
        cr_assert_ok(bide_async_free(sockets[i]));
    }
    expect_nothing_left(before);
}

Test(options, pass_credentials_is_read_as_it_was_set)
{
    bide_async *ends[2];
    bool on = true;
    open_channel(UNIX, ends);
    cr_assert_ok(bide_socket_pass_credentials(ends[0], &on));
    cr_assert_not(on);
    cr_assert_ok(bide_socket_set_pass_credentials(ends[0], true));
    cr_assert_ok(bide_socket_pass_credentials(ends[0], &on));
    cr_assert(on);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- where they are none -------------------------------------------------------------------------------- */

/* All of them, each with the error that a socket of this kind gives. */
static void assert_refused(bide_async *async, int tcp, int internet, int unix_only)
{
    bide_keepalive probes = {true, 0, 0, 0};
    bide_duration duration;
    bool on;
    int number;
    cr_assert_gives(bide_tcp_set_nodelay(async, true), tcp);
    cr_assert_gives(bide_tcp_nodelay(async, &on), tcp);
    cr_assert_gives(bide_socket_set_keepalive(async, &probes), tcp);
    cr_assert_gives(bide_socket_keepalive(async, &probes), tcp);
    cr_assert_gives(bide_socket_set_user_timeout(async, BIDE_SECONDS(1)), tcp);
    cr_assert_gives(bide_socket_user_timeout(async, &duration), tcp);
    cr_assert_gives(bide_socket_set_linger(async, BIDE_SECONDS(1)), tcp);
    cr_assert_gives(bide_socket_linger(async, &duration), tcp);
    cr_assert_gives(bide_socket_set_traffic_class(async, 0), internet);
    cr_assert_gives(bide_socket_traffic_class(async, &number), internet);
    cr_assert_gives(bide_socket_set_hop_limit(async, 64), internet);
    cr_assert_gives(bide_socket_hop_limit(async, &number), internet);
    cr_assert_gives(bide_socket_set_pass_credentials(async, true), unix_only);
    cr_assert_gives(bide_socket_pass_credentials(async, &on), unix_only);
}

Test(options, what_a_socket_does_not_have_is_refused)
{
    bide_address where;
    bide_async *ends[2], *socket = bind_anywhere(&where);
    assert_refused(socket, BIDE_ENOPROTOOPT, 0, BIDE_EAFNOSUPPORT);
    cr_assert_eq(asked(socket, SOL_SOCKET, SO_KEEPALIVE), 0);
    cr_assert_ok(bide_async_free(socket));
    open_channel(UNIX, ends);
    assert_refused(ends[0], BIDE_EAFNOSUPPORT, BIDE_EAFNOSUPPORT, 0);
    cr_assert_eq(asked(ends[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    free_both(ends);
    open_channel(PIPE, ends);
    assert_refused(ends[0], BIDE_ENOTSOCK, BIDE_ENOTSOCK, BIDE_ENOTSOCK);
    size_t bytes;
    bide_socket_options options;
    cr_assert_gives(bide_socket_set_send_buffer(ends[0], 1), BIDE_ENOTSOCK);
    cr_assert_gives(bide_socket_receive_buffer(ends[0], &bytes), BIDE_ENOTSOCK);
    cr_assert_gives(bide_socket_options_read(ends[0], &options), BIDE_ENOTSOCK);
    free_both(ends);
    assert_refused(ends[0], BIDE_EFREED, BIDE_EFREED, BIDE_EFREED);
    assert_refused(NULL, BIDE_EINVAL, BIDE_EINVAL, BIDE_EINVAL);
    expect_nothing_left(before);
}

Test(options, null_is_refused)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    cr_assert_gives(bide_tcp_nodelay(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_set_keepalive(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_keepalive(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_user_timeout(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_linger(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_send_buffer(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_receive_buffer(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_traffic_class(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_hop_limit(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_pass_credentials(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_options_read(ends[0], NULL), BIDE_EINVAL);
    cr_assert_gives(bide_socket_options_read(NULL, NULL), BIDE_EINVAL);
    free_both(ends);
    expect_nothing_left(before);
}

/* --- before the bind ------------------------------------------------------------------------------------ */

Test(options, a_listener_has_what_was_asked_for_before_it_was_bound)
{
    bide_address where = bide_address_loopback(0), taken;
    bide_async *listener, *second;
    bide_socket_options options = {0}, found;
    cr_assert_ok(bide_tcp_listen_with(&listener, &where, NULL));
    cr_assert_ok(bide_socket_options_read(listener, &found));
    cr_assert_eq(found.reuse_address, BIDE_TOGGLE_ON, "%d", (int)found.reuse_address);
    cr_assert_eq(found.v6only, BIDE_TOGGLE_DEFAULT, "%d", (int)found.v6only);
    cr_assert_not(found.reuse_port);
    cr_assert_eq(found.fast_open, 0, "%d", found.fast_open);
    cr_assert_ok(bide_async_free(listener));
    options.backlog = 3;
    options.fast_open = 5;
    options.send_buffer = 20000;
    options.receive_buffer = 30000;
    options.reuse_address = BIDE_TOGGLE_OFF;
    options.reuse_port = true;
    cr_assert_ok(bide_tcp_listen_with(&listener, &where, &options));
    cr_assert_ok(bide_socket_options_read(listener, &found));
    cr_assert_eq(found.reuse_address, BIDE_TOGGLE_OFF, "%d", (int)found.reuse_address);
    cr_assert(found.reuse_port);
    cr_assert_eq(found.fast_open, 5, "%d", found.fast_open);
    cr_assert(found.send_buffer >= 20000 && found.send_buffer <= 40000, "%zu bytes", found.send_buffer);
    cr_assert(found.receive_buffer >= 30000 && found.receive_buffer <= 60000, "%zu bytes",
              found.receive_buffer);
    /* Several share the port if each says so. */
    cr_assert_ok(bide_async_local_address(listener, &taken));
    cr_assert_ok(bide_tcp_listen_with(&second, &taken, &options));
    cr_assert_ok(bide_async_free(second));
    options.reuse_port = false;
    cr_assert_gives(bide_tcp_listen_with(&second, &taken, &options), BIDE_EADDRINUSE);
    cr_assert_null(second);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(options, several_udp_sockets_share_a_port_if_each_says_so)
{
    bide_address where = bide_address_loopback(0);
    bide_async *sockets[3];
    bide_socket_options options = {.reuse_port = true}, found;
    cr_assert_ok(bide_udp_bind_with(&sockets[0], &where, &options));
    cr_assert_ok(bide_async_local_address(sockets[0], &where));
    cr_assert_ok(bide_udp_bind_with(&sockets[1], &where, &options));
    cr_assert_gives(bide_udp_bind(&sockets[2], &where), BIDE_EADDRINUSE);
    cr_assert_ok(bide_socket_options_read(sockets[0], &found));
    cr_assert(found.reuse_port);
    cr_assert_eq(found.reuse_address, BIDE_TOGGLE_OFF, "%d", (int)found.reuse_address);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_free(sockets[i]));
    expect_nothing_left(before);
}

Test(options, ipv6_serves_ipv4_as_well_unless_told_otherwise)
{
    static const uint8_t any[16] = {0};
    bide_address everywhere = bide_address_ipv6(any, 0, 0), where;
    bide_async *server, *probe = bind_ipv6();
    if (!probe) BIDE_SKIP("no IPv6 here");
    cr_assert_ok(bide_async_free(probe));
    for (int only = 0; only < 2; only++) {
        bide_socket_options options = {.v6only = only ? BIDE_TOGGLE_ON : BIDE_TOGGLE_OFF}, found;
        cr_assert_ok(bide_udp_bind_with(&server, &everywhere, &options));
        cr_assert_ok(bide_socket_options_read(server, &found));
        cr_assert_eq(found.v6only, options.v6only, "%d", (int)found.v6only);
        cr_assert_ok(bide_async_local_address(server, &where));
        bide_address ipv4 = bide_address_loopback(bide_address_port(&where));
        bide_async *second;
        int error = bide_udp_bind(&second, &ipv4);
        cr_assert_gives(error, only ? 0 : BIDE_EADDRINUSE);
        if (!error) cr_assert_ok(bide_async_free(second));
        cr_assert_ok(bide_async_free(server));
    }
    expect_nothing_left(before);
}

Test(options, wrong_ones_before_the_bind_are_refused_and_leave_no_descriptor)
{
    bide_address where = bide_address_loopback(0);
    static const struct {
        bide_socket_options options;
        int tcp, udp;
    } cases[] = {
        {{.v6only = BIDE_TOGGLE_ON}, BIDE_EAFNOSUPPORT, BIDE_EAFNOSUPPORT},
        {{.v6only = (bide_toggle)7}, BIDE_EINVAL, BIDE_EINVAL},
        {{.reuse_address = (bide_toggle)7}, BIDE_EINVAL, BIDE_EINVAL},
        {{.fast_open = -1}, BIDE_EINVAL, BIDE_EINVAL},
        {{.fast_open = 1}, 0, BIDE_EINVAL},
        {{.backlog = 1}, 0, BIDE_EINVAL},
        {{.v6only = BIDE_TOGGLE_OFF}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bide_async *out = (bide_async *)&where;
        cr_assert_gives(bide_tcp_listen_with(&out, &where, &cases[i].options), cases[i].tcp);
        cr_assert((out == NULL) == (cases[i].tcp != 0), "case %zu", i);
        cr_assert_ok(bide_async_free(out));
        out = (bide_async *)&where;
        cr_assert_gives(bide_udp_bind_with(&out, &where, &cases[i].options), cases[i].udp);
        cr_assert((out == NULL) == (cases[i].udp != 0), "case %zu", i);
        cr_assert_ok(bide_async_free(out));
    }
    cr_assert_gives(bide_tcp_listen_with(NULL, &where, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_udp_bind_with(NULL, &where, NULL), BIDE_EINVAL);
    expect_nothing_left(before);
}
