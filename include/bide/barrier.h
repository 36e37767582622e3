/**
 * @file bide/barrier.h
 * @brief The barrier, where a number of parties meet, and the once, which one of them does for all.
 *
 * Between tasks, threads, or both, as bide/mutex.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_BARRIER_H
#define BIDE_BARRIER_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name The barrier */
/**@{*/

/** A barrier, in storage of the caller's, where it must stay. The fields are private. */
typedef struct bide_barrier {
    uint32_t parties_;
    uint32_t arrived_;
    bide_link queue_;
} bide_barrier;

/** What one of the parties is told: the last to arrive. */
#define BIDE_BARRIER_LAST 1

/** @brief Makes it a meeting of so many parties, at least 1. @return 0, or BIDE_EINVAL. Does not wait. */
BIDE_API int bide_barrier_init(bide_barrier *barrier, uint32_t parties);

/**
 * @brief Checks that it may be given up: as soon as one party's wait of a round has returned, also if those of the
 *   others have not, provided that nobody begins another one.
 *
 * @return 0; BIDE_EBUSY while somebody waits; BIDE_EINVAL for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_barrier_fini(bide_barrier *barrier);

/**
 * @brief Arrives, and waits until all parties have; then the barrier is ready for the next round.
 *
 * One that is cancelled, or whose deadline comes, takes its arrival back: the others go on waiting for it.
 *
 * @return BIDE_BARRIER_LAST to the one that came last, 0 to the others; errors as bide_mutex_lock().
 *
 * @code
 * if (bide_barrier_wait(&all_computed, BIDE_NEVER) == BIDE_BARRIER_LAST) exchange_borders();
 * @endcode
 */
BIDE_API int bide_barrier_wait(bide_barrier *barrier, bide_instant deadline);

/** Waiting at a barrier, as a future: its first poll arrives. */
typedef struct bide_barrier_waiting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_barrier *barrier_;
    bide_waiter waiter_;
    int result; /**< when ready: 0, BIDE_BARRIER_LAST, or BIDE_EINVAL for none; BIDE_ECANCELED after a cancel */
} bide_barrier_waiting;

/** @brief Prepares it; the barrier must outlive it. Does not wait. */
BIDE_API void bide_barrier_waiting_init(bide_barrier_waiting *waiting, bide_barrier *barrier);
/**@}*/

/** @name The once */
/**@{*/

/** A once, in storage of the caller's, where it must stay. The fields are private. */
typedef struct bide_once {
    bide_gate gate_;
    uintptr_t owner_;
} bide_once;

/** One that is still to be done, as is zeroed storage. */
#define BIDE_ONCE_INIT       \
    {                        \
        {0, {NULL, NULL}}, 0 \
    }

/** What the one is told that is to do it. */
#define BIDE_ONCE_RUN 1

/**
 * @brief Has `function(arg)` called once, by the first who comes, while the others wait for it. One that fails has
 *   not been done: the next who waits or comes does it.
 *
 * What the function wrote is seen by everybody to whom this returned 0. The function may wait. A once that is done
 * costs one load.
 *
 * @param function returns 0 or more if it is done, or a negative error, which its caller is given.
 * @param deadline of the wait for another one's call; not of the function.
 * @return 0: it is done; what the function gave, if this caller called it and it failed; BIDE_EDEADLK inside the
 *   function; BIDE_EINVAL for NULL; and errors as bide_mutex_lock().
 *
 * @code
 * static bide_once connected = BIDE_ONCE_INIT;
 * int err = bide_once_run(&connected, connect_to_database, &database, bide_after(BIDE_SECONDS(5)));
 * @endcode
 */
BIDE_API int bide_once_run(bide_once *once, int (*function)(void *arg), void *arg, bide_instant deadline);

/**
 * @brief The first half of bide_once_run(): @return BIDE_ONCE_RUN: the caller is to do it now and to call
 *   bide_once_leave(); 0: it is done; or an error as bide_once_run().
 */
BIDE_API int bide_once_enter(bide_once *once, bide_instant deadline);

/** @brief The second half: it is done, or is to be done by another one. @return 0; BIDE_EPERM if the caller is not
 *   the one that is to do it; BIDE_EINVAL for NULL. Does not wait. */
BIDE_API int bide_once_leave(bide_once *once, bool done);

/** @brief Whether it is done; then all that was written for it is seen. False for NULL. Thread-safe; does not wait. */
BIDE_API bool bide_once_is_done(const bide_once *once);

/** Entering a once, as a future. */
typedef struct bide_once_entering {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_once *once_;
    bide_gate_waiting waiting_;
    int result; /**< when ready: as bide_once_enter(); BIDE_ECANCELED after a cancel. One whose cancel answered
                     BIDE_COMPLETED may have to do it. */
} bide_once_entering;

/** @brief Prepares it; the once must outlive it. Does not wait. */
BIDE_API void bide_once_entering_init(bide_once_entering *entering, bide_once *once);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
