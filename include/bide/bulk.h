/**
 * @file bide/bulk.h
 * @brief All of it: a whole buffer read or written as one future, and a file sent to a socket.
 *
 * The direct calls for buffers are bide_read_exact() and bide_write_all() (bide/async.h).
 *
 * **Progress.** What was moved before a deadline, an error or a cancel stays moved; `done` tells how much, on
 * every outcome, and may be read between two polls. **Threads, deadlines, errors.** As bide/async.h says of
 * every operation.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_BULK_H
#define BIDE_BULK_H

#include <bide/async.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Reading or writing all bytes of a buffer as a future. The buffer must stay until it is ready or
 * cancelled. */
typedef struct bide_bulk {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_io io_;
    bide_async *async_;
    unsigned char *bytes_;
    size_t length_;
    uint32_t generation_;
    bool writes_;
    bool moving_;
    size_t done; /**< the bytes moved so far */
    int result;  /**< when ready: 0 (all of them), BIDE_EEOF (a read at the end of the stream), or an error */
} bide_bulk;

/**
 * @brief Prepares to read exactly `length` bytes: bide_read_exact() as a future.
 *
 * @code
 * bide_bulk header;
 * bide_bulk_read(&header, conn, bytes, sizeof bytes);
 * int err = bide_await(&header.future, bide_after(BIDE_SECONDS(1)));
 * if (!err) err = header.result;
 * @endcode
 */
BIDE_API void bide_bulk_read(bide_bulk *bulk, bide_async *async, void *buffer, size_t length);

/** @brief Prepares to write all `length` bytes: bide_write_all() as a future. */
BIDE_API void bide_bulk_write(bide_bulk *bulk, bide_async *async, const void *buffer, size_t length);

/** bide_sendfile(): up to the end of the file, wherever that is. */
#define BIDE_TO_THE_END UINT64_MAX

/**
 * @brief Sends a part of a file, without bringing it into the process where the system can (sendfile(2)).
 *
 * Where it cannot (files of /proc, some file systems) the bytes are copied in pieces. The file's own offset
 * is neither used nor changed. Sending never blocks on the socket; reading the file may block on its disk,
 * as any read of a file may: pieces are bounded, and between them others have their turn.
 *
 * @param async a connected socket; or anything else that can be written to.
 * @param file open for reading, and of a kind that can be read at an offset: a pipe cannot. It stays the
 *   caller's, and must stay open.
 * @param offset where in the file to begin, in bytes.
 * @param length how many bytes; or BIDE_TO_THE_END.
 * @param[out] done NULL, or where the number of bytes sent is put, on every outcome.
 * @return 0; BIDE_EEOF: the file ended before `length` bytes; an error of the socket (BIDE_EPIPE …; no signal
 *   is raised) or of the file (BIDE_EBADF, BIDE_EIO, BIDE_EISDIR …); BIDE_EINVAL: NULL, `offset` or the end
 *   of the part beyond what files can have, or a borrowed descriptor that blocks.
 *
 * @code
 * uint64_t sent;
 * int err = bide_sendfile(conn, file, 0, BIDE_TO_THE_END, bide_after(BIDE_MINUTES(1)), &sent);
 * @endcode
 */
BIDE_API int bide_sendfile(bide_async *async, bide_fd file, uint64_t offset, uint64_t length,
                           bide_instant deadline, uint64_t *done);

/** Sending a file as a future. */
typedef struct bide_sending_file {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_io io_;
    bide_async *async_;
    uint64_t offset_;
    uint64_t length_;
    bide_fd file_;
    uint32_t generation_;
    bool copies_;
    bool moving_;
    uint64_t done; /**< the bytes sent so far */
    int result;    /**< when ready: 0 or an error, as bide_sendfile() */
} bide_sending_file;

/** @brief Prepares to send a part of a file; arguments as bide_sendfile(). */
BIDE_API void bide_sending_file_init(bide_sending_file *sending, bide_async *async, bide_fd file,
                                     uint64_t offset, uint64_t length);

#ifdef __cplusplus
}
#endif

#endif
