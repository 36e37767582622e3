/**
 * @file bide/reader.h
 * @brief Buffered reading: lines and records handed out in place, from a buffer that you give.
 *
 * A reader takes bytes from a handle in pieces as large as its buffer has room for, and gives them out as you
 * ask for them. It allocates nothing, and never holds more than the buffer. Several lines that came together
 * cost one system call.
 *
 * **In place.** What a call hands out lies in the buffer, and stays there until the next call on the reader
 * other than bide_reader_peek().
 *
 * **Nothing is lost.** Bytes that were read stay in the reader, also when a call ends with BIDE_ETIMEDOUT,
 * with another error, or is cancelled: the next call finds them. What is there beats the deadline: a line
 * that is in the buffer, or complete in the kernel, is given out however late it is.
 *
 * **Descriptors** that come with the bytes of a Unix socket are closed, as by any read: receive those bytes
 * as a bide_message (bide/message.h), while the reader is empty.
 *
 * **Threads.** A reader is one thread's at a time, and has one future under way at most: another gives
 * BIDE_EBUSY. Do not read from the handle beside it, or only what bide_reader_peek() shows to be empty
 * before.
 *
 * **Errors of every call**, besides those that it names: those of bide_read(); BIDE_EINVAL (NULL, or a reader
 * without a handle or a buffer); BIDE_EBUSY.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_READER_H
#define BIDE_READER_H

#include <bide/async.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bide_reading;

/** A buffered reader, in storage of the caller's. The fields are private. It owns nothing: it may go out of
 * scope whenever no future of it is under way. */
typedef struct bide_reader {
    bide_async *async_;
    unsigned char *buffer_;
    size_t capacity_;
    size_t start_;
    size_t end_;
    const struct bide_reading *user_;
    uint32_t generation_;
} bide_reader;

/**
 * @brief Makes a reader of a handle. Does not read.
 *
 * @param async the handle, which stays the caller's and must stay until the last call on the reader.
 * @param buffer `capacity` bytes, the reader's from now on. A line with its delimiter is at most as long.
 *
 * @code
 * char buffer[4096];
 * bide_reader reader;
 * bide_reader_init(&reader, conn, buffer, sizeof buffer);
 * @endcode
 */
BIDE_API void bide_reader_init(bide_reader *reader, bide_async *async, void *buffer, size_t capacity);

/** @name What is in the buffer
 * These do not wait and make no system call. */
/**@{*/

/**
 * @brief The bytes that were read and not given out yet.
 *
 * @param[out] length how many; may be NULL.
 * @return where they begin: in the buffer, also when there are none; NULL for NULL.
 */
BIDE_API const void *bide_reader_peek(const bide_reader *reader, size_t *length);

/** @brief Takes `count` of them out. @return 0, BIDE_EINVAL if there are fewer, BIDE_EBUSY. */
BIDE_API int bide_reader_consume(bide_reader *reader, size_t count);
/**@}*/

/** @name Direct calls
 * They may wait until the deadline. */
/**@{*/

/**
 * @brief Reads once, as much as there is room for, behind what is in the buffer.
 *
 * @return the number of bytes that came; 0 at the end of the stream; BIDE_EMSGSIZE: there is no room.
 */
BIDE_API bide_ssize bide_reader_fill(bide_reader *reader, bide_instant deadline);

/**
 * @brief Gives out everything up to a delimiter: a line, a record.
 *
 * @param delimiter its bytes: "\n", "\r\n", "\0" …
 * @param delimiter_length how many, at least 1.
 * @param[out] data where the line begins, in the buffer; may be NULL. There is no zero byte behind it.
 * @param[out] length its bytes, without the delimiter, which may be 0; may be NULL.
 * @return the bytes taken out of the reader: the line and its delimiter. Or
 *   - BIDE_EEOF: the stream ended. `data` and `length` tell what is left without a delimiter, perhaps
 *     nothing; it stays in the reader;
 *   - BIDE_EMSGSIZE: the buffer is full and has no delimiter. `data` and `length` tell what is there; it
 *     stays in the reader, so that the next call gives the same unless you take something out;
 *   - BIDE_EINVAL: also without a delimiter;
 *   - any other error: `data` is NULL and `length` 0.
 *
 * @code
 * const char *line;
 * size_t length;
 * while (bide_read_until(&reader, "\n", 1, &line, &length, bide_after(BIDE_SECONDS(30))) > 0)
 *     handle(line, length);
 * @endcode
 */
BIDE_API bide_ssize bide_read_until(bide_reader *reader, const void *delimiter, size_t delimiter_length,
                                    const char **data, size_t *length, bide_instant deadline);

/**
 * @brief As bide_read(): what is in the buffer, else what comes next. At most `length` bytes, at least one.
 *
 * A read of at least the buffer's size goes past the empty buffer, without a copy.
 *
 * @return the number of bytes; 0 at the end of the stream or for no bytes.
 */
BIDE_API bide_ssize bide_reader_read(bide_reader *reader, void *buffer, size_t length, bide_instant deadline);

/**
 * @brief Reads exactly `length` bytes, which may be more than the reader's buffer holds.
 *
 * @param[out] done NULL, or where the number of bytes put into `buffer` is told, on every outcome: these have
 *   left the reader.
 * @return 0; BIDE_EEOF: the stream ended before.
 */
BIDE_API int bide_reader_exact(bide_reader *reader, void *buffer, size_t length, bide_instant deadline,
                               size_t *done);
/**@}*/

/** One of these calls as a future. */
typedef struct bide_reading {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_io io_;
    bide_reader *reader_;
    const unsigned char *delimiter_;
    unsigned char *target_;
    size_t wanted_;
    size_t searched_;
    uint8_t kind_;
    bool moving_;
    bool direct_;
    const char
        *data;     /**< when a bide_reading_until() is ready: where the line begins; see bide_read_until() */
    size_t length; /**< and its bytes */
    size_t done;   /**< of a bide_reading_exact(): the bytes put into the buffer so far */
    bide_ssize result; /**< when ready: what the direct call returns */
} bide_reading;

/** @name The calls as futures
 * Prepare, then await, race, or put into a set. The reader, and buffers and delimiters, must stay until it is
 * ready or cancelled. When it is cancelled the bytes that were read stay in the reader. */
/**@{*/
/** @brief As bide_reader_fill(). */
BIDE_API void bide_reading_fill(bide_reading *reading, bide_reader *reader);
/** @brief As bide_read_until(); the delimiter must stay. */
BIDE_API void bide_reading_until(bide_reading *reading, bide_reader *reader, const void *delimiter,
                                 size_t delimiter_length);
/** @brief As bide_reader_read(). */
BIDE_API void bide_reading_read(bide_reading *reading, bide_reader *reader, void *buffer, size_t length);
/** @brief As bide_reader_exact(). */
BIDE_API void bide_reading_exact(bide_reading *reading, bide_reader *reader, void *buffer, size_t length);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
