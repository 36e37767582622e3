/* Reading some bytes, exactly so many, and all there are: first what the input holds, then straight into the
 * caller's buffer, never more than was asked for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sansio/input.h"
#include "sansio/step.h"

#include <string.h>

/* Takes the answer of a read: how many bytes it moved. Notes the end of the stream. */
static bool answered(bide_sansio_step *step, bide_sansio_io *io, bide_sansio_input *input, size_t *moved)
{
    bide_ssize result;
    if (!bide_sansio_answered(step, io, &result)) return false;
    *moved = (size_t)result;
    if (result == 0 && input) input->ended_ = true;
    return true;
}

void bide_sansio_read_init(bide_sansio_read *read, bide_sansio_input *input, void *buffer, size_t capacity)
{
    if (!read) return;
    (void)memset(read, 0, sizeof *read);
    bide_sansio_begin(&read->step_);
    read->input_ = input;
    read->buffer_ = buffer;
    read->capacity_ = buffer ? capacity : 0;
}

int bide_sansio_read_resume(bide_sansio_read *read, bide_sansio_io *io)
{
    if (!read || !io) return BIDE_EINVAL;
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    if (answered(&read->step_, io, read->input_, &read->length))
        return bide_sansio_finish(&read->step_, io, BIDE_SANSIO_DONE);
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    read->length = bide_sansio_input_take(read->input_, read->buffer_, read->capacity_);
    if (read->length > 0 || read->capacity_ == 0 || bide_sansio_input_has_ended(read->input_))
        return bide_sansio_finish(&read->step_, io, BIDE_SANSIO_DONE);
    return bide_sansio_ask(&read->step_, io, BIDE_SANSIO_READ, read->buffer_, read->capacity_);
}

void bide_sansio_read_exact_init(bide_sansio_read_exact *read, bide_sansio_input *input, void *buffer,
                                 size_t length)
{
    if (!read) return;
    (void)memset(read, 0, sizeof *read);
    bide_sansio_begin(&read->step_);
    read->input_ = input;
    read->buffer_ = buffer;
    read->length_ = buffer ? length : 0;
}

int bide_sansio_read_exact_resume(bide_sansio_read_exact *read, bide_sansio_io *io)
{
    if (!read || !io) return BIDE_EINVAL;
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    size_t moved;
    if (answered(&read->step_, io, read->input_, &moved)) {
        if (moved == 0) return bide_sansio_finish(&read->step_, io, BIDE_EEOF);
        read->done += moved;
    }
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    if (read->done < read->length_)
        read->done +=
            bide_sansio_input_take(read->input_, read->buffer_ + read->done, read->length_ - read->done);
    if (read->done == read->length_) return bide_sansio_finish(&read->step_, io, BIDE_SANSIO_DONE);
    if (bide_sansio_input_has_ended(read->input_)) return bide_sansio_finish(&read->step_, io, BIDE_EEOF);
    return bide_sansio_ask(&read->step_, io, BIDE_SANSIO_READ, read->buffer_ + read->done,
                           read->length_ - read->done);
}

void bide_sansio_read_to_end_init(bide_sansio_read_to_end *read, bide_sansio_input *input, void *buffer,
                                  size_t capacity)
{
    if (!read) return;
    (void)memset(read, 0, sizeof *read);
    bide_sansio_begin(&read->step_);
    read->input_ = input;
    read->buffer_ = buffer;
    read->capacity_ = buffer ? capacity : 0;
}

/* A full buffer says nothing about the end of the stream, so that one byte more is asked for. If it comes it
 * waits in extra_ for a larger buffer. */
int bide_sansio_read_to_end_resume(bide_sansio_read_to_end *read, bide_sansio_io *io)
{
    if (!read || !io) return BIDE_EINVAL;
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    size_t moved;
    if (answered(&read->step_, io, read->input_, &moved)) {
        if (moved == 0) return bide_sansio_finish(&read->step_, io, BIDE_SANSIO_DONE);
        if (read->length == read->capacity_) return bide_sansio_finish(&read->step_, io, BIDE_EMSGSIZE);
        read->length += moved;
    }
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    if (read->length < read->capacity_)
        read->length += bide_sansio_input_take(read->input_, read->buffer_ + read->length,
                                               read->capacity_ - read->length);
    if (bide_sansio_input_take(read->input_, &read->extra_, 1) == 1)
        return bide_sansio_finish(&read->step_, io, BIDE_EMSGSIZE);
    if (bide_sansio_input_has_ended(read->input_))
        return bide_sansio_finish(&read->step_, io, BIDE_SANSIO_DONE);
    if (read->length == read->capacity_)
        return bide_sansio_ask(&read->step_, io, BIDE_SANSIO_READ, &read->extra_, 1);
    return bide_sansio_ask(&read->step_, io, BIDE_SANSIO_READ, read->buffer_ + read->length,
                           read->capacity_ - read->length);
}

int bide_sansio_read_to_end_grow(bide_sansio_read_to_end *read, void *buffer, size_t capacity)
{
    if (!read || !buffer || read->step_.status_ != BIDE_EMSGSIZE || capacity <= read->capacity_)
        return BIDE_EINVAL;
    bide_sansio_begin(&read->step_);
    read->buffer_ = buffer;
    read->capacity_ = capacity;
    read->buffer_[read->length++] = read->extra_;
    return 0;
}
