/* Unix sockets: see socket_unix.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/socket_unix.h"

#include "os/descriptor.h"
#include "os/io.h"
#include "os/socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int bide_os_unix_datagram_socket(bide_fd *out)
{
    int fd = bide_os_new_socket(AF_UNIX, SOCK_DGRAM);
    if (fd < 0) return bide_last_error();
    *out = fd;
    return 0;
}

int bide_os_unix_pair(bool stream, bide_fd pair[2])
{
    return bide_os_new_pair(stream ? SOCK_STREAM : SOCK_DGRAM, pair) == 0 ? 0 : bide_last_error();
}

int bide_os_unix_bind(bide_fd fd, const bide_address *address)
{
    size_t length;
    const struct sockaddr *bytes = bide_address_sockaddr(address, &length);
    return bind(fd, bytes, (socklen_t)length) == 0 ? 0 : bide_last_error();
}

int bide_os_unix_listen(bide_fd fd, int backlog)
{
    return listen(fd, backlog > 0 ? backlog : SOMAXCONN) == 0 ? 0 : bide_last_error();
}

void bide_os_unix_remove(const bide_address *address)
{
    const char *path = bide_address_path(address, NULL);
    if (path) (void)unlink(path);
}

/* 0: nobody has the socket open. */
static int ask_whether_stale(const bide_address *address)
{
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_os_unix_datagram_socket(&fd);
    if (error) return error;
    error = bide_os_connect(fd, address);
    bide_os_close(fd);
    switch (error) {
    case BIDE_ECONNREFUSED: return 0;
    case 0:
    case BIDE_EPROTOTYPE: /* a stream */
    case BIDE_EPERM: /* a datagram socket with another peer */ return BIDE_EADDRINUSE;
    default: return error;
    }
}

int bide_os_unix_remove_stale(const bide_address *address)
{
    const char *path = bide_address_path(address, NULL);
    struct stat status;
    /* Not through a link: unlink(2) would remove that rather than the socket. */
    if (lstat(path, &status) != 0) return bide_last_error();
    if (!S_ISSOCK(status.st_mode)) return BIDE_ENOTSOCK;
    int error = ask_whether_stale(address);
    if (error) return error;
    return unlink(path) == 0 ? 0 : bide_last_error();
}
