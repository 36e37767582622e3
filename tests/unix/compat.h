/* What the tests take from Linux' C libraries and other systems lack; included before each file there.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_UNIX_COMPAT_H
#define BIDE_TEST_UNIX_COMPAT_H

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/types.h>

#include <sys/socket.h>
#include <unistd.h>

/* A number of the calling thread, not 0. */
int bide_test_gettid(void);
#define gettid bide_test_gettid

#if defined(__APPLE__) || defined(__OpenBSD__)
#include <signal.h>
#include <time.h>
int bide_test_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
#define sigtimedwait bide_test_sigtimedwait
#endif

#ifndef SOCK_CLOEXEC /* macOS */
#define SOCK_CLOEXEC 0x10000000
#define SOCK_NONBLOCK 0x20000000
int bide_test_socket(int family, int type, int protocol);
int bide_test_socketpair(int family, int type, int protocol, int pair[2]);
int bide_test_accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags);
int bide_test_pipe2(int ends[2], int flags);
#define socket bide_test_socket
#define socketpair bide_test_socketpair
#define accept4 bide_test_accept4
#define pipe2 bide_test_pipe2
#endif

#endif
