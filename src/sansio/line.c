/* Reading a line through an input, whose buffer it stays in.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sansio/input.h"
#include "sansio/step.h"

#include <string.h>

void bide_sansio_read_line_init(bide_sansio_read_line *read, bide_sansio_input *input, size_t limit)
{
    if (!read) return;
    (void)memset(read, 0, sizeof *read);
    bide_sansio_begin(&read->step_);
    read->input_ = input;
    size_t capacity = input ? input->capacity_ : 0;
    read->limit_ = limit == 0 || limit > capacity ? capacity : limit;
}

/* Gives out the first `length` unused bytes, of which the last `end` are no part of the line. */
static int give(bide_sansio_read_line *read, bide_sansio_io *io, size_t length, size_t end, int status)
{
    bide_sansio_input *input = read->input_;
    read->line = (char *)input->buffer_ + input->start_;
    read->length = length - end;
    bide_sansio_input_consume(input, length);
    return bide_sansio_finish(&read->step_, io, status);
}

/* Drops the first `length` unused bytes of a line that is too long. */
static int refuse(bide_sansio_read_line *read, bide_sansio_io *io, size_t length, bool skipping)
{
    bide_sansio_input_consume(read->input_, length);
    read->input_->skipping_ = skipping;
    return bide_sansio_finish(&read->step_, io, BIDE_EMSGSIZE);
}

/* Asks for what fits behind the unused bytes, which are moved to the front if nothing does. They are fewer than
 * the limit, and so than the buffer. */
static int ask(bide_sansio_read_line *read, bide_sansio_io *io)
{
    bide_sansio_input *input = read->input_;
    if (input->end_ == input->capacity_ && input->start_ > 0) {
        size_t held = bide_sansio_input_held(input);
        (void)memmove(input->buffer_, input->buffer_ + input->start_, held);
        input->start_ = 0;
        input->end_ = held;
    }
    return bide_sansio_ask(&read->step_, io, BIDE_SANSIO_READ, input->buffer_ + input->end_,
                           input->capacity_ - input->end_);
}

int bide_sansio_read_line_resume(bide_sansio_read_line *read, bide_sansio_io *io)
{
    if (!read || !io) return BIDE_EINVAL;
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;
    bide_sansio_input *input = read->input_;
    if (read->limit_ == 0) return bide_sansio_finish(&read->step_, io, BIDE_EINVAL);
    bide_ssize result;
    if (bide_sansio_answered(&read->step_, io, &result)) {
        input->end_ += (size_t)result;
        if (result == 0) input->ended_ = true;
    }
    if (read->step_.status_ != BIDE_SANSIO_WANTS) return read->step_.status_;

    for (;;) {
        const unsigned char *start = input->buffer_ + input->start_;
        size_t held = bide_sansio_input_held(input);
        const unsigned char *end =
            held > read->scanned_ ? memchr(start + read->scanned_, '\n', held - read->scanned_) : NULL;
        if (end && input->skipping_) {
            bide_sansio_input_consume(input, (size_t)(end - start) + 1);
            input->skipping_ = false;
            read->scanned_ = 0;
            continue;
        }
        if (end) {
            size_t length = (size_t)(end - start) + 1;
            if (length > read->limit_) return refuse(read, io, length, false);
            return give(read, io, length, length > 1 && end[-1] == '\r' ? 2 : 1, BIDE_SANSIO_DONE);
        }
        if (input->skipping_) {
            bide_sansio_input_consume(input, held);
            held = 0;
        } else if (held >= read->limit_) {
            return refuse(read, io, held, true);
        }
        if (input->ended_) return give(read, io, held, 0, BIDE_EEOF);
        read->scanned_ = held;
        return ask(read, io);
    }
}
