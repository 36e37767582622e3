/* What the two halves of the emulated kqueue(2) share: queues and descriptors in kqueue.c, signals, processes,
 * timers and files in sources.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_KQUEUE_EMULATION_H
#define BIDE_TEST_KQUEUE_EMULATION_H

#include <signal.h>
#include <stdbool.h>
#include <sys/event.h>
#include <sys/stat.h>

#undef close

struct knote {
    struct knote *next;
    struct kevent set;
    int helper; /* a descriptor of ours that is watched for it, or -1 */
    bool disabled;
    bool parked;    /* disabled by hand, and so in no set */
    bool triggered; /* by hand (EVFILT_USER), or by a handler (EVFILT_SIGNAL) */
    int64_t count;  /* signals that a handler has seen */
    struct stat file;
};

/* --- sources.c; under the lock; errors are numbers of errno --- */

/* Opens the helper of a note of those filters, whose `set` is filled in, or changes it to what `set` says now. */
int bide_test_source_open(struct knote *note);
int bide_test_source_change(struct knote *note);

/* What goes with the note. */
void bide_test_source_close(const struct knote *note);

/* Takes what has happened into the event, which is a copy of the note's set. `mask` is what the calling thread blocks
 * without the lock. Returns whether there is anything. */
bool bide_test_source_take(struct knote *note, struct kevent *event, const sigset_t *mask);

/* --- kqueue.c --- */

/* The lock of everything, held with all signals blocked. */
void bide_test_kqueue_lock(sigset_t *before);
void bide_test_kqueue_unlock(const sigset_t *before);

/* Under the lock: counts a signal in each queue of this process that watches it. In signal handlers too. */
void bide_test_kqueue_signalled(int number);

#endif
