/**
 * @file bide/stream.h
 * @brief What the stream sockets of all families share: connecting and accepting as futures, addresses of
 *   both ends.
 *
 * Connections and listeners are made by bide_tcp_connect() and bide_tcp_listen() (bide/tcp.h) and by their
 * like for Unix sockets. Sockets are made non-blocking and close-on-exec, and never raise SIGPIPE.
 *
 * **Threads.** As bide/async.h says of every handle; a future is one thread's at a time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_STREAM_H
#define BIDE_STREAM_H

#include <bide/address.h>
#include <bide/async.h>
#include <bide/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Connecting as a future. The connection joins the reactor that was current where this was prepared. */
typedef struct bide_connecting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_io io_;
    bide_timer retry_;
    bide_address address_;
    struct bide_reactor *reactor_;
    bide_duration delay_;
    bide_fd fd_;
    int misuse_;
    bide_async *conn; /**< when ready with result 0: the connection, the caller's from then on */
    int result;       /**< when ready: 0 or an error */
} bide_connecting;

/**
 * @brief Waits for a connection and accepts it.
 *
 * @param[out] conn the connection; NULL after an error.
 * @param[out] peer NULL, or where the other end's address is put.
 * @return 0, BIDE_EAGAIN or BIDE_ETIMEDOUT at the deadline, or an error. Connections that were aborted before
 *   they could be accepted are passed over. BIDE_EMFILE, BIDE_ENFILE, BIDE_ENOBUFS, BIDE_ENOMEM: the
 *   connection still waits in the backlog; the next accept on this listener first waits until Bide has closed
 *   a descriptor or 100 ms have passed, so that a loop around it does not spin.
 *
 * @code
 * int err = bide_accept(listener, &conn, &peer, BIDE_NEVER);
 * @endcode
 */
BIDE_API int bide_accept(bide_async *listener, bide_async **conn, bide_address *peer, bide_instant deadline);

/** Accepted connections as a stream of futures: poll again for the next one. They join the reactor that was
 * current where this was prepared. */
typedef struct bide_incoming {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_async *listener_;
    bide_io io_;
    bide_timer pause_;
    bide_waiter closed_;
    struct bide_reactor *reactor_;
    bide_fd fd_;
    uint32_t generation_;
    bool taking_;
    bide_address peer; /**< when ready with result 0: the other end's address */
    bide_async *conn;  /**< when ready with result 0: the connection, the caller's from then on */
    /** When ready: 0, or an error, after which it may be polled again; BIDE_ECANCELED,
     * BIDE_EFREED: the end. */
    int result;
} bide_incoming;

/** @brief Prepares it; the listener must stay. */
BIDE_API void bide_incoming_init(bide_incoming *incoming, bide_async *listener);

/** @brief The socket's own address. @return 0, BIDE_ENOTSOCK, BIDE_EINVAL, BIDE_EFREED. Does not wait. */
BIDE_API int bide_async_local_address(const bide_async *async, bide_address *out);

/** @brief The other end's address. @return 0, BIDE_ENOTCONN … Does not wait. */
BIDE_API int bide_async_peer_address(const bide_async *async, bide_address *out);

#ifdef __cplusplus
}
#endif

#endif
