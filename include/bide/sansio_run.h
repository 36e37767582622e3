/**
 * @file bide/sansio_run.h
 * @brief Drivers for coroutines of bide/sansio.h: over a blocking descriptor, over a bide_async on a thread or
 *   in a task, over memory.
 *
 * Each does the one thing that a coroutine wants, and leaves in the request what became of it: call it in a
 * loop around the coroutine's resume. They are inline, because the library bide-countdown does not need the
 * library bide: who uses the first two links both.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_SANSIO_RUN_H
#define BIDE_SANSIO_RUN_H

#include <bide/async.h>
#include <bide/sansio.h>

#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @brief Does what `io` wants on a blocking descriptor: a pipe, a terminal, a socket. Waits as long as that
 *   takes; an interrupted call leaves BIDE_EINTR, with which the coroutine asks again.
 *
 * SIGPIPE is the caller's to ignore.
 *
 * @code
 * while ((state = bide_sansio_write_all_resume(&write, &io)) == BIDE_SANSIO_WANTS)
 *     bide_sansio_on_fd(&io, fd);
 * @endcode
 */
static inline void bide_sansio_on_fd(bide_sansio_io *io, bide_fd fd)
{
    bide_ssize result = 0;
    switch (io->kind) {
    case BIDE_SANSIO_READ: result = read(fd, io->buffer, io->length); break;
    case BIDE_SANSIO_WRITE: result = write(fd, io->buffer, io->length); break;
    case BIDE_SANSIO_NOW: io->instant = bide_now(); break;
    case BIDE_SANSIO_SLEEP: io->result = bide_sleep_until(io->instant); return;
    case BIDE_SANSIO_NONE: return;
    }
    io->result = result < 0 ? bide_last_error() : result;
}

/**
 * @brief Does what `io` wants over a bide_async: on a thread, which waits, or in a task, which is suspended.
 *
 * @param async NULL: only NOW and SLEEP can be done.
 * @param deadline of a read or a write; when it passes the coroutine fails with BIDE_ETIMEDOUT. BIDE_NOW
 *   leaves BIDE_EAGAIN instead, with which it asks again. A sleep is not cut short by it.
 */
static inline void bide_sansio_on_async(bide_sansio_io *io, bide_async *async, bide_instant deadline)
{
    switch (io->kind) {
    case BIDE_SANSIO_READ: io->result = bide_read(async, io->buffer, io->length, deadline); break;
    case BIDE_SANSIO_WRITE: io->result = bide_write(async, io->buffer, io->length, deadline); break;
    case BIDE_SANSIO_SLEEP: io->result = bide_sleep_until(io->instant); break;
    case BIDE_SANSIO_NOW:
        io->instant = bide_now();
        io->result = 0;
        break;
    case BIDE_SANSIO_NONE: break;
    }
}

/** A stream and a clock in memory, for tests and simulations; zeroed, then filled in. */
typedef struct bide_sansio_memory {
    const void *input;   /**< what is read */
    size_t input_length; /**< its bytes; then the stream ends */
    size_t input_used;   /**< how many of them were read */
    void *output;        /**< where it is written to */
    size_t output_room;  /**< its bytes; then a write gives BIDE_ENOSPC */
    size_t output_used;  /**< how many of them were written */
    size_t piece;        /**< the most bytes moved at once; 0: all */
    bide_instant now;    /**< the time; a sleep moves it to its end at once */
} bide_sansio_memory;

/** @brief Does what `io` wants in memory. Never waits. */
static inline void bide_sansio_on_memory(bide_sansio_io *io, bide_sansio_memory *memory)
{
    bool reads = io->kind == BIDE_SANSIO_READ;
    size_t length =
        reads ? memory->input_length - memory->input_used : memory->output_room - memory->output_used;
    io->result = 0;
    if (io->kind == BIDE_SANSIO_NOW) {
        io->instant = memory->now;
    } else if (io->kind == BIDE_SANSIO_SLEEP) {
        if (bide_before(memory->now, io->instant)) memory->now = io->instant;
    } else if (io->kind != BIDE_SANSIO_NONE) {
        if (length > io->length) length = io->length;
        if (memory->piece > 0 && length > memory->piece) length = memory->piece;
        io->result = (bide_ssize)length;
        if (reads && length > 0)
            memcpy(io->buffer, (const char *)memory->input + memory->input_used, length);
        else if (length > 0)
            memcpy((char *)memory->output + memory->output_used, io->buffer, length);
        else if (!reads)
            io->result = BIDE_ENOSPC;
        *(reads ? &memory->input_used : &memory->output_used) += length;
    }
}

#ifdef __cplusplus
}
#endif

#endif
