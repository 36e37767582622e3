/* Whose stack overflowed: a line before the process ends, for programs that ask for it.
 *
 * A fault is an overflow if its address lies in the guard of the stack of the task that runs on the faulting thread.
 * Anything else is none of ours. The task's stack is full then, so that the handler needs another one: each worker
 * makes it when it begins, or at its next look around after the program has asked, and frees it at its end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/log.h"
#include "os/text.h"
#include "task/task.h"

#include <bide/debug.h>

_Atomic bool bide_overflow_watched;

static _Atomic bide_fd told; /* written before the handler is installed */

/* In the signal handler. */
static void tell(const struct bide_task_record *record)
{
    struct bide_os_text text;
    bide_os_text_begin(&text, atomic_load_explicit(&told, memory_order_relaxed));
    bide_os_text_put(&text, "bide: stack overflow in task ");
    bide_os_text_number(&text, record->number);
    if (record->name) {
        bide_os_text_put(&text, " \"");
        bide_os_text_put(&text, record->name);
        bide_os_text_put(&text, "\"");
    }
    bide_os_text_put(&text, ", spawned at ");
    bide_os_text_put(&text, record->place ? record->place : "?");
    bide_os_text_put(&text, ": its stack has ");
    bide_os_text_number(&text, record->stack->size);
    bide_os_text_put(&text, " bytes\n");
    (void)bide_os_text_end(&text);
}

static void on_fault(const void *address)
{
    struct bide_awaiter *awaiter = bide_thread_self()->awaiter;
    const struct bide_stack *stack = bide_stack_guarding(address);
    if (!awaiter || !stack) return;
    const struct bide_task_record *record = bide_task_of(awaiter);
    if (record->stack == stack) tell(record);
}

void bide_overflow_equip(struct bide_worker *worker)
{
    worker->equipped = true;
    int error = bide_os_fault_stack_make(&worker->fault_stack);
    if (error) bide_log(error, "no alternate stack for the overflow handler", NULL);
}

int bide_overflow_handler_install(bide_fd fd)
{
    atomic_store_explicit(&told, fd, memory_order_relaxed);
    int error = bide_os_fault_watch(on_fault);
    if (error) return error;
    atomic_store_explicit(&bide_overflow_watched, true, memory_order_relaxed);
    struct bide_worker *self = bide_worker_self();
    if (self && !self->equipped) bide_overflow_equip(self);
    return 0;
}
