/**
 * @file bide/socket.h
 * @brief Options of sockets: those that must be set before a socket is bound, and those of any handle.
 *
 * **What an option is of.** One that the socket does not have is never taken silently: BIDE_EAFNOSUPPORT if
 * its family has none (a hop limit of a Unix socket), BIDE_ENOPROTOOPT if its protocol has none (keep-alive
 * of UDP), BIDE_ENOTSOCK if it is no socket. BIDE_EINVAL for NULL and for values out of range; BIDE_EFREED,
 * BIDE_ECANCELED, BIDE_EFORKED as bide/async.h says. Some options need a privilege: BIDE_EPERM.
 *
 * **Threads.** Any thread may call these, also while others use the handle. None waits.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_SOCKET_H
#define BIDE_SOCKET_H

#include <bide/async.h>

#ifdef __cplusplus
extern "C" {
#endif

/** On, off, or as the system or Bide has it when nothing is said. */
typedef enum bide_toggle {
    BIDE_TOGGLE_DEFAULT = 0, /**< as it is */
    BIDE_TOGGLE_ON = 1,      /**< on */
    BIDE_TOGGLE_OFF = 2      /**< off */
} bide_toggle;

/**
 * @brief What bide_tcp_listen_with() and bide_udp_bind_with() set before they bind. Zeroed: the defaults.
 *
 * @code
 * bide_socket_options options = {0};
 * options.reuse_port = true;
 * int err = bide_udp_bind_with(&socket, &address, &options);
 * @endcode
 */
typedef struct bide_socket_options {
    /** Listeners: connections that may wait to be accepted. 0 or less: the system's most (SOMAXCONN). */
    int backlog;
    /** Listeners: how many connections may come with data in their first packet (TCP Fast Open) before their
     * handshake is complete; 0: none. Has an effect where the system allows it (Linux: the sysctl
     * net.ipv4.tcp_fastopen). Such data may come twice. */
    int fast_open;
    size_t send_buffer;    /**< as bide_socket_set_send_buffer(); 0: the system's default */
    size_t receive_buffer; /**< as bide_socket_set_receive_buffer(); 0: the system's default */
    /** Whether an address may be bound that a connection from before still holds (TCP: by default on, so that
     * a server may be started again at once), or that other sockets with this option have (UDP: by default
     * off; for several receivers of one multicast group). */
    bide_toggle reuse_address;
    /** IPv6: whether it serves IPv6 alone, rather than IPv4 as well. Default: the system's (Linux: the sysctl
     * net.ipv6.bindv6only, off; Windows: on). On for IPv4: BIDE_EAFNOSUPPORT. */
    bide_toggle v6only;
    /** Several sockets of one user share the port, if each has this; the system spreads what comes over
     * them. */
    bool reuse_port;
} bide_socket_options;

/**
 * @brief What of these a socket has: all but the backlog, which cannot be read and is 0. Toggles are on or
 *   off; for a family without one, default.
 */
BIDE_API int bide_socket_options_read(const bide_async *async, bide_socket_options *out);

/** @name Buffers
 * The kernel's room for what is on its way, in bytes. Linux keeps twice the number, for its bookkeeping, and
 * bounds it (net.core.wmem_max, rmem_max): the reading functions tell what it really is. */
/**@{*/
/** @brief Sets the send buffer. @param bytes 1 or more. */
BIDE_API int bide_socket_set_send_buffer(bide_async *async, size_t bytes);
/** @brief Reads it. */
BIDE_API int bide_socket_send_buffer(const bide_async *async, size_t *bytes);
/** @brief Sets the receive buffer; of TCP, before listening or connecting if it shall scale the window. */
BIDE_API int bide_socket_set_receive_buffer(bide_async *async, size_t bytes);
/** @brief Reads it. */
BIDE_API int bide_socket_receive_buffer(const bide_async *async, size_t *bytes);
/**@}*/

/** @name Dead peers (TCP) */
/**@{*/

/** Keep-alive: probes on a connection that is idle. */
typedef struct bide_keepalive {
    bool on;                /**< whether they are sent */
    bide_duration idle;     /**< how long it must be idle before the first one; 0: leave it */
    bide_duration interval; /**< from one that is not answered to the next; 0: leave it */
    int count;              /**< so many without an answer end the connection (BIDE_ETIMEDOUT); 0: leave it */
} bide_keepalive;

/**
 * @brief Sets keep-alive. Durations are rounded up to whole seconds.
 *
 * @param settings on Linux idle and interval up to 32,767 s, count up to 127. If a value is refused, those
 *   before it in the structure are set, and `on` is not.
 *
 * @code
 * bide_keepalive probes = {true, BIDE_SECONDS(30), BIDE_SECONDS(5), 4};
 * int err = bide_socket_set_keepalive(conn, &probes);
 * @endcode
 */
BIDE_API int bide_socket_set_keepalive(bide_async *async, const bide_keepalive *settings);
/** @brief Reads it. */
BIDE_API int bide_socket_keepalive(const bide_async *async, bide_keepalive *settings);

/**
 * @brief How long what was sent may stay without an answer before the connection ends (BIDE_ETIMEDOUT); also
 *   bounds keep-alive (Linux: TCP_USER_TIMEOUT).
 *
 * @param timeout rounded up to whole milliseconds, up to 24 days; 0: the system's default (some 15 minutes).
 */
BIDE_API int bide_socket_set_user_timeout(bide_async *async, bide_duration timeout);
/** @brief Reads it. */
BIDE_API int bide_socket_user_timeout(const bide_async *async, bide_duration *timeout);
/**@}*/

/** @name Closing (TCP) */
/**@{*/
/** bide_socket_set_linger(): closing returns at once, and the rest is sent in the background. The default. */
#define BIDE_LINGER_OFF ((bide_duration)-1)

/**
 * @brief What closing does with bytes that have not left.
 *
 * @param duration BIDE_LINGER_OFF; 0: drops them and resets the connection; else closing, and with it
 *   bide_async_free(), *waits* until they have left or this much time (whole seconds, rounded up) has passed.
 *   Other negative values: BIDE_EINVAL.
 */
BIDE_API int bide_socket_set_linger(bide_async *async, bide_duration duration);
/** @brief Reads it. */
BIDE_API int bide_socket_linger(const bide_async *async, bide_duration *duration);
/**@}*/

/** @name Packets (IPv4, IPv6)
 * On an IPv6 socket both also hold for the IPv4 peers that it may have. */
/**@{*/

/**
 * @brief Sets the traffic class (IPv4: type of service) of what is sent.
 *
 * @param traffic_class 0 to 255: the class of DiffServ in the upper six bits, as in `46 << 2` for expedited
 *   forwarding; the lower two are ECN's, which TCP sets itself.
 */
BIDE_API int bide_socket_set_traffic_class(bide_async *async, int traffic_class);
/** @brief Reads it. */
BIDE_API int bide_socket_traffic_class(const bide_async *async, int *traffic_class);

/** @brief Sets how many routers a packet may pass (IPv4: time to live). @param hops 1 to 255. Multicast has
 * its own: bide_udp_set_multicast_ttl(). */
BIDE_API int bide_socket_set_hop_limit(bide_async *async, int hops);
/** @brief Reads it. */
BIDE_API int bide_socket_hop_limit(const bide_async *async, int *hops);
/**@}*/

/** @name Credentials (Unix sockets) */
/**@{*/
/** @brief Asks for the sender's credentials with each message that is sent from now on: see bide_message.
 * Those sent before have none (pid 0). */
BIDE_API int bide_socket_set_pass_credentials(bide_async *async, bool on);
/** @brief Reads it. */
BIDE_API int bide_socket_pass_credentials(const bide_async *async, bool *on);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
