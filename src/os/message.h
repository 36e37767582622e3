/* Sending and receiving messages, with errors as BIDE_E… and interrupted calls repeated. None waits, also on
 * sockets that block.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_MESSAGE_H
#define BIDE_OS_MESSAGE_H

#include <bide/address.h>

struct bide_os_message {
    const bide_buffer *buffers;
    size_t buffer_count;
    /* Sending: to whom; receiving: where to put from whom. NULL, and when sending one that is none: leave
     * it. */
    bide_address *address;
    bide_fd *fds;
    size_t fd_count; /* in: to be passed, or the room; out: received */
    /* Sending: those of pid 0 are this process' own. NULL: none. */
    bide_credentials *credentials;
    size_t length; /* out */
    bool peek;
    /* Out. */
    bool truncated;
    bool control_truncated;
    bool has_credentials;
};

/* Return the bytes moved, or an error, after which no field has changed. */
bide_ssize bide_os_send_message(bide_fd fd, struct bide_os_message *message);
bide_ssize bide_os_recv_message(bide_fd fd, struct bide_os_message *message);

/* The most messages of a batch. */
#define BIDE_OS_BATCH_MOST 64

/* 1 to BIDE_OS_BATCH_MOST messages without descriptors and credentials. Return how many were moved, at least
 * one, or the error of the first. */
bide_ssize bide_os_send_batch(bide_fd fd, struct bide_os_message *messages, size_t count);
bide_ssize bide_os_recv_batch(bide_fd fd, struct bide_os_message *messages, size_t count);

#endif
