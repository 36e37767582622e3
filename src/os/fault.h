/* Faults of memory (SIGSEGV, SIGBUS): who wants to be told of them before what was there handles them. The one place
 * of the library that installs signal handlers, and only because the program asked for it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_FAULT_H
#define BIDE_OS_FAULT_H

#include <stddef.h>

/* Has the function called with the address of each fault of a thread of this process, on that thread, in the signal
 * handler. It may only do what is async-signal-safe. Afterwards the fault goes to the handler that was there before,
 * or has its default action, as if nobody had looked. Once is enough: a second call changes the function alone. 0, or
 * the system's error. */
int bide_os_fault_watch(void (*function)(const void *address));

/* Where a thread's handlers run whose own stack is full. */
struct bide_os_fault_stack {
    void *pages; /* NULL: none of ours */
    size_t length;
};

/* Gives the calling thread one, unless it has one already, which is left alone. 0 or BIDE_ENOMEM. */
int bide_os_fault_stack_make(struct bide_os_fault_stack *stack);

/* Takes it from the calling thread, if it is ours. */
void bide_os_fault_stack_free(struct bide_os_fault_stack *stack);

#endif
