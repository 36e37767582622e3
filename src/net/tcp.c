/* TCP: connecting, listening, options. The operations themselves are in connect.c and accept.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/tcp.h>

#include "net/connect.h"
#include "net/options.h"
#include "os/io.h"
#include "os/socket.h"
#include "reactor/source.h"

#include <string.h>

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

int bide_tcp_listen_with(bide_async **out, const bide_address *address, const bide_socket_options *options)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!is_internet(address)) return BIDE_EINVAL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_stream_socket(address, &fd);
    if (error) return error;
    error = bide_options_apply(fd, bide_address_family(address), options, true);
    if (!error) error = bide_os_listen(fd, address, options ? options->backlog : 0);
    if (!error)
        error = bide_source_new(out, bide_reactor_current(), fd,
                                BIDE_SOURCE_OWNED | bide_os_stream_kind(address), true);
    if (error) {
        bide_os_close(fd);
        bide_descriptors_closed();
    }
    return error;
}

int bide_tcp_listen(bide_async **out, const bide_address *address, int backlog)
{
    bide_socket_options options;
    memset(&options, 0, sizeof options);
    options.backlog = backlog;
    return bide_tcp_listen_with(out, address, &options);
}

int bide_tcp_set_nodelay(bide_async *async, bool on)
{
    return bide_option_set(async, BIDE_OS_NODELAY, on);
}

int bide_tcp_nodelay(const bide_async *async, bool *on)
{
    return bide_option_get_bool(async, BIDE_OS_NODELAY, on);
}
