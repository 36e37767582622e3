/* Threads of Bide's own, and what a thread keeps for Bide.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_THREAD_H
#define BIDE_OS_THREAD_H

#include <bide/time.h>

#ifdef _WIN32
typedef void *bide_os_thread; /* a HANDLE */
#else
#include <pthread.h>
typedef pthread_t bide_os_thread;
#endif

/* Starts a thread that runs function(arg). It is named (at most 15 bytes on Linux) and blocks all signals
 * but the synchronous ones (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT), so that handlers
 * run on the program's own threads. Returns 0, or BIDE_ENOTHREAD when the system has no room for one. */
int bide_os_thread_start(bide_os_thread *thread, const char *name, void (*function)(void *), void *arg);

/* Waits for its end and frees it. Not a cancellation point. */
void bide_os_thread_join(bide_os_thread thread);

/* Whether the calling thread is that one. */
bool bide_os_thread_is_self(bide_os_thread thread);

/* Lets another thread have the processor. */
void bide_os_thread_yield(void);

/* Names the calling thread, where the system has names. */
void bide_os_thread_name_self(const char *name);

/* The kernel may round this thread's time-outs up by its timer slack (50 us by default, prctl(2)); this
 * lowers it to the least. Only for threads of ours: the program's threads keep what they chose. */
void bide_os_thread_precise_timers(void);

/* Turns pthread_cancel(3) off for the calling thread and tells what was set, for restore. */
int bide_os_cancel_disable(void);
void bide_os_cancel_restore(int state);

/* Arranges that function(arg) runs when the calling thread ends. At most one a thread: a second call
 * replaces the first. Returns 0 or BIDE_ENOMEM. */
int bide_os_thread_at_exit(void (*function)(void *), void *arg);

#endif
