/* What a descriptor is, and writing to pipes, on Linux: see io.h and descriptor.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/descriptor.h"
#include "os/io.h"
#include "os/sigpipe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Linux 6.18: a write that breaks a pipe raises no signal. Not in the headers of older systems. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

/* Raw sockets may have the protocol TCP too, and NETLINK_XFRM is the same number: both give packets. */
static bool is_stream(bide_fd fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int bide_os_kind(bide_fd fd)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0)
        return protocol == IPPROTO_TCP && is_stream(fd) ? BIDE_OS_SOCKET | BIDE_OS_TCP : BIDE_OS_SOCKET;
    if (errno == EBADF) return BIDE_EBADF;
    if (errno != ENOTSOCK) return BIDE_OS_SOCKET;
    struct stat status;
    if (fstat(fd, &status) != 0) return bide_last_error();
    if (S_ISFIFO(status.st_mode)) return BIDE_OS_PIPE;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return BIDE_OS_FILE;
    return 0;
}

int bide_os_family(bide_fd fd)
{
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 ? family : bide_last_error();
}

ssize_t bide_os_write_pipe(bide_fd fd, const struct iovec *pieces, int count)
{
    /* Whether the kernel knows the flag: asked once; relaxed, for each thread may find out by itself. */
    static _Atomic bool unknown_flag;
    if (!atomic_load_explicit(&unknown_flag, memory_order_relaxed)) {
        ssize_t done = pwritev2(fd, pieces, count, -1, RWF_NOSIGNAL);
        if (done >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return done;
        atomic_store_explicit(&unknown_flag, true, memory_order_relaxed);
    }
    return bide_os_sigpipe_writev(fd, pieces, count);
}
