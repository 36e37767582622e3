/**
 * @file bide/reactor.h
 * @brief Reactors: who waits in the kernel for everybody, and reactors of your own for other event loops.
 *
 * Most programs never name a reactor. A global one is made on first use; the thread that waits drives it, one
 * thread at a time, and when nobody does while something still waits in the background (a waker of yours, a
 * set polled by your own loop), a thread named "async-io" does.
 *
 * A reactor made by bide_reactor_new() starts no thread, and runs wakers only where its owner drives it: in
 * bide_reactor_run_once(), or in the waits of a thread that has entered it.
 *
 * **Threads.** Every function here may be called from any thread; enter and leave change the calling thread
 * alone. A reactor must not be used while, or after, it is freed. Only bide_reactor_run_once() waits for
 * events; bide_reactor_free() and bide_shutdown() wait for calls of other threads that are just ending.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_REACTOR_H
#define BIDE_REACTOR_H

#include <bide/error.h>
#include <bide/future.h>
#include <bide/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A reactor: a poller, the timers that belong to it, and the role of driving both. */
typedef struct bide_reactor bide_reactor;

/** Counts since the reactor was made, for programs that want to see what they cost. */
typedef struct bide_reactor_stats {
    uint64_t turns;  /**< waits in the poller */
    uint64_t events; /**< events that the poller reported */
    uint64_t timers; /**< timers that fired */
    /** Interruptions of a blocked driver because of an earlier timer or a taken-back role. */
    uint64_t notifies;
    uint64_t hand_overs;   /**< times that a standby took the role because it stayed vacant */
    size_t timers_pending; /**< timers armed now */
    size_t background;     /**< futures that wait in the background now */
} bide_reactor_stats;

/**
 * @brief Makes a reactor of your own.
 *
 * @param[out] out the reactor; bide_reactor_free() frees it. NULL after an error.
 * @param backend as bide_poller_new().
 * @return 0, BIDE_EINVAL, or an error of bide_poller_new(). Does not wait.
 *
 * @code
 * bide_reactor *mine;
 * int err = bide_reactor_new(&mine, NULL);
 * bide_reactor *before = bide_reactor_enter(mine);
 * @endcode
 */
BIDE_API int bide_reactor_new(bide_reactor **out, const char *backend);

/**
 * @brief Cancels everything that waits on it (BIDE_ECANCELED) and frees it.
 *
 * Async handles made on it stay valid for bide_async_free() and bide_async_into_fd(), nothing else.
 *
 * @return 0, BIDE_EINVAL for NULL or the global reactor, BIDE_EBUSY while a thread drives it or has entered
 *   it, BIDE_EFREED if it was freed before, BIDE_EDEADLK in a waker.
 */
BIDE_API int bide_reactor_free(bide_reactor *reactor);

/** @brief The global reactor; it is opened on first use, and never freed. Never NULL. */
BIDE_API bide_reactor *bide_reactor_global(void);

/** @brief The calling thread's current reactor: the one it has entered, else the global one. Never NULL. */
BIDE_API bide_reactor *bide_reactor_current(void);

/**
 * @brief Makes the reactor current for the calling thread: new sources and timers join it, waits drive it.
 *
 * @param reactor NULL: the global one.
 * @return the one that was current before, to be given to bide_reactor_leave(). A thread leaves before it
 *   ends.
 */
BIDE_API bide_reactor *bide_reactor_enter(bide_reactor *reactor);

/** @brief Makes `previous`, the return value of bide_reactor_enter(), current again. */
BIDE_API void bide_reactor_leave(bide_reactor *previous);

/**
 * @brief The name of the back end in use (see bide/poller.h): static storage. NULL for NULL and if the reactor
 *   could not be opened. Opens it; does not wait.
 */
BIDE_API const char *bide_reactor_backend(bide_reactor *reactor);

/**
 * @brief One turn: waits until something happens or the deadline, and runs the wakers that are due.
 *
 * At most one batch of events and timers is handled, so that a loop of turns stays fair to its caller.
 *
 * @param deadline BIDE_NOW does not wait.
 * @return how many events and timers were handled (0 at the deadline or after a notify), BIDE_EBUSY while
 *   another thread drives it, BIDE_EDEADLK in a waker, BIDE_EINVAL for NULL, or an error of bide_poller_new()
 *   or bide_poller_wait().
 *
 * @code
 * int handled = bide_reactor_run_once(mine, BIDE_NOW);
 * @endcode
 */
BIDE_API int bide_reactor_run_once(bide_reactor *reactor, bide_instant deadline);

/**
 * @brief When the next turn is due at the latest: the earliest timer, BIDE_NOW if wakes are due already,
 *   BIDE_NEVER without timers, for NULL, and if it cannot be opened. From now on bide_reactor_fd() becomes
 *   readable when an earlier one is added. Does not wait.
 */
BIDE_API bide_instant bide_reactor_next_deadline(bide_reactor *reactor);

/**
 * @brief A descriptor for another event loop: readable when a turn is worth while.
 *
 * It becomes readable also when a source or a timer earlier than the last bide_reactor_next_deadline() is
 * added from another thread. Poll it for reading, then call bide_reactor_run_once() with BIDE_NOW. Never read
 * or close it.
 *
 * @param[out] out the descriptor, which stays the reactor's.
 * @return 0, BIDE_EINVAL for NULL, BIDE_ENOTSUP where the back end has none ("poll"), BIDE_ECANCELED if it is
 *   just being shut down, or an error of bide_poller_new(). Does not wait.
 */
BIDE_API int bide_reactor_fd(bide_reactor *reactor, bide_fd *out);

/** @brief Reads the counts. @return 0, or BIDE_EINVAL for NULL. Does not wait. */
BIDE_API int bide_reactor_stats_read(bide_reactor *reactor, bide_reactor_stats *stats);

/**
 * @brief Forbids (or allows again) helper threads, and threads for blocking jobs. What needs one then answers
 *   BIDE_ENOTSUP.
 *
 * One that runs already goes on: until bide_shutdown(), those for jobs until they have none. Thread-safe;
 * does not wait.
 */
BIDE_API void bide_set_threads(bool allowed);

/**
 * @brief Cancels everything that waits on the global reactor, joins the helper thread and gives back
 *   descriptors; cancels blocking jobs that wait for a thread, waits for those that run, and joins their
 *   threads.
 *
 * Pending futures become ready with BIDE_ECANCELED. Async handles on it stay valid for bide_async_free() and
 * bide_async_into_fd(). A name's look-up that was given up may still run in the system's resolver, which
 * nothing can stop: that is waited for too. A later use of Bide opens the global reactor anew.
 *
 * @return 0, BIDE_EDEADLK in a waker, a blocking job or a task, BIDE_EBUSY while another thread waits on it in
 *   bide_block_on().
 */
BIDE_API int bide_shutdown(void);

#ifdef __cplusplus
}
#endif

#endif
