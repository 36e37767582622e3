/* Unix sockets: see socket_unix.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/socket_unix.h"

#include "os/io.h"
#include "os/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int bide_os_unix_datagram_socket(bide_fd *out)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return bide_last_error();
    *out = fd;
    return 0;
}

int bide_os_unix_pair(bool stream, bide_fd pair[2])
{
    int type = (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return socketpair(AF_UNIX, type, 0, pair) == 0 ? 0 : bide_last_error();
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

int bide_os_unix_credentials(bide_fd fd, bide_credentials *out)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    /* A listener has its own process' credentials, for those that connect. */
    bide_address address;
    int error = bide_os_peer_address(fd, &address);
    if (error) return error;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return bide_last_error();
    /* Without a peer Linux tells the user and the group that are none. */
    if (peer.pid == 0 && peer.uid == (uid_t)-1 && peer.gid == (gid_t)-1) return BIDE_ENOTCONN;
    out->pid = peer.pid;
    out->uid = peer.uid;
    out->gid = peer.gid;
    return 0;
}
