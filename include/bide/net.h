/**
 * @file bide/net.h
 * @brief TCP: connecting with a deadline, listening, accepting.
 *
 * Sockets are made non-blocking and close-on-exec, and never raise SIGPIPE.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_NET_H
#define BIDE_NET_H

#include <bide/address.h>
#include <bide/async.h>
#include <bide/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @brief Connects to a TCP address.
 *
 * @param[out] out the connection; NULL after an error, and no descriptor is left open.
 * @return 0; BIDE_ETIMEDOUT (BIDE_EAGAIN for BIDE_NOW) at the deadline; BIDE_ECONNREFUSED, BIDE_EHOSTUNREACH,
 *   BIDE_ENETUNREACH, BIDE_EAFNOSUPPORT …; BIDE_EINVAL for NULL or an address that is not IPv4 or IPv6;
 *   BIDE_EMFILE …
 *
 * @code
 * int err = bide_tcp_connect(&conn, &addr, bide_after(BIDE_SECONDS(10)));
 * @endcode
 */
BIDE_API int bide_tcp_connect(bide_async **out, const bide_address *address, bide_instant deadline);

/** Connecting as a future. */
typedef struct bide_tcp_connecting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_io io_;
    bide_address address_;
    bide_async *conn; /**< when ready with result 0: the connection, the caller's from then on */
    int result;       /**< when ready: 0 or an error */
} bide_tcp_connecting;

/** @brief Prepares a connect; makes the socket at the first poll. Cancelling closes it. */
BIDE_API void bide_tcp_connecting_init(bide_tcp_connecting *connecting, const bide_address *address);

/**
 * @brief Listens on a TCP address (port 0: any free one, see bide_async_local_address()).
 *
 * Sets SO_REUSEADDR, so that a server may be started again at once.
 *
 * @param[out] out the listener; NULL after an error.
 * @param backlog connections that may wait to be accepted; 0 or less: the system's default (SOMAXCONN).
 * @return 0, BIDE_EADDRINUSE, BIDE_EADDRNOTAVAIL, BIDE_EACCES, BIDE_EINVAL …
 */
BIDE_API int bide_tcp_listen(bide_async **out, const bide_address *address, int backlog);

/**
 * @brief Waits for a connection and accepts it.
 *
 * @param[out] conn the connection; NULL after an error.
 * @param[out] peer NULL, or where the other end's address is put.
 * @return 0, BIDE_EAGAIN or BIDE_ETIMEDOUT at the deadline, or an error. Connections that were aborted before
 *   they could be accepted are passed over. BIDE_EMFILE, BIDE_ENFILE, BIDE_ENOBUFS, BIDE_ENOMEM: the
 *   connection still waits in the backlog; the next accept on this listener first waits until Bide has closed
 *   a descriptor or 100 ms have passed, so that a loop around it does not spin.
 */
BIDE_API int bide_tcp_accept(bide_async *listener, bide_async **conn, bide_address *peer,
                             bide_instant deadline);

/** Accepted connections as a stream of futures: poll again for the next one. */
typedef struct bide_tcp_incoming {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_async *listener_;
    bide_io io_;
    bide_timer pause_;
    bide_waiter closed_;
    bide_fd fd_;
    uint32_t generation_;
    bool taking_;
    bide_address peer; /**< when ready with result 0: the other end's address */
    bide_async *conn;  /**< when ready with result 0: the connection, the caller's from then on */
    /** When ready: 0, or an error, after which it may be polled again; BIDE_ECANCELED, BIDE_EFREED: the end.
     */
    int result;
} bide_tcp_incoming;

/** @brief Prepares it; the listener must stay. */
BIDE_API void bide_tcp_incoming_init(bide_tcp_incoming *incoming, bide_async *listener);

/** @brief The socket's own address. @return 0 or an error. Does not wait. */
BIDE_API int bide_async_local_address(const bide_async *async, bide_address *out);

/** @brief The other end's address. @return 0, BIDE_ENOTCONN … */
BIDE_API int bide_async_peer_address(const bide_async *async, bide_address *out);

/** @brief Turns Nagle's algorithm off (or on): small writes leave at once. @return 0 or an error. */
BIDE_API int bide_tcp_set_nodelay(bide_async *async, bool on);

#ifdef __cplusplus
}
#endif

#endif
