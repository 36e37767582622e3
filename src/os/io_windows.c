/* Receiving, sending and asking sockets, the one kind of descriptor that is polled here; text goes to files, too: see io.h.
 *
 * A socket's mode cannot be asked for: one that is borrowed counts as non-blocking, as it has to be, and one that
 * was made non-blocking stays so.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/io.h"

#include "os/sockets.h"
#include "os/buffers_windows.h"
#include "os/system_windows.h"

#include <limits.h>

int bide_os_kind(bide_fd fd)
{
    int error = bide_os_sockets_start();
    if (error) return error;
    int family;
    int type;
    error = bide_os_socket_look(fd, &family, &type);
    if (error == BIDE_ENOTSOCK) return BIDE_OS_FILE;
    if (error) return error;
    bool internet = family == AF_INET || family == AF_INET6;
    return type == SOCK_STREAM && internet ? BIDE_OS_SOCKET | BIDE_OS_TCP : BIDE_OS_SOCKET;
}

int bide_os_set_nonblocking(bide_fd fd, bool on, bool *was)
{
    u_long mode = on;
    if (ioctlsocket(fd, (long)FIONBIO, &mode) != 0) return bide_os_socket_error(fd);
    if (was) *was = true;
    return 0;
}

int bide_os_is_blocking(bide_fd fd)
{
    return bide_os_is_handle(fd) ? 0 : BIDE_EBADF;
}

static int int_length(size_t length)
{
    return length < INT_MAX ? (int)length : INT_MAX;
}

/* What is longer than the buffer of a datagram is lost, which a read does not tell. */
static bide_ssize receive(bide_fd fd, void *buffer, size_t length, int flags)
{
    int count = recv(fd, buffer, int_length(length), flags);
    if (count >= 0) return count;
    int error = bide_os_socket_error(fd);
    return error == BIDE_EMSGSIZE ? int_length(length) : error;
}

/* Where that takes nothing a receive of no bytes waits all the same. */
static bool is_stream(bide_fd fd)
{
    int family;
    int type;
    return bide_os_socket_look(fd, &family, &type) == 0 && type == SOCK_STREAM;
}

bide_ssize bide_os_read(bide_fd fd, unsigned kind, void *buffer, size_t length)
{
    (void)kind;
    if (length == 0 && is_stream(fd)) return 0;
    return receive(fd, buffer, length, 0);
}

bide_ssize bide_os_peek(bide_fd fd, void *buffer, size_t length)
{
    return receive(fd, buffer, length, MSG_PEEK);
}

static bide_ssize receive_pieces(bide_fd fd, struct bide_os_pieces *pieces)
{
    DWORD received = 0;
    DWORD flags = 0;
    if (pieces->length == 0 && is_stream(fd)) return 0;
    if (WSARecv(fd, pieces->pieces, pieces->count, &received, &flags, NULL, NULL) == 0) return received;
    int error = bide_os_socket_error(fd);
    return error == BIDE_EMSGSIZE ? (bide_ssize)pieces->length : error;
}

static bide_ssize send_pieces(bide_fd fd, struct bide_os_pieces *pieces)
{
    DWORD sent = 0;
    if (WSASend(fd, pieces->pieces, pieces->count, &sent, 0, NULL, NULL) == 0) return sent;
    return bide_os_socket_error(fd);
}

/* As many as fit in a call, and of a stream the next ones as long as all went. */
static bide_ssize move(bide_fd fd, const bide_buffer *buffers, size_t count,
                       bide_ssize (*call)(bide_fd, struct bide_os_pieces *))
{
    struct bide_os_pieces pieces;
    size_t total = 0;
    bide_ssize done;
    do {
        int error = bide_os_pieces_of(&pieces, fd, buffers, count);
        if (error) return error;
        done = call(fd, &pieces);
        if (done < 0) return total > 0 ? (bide_ssize)total : done;
        total += (size_t)done;
        buffers += pieces.count;
        count -= pieces.count;
    } while (count > 0 && (size_t)done == pieces.length && !pieces.cut);
    return (bide_ssize)total;
}

bide_ssize bide_os_readv(bide_fd fd, const bide_buffer *buffers, size_t count)
{
    return move(fd, buffers, count, receive_pieces);
}

bide_ssize bide_os_write(bide_fd fd, unsigned kind, const void *buffer, size_t length)
{
    /* What is no socket is a file or a console, to which the library writes text. */
    if (kind & BIDE_OS_FILE) {
        DWORD written = 0;
        bool done = WriteFile((HANDLE)fd, buffer, (DWORD)int_length(length), &written, NULL) != 0;
        return done ? (bide_ssize)written : bide_last_error();
    }
    int count = send(fd, buffer, int_length(length), 0);
    return count >= 0 ? count : bide_os_socket_error(fd);
}

bide_ssize bide_os_writev(bide_fd fd, unsigned kind, const bide_buffer *buffers, size_t count)
{
    (void)kind;
    return move(fd, buffers, count, send_pieces);
}

int bide_os_ready_now(bide_fd fd, bide_direction direction)
{
    WSAPOLLFD entry = {.fd = fd, .events = direction == BIDE_READ ? POLLIN : POLLOUT};
    int count = WSAPoll(&entry, 1, 0);
    if (count < 0) return bide_os_socket_error(fd);
    if (entry.revents & POLLNVAL) return BIDE_EBADF;
    return entry.revents != 0;
}

void bide_os_close(bide_fd fd)
{
    DWORD before = GetLastError();
    (void)closesocket(fd);
    SetLastError(before);
}

int bide_os_shutdown(bide_fd fd, bide_direction direction)
{
    return shutdown(fd, direction == BIDE_READ ? SD_RECEIVE : SD_SEND) == 0 ? 0 : bide_os_socket_error(fd);
}
