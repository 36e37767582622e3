/* Waits by RegisterWaitForSingleObject: see handle_windows.h. What a registration calls is beside it, on the heap.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/handle_windows.h"

#include "os/system_windows.h"

#include <stdlib.h>

struct watch {
    HANDLE wait;
    void (*function)(void *arg);
    void *arg;
};

int bide_os_handle_try(void *handle)
{
    switch (WaitForSingleObject(handle, 0)) {
    case WAIT_OBJECT_0:
    case WAIT_ABANDONED: return 1;
    case WAIT_TIMEOUT: return 0;
    default: return bide_last_error();
    }
}

/* The calling process, by whatever handle: it would have to end first. The pseudo handle of a thread would mean the
 * pool's own. */
static bool is_never_signalled(HANDLE handle)
{
    typedef BOOL(WINAPI * compare_handles)(HANDLE, HANDLE);
    if (handle == GetCurrentProcess() || handle == GetCurrentThread()) return true;
    compare_handles same = (compare_handles)bide_os_find_function("kernelbase", "CompareObjectHandles");
    return same && same(handle, GetCurrentProcess());
}

static void CALLBACK signalled(void *arg, BOOLEAN timed_out)
{
    const struct watch *watch = arg;
    (void)timed_out;
    watch->function(watch->arg);
}

int bide_os_handle_watch(void *handle, void (*function)(void *arg), void *arg, void **registration)
{
    if (is_never_signalled(handle)) return BIDE_EINVAL;
    struct watch *watch = malloc(sizeof *watch);
    if (!watch) return BIDE_ENOMEM;
    watch->function = function;
    watch->arg = arg;
    /* Not in the thread that waits: it does so for many, who would wait for the wakers that run here. */
    if (!RegisterWaitForSingleObject(&watch->wait, handle, signalled, watch, INFINITE, WT_EXECUTEONLYONCE)) {
        int error = bide_last_error();
        free(watch);
        return error;
    }
    *registration = watch;
    return 0;
}

void bide_os_handle_unwatch(void *registration)
{
    struct watch *watch = registration;
    (void)UnregisterWaitEx(watch->wait, INVALID_HANDLE_VALUE);
    free(watch);
}
