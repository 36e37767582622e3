/**
 * @file bide/error.h
 * @brief Error codes: every function returns 0 or a count, or one of these negative constants.
 *
 * The constants are negative themselves and have the same value on every system. An error of the
 * operating system that has no constant here is kept without loss: bide_system_error() gives its number
 * back. Bide never reports through `errno`, because a task may have changed threads since. The functions
 * are thread-safe, and none waits.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_ERROR_H
#define BIDE_ERROR_H

#include <bide/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @brief The list of all constants: X(name, value, message).
 *
 * Values -1 to -99 stand for errors of the system, -100 to -199 for Bide's own, -200 to -299 for those of
 * resolving names. They are part of the ABI and never change. A few numbers of the system have the meaning of
 * one of Bide's own and become it: a connection that the kernel gave up gives BIDE_ETIMEDOUT, also without a
 * deadline.
 */
#define BIDE_ERRORS(X)                                                                          \
    X(BIDE_EAGAIN, -1, "operation would have to wait")                                          \
    X(BIDE_EINVAL, -2, "invalid argument")                                                      \
    X(BIDE_ENOMEM, -3, "out of memory")                                                         \
    X(BIDE_EBADF, -4, "bad descriptor")                                                         \
    X(BIDE_EEXIST, -5, "already registered")                                                    \
    X(BIDE_ENOENT, -6, "not found")                                                             \
    X(BIDE_EBUSY, -7, "in use")                                                                 \
    X(BIDE_EPERM, -8, "operation not permitted")                                                \
    X(BIDE_EACCES, -9, "permission denied")                                                     \
    X(BIDE_EIO, -10, "input/output error")                                                      \
    X(BIDE_EMFILE, -11, "too many open descriptors in this process")                            \
    X(BIDE_ENFILE, -12, "too many open descriptors in the system")                              \
    X(BIDE_ENOSPC, -13, "no space left, or the user's limit of watched descriptors is reached") \
    X(BIDE_EPIPE, -14, "the other end is closed")                                               \
    X(BIDE_EINTR, -15, "interrupted by a signal")                                               \
    X(BIDE_EFAULT, -16, "bad address in memory")                                                \
    X(BIDE_ENOTSUP, -17, "not supported here")                                                  \
    X(BIDE_EOVERFLOW, -18, "value too large")                                                   \
    X(BIDE_ENOTSOCK, -19, "not a socket")                                                       \
    X(BIDE_EADDRINUSE, -20, "address already in use")                                           \
    X(BIDE_EADDRNOTAVAIL, -21, "address not available on this machine")                         \
    X(BIDE_EAFNOSUPPORT, -22, "address family not supported")                                   \
    X(BIDE_EALREADY, -23, "already in progress")                                                \
    X(BIDE_ECONNABORTED, -24, "connection aborted")                                             \
    X(BIDE_ECONNREFUSED, -25, "connection refused")                                             \
    X(BIDE_ECONNRESET, -26, "connection reset by the other end")                                \
    X(BIDE_EDESTADDRREQ, -27, "destination address required")                                   \
    X(BIDE_EHOSTUNREACH, -28, "host unreachable")                                               \
    X(BIDE_EINPROGRESS, -29, "in progress")                                                     \
    X(BIDE_EISCONN, -30, "already connected")                                                   \
    X(BIDE_EMSGSIZE, -31, "message too long")                                                   \
    X(BIDE_ENETDOWN, -32, "network is down")                                                    \
    X(BIDE_ENETUNREACH, -33, "network unreachable")                                             \
    X(BIDE_ENOBUFS, -34, "no buffer space in the kernel")                                       \
    X(BIDE_ENOTCONN, -35, "not connected")                                                      \
    X(BIDE_EPROTO, -36, "protocol error")                                                       \
    X(BIDE_EPROTONOSUPPORT, -37, "protocol not supported")                                      \
    X(BIDE_EPROTOTYPE, -38, "protocol of the wrong type for the socket")                        \
    X(BIDE_ENOPROTOOPT, -39, "socket option not available")                                     \
    X(BIDE_ENODEV, -40, "no such device")                                                       \
    X(BIDE_ENAMETOOLONG, -41, "name too long")                                                  \
    X(BIDE_ENOTDIR, -42, "not a directory")                                                     \
    X(BIDE_EISDIR, -43, "is a directory")                                                       \
    X(BIDE_ENOTEMPTY, -44, "directory not empty")                                               \
    X(BIDE_EROFS, -45, "read-only file system")                                                 \
    X(BIDE_EXDEV, -46, "on another file system")                                                \
    X(BIDE_ELOOP, -47, "too many symbolic links, or one where none is wanted")                  \
    X(BIDE_EFBIG, -48, "file too large")                                                        \
    X(BIDE_EDQUOT, -49, "quota exceeded")                                                       \
    X(BIDE_ESPIPE, -50, "has no position: a pipe, a socket or a terminal")                      \
    X(BIDE_ETXTBSY, -51, "program in use")                                                      \
    X(BIDE_ESTALE, -52, "file handle of the file server is out of date")                        \
    X(BIDE_EMLINK, -53, "too many links")                                                       \
    X(BIDE_ETIMEDOUT, -100, "timed out")                                                        \
    X(BIDE_ECANCELED, -101, "cancelled")                                                        \
    X(BIDE_EDEADLK, -102, "would wait for itself: not allowed inside a waker or an operation")  \
    X(BIDE_ENOTPOLLABLE, -103, "descriptor cannot be polled (a regular file or a folder)")      \
    X(BIDE_ENOTHREAD, -104, "the helper thread could not be started")                           \
    X(BIDE_EFORKED, -105, "made before fork, not usable in the child")                          \
    X(BIDE_EMOVED, -106, "the future was moved in memory after its first poll")                 \
    X(BIDE_EFREED, -107, "the handle was freed")                                                \
    X(BIDE_EADDRSYNTAX, -108, "malformed address")                                              \
    X(BIDE_EPORTRANGE, -109, "port out of range (0 to 65535)")                                  \
    X(BIDE_EBACKEND, -110, "unknown back end, or not available here (see BIDE_BACKEND)")        \
    X(BIDE_END, -111, "end: nothing more will come")                                            \
    X(BIDE_EEOF, -112, "end of the stream before all bytes came")                               \
    X(BIDE_ETOOLONG, -113, "time-out longer than the wheel allows")                             \
    X(BIDE_ENOCAPACITY, -114, "no room for another timer in the wheel")                         \
    X(BIDE_ESHUTDOWN, -115, "the wheel was freed")                                              \
    X(BIDE_ECLOSED, -116, "the channel is closed")                                              \
    X(BIDE_ERESOLVE_NONAME, -200, "no such host")                                               \
    X(BIDE_ERESOLVE_NODATA, -201, "the host has no address of the family")                      \
    X(BIDE_ERESOLVE_AGAIN, -202, "no answer from the name servers for now")                     \
    X(BIDE_ERESOLVE_FAIL, -203, "the name servers failed")                                      \
    X(BIDE_ERESOLVE_SERVICE, -204, "no such service")                                           \
    X(BIDE_ERESOLVE_SYNTAX, -205, "malformed host name")

#define BIDE_ERROR_CONSTANT_(name, value, message) name = (value),
/** The error constants; see BIDE_ERRORS for values and meanings. */
enum bide_error { BIDE_ERRORS(BIDE_ERROR_CONSTANT_) BIDE_OK = 0 };
#undef BIDE_ERROR_CONSTANT_

/** Errors at or below this are numbers of the operating system without a constant of their own. */
#define BIDE_ESYSTEM_BASE (-65536)

/**
 * @brief What an error means, in words: "connection refused".
 *
 * @param error 0 or any value that a function of Bide returned. A count gives "success".
 * @return Static storage. A system error without a constant gives "unknown system error"; its number is
 *         in bide_system_error(). Thread-safe.
 */
BIDE_API const char *bide_strerror(bide_ssize error);

/**
 * @brief The constant's name: "BIDE_ECONNREFUSED"; "BIDE_OK" for 0 and counts, "BIDE_ESYSTEM" for a
 * system error without a constant, "BIDE_E?" for a number that is no error of Bide. Static storage.
 * Thread-safe.
 */
BIDE_API const char *bide_error_name(bide_ssize error);

/**
 * @brief The constant for an error number of the operating system (`errno`).
 *
 * @param system_error a positive errno value; 0 gives 0.
 * @return a constant of this header, or `BIDE_ESYSTEM_BASE - system_error`. Thread-safe.
 */
BIDE_API int bide_error_from_system(int system_error);

/**
 * @brief The operating system's number for an error, or 0 if it is one of Bide's own. Thread-safe.
 */
BIDE_API int bide_system_error(bide_ssize error);

/**
 * @brief `bide_error_from_system(errno)`: what an operation given to bide_read_with() returns when its
 * system call failed.
 */
BIDE_API int bide_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
