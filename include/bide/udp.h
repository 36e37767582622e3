/**
 * @file bide/udp.h
 * @brief UDP sockets: bound, connected, multicast, broadcast. Sending and receiving is in bide/message.h.
 *
 * @code
 * bide_async *socket;
 * int err = bide_udp_connect(&socket, &server);
 * if (!err) sent = bide_send(socket, "ping", 4, BIDE_NEVER);
 * if (sent == 4) count = bide_recv(socket, answer, sizeof answer, bide_after(BIDE_SECONDS(1)));
 * @endcode
 *
 * Sockets are made non-blocking and close-on-exec. **Threads.** As bide/async.h says of every handle. Nothing
 * here waits. Every function also gives BIDE_EINVAL for NULL, and what bide/socket.h says of options for a
 * handle that is freed or of another kind.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_UDP_H
#define BIDE_UDP_H

#include <bide/address.h>
#include <bide/message.h>
#include <bide/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Making sockets
 * They join the reactor that is current; bide_async_free() closes them. */
/**@{*/

/**
 * @brief A socket that receives what is sent to an address, and sends from it.
 *
 * @param[out] out the socket; NULL after an error, and no descriptor is left open.
 * @param address IPv4 or IPv6; port 0: any free one, see bide_async_local_address().
 * @return 0, BIDE_EADDRINUSE, BIDE_EADDRNOTAVAIL, BIDE_EACCES, BIDE_EAFNOSUPPORT (no IPv6 here), BIDE_EMFILE
 *   …; BIDE_EINVAL for an address that is not IPv4 or IPv6; or as bide_async_new().
 *
 * @code
 * bide_address any = bide_address_any(5353);
 * int err = bide_udp_bind(&socket, &any);
 * @endcode
 */
BIDE_API int bide_udp_bind(bide_async **out, const bide_address *address);

/**
 * @brief As bide_udp_bind(), with options that must be set before.
 *
 * @param options NULL: the defaults. A backlog and Fast Open are for listeners: BIDE_EINVAL.
 */
BIDE_API int bide_udp_bind_with(bide_async **out, const bide_address *address,
                                const bide_socket_options *options);

/**
 * @brief A socket with a peer, to which it sends and from which alone it receives, on any free port of its
 *   own.
 *
 * No packet is sent: whether anybody is there shows later, as BIDE_ECONNREFUSED.
 *
 * @return as bide_udp_bind(); BIDE_ENETUNREACH (no way there); BIDE_EACCES (a broadcast address).
 */
BIDE_API int bide_udp_connect(bide_async **out, const bide_address *peer);
/**@}*/

/** @name Peers */
/**@{*/
/** @brief Gives a socket a peer, or another one. What came from others before is still received. @return as
 * bide_udp_connect(); BIDE_EAFNOSUPPORT (of another family), BIDE_EPROTOTYPE (no datagram socket). */
BIDE_API int bide_udp_connect_to(bide_async *async, const bide_address *peer);

/** @brief Takes the peer away. A port that the system had chosen is given back (Linux: also one that was
 *   chosen for a bind to port 0): the next send chooses another one.
 * @return 0, also when there was none; BIDE_EPROTOTYPE. */
BIDE_API int bide_udp_disconnect(bide_async *async);
/**@}*/

/** @name Multicast and broadcast */
/**@{*/

/**
 * @brief Joins a group: what is sent to it, and to the socket's port, is received from now on.
 *
 * @param group the group's address, of the socket's family; its port says nothing.
 * @param interface the index (if_nametoindex(3)) of the interface to join it on; 0: the one that the system's
 *   routes choose.
 * @return 0; BIDE_EADDRINUSE (joined already), BIDE_EAFNOSUPPORT, BIDE_EINVAL (no multicast address),
 *   BIDE_ENODEV (no such interface, or no route), BIDE_ENOBUFS (the system's limit).
 *
 * @code
 * int err = bide_udp_join(socket, &group, 0);
 * @endcode
 */
BIDE_API int bide_udp_join(bide_async *async, const bide_address *group, uint32_t interface);

/** @brief Leaves a group; closing the socket leaves all. @param interface as when it was joined.
 * @return as bide_udp_join(); BIDE_EADDRNOTAVAIL (not joined). */
BIDE_API int bide_udp_leave(bide_async *async, const bide_address *group, uint32_t interface);

/** @brief Whether what is sent to a group also comes to members on this machine. By default it does. */
BIDE_API int bide_udp_set_multicast_loop(bide_async *async, bool on);
/** @brief Reads it. */
BIDE_API int bide_udp_multicast_loop(const bide_async *async, bool *on);

/** @brief How many routers what is sent to a group may pass. @param hops 0 (stays on this machine) to 255. By
 * default 1: the local network. */
BIDE_API int bide_udp_set_multicast_ttl(bide_async *async, int hops);
/** @brief Reads it. */
BIDE_API int bide_udp_multicast_ttl(const bide_async *async, int *hops);

/** @brief By which interface what is sent to a group leaves. @param interface its index; 0: the routes
 *   choose. */
BIDE_API int bide_udp_set_multicast_interface(bide_async *async, uint32_t interface);

/** @brief Whether it may send to broadcast addresses: by default it gets BIDE_EACCES. IPv4 alone has
 *   broadcast. */
BIDE_API int bide_udp_set_broadcast(bide_async *async, bool on);
/** @brief Reads it. */
BIDE_API int bide_udp_broadcast(const bide_async *async, bool *on);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
