/**
 * @file bide/message.h
 * @brief Datagrams and messages: sending to and receiving from addresses, descriptors and credentials that go
 *   with the bytes, several datagrams in one call.
 *
 * Works on the sockets of every family: UDP (bide/udp.h), Unix sockets, TCP where it makes sense, and any
 * socket that was wrapped with bide_async_new() or bide_async_borrow(), also one that blocks. SIGPIPE is not
 * raised.
 *
 * **Truncation.** A datagram is taken whole: what does not fit into the buffer is lost. bide_recv() and
 * bide_recv_from() return what fitted, as recvfrom(2) does; a bide_message and a bide_datagram tell by
 * BIDE_MESSAGE_TRUNCATED. **Empty datagrams** are sent and received like any other: 0 is then a count, not
 * the end of a stream.
 *
 * **Errors of the network.** On a connected UDP socket the answer that nobody listens at the other end comes
 * as BIDE_ECONNREFUSED from the next call, sending or receiving; the socket goes on.
 *
 * **Full peers.** Linux tells by no event when a Unix datagram socket that was addressed has room again: such
 * a send is tried anew after 1 ms, then after twice as long each time, up to 50 ms. All else waits for
 * events.
 *
 * **Threads, deadlines, errors, fork.** As bide/async.h says of every operation. On what is no socket all
 * give BIDE_ENOTSOCK.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_MESSAGE_H
#define BIDE_MESSAGE_H

#include <bide/address.h>
#include <bide/async.h>
#include <bide/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Direct calls
 * They return the number of bytes, or an error. Each may wait until its deadline. */
/**@{*/

/**
 * @brief Sends a datagram to an address.
 *
 * @param data `length` bytes; may be NULL if there are none.
 * @param to the receiver; NULL: the peer that the socket is connected to.
 * @return the bytes sent, which for a datagram are all; BIDE_EMSGSIZE (too long for the protocol),
 *   BIDE_EDESTADDRREQ or BIDE_ENOTCONN (`to` is NULL and there is no peer), BIDE_EISCONN, BIDE_EAFNOSUPPORT
 *   (`to` is of another family), BIDE_ECONNREFUSED, BIDE_ENOENT (no such Unix socket), BIDE_EHOSTUNREACH,
 *   BIDE_ENETUNREACH, BIDE_EACCES (a broadcast address: see bide_udp_set_broadcast()), BIDE_ENOBUFS …
 *
 * @code
 * bide_ssize sent = bide_send_to(socket, "ping", 4, &peer, bide_after(BIDE_SECONDS(1)));
 * @endcode
 */
BIDE_API bide_ssize bide_send_to(bide_async *async, const void *data, size_t length, const bide_address *to,
                                 bide_instant deadline);

/**
 * @brief Receives a datagram, and tells from whom.
 *
 * @param buffer room for `length` bytes; what is longer is cut off.
 * @param[out] from NULL, or where the sender's address is put; none (BIDE_FAMILY_NONE) if the sender has
 *   none. Unchanged after an error.
 * @return the bytes received, or an error; BIDE_ECONNREFUSED as at the top of this page.
 *
 * @code
 * bide_ssize count = bide_recv_from(socket, buffer, sizeof buffer, &peer, BIDE_NEVER);
 * @endcode
 */
BIDE_API bide_ssize bide_recv_from(bide_async *async, void *buffer, size_t length, bide_address *from,
                                   bide_instant deadline);

/** @brief As bide_recv_from(), and leaves the datagram where it is: the next receive gives it again. */
BIDE_API bide_ssize bide_peek_from(bide_async *async, void *buffer, size_t length, bide_address *from,
                                   bide_instant deadline);

/** @brief Sends to the connected peer: bide_send_to() without an address. */
BIDE_API bide_ssize bide_send(bide_async *async, const void *data, size_t length, bide_instant deadline);

/** @brief Receives, without asking from whom. A connected UDP socket receives from its peer alone. */
BIDE_API bide_ssize bide_recv(bide_async *async, void *buffer, size_t length, bide_instant deadline);
/**@}*/

/** @name Messages
 * Everything that can go with the bytes, as a future. */
/**@{*/

/** The most descriptors that one message may pass (Linux). */
#define BIDE_MESSAGE_MOST_FDS 253

/** bide_message::options: receive without taking the message away. Room for descriptors is then filled with
 * duplicates. */
#define BIDE_MESSAGE_PEEK 1u
/** bide_message::options: send credentials, or ask for them. bide_message::flags: they came. */
#define BIDE_MESSAGE_CREDENTIALS 2u
/** bide_message::flags, bide_datagram::flags: the datagram was longer than the buffer; the rest is lost. */
#define BIDE_MESSAGE_TRUNCATED 4u
/** bide_message::flags: descriptors or other control data came for which there was no room, or no descriptor
 * number free. Surplus descriptors are closed. */
#define BIDE_MESSAGE_CONTROL_TRUNCATED 8u

/** The waiting of a message or a batch: part of those. The fields are private. */
typedef struct bide_transfer {
    bide_io io_;
    bide_timer retry_;
    bide_async *async_;
    bide_duration delay_;
    uint32_t generation_;
    uint8_t sends_;
    uint8_t state_;
    bide_ssize result_;
} bide_transfer;

/**
 * @brief One message: to be sent or received.
 *
 * Prepare it with bide_message_send_init() or one of its like, then set the fields that you need, then await
 * it or use it like any future. Buffers and arrays must stay until it is ready or cancelled. One that was
 * stopped has moved nothing.
 */
typedef struct bide_message {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_transfer transfer_;
    const bide_buffer *buffers_;
    size_t buffer_count_;
    bide_buffer own_;
    /** To be sent: the receiver; none (as it is prepared): the connected peer. When received: the sender, or
     * none. */
    bide_address address;
    /** Descriptors to be passed, on Unix sockets: they stay the caller's, and open. Or room for those that
     * come: they are the caller's then, and close-on-exec. NULL (as it is prepared): none. */
    bide_fd *fds;
    /** How many there are to be passed, up to BIDE_MESSAGE_MOST_FDS, or how many there is room for; when
     * received: how many came. */
    size_t fd_count;
    /** With BIDE_MESSAGE_CREDENTIALS. To be sent: this process' own, which a `pid` of 0 (as it is prepared)
     * stands for, or others if the process may. When received: the sender's, as the system has checked
     * them. */
    bide_credentials credentials;
    uint32_t options;  /**< a sum of BIDE_MESSAGE_PEEK, BIDE_MESSAGE_CREDENTIALS; prepared as 0 */
    uint32_t flags;    /**< when received: what is known of it, a sum of BIDE_MESSAGE_… */
    bide_ssize result; /**< when ready: the bytes moved, or an error */
} bide_message;

/**
 * @brief Prepares to send `length` bytes. Does not wait; touches `message` alone.
 *
 * Descriptors go with the first byte. So a stream takes none without bytes (BIDE_EINVAL), and when it takes
 * only part of the bytes, what is sent afterwards must not pass them again.
 *
 * @code
 * bide_message message;
 * bide_message_send_init(&message, unix_socket, "x", 1);
 * message.fds = &fd;
 * message.fd_count = 1;
 * bide_ssize sent = bide_message_await(&message, bide_after(BIDE_SECONDS(1)));
 * @endcode
 */
BIDE_API void bide_message_send_init(bide_message *message, bide_async *async, const void *data,
                                     size_t length);

/** @brief Prepares to receive into room for `length` bytes. To get credentials the socket must ask for them:
 * bide_socket_set_pass_credentials(). */
BIDE_API void bide_message_recv_init(bide_message *message, bide_async *async, void *buffer, size_t length);

/** @brief As bide_message_send_init(), of several pieces: up to 1,024, else BIDE_EINVAL. The array must
 * stay. */
BIDE_API void bide_message_sendv_init(bide_message *message, bide_async *async, const bide_buffer *buffers,
                                      size_t count);

/** @brief As bide_message_recv_init(), into several pieces. */
BIDE_API void bide_message_recvv_init(bide_message *message, bide_async *async, const bide_buffer *buffers,
                                      size_t count);

/**
 * @brief Awaits a prepared message: bide_await() and the result in one value.
 *
 * @return the bytes, or the message's error: those of bide_send_to() and bide_recv_from(), and BIDE_EINVAL
 *   (too many descriptors), BIDE_EAFNOSUPPORT (descriptors or credentials to be sent, but no Unix socket),
 *   BIDE_EBADF (a descriptor to be passed is not open), BIDE_EPERM (credentials that this process may not
 *   claim); or that of the await.
 */
BIDE_API bide_ssize bide_message_await(bide_message *message, bide_instant deadline);
/**@}*/

/** @name Batches
 * Several datagrams in one system call, where the system can. */
/**@{*/

/** The most datagrams that one call moves: of a longer array the first ones are considered. */
#define BIDE_BATCH_MOST 64

/** One datagram of a batch. */
typedef struct bide_datagram {
    bide_buffer buffer;   /**< the bytes to be sent, or the room */
    bide_address address; /**< the receiver (none: the connected peer), or from whom it came */
    size_t length;        /**< when moved: its bytes */
    uint32_t flags;       /**< when received: 0 or BIDE_MESSAGE_TRUNCATED */
} bide_datagram;

/**
 * @brief Sends datagrams, in their order; waits until at least one has left.
 *
 * @param datagrams `count` of them; up to BIDE_BATCH_MOST are considered.
 * @return how many were sent, from the first on: fewer than there are when the kernel has no more room or
 *   does not like the next one, which a call that begins with it then tells. An error if it concerns the
 *   first one. BIDE_EINVAL for no datagrams.
 *
 * @code
 * while (sent < count && (moved = bide_send_batch(socket, all + sent, count - sent, BIDE_NEVER)) > 0)
 *     sent += (size_t)moved;
 * @endcode
 */
BIDE_API bide_ssize bide_send_batch(bide_async *async, bide_datagram *datagrams, size_t count,
                                    bide_instant deadline);

/**
 * @brief Receives datagrams: waits for the first, takes those that have come.
 *
 * @return how many were received; or an error. Descriptors that come with a message of a batch are closed:
 *   use a bide_message for those. BIDE_EINVAL for no datagrams.
 */
BIDE_API bide_ssize bide_recv_batch(bide_async *async, bide_datagram *datagrams, size_t count,
                                    bide_instant deadline);

/** A batch as a future. */
typedef struct bide_batch {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_transfer transfer_;
    bide_datagram *datagrams_;
    size_t count_;
    bide_ssize result; /**< when ready: how many datagrams were moved, or an error */
} bide_batch;

/** @brief Prepares bide_send_batch(); the array must stay. */
BIDE_API void bide_batch_send_init(bide_batch *batch, bide_async *async, bide_datagram *datagrams,
                                   size_t count);

/** @brief Prepares bide_recv_batch(); the array must stay. */
BIDE_API void bide_batch_recv_init(bide_batch *batch, bide_async *async, bide_datagram *datagrams,
                                   size_t count);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
