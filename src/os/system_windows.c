/* What the files of this folder share: see system.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/system_windows.h"

#include "os/mutex.h"
#include "os/sockets.h"

bide_os_function bide_os_find_function(const char *library, const char *name)
{
    HMODULE module = GetModuleHandleA(library);
    return module ? (bide_os_function)GetProcAddress(module, name) : NULL;
}

DWORD bide_os_milliseconds_until(bide_instant deadline)
{
    const bide_duration ms = BIDE_MILLISECONDS(1);
    if (bide_is_never(deadline)) return INFINITE;
    bide_duration rest = bide_instant_since(deadline, bide_now());
    if (rest <= 0) return 0;
    bide_duration rounded = rest / ms + (rest % ms != 0);
    return rounded < (bide_duration)(INFINITE - 1) ? (DWORD)rounded : INFINITE - 1;
}

bool bide_os_is_handle(bide_fd fd)
{
    DWORD flags;
    DWORD before = GetLastError();
    /* The number of no descriptor is that of the process itself. */
    bool open = fd != BIDE_INVALID_FD && GetHandleInformation((HANDLE)fd, &flags) != 0;
    SetLastError(before);
    return open;
}

int bide_os_socket_error(bide_fd fd)
{
    int error = bide_last_error();
    return error == BIDE_ENOTSOCK && !bide_os_is_handle(fd) ? BIDE_EBADF : error;
}

/* WSAStartup counts its calls, and what it starts is stopped with the process: once is enough, and a
 * program that starts the sockets itself is not disturbed. */
static bide_os_mutex start_lock;
static _Atomic bool started; /* written under the lock */

int bide_os_sockets_start(void)
{
    /* acquire: pairs with the release below, for what the start has set up */
    if (atomic_load_explicit(&started, memory_order_acquire)) return 0;
    bide_os_mutex_lock(&start_lock);
    int error = 0;
    if (!atomic_load_explicit(&started, memory_order_relaxed)) {
        WSADATA about;
        error = bide_error_from_system(WSAStartup(MAKEWORD(2, 2), &about));
        atomic_store_explicit(&started, error == 0, memory_order_release);
    }
    bide_os_mutex_unlock(&start_lock);
    return error;
}
