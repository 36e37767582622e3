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

/* One piece, and nothing that goes with it: by calls that cost the system less. */
struct bide_os_datagram {
    void *data;
    size_t length;
    const bide_address *to; /* sending; NULL or none: the peer */
    bide_address *from;     /* receiving: where to put the sender; NULL: nowhere */
    bool peek;
};

/* Return the bytes moved, of a longer datagram those that fitted, or an error; *from is unchanged then. */
bide_ssize bide_os_send_datagram(bide_fd fd, const struct bide_os_datagram *datagram);
bide_ssize bide_os_recv_datagram(bide_fd fd, const struct bide_os_datagram *datagram);

/* The most messages of a batch. */
#define BIDE_OS_BATCH_MOST 64

/* 1 to BIDE_OS_BATCH_MOST messages without descriptors and credentials. Return how many were moved, at least
 * one, or the error of the first. */
bide_ssize bide_os_send_batch(bide_fd fd, struct bide_os_message *messages, size_t count);
bide_ssize bide_os_recv_batch(bide_fd fd, struct bide_os_message *messages, size_t count);

#endif
