/* Who is at the other end of a Unix socket, by getpeerucred(3C): illumos and Solaris. See socket_unix.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/socket_unix.h"

#include <ucred.h>

int bide_os_unix_credentials(bide_fd fd, bide_credentials *out)
{
    ucred_t *peer = NULL;
    if (getpeerucred(fd, &peer) != 0) return bide_last_error();
    out->pid = ucred_getpid(peer);
    out->uid = ucred_geteuid(peer);
    out->gid = ucred_getegid(peer);
    ucred_free(peer);
    return 0;
}
