/* Vectored buffers: see buffers.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/buffers_windows.h"

#include "os/sockets.h"

#include <limits.h>

int bide_os_pieces_of(struct bide_os_pieces *out, bide_fd fd, const bide_buffer *buffers, size_t count)
{
    bool more = count > BIDE_OS_PIECES;
    out->cut = false;
    out->count = 0;
    out->length = 0;
    for (size_t i = 0; i < count && i < BIDE_OS_PIECES; i++) {
        size_t room = (size_t)INT_MAX - out->length;
        size_t length = buffers[i].length < room ? buffers[i].length : room;
        out->cut = out->cut || length < buffers[i].length;
        out->pieces[out->count++] = (WSABUF){.len = (ULONG)length, .buf = buffers[i].base};
        out->length += length;
    }
    if (!more && !out->cut) return 0;
    int family;
    int type;
    int error = bide_os_socket_look(fd, &family, &type);
    if (error) return error;
    return type == SOCK_STREAM ? 0 : BIDE_EMSGSIZE;
}
