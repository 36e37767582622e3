/**
 * @file bide/rwlock.h
 * @brief The read-write lock: many readers at a time, or one writer.
 *
 * Between tasks, threads, or both, as bide/mutex.h, whose words on owners and forks hold here too.
 *
 * **Fair**: parties are served in the order in which they came; readers that stand next to each other go together.
 * A reader that comes while a writer waits queues up behind it. So do not lock for reading twice: the second may wait
 * for a writer that waits for the first. There is no upgrade either: two readers that want it would wait for each
 * other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_RWLOCK_H
#define BIDE_RWLOCK_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** For what it is locked. */
typedef enum bide_rwlock_mode {
    BIDE_RWLOCK_READ = 0, /**< beside other readers */
    BIDE_RWLOCK_WRITE = 1 /**< alone */
} bide_rwlock_mode;

/** A read-write lock, in storage of the caller's, where it must stay once it is in use. The fields are private. */
typedef struct bide_rwlock {
    bide_gate gate_;
    uintptr_t owner_;
} bide_rwlock;

/** A free one, as is zeroed storage. */
#define BIDE_RWLOCK_INIT     \
    {                        \
        {0, {NULL, NULL}}, 0 \
    }

/** @brief Makes it free; nobody may use it yet. Nothing for NULL. Does not wait. */
BIDE_API void bide_rwlock_init(bide_rwlock *rwlock);

/**
 * @brief Checks that it may be given up: its memory may go as soon as its last holder has unlocked it and nobody
 *   waits, also if other unlocks have not returned yet.
 *
 * @return 0; BIDE_EBUSY while it is held or awaited; BIDE_EINVAL for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_rwlock_fini(bide_rwlock *rwlock);

/**
 * @brief Locks it for reading. Uncontended it is one atomic operation.
 *
 * @param deadline BIDE_NOW tries only.
 * @return 0; BIDE_EDEADLK: the caller holds it for writing; and errors as bide_mutex_lock().
 *
 * @code
 * if (bide_rwlock_lock_read(&table_lock, BIDE_NEVER) == 0) {
 *     value = find(table, key);
 *     bide_rwlock_unlock_read(&table_lock);
 * }
 * @endcode
 */
BIDE_API int bide_rwlock_lock_read(bide_rwlock *rwlock, bide_instant deadline);

/** @brief Locks it for writing. Else as bide_rwlock_lock_read(). */
BIDE_API int bide_rwlock_lock_write(bide_rwlock *rwlock, bide_instant deadline);

/**
 * @brief Ends a reader's hold. Readers are counted, not known: it need not be the one that locked it. Does not wait.
 *
 * @return 0; BIDE_EPERM if nobody holds it for reading; BIDE_EINVAL for NULL.
 */
BIDE_API int bide_rwlock_unlock_read(bide_rwlock *rwlock);

/** @brief Ends the writer's hold. @return 0; BIDE_EPERM if the caller is not the writer; BIDE_EINVAL for NULL. Does
 *   not wait. */
BIDE_API int bide_rwlock_unlock_write(bide_rwlock *rwlock);

/** Locking it, as a future. */
typedef struct bide_rwlock_locking {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_rwlock *rwlock_;
    bide_gate_waiting waiting_;
    int result; /**< when ready: 0, or BIDE_EDEADLK, BIDE_EINVAL; BIDE_ECANCELED after a cancel. One whose cancel
                     answered BIDE_COMPLETED holds it. */
} bide_rwlock_locking;

/** @brief Prepares it; the lock must outlive it. Does not wait. */
BIDE_API void bide_rwlock_locking_init(bide_rwlock_locking *locking, bide_rwlock *rwlock,
                                       bide_rwlock_mode mode);

#ifdef __cplusplus
}
#endif

#endif
