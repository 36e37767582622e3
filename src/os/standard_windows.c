/* The standard handles are no sockets, so that their modes are never changed.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/standard.h"

void bide_os_standard_changed(bide_fd fd)
{
    (void)fd;
}

bool bide_os_standard_forget(bide_fd fd)
{
    (void)fd;
    return false;
}
