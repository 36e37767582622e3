/* System calls on Unix sockets, with errors as BIDE_E…. None waits. What all stream sockets share is in
 * socket.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SOCKET_UNIX_H
#define BIDE_OS_SOCKET_UNIX_H

#include <bide/address.h>

/* Non-blocking, close-on-exec. */
int bide_os_unix_datagram_socket(bide_fd *out);
int bide_os_unix_pair(bool stream, bide_fd pair[2]);

/* After a success at a path there is a file, which bide_os_unix_remove takes away again. */
int bide_os_unix_bind(bide_fd fd, const bide_address *address);
int bide_os_unix_listen(bide_fd fd, int backlog);
void bide_os_unix_remove(const bide_address *address);

/* As bide_unix_remove_stale; the address has a path. */
int bide_os_unix_remove_stale(const bide_address *address);

/* BIDE_ENOTCONN: there is no peer, or none that is known. */
int bide_os_unix_credentials(bide_fd fd, bide_credentials *out);

#endif
