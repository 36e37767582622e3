/* Counts the system calls and allocations of a test program, and makes chosen ones fail.
 *
 * Works by linker wrapping (bide_add_test(… WRAP)): the calls of the library and of the test itself go through
 * here, those inside libc and the test runner do not. A thread that only plays the peer, or sets the scene,
 * takes itself out with bide_calls_pause().
 *
 *   bide_calls_reset();
 *   bide_read(conn, buffer, sizeof buffer, BIDE_NEVER);
 *   cr_assert_eq(bide_calls_total(), 1);
 *
 *   static void scenario(void *arg) { … every error must be handled, and nothing may leak … }
 *   bide_fault_each(scenario, NULL, BIDE_CALLS_FALLIBLE, EIO);
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_SYSCALLS_H
#define BIDE_TEST_SYSCALLS_H

#include <stdint.h>

/* The kinds: X(constant, word). Several functions may share one: epoll_wait, epoll_pwait and
 * epoll_pwait2; writev and pwritev2; recvmsg and recvmmsg; sendmsg and sendmmsg; sigpending and sigtimedwait go
 * with pthread_sigmask; lstat and stat; fsync and fdatasync; ftruncate and lseek; rename, mkdir and rmdir; opendir
 * and readdir. */
#define BIDE_CALL_KINDS(X)                \
    X(READ, "read")                       \
    X(WRITE, "write")                     \
    X(READV, "readv")                     \
    X(WRITEV, "writev")                   \
    X(RECV, "recv")                       \
    X(SEND, "send")                       \
    X(RECVFROM, "recvfrom")               \
    X(SENDTO, "sendto")                   \
    X(RECVMSG, "recvmsg")                 \
    X(SENDMSG, "sendmsg")                 \
    X(SOCKET, "socket")                   \
    X(BIND, "bind")                       \
    X(LISTEN, "listen")                   \
    X(ACCEPT, "accept4")                  \
    X(CONNECT, "connect")                 \
    X(SHUTDOWN, "shutdown")               \
    X(GETSOCKOPT, "getsockopt")           \
    X(SETSOCKOPT, "setsockopt")           \
    X(GETSOCKNAME, "getsockname")         \
    X(GETPEERNAME, "getpeername")         \
    X(FCNTL, "fcntl")                     \
    X(IOCTL, "ioctl")                     \
    X(FSTAT, "fstat")                     \
    X(LSTAT, "lstat")                     \
    X(UNLINK, "unlink")                   \
    X(PREAD, "pread")                     \
    X(SENDFILE, "sendfile")               \
    X(OPEN, "open")                       \
    X(PWRITE, "pwrite")                   \
    X(SYNC, "fsync")                      \
    X(SIZE, "ftruncate")                  \
    X(NAMES, "rename")                    \
    X(DIRECTORY, "readdir")               \
    X(CLOSE, "close")                     \
    X(PIPE, "pipe2")                      \
    X(EVENTFD, "eventfd")                 \
    X(TIMERFD_CREATE, "timerfd_create")   \
    X(TIMERFD_SETTIME, "timerfd_settime") \
    X(EPOLL_CREATE, "epoll_create1")      \
    X(EPOLL_CTL, "epoll_ctl")             \
    X(EPOLL_WAIT, "epoll_wait")           \
    X(POLL, "poll")                       \
    X(FUTEX, "futex")                     \
    X(SIGMASK, "sigmask")                 \
    X(THREAD, "pthread_create")           \
    X(OTHER, "syscall")                   \
    X(ALLOC, "allocation")                \
    X(THREAD_KEY, "pthread_setspecific")

#define BIDE_CALL_CONSTANT_(name, word) BIDE_CALL_##name,
enum bide_call { BIDE_CALL_KINDS(BIDE_CALL_CONSTANT_) BIDE_CALL_COUNT };
#undef BIDE_CALL_CONSTANT_

/* Sets of kinds. */
#define BIDE_CALL_BIT(kind) (UINT64_C(1) << (kind))
/* What asks for memory in the process. */
#define BIDE_CALLS_ALLOC (BIDE_CALL_BIT(BIDE_CALL_ALLOC) | BIDE_CALL_BIT(BIDE_CALL_THREAD_KEY))
/* What enters the kernel. */
#define BIDE_CALLS_SYSTEM (((UINT64_C(1) << BIDE_CALL_COUNT) - 1) & ~BIDE_CALLS_ALLOC)
/* The system calls whose failure says something. A wait on a futex returns for no reason anyhow, and
 * changing the signal mask does not fail. */
#define BIDE_CALLS_FALLIBLE \
    (BIDE_CALLS_SYSTEM & ~(BIDE_CALL_BIT(BIDE_CALL_FUTEX) | BIDE_CALL_BIT(BIDE_CALL_SIGMASK)))

/* Sets the counters to zero: those of the process and those of the calling thread. */
void bide_calls_reset(void);

/* The system calls since, of all threads; allocations are not among them. */
unsigned long bide_calls_total(void);
/* Those of one kind, which may be BIDE_CALL_ALLOC. */
unsigned long bide_calls_of(enum bide_call kind);

/* The same of the calling thread alone. */
unsigned long bide_calls_thread_total(void);
unsigned long bide_calls_thread_of(enum bide_call kind);

/* The calling thread's calls neither count nor fail between these two. They nest. */
void bide_calls_pause(void);
void bide_calls_resume(void);

/* All counters that are not zero, as "recv 2, epoll_wait 1": for messages. Static storage. */
const char *bide_calls_text(void);

/* The `nth` call (from 1, of all threads) of the kinds in the set fails with the system's error number, and so
 * do the next `burst` - 1. close(2) closes all the same, as Linux does. Allocations fail with ENOMEM whatever
 * the number; 0 as the number chooses for each call one that it may really return. */
void bide_fault_set(uint64_t kinds, unsigned long nth, unsigned long burst, int error);
/* Ends it; returns how many calls failed. */
unsigned long bide_fault_clear(void);
/* Which call fails in the present run of bide_fault_each, for messages. */
unsigned long bide_fault_run(void);

/* Runs scenario(arg) with the first call failing, then with the second, and so on, until a run did not reach
 * the failing call any more, which is the last. Returns the number of runs in which a call failed: at least
 * one, or the scenario made no such call. The scenario checks what must hold, whatever failed. */
unsigned long bide_fault_each(void (*scenario)(void *arg), void *arg, uint64_t kinds, int error);

#endif
