/**
 * @file bide/tcp.h
 * @brief TCP: connecting with a deadline, listening. Accepting is in bide/stream.h.
 *
 * Sockets are made non-blocking and close-on-exec, and never raise SIGPIPE.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_TCP_H
#define BIDE_TCP_H

#include <bide/socket.h>
#include <bide/stream.h>

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

/** @brief Prepares a connect; makes the socket at the first poll. Cancelling closes it. */
BIDE_API void bide_tcp_connecting_init(bide_connecting *connecting, const bide_address *address);

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
 * @brief As bide_tcp_listen(), with options that must be set before.
 *
 * @param options NULL: the defaults. Must be valid during the call only.
 * @return as bide_tcp_listen(), or the error of an option: BIDE_EAFNOSUPPORT (v6only for IPv4), BIDE_EINVAL.
 *
 * @code
 * bide_socket_options options = {0};
 * options.reuse_port = true;
 * int err = bide_tcp_listen_with(&listener, &addr, &options);
 * @endcode
 */
BIDE_API int bide_tcp_listen_with(bide_async **out, const bide_address *address,
                                  const bide_socket_options *options);

/** @brief Turns Nagle's algorithm off (or on): small writes leave at once. @return 0 or an error, as
 * bide/socket.h says. Does not wait. */
BIDE_API int bide_tcp_set_nodelay(bide_async *async, bool on);
/** @brief Reads whether it is off. */
BIDE_API int bide_tcp_nodelay(const bide_async *async, bool *on);

#ifdef __cplusplus
}
#endif

#endif
