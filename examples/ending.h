/* The end of a process as a future, by what the system has for it: a pidfd on Linux (ending_pidfd.c), kqueue(2) on
 * macOS and the BSDs (ending_kqueue.c). One process at a time: `process` has no more.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_ENDING_H
#define EXAMPLES_ENDING_H

#include <bide.h>

#include <sys/types.h>

/* Watches a child, which stays to be waited for. *end is ready when it has ended. 0 or an error. */
int ending_watch(pid_t child, bide_future **end);

/* Whether that future could tell: 0 or an error. */
int ending_result(void);

/* Forgets it, when the future is ready or was cancelled; or if nothing was watched. */
void ending_forget(void);

#endif
