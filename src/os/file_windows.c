/* Files on Windows: not there yet. Each operation says so; see file.h. (bide_os_read_at, which sending a file
 * needs, is in sendfile_windows.c.)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/file.h"

#include "os/io.h"

int bide_os_file_open(const char *path, unsigned flags, unsigned mode, bide_fd *fd)
{
    (void)path, (void)flags, (void)mode, (void)fd;
    return BIDE_ENOTSUP;
}

int bide_os_file_close(bide_fd fd)
{
    bide_os_close(fd);
    return 0;
}

bide_ssize bide_os_write_at(bide_fd file, const void *buffer, size_t length, uint64_t offset)
{
    (void)file, (void)buffer, (void)length, (void)offset;
    return BIDE_ENOTSUP;
}

int bide_os_file_sync(bide_fd fd, bool data_only)
{
    (void)fd, (void)data_only;
    return BIDE_ENOTSUP;
}

int bide_os_file_truncate(bide_fd fd, uint64_t size)
{
    (void)fd, (void)size;
    return BIDE_ENOTSUP;
}

int bide_os_file_seek(bide_fd fd, int64_t offset, bide_file_origin origin, uint64_t *position)
{
    (void)fd, (void)offset, (void)origin, (void)position;
    return BIDE_ENOTSUP;
}

int bide_os_file_stat(bide_fd fd, bide_file_status *status)
{
    (void)fd, (void)status;
    return BIDE_ENOTSUP;
}

int bide_os_path_stat(const char *path, bool follow, bide_file_status *status)
{
    (void)path, (void)follow, (void)status;
    return BIDE_ENOTSUP;
}

int bide_os_path_unlink(const char *path)
{
    (void)path;
    return BIDE_ENOTSUP;
}

int bide_os_path_rename(const char *from, const char *to)
{
    (void)from, (void)to;
    return BIDE_ENOTSUP;
}

int bide_os_path_mkdir(const char *path, unsigned mode)
{
    (void)path, (void)mode;
    return BIDE_ENOTSUP;
}

int bide_os_path_rmdir(const char *path)
{
    (void)path;
    return BIDE_ENOTSUP;
}

int bide_os_directory_open(bide_os_directory **directory, const char *path)
{
    (void)directory, (void)path;
    return BIDE_ENOTSUP;
}

int bide_os_directory_read(bide_os_directory *directory, const char **name, bide_file_kind *kind)
{
    (void)directory, (void)name, (void)kind;
    return BIDE_ENOTSUP;
}

void bide_os_directory_close(bide_os_directory *directory)
{
    (void)directory;
}
