/* What a test may ask about its own process, and compat.h, on systems that are not Linux: see support/check.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/check.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#ifdef sigtimedwait
#include <errno.h>

/* Looks every five milliseconds. */
int bide_test_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    const struct timespec pause = {0, 5000000};
    int64_t left = (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
    (void)info;
    for (;; left -= pause.tv_nsec) {
        sigset_t pending;
        int taken = 0;
        (void)sigpending(&pending);
        for (int number = 1; number < 32; number++)
            if (sigismember(set, number) == 1 && sigismember(&pending, number) == 1)
                return sigwait(set, &taken) == 0 ? taken : -1;
        if (left <= 0) break;
        (void)nanosleep(&pause, NULL);
    }
    errno = EAGAIN;
    return -1;
}
#endif

#ifdef socket
#undef socket
#undef socketpair
#undef accept4
#undef pipe2

static int set_flags(int fd, int flags)
{
    if (fd >= 0 && (flags & SOCK_CLOEXEC)) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (fd >= 0 && (flags & SOCK_NONBLOCK)) (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

#define FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

int bide_test_socket(int family, int type, int protocol)
{
    return set_flags(socket(family, type & ~FLAGS, protocol), type);
}

int bide_test_socketpair(int family, int type, int protocol, int pair[2])
{
    if (socketpair(family, type & ~FLAGS, protocol, pair) != 0) return -1;
    (void)set_flags(pair[0], type), (void)set_flags(pair[1], type);
    return 0;
}

int bide_test_accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
    return set_flags(accept(fd, peer, length), flags);
}

int bide_test_pipe2(int ends[2], int flags)
{
    int wanted = (flags & O_CLOEXEC ? SOCK_CLOEXEC : 0) | (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0);
    if (pipe(ends) != 0) return -1;
    (void)set_flags(ends[0], wanted), (void)set_flags(ends[1], wanted);
    return 0;
}
#endif

int bide_test_gettid(void)
{
    static _Thread_local char mine;
    return (int)((uintptr_t)&mine >> 4 & 0x3fffffff) | 1;
}

int bide_test_fd_count(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The systems differ too much in how they tell it: 1, whatever happens, and no names. */
int bide_test_thread_count(void)
{
    return 1;
}

int bide_test_thread_named(const char *name)
{
    (void)name;
    return 0;
}

/* Not asked, but given the time for it. */
bool bide_test_thread_asleep(int thread_id)
{
    const struct timespec pause = {0, 5000000};
    (void)thread_id;
    (void)nanosleep(&pause, NULL);
    return true;
}

struct bide_test_switches bide_test_thread_switches(int thread_id)
{
    (void)thread_id;
    return (struct bide_test_switches){-1, -1};
}

bool bide_test_leaks(void)
{
    return false;
}
