/* Files on Windows: see file.h. Names and directories are in path_windows.c.
 *
 * A file is a HANDLE of the synchronous kind, which has a position, as a descriptor has. A read or write at an
 * offset moves it there (ReadFile, "If lpOverlapped is not NULL"), so that it is put back. One of the overlapped kind,
 * which somebody else has opened, has no position: it is read and written at offsets alone, and waited for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/file.h"

#include "os/io.h"
#include "os/path_windows.h"
#include "os/system_windows.h"

#include <string.h>
#include <winternl.h>

/* The class FileModeInformation, which not every compiler's headers have. */
#define FILE_MODE_INFORMATION ((FILE_INFORMATION_CLASS)16)

/* All that POSIX allows to others: an open file may be opened, written, renamed and removed. */
#define SHARED (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* --- Opening and closing --- */

static DWORD access_of(unsigned flags)
{
    DWORD access = flags & BIDE_FILE_READ ? GENERIC_READ : 0;
    /* Without the right to write where it likes the system appends, in one step. */
    if (flags & BIDE_FILE_APPEND) return access | (FILE_GENERIC_WRITE & ~(DWORD)FILE_WRITE_DATA);
    return flags & BIDE_FILE_WRITE ? access | GENERIC_WRITE : access;
}

/* What is to be emptied is opened first, and found to be what was meant: to overwrite is denied for what is hidden, and
 * would replace attributes, and a link itself. */
static DWORD disposition_of(unsigned flags)
{
    if (!(flags & BIDE_FILE_CREATE)) return OPEN_EXISTING;
    return flags & BIDE_FILE_EXCLUSIVE ? CREATE_NEW : OPEN_ALWAYS;
}

static int empty(HANDLE handle, unsigned flags)
{
    if ((flags & (BIDE_FILE_WRITE | BIDE_FILE_APPEND)) == BIDE_FILE_WRITE)
        return bide_os_file_truncate((bide_fd)handle, 0);
    /* With the right that one for reading or appending has not. */
    HANDLE other = ReOpenFile(handle, GENERIC_WRITE, SHARED, 0);
    if (other == INVALID_HANDLE_VALUE) return bide_last_error();
    int error = bide_os_file_truncate((bide_fd)other, 0);
    (void)CloseHandle(other);
    return error;
}

/* What the system denies of directories alone is told as such. */
static int opening_error(const wchar_t *path)
{
    int error = bide_last_error();
    if (error != BIDE_EACCES) return error;
    DWORD found = GetFileAttributesW(path);
    return found != INVALID_FILE_ATTRIBUTES && found & FILE_ATTRIBUTE_DIRECTORY ? BIDE_EISDIR : error;
}

static int open_handle(const wchar_t *path, unsigned flags, unsigned mode, HANDLE *handle)
{
    DWORD attributes =
        mode & 0222 || !(flags & BIDE_FILE_CREATE) ? FILE_ATTRIBUTE_NORMAL : FILE_ATTRIBUTE_READONLY;
    if (flags & BIDE_FILE_NOFOLLOW) attributes |= FILE_FLAG_OPEN_REPARSE_POINT;
    *handle = CreateFileW(path, access_of(flags), SHARED, NULL, disposition_of(flags), attributes, NULL);
    if (*handle == INVALID_HANDLE_VALUE) return opening_error(path);
    bool is_new = flags & BIDE_FILE_CREATE && GetLastError() != ERROR_ALREADY_EXISTS;
    int error = 0;
    if (flags & BIDE_FILE_NOFOLLOW &&
        bide_os_kind_of_attributes(0, bide_os_handle_tag(*handle)) == BIDE_KIND_LINK)
        error = BIDE_ELOOP;
    else if (flags & BIDE_FILE_TRUNCATE && !is_new)
        error = empty(*handle, flags);
    if (error) (void)CloseHandle(*handle);
    return error;
}

int bide_os_file_open(const char *path, unsigned flags, unsigned mode, bide_fd *fd)
{
    wchar_t *wide;
    HANDLE handle;
    *fd = BIDE_INVALID_FD;
    int error = bide_os_path_widen(path, &wide);
    if (error) return error;
    error = open_handle(wide, flags, mode, &handle);
    bide_os_path_free(wide);
    if (!error) *fd = (bide_fd)handle;
    return error;
}

static bool is_socket(bide_fd fd)
{
    int kind = bide_os_kind(fd);
    return kind >= 0 && kind & BIDE_OS_SOCKET;
}

int bide_os_file_close(bide_fd fd)
{
    if (is_socket(fd)) {
        bide_os_close(fd);
        return 0;
    }
    return CloseHandle((HANDLE)fd) ? 0 : bide_last_error();
}

/* --- Reading and writing --- */

static DWORD at_most(size_t length)
{
    return length < MAXLONG ? (DWORD)length : MAXLONG;
}

/* A handle that was opened for something else is as bad as a descriptor that was. */
static int moving_error(void)
{
    int error = bide_last_error();
    return error == BIDE_EACCES ? BIDE_EBADF : error;
}

static bide_ssize read_result(bool done, DWORD count)
{
    DWORD error = GetLastError();
    if (done) return (bide_ssize)count;
    /* The end of a file, and of a pipe. */
    return error == ERROR_HANDLE_EOF || error == ERROR_BROKEN_PIPE ? 0 : moving_error();
}

static bide_ssize write_result(bool done, DWORD count)
{
    return done ? (bide_ssize)count : moving_error();
}

bide_ssize bide_os_file_read(bide_fd file, unsigned kind, void *buffer, size_t length)
{
    if (kind & BIDE_OS_SOCKET) return bide_os_read(file, kind, buffer, length);
    DWORD count = 0;
    bool done = ReadFile((HANDLE)file, buffer, at_most(length), &count, NULL) != 0;
    return read_result(done, count);
}

bide_ssize bide_os_file_write(bide_fd file, unsigned kind, const void *buffer, size_t length)
{
    if (kind & BIDE_OS_SOCKET) return bide_os_write(file, kind, buffer, length);
    DWORD count = 0;
    bool done = WriteFile((HANDLE)file, buffer, at_most(length), &count, NULL) != 0;
    return write_result(done, count);
}

/* Only files on disks have a position. */
static int position_of(HANDLE handle, LARGE_INTEGER *position)
{
    LARGE_INTEGER nothing = {.QuadPart = 0};
    if (GetFileType(handle) != FILE_TYPE_DISK) return BIDE_ESPIPE;
    return SetFilePointerEx(handle, nothing, position, FILE_CURRENT) ? 0 : bide_last_error();
}

/* Whether nothing waits on the handle by itself. Where it cannot be asked it may be so. */
static bool is_overlapped(HANDLE handle)
{
    IO_STATUS_BLOCK status;
    ULONG mode = 0;
    NTSTATUS asked = NtQueryInformationFile(handle, &status, &mode, sizeof mode, FILE_MODE_INFORMATION);
    return asked < 0 || !(mode & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT));
}

/* A read or write at an offset. Its event is set when an overlapped one has ended; the lowest bit keeps its packet from
 * a port that the handle may belong to (GetQueuedCompletionStatus, "Remarks"). */
struct placed {
    OVERLAPPED place;
    LARGE_INTEGER before;
};

static int begin_at(HANDLE handle, uint64_t offset, struct placed *placed)
{
    placed->place = (OVERLAPPED){.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    int error = position_of(handle, &placed->before);
    if (error || !is_overlapped(handle)) return error;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!event) return bide_last_error();
    placed->place.hEvent = (HANDLE)((uintptr_t)event | 1);
    return 0;
}

/* Whether it is done in the end, after what the call has answered. */
static bool wait_at(HANDLE handle, struct placed *placed, bool done, DWORD *count)
{
    if (done || GetLastError() != ERROR_IO_PENDING) return done;
    return GetOverlappedResult(handle, &placed->place, count, TRUE) != 0;
}

static void end_at(HANDLE handle, const struct placed *placed)
{
    (void)SetFilePointerEx(handle, placed->before, NULL, FILE_BEGIN);
    uintptr_t event = (uintptr_t)placed->place.hEvent & ~(uintptr_t)1;
    if (event) (void)CloseHandle((HANDLE)event);
}

bide_ssize bide_os_read_at(bide_fd file, void *buffer, size_t length, uint64_t offset)
{
    HANDLE handle = (HANDLE)file;
    struct placed placed;
    DWORD count = 0;
    int error = begin_at(handle, offset, &placed);
    if (error) return error;
    bool done = ReadFile(handle, buffer, at_most(length), &count, &placed.place) != 0;
    done = wait_at(handle, &placed, done, &count);
    bide_ssize result = read_result(done, count);
    end_at(handle, &placed);
    return result;
}

bide_ssize bide_os_write_at(bide_fd file, const void *buffer, size_t length, uint64_t offset)
{
    HANDLE handle = (HANDLE)file;
    struct placed placed;
    DWORD count = 0;
    int error = begin_at(handle, offset, &placed);
    if (error) return error;
    bool done = WriteFile(handle, buffer, at_most(length), &count, &placed.place) != 0;
    done = wait_at(handle, &placed, done, &count);
    bide_ssize result = write_result(done, count);
    end_at(handle, &placed);
    return result;
}

int bide_os_file_sync(bide_fd fd, bool data_only)
{
    (void)data_only;
    if (FlushFileBuffers((HANDLE)fd)) return 0;
    int error = bide_last_error();
    if (error != BIDE_EACCES) return error;
    /* It takes the right to write, which one for reading has not. */
    HANDLE other = ReOpenFile((HANDLE)fd, GENERIC_WRITE, SHARED, 0);
    if (other == INVALID_HANDLE_VALUE) return error;
    error = FlushFileBuffers(other) ? 0 : bide_last_error();
    (void)CloseHandle(other);
    return error;
}

int bide_os_file_truncate(bide_fd fd, uint64_t size)
{
    FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = (LONGLONG)size};
    bool done = SetFileInformationByHandle((HANDLE)fd, FileEndOfFileInfo, &end, sizeof end) != 0;
    return done ? 0 : bide_last_error();
}

int bide_os_file_seek(bide_fd fd, int64_t offset, bide_file_origin origin, uint64_t *position)
{
    static const DWORD from[] = {FILE_BEGIN, FILE_CURRENT, FILE_END};
    LARGE_INTEGER to = {.QuadPart = offset};
    LARGE_INTEGER now;
    int error = position_of((HANDLE)fd, &now);
    if (error) return error;
    if (!SetFilePointerEx((HANDLE)fd, to, &now, from[origin])) return bide_last_error();
    *position = (uint64_t)now.QuadPart;
    return 0;
}

/* --- What is known of a file --- */

/* Since 1601 in units of 100 ns; ours since 1970 (FILETIME). */
static bide_file_time time_of(uint64_t units)
{
    const int64_t second = 10000000;
    const int64_t epoch = INT64_C(11644473600);
    int64_t seconds = (int64_t)units / second;
    bide_file_time time = {seconds - epoch, (uint32_t)((int64_t)units % second) * 100};
    return time;
}

static uint64_t joined(DWORD high, DWORD low)
{
    return (uint64_t)high << 32 | low;
}

static bide_file_time file_time(FILETIME time)
{
    return time_of(joined(time.dwHighDateTime, time.dwLowDateTime));
}

/* What of the permissions of POSIX there is: whether it may be written, and looked into. */
static uint32_t mode_of(DWORD attributes)
{
    uint32_t mode = 0444;
    if (!(attributes & FILE_ATTRIBUTE_READONLY)) mode |= 0222;
    if (attributes & FILE_ATTRIBUTE_DIRECTORY) mode |= 0111;
    return mode;
}

static int disk_stat(HANDLE handle, bide_file_status *status)
{
    BY_HANDLE_FILE_INFORMATION found;
    FILE_STANDARD_INFO standard;
    FILE_BASIC_INFO basic;
    if (!GetFileInformationByHandle(handle, &found)) return bide_last_error();
    status->size = joined(found.nFileSizeHigh, found.nFileSizeLow);
    status->device = found.dwVolumeSerialNumber;
    status->number = joined(found.nFileIndexHigh, found.nFileIndexLow);
    status->links = found.nNumberOfLinks;
    status->accessed = file_time(found.ftLastAccessTime);
    status->modified = file_time(found.ftLastWriteTime);
    status->changed = status->modified;
    status->mode = mode_of(found.dwFileAttributes);
    status->kind = bide_os_kind_of_attributes(found.dwFileAttributes, bide_os_handle_tag(handle));
    /* What some file systems do not have. */
    if (GetFileInformationByHandleEx(handle, FileStandardInfo, &standard, sizeof standard))
        status->allocated = (uint64_t)standard.AllocationSize.QuadPart;
    if (GetFileInformationByHandleEx(handle, FileBasicInfo, &basic, sizeof basic) &&
        basic.ChangeTime.QuadPart != 0)
        status->changed = time_of((uint64_t)basic.ChangeTime.QuadPart);
    return 0;
}

int bide_os_file_stat(bide_fd fd, bide_file_status *status)
{
    HANDLE handle = (HANDLE)fd;
    memset(status, 0, sizeof *status);
    if (is_socket(fd)) {
        status->kind = BIDE_KIND_SOCKET;
        return 0;
    }
    switch (GetFileType(handle)) {
    case FILE_TYPE_DISK: return disk_stat(handle, status);
    case FILE_TYPE_PIPE: status->kind = BIDE_KIND_PIPE; return 0;
    case FILE_TYPE_CHAR: status->kind = BIDE_KIND_CHARACTER; return 0;
    default: return bide_os_is_handle(fd) ? 0 : BIDE_EBADF;
    }
}
