/* TCP: connecting, listening, options. The operations themselves are in connect.c and accept.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/tcp.h>

#include "net/connect.h"
#include "os/io.h"
#include "os/socket.h"
#include "reactor/source.h"

static bool is_internet(const bide_address *address)
{
    bide_family family = bide_address_family(address);
    return family == BIDE_FAMILY_IPV4 || family == BIDE_FAMILY_IPV6;
}

void bide_tcp_connecting_init(bide_connecting *connecting, const bide_address *address)
{
    bide_connecting_prepare(connecting, address, is_internet(address));
}

int bide_tcp_connect(bide_async **out, const bide_address *address, bide_instant deadline)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, address);
    return bide_connecting_await(&connecting, out, deadline);
}

int bide_tcp_listen(bide_async **out, const bide_address *address, int backlog)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!is_internet(address)) return BIDE_EINVAL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_stream_socket(address, &fd);
    if (error) return error;
    error = bide_os_listen(fd, address, backlog);
    if (!error)
        error = bide_source_new(out, bide_reactor_current(), fd,
                                BIDE_SOURCE_OWNED | bide_os_stream_kind(address), true);
    if (error) {
        bide_os_close(fd);
        bide_descriptors_closed();
    }
    return error;
}

int bide_tcp_set_nodelay(bide_async *async, bool on)
{
    if (!async) return BIDE_EINVAL;
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    error = bide_os_set_nodelay(async->fd, on);
    bide_source_unpin(async);
    return error;
}
