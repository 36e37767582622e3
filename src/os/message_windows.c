/* Messages: see message.h. There is no flag for not waiting: sockets must be non-blocking. There are no descriptors and no credentials in them, and no call for several.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/message.h"

#include "os/buffers_windows.h"

#include <string.h>

bide_ssize bide_os_send_message(bide_fd fd, struct bide_os_message *message)
{
    struct bide_os_pieces pieces;
    size_t length = 0;
    const struct sockaddr *to = bide_address_sockaddr(message->address, &length);
    DWORD sent = 0;
    if (message->fd_count > 0 || message->credentials) return BIDE_EAFNOSUPPORT;
    int error = bide_os_pieces_of(&pieces, fd, message->buffers, message->buffer_count);
    if (error) return error;
    if (WSASendTo(fd, pieces.pieces, pieces.count, &sent, 0, to, (int)length, NULL, NULL) != 0)
        return bide_os_socket_error(fd);
    message->length = sent;
    return (bide_ssize)sent;
}

bide_ssize bide_os_recv_message(bide_fd fd, struct bide_os_message *message)
{
    struct bide_os_pieces pieces;
    struct sockaddr_storage from;
    int size = sizeof from;
    DWORD received = 0;
    DWORD flags = message->peek ? MSG_PEEK : 0;
    int error = bide_os_pieces_of(&pieces, fd, message->buffers, message->buffer_count);
    if (error) return error;
    memset(&from, 0, sizeof from);
    if (WSARecvFrom(fd, pieces.pieces, pieces.count, &received, &flags, (struct sockaddr *)&from, &size, NULL,
                    NULL) != 0) {
        error = bide_os_socket_error(fd);
        if (error != BIDE_EMSGSIZE) return error;
        /* The buffers are full, and the rest is lost. */
        received = (DWORD)pieces.length;
        flags |= MSG_PARTIAL;
    }
    message->length = received;
    message->truncated = (flags & MSG_PARTIAL) != 0;
    message->control_truncated = false;
    message->has_credentials = false;
    message->fd_count = 0;
    if (message->address && bide_address_from_system(message->address, &from, (size_t)size) != 0)
        memset(message->address, 0, sizeof *message->address);
    return (bide_ssize)received;
}

static struct bide_os_message message_of(const struct bide_os_datagram *datagram, const bide_buffer *piece,
                                         bide_address *address)
{
    return (struct bide_os_message){.buffers = piece,
                                    .buffer_count = 1,
                                    .address = address,
                                    .peek = datagram->peek};
}

bide_ssize bide_os_send_datagram(bide_fd fd, const struct bide_os_datagram *datagram)
{
    bide_buffer piece = {datagram->data, datagram->length};
    struct bide_os_message message = message_of(datagram, &piece, (bide_address *)(uintptr_t)datagram->to);
    return bide_os_send_message(fd, &message);
}

bide_ssize bide_os_recv_datagram(bide_fd fd, const struct bide_os_datagram *datagram)
{
    bide_buffer piece = {datagram->data, datagram->length};
    struct bide_os_message message = message_of(datagram, &piece, datagram->from);
    return bide_os_recv_message(fd, &message);
}

/* The error that ends it after the first is told by the next call. */
static bide_ssize each(bide_fd fd, struct bide_os_message *messages, size_t count,
                       bide_ssize (*move)(bide_fd, struct bide_os_message *))
{
    for (size_t i = 0; i < count; i++) {
        bide_ssize result = move(fd, &messages[i]);
        if (result < 0) return i > 0 ? (bide_ssize)i : result;
    }
    return (bide_ssize)count;
}

bide_ssize bide_os_send_batch(bide_fd fd, struct bide_os_message *messages, size_t count)
{
    return each(fd, messages, count, bide_os_send_message);
}

bide_ssize bide_os_recv_batch(bide_fd fd, struct bide_os_message *messages, size_t count)
{
    return each(fd, messages, count, bide_os_recv_message);
}
