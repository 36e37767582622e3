/* Who is at the other end of a Unix socket, on Linux: see socket_unix.h and control.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/control.h"
#include "os/socket.h"
#include "os/socket_unix.h"

#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct ucred) <= BIDE_OS_CREDENTIALS_MOST, "there is room");

int bide_os_credentials_pack(struct bide_os_packed_credentials *packed, const bide_credentials *given)
{
    struct ucred own = {getpid(), getuid(), getgid()};
    struct ucred theirs = {given->pid, given->uid, given->gid};
    packed->type = SCM_CREDENTIALS;
    packed->length = sizeof own;
    memcpy(packed->bytes, given->pid ? &theirs : &own, sizeof own);
    return 0;
}

size_t bide_os_credentials_size(void)
{
    return sizeof(struct ucred);
}

static void take(bide_credentials *out, const struct ucred *from)
{
    out->pid = from->pid;
    out->uid = from->uid;
    out->gid = from->gid;
}

bool bide_os_credentials_unpack(bide_credentials *sender, const struct cmsghdr *piece)
{
    struct ucred from;
    if (piece->cmsg_level != SOL_SOCKET || piece->cmsg_type != SCM_CREDENTIALS) return false;
    memcpy(&from, CMSG_DATA(piece), sizeof from);
    take(sender, &from);
    return true;
}

int bide_os_unix_credentials(bide_fd fd, bide_credentials *out)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    /* A listener has its own process' credentials, for those that connect. */
    bide_address address;
    int error = bide_os_peer_address(fd, &address);
    if (error) return error;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return bide_last_error();
    /* Without a peer Linux tells the user and the group that are none. */
    if (peer.pid == 0 && peer.uid == (uid_t)-1 && peer.gid == (gid_t)-1) return BIDE_ENOTCONN;
    take(out, &peer);
    return 0;
}
