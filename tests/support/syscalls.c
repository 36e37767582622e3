/* The wrapped calls: see syscalls.h. The linker turns `read` in the program into `__wrap_read` (below) and
 * `__real_read` into libc's; cmake/BideTest.cmake has the list.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "support/calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

int bide_call_likely_error(enum bide_call kind)
{
    switch (kind) {
    case BIDE_CALL_ACCEPT:
    case BIDE_CALL_SOCKET:
    case BIDE_CALL_PIPE:
    case BIDE_CALL_OPEN:
    case BIDE_CALL_EVENTFD:
    case BIDE_CALL_TIMERFD_CREATE:
    case BIDE_CALL_EPOLL_CREATE: return EMFILE;
    case BIDE_CALL_PWRITE:
    case BIDE_CALL_EPOLL_CTL: return ENOSPC;
    case BIDE_CALL_SIZE: return EFBIG;
    case BIDE_CALL_NAMES: return EXDEV;
    case BIDE_CALL_EPOLL_WAIT: return EINTR;
    case BIDE_CALL_POLL:
    case BIDE_CALL_FSTAT: return ENOMEM;
    case BIDE_CALL_BIND: return EADDRINUSE;
    case BIDE_CALL_CONNECT: return ENETUNREACH;
    case BIDE_CALL_FCNTL:
    case BIDE_CALL_IOCTL: return EPERM;
    case BIDE_CALL_UNLINK: return EACCES;
    case BIDE_CALL_PREAD:
    case BIDE_CALL_SYNC:
    case BIDE_CALL_DIRECTORY:
    case BIDE_CALL_SENDFILE:
    case BIDE_CALL_CLOSE: return EIO;
    case BIDE_CALL_THREAD: return EAGAIN;
    case BIDE_CALL_OTHER: return ENOSYS;
    default: return ENOBUFS;
    }
}

/* --- the wraps --------------------------------------------------------------------------------------------- */

/* A wrap of `name`: fails as `failure`, otherwise calls through. */
#define WRAP(kind, failure, type, name, parameters, arguments)                          \
    type __real_##name parameters;                                                      \
    type __wrap_##name parameters;                                                      \
    type __wrap_##name parameters                                                       \
    {                                                                                   \
        return bide_call_fails(BIDE_CALL_##kind) ? (failure) : __real_##name arguments; \
    }

WRAP(READ, -1, ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
WRAP(WRITE, -1, ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(READV, -1, ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(WRITEV, -1, ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(WRITEV, -1, ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags),
     (fd, parts, count, offset, flags))
WRAP(RECV, -1, ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(SEND, -1, ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(RECVFROM, -1, ssize_t, recvfrom,
     (int fd, void *data, size_t size, int flags, struct sockaddr *address, socklen_t *length),
     (fd, data, size, flags, address, length))
WRAP(SENDTO, -1, ssize_t, sendto,
     (int fd, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length),
     (fd, data, size, flags, address, length))
WRAP(RECVMSG, -1, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(SENDMSG, -1, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(RECVMSG, -1, int, recvmmsg,
     (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit),
     (fd, messages, count, flags, limit))
WRAP(SENDMSG, -1, int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),
     (fd, messages, count, flags))

WRAP(SOCKET, -1, int, socket, (int family, int type, int protocol), (family, type, protocol))
WRAP(SOCKET, -1, int, socketpair, (int family, int type, int protocol, int *pair),
     (family, type, protocol, pair))
WRAP(BIND, -1, int, bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
WRAP(LISTEN, -1, int, listen, (int fd, int backlog), (fd, backlog))
WRAP(ACCEPT, -1, int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags),
     (fd, address, length, flags))
WRAP(ACCEPT, -1, int, accept, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
WRAP(CONNECT, -1, int, connect, (int fd, const struct sockaddr *address, socklen_t length),
     (fd, address, length))
WRAP(SHUTDOWN, -1, int, shutdown, (int fd, int how), (fd, how))
WRAP(GETSOCKOPT, -1, int, getsockopt, (int fd, int level, int option, void *value, socklen_t *length),
     (fd, level, option, value, length))
WRAP(SETSOCKOPT, -1, int, setsockopt, (int fd, int level, int option, const void *value, socklen_t length),
     (fd, level, option, value, length))
WRAP(GETSOCKNAME, -1, int, getsockname, (int fd, struct sockaddr *address, socklen_t *length),
     (fd, address, length))
WRAP(GETPEERNAME, -1, int, getpeername, (int fd, struct sockaddr *address, socklen_t *length),
     (fd, address, length))

WRAP(FSTAT, -1, int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(LSTAT, -1, int, lstat, (const char *path, struct stat *status), (path, status))
WRAP(UNLINK, -1, int, unlink, (const char *path), (path))
WRAP(PREAD, -1, ssize_t, pread64, (int fd, void *data, size_t size, off64_t offset), (fd, data, size, offset))
WRAP(SENDFILE, -1, ssize_t, sendfile64, (int to, int from, off64_t *offset, size_t size),
     (to, from, offset, size))
WRAP(PWRITE, -1, ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t offset),
     (fd, data, size, offset))
WRAP(FSTAT, -1, int, fstat64, (int fd, struct stat64 *status), (fd, status))
WRAP(LSTAT, -1, int, lstat64, (const char *path, struct stat64 *status), (path, status))
WRAP(LSTAT, -1, int, stat64, (const char *path, struct stat64 *status), (path, status))
WRAP(SYNC, -1, int, fsync, (int fd), (fd))
WRAP(SYNC, -1, int, fdatasync, (int fd), (fd))
WRAP(SIZE, -1, int, ftruncate64, (int fd, off64_t size), (fd, size))
WRAP(SIZE, -1, off64_t, lseek64, (int fd, off64_t offset, int origin), (fd, offset, origin))
WRAP(NAMES, -1, int, rename, (const char *from, const char *to), (from, to))
WRAP(NAMES, -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(NAMES, -1, int, rmdir, (const char *path), (path))
WRAP(DIRECTORY, NULL, DIR *, opendir, (const char *path), (path))
WRAP(DIRECTORY, NULL, struct dirent64 *, readdir64, (DIR * stream), (stream))
WRAP(PIPE, -1, int, pipe2, (int *pair, int flags), (pair, flags))
WRAP(EVENTFD, -1, int, eventfd, (unsigned count, int flags), (count, flags))
WRAP(TIMERFD_CREATE, -1, int, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(TIMERFD_SETTIME, -1, int, timerfd_settime,
     (int fd, int flags, const struct itimerspec *setting, struct itimerspec *before),
     (fd, flags, setting, before))
WRAP(EPOLL_CREATE, -1, int, epoll_create1, (int flags), (flags))
WRAP(EPOLL_CTL, -1, int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event),
     (epoll, what, fd, event))
WRAP(EPOLL_WAIT, -1, int, epoll_wait, (int epoll, struct epoll_event *events, int count, int milliseconds),
     (epoll, events, count, milliseconds))
WRAP(EPOLL_WAIT, -1, int, epoll_pwait,
     (int epoll, struct epoll_event *events, int count, int milliseconds, const sigset_t *mask),
     (epoll, events, count, milliseconds, mask))
WRAP(POLL, -1, int, poll, (struct pollfd fds[], nfds_t count, int milliseconds), (fds, count, milliseconds))
WRAP(POLL, -1, int, ppoll,
     (struct pollfd fds[], nfds_t count, const struct timespec *limit, const sigset_t *mask),
     (fds, count, limit, mask))

WRAP(ALLOC, NULL, void *, malloc, (size_t size), (size))
WRAP(ALLOC, NULL, void *, calloc, (size_t count, size_t size), (count, size))
WRAP(ALLOC, NULL, void *, realloc, (void *old, size_t size), (old, size))
WRAP(ALLOC, NULL, void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))

/* These return the error number rather than set errno. */
#define WRAP_DIRECT(kind, name, parameters, arguments)  \
    int __real_##name parameters;                       \
    int __wrap_##name parameters;                       \
    int __wrap_##name parameters                        \
    {                                                   \
        int error = bide_call_enter(BIDE_CALL_##kind);  \
        return error ? error : __real_##name arguments; \
    }

WRAP_DIRECT(ALLOC, posix_memalign, (void **memory, size_t alignment, size_t size), (memory, alignment, size))
WRAP_DIRECT(SIGMASK, pthread_sigmask, (int how, const sigset_t *set, sigset_t *before), (how, set, before))
WRAP(SIGMASK, -1, int, sigpending, (sigset_t * set), (set))
WRAP(SIGMASK, -1, int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *limit),
     (set, info, limit))
WRAP_DIRECT(THREAD, pthread_create,
            (pthread_t * thread, const pthread_attr_t *attributes, void *(*function)(void *), void *arg),
            (thread, attributes, function, arg))
WRAP_DIRECT(THREAD_KEY, pthread_key_create, (pthread_key_t * key, void (*destroy)(void *)), (key, destroy))
WRAP_DIRECT(THREAD_KEY, pthread_setspecific, (pthread_key_t key, const void *value), (key, value))

/* The descriptor is gone whatever close(2) says, so that a failing one must not leave it open. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    bool failing = bide_call_fails(BIDE_CALL_CLOSE);
    int error = errno;
    int result = __real_close(fd);
    if (!failing) return result;
    errno = error;
    return -1;
}

/* fcntl and ioctl take an int or a pointer, which fit in one word of the calling convention. */
#define WRAP_VARIADIC(kind, name, command_type)                                           \
    int __real_##name(int fd, command_type command, ...);                                 \
    int __wrap_##name(int fd, command_type command, ...);                                 \
    int __wrap_##name(int fd, command_type command, ...)                                  \
    {                                                                                     \
        va_list arguments;                                                                \
        va_start(arguments, command);                                                     \
        void *word = va_arg(arguments, void *);                                           \
        va_end(arguments);                                                                \
        return bide_call_fails(BIDE_CALL_##kind) ? -1 : __real_##name(fd, command, word); \
    }

WRAP_VARIADIC(FCNTL, fcntl, int)
WRAP_VARIADIC(IOCTL, ioctl, unsigned long)

/* The mode is read whether it was given or not; without O_CREAT the system does not look at it. */
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
__attribute__((no_sanitize("address"))) int __wrap_open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return bide_call_fails(BIDE_CALL_OPEN) ? -1 : __real_open64(path, flags, mode);
}

static enum bide_call kind_of_number(long number)
{
    switch (number) {
    case SYS_futex: return BIDE_CALL_FUTEX;
    case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
        return BIDE_CALL_EPOLL_WAIT;
    default: return BIDE_CALL_OTHER;
    }
}

/* Six words are read whatever the call has: those beyond are unspecified and the kernel ignores them. The
 * last may lie in the caller's frame, which the address sanitizer would mind. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
    long word[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        word[i] = va_arg(arguments, long);
    va_end(arguments);
    if (bide_call_fails(kind_of_number(number))) return -1;
    return __real_syscall(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}
