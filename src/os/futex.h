/* Waiting on a 32-bit word, as futex(2) does it: the one blocking primitive of the os layer besides the
 * poller. Mutexes, contexts and quiescence waits stand on it.
 *
 * The wakes are async-signal-safe: bide_event_set needs it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_FUTEX_H
#define BIDE_OS_FUTEX_H

#include <bide/time.h>

#include <stdatomic.h>

/* Public structures hold plain uint32_t fields (headers must be C++ too); the library reads them as
 * atomics through this. Both have one representation on every supported compiler, which is asserted. */
#define BIDE_ATOMIC_U32(pointer) ((_Atomic uint32_t *)(pointer))
_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "atomic words are plain words");
_Static_assert(_Alignof(_Atomic uint32_t) == _Alignof(uint32_t), "atomic words are aligned as plain words");

/* Sleeps while *word == expected. Returns after a wake, at the deadline, when the word differs, after a
 * signal, or for no reason: the caller looks again. Not a cancellation point. Keeps errno. */
void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline);

/* Wakes one sleeper, or all. The word's memory need not exist any more: only its address is used. */
void bide_os_futex_wake_one(_Atomic uint32_t *word);
void bide_os_futex_wake_all(_Atomic uint32_t *word);

/* For fork.c: this is the child of a fork, in which nobody else sleeps any more. */
void bide_os_futex_forked(void);

/* What a spinning processor should do between two looks. */
static inline void bide_os_spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
