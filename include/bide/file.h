/**
 * @file bide/file.h
 * @brief Files and directories: opened, read, written and looked at without blocking the caller.
 *
 * No Unix can wait for a regular file: a read of one blocks until the disk, or the file server, has answered.
 * So each operation here is a job of the pool (bide/pool.h), a future that can be awaited, raced and cancelled
 * like any other; in a task it suspends the task alone, on a thread that thread serves the others' I/O
 * meanwhile. Pipes, sockets and terminals are better wrapped by bide_async_new().
 *
 * @code
 * bide_file *file;
 * int err = bide_file_open(&file, "log.txt", BIDE_FILE_WRITE | BIDE_FILE_CREATE | BIDE_FILE_APPEND, 0644,
 *                          bide_after(BIDE_SECONDS(5)));
 * if (err) return err;
 * err = bide_file_write_all(file, line, strlen(line), bide_after(BIDE_SECONDS(5)), NULL);
 * int closed = bide_file_close(file, bide_after(BIDE_SECONDS(5)));
 * return err ? err : closed;
 * @endcode
 *
 * **Deadlines and cancelling.** A system call that runs cannot be stopped, but it can be left behind: deadlines
 * are kept though the disk hangs, and a cancel answers at once. The job touches a record of its own alone:
 * paths and what is written are copied when it begins, what is read is copied out when it has ended. So no
 * buffer of the caller's is ever in use after an operation has ended, and a file that is opened too late is
 * closed again. What was asked for may still happen afterwards, though: a write be written, a name be removed,
 * the position of the file be moved. Where that matters use the calls with an offset, or give no deadline. One
 * that no thread has begun never happens.
 *
 * **Pieces.** One read or write moves BIDE_FILE_PIECE bytes at most, and may move fewer, as the system's calls;
 * bide_file_read_exact() and bide_file_write_all() move all.
 *
 * **Offsets** are of 64 bits everywhere. **Errors** are those of the system's calls (BIDE_ENOENT, BIDE_EACCES,
 * BIDE_EISDIR, BIDE_ENOSPC …; what has no constant is in bide_system_error()), and besides them BIDE_EINVAL
 * (NULL, or a flag or number that is none), BIDE_ENOMEM, the pool's (BIDE_ENOTHREAD, BIDE_ENOTSUP,
 * BIDE_EFORKED), BIDE_ECANCELED, and at the deadline BIDE_ETIMEDOUT or BIDE_EAGAIN.
 *
 * **Windows.** Paths are UTF-8, and may be longer than MAX_PATH. Of a mode only the right to write counts: a file made
 * without it is read-only. A file open for appending cannot be truncated, and what must not be written not be synced. A
 * read or write at an offset moves the position there and back, so that one at the position, from another thread
 * meanwhile, may miss. What is open here can be renamed and removed, as everywhere. A handle that was opened with
 * FILE_FLAG_OVERLAPPED has no position: reads and writes at it are BIDE_EINVAL, those at an offset and bide_sendfile()
 * wait for the handle, and send no packet to its completion port.
 *
 * **Threads.** A file may be used by several threads and tasks at once, as far as its position bears it. Close
 * it when none begins anything with it any more. A future is one thread's at a time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_FILE_H
#define BIDE_FILE_H

#include <bide/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open file. */
typedef struct bide_file bide_file;

/** An open directory. */
typedef struct bide_directory bide_directory;

/** What one read or write moves at most: 1 MiB. */
#define BIDE_FILE_PIECE ((size_t)1 << 20)

/** How a file is opened. Descriptors are close-on-exec in any case. */
enum {
    BIDE_FILE_READ = 1u,       /**< to be read */
    BIDE_FILE_WRITE = 2u,      /**< to be written */
    BIDE_FILE_APPEND = 4u,     /**< each write goes to the end */
    BIDE_FILE_CREATE = 8u,     /**< made if it does not exist, with the mode given */
    BIDE_FILE_EXCLUSIVE = 16u, /**< with CREATE: it must not exist, else BIDE_EEXIST */
    BIDE_FILE_TRUNCATE = 32u,  /**< emptied */
    BIDE_FILE_NOFOLLOW = 64u   /**< not through a symbolic link as the last part of the path */
};

/** What a name stands for. */
typedef enum bide_file_kind {
    BIDE_KIND_UNKNOWN,   /**< the file system did not say: ask bide_path_lstat() */
    BIDE_KIND_FILE,      /**< a regular file */
    BIDE_KIND_DIRECTORY, /**< a directory */
    BIDE_KIND_LINK,      /**< a symbolic link */
    BIDE_KIND_PIPE,      /**< a named pipe */
    BIDE_KIND_SOCKET,    /**< a socket */
    BIDE_KIND_CHARACTER, /**< a character device */
    BIDE_KIND_BLOCK      /**< a block device */
} bide_file_kind;

/** A time of the calendar: since 1970, without leap seconds. */
typedef struct bide_file_time {
    int64_t seconds;      /**< whole seconds, negative before 1970 */
    uint32_t nanoseconds; /**< and below a second */
} bide_file_time;

/** What is known of a file. */
typedef struct bide_file_status {
    uint64_t size;           /**< bytes */
    uint64_t allocated;      /**< bytes on the disk */
    uint64_t device;         /**< together with the number of the file: which it is */
    uint64_t number;         /**< its inode */
    uint64_t links;          /**< names it has */
    bide_file_time accessed; /**< last read */
    bide_file_time modified; /**< last written */
    bide_file_time changed;  /**< last change of the file or of what is known of it */
    bide_file_kind kind;     /**< what it is */
    uint32_t mode;           /**< permissions: the lower twelve bits of the system's mode */
    uint32_t uid;            /**< whose */
    uint32_t gid;            /**< of which group */
} bide_file_status;

/** An entry of a directory. */
typedef struct bide_directory_entry {
    const char *name;    /**< stays until the next read of the directory, or its closing */
    bide_file_kind kind; /**< of the entry itself, not of what a link leads to */
} bide_directory_entry;

/** From where bide_file_seek() counts. */
typedef enum bide_file_origin {
    BIDE_FROM_START,    /**< the file's first byte */
    BIDE_FROM_POSITION, /**< where the file is */
    BIDE_FROM_END       /**< behind its last byte */
} bide_file_origin;

/** @name Opening and closing */
/**@{*/

/**
 * @brief Opens a file.
 *
 * @param[out] out NULL after an error.
 * @param flags of BIDE_FILE_…; READ or WRITE at least.
 * @param mode permissions of a file that is made, less the process' umask; 0 where none is.
 * @return 0 or an error, see the top of this page. Never leaves a descriptor open after an error, though the
 *   system should open it long after the deadline.
 */
BIDE_API int bide_file_open(bide_file **out, const char *path, unsigned flags, unsigned mode,
                            bide_instant deadline);

/**
 * @brief Makes a file of a descriptor, and owns it from now on. Does not wait.
 *
 * @return 0, BIDE_EBADF, BIDE_EINVAL, BIDE_ENOMEM: the descriptor is the caller's still.
 */
BIDE_API int bide_file_adopt(bide_file **out, bide_fd fd);

/** @brief The descriptor, which stays the file's; BIDE_INVALID_FD for NULL. For bide_sendfile(), say. */
BIDE_API bide_fd bide_file_fd(const bide_file *file);

/**
 * @brief Closes it. The handle is gone whatever is returned, but for BIDE_EDEADLK (inside a waker).
 *
 * Operations that were left behind and still run keep the descriptor open; the last of them closes it, and 0
 * is returned here. In a task that is cancelled, and where no thread can be had, the calling thread closes.
 *
 * @param file may be NULL: nothing happens.
 * @param deadline the descriptor is closed later if it comes first.
 * @return 0; an error of close(2), with which a file system may tell that something was not written (BIDE_EIO,
 *   BIDE_ENOSPC …; bide_file_sync() tells it more surely); BIDE_ETIMEDOUT, BIDE_EAGAIN.
 */
BIDE_API int bide_file_close(bide_file *file, bide_instant deadline);
/**@}*/

/** @name Reading and writing
 * Counts are at most BIDE_FILE_PIECE; a read of 0 is the end of the file. */
/**@{*/
/** @brief Reads at the file's position, which moves. */
BIDE_API bide_ssize bide_file_read(bide_file *file, void *buffer, size_t length, bide_instant deadline);
/** @brief Writes at the file's position, which moves. No SIGPIPE is raised. */
BIDE_API bide_ssize bide_file_write(bide_file *file, const void *buffer, size_t length,
                                    bide_instant deadline);
/** @brief Reads at an offset; the position is neither used nor moved. */
BIDE_API bide_ssize bide_file_pread(bide_file *file, void *buffer, size_t length, uint64_t offset,
                                    bide_instant deadline);
/** @brief Writes at an offset. To a file opened with APPEND Linux appends all the same. */
BIDE_API bide_ssize bide_file_pwrite(bide_file *file, const void *buffer, size_t length, uint64_t offset,
                                     bide_instant deadline);
/**
 * @brief Reads exactly `length` bytes at the position. @param done NULL, or where the number of bytes read is
 *   put, on every outcome.
 * @return 0, BIDE_EEOF if the file ended before, or an error.
 */
BIDE_API int bide_file_read_exact(bide_file *file, void *buffer, size_t length, bide_instant deadline,
                                  size_t *done);
/** @brief Writes all at the position. @param done as bide_file_read_exact(). @return 0 or an error. */
BIDE_API int bide_file_write_all(bide_file *file, const void *buffer, size_t length, bide_instant deadline,
                                 size_t *done);
/**
 * @brief Moves the position.
 *
 * @param[out] position where it is now; may be NULL.
 * @return 0; BIDE_EINVAL (before the start), BIDE_EOVERFLOW, an error.
 */
BIDE_API int bide_file_seek(bide_file *file, int64_t offset, bide_file_origin origin, uint64_t *position,
                            bide_instant deadline);
/** @brief Has the system bring all that was written to the disk, and what is needed to find it: fsync(2). */
BIDE_API int bide_file_sync(bide_file *file, bide_instant deadline);
/** @brief The same without times and the like: fdatasync(2). */
BIDE_API int bide_file_sync_data(bide_file *file, bide_instant deadline);
/** @brief Cuts the file, or extends it with zeros. */
BIDE_API int bide_file_truncate(bide_file *file, uint64_t size, bide_instant deadline);
/** @brief Tells what is known of it. */
BIDE_API int bide_file_stat(bide_file *file, bide_file_status *status, bide_instant deadline);
/**@}*/

/** @name Names
 * By path: relative ones from the process' current directory, at the moment when the job runs. */
/**@{*/
/** @brief Tells what is known of a file; through symbolic links. */
BIDE_API int bide_path_stat(const char *path, bide_file_status *status, bide_instant deadline);
/** @brief The same of the link itself, if the path names one. */
BIDE_API int bide_path_lstat(const char *path, bide_file_status *status, bide_instant deadline);
/** @brief Removes a name that is no directory's. */
BIDE_API int bide_path_unlink(const char *path, bide_instant deadline);
/** @brief Renames; what had the new name is replaced in one step, if it may be. */
BIDE_API int bide_path_rename(const char *from, const char *to, bide_instant deadline);
/** @brief Makes a directory. @param mode as bide_file_open(). */
BIDE_API int bide_path_mkdir(const char *path, unsigned mode, bide_instant deadline);
/** @brief Removes a directory that is empty. */
BIDE_API int bide_path_rmdir(const char *path, bide_instant deadline);

/**
 * @brief Reads a whole file in one job.
 *
 * @param[out] bytes the content, to be freed with free(3); a zero byte that is not counted follows it. NULL after
 *   an error.
 * @param[out] length its length.
 * @param most what it may take at most: of a larger file BIDE_EOVERFLOW is returned, and nothing kept.
 * @return 0 or an error.
 *
 * @code
 * char *text;
 * size_t length;
 * int err = bide_path_load("/etc/hosts", (void **)&text, &length, 1 << 20, bide_after(BIDE_SECONDS(5)));
 * @endcode
 */
BIDE_API int bide_path_load(const char *path, void **bytes, size_t *length, size_t most,
                            bide_instant deadline);

/**
 * @brief Writes a whole file in one job: makes it, or empties it first. Not in one step: write another file and
 *   bide_path_rename() it if readers must not see half of it.
 *
 * @param mode as bide_file_open().
 * @return 0 or an error; what has been written by then stays.
 */
BIDE_API int bide_path_save(const char *path, const void *bytes, size_t length, unsigned mode,
                            bide_instant deadline);
/**@}*/

/** @name Directories */
/**@{*/

/** @brief Opens a directory to be listed. @param[out] out NULL after an error. */
BIDE_API int bide_directory_open(bide_directory **out, const char *path, bide_instant deadline);

/**
 * @brief The next entry, in no order; without "." and "..". Entries are fetched by the dozens, so that most calls
 *   do not wait. One thread or task at a time.
 *
 * @return 0; BIDE_END: no more; BIDE_EBUSY: an earlier read was left behind and has not ended yet, what it finds
 *   will come later; or an error.
 */
BIDE_API int bide_directory_read(bide_directory *directory, bide_directory_entry *entry,
                                 bide_instant deadline);

/** @brief Closes it; may be NULL. Does not wait: a read that was left behind closes it when it has ended. */
BIDE_API void bide_directory_close(bide_directory *directory);

/** Reading an entry as a future. */
typedef struct bide_directory_reading {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_job job_;
    bide_directory *directory_;
    bool begun_;
    bide_directory_entry entry; /**< when ready with result 0 */
    int result;                 /**< when ready: 0 or an error, as bide_directory_read() */
} bide_directory_reading;

/** @brief Prepares it. */
BIDE_API void bide_directory_reading_init(bide_directory_reading *reading, bide_directory *directory);
/**@}*/

struct bide_file_work;

/** One operation as a future. Buffers and paths must stay until it is ready or cancelled. */
typedef struct bide_file_io {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_job job_;
    struct bide_file_work *work_;
    bide_file *file_;
    const char *path_;
    const char *other_;
    void *bytes_;
    size_t length_;
    uint64_t offset_;
    unsigned flags_;
    unsigned mode_;
    uint8_t kind_;
    bool all_;
    bool closed_;
    size_t done;               /**< of reads and writes: the bytes moved so far, on every outcome */
    bide_file *file;           /**< when an opening is ready with result 0: the file */
    bide_directory *directory; /**< the same of a directory's opening */
    void *loaded;            /**< when a loading is ready with result 0: the content; `done` is its length */
    uint64_t position;       /**< when a seek is ready with result 0 */
    bide_file_status status; /**< when what is known of a file is */
    bide_ssize result;       /**< when ready: a count for one read or write, else 0; or an error */
} bide_file_io;

/** @name Operations as futures: prepare, then await, race, or put into a set */
/**@{*/
/** @brief As bide_file_open(). */
BIDE_API void bide_file_io_open(bide_file_io *io, const char *path, unsigned flags, unsigned mode);
/** @brief As bide_file_close(): once polled it closes, also when it is cancelled. */
BIDE_API void bide_file_io_close(bide_file_io *io, bide_file *file);
/** @brief As bide_file_read(). */
BIDE_API void bide_file_io_read(bide_file_io *io, bide_file *file, void *buffer, size_t length);
/** @brief As bide_file_write(). */
BIDE_API void bide_file_io_write(bide_file_io *io, bide_file *file, const void *buffer, size_t length);
/** @brief As bide_file_pread(). */
BIDE_API void bide_file_io_pread(bide_file_io *io, bide_file *file, void *buffer, size_t length,
                                 uint64_t offset);
/** @brief As bide_file_pwrite(). */
BIDE_API void bide_file_io_pwrite(bide_file_io *io, bide_file *file, const void *buffer, size_t length,
                                  uint64_t offset);
/** @brief As bide_file_read_exact(). */
BIDE_API void bide_file_io_read_exact(bide_file_io *io, bide_file *file, void *buffer, size_t length);
/** @brief As bide_file_write_all(). */
BIDE_API void bide_file_io_write_all(bide_file_io *io, bide_file *file, const void *buffer, size_t length);
/** @brief As bide_file_seek(). */
BIDE_API void bide_file_io_seek(bide_file_io *io, bide_file *file, int64_t offset, bide_file_origin origin);
/** @brief As bide_file_sync(). */
BIDE_API void bide_file_io_sync(bide_file_io *io, bide_file *file);
/** @brief As bide_file_sync_data(). */
BIDE_API void bide_file_io_sync_data(bide_file_io *io, bide_file *file);
/** @brief As bide_file_truncate(). */
BIDE_API void bide_file_io_truncate(bide_file_io *io, bide_file *file, uint64_t size);
/** @brief As bide_file_stat(). */
BIDE_API void bide_file_io_stat(bide_file_io *io, bide_file *file);
/** @brief As bide_path_stat(). */
BIDE_API void bide_path_io_stat(bide_file_io *io, const char *path);
/** @brief As bide_path_lstat(). */
BIDE_API void bide_path_io_lstat(bide_file_io *io, const char *path);
/** @brief As bide_path_unlink(). */
BIDE_API void bide_path_io_unlink(bide_file_io *io, const char *path);
/** @brief As bide_path_rename(). */
BIDE_API void bide_path_io_rename(bide_file_io *io, const char *from, const char *to);
/** @brief As bide_path_mkdir(). */
BIDE_API void bide_path_io_mkdir(bide_file_io *io, const char *path, unsigned mode);
/** @brief As bide_path_rmdir(). */
BIDE_API void bide_path_io_rmdir(bide_file_io *io, const char *path);
/** @brief As bide_path_load(). */
BIDE_API void bide_path_io_load(bide_file_io *io, const char *path, size_t most);
/** @brief As bide_path_save(). */
BIDE_API void bide_path_io_save(bide_file_io *io, const char *path, const void *bytes, size_t length,
                                unsigned mode);
/** @brief As bide_directory_open(). */
BIDE_API void bide_directory_io_open(bide_file_io *io, const char *path);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
