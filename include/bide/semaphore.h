/**
 * @file bide/semaphore.h
 * @brief The semaphore, a number of permits, and the wait group, a number of parties still to come.
 *
 * Between tasks, threads, or both, as bide/mutex.h; they have no owner.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_SEMAPHORE_H
#define BIDE_SEMAPHORE_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name The semaphore */
/**@{*/

/** The most permits that a semaphore can have. */
#define BIDE_SEMAPHORE_MAX ((uint32_t)0x7fffffff)

/** A semaphore, in storage of the caller's, where it must stay once it is in use. The fields are private. */
typedef struct bide_semaphore {
    bide_gate gate_;
} bide_semaphore;

/** One with so many permits, 0 to BIDE_SEMAPHORE_MAX; zeroed storage has none. */
#define BIDE_SEMAPHORE_INIT(permits)  \
    {                                 \
        {                             \
            (uint32_t)(permits) << 1, \
            {                         \
                NULL, NULL            \
            }                         \
        }                             \
    }

/** @brief Gives it so many permits; nobody may use it yet. @return 0, or BIDE_EINVAL for NULL or too many. Does not
 *   wait. */
BIDE_API int bide_semaphore_init(bide_semaphore *semaphore, uint32_t permits);

/**
 * @brief Checks that it may be given up. It may go as soon as nobody waits and the last party has what it wanted,
 *   also if the bide_semaphore_release() that gave it has not returned yet.
 *
 * @return 0; BIDE_EBUSY while somebody waits; BIDE_EINVAL for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_semaphore_fini(bide_semaphore *semaphore);

/**
 * @brief Takes permits, all at once; waits until there are so many. Uncontended it is one atomic operation.
 *
 * Served in order: one that wants many is not passed by those behind it that want few.
 *
 * @param permits 0 to BIDE_SEMAPHORE_MAX.
 * @param deadline BIDE_NOW tries only.
 * @return 0; BIDE_EINVAL for NULL or too many; and errors as bide_mutex_lock(). After an error none were taken.
 *
 * @code
 * static bide_semaphore slots = BIDE_SEMAPHORE_INIT(8);   // at most eight at a time
 * if (bide_semaphore_acquire(&slots, 1, BIDE_NEVER) == 0) {
 *     fetch(url);
 *     bide_semaphore_release(&slots, 1);
 * }
 * @endcode
 */
BIDE_API int bide_semaphore_acquire(bide_semaphore *semaphore, uint32_t permits, bide_instant deadline);

/**
 * @brief Adds permits, whoever had them, and lets those pass who wait for them. Does not wait. Thread-safe; not for
 *   signal handlers (bide_event_set() is).
 *
 * @return 0; BIDE_EOVERFLOW: there would be more than BIDE_SEMAPHORE_MAX, none are added; BIDE_EINVAL for NULL.
 */
BIDE_API int bide_semaphore_release(bide_semaphore *semaphore, uint32_t permits);

/** @brief How many there are at this moment; 0 for NULL. Thread-safe; does not wait. */
BIDE_API uint32_t bide_semaphore_permits(const bide_semaphore *semaphore);

/** Taking permits, as a future. */
typedef struct bide_semaphore_acquiring {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_semaphore *semaphore_;
    bide_gate_waiting waiting_;
    int result; /**< when ready: 0, or BIDE_EINVAL; BIDE_ECANCELED after a cancel. One whose cancel answered
                     BIDE_COMPLETED has them. */
} bide_semaphore_acquiring;

/** @brief Prepares it; the semaphore must outlive it. Does not wait. */
BIDE_API void bide_semaphore_acquiring_init(bide_semaphore_acquiring *acquiring, bide_semaphore *semaphore,
                                            uint32_t permits);
/**@}*/

/** @name The wait group */
/**@{*/

/** A wait group, in storage of the caller's, where it must stay once it is in use. The fields are private. */
typedef struct bide_wait_group {
    bide_gate gate_;
} bide_wait_group;

/** One for which nobody is still to come, as is zeroed storage. */
#define BIDE_WAIT_GROUP_INIT \
    {                        \
        {                    \
            0,               \
            {                \
                NULL, NULL   \
            }                \
        }                    \
    }

/** @brief Makes it one for which nobody is to come. Nothing for NULL. Does not wait. */
BIDE_API void bide_wait_group_init(bide_wait_group *group);

/**
 * @brief Checks that it may be given up: as soon as a wait has returned, also if the last bide_wait_group_done() or
 *   other waits have not, provided that nobody begins another call.
 *
 * @return 0; BIDE_EBUSY while somebody waits; BIDE_EINVAL for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_wait_group_fini(bide_wait_group *group);

/**
 * @brief Adds parties that are to come, or takes some off; the last one lets all pass who wait.
 *
 * Add before those begin that will call bide_wait_group_done(), else a wait may find none yet.
 *
 * @return 0; BIDE_EINVAL for NULL, or if fewer than none were left: nothing is changed; BIDE_EOVERFLOW: more than
 *   2^31 - 1. Thread-safe; does not wait.
 */
BIDE_API int bide_wait_group_add(bide_wait_group *group, int32_t delta);

/** @brief `bide_wait_group_add(group, -1)`: this one is done. */
BIDE_API int bide_wait_group_done(bide_wait_group *group);

/** @brief How many are still to come; 0 for NULL. Thread-safe; does not wait. */
BIDE_API uint32_t bide_wait_group_count(const bide_wait_group *group);

/**
 * @brief Waits until none are still to come.
 *
 * @return 0; errors as bide_mutex_lock().
 *
 * @code
 * bide_wait_group_add(&group, 10);
 * for (int i = 0; i < 10; i++) bide_spawn(NULL, work, &group, NULL);   // each ends with bide_wait_group_done()
 * int err = bide_wait_group_wait(&group, BIDE_NEVER);
 * @endcode
 */
BIDE_API int bide_wait_group_wait(bide_wait_group *group, bide_instant deadline);

/** Waiting for a group, as a future. */
typedef struct bide_wait_group_waiting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_wait_group *group_;
    bide_gate_waiting waiting_;
    int result; /**< when ready: 0, or BIDE_EINVAL for no group; BIDE_ECANCELED after a cancel */
} bide_wait_group_waiting;

/** @brief Prepares it; the group must outlive it. Does not wait. */
BIDE_API void bide_wait_group_waiting_init(bide_wait_group_waiting *waiting, bide_wait_group *group);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
