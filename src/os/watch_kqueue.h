/* What kqueue(2) tells of signals, processes, timers and files: one queue of the kernel for each source.
 *
 * INVARIANTS
 * 1. What a source watches is fixed when it is made; taking an event changes nothing but the kernel's memory of it.
 *    A process is the exception: what is known of its end is kept here, under the lock.
 * 2. The queue of a process that has ended stays readable for ever, by a timer that nobody takes: the kernel tells
 *    the end once, but all who wait must hear of it, also one whose wake was spoilt by another who took it.
 * *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_WATCH_KQUEUE_H
#define BIDE_OS_WATCH_KQUEUE_H

#include "os/mutex.h"

#include <bide/os/kqueue.h>

enum bide_os_watch_kind {
    BIDE_OS_WATCH_SIGNALS,
    BIDE_OS_WATCH_PROCESS,
    BIDE_OS_WATCH_TIMER,
    BIDE_OS_WATCH_FILE
};

typedef struct bide_os_watch {
    bide_fd queue;
    pid_t owner; /* children of fork(2) do not have the queue */
    enum bide_os_watch_kind kind;
    long subject;       /* the process or the file */
    bide_os_mutex lock; /* of a process' end */
    bool ended;
    int status;
    int pause; /* milliseconds until a child that is ending is looked at again */
} bide_os_watch;

/* Open the queue and watch. 0 or an error, after which nothing is open. */
int bide_os_watch_signals(bide_os_watch *watch, const int *numbers, size_t count);
int bide_os_watch_process(bide_os_watch *watch, pid_t process);
int bide_os_watch_timer(bide_os_watch *watch, bide_duration period, bool repeat);
int bide_os_watch_file(bide_os_watch *watch, bide_fd file, unsigned changes);

/* The next event: 1, or BIDE_EAGAIN, or another error. From any thread. */
int bide_os_watch_take(bide_os_watch *watch, bide_kqueue_event *event);

/* Closes the queue; in a child of fork(2) the number is nobody's, or another's. */
void bide_os_watch_close(const bide_os_watch *watch);

#endif
