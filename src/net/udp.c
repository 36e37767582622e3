/* UDP sockets: making them, their peers, multicast and broadcast.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/udp.h>

#include "net/options.h"
#include "os/io.h"
#include "os/socket.h"
#include "reactor/source.h"

#include <limits.h>

static bool is_internet(const bide_address *address)
{
    bide_family family = bide_address_family(address);
    return family == BIDE_FAMILY_IPV4 || family == BIDE_FAMILY_IPV6;
}

/* Registers the socket, or closes it if it could not be made ready for use. */
static int hand_out(bide_async **out, bide_fd fd, int error)
{
    if (!error)
        error = bide_source_new(out, bide_reactor_current(), fd, BIDE_SOURCE_OWNED | BIDE_OS_SOCKET, true);
    if (error) {
        bide_os_close(fd);
        bide_descriptors_closed();
    }
    return error;
}

int bide_udp_bind_with(bide_async **out, const bide_address *address, const bide_socket_options *options)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!is_internet(address)) return BIDE_EINVAL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_datagram_socket(address, &fd);
    if (error) return error;
    error = bide_options_apply(fd, bide_address_family(address), options, false);
    if (!error) error = bide_os_bind(fd, address);
    return hand_out(out, fd, error);
}

int bide_udp_bind(bide_async **out, const bide_address *address)
{
    return bide_udp_bind_with(out, address, NULL);
}

int bide_udp_connect(bide_async **out, const bide_address *peer)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!is_internet(peer)) return BIDE_EINVAL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_datagram_socket(peer, &fd);
    if (error) return error;
    return hand_out(out, fd, bide_os_connect_datagram(fd, peer));
}

/* `peer`: NULL for none. */
static int set_peer(bide_async *async, const bide_address *peer)
{
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    error = bide_os_connect_datagram(async->fd, peer);
    bide_source_unpin(async);
    return error;
}

int bide_udp_connect_to(bide_async *async, const bide_address *peer)
{
    return async && is_internet(peer) ? set_peer(async, peer) : BIDE_EINVAL;
}

int bide_udp_disconnect(bide_async *async)
{
    return async ? set_peer(async, NULL) : BIDE_EINVAL;
}

static int set_membership(bide_async *async, const bide_address *group, uint32_t interface, bool member)
{
    if (!async || !is_internet(group)) return BIDE_EINVAL;
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    error = bide_os_set_membership(async->fd, group, interface, member);
    bide_source_unpin(async);
    return error;
}

int bide_udp_join(bide_async *async, const bide_address *group, uint32_t interface)
{
    return set_membership(async, group, interface, true);
}

int bide_udp_leave(bide_async *async, const bide_address *group, uint32_t interface)
{
    return set_membership(async, group, interface, false);
}

int bide_udp_set_multicast_loop(bide_async *async, bool on)
{
    return bide_option_set(async, BIDE_OS_MULTICAST_LOOP, on);
}

int bide_udp_multicast_loop(const bide_async *async, bool *on)
{
    return bide_option_get_bool(async, BIDE_OS_MULTICAST_LOOP, on);
}

int bide_udp_set_multicast_ttl(bide_async *async, int hops)
{
    return hops < 0 || hops > 255 ? BIDE_EINVAL : bide_option_set(async, BIDE_OS_MULTICAST_HOPS, hops);
}

int bide_udp_multicast_ttl(const bide_async *async, int *hops)
{
    return bide_option_get(async, BIDE_OS_MULTICAST_HOPS, hops);
}

int bide_udp_set_multicast_interface(bide_async *async, uint32_t interface)
{
    if (interface > INT_MAX) return BIDE_ENODEV;
    return bide_option_set(async, BIDE_OS_MULTICAST_INTERFACE, (int)interface);
}

int bide_udp_set_broadcast(bide_async *async, bool on)
{
    return bide_option_set(async, BIDE_OS_BROADCAST, on);
}

int bide_udp_broadcast(const bide_async *async, bool *on)
{
    return bide_option_get_bool(async, BIDE_OS_BROADCAST, on);
}
