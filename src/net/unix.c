/* Unix sockets: streams, listeners, pairs, datagrams. Connecting and accepting are in connect.c and accept.c,
 * sending datagrams in message.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/unix.h>

#include "net/connect.h"
#include "os/io.h"
#include "os/socket.h"
#include "os/socket_unix.h"
#include "reactor/source.h"

static bool is_unix(const bide_address *address)
{
    return bide_address_family(address) == BIDE_FAMILY_UNIX;
}

static void close_socket(bide_fd fd)
{
    bide_os_close(fd);
    bide_descriptors_closed();
}

/* Registers a socket, which is closed after an error. */
static int adopt(bide_async **out, bide_fd fd)
{
    int error = bide_source_new(out, bide_reactor_current(), fd, BIDE_SOURCE_OWNED | BIDE_OS_SOCKET, true);
    if (error) close_socket(fd);
    return error;
}

/* --- streams --- */

void bide_unix_connecting_init(bide_connecting *connecting, const bide_address *address)
{
    bide_connecting_prepare(connecting, address, is_unix(address));
}

int bide_unix_connect(bide_async **out, const bide_address *address, bide_instant deadline)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    bide_connecting connecting;
    bide_unix_connecting_init(&connecting, address);
    return bide_connecting_await(&connecting, out, deadline);
}

/* Binds a socket, lets it listen if that is wanted, and registers it. After an error nothing is left of
 * it. */
static int open_at(bide_async **out, bide_fd fd, const bide_address *address, bool listens, int backlog)
{
    int error = bide_os_unix_bind(fd, address);
    if (error) {
        close_socket(fd);
        return error;
    }
    if (listens) error = bide_os_unix_listen(fd, backlog);
    if (error)
        close_socket(fd);
    else
        error = adopt(out, fd);
    if (error) bide_os_unix_remove(address);
    return error;
}

int bide_unix_listen(bide_async **out, const bide_address *address, int backlog)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!is_unix(address)) return BIDE_EINVAL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_stream_socket(address, &fd);
    return error ? error : open_at(out, fd, address, true, backlog);
}

int bide_unix_remove_stale(const bide_address *address)
{
    if (!bide_address_path(address, NULL)) return BIDE_EINVAL;
    return bide_os_unix_remove_stale(address);
}

static int open_pair(bide_async **a, bide_async **b, bool stream)
{
    if (a) *a = NULL;
    if (b) *b = NULL;
    if (!a || !b || a == b) return BIDE_EINVAL;
    bide_fd pair[2];
    int error = bide_os_unix_pair(stream, pair);
    if (error) return error;
    error = adopt(a, pair[0]);
    if (error) {
        close_socket(pair[1]);
        return error;
    }
    error = adopt(b, pair[1]);
    if (error) {
        (void)bide_async_free(*a);
        *a = NULL;
    }
    return error;
}

int bide_unix_pair(bide_async **a, bide_async **b)
{
    return open_pair(a, b, true);
}

/* --- datagrams --- */

int bide_unix_datagram_bind(bide_async **out, const bide_address *address)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!is_unix(address)) return BIDE_EINVAL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_unix_datagram_socket(&fd);
    return error ? error : open_at(out, fd, address, false, 0);
}

int bide_unix_datagram_unbound(bide_async **out)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_unix_datagram_socket(&fd);
    return error ? error : adopt(out, fd);
}

int bide_unix_datagram_pair(bide_async **a, bide_async **b)
{
    return open_pair(a, b, false);
}

int bide_unix_datagram_connect(bide_async *async, const bide_address *address)
{
    if (!async || !is_unix(address)) return BIDE_EINVAL;
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    error = bide_os_connect(async->fd, address);
    bide_source_unpin(async);
    return error;
}

int bide_unix_peer_credentials(const bide_async *async, bide_credentials *out)
{
    if (!async || !out) return BIDE_EINVAL;
    bide_async *source = (bide_async *)(uintptr_t)async;
    int error = bide_source_pin(source, bide_source_generation(source));
    if (error) return error;
    error = bide_os_unix_credentials(source->fd, out);
    bide_source_unpin(source);
    return error;
}
