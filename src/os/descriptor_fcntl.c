/* Descriptors that are changed after they were made, where calls take no flags for it (macOS). See
 * descriptor.h.
 *
 * Between the two another thread may fork and exec: such a child inherits the descriptor. Nothing else can be
 * done there but not to fork while sockets are being made (posix_spawn with POSIX_SPAWN_CLOEXEC_DEFAULT is
 * safe).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The descriptor as it is to be, or -1, after which it is closed. */
static int finish(int fd, bool is_socket)
{
    if (fd < 0) return -1;
    int flags = fcntl(fd, F_GETFL);
    bool good =
        flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0;
    int error = errno;
#if BIDE_OS_NO_SIGNAL == 0 && defined(SO_NOSIGPIPE)
    const int on = 1;
    if (good && is_socket && setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) != 0) {
        /* macOS says EINVAL of a connection that is over already: then it died in the backlog. */
        error = errno == EINVAL ? ECONNABORTED : errno;
        good = false;
    }
#else
    (void)is_socket;
#endif
    if (good) return fd;
    (void)close(fd);
    errno = error;
    return -1;
}

static int finish_both(int ends[2], bool are_sockets)
{
    if (finish(ends[0], are_sockets) < 0) {
        (void)close(ends[1]);
        return -1;
    }
    if (finish(ends[1], are_sockets) < 0) {
        (void)close(ends[0]);
        return -1;
    }
    return 0;
}

int bide_os_new_socket(int family, int type)
{
    return finish(socket(family, type, 0), true);
}

int bide_os_new_connection(int listener, struct sockaddr *peer, socklen_t *length)
{
    return finish(accept(listener, peer, length), true);
}

int bide_os_new_pair(int type, int pair[2])
{
    return socketpair(AF_UNIX, type, 0, pair) == 0 ? finish_both(pair, true) : -1;
}

int bide_os_new_pipe(int ends[2])
{
    return pipe(ends) == 0 ? finish_both(ends, false) : -1;
}
