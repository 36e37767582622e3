/* Unix sockets, of which Windows 10, version 1803, and later have the streams at paths: no datagrams, no
 * pairs, no abstract names, no descriptors or credentials in messages.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/socket_unix.h"

#include "os/file.h"
#include "os/io.h"
#include "os/socket.h"
#include "os/system_windows.h"

#ifndef SIO_AF_UNIX_GETPEERPID
#define SIO_AF_UNIX_GETPEERPID _WSAIOR(IOC_VENDOR, 256)
#endif

int bide_os_unix_datagram_socket(bide_fd *out)
{
    (void)out;
    return BIDE_ENOTSUP;
}

int bide_os_unix_pair(bool stream, bide_fd pair[2])
{
    (void)stream, (void)pair;
    return BIDE_ENOTSUP;
}

int bide_os_unix_bind(bide_fd fd, const bide_address *address)
{
    return bide_os_bind(fd, address);
}

int bide_os_unix_listen(bide_fd fd, int backlog)
{
    return listen(fd, backlog > 0 ? backlog : SOMAXCONN) == 0 ? 0 : bide_os_socket_error(fd);
}

void bide_os_unix_remove(const bide_address *address)
{
    const char *path = bide_address_path(address, NULL);
    if (path) (void)bide_os_path_unlink(path);
}

/* 0: nobody listens there. */
static int ask_whether_stale(const bide_address *address)
{
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_stream_socket(address, &fd);
    if (error) return error;
    error = bide_os_connect(fd, address);
    bide_os_close(fd);
    switch (error) {
    case BIDE_ECONNREFUSED: return 0;
    case 0:
    case BIDE_EINPROGRESS: return BIDE_EADDRINUSE;
    default: return error;
    }
}

int bide_os_unix_remove_stale(const bide_address *address)
{
    const char *path = bide_address_path(address, NULL);
    bide_file_status status;
    int error = bide_os_path_stat(path, false, &status);
    if (error) return error;
    if (status.kind != BIDE_KIND_SOCKET) return BIDE_ENOTSOCK;
    error = ask_whether_stale(address);
    return error ? error : bide_os_path_unlink(path);
}

/* The process alone: users and groups have no numbers. */
int bide_os_unix_credentials(bide_fd fd, bide_credentials *out)
{
    ULONG process = 0;
    DWORD size = 0;
    bide_address address;
    int error = bide_os_peer_address(fd, &address);
    if (error) return error;
    if (WSAIoctl(fd, SIO_AF_UNIX_GETPEERPID, NULL, 0, &process, sizeof process, &size, NULL, NULL) != 0)
        return bide_os_socket_error(fd);
    out->pid = (int32_t)process;
    out->uid = UINT32_MAX;
    out->gid = UINT32_MAX;
    return 0;
}
