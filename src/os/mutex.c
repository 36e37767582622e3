/* The contended half of the mutex: see mutex.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/mutex.h"

/* Critical sections are some tens of instructions; a sleep and its wake cost two system calls and often
 * two switches, so a short spin pays on more than one processor and costs little on one. */
#define SPINS 100

void bide_os_mutex_lock_slow(bide_os_mutex *mutex)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t expected = 0;
        if (atomic_load_explicit(&mutex->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&mutex->word, &expected, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        bide_os_spin_pause();
    }
    bide_duration nap = BIDE_OS_MUTEX_NAP;
    while (atomic_exchange_explicit(&mutex->word, 2, memory_order_acquire) != 0) {
        bide_os_futex_wait(&mutex->word, 2, bide_after(nap));
        if (nap < BIDE_OS_MUTEX_LONGEST_NAP) nap *= 2;
    }
}

bool bide_os_mutex_try_long(bide_os_mutex *mutex)
{
    for (int i = 0; i < SPINS; i++) {
        if (bide_os_mutex_try(mutex)) return true;
        bide_os_spin_pause();
    }
    /* A thread in a section may have lost its processor for a time slice. Nobody wakes a word of our own. */
    for (int i = 0; i < 20; i++) {
        _Atomic uint32_t nobody = 0;
        bide_os_futex_wait(&nobody, 0, bide_after(BIDE_MILLISECONDS(1)));
        if (bide_os_mutex_try(mutex)) return true;
    }
    return false;
}
