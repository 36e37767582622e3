/* Vectored buffers as the system takes them: a WSABUF is not laid out as a bide_buffer.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_BUFFERS_WINDOWS_H
#define BIDE_OS_BUFFERS_WINDOWS_H

#include "os/system_windows.h"

/* So many go in one call. */
#define BIDE_OS_PIECES 64

struct bide_os_pieces {
    WSABUF pieces[BIDE_OS_PIECES];
    DWORD count;
    size_t length; /* of all together; at most INT_MAX */
    bool cut;      /* the last one is not whole */
};

/* 0; BIDE_EMSGSIZE: too many for a datagram, which cannot be moved in parts; or an error. */
int bide_os_pieces_of(struct bide_os_pieces *out, bide_fd fd, const bide_buffer *buffers, size_t count);

#endif
