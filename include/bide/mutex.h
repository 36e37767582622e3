/**
 * @file bide/mutex.h
 * @brief The mutex and the condition, between tasks, between threads, and between both.
 *
 * A task that waits here is suspended alone; a plain thread blocks, and drives the reactor meanwhile as every wait
 * does. A mutex of pthreads must not be held across a call that waits, for the task may continue on another thread:
 * this one may. Each is a struct in your storage that needs no clean-up and allocates nothing; zeroed storage is a
 * valid one, and so is what the macro BIDE_MUTEX_INIT or BIDE_CONDITION_INIT gives.
 *
 * **Owner.** A mutex belongs to the task that locked it, or, outside of tasks, to the thread: only that one may
 * unlock it. Several state machines on one thread are one owner; let them use a semaphore.
 *
 * **Order.** Who runs may overtake those who wait, for a hand-over to somebody who sleeps makes all others wait for
 * that one's wake-up. Who was woken and found the mutex taken again is served in its old place, and after the
 * eighth time is handed it: nobody starves.
 *
 * **Fork.** In the child of a fork initialise anew what threads or tasks of the parent may have held or awaited.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_MUTEX_H
#define BIDE_MUTEX_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name The mutex */
/**@{*/

/** A mutex, in storage of the caller's, where it must stay once it is in use. The fields are private. */
typedef struct bide_mutex {
    uintptr_t word_;
    bide_link queue_;
} bide_mutex;

/** A free mutex: `static bide_mutex lock = BIDE_MUTEX_INIT;` */
#define BIDE_MUTEX_INIT \
    {                   \
        0,              \
        {               \
            NULL, NULL  \
        }               \
    }

/** @brief Makes it free; nobody may use it yet. Nothing for NULL. Does not wait. */
BIDE_API void bide_mutex_init(bide_mutex *mutex);

/**
 * @brief Checks that a mutex may be given up. It holds no resources.
 *
 * Its memory may go as soon as its last owner has unlocked it and nobody waits, also if other calls of
 * bide_mutex_unlock() have not returned yet. So the last user of an object may lock its mutex, see that it is the
 * last, unlock, and free the object.
 *
 * @return 0; BIDE_EBUSY while it is held or awaited; BIDE_EINVAL for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_mutex_fini(bide_mutex *mutex);

/**
 * @brief Locks it; waits while somebody else holds it. Uncontended it is one atomic operation.
 *
 * @param deadline BIDE_NOW tries only.
 * @return 0: the caller holds it. BIDE_EDEADLK: the caller held it already (it still does, once), or is in a waker
 *   and would have to wait; BIDE_EAGAIN for BIDE_NOW and BIDE_ETIMEDOUT for any other deadline; BIDE_ECANCELED in
 *   a cancelled task, if it would have to wait; BIDE_EINVAL for NULL; or as bide_await(). After an error the
 *   caller does not hold it.
 *
 * @code
 * int err = bide_mutex_lock(&lock, bide_after(BIDE_SECONDS(1)));
 * if (!err) {
 *     total += amount;
 *     bide_mutex_unlock(&lock);
 * }
 * @endcode
 */
BIDE_API int bide_mutex_lock(bide_mutex *mutex, bide_instant deadline);

/**
 * @brief Unlocks it, and wakes one that waits. Uncontended it is one atomic operation. Does not wait.
 *
 * @return 0; BIDE_EPERM if the caller does not hold it: nothing is changed; BIDE_EINVAL for NULL.
 */
BIDE_API int bide_mutex_unlock(bide_mutex *mutex);

/** Locking a mutex, as a future. Once it was polled, poll it when it is woken, or cancel it: the mutex may have
 * been handed to it. */
typedef struct bide_mutex_locking {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_mutex *mutex_;
    bide_waiter waiter_;
    uintptr_t party_;
    unsigned overtaken_;
    bool roused_;
    int result; /**< when ready: 0: whoever polled holds it; or BIDE_EDEADLK, BIDE_EINVAL; BIDE_ECANCELED after a
                     cancel. One whose cancel answered BIDE_COMPLETED holds it. */
} bide_mutex_locking;

/** @brief Prepares it; the mutex must outlive it. Does not wait. */
BIDE_API void bide_mutex_locking_init(bide_mutex_locking *locking, bide_mutex *mutex);
/**@}*/

/** @name The condition */
/**@{*/

/** A condition: a queue of those who wait for what a mutex guards to change. The fields are private. */
typedef struct bide_condition {
    uint32_t word_;
    bide_link queue_;
} bide_condition;

/** A condition that nobody waits for. */
#define BIDE_CONDITION_INIT \
    {                       \
        0,                  \
        {                   \
            NULL, NULL      \
        }                   \
    }

/** @brief Makes it one that nobody waits for. Nothing for NULL. Does not wait. */
BIDE_API void bide_condition_init(bide_condition *condition);

/**
 * @brief Checks that a condition may be given up: once nobody waits, also if the bide_condition_signal() that
 *   released the last one has not returned yet.
 *
 * @return 0; BIDE_EBUSY while somebody waits; BIDE_EINVAL for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_condition_fini(bide_condition *condition);

/**
 * @brief Unlocks the mutex, waits for a signal, and locks the mutex again.
 *
 * A wait may end without a signal for it: look at what you wait for in a loop. Whatever the outcome, the caller
 * holds the mutex when it returns (unless it did not when it called); for that it may wait beyond the deadline, and
 * in a cancelled task. A wait that was signalled returns 0, also at its deadline: no signal is lost.
 *
 * @return 0; BIDE_EAGAIN (for BIDE_NOW) or BIDE_ETIMEDOUT at the deadline; BIDE_ECANCELED in a cancelled task;
 *   BIDE_EPERM: the caller does not hold the mutex; BIDE_EINVAL for NULL; or as bide_await().
 *
 * @code
 * bide_mutex_lock(&lock, BIDE_NEVER);
 * while (!full && !err) err = bide_condition_wait(&changed, &lock, deadline);
 * bide_mutex_unlock(&lock);
 * @endcode
 */
BIDE_API int bide_condition_wait(bide_condition *condition, bide_mutex *mutex, bide_instant deadline);

/**
 * @brief Ends one wait, that of the longest, or none if nobody waits. Best called with the mutex held, or after
 *   what is waited for was changed under it. Nothing for NULL. Thread-safe; does not wait.
 */
BIDE_API void bide_condition_signal(bide_condition *condition);

/** @brief Ends all waits. Else as bide_condition_signal(). */
BIDE_API void bide_condition_broadcast(bide_condition *condition);

/**
 * A wait for a condition, as a future: its first poll unlocks the mutex, and from then on it ends with the mutex
 * held, also by a cancel, which is BIDE_PENDING as long as that takes (bide_cancel() and races wait for it).
 */
typedef struct bide_condition_waiting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_condition *condition_;
    bide_waiter waiter_;
    bide_mutex_locking locking_;
    int stage_;
    int result; /**< when ready: 0, or BIDE_EPERM, BIDE_EINVAL; BIDE_ECANCELED after a cancel */
} bide_condition_waiting;

/** @brief Prepares it; condition and mutex must outlive it. Does not wait. */
BIDE_API void bide_condition_waiting_init(bide_condition_waiting *waiting, bide_condition *condition,
                                          bide_mutex *mutex);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
