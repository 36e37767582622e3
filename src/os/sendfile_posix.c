/* Sending files where there is no sendfile(2) or none like Linux': by copying. See sendfile.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "os/sendfile.h"

#include <errno.h>
#include <unistd.h>

bide_ssize bide_os_sendfile(bide_fd out, bide_fd file, uint64_t offset, size_t length)
{
    (void)out, (void)file, (void)offset, (void)length;
    return BIDE_ENOTSUP;
}

bide_ssize bide_os_read_at(bide_fd file, void *buffer, size_t length, uint64_t offset)
{
    for (;;) {
        ssize_t count = pread(file, buffer, length, (off_t)offset);
        if (count >= 0) return count;
        if (errno != EINTR) return bide_last_error();
    }
}
