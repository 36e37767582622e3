/* Sending files: see sendfile.h. TransmitFile waits or is overlapped, and so copies do it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/sendfile.h"

#include <bide/error.h>

bide_ssize bide_os_sendfile(bide_fd out, bide_fd file, uint64_t offset, size_t length)
{
    (void)out, (void)file, (void)offset, (void)length;
    return BIDE_ENOTSUP;
}
