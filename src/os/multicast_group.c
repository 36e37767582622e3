/* Multicast by requests that fit both families (RFC 3678): Linux, FreeBSD, macOS, illumos. See multicast.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/multicast.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int bide_os_set_ipv4_interface(bide_fd fd, int interface)
{
    /* An address of the interface would do as well, but has to be looked for. */
    struct ip_mreqn value;
    memset(&value, 0, sizeof value);
    value.imr_ifindex = interface;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &value, sizeof value) == 0 ? 0 : bide_last_error();
}

int bide_os_request_membership(bide_fd fd, const bide_address *group, uint32_t interface, bool member)
{
    struct group_req request;
    size_t length;
    const void *bytes = bide_address_sockaddr(group, &length);
    int level = bide_address_family(group) == BIDE_FAMILY_IPV6 ? IPPROTO_IPV6 : IPPROTO_IP;
    memset(&request, 0, sizeof request);
    memcpy(&request.gr_group, bytes, length);
    request.gr_interface = interface;
    int done = setsockopt(fd, level, member ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &request, sizeof request);
    return done == 0 ? 0 : bide_last_error();
}
