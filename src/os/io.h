/* System calls on descriptors, with errors as BIDE_E… and interrupted calls repeated. None waits.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_IO_H
#define BIDE_OS_IO_H

#include <bide/error.h>

#include <stdbool.h>

/* What a descriptor is, as far as it matters for reading and writing it. */
enum {
    BIDE_OS_SOCKET = 1u, /* has calls of its own: without SIGPIPE, and shorter */
    BIDE_OS_TCP = 2u,    /* a stream on which a short count means drained */
    BIDE_OS_PIPE = 4u,   /* writes may raise SIGPIPE */
    BIDE_OS_FILE = 8u    /* regular file or folder: cannot be polled */
};

/* The kind of an open descriptor as a sum of the above, or BIDE_EBADF. */
int bide_os_kind(bide_fd fd);

/* Sets or clears the non-blocking mode; *was tells what it was. */
int bide_os_set_nonblocking(bide_fd fd, bool on, bool *was);

/* Whether calls on it may wait: 1, 0 or an error. */
int bide_os_is_blocking(bide_fd fd);

/* `kind`, here and below, as from bide_os_kind. */
bide_ssize bide_os_read(bide_fd fd, unsigned kind, void *buffer, size_t length);
bide_ssize bide_os_readv(bide_fd fd, const bide_buffer *buffers, size_t count);
bide_ssize bide_os_peek(bide_fd fd, void *buffer, size_t length);

/* Never raise SIGPIPE. */
bide_ssize bide_os_write(bide_fd fd, unsigned kind, const void *buffer, size_t length);
bide_ssize bide_os_writev(bide_fd fd, unsigned kind, const bide_buffer *buffers, size_t count);

/* Whether a piece has bytes, and is NULL. */
static inline bool bide_os_lacks_bytes(const bide_buffer *buffers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!buffers[i].base && buffers[i].length > 0) return true;
    return false;
}

/* Whether the direction is ready now (a hang-up and an error count): 1, 0 or an error. */
int bide_os_ready_now(bide_fd fd, bide_direction direction);

/* Closes. Not repeated after EINTR: on Linux the descriptor is gone then (close(2)). */
void bide_os_close(bide_fd fd);

/* Shuts one direction of a socket down. */
int bide_os_shutdown(bide_fd fd, bide_direction direction);

#endif
