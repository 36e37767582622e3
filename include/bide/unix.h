/**
 * @file bide/unix.h
 * @brief Unix sockets: streams and datagrams on one machine, under paths, abstract names, or none.
 *
 * Connections are accepted with bide_accept() and bide_incoming (bide/stream.h); bytes move by the calls of
 * bide/async.h; datagrams, descriptors and credentials are sent by those of bide/message.h. Addresses come
 * from bide_address_unix(), bide_address_abstract(), or bide_address_parse("unix:…").
 *
 * **Socket files.** Listening or binding at a path makes a file. Bide does not remove it when the handle is
 * freed: the socket may live on in other processes. Remove it yourself (unlink(2)) before you free the last
 * handle, or let the next server do so: a file that nobody has open is *stale*, listening at it gives
 * BIDE_EADDRINUSE, and bide_unix_remove_stale() removes it. Who may connect is decided by the modes of the
 * folder and the file. Abstract names have neither files nor modes.
 *
 * **Busy listeners.** Linux refuses a connect while the backlog is full (EAGAIN), and tells by no event when
 * there is room. Bide tries again after 1 ms, then after twice as long each time, up to 50 ms.
 *
 * **Threads.** As bide/async.h says of every handle. Sockets are made non-blocking and close-on-exec, and
 * never raise SIGPIPE.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_UNIX_H
#define BIDE_UNIX_H

#include <bide/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Streams */
/**@{*/

/**
 * @brief Connects to a Unix listener. Waits while its backlog is full.
 *
 * @param[out] out the connection; NULL after an error, and no descriptor is left open.
 * @return 0; BIDE_ETIMEDOUT (BIDE_EAGAIN for BIDE_NOW) at the deadline; BIDE_ENOENT (no such file),
 *   BIDE_ECONNREFUSED (nobody listens there: a stale file, an unused abstract name), BIDE_EACCES (no right to
 *   write to the file or to enter its folder), BIDE_EPROTOTYPE (a datagram socket), BIDE_EINVAL for NULL, an
 *   unnamed address, or one of another family; BIDE_EMFILE …
 *
 * @code
 * int err = bide_unix_connect(&conn, &addr, bide_after(BIDE_SECONDS(1)));
 * @endcode
 */
BIDE_API int bide_unix_connect(bide_async **out, const bide_address *address, bide_instant deadline);

/** @brief Prepares a connect; makes the socket at the first poll. Cancelling closes it. */
BIDE_API void bide_unix_connecting_init(bide_connecting *connecting, const bide_address *address);

/**
 * @brief Listens on a Unix address. Does not wait.
 *
 * @param[out] out the listener; NULL after an error, and no descriptor and no file is left.
 * @param address a path, whose file is made; an abstract name; or unnamed, for which Linux chooses a free
 *   abstract name (see bide_async_local_address()).
 * @param backlog connections that may wait to be accepted; 0 or less: the system's default (SOMAXCONN).
 * @return 0; BIDE_EADDRINUSE (there is a file already, whether or not somebody listens, or the name is taken:
 *   see bide_unix_remove_stale()), BIDE_ENOENT and BIDE_ENOTDIR (the folder), BIDE_EACCES, BIDE_EINVAL for
 *   NULL and other families; BIDE_EMFILE …
 *
 * @code
 * int err = bide_unix_listen(&listener, &addr, 0);
 * if (err == BIDE_EADDRINUSE && bide_unix_remove_stale(&addr) == 0) err = bide_unix_listen(&listener, &addr,
 * 0);
 * @endcode
 */
BIDE_API int bide_unix_listen(bide_async **out, const bide_address *address, int backlog);

/**
 * @brief Removes the file of a Unix socket that no process has open any more, and nothing else. Does not
 *   wait.
 *
 * Whether one has is asked by connecting a datagram socket, which a listener does not notice: the answer that
 * nobody is there is ECONNREFUSED. A socket that was bound and does not listen yet counts as open.
 *
 * Between the question and the removal another server may have done the same and listen there: its file would
 * be removed, and it would not be reached any more. Where two servers might be started at the same moment,
 * let each hold a lock (flock(2) on another file) from here until it listens.
 *
 * @return 0: removed; BIDE_EADDRINUSE: somebody has it open; BIDE_ENOENT: there is no such file;
 *   BIDE_ENOTSOCK: the file is no socket; BIDE_EACCES, BIDE_EPERM: no right to ask or to remove;
 *   BIDE_EINVAL: NULL, or not a path; BIDE_EMFILE …
 */
BIDE_API int bide_unix_remove_stale(const bide_address *address);

/**
 * @brief Two stream sockets that are connected to each other. Does not wait.
 *
 * @param[out] a one end; NULL after an error.
 * @param[out] b the other end; NULL after an error.
 * @return 0, BIDE_EINVAL for NULL, BIDE_EMFILE, BIDE_ENFILE, BIDE_ENOMEM …
 *
 * @code
 * int err = bide_unix_pair(&mine, &theirs);
 * @endcode
 */
BIDE_API int bide_unix_pair(bide_async **a, bide_async **b);
/**@}*/

/** @name Datagrams
 * They keep their order, and none is lost: a sender waits while the receiver is full. */
/**@{*/

/**
 * @brief A datagram socket that receives at an address. Does not wait.
 *
 * @param address as for bide_unix_listen(), also about its file.
 * @return as bide_unix_listen().
 */
BIDE_API int bide_unix_datagram_bind(bide_async **out, const bide_address *address);

/**
 * @brief A datagram socket without an address: it can send, and those who receive from it cannot answer.
 * @return 0, BIDE_EINVAL for NULL, BIDE_EMFILE …
 */
BIDE_API int bide_unix_datagram_unbound(bide_async **out);

/** @brief Two datagram sockets that are connected to each other. @return as bide_unix_pair(). */
BIDE_API int bide_unix_datagram_pair(bide_async **a, bide_async **b);

/**
 * @brief Sets the peer of a datagram socket: where bide_write() and bide_send() send to, and the only one it
 *   receives from. May be called again for another peer. Does not wait.
 *
 * @return 0; BIDE_ENOENT, BIDE_ECONNREFUSED (nobody is there), BIDE_EPROTOTYPE (a stream is), BIDE_EPERM
 *   (that one is connected to somebody else), BIDE_EACCES; BIDE_EINVAL for NULL, an unnamed address and other
 *   families; BIDE_EFREED.
 */
BIDE_API int bide_unix_datagram_connect(bide_async *async, const bide_address *address);
/**@}*/

/**
 * @brief Who is at the other end of a connected stream or of a pair, as the system knows: at the time of its
 *   connect, listen, or pair call. Does not wait.
 *
 * A process may be gone since, and its number be another's: decide on the user and the group.
 *
 * @param[out] out the credentials; unchanged after an error. `pid` is 0 for a process that has no number
 *   here, such as one of another namespace.
 * @return 0; BIDE_ENOTCONN: not connected, or of another family than Unix; BIDE_ENOTSOCK, BIDE_EFREED,
 *   BIDE_EINVAL; BIDE_ENOTSUP where the system does not tell.
 *
 * @code
 * bide_credentials peer;
 * if (bide_unix_peer_credentials(conn, &peer) == 0 && peer.uid == 0) allow(conn);
 * @endcode
 */
BIDE_API int bide_unix_peer_credentials(const bide_async *async, bide_credentials *out);

#ifdef __cplusplus
}
#endif

#endif
