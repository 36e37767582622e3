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

#include "os/descriptor.h"
#include "os/multicast.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Whose option it is; NOBODY's where the system does not have it. */
enum scope { NOBODY, ANY, STREAM, INTERNET, DATAGRAM, IPV4_DATAGRAM, IPV6, UNIX };

/* What other systems call Linux' options, if they have them. */
#if !defined(TCP_KEEPIDLE) && defined(TCP_KEEPALIVE) /* macOS */
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif

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
    [BIDE_OS_SEND_BUFFER] = {ANY, {SOL_SOCKET, SO_SNDBUF}, {0, 0}},
    [BIDE_OS_RECEIVE_BUFFER] = {ANY, {SOL_SOCKET, SO_RCVBUF}, {0, 0}},
    [BIDE_OS_NODELAY] = {STREAM, {IPPROTO_TCP, TCP_NODELAY}, {0, 0}},
    [BIDE_OS_KEEPALIVE] = {STREAM, {SOL_SOCKET, SO_KEEPALIVE}, {0, 0}},
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
#ifdef SO_REUSEPORT
    [BIDE_OS_REUSE_PORT] = {ANY, {SOL_SOCKET, SO_REUSEPORT}, {0, 0}},
#endif
#ifdef TCP_KEEPIDLE
    [BIDE_OS_KEEPALIVE_IDLE] = {STREAM, {IPPROTO_TCP, TCP_KEEPIDLE}, {0, 0}},
#endif
#ifdef TCP_KEEPINTVL
    [BIDE_OS_KEEPALIVE_INTERVAL] = {STREAM, {IPPROTO_TCP, TCP_KEEPINTVL}, {0, 0}},
#endif
#ifdef TCP_KEEPCNT
    [BIDE_OS_KEEPALIVE_COUNT] = {STREAM, {IPPROTO_TCP, TCP_KEEPCNT}, {0, 0}},
#endif
#ifdef TCP_USER_TIMEOUT
    [BIDE_OS_USER_TIMEOUT] = {STREAM, {IPPROTO_TCP, TCP_USER_TIMEOUT}, {0, 0}},
#endif
#ifdef TCP_FASTOPEN
    [BIDE_OS_FAST_OPEN] = {STREAM, {IPPROTO_TCP, TCP_FASTOPEN}, {0, 0}},
#endif
#ifdef SO_PASSCRED
    [BIDE_OS_PASS_CREDENTIALS] = {UNIX, {SOL_SOCKET, SO_PASSCRED}, {0, 0}},
#endif
    [BIDE_OS_OPTIONS] = {NOBODY, {0, 0}, {0, 0}},
};

/* Of IPv4 one byte each: the BSDs take nothing else, and Linux takes both. */
static bool is_byte(struct name name)
{
    return name.level == IPPROTO_IP && (name.option == IP_MULTICAST_LOOP || name.option == IP_MULTICAST_TTL);
}

static int get(bide_fd fd, struct name name, int *value)
{
    unsigned char byte = 0;
    bool one = is_byte(name);
    socklen_t size = one ? sizeof byte : sizeof *value;
    *value = 0;
    if (getsockopt(fd, name.level, name.option, one ? (void *)&byte : value, &size) != 0)
        return bide_last_error();
    if (one) *value = byte;
    return 0;
}

static int set(bide_fd fd, struct name name, int value)
{
    unsigned char byte = (unsigned char)value;
    bool one = is_byte(name);
    int done = setsockopt(fd, name.level, name.option, one ? (const void *)&byte : &value,
                          one ? sizeof byte : sizeof value);
    return done == 0 ? 0 : bide_last_error();
}

/* The socket's family and type. */
static int look(bide_fd fd, int *family, int *type)
{
    struct name kind = {SOL_SOCKET, SO_TYPE};
    *family = bide_os_family(fd);
    return *family < 0 ? *family : get(fd, kind, type);
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
    if (scope == NOBODY) return BIDE_ENOPROTOOPT;
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

int bide_os_set_option(bide_fd fd, enum bide_os_option option, int value)
{
    struct name name = table[option].name;
    bool dual;
    if (name.level == IPPROTO_TCP && set(fd, name, value) == 0) return 0;
    int error = find(fd, option, &name, &dual);
    if (error) return error;
    if (option == BIDE_OS_LINGER) return set_linger(fd, value);
    if (option == BIDE_OS_MULTICAST_INTERFACE && name.level == IPPROTO_IP)
        return bide_os_set_ipv4_interface(fd, value);
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
    return bide_os_request_membership(fd, group, interface, member);
}
