/* Reading, writing and asking descriptors: see io.h. Sockets are in socket.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/io.h"

#include "os/sigpipe.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(bide_buffer) == sizeof(struct iovec), "a bide_buffer is an iovec");
_Static_assert(offsetof(bide_buffer, base) == offsetof(struct iovec, iov_base), "a bide_buffer is an iovec");
_Static_assert(offsetof(bide_buffer, length) == offsetof(struct iovec, iov_len), "a bide_buffer is an iovec");

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

int bide_os_set_nonblocking(bide_fd fd, bool on, bool *was)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return bide_last_error();
    if (was) *was = (flags & O_NONBLOCK) != 0;
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0) return bide_last_error();
    return 0;
}

int bide_os_is_blocking(bide_fd fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return bide_last_error();
    return !(flags & O_NONBLOCK);
}

bide_ssize bide_os_read(bide_fd fd, void *buffer, size_t length)
{
    for (;;) {
        ssize_t count = read(fd, buffer, length);
        if (count >= 0) return count;
        if (errno != EINTR) return bide_last_error();
    }
}

bide_ssize bide_os_readv(bide_fd fd, const bide_buffer *buffers, size_t count)
{
    for (;;) {
        ssize_t done = readv(fd, (const struct iovec *)buffers, (int)count);
        if (done >= 0) return done;
        if (errno != EINTR) return bide_last_error();
    }
}

bide_ssize bide_os_peek(bide_fd fd, void *buffer, size_t length)
{
    for (;;) {
        ssize_t count = recv(fd, buffer, length, MSG_PEEK);
        if (count >= 0) return count;
        if (errno != EINTR) return bide_last_error();
    }
}

/* A write to a pipe on kernels without RWF_NOSIGNAL. */
static ssize_t write_with_signal_blocked(bide_fd fd, const struct iovec *pieces, int count)
{
    struct bide_os_sigpipe signal;
    bide_os_sigpipe_block(&signal);
    ssize_t done = writev(fd, pieces, count);
    bide_os_sigpipe_restore(&signal, done < 0 && errno == EPIPE);
    return done;
}

static ssize_t write_to_pipe(bide_fd fd, const struct iovec *pieces, int count)
{
    /* Whether the kernel knows the flag: asked once; relaxed, for each thread may find out by itself. */
    static _Atomic bool unknown_flag;
    if (!atomic_load_explicit(&unknown_flag, memory_order_relaxed)) {
        ssize_t done = pwritev2(fd, pieces, count, -1, RWF_NOSIGNAL);
        if (done >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return done;
        atomic_store_explicit(&unknown_flag, true, memory_order_relaxed);
    }
    return write_with_signal_blocked(fd, pieces, count);
}

bide_ssize bide_os_writev(bide_fd fd, unsigned kind, const bide_buffer *buffers, size_t count)
{
    for (;;) {
        ssize_t done;
        if (kind & BIDE_OS_SOCKET) {
            struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)buffers, .msg_iovlen = count};
            done = sendmsg(fd, &message, MSG_NOSIGNAL);
        } else if (kind & BIDE_OS_PIPE) {
            done = write_to_pipe(fd, (const struct iovec *)buffers, (int)count);
        } else {
            done = writev(fd, (const struct iovec *)buffers, (int)count);
        }
        if (done >= 0) return done;
        if (errno != EINTR) return bide_last_error();
    }
}

bide_ssize bide_os_write(bide_fd fd, unsigned kind, const void *buffer, size_t length)
{
    if (kind & BIDE_OS_PIPE) {
        bide_buffer piece = {(void *)(uintptr_t)buffer, length};
        return bide_os_writev(fd, kind, &piece, 1);
    }
    for (;;) {
        ssize_t done =
            kind & BIDE_OS_SOCKET ? send(fd, buffer, length, MSG_NOSIGNAL) : write(fd, buffer, length);
        if (done >= 0) return done;
        if (errno != EINTR) return bide_last_error();
    }
}

int bide_os_ready_now(bide_fd fd, bide_direction direction)
{
    struct pollfd entry = {.fd = fd,
                           .events = direction == BIDE_READ ? POLLIN | POLLPRI | POLLRDHUP : POLLOUT};
    for (;;) {
        int cancelable = bide_os_cancel_disable();
        int count = poll(&entry, 1, 0);
        bide_os_cancel_restore(cancelable);
        if (count == 0) return 0;
        if (count > 0) return entry.revents & POLLNVAL ? BIDE_EBADF : 1;
        if (errno != EINTR) return bide_last_error();
    }
}

void bide_os_close(bide_fd fd)
{
    int saved = errno;
    int cancelable = bide_os_cancel_disable();
    (void)close(fd);
    bide_os_cancel_restore(cancelable);
    errno = saved;
}

int bide_os_shutdown(bide_fd fd, bide_direction direction)
{
    return shutdown(fd, direction == BIDE_READ ? SHUT_RD : SHUT_WR) == 0 ? 0 : bide_last_error();
}
