/* Sending files: see sendfile.h. TransmitFile waits or is overlapped, and so copies do it. A file is a HANDLE,
 * opened without FILE_FLAG_OVERLAPPED.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/sendfile.h"

#include "os/file.h"
#include "os/system_windows.h"

bide_ssize bide_os_sendfile(bide_fd out, bide_fd file, uint64_t offset, size_t length)
{
    (void)out, (void)file, (void)offset, (void)length;
    return BIDE_ENOTSUP;
}

bide_ssize bide_os_read_at(bide_fd file, void *buffer, size_t length, uint64_t offset)
{
    OVERLAPPED place = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD count = 0;
    DWORD most = length < MAXLONG ? (DWORD)length : MAXLONG;
    if (ReadFile((HANDLE)file, buffer, most, &count, &place)) return (bide_ssize)count;
    return GetLastError() == ERROR_HANDLE_EOF ? 0 : bide_last_error();
}
