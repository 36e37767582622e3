/* Options of sockets: see options.h.
 *
 * Whether a socket has an option is asked of the socket first: the system says of some that it did not know
 * them, and takes others that it never heeds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/options.h"

#include "os/sockets.h"
#include "os/system_windows.h"

#include <string.h>

/* In later headers than some compilers bring. */
enum { KEEP_IDLE = 3, MAXIMUM_RETRANSMIT_MS = 14, FAST_OPEN = 15, KEEP_COUNT = 16, KEEP_INTERVAL = 17 };

/* Whose option it is. REUSE: SO_REUSEADDR lets others take a port over rather than lets it be taken again at
 * once, which it always can; so that a stream has it in any case, and datagram sockets share a group by it. */
enum scope { ANY, STREAM, INTERNET, DATAGRAM, IPV4_DATAGRAM, IPV6, REUSE, NOBODY };

struct name {
    int level;
    int option;
};

/* Two names where IPv6 has its own. */
static const struct {
    enum scope scope;
    struct name name;
    struct name v6;
} table[] = {
    [BIDE_OS_REUSE_ADDRESS] = {REUSE, {SOL_SOCKET, SO_REUSEADDR}, {0, 0}},
    [BIDE_OS_REUSE_PORT] = {NOBODY, {0, 0}, {0, 0}},
    [BIDE_OS_SEND_BUFFER] = {ANY, {SOL_SOCKET, SO_SNDBUF}, {0, 0}},
    [BIDE_OS_RECEIVE_BUFFER] = {ANY, {SOL_SOCKET, SO_RCVBUF}, {0, 0}},
    [BIDE_OS_NODELAY] = {STREAM, {IPPROTO_TCP, TCP_NODELAY}, {0, 0}},
    [BIDE_OS_KEEPALIVE] = {STREAM, {SOL_SOCKET, SO_KEEPALIVE}, {0, 0}},
    [BIDE_OS_KEEPALIVE_IDLE] = {STREAM, {IPPROTO_TCP, KEEP_IDLE}, {0, 0}},
    [BIDE_OS_KEEPALIVE_INTERVAL] = {STREAM, {IPPROTO_TCP, KEEP_INTERVAL}, {0, 0}},
    [BIDE_OS_KEEPALIVE_COUNT] = {STREAM, {IPPROTO_TCP, KEEP_COUNT}, {0, 0}},
    [BIDE_OS_USER_TIMEOUT] = {STREAM, {IPPROTO_TCP, MAXIMUM_RETRANSMIT_MS}, {0, 0}},
    [BIDE_OS_FAST_OPEN] = {STREAM, {IPPROTO_TCP, FAST_OPEN}, {0, 0}},
    [BIDE_OS_LINGER] = {STREAM, {SOL_SOCKET, SO_LINGER}, {0, 0}},
    [BIDE_OS_TRAFFIC_CLASS] = {INTERNET, {IPPROTO_IP, IP_TOS}, {IPPROTO_IPV6, IPV6_TCLASS}},
    [BIDE_OS_HOP_LIMIT] = {INTERNET, {IPPROTO_IP, IP_TTL}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS}},
    [BIDE_OS_MULTICAST_LOOP] = {DATAGRAM,
                                {IPPROTO_IP, IP_MULTICAST_LOOP},
                                {IPPROTO_IPV6, IPV6_MULTICAST_LOOP}},
    [BIDE_OS_MULTICAST_HOPS] = {DATAGRAM,
                                {IPPROTO_IP, IP_MULTICAST_TTL},
                                {IPPROTO_IPV6, IPV6_MULTICAST_HOPS}},
    [BIDE_OS_MULTICAST_INTERFACE] = {DATAGRAM,
                                     {IPPROTO_IP, IP_MULTICAST_IF},
                                     {IPPROTO_IPV6, IPV6_MULTICAST_IF}},
    [BIDE_OS_BROADCAST] = {IPV4_DATAGRAM, {SOL_SOCKET, SO_BROADCAST}, {0, 0}},
    [BIDE_OS_V6ONLY] = {IPV6, {IPPROTO_IPV6, IPV6_V6ONLY}, {0, 0}},
    [BIDE_OS_PASS_CREDENTIALS] = {NOBODY, {0, 0}, {0, 0}},
};

static int get_bytes(bide_fd fd, struct name name, void *value, int size)
{
    memset(value, 0, (size_t)size);
    return getsockopt(fd, name.level, name.option, value, &size) == 0 ? 0 : bide_os_socket_error(fd);
}

static int set_bytes(bide_fd fd, struct name name, const void *value, int size)
{
    return setsockopt(fd, name.level, name.option, value, size) == 0 ? 0 : bide_os_socket_error(fd);
}

/* The option's name on this socket, if it has it. */
static int find(bide_fd fd, enum bide_os_option option, struct name *name, bool *dual)
{
    int family = AF_UNSPEC;
    int type = 0;
    enum scope scope = table[option].scope;
    *name = table[option].name;
    *dual = false;
    int error = bide_os_socket_look(fd, &family, &type);
    if (error || scope == ANY || scope == REUSE) return error;
    if (scope == NOBODY) return BIDE_ENOPROTOOPT;
    bool fits = family == AF_INET || family == AF_INET6;
    if (scope == IPV4_DATAGRAM) fits = family == AF_INET;
    if (scope == IPV6) fits = family == AF_INET6;
    if (!fits) return BIDE_EAFNOSUPPORT;
    if (scope == STREAM && type != SOCK_STREAM) return BIDE_ENOPROTOOPT;
    if ((scope == DATAGRAM || scope == IPV4_DATAGRAM) && type == SOCK_STREAM) return BIDE_ENOPROTOOPT;
    if (family == AF_INET6 && table[option].v6.level != 0) {
        *name = table[option].v6;
        *dual = scope == INTERNET;
    }
    return 0;
}

static bool is_stream(bide_fd fd)
{
    int family;
    int type;
    return bide_os_socket_look(fd, &family, &type) == 0 && type == SOCK_STREAM;
}

static int set_linger(bide_fd fd, int seconds)
{
    const int most = 65535;
    if (seconds > most) seconds = most;
    struct linger value = {.l_onoff = seconds >= 0, .l_linger = (u_short)(seconds >= 0 ? seconds : 0)};
    return set_bytes(fd, table[BIDE_OS_LINGER].name, &value, sizeof value);
}

static int get_linger(bide_fd fd, int *seconds)
{
    struct linger value;
    int error = get_bytes(fd, table[BIDE_OS_LINGER].name, &value, sizeof value);
    if (!error) *seconds = value.l_onoff ? value.l_linger : -1;
    return error;
}

int bide_os_set_option(bide_fd fd, enum bide_os_option option, int value)
{
    struct name name;
    bool dual;
    int error = find(fd, option, &name, &dual);
    if (error) return error;
    if (option == BIDE_OS_LINGER) return set_linger(fd, value);
    if (table[option].scope == REUSE && is_stream(fd)) return 0;
    /* By index: as an address of the network 0/8, in the network's order. */
    if (option == BIDE_OS_MULTICAST_INTERFACE && name.level == IPPROTO_IP) value = (int)htonl((u_long)value);
    error = set_bytes(fd, name, &value, sizeof value);
    if (error || !dual) return error;
    /* IPv4 has its own, which a system need not give to an IPv6 socket. */
    (void)set_bytes(fd, table[option].name, &value, sizeof value);
    return 0;
}

int bide_os_get_option(bide_fd fd, enum bide_os_option option, int *value)
{
    struct name name;
    bool dual;
    int error = find(fd, option, &name, &dual);
    if (error) return error;
    if (option == BIDE_OS_LINGER) return get_linger(fd, value);
    if (table[option].scope == REUSE && is_stream(fd)) {
        *value = 1;
        return 0;
    }
    /* Some give one byte. */
    return get_bytes(fd, name, value, sizeof *value);
}

int bide_os_set_membership(bide_fd fd, const bide_address *group, uint32_t interface, bool member)
{
    int family = AF_UNSPEC;
    int type = 0;
    int error = bide_os_socket_look(fd, &family, &type);
    if (error) return error;
    bool ipv6 = bide_address_family(group) == BIDE_FAMILY_IPV6;
    if (family != (ipv6 ? AF_INET6 : AF_INET)) return BIDE_EAFNOSUPPORT;
    if (type == SOCK_STREAM) return BIDE_ENOPROTOOPT;
    /* Protocol-independent (RFC 3678). */
    struct group_req request;
    size_t length;
    const void *bytes = bide_address_sockaddr(group, &length);
    memset(&request, 0, sizeof request);
    memcpy(&request.gr_group, bytes, length);
    request.gr_interface = interface;
    struct name name = {ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, member ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP};
    return set_bytes(fd, name, &request, sizeof request);
}
