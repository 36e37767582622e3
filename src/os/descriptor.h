/* Making descriptors that are close-on-exec and non-blocking, and the writes that would raise SIGPIPE: what
 * POSIX systems do each in its way. Errors in errno, where nothing else is said, as of the system calls that
 * these stand for; nothing is repeated after EINTR.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_DESCRIPTOR_H
#define BIDE_OS_DESCRIPTOR_H

#include <bide/base.h>

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Of send(2): raise no SIGPIPE. macOS has it as a property of the socket, which descriptor_fcntl.c sets; its
 * newer headers name a flag that older kernels of it ignore. */
#if defined(MSG_NOSIGNAL) && !defined(__APPLE__)
#define BIDE_OS_NO_SIGNAL MSG_NOSIGNAL
#else
#define BIDE_OS_NO_SIGNAL 0
#endif

/* Of recvmsg(2): descriptors that come are close-on-exec. Without it message.c sees to that. */
#if defined(MSG_CMSG_CLOEXEC)
#define BIDE_OS_CMSG_CLOEXEC MSG_CMSG_CLOEXEC
#else
#define BIDE_OS_CMSG_CLOEXEC 0
#endif

/* The counts in a struct msghdr: POSIX has smaller types than the GNU C library. */
#if defined(__GLIBC__)
#define BIDE_OS_BUFFER_COUNT size_t
#define BIDE_OS_CONTROL_LENGTH size_t
#elif defined(__OpenBSD__)
#define BIDE_OS_BUFFER_COUNT unsigned
#define BIDE_OS_CONTROL_LENGTH socklen_t
#else
#define BIDE_OS_BUFFER_COUNT int
#define BIDE_OS_CONTROL_LENGTH socklen_t
#endif

/* The address family of a socket (AF_…), or a BIDE_E…. */
int bide_os_family(bide_fd fd);

/* The descriptor, or -1. */
int bide_os_new_socket(int family, int type);
int bide_os_new_connection(int listener, struct sockaddr *peer, socklen_t *length);

/* 0 or -1. */
int bide_os_new_pair(int type, int pair[2]);
int bide_os_new_pipe(int ends[2]);

/* writev(2) to a pipe, without SIGPIPE. */
ssize_t bide_os_write_pipe(bide_fd fd, const struct iovec *pieces, int count);

#endif
