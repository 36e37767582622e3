/* What a thread of the pool does for a file: see work.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FILE_WORK_H
#define BIDE_FILE_WORK_H

#include <bide/file.h>

#include <stdatomic.h>

struct bide_file {
    _Atomic uint32_t references; /* the handle, and the works that use the descriptor */
    bide_fd fd;
    unsigned kind; /* as from bide_os_kind */
};

enum bide_file_operation {
    BIDE_WORK_OPEN,
    BIDE_WORK_READ,
    BIDE_WORK_WRITE,
    BIDE_WORK_PREAD,
    BIDE_WORK_PWRITE,
    BIDE_WORK_SEEK,
    BIDE_WORK_SYNC,
    BIDE_WORK_SYNC_DATA,
    BIDE_WORK_TRUNCATE,
    BIDE_WORK_STAT,
    BIDE_WORK_PATH_STAT,
    BIDE_WORK_PATH_LSTAT,
    BIDE_WORK_UNLINK,
    BIDE_WORK_RENAME,
    BIDE_WORK_MKDIR,
    BIDE_WORK_RMDIR,
    BIDE_WORK_LOAD,
    BIDE_WORK_SAVE,
    BIDE_WORK_OPEN_DIRECTORY,
    BIDE_WORK_CLOSE
};

/* All that a job touches. The job's until it has ended; then, unless it was left behind, the future's. */
struct bide_file_work {
    uint8_t kind;
    unsigned flags;
    unsigned mode;
    bide_file *file;           /* referenced; of an opening the one to be */
    bide_directory *directory; /* of an opening */
    const char *path;          /* both in `bytes` */
    const char *other;
    char *data; /* in `bytes`: what is written, or room for what is read */
    size_t length;
    uint64_t offset;
    void *loaded;
    uint64_t position;
    bide_file_status status;
    char bytes[];
};

/* A file without a descriptor, with one reference. NULL without memory. */
bide_file *bide_file_new(void);

/* One reference less; the last one closes: 0 or the error of that. */
int bide_file_release(bide_file *file);

/* Makes a work that has copies of both strings and of `length` bytes; either may be NULL, and without `data` the
 * bytes are room. NULL without memory. */
struct bide_file_work *bide_work_new(uint8_t kind, const char *path, const char *other, const void *data,
                                     size_t length);

/* The job's function. A count or an error. */
bide_ssize bide_work_run(void *work);

/* Frees it with all that nobody has taken out. */
void bide_work_drop(void *work);

/* --- directory.c --- */

/* A directory that is not open yet. NULL without memory. */
bide_directory *bide_directory_new(void);
int bide_directory_begin(bide_directory *directory, const char *path);

#endif
