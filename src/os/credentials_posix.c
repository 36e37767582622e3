/* POSIX has no word for who is at the other end of a Unix socket. See socket_unix.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/socket.h"
#include "os/socket_unix.h"

int bide_os_unix_credentials(bide_fd fd, bide_credentials *out)
{
    bide_address address;
    (void)out;
    int error = bide_os_peer_address(fd, &address);
    return error ? error : BIDE_ENOTSUP;
}
