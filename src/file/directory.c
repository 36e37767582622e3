/* Listing directories: entries are read by the dozens, in a detachable job that fills a buffer of the directory's.
 *
 *   ENTRIES LEFT --taken one by one--> EMPTY --a read--> BUSY --ended--> ENTRIES LEFT, or at the END
 *                                                         \--left behind: stays BUSY until it has ended
 *
 * INVARIANTS
 * 1. The stream and the buffer are the job's while `busy` is set, and otherwise the caller's.
 * 2. The handle and a job hold a reference each; the last one closes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "file/work.h"

#include "future/future.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>

/* Some hundreds of usual names. */
#define ROOM ((size_t)16 * 1024)
/* A kind, and the longest name that a system has (PATH_MAX), with its end. */
#define MOST_OF_AN_ENTRY ((size_t)1 + 4096)

struct bide_directory {
    _Atomic uint32_t references;
    /* Set by the caller; cleared by the caller, or with a release by the thread of a job that was left behind. */
    _Atomic bool busy;
    bide_os_directory *stream;
    int ended; /* BIDE_END or an error, once all entries before it are taken */
    size_t next, filled;
    char entries[ROOM]; /* each a byte for its kind, and its name */
};

bide_directory *bide_directory_new(void)
{
    bide_directory *directory = malloc(sizeof *directory);
    if (!directory) return NULL;
    atomic_init(&directory->references, 1);
    atomic_init(&directory->busy, false);
    directory->stream = NULL;
    directory->ended = 0;
    directory->next = directory->filled = 0;
    return directory;
}

int bide_directory_begin(bide_directory *directory, const char *path)
{
    return bide_os_directory_open(&directory->stream, path);
}

void bide_directory_close(bide_directory *directory)
{
    /* acq_rel: all uses of the stream come before its end */
    if (!directory || atomic_fetch_sub_explicit(&directory->references, 1, memory_order_acq_rel) != 1) return;
    if (directory->stream) bide_os_directory_close(directory->stream);
    free(directory);
}

/* --- The job --- */

static bide_ssize fill(void *arg)
{
    bide_directory *directory = arg;
    directory->next = directory->filled = 0;
    while (ROOM - directory->filled >= MOST_OF_AN_ENTRY) {
        const char *name;
        bide_file_kind kind;
        directory->ended = bide_os_directory_read(directory->stream, &name, &kind);
        if (directory->ended) break;
        size_t size = strlen(name) + 1;
        char *entry = directory->entries + directory->filled;
        entry[0] = (char)kind;
        memcpy(entry + 1, name, size);
        directory->filled += 1 + size;
    }
    return 0;
}

/* The job is over. */
static void give_back(void *arg)
{
    bide_directory *directory = arg;
    /* release: with the acquire of the next read, which then sees what was filled in */
    atomic_store_explicit(&directory->busy, false, memory_order_release);
    bide_directory_close(directory);
}

/* --- The future --- */

static int finish(bide_directory_reading *reading, int result)
{
    reading->result = result;
    return BIDE_READY;
}

/* The next entry, or the end. */
static int yield(bide_directory_reading *reading)
{
    bide_directory *directory = reading->directory_;
    if (directory->next == directory->filled) return finish(reading, directory->ended);
    const char *entry = directory->entries + directory->next;
    directory->next += 1 + strlen(entry + 1) + 1;
    reading->entry.kind = (bide_file_kind)entry[0];
    reading->entry.name = entry + 1;
    return finish(reading, 0);
}

/* The job has ended. */
static int collect(bide_directory_reading *reading)
{
    int error = (int)reading->job_.result;
    reading->begun_ = false;
    /* In the child of a fork the stream stays as the parent's thread has left it, half used perhaps. */
    if (error == BIDE_EFORKED) return finish(reading, error);
    int answer = error ? finish(reading, error) : yield(reading);
    give_back(reading->directory_);
    return answer;
}

static int reading_poll(bide_future *self, bide_context *cx)
{
    bide_directory_reading *reading = (bide_directory_reading *)self;
    bide_directory *directory = reading->directory_;
    if (!directory) return finish(reading, BIDE_EINVAL);
    if (!reading->begun_) {
        if (atomic_load_explicit(&directory->busy, memory_order_acquire)) return finish(reading, BIDE_EBUSY);
        if (directory->next < directory->filled || directory->ended) return yield(reading);
        atomic_store_explicit(&directory->busy, true, memory_order_relaxed);
        /* relaxed: who has a reference makes another */
        atomic_fetch_add_explicit(&directory->references, 1, memory_order_relaxed);
        bide_job_init_detachable(&reading->job_, fill, directory, give_back);
        reading->begun_ = true;
    }
    int answer = bide_future_poll(&reading->job_.future, cx);
    return answer == BIDE_READY ? collect(reading) : answer;
}

static int reading_cancel(bide_future *self, bide_context *cx)
{
    bide_directory_reading *reading = (bide_directory_reading *)self;
    int answer = bide_future_cancel(&reading->job_.future, cx);
    if (answer < BIDE_READY) return answer;
    if (answer == BIDE_COMPLETED) {
        (void)collect(reading);
        return BIDE_COMPLETED;
    }
    reading->begun_ = false;
    return finish(reading, BIDE_ECANCELED);
}

static const bide_future_kind reading_kind = {
    {sizeof reading_kind.ops, reading_poll, reading_cancel, BIDE_FUTURE_NAMED}, "directory", NULL};

void bide_directory_reading_init(bide_directory_reading *reading, bide_directory *directory)
{
    if (!reading) return;
    bide_future_init(&reading->future, &reading_kind.ops);
    reading->directory_ = directory;
    reading->begun_ = false;
    reading->entry.name = NULL;
    reading->entry.kind = BIDE_KIND_UNKNOWN;
    reading->result = BIDE_ECANCELED;
}

int bide_directory_read(bide_directory *directory, bide_directory_entry *entry, bide_instant deadline)
{
    if (!entry) return BIDE_EINVAL;
    bide_directory_reading reading;
    bide_directory_reading_init(&reading, directory);
    int error = bide_await(&reading.future, deadline);
    if (!error) error = reading.result;
    if (!error) *entry = reading.entry;
    return error;
}
