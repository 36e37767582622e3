/* Operations on files as futures: each is a detachable job with a work of its own (work.c), or several in a row.
 *
 *   NEW --misuse, no memory--> ready
 *    \--made a work--> IN A JOB --ended--> taken out of the work --> ready, or NEW for the next piece
 *                        \--cancelled--> ready: the work is dropped by the cancel, or by the thread at its end
 *
 * INVARIANTS
 * 1. work_ is set while the job is pending (closed_ for a closing, whose record is the file itself).
 * 2. A closing that was polled closes, whatever becomes of the future; one that could not be polled is closed by
 *    the direct call. So a direct call never leaves the file open.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "file/work.h"

#include "future/future.h"
#include "future/thread.h"
#include "os/file.h"
#include "os/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS                                                                                       \
    (BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_APPEND | BIDE_FILE_CREATE | BIDE_FILE_EXCLUSIVE | \
     BIDE_FILE_TRUNCATE | BIDE_FILE_NOFOLLOW)

static int finish(bide_file_io *io, bide_ssize result)
{
    io->result = result;
    return BIDE_READY;
}

static bool moves_bytes(const bide_file_io *io)
{
    return io->kind_ >= BIDE_WORK_READ && io->kind_ <= BIDE_WORK_PWRITE;
}

static bool reads(const bide_file_io *io)
{
    return io->kind_ == BIDE_WORK_READ || io->kind_ == BIDE_WORK_PREAD;
}

/* --- Beginning --- */

static bool is_valid(const bide_file_io *io)
{
    bool by_path = io->kind_ == BIDE_WORK_OPEN || io->kind_ >= BIDE_WORK_PATH_STAT;
    if (by_path ? !io->path_ : !io->file_) return false;
    switch (io->kind_) {
    case BIDE_WORK_OPEN:
        return !(io->flags_ & ~(unsigned)FLAGS) && (io->flags_ & (BIDE_FILE_READ | BIDE_FILE_WRITE));
    case BIDE_WORK_SEEK: return io->flags_ <= BIDE_FROM_END;
    case BIDE_WORK_TRUNCATE: return io->offset_ <= BIDE_OS_OFFSET_MOST;
    case BIDE_WORK_RENAME: return io->other_ != NULL;
    case BIDE_WORK_PREAD:
    case BIDE_WORK_PWRITE:
        if (io->offset_ > BIDE_OS_OFFSET_MOST || io->length_ > BIDE_OS_OFFSET_MOST - io->offset_)
            return false;
        break;
    default: break;
    }
    return io->bytes_ || io->length_ == 0 || !(moves_bytes(io) || io->kind_ == BIDE_WORK_SAVE);
}

/* What is made before the thread has it, so that it cannot fail there. */
static bool prepare(struct bide_file_work *work)
{
    if (work->kind == BIDE_WORK_OPEN) return (work->file = bide_file_new()) != NULL;
    if (work->kind == BIDE_WORK_OPEN_DIRECTORY) return (work->directory = bide_directory_new()) != NULL;
    return true;
}

/* Makes the work and the job for what is left: 0 or an error. */
static int begin(bide_file_io *io)
{
    size_t length = io->kind_ == BIDE_WORK_SAVE ? io->length_ : 0;
    if (moves_bytes(io)) {
        length = io->length_ - io->done;
        if (length > BIDE_FILE_PIECE) length = BIDE_FILE_PIECE;
    }
    const char *data = reads(io) || !io->bytes_ ? NULL : (const char *)io->bytes_ + io->done;
    struct bide_file_work *work = bide_work_new(io->kind_, io->path_, io->other_, data, length);
    if (!work) return BIDE_ENOMEM;
    work->flags = io->flags_;
    work->mode = io->mode_;
    work->offset = io->offset_;
    if (!prepare(work)) {
        bide_work_drop(work);
        return BIDE_ENOMEM;
    }
    if (io->file_) {
        work->file = io->file_;
        /* relaxed: who has a reference makes another */
        atomic_fetch_add_explicit(&io->file_->references, 1, memory_order_relaxed);
    }
    io->work_ = work;
    bide_job_init_detachable(&io->job_, bide_work_run, work, bide_work_drop);
    return 0;
}

/* --- Ending --- */

/* Copies what was read; counts. Returns whether that was the last piece; then the result is set. */
static bool take_bytes(bide_file_io *io, const struct bide_file_work *work, bide_ssize count)
{
    if (count > 0 && reads(io)) memcpy((char *)io->bytes_ + io->done, work->data, (size_t)count);
    if (count > 0) io->done += (size_t)count;
    if (!io->all_ || count < 0) {
        (void)finish(io, count);
        return true;
    }
    /* A write of nothing of something: it would go on for ever. */
    if (count == 0) (void)finish(io, reads(io) ? BIDE_EEOF : BIDE_EIO);
    if (io->done == io->length_) (void)finish(io, 0);
    return count == 0 || io->done == io->length_;
}

/* Takes what the operation has brought out of the work, which is dropped. Returns whether that was all. */
static bool take(bide_file_io *io)
{
    struct bide_file_work *work = io->work_;
    bide_ssize result = io->job_.result;
    bool last = true;
    io->work_ = NULL;
    if (result == BIDE_EFORKED) {
        /* In the child it is a copy, half made perhaps, of what the parent has. */
        (void)finish(io, result);
        return true;
    }
    if (moves_bytes(io))
        last = take_bytes(io, work, result);
    else
        (void)finish(io, result);
    if (result == 0 && io->kind_ == BIDE_WORK_OPEN) {
        io->file = work->file;
        work->file = NULL;
    }
    if (result == 0 && io->kind_ == BIDE_WORK_LOAD) {
        io->loaded = work->loaded;
        io->done = work->length;
        work->loaded = NULL;
    }
    if (result == 0 && io->kind_ == BIDE_WORK_OPEN_DIRECTORY) {
        io->directory = work->directory;
        work->directory = NULL;
    }
    io->position = work->position;
    io->status = work->status;
    bide_work_drop(work);
    return last;
}

static int io_poll(bide_future *self, bide_context *cx)
{
    bide_file_io *io = (bide_file_io *)self;
    if (!io->work_) {
        if (!is_valid(io)) return finish(io, BIDE_EINVAL);
        if (io->all_ && io->length_ == 0) return finish(io, 0);
    }
    for (;;) {
        int error = io->work_ ? 0 : begin(io);
        if (error) return finish(io, error);
        int answer = bide_future_poll(&io->job_.future, cx);
        if (answer != BIDE_READY) return answer;
        if (take(io)) return BIDE_READY;
    }
}

static int io_cancel(bide_future *self, bide_context *cx)
{
    bide_file_io *io = (bide_file_io *)self;
    int answer = bide_future_cancel(&io->job_.future, cx);
    if (answer < BIDE_READY) return answer;
    if (answer == BIDE_COMPLETED && take(io)) return BIDE_COMPLETED;
    io->work_ = NULL;
    return finish(io, BIDE_ECANCELED);
}

static const char *const words[] = {
    [BIDE_WORK_OPEN] = "open",           [BIDE_WORK_READ] = "read",
    [BIDE_WORK_WRITE] = "write",         [BIDE_WORK_PREAD] = "pread",
    [BIDE_WORK_PWRITE] = "pwrite",       [BIDE_WORK_SEEK] = "seek",
    [BIDE_WORK_SYNC] = "sync",           [BIDE_WORK_SYNC_DATA] = "sync of data",
    [BIDE_WORK_TRUNCATE] = "truncate",   [BIDE_WORK_STAT] = "stat",
    [BIDE_WORK_PATH_STAT] = "stat",      [BIDE_WORK_PATH_LSTAT] = "lstat",
    [BIDE_WORK_UNLINK] = "unlink",       [BIDE_WORK_RENAME] = "rename",
    [BIDE_WORK_MKDIR] = "mkdir",         [BIDE_WORK_RMDIR] = "rmdir",
    [BIDE_WORK_LOAD] = "load",           [BIDE_WORK_SAVE] = "save",
    [BIDE_WORK_OPEN_DIRECTORY] = "open", [BIDE_WORK_CLOSE] = "close",
};

static void io_describe(const bide_future *self, char *text, size_t room)
{
    const bide_file_io *io = (const bide_file_io *)self;
    if (io->file_ && io->kind_ != BIDE_WORK_CLOSE)
        (void)snprintf(text, room, "%s fd %lld", words[io->kind_], (long long)io->file_->fd);
    else
        (void)snprintf(text, room, "%s", words[io->kind_]);
}

static const bide_future_kind io_kind = {{sizeof io_kind.ops, io_poll, io_cancel, BIDE_FUTURE_NAMED},
                                         "file",
                                         io_describe};

/* --- Closing --- */

/* The job's function: closes if nobody else uses the file. The reference stays: it is given up when the job is
 * over, by the future or by the pool. Of a job that has not run the result is an error: so this answers above 0. */
static bide_ssize close_file(void *arg)
{
    bide_file *file = arg;
    /* acquire: with the release of those who have given theirs up; nobody makes more any more */
    if (atomic_load_explicit(&file->references, memory_order_acquire) != 1) return 1;
    int error = bide_os_file_close(file->fd);
    file->fd = BIDE_INVALID_FD;
    return 1 - (bide_ssize)error;
}

static void drop_file(void *file)
{
    (void)bide_file_release(file);
}

/* The job is over: it has closed, or has not run. */
static int closing_finish(bide_file_io *io)
{
    bide_ssize answer = io->job_.result;
    int error = bide_file_release(io->file_);
    return finish(io, answer > 1 ? 1 - answer : error);
}

static int closing_poll(bide_future *self, bide_context *cx)
{
    bide_file_io *io = (bide_file_io *)self;
    if (!io->file_) return finish(io, BIDE_EINVAL);
    if (!io->closed_) bide_job_init_detachable(&io->job_, close_file, io->file_, drop_file);
    io->closed_ = true;
    int answer = bide_future_poll(&io->job_.future, cx);
    return answer == BIDE_READY ? closing_finish(io) : answer;
}

static int closing_cancel(bide_future *self, bide_context *cx)
{
    bide_file_io *io = (bide_file_io *)self;
    int answer = bide_future_cancel(&io->job_.future, cx);
    if (answer == BIDE_COMPLETED) (void)closing_finish(io);
    if (answer == BIDE_READY) (void)finish(io, BIDE_ECANCELED);
    return answer;
}

static const bide_future_kind closing_kind = {
    {sizeof closing_kind.ops, closing_poll, closing_cancel, BIDE_FUTURE_NAMED}, "file", io_describe};

/* --- Preparing --- */

static void init(bide_file_io *io, enum bide_file_operation kind, bide_file *file, const char *path)
{
    memset(io, 0, sizeof *io);
    bide_future_init(&io->future, kind == BIDE_WORK_CLOSE ? &closing_kind.ops : &io_kind.ops);
    io->kind_ = (uint8_t)kind;
    io->file_ = file;
    io->path_ = path;
    io->result = BIDE_ECANCELED;
}

void bide_file_io_open(bide_file_io *io, const char *path, unsigned flags, unsigned mode)
{
    if (!io) return;
    init(io, BIDE_WORK_OPEN, NULL, path);
    io->flags_ = flags;
    io->mode_ = mode;
}

void bide_file_io_close(bide_file_io *io, bide_file *file)
{
    if (io) init(io, BIDE_WORK_CLOSE, file, NULL);
}

static void init_bytes(bide_file_io *io, enum bide_file_operation kind, bide_file *file, const void *bytes,
                       size_t length)
{
    if (!io) return;
    init(io, kind, file, NULL);
    io->bytes_ = (void *)(uintptr_t)bytes;
    io->length_ = length;
}

void bide_file_io_read(bide_file_io *io, bide_file *file, void *buffer, size_t length)
{
    init_bytes(io, BIDE_WORK_READ, file, buffer, length);
}

void bide_file_io_write(bide_file_io *io, bide_file *file, const void *buffer, size_t length)
{
    init_bytes(io, BIDE_WORK_WRITE, file, buffer, length);
}

void bide_file_io_pread(bide_file_io *io, bide_file *file, void *buffer, size_t length, uint64_t offset)
{
    init_bytes(io, BIDE_WORK_PREAD, file, buffer, length);
    if (io) io->offset_ = offset;
}

void bide_file_io_pwrite(bide_file_io *io, bide_file *file, const void *buffer, size_t length,
                         uint64_t offset)
{
    init_bytes(io, BIDE_WORK_PWRITE, file, buffer, length);
    if (io) io->offset_ = offset;
}

void bide_file_io_read_exact(bide_file_io *io, bide_file *file, void *buffer, size_t length)
{
    init_bytes(io, BIDE_WORK_READ, file, buffer, length);
    if (io) io->all_ = true;
}

void bide_file_io_write_all(bide_file_io *io, bide_file *file, const void *buffer, size_t length)
{
    init_bytes(io, BIDE_WORK_WRITE, file, buffer, length);
    if (io) io->all_ = true;
}

void bide_file_io_seek(bide_file_io *io, bide_file *file, int64_t offset, bide_file_origin origin)
{
    if (!io) return;
    init(io, BIDE_WORK_SEEK, file, NULL);
    io->offset_ = (uint64_t)offset;
    io->flags_ = (unsigned)origin;
}

void bide_file_io_sync(bide_file_io *io, bide_file *file)
{
    if (io) init(io, BIDE_WORK_SYNC, file, NULL);
}

void bide_file_io_sync_data(bide_file_io *io, bide_file *file)
{
    if (io) init(io, BIDE_WORK_SYNC_DATA, file, NULL);
}

void bide_file_io_truncate(bide_file_io *io, bide_file *file, uint64_t size)
{
    if (!io) return;
    init(io, BIDE_WORK_TRUNCATE, file, NULL);
    io->offset_ = size;
}

void bide_file_io_stat(bide_file_io *io, bide_file *file)
{
    if (io) init(io, BIDE_WORK_STAT, file, NULL);
}

void bide_path_io_stat(bide_file_io *io, const char *path)
{
    if (io) init(io, BIDE_WORK_PATH_STAT, NULL, path);
}

void bide_path_io_lstat(bide_file_io *io, const char *path)
{
    if (io) init(io, BIDE_WORK_PATH_LSTAT, NULL, path);
}

void bide_path_io_unlink(bide_file_io *io, const char *path)
{
    if (io) init(io, BIDE_WORK_UNLINK, NULL, path);
}

void bide_path_io_rename(bide_file_io *io, const char *from, const char *to)
{
    if (!io) return;
    init(io, BIDE_WORK_RENAME, NULL, from);
    io->other_ = to;
}

void bide_path_io_mkdir(bide_file_io *io, const char *path, unsigned mode)
{
    if (!io) return;
    init(io, BIDE_WORK_MKDIR, NULL, path);
    io->mode_ = mode;
}

void bide_path_io_rmdir(bide_file_io *io, const char *path)
{
    if (io) init(io, BIDE_WORK_RMDIR, NULL, path);
}

void bide_path_io_load(bide_file_io *io, const char *path, size_t most)
{
    if (!io) return;
    init(io, BIDE_WORK_LOAD, NULL, path);
    io->offset_ = most;
}

void bide_path_io_save(bide_file_io *io, const char *path, const void *bytes, size_t length, unsigned mode)
{
    init_bytes(io, BIDE_WORK_SAVE, NULL, bytes, length);
    if (!io) return;
    io->path_ = path;
    io->mode_ = mode;
}

void bide_directory_io_open(bide_file_io *io, const char *path)
{
    if (io) init(io, BIDE_WORK_OPEN_DIRECTORY, NULL, path);
}
