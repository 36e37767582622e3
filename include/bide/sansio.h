/**
 * @file bide/sansio.h
 * @brief Protocols without input and output: state machines that say what they want read or written, and
 *   leave the doing to whoever drives them.
 *
 * Part of the library bide-countdown, not of bide itself; it needs neither a reactor nor the system.
 *
 * A *coroutine* is a struct of the caller's. It is resumed with a bide_sansio_io; it answers that it is done,
 * that it failed, or that it wants something, which then stands in the bide_sansio_io: bytes to be read or
 * written, the time, or a sleep. The *driver* does that, by whatever means (a blocking descriptor, Bide,
 * another loop, a test's memory), puts into `result` what became of it, and resumes:
 *
 * @code
 * bide_sansio_io io = {0};
 * int state;
 * while ((state = bide_sansio_read_line_resume(&line, &io)) == BIDE_SANSIO_WANTS)
 *     bide_sansio_on_fd(&io, fd);
 * @endcode
 *
 * Ready-made drivers, of some twenty lines each, are in bide/sansio_run.h.
 *
 * **Who owns what.** Buffers belong to the coroutine, which was given them at its making. The driver only
 * reports how many bytes were moved. So a system call that failed may be made again, and a driver that
 * resumes without an answer (`result` is BIDE_EAGAIN still, or the bide_sansio_io was zeroed) gets the same
 * request once more.
 *
 * **Outcomes stay.** A coroutine that is done or has failed answers the same to every further resume, and
 * wants nothing. Its init function begins anew.
 *
 * **Composing.** A protocol is a struct with coroutines in it: its own resume function resumes the one whose
 * turn it is and hands BIDE_SANSIO_WANTS on, with the same bide_sansio_io. Bytes that came after the end of
 * what one wanted stay in the bide_sansio_input that they share, for the next one.
 *
 * **Threads.** A coroutine and its input are used by one thread at a time. Nothing here waits, allocates, or
 * calls the system. A NULL that is not allowed gives BIDE_EINVAL, or does nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_SANSIO_H
#define BIDE_SANSIO_H

#include <bide/base.h>
#include <bide/error.h>
#include <bide/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a resume answers, besides an error, which is negative: the coroutine has failed. */
enum {
    BIDE_SANSIO_DONE = 0, /**< it has reached its end */
    BIDE_SANSIO_WANTS = 1 /**< it wants what stands in the bide_sansio_io */
};

/** What a coroutine can want. */
typedef enum bide_sansio_kind {
    BIDE_SANSIO_NONE = 0,  /**< nothing */
    BIDE_SANSIO_READ = 1,  /**< up to `length` bytes read into `buffer` */
    BIDE_SANSIO_WRITE = 2, /**< up to `length` bytes written from `buffer` */
    BIDE_SANSIO_NOW = 3,   /**< the present time put into `instant` */
    BIDE_SANSIO_SLEEP = 4  /**< to be resumed when it is `instant` */
} bide_sansio_kind;

/** A request and its answer; zeroed before the first resume. */
typedef struct bide_sansio_io {
    bide_sansio_kind kind; /**< what is wanted */
    void *buffer;          /**< of READ and WRITE; the bytes of WRITE must not be changed */
    size_t length;         /**< of READ and WRITE, at least 1 */
    bide_instant instant;  /**< of SLEEP: when it ends; of NOW: where the driver puts the time */
    /**
     * The driver's answer. READ and WRITE: the bytes moved, at most `length`; a read of 0 is the end of the
     * stream. NOW and SLEEP: 0. BIDE_EAGAIN, as the coroutine leaves it, and BIDE_EINTR: not done yet. Every
     * other error: it cannot be done, the coroutine fails with that error.
     */
    bide_ssize result;
} bide_sansio_io;

/** What every coroutine begins with. The fields are private. */
typedef struct bide_sansio_step {
    int status_;
    bide_sansio_kind asked_;
    size_t length_;
} bide_sansio_step;

/** @name Input
 * The bytes that have been read and not been used yet: what several coroutines that read one stream share. */
/**@{*/

/** The input. The fields are private. */
typedef struct bide_sansio_input {
    unsigned char *buffer_;
    size_t capacity_;
    size_t start_;
    size_t end_;
    bool ended_;
    bool skipping_;
} bide_sansio_input;

/**
 * @brief Makes it empty.
 *
 * @param buffer must stay as long as the input is used.
 * @param capacity its bytes; the longest line that can be read, with its end.
 */
BIDE_API void bide_sansio_input_init(bide_sansio_input *input, void *buffer, size_t capacity);

/** @brief The bytes that nobody has used yet: to hand a connection over to another protocol.
 * @return where they begin; valid until the input is used again. `*length` may be 0. */
BIDE_API const void *bide_sansio_input_rest(const bide_sansio_input *input, size_t *length);

/** @brief Drops the first `length` of the unused bytes, or all if there are fewer. */
BIDE_API void bide_sansio_input_consume(bide_sansio_input *input, size_t length);
/**@}*/

/** @name Reading */
/**@{*/

/** Reads some bytes: what there is, at least one. */
typedef struct bide_sansio_read {
    bide_sansio_step step_;
    bide_sansio_input *input_;
    unsigned char *buffer_;
    size_t capacity_;
    size_t length; /**< when done: how many came; 0: the stream has ended */
} bide_sansio_read;

/**
 * @brief Prepares it.
 *
 * @param input what was read before and is used first; NULL: nothing was.
 * @param buffer where the bytes go; must stay.
 * @param capacity how many at most; of 0 it is done at once.
 */
BIDE_API void bide_sansio_read_init(bide_sansio_read *read, bide_sansio_input *input, void *buffer,
                                    size_t capacity);

/** @brief Goes on. @return BIDE_SANSIO_DONE, also at the end of the stream; BIDE_SANSIO_WANTS; the driver's
 *   error; BIDE_EINVAL: NULL, or an answer that does not fit the request. */
BIDE_API int bide_sansio_read_resume(bide_sansio_read *read, bide_sansio_io *io);

/** Reads as many bytes as it was asked for, and not one more. */
typedef struct bide_sansio_read_exact {
    bide_sansio_step step_;
    bide_sansio_input *input_;
    unsigned char *buffer_;
    size_t length_;
    size_t done; /**< how many have come so far, on every outcome */
} bide_sansio_read_exact;

/** @brief Prepares it. The arguments are those of bide_sansio_read_init(). */
BIDE_API void bide_sansio_read_exact_init(bide_sansio_read_exact *read, bide_sansio_input *input,
                                          void *buffer, size_t length);

/** @brief Goes on. @return as bide_sansio_read_resume(), or BIDE_EEOF: the stream ended before. */
BIDE_API int bide_sansio_read_exact_resume(bide_sansio_read_exact *read, bide_sansio_io *io);

/** Reads until the stream ends. */
typedef struct bide_sansio_read_to_end {
    bide_sansio_step step_;
    bide_sansio_input *input_;
    unsigned char *buffer_;
    size_t capacity_;
    unsigned char extra_;
    size_t length; /**< how many bytes have come so far, on every outcome */
} bide_sansio_read_to_end;

/** @brief Prepares it. The arguments are those of bide_sansio_read_init(). */
BIDE_API void bide_sansio_read_to_end_init(bide_sansio_read_to_end *read, bide_sansio_input *input,
                                           void *buffer, size_t capacity);

/** @brief Goes on. @return as bide_sansio_read_resume(), or BIDE_EMSGSIZE: more comes than there is room for;
 *   see bide_sansio_read_to_end_grow(). */
BIDE_API int bide_sansio_read_to_end_resume(bide_sansio_read_to_end *read, bide_sansio_io *io);

/**
 * @brief Goes on in a larger buffer after BIDE_EMSGSIZE; nothing was lost.
 *
 * @param buffer begins with the `length` bytes that came so far, as realloc(3) leaves them.
 * @param capacity more than it was before.
 * @return 0; BIDE_EINVAL: no larger, or it did not fail for lack of room.
 */
BIDE_API int bide_sansio_read_to_end_grow(bide_sansio_read_to_end *read, void *buffer, size_t capacity);

/** Reads one line. */
typedef struct bide_sansio_read_line {
    bide_sansio_step step_;
    bide_sansio_input *input_;
    size_t limit_;
    size_t scanned_;
    char *line;    /**< when done: the line, in the input's buffer, until the input is used again */
    size_t length; /**< its bytes without the end, which is "\n" or "\r\n" */
} bide_sansio_read_line;

/**
 * @brief Prepares it.
 *
 * @param input what the line is read through; must stay.
 * @param limit the most bytes that a line may have, with its end; 0, or more than the input has room for: as
 *   many as that.
 */
BIDE_API void bide_sansio_read_line_init(bide_sansio_read_line *read, bide_sansio_input *input, size_t limit);

/**
 * @brief Goes on.
 *
 * @return as bide_sansio_read_resume(); BIDE_EEOF: the stream ended before the line did, `line` and `length`
 *   are what came of it, perhaps nothing; BIDE_EMSGSIZE: the line is longer than allowed; this is told as
 *   soon as it is known, and the next read of a line through this input begins after the long one's end.
 */
BIDE_API int bide_sansio_read_line_resume(bide_sansio_read_line *read, bide_sansio_io *io);
/**@}*/

/** @name Writing and sleeping */
/**@{*/

/** Writes all of its bytes. */
typedef struct bide_sansio_write_all {
    bide_sansio_step step_;
    const unsigned char *bytes_;
    size_t length_;
    size_t done; /**< how many have been written so far, on every outcome */
} bide_sansio_write_all;

/** @brief Prepares it. @param bytes must stay. @param length of 0 it is done at once. */
BIDE_API void bide_sansio_write_all_init(bide_sansio_write_all *write, const void *bytes, size_t length);

/** @brief Goes on. @return as bide_sansio_read_resume(), or BIDE_EPIPE: the other end takes nothing (a write
 *   moved 0 bytes). */
BIDE_API int bide_sansio_write_all_resume(bide_sansio_write_all *write, bide_sansio_io *io);

/** Asks for the time, then sleeps for as long as it was told, and is done when the driver says so. */
typedef struct bide_sansio_sleep {
    bide_sansio_step step_;
    bide_duration duration_;
    bide_instant until; /**< once it sleeps: until when */
} bide_sansio_sleep;

/** @brief Prepares it. @param duration nanoseconds; a sleep of none still asks the driver for both. */
BIDE_API void bide_sansio_sleep_init(bide_sansio_sleep *sleep, bide_duration duration);

/** @brief Goes on. @return as bide_sansio_read_resume(). */
BIDE_API int bide_sansio_sleep_resume(bide_sansio_sleep *sleep, bide_sansio_io *io);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
