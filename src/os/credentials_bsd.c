/* Who is at the other end of a Unix socket, by getpeereid(3): the BSDs and macOS. Its process is known where
 * the system tells it in another way. See socket_unix.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/socket.h"
#include "os/socket_unix.h"

#include <sys/types.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The peer's process, or 0. */
static int32_t peer_process(bide_fd fd)
{
#if defined(LOCAL_PEERPID) /* macOS */
    pid_t pid = 0;
    socklen_t size = sizeof pid;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &size) == 0) return pid;
#elif defined(LOCAL_PEEREID) /* NetBSD */
    struct unpcbid peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, 0, LOCAL_PEEREID, &peer, &size) == 0) return peer.unp_pid;
#elif defined(SO_PEERCRED)   /* OpenBSD */
    struct sockpeercred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) return peer.pid;
#else
    (void)fd;
#endif
    return 0;
}

int bide_os_unix_credentials(bide_fd fd, bide_credentials *out)
{
    uid_t uid;
    gid_t gid;
    bide_address address;
    int error = bide_os_peer_address(fd, &address);
    if (error) return error;
    if (getpeereid(fd, &uid, &gid) != 0) return bide_last_error();
    out->pid = peer_process(fd);
    out->uid = uid;
    out->gid = gid;
    return 0;
}
