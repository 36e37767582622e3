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

static void CALLBACK signalled(void *arg, BOOLEAN timed_out)
{
    const struct watch *watch = arg;
    (void)timed_out;
    watch->function(watch->arg);
}

int bide_os_handle_watch(void *handle, void (*function)(void *arg), void *arg, void **registration)
{
    struct watch *watch = malloc(sizeof *watch);
    if (!watch) return BIDE_ENOMEM;
    watch->function = function;
    watch->arg = arg;
    if (!RegisterWaitForSingleObject(&watch->wait, handle, signalled, watch, INFINITE,
                                     WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
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
