/* Works: the system calls of one operation on a file, and all that they touch, in one piece of memory.
 *
 *   made by the future --job begun--> run by a thread --ended--> the future takes what it brought, and drops it
 *                            \                \--left behind--> dropped by the thread
 *                             \--cancelled before it ran--> dropped by the cancel
 *
 * INVARIANTS
 * 1. A work refers to nothing of the caller's: paths and data are copies.
 * 2. A work with a file holds a reference, so that the descriptor is not closed, nor its number given to another
 *    file, while a system call may still use it. The last reference closes.
 * 3. What an operation made (a descriptor, memory) is the work's until the future takes it out; so one that was
 *    left behind closes and frees it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "file/work.h"

#include "os/assert.h"
#include "os/file.h"
#include "os/io.h"

#include <stdlib.h>
#include <string.h>

/* What a load begins with where the file does not tell its size, as those of /proc. */
#define LOAD_FIRST 4096

bide_file *bide_file_new(void)
{
    bide_file *file = malloc(sizeof *file);
    if (!file) return NULL;
    atomic_init(&file->references, 1);
    file->fd = BIDE_INVALID_FD;
    file->kind = 0;
    return file;
}

int bide_file_release(bide_file *file)
{
    /* acq_rel: all uses of the descriptor come before its end */
    if (atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) != 1) return 0;
    int error = file->fd == BIDE_INVALID_FD ? 0 : bide_os_file_close(file->fd);
    free(file);
    return error;
}

struct bide_file_work *bide_work_new(uint8_t kind, const char *path, const char *other, const void *data,
                                     size_t length)
{
    size_t path_size = path ? strlen(path) + 1 : 0;
    size_t other_size = other ? strlen(other) + 1 : 0;
    size_t names = path_size + other_size;
    if (length > SIZE_MAX - sizeof(struct bide_file_work) - names) return NULL;
    /* What is to be read into is not written before. */
    struct bide_file_work *work = malloc(sizeof *work + names + length);
    if (!work) return NULL;
    memset(work, 0, sizeof *work);
    work->kind = kind;
    work->length = length;
    if (path) work->path = memcpy(work->bytes, path, path_size);
    if (other) work->other = memcpy(work->bytes + path_size, other, other_size);
    work->data = work->bytes + names;
    if (data && length > 0) memcpy(work->data, data, length);
    return work;
}

void bide_work_drop(void *arg)
{
    struct bide_file_work *work = arg;
    if (work->file) (void)bide_file_release(work->file);
    bide_directory_close(work->directory);
    free(work->loaded);
    free(work);
}

/* What has been opened by a path, as far as writing goes: never a socket. Or an error. */
static int kind_of(bide_fd fd)
{
    bide_file_status status;
    int error = bide_os_file_stat(fd, &status);
    if (error) return error;
    return status.kind == BIDE_KIND_PIPE ? BIDE_OS_PIPE : 0;
}

static int open_file(struct bide_file_work *work)
{
    BIDE_ASSERT(work->file);
    bide_fd fd;
    int error = bide_os_file_open(work->path, work->flags, work->mode, &fd);
    if (error) return error;
    work->file->fd = fd;
    int kind = work->flags & BIDE_FILE_WRITE ? kind_of(fd) : 0;
    if (kind < 0) return kind;
    work->file->kind = (unsigned)kind;
    return 0;
}

/* --- Whole files --- */

/* Makes room behind what is loaded, and for the zero at the end. */
static int grow(struct bide_file_work *work, size_t *room)
{
    size_t wanted = *room <= SIZE_MAX / 2 ? *room * 2 : SIZE_MAX;
    void *grown = realloc(work->loaded, wanted);
    if (!grown) return BIDE_ENOMEM;
    work->loaded = grown;
    *room = wanted;
    return 0;
}

/* The most is in `offset`. Goes on until the end, whatever the size was said to be. */
static int load_from(struct bide_file_work *work, bide_fd fd)
{
    size_t most = (size_t)work->offset;
    size_t room = LOAD_FIRST;
    int error = bide_os_file_stat(fd, &work->status);
    if (error) return error;
    if (work->status.kind == BIDE_KIND_FILE && work->status.size > most) return BIDE_EOVERFLOW;
    /* A byte more than it has, so that the end is seen without growing. */
    if (work->status.size >= room - 1 && work->status.size < SIZE_MAX - 2)
        room = (size_t)work->status.size + 2;
    work->loaded = malloc(room);
    if (!work->loaded) return BIDE_ENOMEM;
    size_t length = 0;
    for (;;) {
        bide_ssize count = bide_os_file_read(fd, 0, (char *)work->loaded + length, room - 1 - length);
        if (count < 0) return (int)count;
        length += (size_t)count;
        if (length > most) return BIDE_EOVERFLOW;
        if (count == 0 && length < room - 1) break;
        if (length == room - 1) error = grow(work, &room);
        if (error) return error;
    }
    ((char *)work->loaded)[length] = '\0';
    work->length = length;
    return 0;
}

static int load(struct bide_file_work *work)
{
    bide_fd fd;
    int error = bide_os_file_open(work->path, BIDE_FILE_READ, 0, &fd);
    if (error) return error;
    error = load_from(work, fd);
    (void)bide_os_file_close(fd);
    return error;
}

static int save_to(const struct bide_file_work *work, bide_fd fd)
{
    int kind = kind_of(fd);
    if (kind < 0) return kind;
    size_t done = 0;
    while (done < work->length) {
        bide_ssize count = bide_os_file_write(fd, (unsigned)kind, work->data + done, work->length - done);
        if (count < 0) return (int)count;
        done += (size_t)count;
    }
    return 0;
}

static int save(const struct bide_file_work *work)
{
    unsigned flags = BIDE_FILE_WRITE | BIDE_FILE_CREATE | BIDE_FILE_TRUNCATE;
    bide_fd fd;
    int error = bide_os_file_open(work->path, flags, work->mode, &fd);
    if (error) return error;
    error = save_to(work, fd);
    int closed = bide_os_file_close(fd);
    return error ? error : closed;
}

bide_ssize bide_work_run(void *arg)
{
    struct bide_file_work *work = arg;
    bide_fd fd = work->file ? work->file->fd : BIDE_INVALID_FD;
    unsigned kind = work->file ? work->file->kind : 0;
    switch ((enum bide_file_operation)work->kind) {
    case BIDE_WORK_OPEN: return open_file(work);
    case BIDE_WORK_READ: return bide_os_file_read(fd, kind, work->data, work->length);
    case BIDE_WORK_WRITE: return bide_os_file_write(fd, kind, work->data, work->length);
    case BIDE_WORK_PREAD: return bide_os_read_at(fd, work->data, work->length, work->offset);
    case BIDE_WORK_PWRITE: return bide_os_write_at(fd, work->data, work->length, work->offset);
    case BIDE_WORK_SEEK:
        return bide_os_file_seek(fd, (int64_t)work->offset, (bide_file_origin)work->flags, &work->position);
    case BIDE_WORK_SYNC: return bide_os_file_sync(fd, false);
    case BIDE_WORK_SYNC_DATA: return bide_os_file_sync(fd, true);
    case BIDE_WORK_TRUNCATE: return bide_os_file_truncate(fd, work->offset);
    case BIDE_WORK_STAT: return bide_os_file_stat(fd, &work->status);
    case BIDE_WORK_PATH_STAT: return bide_os_path_stat(work->path, true, &work->status);
    case BIDE_WORK_PATH_LSTAT: return bide_os_path_stat(work->path, false, &work->status);
    case BIDE_WORK_UNLINK: return bide_os_path_unlink(work->path);
    case BIDE_WORK_RENAME: return bide_os_path_rename(work->path, work->other);
    case BIDE_WORK_MKDIR: return bide_os_path_mkdir(work->path, work->mode);
    case BIDE_WORK_RMDIR: return bide_os_path_rmdir(work->path);
    case BIDE_WORK_LOAD: return load(work);
    case BIDE_WORK_SAVE: return save(work);
    case BIDE_WORK_OPEN_DIRECTORY: return bide_directory_begin(work->directory, work->path);
    case BIDE_WORK_CLOSE: break; /* has no work: see file.c */
    }
    return BIDE_EINVAL;
}
