/* The direct calls on files: each is its future and an await.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "file/work.h"

#include "future/thread.h"
#include "os/io.h"

static bide_ssize await(bide_file_io *io, bide_instant deadline)
{
    int error = bide_await(&io->future, deadline);
    return error ? error : io->result;
}

/* --- Opening and closing --- */

int bide_file_open(bide_file **out, const char *path, unsigned flags, unsigned mode, bide_instant deadline)
{
    if (!out) return BIDE_EINVAL;
    bide_file_io io;
    bide_file_io_open(&io, path, flags, mode);
    int error = (int)await(&io, deadline);
    *out = io.file;
    return error;
}

int bide_file_adopt(bide_file **out, bide_fd fd)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    int kind = bide_os_kind(fd);
    if (kind < 0) return kind;
    bide_file *file = bide_file_new();
    if (!file) return BIDE_ENOMEM;
    file->fd = fd;
    file->kind = (unsigned)kind;
    *out = file;
    return 0;
}

bide_fd bide_file_fd(const bide_file *file)
{
    return file ? file->fd : BIDE_INVALID_FD;
}

int bide_file_close(bide_file *file, bide_instant deadline)
{
    if (!file) return 0;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    bide_file_io io;
    bide_file_io_close(&io, file);
    int error = bide_await(&io.future, deadline);
    /* There was no waiting, so that no job was begun. */
    if (!io.closed_) return bide_file_release(file);
    return error ? error : (int)io.result;
}

int bide_directory_open(bide_directory **out, const char *path, bide_instant deadline)
{
    if (!out) return BIDE_EINVAL;
    bide_file_io io;
    bide_directory_io_open(&io, path);
    int error = (int)await(&io, deadline);
    *out = io.directory;
    return error;
}

/* --- Reading and writing --- */

bide_ssize bide_file_read(bide_file *file, void *buffer, size_t length, bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_read(&io, file, buffer, length);
    return await(&io, deadline);
}

bide_ssize bide_file_write(bide_file *file, const void *buffer, size_t length, bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_write(&io, file, buffer, length);
    return await(&io, deadline);
}

bide_ssize bide_file_pread(bide_file *file, void *buffer, size_t length, uint64_t offset,
                           bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_pread(&io, file, buffer, length, offset);
    return await(&io, deadline);
}

bide_ssize bide_file_pwrite(bide_file *file, const void *buffer, size_t length, uint64_t offset,
                            bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_pwrite(&io, file, buffer, length, offset);
    return await(&io, deadline);
}

static int await_all(bide_file_io *io, bide_instant deadline, size_t *done)
{
    int error = (int)await(io, deadline);
    if (done) *done = io->done;
    return error;
}

int bide_file_read_exact(bide_file *file, void *buffer, size_t length, bide_instant deadline, size_t *done)
{
    bide_file_io io;
    bide_file_io_read_exact(&io, file, buffer, length);
    return await_all(&io, deadline, done);
}

int bide_file_write_all(bide_file *file, const void *buffer, size_t length, bide_instant deadline,
                        size_t *done)
{
    bide_file_io io;
    bide_file_io_write_all(&io, file, buffer, length);
    return await_all(&io, deadline, done);
}

int bide_file_seek(bide_file *file, int64_t offset, bide_file_origin origin, uint64_t *position,
                   bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_seek(&io, file, offset, origin);
    int error = (int)await(&io, deadline);
    if (!error && position) *position = io.position;
    return error;
}

int bide_file_sync(bide_file *file, bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_sync(&io, file);
    return (int)await(&io, deadline);
}

int bide_file_sync_data(bide_file *file, bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_sync_data(&io, file);
    return (int)await(&io, deadline);
}

int bide_file_truncate(bide_file *file, uint64_t size, bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_truncate(&io, file, size);
    return (int)await(&io, deadline);
}

/* --- What is known of files --- */

static int await_status(bide_file_io *io, bide_file_status *status, bide_instant deadline)
{
    if (!status) return BIDE_EINVAL;
    int error = (int)await(io, deadline);
    if (!error) *status = io->status;
    return error;
}

int bide_file_stat(bide_file *file, bide_file_status *status, bide_instant deadline)
{
    bide_file_io io;
    bide_file_io_stat(&io, file);
    return await_status(&io, status, deadline);
}

int bide_path_stat(const char *path, bide_file_status *status, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_stat(&io, path);
    return await_status(&io, status, deadline);
}

int bide_path_lstat(const char *path, bide_file_status *status, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_lstat(&io, path);
    return await_status(&io, status, deadline);
}

/* --- Names --- */

int bide_path_unlink(const char *path, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_unlink(&io, path);
    return (int)await(&io, deadline);
}

int bide_path_rename(const char *from, const char *to, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_rename(&io, from, to);
    return (int)await(&io, deadline);
}

int bide_path_mkdir(const char *path, unsigned mode, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_mkdir(&io, path, mode);
    return (int)await(&io, deadline);
}

int bide_path_rmdir(const char *path, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_rmdir(&io, path);
    return (int)await(&io, deadline);
}

int bide_path_load(const char *path, void **bytes, size_t *length, size_t most, bide_instant deadline)
{
    if (!bytes || !length) return BIDE_EINVAL;
    bide_file_io io;
    bide_path_io_load(&io, path, most);
    int error = (int)await(&io, deadline);
    *bytes = io.loaded;
    *length = io.loaded ? io.done : 0;
    return error;
}

int bide_path_save(const char *path, const void *bytes, size_t length, unsigned mode, bide_instant deadline)
{
    bide_file_io io;
    bide_path_io_save(&io, path, bytes, length, mode);
    return (int)await(&io, deadline);
}
