/* System calls on files, names and directories, with errors as BIDE_E… and interrupted calls repeated. They
 * wait for the disk: for threads of the pool.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_FILE_H
#define BIDE_OS_FILE_H

#include <bide/file.h>

/* The largest offset in a file. */
#define BIDE_OS_OFFSET_MOST ((uint64_t)INT64_MAX)

/* Opens, with flags BIDE_FILE_… that are valid. 0 or an error. */
int bide_os_file_open(const char *path, unsigned flags, unsigned mode, bide_fd *fd);

/* Closes, and tells what close(2) says. The descriptor is gone in any case. */
int bide_os_file_close(bide_fd fd);

/* At the position. The kind is that of bide_os_kind, and tells apart what is read by calls of its own. */
bide_ssize bide_os_file_read(bide_fd file, unsigned kind, void *buffer, size_t length);
bide_ssize bide_os_file_write(bide_fd file, unsigned kind, const void *buffer, size_t length);

/* At an offset of at most BIDE_OS_OFFSET_MOST. */
bide_ssize bide_os_read_at(bide_fd file, void *buffer, size_t length, uint64_t offset);
bide_ssize bide_os_write_at(bide_fd file, const void *buffer, size_t length, uint64_t offset);

int bide_os_file_sync(bide_fd fd, bool data_only);
int bide_os_file_truncate(bide_fd fd, uint64_t size);
int bide_os_file_seek(bide_fd fd, int64_t offset, bide_file_origin origin, uint64_t *position);

int bide_os_file_stat(bide_fd fd, bide_file_status *status);
int bide_os_path_stat(const char *path, bool follow, bide_file_status *status);
int bide_os_path_unlink(const char *path);
int bide_os_path_rename(const char *from, const char *to);
int bide_os_path_mkdir(const char *path, unsigned mode);
int bide_os_path_rmdir(const char *path);

/* A directory that is being listed. */
typedef struct bide_os_directory bide_os_directory;

int bide_os_directory_open(bide_os_directory **directory, const char *path);
/* 0, BIDE_END or an error. The name stays until the next call. */
int bide_os_directory_read(bide_os_directory *directory, const char **name, bide_file_kind *kind);
void bide_os_directory_close(bide_os_directory *directory);

#endif
