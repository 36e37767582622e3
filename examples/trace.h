/* Counts what a piece of a program costs, without special rights. System calls: a child process runs it, and
 * its parent watches with ptrace(2). Context switches: /proc tells. Linux.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_TRACE_H
#define EXAMPLES_TRACE_H

#include <stddef.h>

/* Runs `run(arg)` in a child process and counts the system calls that all its threads make between
 * trace_begin(i) and trace_end(), in calls[i] for each i below `count`. Call it while the process has one
 * thread. Returns NULL, or why that was not possible here. */
const char *trace_run(void (*run)(void *arg), void *arg, long *calls, size_t count);

/* From here on, calls belong to that counter, or to none. Each is a system call that is not counted itself,
 * and does nothing in a process that is not watched. */
void trace_begin(size_t counter);
void trace_end(void);

/* The thread's id, by which trace_switches() knows it. */
int trace_thread(void);

/* How often a thread of this process has gone to sleep and been woken so far (its voluntary context
 * switches); -1 if the system does not tell. */
long trace_switches(int thread);

#endif
