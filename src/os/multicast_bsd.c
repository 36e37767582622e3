/* Multicast by a request for each family: OpenBSD, NetBSD. See multicast.h.
 *
 * For IPv4 the former has Linux' structure with an index in it; the latter takes an address of the net 0 for an
 * index (ip(4)).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/multicast.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#if defined(__NetBSD__)
typedef struct ip_mreq ipv4_request;

static void choose(ipv4_request *request, uint32_t interface)
{
    request->imr_interface.s_addr = htonl(interface);
}

int bide_os_set_ipv4_interface(bide_fd fd, int interface)
{
    struct in_addr value = {htonl((uint32_t)interface)};
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &value, sizeof value) == 0 ? 0 : bide_last_error();
}
#else
typedef struct ip_mreqn ipv4_request;

static void choose(ipv4_request *request, uint32_t interface)
{
    request->imr_ifindex = (int)interface;
}

int bide_os_set_ipv4_interface(bide_fd fd, int interface)
{
    struct ip_mreqn value;
    memset(&value, 0, sizeof value);
    value.imr_ifindex = interface;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &value, sizeof value) == 0 ? 0 : bide_last_error();
}
#endif

static int request_ipv4(bide_fd fd, const void *group, uint32_t interface, bool member)
{
    struct sockaddr_in address;
    ipv4_request request;
    memset(&request, 0, sizeof request);
    memcpy(&address, group, sizeof address);
    request.imr_multiaddr = address.sin_addr;
    choose(&request, interface);
    return setsockopt(fd, IPPROTO_IP, member ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
                      sizeof request);
}

static int request_ipv6(bide_fd fd, const void *group, uint32_t interface, bool member)
{
    struct sockaddr_in6 address;
    struct ipv6_mreq request;
    memcpy(&address, group, sizeof address);
    request.ipv6mr_multiaddr = address.sin6_addr;
    request.ipv6mr_interface = interface;
    return setsockopt(fd, IPPROTO_IPV6, member ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
                      sizeof request);
}

int bide_os_request_membership(bide_fd fd, const bide_address *group, uint32_t interface, bool member)
{
    size_t length;
    const void *bytes = bide_address_sockaddr(group, &length);
    int done = bide_address_family(group) == BIDE_FAMILY_IPV6 ? request_ipv6(fd, bytes, interface, member)
                                                              : request_ipv4(fd, bytes, interface, member);
    return done == 0 ? 0 : bide_last_error();
}
