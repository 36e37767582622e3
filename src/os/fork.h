/* What happens to the library's state in the child of a fork(2).
 *
 * A layer whose locks guard more than one word takes them all before the fork and frees them on both sides
 * after it, so that the child, in which only the forking thread exists, finds no lock held by nobody and
 * nothing half done. What was made before the fork (registrations, timers, threads) is the parent's: it is
 * told by bide_os_forks, which has grown in the child, and is never touched there but to be given up.
 *
 * Told are forks through the C library: pthread_atfork(3). vfork(2) and posix_spawn(3), which are followed by
 * exec, need nothing; a raw clone(2) is not seen.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_FORK_H
#define BIDE_OS_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Forks so far in the line of this process' ancestors, itself included, since the library was first used.
 * Only written in a child that has one thread: needs no atomic access. */
extern uint32_t bide_os_forks;

/* What a layer has done at a fork. The child's handlers run when bide_os_forks has grown already. */
struct bide_os_fork_handlers {
    void (*prepare)(void); /* locks; in the order opposite to that of the calls of bide_os_at_fork */
    void (*parent)(void);  /* unlocks; in the order of the calls */
    void (*child)(void);   /* unlocks and gives up; likewise */
};

/* Has the handlers run at each fork from now on. To be called once a table: `*done` is set, by one caller of
 * those that call at the same time. 0 or BIDE_ENOMEM. */
int bide_os_at_fork(const struct bide_os_fork_handlers *handlers, _Atomic bool *done);

#endif
