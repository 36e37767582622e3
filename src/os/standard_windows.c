/* The standard handles are no sockets, so that their modes are never changed.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/standard.h"

#include "os/system_windows.h"

void bide_os_standard_changed(bide_fd fd)
{
    (void)fd;
}

bool bide_os_standard_forget(bide_fd fd)
{
    (void)fd;
    return false;
}

/* No handle has such a number: all are multiples of four, and none is 0. */
bide_fd bide_os_standard_of(bide_fd fd)
{
    static const DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    return fd < sizeof names / sizeof *names ? (bide_fd)GetStdHandle(names[fd]) : fd;
}
