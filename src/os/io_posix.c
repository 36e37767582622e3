/* What a descriptor is, and writing to pipes, by nothing but POSIX: see io.h and descriptor.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/descriptor.h"
#include "os/io.h"
#include "os/sigpipe.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* SO_DOMAIN is not everywhere. */
int bide_os_family(bide_fd fd)
{
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof own;
    return getsockname(fd, (struct sockaddr *)&own, &size) == 0 ? own.ss_family : bide_last_error();
}

/* Nor is SO_PROTOCOL. A stream of the internet is TCP: others (SCTP) are rare, and taken for it they only wait
 * for an event before they read again. */
static bool is_tcp(bide_fd fd)
{
    int family = bide_os_family(fd);
    int type = 0;
    socklen_t size = sizeof type;
    if (family != AF_INET && family != AF_INET6) return false;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int bide_os_kind(bide_fd fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0) return bide_last_error();
    if (S_ISSOCK(status.st_mode)) {
#if BIDE_OS_NO_SIGNAL == 0 && defined(SO_NOSIGPIPE)
        /* The only way to keep SIGPIPE from its writers; also of a borrowed one. */
        const int on = 1;
        (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
        return is_tcp(fd) ? BIDE_OS_SOCKET | BIDE_OS_TCP : BIDE_OS_SOCKET;
    }
    if (S_ISFIFO(status.st_mode)) return BIDE_OS_PIPE;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return BIDE_OS_FILE;
    return 0;
}

ssize_t bide_os_write_pipe(bide_fd fd, const struct iovec *pieces, int count)
{
    return bide_os_sigpipe_writev(fd, pieces, count);
}
