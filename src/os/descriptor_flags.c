/* Descriptors made as they are to be, by flags: Linux, the BSDs, illumos. See descriptor.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#define FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

int bide_os_new_socket(int family, int type)
{
    return socket(family, type | FLAGS, 0);
}

int bide_os_new_connection(int listener, struct sockaddr *peer, socklen_t *length)
{
    return accept4(listener, peer, length, FLAGS);
}

int bide_os_new_pair(int type, int pair[2])
{
    return socketpair(AF_UNIX, type | FLAGS, 0, pair);
}

int bide_os_new_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}
