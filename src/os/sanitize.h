/* Signals and ThreadSanitizer, which runs a handler at once only if the signal comes in a call of the C library that
 * it knows to block. Else it notes the signal and runs the handler at the end of the next call that it knows, and
 * syscall(2) is none: who blocks by that, with a signal noted just before or in between, would sleep on it.
 * Without ThreadSanitizer nothing of this is there.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SANITIZE_H
#define BIDE_OS_SANITIZE_H

#include <stdbool.h>

/* As sigset_t, which not all have who include this. */
typedef struct bide_os_sanitize_mask {
    unsigned long bits[16];
} bide_os_sanitize_mask;

#if defined(__SANITIZE_THREAD__)
#define BIDE_SANITIZE_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIDE_SANITIZE_THREAD 1
#endif
#endif

#ifdef BIDE_SANITIZE_THREAD
/* All of this thread's, after those that are noted are handled; and back to what was blocked before. No access to
 * errno, which would be a race to the sanitizer: it is the thread's, and a switch changes the fiber. */
void bide_os_sanitize_block_signals(bide_os_sanitize_mask *before);
void bide_os_sanitize_unblock_signals(const bide_os_sanitize_mask *before);

/* What is noted is handled. It also makes what signals are noted in, which each thread and fiber has of its own: else the
 * first call that blocks does that, and up to gcc 12 a signal that comes meanwhile is lost. */
void bide_os_sanitize_handle_signals(void);

/* Whether the thread has signals blocked as Bide's own threads have: then none will come. */
bool bide_os_sanitize_no_signals(void);
#endif

#endif
