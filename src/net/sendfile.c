/* Sending a part of a file: one bounded piece after another, as operations on the socket's source.
 *
 * Where sendfile(2) refuses, a piece is copied through a buffer on the stack. What the socket did not take is
 * read again with the next piece, so that no bytes are held between two polls.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/bulk.h>

#include "os/file.h"
#include "os/io.h"
#include "os/sendfile.h"
#include "reactor/await.h"
#include "reactor/source.h"

/* What one call sends at most: so that a fast socket does not keep the thread from everything else. */
#define PIECE ((size_t)1 << 20)
/* Small enough for the stack of a task. */
#define COPIED 8192

/* Error of a file that ended early. No function of the system gives it. */
static int end_of_file(const bide_sending_file *sending)
{
    return sending->length_ == BIDE_TO_THE_END ? 0 : BIDE_EEOF;
}

static bide_ssize copy_piece(const bide_sending_file *sending, bide_fd fd, uint64_t from, size_t length)
{
    unsigned char buffer[COPIED];
    if (length > sizeof buffer) length = sizeof buffer;
    bide_ssize count = bide_os_read_at(sending->file_, buffer, length, from);
    if (count <= 0) return count;
    return bide_os_write(fd, bide_source_flags(sending->async_), buffer, (size_t)count);
}

/* The operation that sends. Answers how much, and 0 at the end of the file. */
static bide_ssize send_piece(void *arg, bide_fd fd)
{
    bide_sending_file *sending = arg;
    if (bide_source_flags(sending->async_) & BIDE_SOURCE_BLOCKS) {
        int blocks = bide_os_is_blocking(fd);
        if (blocks) return blocks < 0 ? blocks : BIDE_EINVAL;
    }
    uint64_t from = sending->offset_ + sending->done;
    uint64_t rest = sending->length_ - sending->done;
    /* No file goes further. */
    if (rest > BIDE_OS_OFFSET_MOST - from) rest = BIDE_OS_OFFSET_MOST - from;
    size_t length = rest < PIECE ? (size_t)rest : PIECE;
    if (!sending->copies_) {
        bide_ssize count = bide_os_sendfile(fd, sending->file_, from, length);
        if (count != BIDE_ENOTSUP) return count;
        sending->copies_ = true;
    }
    return copy_piece(sending, fd, from, length);
}

static int finish(bide_sending_file *sending, int result)
{
    sending->result = result;
    return BIDE_READY;
}

/* The operation is done. Returns whether that ends it all; if so the result is set. */
static bool advance(bide_sending_file *sending)
{
    bide_ssize count = sending->io_.result;
    sending->moving_ = false;
    if (count > 0) sending->done += (uint64_t)count;
    sending->result = count < 0 ? (int)count : count == 0 ? end_of_file(sending) : 0;
    return count <= 0 || sending->done == sending->length_;
}

/* Without bytes there is no system call that could tell of the handle. */
static int check(bide_sending_file *sending)
{
    int error = bide_source_pin(sending->async_, sending->generation_);
    if (!error) bide_source_unpin(sending->async_);
    return error;
}

static int sending_poll(bide_future *self, bide_context *cx)
{
    bide_sending_file *sending = (bide_sending_file *)self;
    if (!sending->async_) return finish(sending, BIDE_EINVAL);
    if (sending->length_ == 0) return finish(sending, check(sending));
    for (;;) {
        if (!sending->moving_) {
            bide_io_write_with(&sending->io_, sending->async_, send_piece, sending);
            /* Not that of whoever has the slot now. */
            sending->io_.generation_ = sending->generation_;
            sending->moving_ = true;
        }
        int answer = bide_future_poll(&sending->io_.future, cx);
        if (answer != BIDE_READY) return answer;
        if (advance(sending)) return BIDE_READY;
    }
}

static int sending_cancel(bide_future *self, bide_context *cx)
{
    bide_sending_file *sending = (bide_sending_file *)self;
    bool ended = false;
    if (sending->moving_) {
        int answer = bide_future_cancel(&sending->io_.future, cx);
        if (answer == BIDE_PENDING) return answer;
        ended = answer == BIDE_COMPLETED && advance(sending);
        sending->moving_ = false;
    }
    if (!ended) sending->result = BIDE_ECANCELED;
    return ended ? BIDE_COMPLETED : BIDE_READY;
}

static void sending_describe(const bide_future *self, char *text, size_t room)
{
    const bide_sending_file *sending = (const bide_sending_file *)self;
    bide_source_describe(sending->async_, sending->generation_, "to send a file", text, room);
}

static const bide_future_kind sending_kind = {
    {sizeof sending_kind.ops, sending_poll, sending_cancel, BIDE_FUTURE_NAMED}, "fd", sending_describe};

static bool is_part_of_a_file(uint64_t offset, uint64_t length)
{
    if (offset > BIDE_OS_OFFSET_MOST) return false;
    return length == BIDE_TO_THE_END || length <= BIDE_OS_OFFSET_MOST - offset;
}

void bide_sending_file_init(bide_sending_file *sending, bide_async *async, bide_fd file, uint64_t offset,
                            uint64_t length)
{
    if (!sending) return;
    bide_future_init(&sending->future, &sending_kind.ops);
    sending->async_ = is_part_of_a_file(offset, length) ? async : NULL;
    sending->generation_ = bide_source_generation(async);
    sending->file_ = file;
    sending->offset_ = offset;
    sending->length_ = length;
    sending->copies_ = false;
    sending->moving_ = false;
    sending->done = 0;
    sending->result = BIDE_ECANCELED;
}

int bide_sendfile(bide_async *async, bide_fd file, uint64_t offset, uint64_t length, bide_instant deadline,
                  uint64_t *done)
{
    bide_sending_file sending;
    bide_sending_file_init(&sending, async, file, offset, length);
    int error = BIDE_EINVAL;
    if (sending.async_) error = bide_await_on(bide_source_reactor(async), &sending.future, deadline);
    if (done) *done = sending.done;
    return error ? error : sending.async_ ? sending.result : error;
}
