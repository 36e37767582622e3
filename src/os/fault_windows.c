/* Faults by a vectored exception handler: see fault.h.
 *
 * WHAT DOES NOT WORK. The system delivers a fault on the stack of the thread that faulted: one whose own stack is
 * full ends the process before anybody can be told.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/fault.h"

#include "os/mutex.h"
#include "os/system_windows.h"

static _Atomic(void (*)(const void *)) told;

static bide_os_mutex lock; /* guards the installing */
static void *installed;

static LONG CALLBACK on_fault(EXCEPTION_POINTERS *fault)
{
    const EXCEPTION_RECORD *record = fault->ExceptionRecord;
    /* acquire: pairs with the release below */
    void (*function)(const void *) = atomic_load_explicit(&told, memory_order_acquire);
    DWORD error = GetLastError();
    if (record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && record->NumberParameters >= 2 && function)
        function((const void *)record->ExceptionInformation[1]);
    SetLastError(error);
    return EXCEPTION_CONTINUE_SEARCH;
}

int bide_os_fault_watch(void (*function)(const void *address))
{
    bide_os_mutex_lock(&lock);
    /* release: what the function reads was written before */
    atomic_store_explicit(&told, function, memory_order_release);
    if (!installed) installed = AddVectoredExceptionHandler(1, on_fault);
    int error = installed ? 0 : BIDE_ENOMEM;
    bide_os_mutex_unlock(&lock);
    return error;
}

int bide_os_fault_stack_make(struct bide_os_fault_stack *stack)
{
    *stack = (struct bide_os_fault_stack){NULL, 0};
    return 0;
}

void bide_os_fault_stack_free(struct bide_os_fault_stack *stack)
{
    (void)stack;
}
