/* Options of sockets: see options.h.
 *
 * Whether a socket has an option is asked of the socket first, and not left to the kernel, which takes some
 * options that it then never heeds (SO_KEEPALIVE of UDP, SO_LINGER of Unix sockets). Those of TCP itself the
 * kernel gives to nobody else: there the questions, which would cost each connection two calls, only say why
 * it refused.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/options.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Whose option it is. */
enum scope { ANY, STREAM, INTERNET, DATAGRAM, IPV4_DATAGRAM, IPV6, UNIX };

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
    [BIDE_OS_REUSE_ADDRESS] = {ANY, {SOL_SOCKET, SO_REUSEADDR}, {0, 0}},
    [BIDE_OS_REUSE_PORT] = {ANY, {SOL_SOCKET, SO_REUSEPORT}, {0, 0}},
    [BIDE_OS_SEND_BUFFER] = {ANY, {SOL_SOCKET, SO_SNDBUF}, {0, 0}},
    [BIDE_OS_RECEIVE_BUFFER] = {ANY, {SOL_SOCKET, SO_RCVBUF}, {0, 0}},
    [BIDE_OS_NODELAY] = {STREAM, {IPPROTO_TCP, TCP_NODELAY}, {0, 0}},
    [BIDE_OS_KEEPALIVE] = {STREAM, {SOL_SOCKET, SO_KEEPALIVE}, {0, 0}},
    [BIDE_OS_KEEPALIVE_IDLE] = {STREAM, {IPPROTO_TCP, TCP_KEEPIDLE}, {0, 0}},
    [BIDE_OS_KEEPALIVE_INTERVAL] = {STREAM, {IPPROTO_TCP, TCP_KEEPINTVL}, {0, 0}},
    [BIDE_OS_KEEPALIVE_COUNT] = {STREAM, {IPPROTO_TCP, TCP_KEEPCNT}, {0, 0}},
    [BIDE_OS_USER_TIMEOUT] = {STREAM, {IPPROTO_TCP, TCP_USER_TIMEOUT}, {0, 0}},
    [BIDE_OS_FAST_OPEN] = {STREAM, {IPPROTO_TCP, TCP_FASTOPEN}, {0, 0}},
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
    [BIDE_OS_PASS_CREDENTIALS] = {UNIX, {SOL_SOCKET, SO_PASSCRED}, {0, 0}},
};

static int get(bide_fd fd, struct name name, int *value)
{
    socklen_t size = sizeof *value;
    *value = 0;
    return getsockopt(fd, name.level, name.option, value, &size) == 0 ? 0 : bide_last_error();
}

static int set(bide_fd fd, struct name name, int value)
{
    return setsockopt(fd, name.level, name.option, &value, sizeof value) == 0 ? 0 : bide_last_error();
}

/* The socket's family and type. */
static int look(bide_fd fd, int *family, int *type)
{
    struct name domain = {SOL_SOCKET, SO_DOMAIN};
    struct name kind = {SOL_SOCKET, SO_TYPE};
    int error = get(fd, domain, family);
    return error ? error : get(fd, kind, type);
}

/* The option's name on this socket, if it has it. */
static int find(bide_fd fd, enum bide_os_option option, struct name *name, bool *dual)
{
    int family = AF_UNSPEC;
    int type = 0;
    enum scope scope = table[option].scope;
    *name = table[option].name;
    *dual = false;
    if (scope == ANY) return 0;
    int error = look(fd, &family, &type);
    if (error) return error;
    bool fits = family == AF_INET || family == AF_INET6;
    if (scope == IPV4_DATAGRAM) fits = family == AF_INET;
    if (scope == IPV6) fits = family == AF_INET6;
    if (scope == UNIX) fits = family == AF_UNIX;
    if (!fits) return BIDE_EAFNOSUPPORT;
    if (scope == STREAM && type != SOCK_STREAM) return BIDE_ENOPROTOOPT;
    if ((scope == DATAGRAM || scope == IPV4_DATAGRAM) && type == SOCK_STREAM) return BIDE_ENOPROTOOPT;
    if (family == AF_INET6 && table[option].v6.level != 0) {
        *name = table[option].v6;
        *dual = scope == INTERNET;
    }
    return 0;
}

static int set_linger(bide_fd fd, int seconds)
{
    struct linger value = {.l_onoff = seconds >= 0, .l_linger = seconds >= 0 ? seconds : 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value) == 0 ? 0 : bide_last_error();
}

static int get_linger(bide_fd fd, int *seconds)
{
    struct linger value = {0, 0};
    socklen_t size = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &size) != 0) return bide_last_error();
    *seconds = value.l_onoff ? value.l_linger : -1;
    return 0;
}

/* By index; an address of the interface would do as well, but has to be looked for. */
static int set_ipv4_interface(bide_fd fd, int index)
{
    struct ip_mreqn value;
    memset(&value, 0, sizeof value);
    value.imr_ifindex = index;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &value, sizeof value) == 0 ? 0 : bide_last_error();
}

int bide_os_set_option(bide_fd fd, enum bide_os_option option, int value)
{
    struct name name = table[option].name;
    bool dual;
    if (name.level == IPPROTO_TCP && set(fd, name, value) == 0) return 0;
    int error = find(fd, option, &name, &dual);
    if (error) return error;
    if (option == BIDE_OS_LINGER) return set_linger(fd, value);
    if (option == BIDE_OS_MULTICAST_INTERFACE && name.level == IPPROTO_IP)
        return set_ipv4_interface(fd, value);
    error = set(fd, name, value);
    if (error || !dual) return error;
    /* IPv4 has its own, which a system need not give to an IPv6 socket. */
    error = set(fd, table[option].name, value);
    return error == BIDE_ENOPROTOOPT ? 0 : error;
}

int bide_os_get_option(bide_fd fd, enum bide_os_option option, int *value)
{
    struct name name = table[option].name;
    bool dual;
    if (name.level == IPPROTO_TCP && get(fd, name, value) == 0) return 0;
    int error = find(fd, option, &name, &dual);
    if (error) return error;
    return option == BIDE_OS_LINGER ? get_linger(fd, value) : get(fd, name, value);
}

int bide_os_set_membership(bide_fd fd, const bide_address *group, uint32_t interface, bool member)
{
    int family = AF_UNSPEC;
    int type = 0;
    int error = look(fd, &family, &type);
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
    int done = setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, member ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP,
                          &request, sizeof request);
    return done == 0 ? 0 : bide_last_error();
}
