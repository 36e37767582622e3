/* Files, names and directories on POSIX systems: see file.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* also where a long has 32 bits */
#include "os/file.h"

#include "os/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "offsets of 64 bits");

/* st_blocks counts in these, whatever the file system's own are (stat(2)). */
#define BLOCK 512

/* Makes the call until it is not interrupted: its result, or an error. */
#define REPEATED(result, call) \
    do {                       \
        (result) = (call);     \
    } while ((result) < 0 && errno == EINTR)

static int reported(int result)
{
    return result < 0 ? bide_last_error() : 0;
}

int bide_os_file_open(const char *path, unsigned flags, unsigned mode, bide_fd *fd)
{
    int how = O_CLOEXEC | O_NOCTTY;
    how |= !(flags & BIDE_FILE_WRITE) ? O_RDONLY : flags & BIDE_FILE_READ ? O_RDWR : O_WRONLY;
    if (flags & BIDE_FILE_APPEND) how |= O_APPEND;
    if (flags & BIDE_FILE_CREATE) how |= O_CREAT;
    if (flags & BIDE_FILE_EXCLUSIVE) how |= O_EXCL;
    if (flags & BIDE_FILE_TRUNCATE) how |= O_TRUNC;
    if (flags & BIDE_FILE_NOFOLLOW) how |= O_NOFOLLOW;
    REPEATED(*fd, open(path, how, (mode_t)mode));
    return *fd < 0 ? bide_last_error() : 0;
}

int bide_os_file_close(bide_fd fd)
{
    /* Not repeated: on Linux the descriptor is gone then, and may be somebody else's. */
    return close(fd) == 0 || errno == EINTR ? 0 : bide_last_error();
}

bide_ssize bide_os_file_read(bide_fd file, unsigned kind, void *buffer, size_t length)
{
    return bide_os_read(file, kind, buffer, length);
}

bide_ssize bide_os_file_write(bide_fd file, unsigned kind, const void *buffer, size_t length)
{
    return bide_os_write(file, kind, buffer, length);
}

bide_ssize bide_os_read_at(bide_fd file, void *buffer, size_t length, uint64_t offset)
{
    ssize_t count;
    REPEATED(count, pread(file, buffer, length, (off_t)offset));
    return count < 0 ? bide_last_error() : count;
}

bide_ssize bide_os_write_at(bide_fd file, const void *buffer, size_t length, uint64_t offset)
{
    ssize_t count;
    REPEATED(count, pwrite(file, buffer, length, (off_t)offset));
    return count < 0 ? bide_last_error() : count;
}

int bide_os_file_sync(bide_fd fd, bool data_only)
{
    int result;
#if defined(_POSIX_SYNCHRONIZED_IO) && _POSIX_SYNCHRONIZED_IO > 0
    REPEATED(result, data_only ? fdatasync(fd) : fsync(fd));
#else
    (void)data_only;
    REPEATED(result, fsync(fd));
#endif
    return reported(result);
}

int bide_os_file_truncate(bide_fd fd, uint64_t size)
{
    int result;
    REPEATED(result, ftruncate(fd, (off_t)size));
    return reported(result);
}

int bide_os_file_seek(bide_fd fd, int64_t offset, bide_file_origin origin, uint64_t *position)
{
    static const int from[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    off_t now = lseek(fd, offset, from[origin]);
    if (now < 0) return bide_last_error();
    *position = (uint64_t)now;
    return 0;
}

/* --- What is known of a file --- */

static bide_file_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode)) return BIDE_KIND_FILE;
    if (S_ISDIR(mode)) return BIDE_KIND_DIRECTORY;
    if (S_ISLNK(mode)) return BIDE_KIND_LINK;
    if (S_ISFIFO(mode)) return BIDE_KIND_PIPE;
    if (S_ISSOCK(mode)) return BIDE_KIND_SOCKET;
    if (S_ISCHR(mode)) return BIDE_KIND_CHARACTER;
    if (S_ISBLK(mode)) return BIDE_KIND_BLOCK;
    return BIDE_KIND_UNKNOWN;
}

static bide_file_time time_of(struct timespec time)
{
    bide_file_time result = {time.tv_sec, (uint32_t)time.tv_nsec};
    return result;
}

static int keep_status(int result, const struct stat *found, bide_file_status *status)
{
    if (result < 0) return bide_last_error();
    memset(status, 0, sizeof *status);
    status->size = (uint64_t)found->st_size;
    status->allocated = (uint64_t)found->st_blocks * BLOCK;
    status->device = (uint64_t)found->st_dev;
    status->number = (uint64_t)found->st_ino;
    status->links = (uint64_t)found->st_nlink;
#ifdef __APPLE__
    status->accessed = time_of(found->st_atimespec);
    status->modified = time_of(found->st_mtimespec);
    status->changed = time_of(found->st_ctimespec);
#else
    status->accessed = time_of(found->st_atim);
    status->modified = time_of(found->st_mtim);
    status->changed = time_of(found->st_ctim);
#endif
    status->kind = kind_of(found->st_mode);
    status->mode = (uint32_t)found->st_mode & 07777;
    status->uid = (uint32_t)found->st_uid;
    status->gid = (uint32_t)found->st_gid;
    return 0;
}

int bide_os_file_stat(bide_fd fd, bide_file_status *status)
{
    struct stat found;
    return keep_status(fstat(fd, &found), &found, status);
}

int bide_os_path_stat(const char *path, bool follow, bide_file_status *status)
{
    struct stat found;
    int result;
    REPEATED(result, follow ? stat(path, &found) : lstat(path, &found));
    return keep_status(result, &found, status);
}

/* --- Names --- */

int bide_os_path_unlink(const char *path)
{
    int result;
    REPEATED(result, unlink(path));
    return reported(result);
}

int bide_os_path_rename(const char *from, const char *to)
{
    int result;
    REPEATED(result, rename(from, to));
    return reported(result);
}

int bide_os_path_mkdir(const char *path, unsigned mode)
{
    int result;
    REPEATED(result, mkdir(path, (mode_t)mode));
    return reported(result);
}

int bide_os_path_rmdir(const char *path)
{
    int result;
    REPEATED(result, rmdir(path));
    return reported(result);
}

/* --- Directories --- */

/* A DIR under a name of our own. Its descriptor is close-on-exec (opendir(3)). */
static DIR *stream_of(bide_os_directory *directory)
{
    return (DIR *)(void *)directory;
}

int bide_os_directory_open(bide_os_directory **directory, const char *path)
{
    DIR *stream;
    do
        stream = opendir(path);
    while (!stream && errno == EINTR);
    *directory = (bide_os_directory *)(void *)stream;
    return stream ? 0 : bide_last_error();
}

static bide_file_kind kind_of_entry(const struct dirent *entry)
{
#ifdef DT_DIR
    switch (entry->d_type) {
    case DT_REG: return BIDE_KIND_FILE;
    case DT_DIR: return BIDE_KIND_DIRECTORY;
    case DT_LNK: return BIDE_KIND_LINK;
    case DT_FIFO: return BIDE_KIND_PIPE;
    case DT_SOCK: return BIDE_KIND_SOCKET;
    case DT_CHR: return BIDE_KIND_CHARACTER;
    case DT_BLK: return BIDE_KIND_BLOCK;
    default: break;
    }
#endif
    (void)entry;
    return BIDE_KIND_UNKNOWN;
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int bide_os_directory_read(bide_os_directory *directory, const char **name, bide_file_kind *kind)
{
    for (;;) {
        errno = 0;
        /* One thread at a time uses the stream, for which readdir(3) is safe. */
        const struct dirent *entry = readdir(stream_of(directory)); /* NOLINT(concurrency-mt-unsafe) */
        if (!entry && errno == EINTR) continue;
        if (!entry) return errno ? bide_last_error() : BIDE_END;
        if (is_dots(entry->d_name)) continue;
        *name = entry->d_name;
        *kind = kind_of_entry(entry);
        return 0;
    }
}

void bide_os_directory_close(bide_os_directory *directory)
{
    (void)closedir(stream_of(directory));
}
