/* Sockets: see socket.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/socket.h"

#include "os/io.h"
#include "os/sockets.h"
#include "os/system_windows.h"

#include <string.h>

#ifndef SIO_UDP_NETRESET
#define SIO_UDP_NETRESET _WSAIOW(IOC_VENDOR, 15)
#endif

static const struct sockaddr *sockaddr_of(const bide_address *address, socklen_t *length)
{
    size_t size = 0;
    const void *bytes = bide_address_sockaddr(address, &size);
    *length = (socklen_t)size;
    return bytes;
}

int bide_os_socket_look(bide_fd fd, int *family, int *type)
{
    WSAPROTOCOL_INFOW about;
    int size = sizeof about;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&about, &size) != 0)
        return bide_os_socket_error(fd);
    *family = about.iAddressFamily;
    *type = about.iSocketType;
    return 0;
}

/* Not every provider has every switch. */
static void turn(bide_fd fd, DWORD what, bool on)
{
    BOOL value = on;
    DWORD size = 0;
    (void)WSAIoctl(fd, what, &value, sizeof value, NULL, 0, &size, NULL, NULL);
}

/* A datagram socket is told by an error of the next receive that nobody listens at a port it sent to, which
 * only one with a single peer can make sense of. */
static void tell_of_refusals(bide_fd fd, bool on)
{
    turn(fd, SIO_UDP_CONNRESET, on);
}

/* And that a datagram was given up on its way, which is nobody's concern elsewhere. */
static void silence_losses(bide_fd fd)
{
    turn(fd, SIO_UDP_NETRESET, false);
}

static int new_socket(const bide_address *address, int type, bide_fd *out)
{
    socklen_t length;
    const struct sockaddr *bytes = sockaddr_of(address, &length);
    if (!bytes) return BIDE_EINVAL;
    int error = bide_os_sockets_start();
    if (error) return error;
    SOCKET fd =
        WSASocketW(bytes->sa_family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (fd == INVALID_SOCKET) return bide_last_error();
    error = bide_os_set_nonblocking(fd, true, NULL);
    if (error) {
        bide_os_close(fd);
        return error;
    }
    if (type == SOCK_DGRAM) {
        tell_of_refusals(fd, false);
        silence_losses(fd);
    }
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
    int error = bide_os_socket_error(fd);
    return error == BIDE_EAGAIN ? BIDE_EINPROGRESS : error;
}

int bide_os_connect_datagram(bide_fd fd, const bide_address *address)
{
    int family = 0;
    int type = 0;
    int error = bide_os_socket_look(fd, &family, &type);
    if (error) return error;
    if (type != SOCK_DGRAM) return BIDE_EPROTOTYPE;
    /* The address of all zeroes takes the peer away (connect, "Remarks"). */
    struct sockaddr_storage none;
    memset(&none, 0, sizeof none);
    none.ss_family = (short)family;
    socklen_t length = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    const struct sockaddr *bytes = address ? sockaddr_of(address, &length) : (struct sockaddr *)&none;
    if (connect(fd, bytes, length) != 0) return bide_os_socket_error(fd);
    tell_of_refusals(fd, address != NULL);
    return 0;
}

/* 0, or an error: ENOTCONN while there is no peer (yet). */
static int has_peer(bide_fd fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 ? 0 : bide_os_socket_error(fd);
}

int bide_os_connected(bide_fd fd, bool failed)
{
    /* Without a reported error a peer's name is proof enough, and spares the second call. */
    int state = failed ? BIDE_ENOTCONN : has_peer(fd);
    if (state != BIDE_ENOTCONN) return state;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, (char *)&error, &size) != 0) return bide_os_socket_error(fd);
    if (error) return bide_error_from_system(error);
    if (failed) state = has_peer(fd);
    return state == BIDE_ENOTCONN ? BIDE_EAGAIN : state;
}

/* Without it another program could take the port over by SO_REUSEADDR. It refuses no port that only has old
 * connections in TIME_WAIT. Who has that option itself shares the port (SO_EXCLUSIVEADDRUSE). */
static int claim(bide_fd fd)
{
    BOOL shared = FALSE;
    BOOL on = TRUE;
    int size = sizeof shared;
    if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (char *)&shared, &size) == 0 && shared) return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&on, sizeof on) == 0) return 0;
    return bide_os_socket_error(fd);
}

int bide_os_bind(bide_fd fd, const bide_address *address)
{
    socklen_t length;
    const struct sockaddr *bytes = sockaddr_of(address, &length);
    int error = bide_address_family(address) == BIDE_FAMILY_UNIX ? 0 : claim(fd);
    if (error) return error;
    return bind(fd, bytes, length) == 0 ? 0 : bide_os_socket_error(fd);
}

int bide_os_listen(bide_fd fd, const bide_address *address, int backlog)
{
    int error = bide_os_bind(fd, address);
    if (error) return error;
    return listen(fd, backlog > 0 ? backlog : SOMAXCONN) == 0 ? 0 : bide_os_socket_error(fd);
}

int bide_os_accept(bide_fd fd, bide_fd *out, bide_address *peer)
{
    struct sockaddr_storage from;
    for (;;) {
        socklen_t length = sizeof from;
        SOCKET conn = accept(fd, (struct sockaddr *)&from, &length);
        if (conn != INVALID_SOCKET) {
            /* There is no flag for it: a process that is started just now inherits the socket. */
            (void)SetHandleInformation((HANDLE)conn, HANDLE_FLAG_INHERIT, 0);
            int error = bide_os_set_nonblocking(conn, true, NULL);
            if (error) {
                bide_os_close(conn);
                return error;
            }
            *out = conn;
            (void)bide_address_from_system(peer, &from, (size_t)length);
            return 0;
        }
        /* A connection that was reset in the backlog. */
        int error = bide_os_socket_error(fd);
        if (error != BIDE_ECONNRESET) return error;
    }
}

int bide_os_local_address(bide_fd fd, bide_address *out)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return bide_os_socket_error(fd);
    return bide_address_from_system(out, &address, (size_t)length);
}

int bide_os_peer_address(bide_fd fd, bide_address *out)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0) return bide_os_socket_error(fd);
    return bide_address_from_system(out, &address, (size_t)length);
}
