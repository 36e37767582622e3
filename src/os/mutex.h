/* A mutex of four bytes that needs no clean-up: three states over a futex, after U. Drepper, "Futexes Are
 * Tricky" (2011), section "Mutex, Take 2", but for the unlock: it is a store if nobody seems to sleep, for a locked
 * operation there costs as much as the rest of most sections. One who has gone to sleep between the look and the
 * store is not woken then. So sleeps are naps, and each is twice as long as the one before, up to a limit, so that
 * who waits for long hardly wakes for nothing. The gap is a few instructions wide, and a sleep begins with a spin and
 * a system call, so that it is the first naps that somebody may be overlooked in.
 *
 * Why not pthread_mutex_t: forty bytes a source would break the bound on its size, and type-stable memory
 * wants locks that are valid from zeroed storage on and are never destroyed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_MUTEX_H
#define BIDE_OS_MUTEX_H

#include "os/futex.h"

/* 0 free, 1 held, 2 held and somebody may sleep. Zeroed storage is an unlocked mutex. */
typedef struct bide_os_mutex {
    _Atomic uint32_t word;
} bide_os_mutex;

/* The first nap, and the longest. */
#define BIDE_OS_MUTEX_NAP BIDE_MICROSECONDS(200)
#define BIDE_OS_MUTEX_LONGEST_NAP BIDE_MILLISECONDS(20)

void bide_os_mutex_lock_slow(bide_os_mutex *mutex);

static inline void bide_os_mutex_lock(bide_os_mutex *mutex)
{
    uint32_t expected = 0;
    /* acquire: pairs with the release in unlock */
    if (!atomic_compare_exchange_strong_explicit(&mutex->word, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        bide_os_mutex_lock_slow(mutex);
}

/* Takes it if it is free. */
static inline bool bide_os_mutex_try(bide_os_mutex *mutex)
{
    uint32_t expected = 0;
    return atomic_compare_exchange_strong_explicit(&mutex->word, &expected, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* The same, for some milliseconds: longer than any section lasts, unless its thread is stopped. */
bool bide_os_mutex_try_long(bide_os_mutex *mutex);

static inline void bide_os_mutex_unlock(bide_os_mutex *mutex)
{
    /* release: what the holder wrote is seen by the next one's acquire. After the store the mutex may be gone
     * already; the wake uses its address alone. */
    bool sleepers = atomic_load_explicit(&mutex->word, memory_order_relaxed) == 2;
    atomic_store_explicit(&mutex->word, 0, memory_order_release);
    if (sleepers) bide_os_futex_wake_one(&mutex->word);
}

#endif
