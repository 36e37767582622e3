/* Reading, writing and asking descriptors: see io.h. Sockets are in socket.c, and what systems differ in is in
 * io_linux.c and its like.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/io.h"

#include "os/descriptor.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(bide_buffer) == sizeof(struct iovec), "a bide_buffer is an iovec");
_Static_assert(offsetof(bide_buffer, base) == offsetof(struct iovec, iov_base), "a bide_buffer is an iovec");
_Static_assert(offsetof(bide_buffer, length) == offsetof(struct iovec, iov_len), "a bide_buffer is an iovec");

#ifndef POLLRDHUP /* not everywhere; POLLIN tells of the end as well */
#define POLLRDHUP 0
#endif

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

/* recv(2) rather than read(2) where that does the same: the kernel's way to the socket is shorter. No bytes of a
 * datagram would be the whole of it to recv. */
bide_ssize bide_os_read(bide_fd fd, unsigned kind, void *buffer, size_t length)
{
    bool receives = (kind & BIDE_OS_SOCKET) && length > 0;
    for (;;) {
        ssize_t count = receives ? recv(fd, buffer, length, 0) : read(fd, buffer, length);
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

bide_ssize bide_os_writev(bide_fd fd, unsigned kind, const bide_buffer *buffers, size_t count)
{
    for (;;) {
        ssize_t done;
        if (kind & BIDE_OS_SOCKET) {
            struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)buffers,
                                     .msg_iovlen = (BIDE_OS_BUFFER_COUNT)count};
            done = sendmsg(fd, &message, BIDE_OS_NO_SIGNAL);
        } else if (kind & BIDE_OS_PIPE) {
            done = bide_os_write_pipe(fd, (const struct iovec *)buffers, (int)count);
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
            kind & BIDE_OS_SOCKET ? send(fd, buffer, length, BIDE_OS_NO_SIGNAL) : write(fd, buffer, length);
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
