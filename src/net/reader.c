/* The buffered reader: bytes between a handle and those who ask for lines.
 *
 *   buffer:   0 ... start_ ....... end_ ...... capacity_
 *              free   read, not given    free
 *                     out yet
 *
 * A call is a future. It serves itself from the buffer; while that does not do, it reads on:
 *
 *   SERVING --not enough--> MOVING (an operation of the handle is under way) --bytes--> SERVING
 *      \ enough: ready         \ the end, an error: ready
 *
 * INVARIANTS
 * 1. start_ <= end_ <= capacity_. Only a future that is polled or cancelled, or bide_reader_consume, moves
 *   them.
 * 2. While a future is MOVING it is the reader's user_, and the place that it reads into is not touched: the
 *    free part behind end_, or the caller's own buffer (direct_).
 * 3. Bytes enter the buffer at end_ at once when their operation is done, whatever becomes of the future: so
 *    none is lost by a deadline or a cancel.
 * 4. No delimiter begins in the first searched_ bytes behind start_, so that none is looked at twice.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/reader.h>

#include "os/assert.h"
#include "reactor/await.h"
#include "reactor/source.h"

#include <string.h>

enum { KIND_FILL, KIND_UNTIL, KIND_READ, KIND_EXACT };

/* --- the buffer --- */

static size_t available(const bide_reader *reader)
{
    return reader->end_ - reader->start_;
}

static const unsigned char *front(const bide_reader *reader)
{
    return reader->buffer_ + reader->start_;
}

static void drop(bide_reader *reader, size_t count)
{
    reader->start_ += count;
    BIDE_ASSERT(reader->start_ <= reader->end_);
}

/* The free bytes behind end_, after what is there was moved to the front if that makes more room than there
 * is. */
static size_t make_room(bide_reader *reader)
{
    if (reader->capacity_ - reader->end_ < reader->start_) {
        size_t count = available(reader);
        memmove(reader->buffer_, front(reader), count);
        reader->start_ = 0;
        reader->end_ = count;
    }
    return reader->capacity_ - reader->end_;
}

/* Moves bytes from the buffer to the caller's. */
static size_t take(bide_reader *reader, unsigned char *target, size_t most)
{
    size_t count = available(reader);
    if (count > most) count = most;
    if (count > 0) memcpy(target, front(reader), count);
    drop(reader, count);
    return count;
}

/* The first delimiter from searched_ on; NULL if there is none yet. */
static const unsigned char *find(bide_reading *reading)
{
    const bide_reader *reader = reading->reader_;
    size_t length = reading->wanted_;
    const unsigned char *end = reader->buffer_ + reader->end_;
    const unsigned char *at = front(reader) + reading->searched_;
    while ((size_t)(end - at) >= length) {
        at = memchr(at, reading->delimiter_[0], (size_t)(end - at) - length + 1);
        if (!at) break;
        if (memcmp(at, reading->delimiter_, length) == 0) return at;
        at++;
    }
    size_t count = available(reader);
    reading->searched_ = count < length ? 0 : count - length + 1;
    return NULL;
}

/* --- a call --- */

/* Hands out what there is, without taking it. */
static void show_rest(bide_reading *reading)
{
    reading->data = (const char *)front(reading->reader_);
    reading->length = available(reading->reader_);
}

/* Whether what is in the buffer is enough; if so the result is set. */
static bool serve(bide_reading *reading)
{
    bide_reader *reader = reading->reader_;
    switch (reading->kind_) {
    case KIND_UNTIL: {
        const unsigned char *end = find(reading);
        if (!end) return false;
        show_rest(reading);
        reading->length = (size_t)(end - front(reader));
        reading->result = (bide_ssize)(reading->length + reading->wanted_);
        drop(reader, (size_t)reading->result);
        return true;
    }
    case KIND_READ:
        reading->result = (bide_ssize)take(reader, reading->target_, reading->wanted_);
        return reading->result > 0 || reading->wanted_ == 0;
    case KIND_EXACT:
        if (reading->wanted_ > 0)
            reading->done += take(reader, reading->target_ + reading->done, reading->wanted_ - reading->done);
        reading->result = 0;
        return reading->done == reading->wanted_;
    default: return false;
    }
}

/* Prepares an operation. 0; BIDE_EMSGSIZE: there is no room for what it may bring; or BIDE_EFREED. */
static int start_moving(bide_reading *reading)
{
    bide_reader *reader = reading->reader_;
    if (bide_source_generation(reader->async_) != reader->generation_) return BIDE_EFREED;
    size_t rest = reading->wanted_ - reading->done;
    reading->direct_ = reading->target_ && rest >= reader->capacity_;
    if (reading->direct_) {
        /* Nothing comes out of order: what was in the buffer has been served. */
        BIDE_ASSERT(available(reader) == 0);
        bide_io_read(&reading->io_, reader->async_, reading->target_ + reading->done, rest);
    } else {
        size_t room = make_room(reader);
        if (room == 0) return BIDE_EMSGSIZE;
        bide_io_read(&reading->io_, reader->async_, reader->buffer_ + reader->end_, room);
    }
    /* Not that of whoever has the slot now. */
    reading->io_.generation_ = reader->generation_;
    reading->moving_ = true;
    return 0;
}

/* The operation is done. Returns whether that ends the call; if so the result is set. */
static bool advance(bide_reading *reading)
{
    bide_ssize count = reading->io_.result;
    reading->moving_ = false;
    if (count <= 0) {
        bool short_of = reading->kind_ == KIND_UNTIL || reading->kind_ == KIND_EXACT;
        reading->result = count == 0 && short_of ? BIDE_EEOF : count;
        if (count == 0 && reading->kind_ == KIND_UNTIL) show_rest(reading);
        return true;
    }
    reading->result = count;
    if (!reading->direct_) {
        reading->reader_->end_ += (size_t)count;
        BIDE_ASSERT(reading->reader_->end_ <= reading->reader_->capacity_);
        return reading->kind_ == KIND_FILL;
    }
    if (reading->kind_ == KIND_EXACT) reading->done += (size_t)count;
    return reading->kind_ == KIND_READ;
}

static int finish(bide_reading *reading)
{
    if (reading->reader_->user_ == reading) reading->reader_->user_ = NULL;
    return BIDE_READY;
}

static int refuse(bide_reading *reading, int error)
{
    reading->result = error;
    return BIDE_READY;
}

static int reading_poll(bide_future *self, bide_context *cx)
{
    bide_reading *reading = (bide_reading *)self;
    bide_reader *reader = reading->reader_;
    if (!reader) return refuse(reading, BIDE_EINVAL);
    if (reader->user_ && reader->user_ != reading) return refuse(reading, BIDE_EBUSY);
    for (;;) {
        if (!reading->moving_) {
            if (serve(reading)) return finish(reading);
            reading->result = start_moving(reading);
            if (reading->result == BIDE_EMSGSIZE && reading->kind_ == KIND_UNTIL) show_rest(reading);
            if (reading->result) return finish(reading);
            reader->user_ = reading;
        }
        int answer = bide_future_poll(&reading->io_.future, cx);
        if (answer != BIDE_READY) return answer;
        if (advance(reading)) return finish(reading);
    }
}

static int reading_cancel(bide_future *self, bide_context *cx)
{
    bide_reading *reading = (bide_reading *)self;
    bool ended = false;
    if (reading->moving_) {
        int answer = bide_future_cancel(&reading->io_.future, cx);
        if (answer == BIDE_PENDING) return answer;
        if (answer == BIDE_COMPLETED) ended = advance(reading) || serve(reading);
        reading->moving_ = false;
    }
    if (!ended) reading->result = BIDE_ECANCELED;
    (void)finish(reading);
    return ended ? BIDE_COMPLETED : BIDE_READY;
}

static void reading_describe(const bide_future *self, char *text, size_t room)
{
    const bide_reader *reader = ((const bide_reading *)self)->reader_;
    bide_source_describe(reader->async_, reader->generation_, "to read", text, room);
}

static const bide_future_kind reading_kind = {
    {sizeof reading_kind.ops, reading_poll, reading_cancel, BIDE_FUTURE_NAMED}, "fd", reading_describe};

static void init(bide_reading *reading, bide_reader *reader, uint8_t kind, void *target, size_t wanted)
{
    if (!reading) return;
    bool valid = reader && reader->async_ && reader->buffer_ && reader->capacity_ > 0;
    bide_future_init(&reading->future, &reading_kind.ops);
    reading->reader_ = valid && (target || wanted == 0) ? reader : NULL;
    reading->kind_ = kind;
    reading->target_ = target;
    reading->delimiter_ = NULL;
    reading->wanted_ = wanted;
    reading->searched_ = 0;
    reading->moving_ = false;
    reading->direct_ = false;
    reading->data = NULL;
    reading->length = 0;
    reading->done = 0;
    reading->result = BIDE_ECANCELED;
}

void bide_reading_fill(bide_reading *reading, bide_reader *reader)
{
    init(reading, reader, KIND_FILL, NULL, 0);
}

void bide_reading_until(bide_reading *reading, bide_reader *reader, const void *delimiter,
                        size_t delimiter_length)
{
    if (!reading) return;
    bool valid = delimiter && delimiter_length > 0;
    init(reading, valid ? reader : NULL, KIND_UNTIL, NULL, 0);
    reading->delimiter_ = delimiter;
    reading->wanted_ = delimiter_length;
}

void bide_reading_read(bide_reading *reading, bide_reader *reader, void *buffer, size_t length)
{
    init(reading, reader, KIND_READ, buffer, length);
}

void bide_reading_exact(bide_reading *reading, bide_reader *reader, void *buffer, size_t length)
{
    init(reading, reader, KIND_EXACT, buffer, length);
}

/* --- the reader, and direct calls --- */

void bide_reader_init(bide_reader *reader, bide_async *async, void *buffer, size_t capacity)
{
    if (!reader) return;
    reader->async_ = async;
    reader->buffer_ = buffer;
    reader->capacity_ = capacity;
    reader->start_ = 0;
    reader->end_ = 0;
    reader->user_ = NULL;
    reader->generation_ = bide_source_generation(async);
}

const void *bide_reader_peek(const bide_reader *reader, size_t *length)
{
    if (length) *length = reader ? available(reader) : 0;
    return reader && reader->buffer_ ? front(reader) : NULL;
}

int bide_reader_consume(bide_reader *reader, size_t count)
{
    if (!reader || count > available(reader)) return BIDE_EINVAL;
    if (reader->user_) return BIDE_EBUSY;
    drop(reader, count);
    return 0;
}

static bide_ssize await(bide_reading *reading, bide_instant deadline)
{
    if (!reading->reader_) return BIDE_EINVAL;
    struct bide_reactor *reactor = bide_source_reactor(reading->reader_->async_);
    int error = bide_await_on(reactor, &reading->future, deadline);
    return error ? error : reading->result;
}

bide_ssize bide_reader_fill(bide_reader *reader, bide_instant deadline)
{
    bide_reading reading;
    bide_reading_fill(&reading, reader);
    return await(&reading, deadline);
}

bide_ssize bide_read_until(bide_reader *reader, const void *delimiter, size_t delimiter_length,
                           const char **data, size_t *length, bide_instant deadline)
{
    bide_reading reading;
    bide_reading_until(&reading, reader, delimiter, delimiter_length);
    bide_ssize result = await(&reading, deadline);
    if (data) *data = reading.data;
    if (length) *length = reading.length;
    return result;
}

bide_ssize bide_reader_read(bide_reader *reader, void *buffer, size_t length, bide_instant deadline)
{
    bide_reading reading;
    bide_reading_read(&reading, reader, buffer, length);
    return await(&reading, deadline);
}

int bide_reader_exact(bide_reader *reader, void *buffer, size_t length, bide_instant deadline, size_t *done)
{
    bide_reading reading;
    bide_reading_exact(&reading, reader, buffer, length);
    int error = (int)await(&reading, deadline);
    if (done) *done = reading.done;
    return error;
}
