/* As much of POSIX as the tests use to make and look at what they try Bide on, on Windows: so that a test is
 * written once. The headers beside this one, found before the system's, all come here.
 *
 * Descriptors are sockets, in an int: handles are small. A socket pair is a connection over the loopback, as
 * is a pipe. What cannot be had (fork, signals, eventfds) fails with ENOSYS; tests that need it are left out
 * by name, in skips.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_WINDOWS_POSIX_H
#define BIDE_TEST_WINDOWS_POSIX_H

#include "os/system_windows.h"

#include <errno.h>
#include <fcntl.h>
#define locking bide_posix_locking /* a word of the tests */
#include <io.h>
#undef locking
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

/* Words of ours. */
#undef far
#undef near
#undef small
#undef FAR

typedef unsigned short sa_family_t;
typedef uint32_t in_addr_t;
typedef uint16_t in_port_t;
typedef unsigned long nfds_t;
typedef unsigned uid_t;
typedef unsigned gid_t;

#define SOCK_NONBLOCK 0x10000
#define SOCK_CLOEXEC 0x20000
#define MSG_DONTWAIT 0x1000000
#define MSG_NOSIGNAL 0x2000000
#define SHUT_RD SD_RECEIVE
#define SHUT_WR SD_SEND
#define SHUT_RDWR SD_BOTH
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_DUPFD_CLOEXEC 5
#define FD_CLOEXEC 1
#define O_NONBLOCK 0x4000
#define O_DIRECTORY 0
#define O_CLOEXEC O_NOINHERIT

/* Sets errno, as those of winsock do not. */
int bide_posix_close(int fd);
ssize_t bide_posix_read(int fd, void *data, size_t size);
ssize_t bide_posix_write(int fd, const void *data, size_t size);
ssize_t bide_posix_recv(int fd, void *data, size_t size, int flags);
ssize_t bide_posix_send(int fd, const void *data, size_t size, int flags);
ssize_t bide_posix_recvfrom(int fd, void *data, size_t size, int flags, void *address, socklen_t *length);
ssize_t bide_posix_sendto(int fd, const void *data, size_t size, int flags, const void *address,
                          socklen_t length);
int bide_posix_socket(int family, int type, int protocol);
int bide_posix_bind(int fd, const void *address, socklen_t length);
int bide_posix_connect(int fd, const void *address, socklen_t length);
int bide_posix_listen(int fd, int backlog);
int bide_posix_shutdown(int fd, int how);
int bide_posix_getsockname(int fd, void *address, socklen_t *length);
int bide_posix_getpeername(int fd, void *address, socklen_t *length);
int bide_posix_getsockopt(int fd, int level, int option, void *value, socklen_t *length);
int bide_posix_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int bide_posix_dup(int fd);

/* Like functions, so that members of the same names are left alone. */
#define close(fd) bide_posix_close(fd)
#define read(fd, data, size) bide_posix_read(fd, data, size)
#define write(fd, data, size) bide_posix_write(fd, data, size)
#define recv(fd, data, size, flags) bide_posix_recv(fd, data, size, flags)
#define send(fd, data, size, flags) bide_posix_send(fd, data, size, flags)
#define recvfrom(fd, data, size, flags, address, length) \
    bide_posix_recvfrom(fd, data, size, flags, address, length)
#define sendto(fd, data, size, flags, address, length) \
    bide_posix_sendto(fd, data, size, flags, address, length)
#define socket(family, type, protocol) bide_posix_socket(family, type, protocol)
#define bind(fd, address, length) bide_posix_bind(fd, address, length)
#define connect(fd, address, length) bide_posix_connect(fd, address, length)
#define listen(fd, backlog) bide_posix_listen(fd, backlog)
#define accept(fd, address, length) accept4(fd, address, length, 0)
#define shutdown(fd, how) bide_posix_shutdown(fd, how)
#define getsockname(fd, address, length) bide_posix_getsockname(fd, address, length)
#define getpeername(fd, address, length) bide_posix_getpeername(fd, address, length)
#define getsockopt(fd, level, option, value, length) bide_posix_getsockopt(fd, level, option, value, length)
#define setsockopt(fd, level, option, value, length) bide_posix_setsockopt(fd, level, option, value, length)
#define dup(fd) bide_posix_dup(fd)

/* A file's handle. Those of open are handles, too. */
int bide_posix_fileno(FILE *file);
int bide_posix_open(const char *path, int flags, ...);
char *mkdtemp(char *template);
#define fileno(file) bide_posix_fileno(file)
#define open(...) bide_posix_open(__VA_ARGS__)

int accept4(int fd, void *address, socklen_t *length, int flags);
int socketpair(int family, int type, int protocol, int pair[2]);
int pipe2(int ends[2], int flags);
int pipe(int ends[2]);
int fcntl(int fd, int command, ...);
int poll(struct pollfd *fds, nfds_t count, int milliseconds);
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const void *signals);
/* The name of the calling thread is all that can be had of this. */
#define PR_GET_NAME 16
int prctl(int option, ...);
struct if_nameindex {
    unsigned if_index;
    char *if_name;
};
struct if_nameindex *if_nameindex(void);
void if_freenameindex(struct if_nameindex *all);
int gettid(void);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
int rand_r(unsigned *seed);

/* --- what there is not --- */

#ifndef SIGUSR1
#define SIGUSR1 30
#define SIGUSR2 31
#define SIGALRM 14
#define SIGPIPE 13
#define SIGKILL 9
#define SIGCHLD 17
#define SIGHUP 1
#endif
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
typedef unsigned long bide_posix_signals;
#define sigset_t bide_posix_signals
struct sigaction {
    void (*sa_handler)(int);
    int sa_flags;
    sigset_t sa_mask;
};
int sigemptyset(sigset_t *set);
int sigismember(const sigset_t *set, int signal);
const char *strsignal(int signal);
int sigaction(int signal, const struct sigaction *action, struct sigaction *before);
unsigned alarm(unsigned seconds);
pid_t fork(void);
pid_t waitpid(pid_t child, int *status, int options);
#define WIFEXITED(status) ((status) == 0)
#define WEXITSTATUS(status) (status)
#define WIFSIGNALED(status) ((status) != 0)
#define WTERMSIG(status) (status)

struct rlimit {
    unsigned long rlim_cur;
    unsigned long rlim_max;
};
#define RLIMIT_NOFILE 7
int getrlimit(int resource, struct rlimit *limit);
int setrlimit(int resource, const struct rlimit *limit);

#define EFD_NONBLOCK 1
#define EFD_CLOEXEC 2
#define EFD_SEMAPHORE 4
int eventfd(unsigned count, int flags);

#endif
