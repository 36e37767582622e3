/**
 * @file bide/async.h
 * @brief `bide_async`: an adapter that makes any pollable descriptor awaitable.
 *
 * Wrap a socket, a pipe, an eventfd, a terminal; then read, write, or wait for readiness, with a deadline, on
 * the calling thread or as a future. One call can be adopted alone: borrow a descriptor, wait, give it back
 * as it was.
 *
 * **Threads.** A handle may be used by several threads at once, also while one frees it: their operations end
 * with BIDE_ECANCELED. **Fairness.** A call that succeeds without waiting yields to the others every 128th
 * time. **Waiting.** Only functions that take a deadline wait for readiness; bide_async_free() and
 * bide_async_into_fd() wait for system calls of other threads on the descriptor.
 *
 * **Fork.** In the child of a fork(2) the parent's handles give BIDE_EFORKED; bide_async_into_fd() there
 * gives the descriptor out, to be wrapped anew, and bide_async_free() closes the child's copy: neither
 * changes what the parent has. The child has a fresh global reactor. Events and sets that threads of the
 * parent were waiting on, and reactors made by hand, are of no use in the child but to be freed or
 * initialised anew. Do not fork in a waker.
 *
 * **Deadlines.** BIDE_NEVER waits for ever; BIDE_NOW tries once and gives BIDE_EAGAIN; any other gives
 * BIDE_ETIMEDOUT once it has passed and a last try found nothing. Operations that finish at the same moment
 * keep their result.
 *
 * **Errors of every operation**, besides those of its system call: BIDE_ECANCELED (the handle was freed, or
 * its reactor shut down, meanwhile), BIDE_EFREED (freed before), BIDE_EFORKED (made by the parent of this
 * process), BIDE_EDEADLK (inside a waker), BIDE_EINVAL (NULL), BIDE_ENOMEM (first wait of a thread), and for
 * futures polled in the background BIDE_ENOTHREAD and BIDE_ENOTSUP.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_ASYNC_H
#define BIDE_ASYNC_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A wrapped descriptor. */
typedef struct bide_async bide_async;

/** @name Wrapping */
/**@{*/

/**
 * @brief Wraps a descriptor, makes it non-blocking, and owns it from now on: bide_async_free() closes it.
 *
 * @param[out] out the handle; NULL after an error.
 * @return 0; after an error the descriptor is the caller's still, and in the mode it was:
 *   BIDE_EBADF (closed or negative), BIDE_ENOTPOLLABLE (regular file, folder; with epoll, devices such as
 *   /dev/null), BIDE_EEXIST (registered here already: the first registration goes on), BIDE_EINVAL (`out`
 *   NULL), BIDE_ENOMEM, BIDE_ENOSPC (limit on watches), BIDE_EMFILE, BIDE_EBACKEND … (the reactor could not
 *   be opened).
 */
BIDE_API int bide_async_new(bide_async **out, bide_fd fd);

/** @brief As bide_async_new() for one that is non-blocking already: only registers it. */
BIDE_API int bide_async_new_nonblocking(bide_async **out, bide_fd fd);

/**
 * @brief Registers a descriptor without owning it: its flags are never changed, and bide_async_free() does
 *   not close it.
 *
 * For waiting (bide_wait_readable() …) and for operations of your own on a descriptor that another library
 * reads. Bide's own reads and writes work on it if it is non-blocking; on one that blocks they give
 * BIDE_EINVAL, for they could wait past any deadline. Free the handle before the descriptor is closed.
 *
 * @return as bide_async_new().
 */
BIDE_API int bide_async_borrow(bide_async **out, bide_fd fd);

/** bide_async_into_fd(): restore the blocking mode in which bide_async_new() found it. */
#define BIDE_RESTORE_MODE 1u

/**
 * @brief Deregisters and gives the descriptor back, open; frees the handle. Who waits gets BIDE_ECANCELED.
 *
 * @param flags 0: it stays non-blocking; or BIDE_RESTORE_MODE.
 * @param fd where to put it; may be NULL for a borrowed one.
 * @return 0, BIDE_EINVAL, BIDE_EFREED, BIDE_EDEADLK (in a waker, or in an operation on this handle).
 */
BIDE_API int bide_async_into_fd(bide_async *async, unsigned flags, bide_fd *fd);

/**
 * @brief Deregisters, closes if owned, frees the handle. Synchronous.
 *
 * Who waits on it is woken with BIDE_ECANCELED; returns when no system call of another thread is running on
 * the descriptor any more.
 *
 * @param async may be NULL: nothing happens.
 * @return 0, BIDE_EFREED (a second time), BIDE_EDEADLK (in a waker, or inside an operation on this handle).
 */
BIDE_API int bide_async_free(bide_async *async);

/**
 * @brief The descriptor; BIDE_INVALID_FD for NULL or a freed handle. It stays the handle's: do not close it.
 */
BIDE_API bide_fd bide_async_fd(const bide_async *async);
/**@}*/

/** @name Readiness
 * "Readable" means that a read would not block: data, the end, or an error. What is remembered is confirmed
 * with the kernel, so that it holds also for descriptors that others read. Any number of waiters. */
/**@{*/

/** @brief Waits until it is readable. @return 0, or see the top of this page. */
BIDE_API int bide_wait_readable(bide_async *async, bide_instant deadline);

/** @brief Waits until it is writable. @return as bide_wait_readable(). */
BIDE_API int bide_wait_writable(bide_async *async, bide_instant deadline);

/** Waiting for readiness as a future. */
typedef struct bide_readiness {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_waiter waiter_;
    bide_async *async_;
    uint32_t generation_;
    uint32_t direction_;
    uint32_t seen_;
    bool waited_;
    bide_instant limit_;
    int result; /**< when ready: 0 or an error */
} bide_readiness;

/** Readiness for reading: `bide_readable ready; bide_readable_init(&ready, conn);` */
typedef bide_readiness bide_readable;
/** Readiness for writing. */
typedef bide_readiness bide_writable;

/** @brief Prepares a wait for reading. For NULL its result will be BIDE_EINVAL. */
BIDE_API void bide_readable_init(bide_readable *readable, bide_async *async);
/** @brief Prepares a wait for writing. The same. */
BIDE_API void bide_writable_init(bide_writable *writable, bide_async *async);

/**
 * @brief For hand-written state machines: asks for readability, and leaves a waker if there is none.
 *
 * One waker a direction is kept, the newest; the one it replaces is called. It is called once and then
 * forgotten.
 *
 * @param waker copied; its `wake` must not be NULL. Until it was called or withdrawn, what it points at must
 *   stay.
 * @return BIDE_READY; BIDE_PENDING: the waker will be called; BIDE_EINVAL, BIDE_EFREED, BIDE_ECANCELED,
 *   BIDE_EDEADLK in a waker, BIDE_ENOTHREAD, BIDE_ENOTSUP, BIDE_ENOMEM.
 *
 * @code
 * bide_waker waker = {note, &machine};
 * if (bide_async_poll_readable(conn, waker) == BIDE_READY) step(&machine);
 * @endcode
 */
BIDE_API int bide_async_poll_readable(bide_async *async, bide_waker waker);

/** @brief The same for writing. */
BIDE_API int bide_async_poll_writable(bide_async *async, bide_waker waker);

/**
 * @brief Withdraws the waker that bide_async_poll_readable() or _writable() left. When it returns the waker
 *   is not running and will not be called.
 *
 * @return 0, also when there was none; BIDE_EINVAL, BIDE_EFREED, BIDE_EDEADLK.
 */
BIDE_API int bide_async_forget(bide_async *async, bide_direction direction);
/**@}*/

/** @name Reading and writing
 * Direct calls: they return a count (0 at the end of a stream, for reads of at least one byte) or an error.
 * No SIGPIPE is raised: BIDE_EPIPE. */
/**@{*/
/** @brief Reads up to `length` bytes. */
BIDE_API bide_ssize bide_read(bide_async *async, void *buffer, size_t length, bide_instant deadline);
/** @brief Writes up to `length` bytes: may be less than all, see bide_write_all(). */
BIDE_API bide_ssize bide_write(bide_async *async, const void *buffer, size_t length, bide_instant deadline);
/** @brief Reads into several buffers. `count` up to the system's limit (1,024), else BIDE_EINVAL. */
BIDE_API bide_ssize bide_readv(bide_async *async, const bide_buffer *buffers, size_t count,
                               bide_instant deadline);
/** @brief Writes from several buffers. `count` as bide_readv(). */
BIDE_API bide_ssize bide_writev(bide_async *async, const bide_buffer *buffers, size_t count,
                                bide_instant deadline);
/** @brief Looks at what the next read will give, without taking it. Sockets only: else BIDE_ENOTSOCK. */
BIDE_API bide_ssize bide_peek(bide_async *async, void *buffer, size_t length, bide_instant deadline);

/**
 * @brief Reads exactly `length` bytes. @param done NULL, or where the number of bytes read is put, on every
 *   outcome.
 * @return 0, BIDE_EEOF if the stream ended before, or an error. Of no bytes: 0 or the handle's error, without
 *   a system call.
 */
BIDE_API int bide_read_exact(bide_async *async, void *buffer, size_t length, bide_instant deadline,
                             size_t *done);

/**
 * @brief Writes all. @param done NULL, or where the number of bytes written is put, on every outcome.
 * @return 0 or an error. Of no bytes: as bide_read_exact().
 */
BIDE_API int bide_write_all(bide_async *async, const void *buffer, size_t length, bide_instant deadline,
                            size_t *done);

/** Answers of an operation of the caller's: "wait until readable / writable, then call me again", whichever
 * its direction. */
enum {
    BIDE_WANT_READ = -301, /**< wait until it is readable */
    BIDE_WANT_WRITE = -302 /**< wait until it is writable */
};

/**
 * An operation of the caller's: does its system calls on the descriptor without blocking, and returns a
 * count, an error (bide_last_error() after a failed call; BIDE_EAGAIN: wait in its own direction),
 * BIDE_WANT_READ or BIDE_WANT_WRITE. It must not wait, and not free the handle. What holds of Bide's own
 * operations (no SIGPIPE, nothing moved when stopped) is up to it.
 */
typedef bide_ssize (*bide_operation)(void *arg, bide_fd fd);

/** @brief Runs an operation that reads, as often as it wants to wait. @return what it returned. */
BIDE_API bide_ssize bide_read_with(bide_async *async, bide_operation operation, void *arg,
                                   bide_instant deadline);
/** @brief Runs an operation that writes. @return what it returned. */
BIDE_API bide_ssize bide_write_with(bide_async *async, bide_operation operation, void *arg,
                                    bide_instant deadline);

/**
 * @brief Gives all later waits in one direction of the handle a time-out, as SO_RCVTIMEO and SO_SNDTIMEO do for
 *   calls that block: BIDE_ETIMEDOUT when it is over, though the call's own deadline be later.
 *
 * It runs from the moment when an operation has to wait: one that need not is not slowed down, and nothing is
 * armed. A call that waits several times, as bide_read_exact(), gives up when nothing has come for so long. The
 * earlier of it and the call's deadline counts; BIDE_NOW stays what it is. What waits in the read direction is
 * reading, receiving, accepting, peeking and waiting for readability; in the write direction writing, sending and
 * waiting for writability; operations of the caller's in the direction that they want.
 *
 * It applies to direct calls and to futures that are awaited, also within races, joins and time-outs, on threads and
 * in tasks. It does not apply to members of a set, or to futures polled by hand that are not polled again at
 * bide_context_limit(): use a bide_timeout there. Nor to stored wakers (bide_async_poll_readable()), to connecting,
 * or to messages to Unix addresses.
 *
 * @param timeout nanoseconds, kept in milliseconds, rounded up; 0, or more than 49 days: none, which is so at first.
 * @return 0; BIDE_EINVAL (NULL, no direction, negative), BIDE_EFREED, BIDE_ECANCELED, BIDE_EFORKED. Thread-safe; what
 *   waits already keeps the time-out with which it began. Does not wait.
 *
 * @code
 * bide_async_set_timeout(conn, BIDE_READ, BIDE_SECONDS(30));
 * bide_ssize got = bide_read(conn, line, sizeof line, BIDE_NEVER); // BIDE_ETIMEDOUT after 30 s of silence
 * @endcode
 */
BIDE_API int bide_async_set_timeout(bide_async *async, bide_direction direction, bide_duration timeout);

/** @brief The standing time-out of that direction in nanoseconds; 0: none, or no handle. Thread-safe. */
BIDE_API bide_duration bide_async_timeout(const bide_async *async, bide_direction direction);

/** @brief Shuts a socket's direction down: BIDE_WRITE ends the peer's reads. @return 0 or an error.
 * Does not wait. */
BIDE_API int bide_async_shutdown(bide_async *async, bide_direction direction);
/**@}*/

/** One input or output operation as a future. Buffers must stay until it is ready or cancelled; a read or
 * write that was stopped has moved no bytes. */
typedef struct bide_io {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_waiter waiter_;
    bide_async *async_;
    uint32_t generation_;
    uint8_t kind_;
    uint8_t direction_;
    void *address_;
    size_t length_;
    bide_operation operation_;
    bide_instant limit_;
    uintptr_t reserved_[3]; /* for back ends that complete operations in the kernel */
    bide_ssize result;      /**< when ready: a count or an error */
} bide_io;

/** @name Operations as futures: prepare, then await, race, or put into a set */
/**@{*/
/** @brief As bide_read(). */
BIDE_API void bide_io_read(bide_io *io, bide_async *async, void *buffer, size_t length);
/** @brief As bide_write(). */
BIDE_API void bide_io_write(bide_io *io, bide_async *async, const void *buffer, size_t length);
/** @brief As bide_readv(); the array must stay too. */
BIDE_API void bide_io_readv(bide_io *io, bide_async *async, const bide_buffer *buffers, size_t count);
/** @brief As bide_writev(). */
BIDE_API void bide_io_writev(bide_io *io, bide_async *async, const bide_buffer *buffers, size_t count);
/** @brief As bide_peek(). */
BIDE_API void bide_io_peek(bide_io *io, bide_async *async, void *buffer, size_t length);
/** @brief As bide_read_with(). */
BIDE_API void bide_io_read_with(bide_io *io, bide_async *async, bide_operation operation, void *arg);
/** @brief As bide_write_with(). */
BIDE_API void bide_io_write_with(bide_io *io, bide_async *async, bide_operation operation, void *arg);
/**
 * @brief Awaits a prepared operation: bide_await() and the operation's result in one value.
 *
 * @return the count, or the operation's error, or that of the await (BIDE_EAGAIN, BIDE_ETIMEDOUT,
 *   BIDE_EDEADLK …).
 */
BIDE_API bide_ssize bide_io_await(bide_io *io, bide_instant deadline);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
