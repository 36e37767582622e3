/* Options of sockets, with errors as BIDE_E…
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_OPTIONS_H
#define BIDE_OS_OPTIONS_H

#include <bide/address.h>

/* Those that are one number. */
enum bide_os_option {
    /* Of every socket. */
    BIDE_OS_REUSE_ADDRESS,
    BIDE_OS_REUSE_PORT,
    BIDE_OS_SEND_BUFFER,
    BIDE_OS_RECEIVE_BUFFER,
    /* Of streams of the internet: TCP. */
    BIDE_OS_NODELAY,
    BIDE_OS_KEEPALIVE,
    BIDE_OS_KEEPALIVE_IDLE,     /* seconds */
    BIDE_OS_KEEPALIVE_INTERVAL, /* seconds */
    BIDE_OS_KEEPALIVE_COUNT,
    BIDE_OS_USER_TIMEOUT, /* milliseconds */
    BIDE_OS_FAST_OPEN,
    BIDE_OS_LINGER, /* seconds; -1: off */
    /* Of IPv4 and IPv6. */
    BIDE_OS_TRAFFIC_CLASS,
    BIDE_OS_HOP_LIMIT,
    /* The same, but for streams. */
    BIDE_OS_MULTICAST_LOOP,
    BIDE_OS_MULTICAST_HOPS,
    BIDE_OS_MULTICAST_INTERFACE, /* its index; to be set only */
    BIDE_OS_BROADCAST,           /* IPv4 */
    /* Of IPv6. */
    BIDE_OS_V6ONLY,
    /* Of Unix sockets. */
    BIDE_OS_PASS_CREDENTIALS,
    BIDE_OS_OPTIONS /* how many there are */
};

/* Return 0; BIDE_EAFNOSUPPORT, BIDE_ENOPROTOOPT, BIDE_ENOTSOCK: it is not an option of this socket; or an
 * error. */
int bide_os_set_option(bide_fd fd, enum bide_os_option option, int value);
int bide_os_get_option(bide_fd fd, enum bide_os_option option, int *value);

/* Joins or leaves a group, whose family must be the socket's. `interface`: its index; 0: the system
 * chooses. */
int bide_os_set_membership(bide_fd fd, const bide_address *group, uint32_t interface, bool member);

#endif
