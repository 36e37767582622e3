/* System calls on sockets, with errors as BIDE_E… and interrupted calls repeated. None waits.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SOCKET_H
#define BIDE_OS_SOCKET_H

#include <bide/address.h>

/* A non-blocking, close-on-exec stream socket of the address' family. */
int bide_os_stream_socket(const bide_address *address, bide_fd *out);

/* The same, of datagrams. */
int bide_os_datagram_socket(const bide_address *address, bide_fd *out);

/* Its kind, as bide_os_kind() would tell, of a stream socket. */
unsigned bide_os_stream_kind(const bide_address *address);

/* 0: connected; BIDE_EINPROGRESS: on its way; BIDE_EAGAIN: a Unix listener has no room; or an error. */
int bide_os_connect(bide_fd fd, const bide_address *address);

/* How a connect went: 0 connected, BIDE_EAGAIN still on its way, or its error. `failed`: the kernel has
 * reported an error or a hang-up. One system call when it went well. */
int bide_os_connected(bide_fd fd, bool failed);

/* Sets the peer of a datagram socket, or with NULL takes it away; does not wait. BIDE_EPROTOTYPE for a socket
 * with connections. */
int bide_os_connect_datagram(bide_fd fd, const bide_address *address);

int bide_os_bind(bide_fd fd, const bide_address *address);

/* Binds, and listens. */
int bide_os_listen(bide_fd fd, const bide_address *address, int backlog);

/* Accepts: a descriptor like those of bide_os_stream_socket, or an error; connections that died in the
 * backlog are passed over. */
int bide_os_accept(bide_fd fd, bide_fd *out, bide_address *peer);

int bide_os_local_address(bide_fd fd, bide_address *out);
int bide_os_peer_address(bide_fd fd, bide_address *out);

#endif
