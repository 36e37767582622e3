/* Sockets: see socket.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/socket.h"

#include "os/descriptor.h"
#include "os/io.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static const struct sockaddr *sockaddr_of(const bide_address *address, socklen_t *length)
{
    size_t size = 0;
    const void *bytes = bide_address_sockaddr(address, &size);
    *length = (socklen_t)size;
    return bytes;
}

static int new_socket(const bide_address *address, int type, bide_fd *out)
{
    socklen_t length;
    const struct sockaddr *bytes = sockaddr_of(address, &length);
    if (!bytes) return BIDE_EINVAL;
    int fd = bide_os_new_socket(bytes->sa_family, type);
    if (fd < 0) return bide_last_error();
    *out = fd;
    return 0;
}

int bide_os_stream_socket(const bide_address *address, bide_fd *out)
{
    return new_socket(address, SOCK_STREAM, out);
}

int bide_os_datagram_socket(const bide_address *address, bide_fd *out)
{
    return new_socket(address, SOCK_DGRAM, out);
}

unsigned bide_os_stream_kind(const bide_address *address)
{
    bool tcp = bide_address_family(address) != BIDE_FAMILY_UNIX;
    return tcp ? BIDE_OS_SOCKET | BIDE_OS_TCP : BIDE_OS_SOCKET;
}

int bide_os_connect(bide_fd fd, const bide_address *address)
{
    socklen_t length;
    const struct sockaddr *bytes = sockaddr_of(address, &length);
    if (connect(fd, bytes, length) == 0) return 0;
    /* Interrupted, it goes on in the background like any other (connect(2)). */
    return errno == EINTR ? BIDE_EINPROGRESS : bide_last_error();
}

/* 0, or an error: ENOTCONN while there is no peer (yet). */
static int has_peer(bide_fd fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 ? 0 : bide_last_error();
}

int bide_os_connect_datagram(bide_fd fd, const bide_address *address)
{
    struct sockaddr none;
    memset(&none, 0, sizeof none);
    none.sa_family = AF_UNSPEC;
    socklen_t length = sizeof none;
    const struct sockaddr *bytes = address ? sockaddr_of(address, &length) : &none;
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return bide_last_error();
    if (type == SOCK_STREAM || type == SOCK_SEQPACKET) return BIDE_EPROTOTYPE;
    if (connect(fd, bytes, length) == 0) return 0;
    int error = bide_last_error();
    /* The BSDs take the peer away and complain of the address. */
    return !address && has_peer(fd) == BIDE_ENOTCONN ? 0 : error;
}

int bide_os_connected(bide_fd fd, bool failed)
{
    /* Without a reported error a peer's name is proof enough, and spares the second call. */
    int state = failed ? BIDE_ENOTCONN : has_peer(fd);
    if (state != BIDE_ENOTCONN) return state;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return bide_last_error();
    if (error) return bide_error_from_system(error);
    if (failed) state = has_peer(fd);
    return state == BIDE_ENOTCONN ? BIDE_EAGAIN : state;
}

int bide_os_bind(bide_fd fd, const bide_address *address)
{
    socklen_t length;
    const struct sockaddr *bytes = sockaddr_of(address, &length);
    return bind(fd, bytes, length) == 0 ? 0 : bide_last_error();
}

int bide_os_listen(bide_fd fd, const bide_address *address, int backlog)
{
    int error = bide_os_bind(fd, address);
    if (error) return error;
    return listen(fd, backlog > 0 ? backlog : SOMAXCONN) == 0 ? 0 : bide_last_error();
}

/* Errors that belong to one connection in the backlog, not to the listener (accept(2), "Error handling"). */
static bool died_in_backlog(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
#ifdef ENONET
    case ENONET:
#endif
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
    }
}

int bide_os_accept(bide_fd fd, bide_fd *out, bide_address *peer)
{
    struct sockaddr_storage from;
    for (;;) {
        socklen_t length = sizeof from;
        int conn = bide_os_new_connection(fd, (struct sockaddr *)&from, &length);
        if (conn >= 0) {
            *out = conn;
            (void)bide_address_from_system(peer, &from, length);
            return 0;
        }
        if (!died_in_backlog(errno)) return bide_last_error();
    }
}

int bide_os_local_address(bide_fd fd, bide_address *out)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return bide_last_error();
    return bide_address_from_system(out, &address, length);
}

int bide_os_peer_address(bide_fd fd, bide_address *out)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0) return bide_last_error();
    return bide_address_from_system(out, &address, length);
}
