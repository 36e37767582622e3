/* Messages and batches of datagrams, as operations on a source.
 *
 *   NEW --polled--> MOVING --moved--> done
 *                    ^  \--EAGAIN--> the source's waiter -------------------------+
 *                    |   \--EAGAIN, and no event would tell--> its timer (RETRYING) --+
 *                    +------------------------------------------------------------+
 *
 * A datagram that is addressed to a Unix socket is refused with EAGAIN while the receiver's queue is full,
 * and the sender's readiness says nothing about that: it stays writable (so that waiting for it would spin),
 * and no event comes when the receiver has read. Such a send goes past the memory of the source, which
 * belongs to the connected peer if there is one, and waits on a timer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/message.h>

#include "future/future.h"
#include "net/retry.h"
#include "os/io.h"
#include "os/message.h"
#include "reactor/await.h"
#include "reactor/source.h"

#include <string.h>

_Static_assert(BIDE_BATCH_MOST == BIDE_OS_BATCH_MOST, "a batch is one system call");

/* The system's limit on the pieces of a message (UIO_MAXIOV). */
#define MOST_BUFFERS 1024

enum { NEW, MOVING, RETRYING };

/* --- transfers: what messages and batches share --- */

static void transfer_init(bide_transfer *transfer, bide_async *async, bool sends)
{
    transfer->async_ = async;
    transfer->generation_ = bide_source_generation(async);
    transfer->sends_ = sends;
    transfer->state_ = NEW;
    transfer->delay_ = 0;
    transfer->result_ = BIDE_ECANCELED;
}

/* Not begun, and of a handle: what it moves is still to be looked at. */
static bool is_new(const bide_transfer *transfer)
{
    return transfer->state_ == NEW && transfer->async_;
}

/* Its first poll: the operation holds the address of its future, which may have been copied until now. */
static void transfer_start(bide_transfer *transfer, bide_operation operation, void *arg)
{
    if (transfer->sends_)
        bide_io_write_with(&transfer->io_, transfer->async_, operation, arg);
    else
        bide_io_read_with(&transfer->io_, transfer->async_, operation, arg);
    /* Not that of whoever has the slot now. */
    transfer->io_.generation_ = transfer->generation_;
    transfer->state_ = MOVING;
}

static int transfer_finish(bide_transfer *transfer, bide_ssize result)
{
    transfer->result_ = result;
    return BIDE_READY;
}

/* The timer belongs where the source does: who waits for the one drives the other. */
static void transfer_retry(bide_transfer *transfer)
{
    if (transfer->state_ != RETRYING) {
        bide_reactor *previous = bide_reactor_enter(bide_source_reactor(transfer->async_));
        bide_timer_never(&transfer->retry_);
        bide_reactor_leave(previous);
        transfer->state_ = RETRYING;
    }
    bide_retry_later(&transfer->retry_, &transfer->delay_);
}

/* Sends to a Unix address. */
static int transfer_poll_blind(bide_transfer *transfer, bide_context *cx, bide_operation operation, void *arg)
{
    for (;;) {
        if (transfer->state_ == RETRYING) {
            int answer = bide_retry_wait(&transfer->retry_, cx);
            if (answer == BIDE_PENDING) return answer;
            if (answer < 0) return transfer_finish(transfer, answer);
        }
        if (!bide_context_pay(cx)) return BIDE_PENDING;
        int error = bide_source_pin(transfer->async_, transfer->generation_);
        if (error) return transfer_finish(transfer, error);
        bide_ssize result = operation(arg, transfer->async_->fd);
        bide_source_unpin(transfer->async_);
        if (result != BIDE_EAGAIN) return transfer_finish(transfer, result);
        if (cx->flags_ & BIDE_CONTEXT_LAST_TRY) return BIDE_PENDING;
        transfer_retry(transfer);
    }
}

/* `to`: the receiver, when sending. */
static int transfer_poll(bide_transfer *transfer, bide_context *cx, const bide_address *to,
                         bide_operation operation, void *arg)
{
    if (!transfer->async_) return transfer_finish(transfer, BIDE_EINVAL);
    if (transfer->sends_ && bide_address_family(to) == BIDE_FAMILY_UNIX)
        return transfer_poll_blind(transfer, cx, operation, arg);
    if (transfer->state_ == NEW) transfer_start(transfer, operation, arg);
    int answer = bide_future_poll(&transfer->io_.future, cx);
    return answer == BIDE_READY ? transfer_finish(transfer, transfer->io_.result) : answer;
}

static int transfer_cancel(bide_transfer *transfer, bide_context *cx)
{
    if (transfer->state_ == RETRYING) (void)bide_future_cancel(&transfer->retry_.future, cx);
    int answer = transfer->state_ == MOVING ? bide_future_cancel(&transfer->io_.future, cx) : BIDE_READY;
    transfer->result_ = BIDE_ECANCELED;
    return answer;
}

static int transfer_await(const bide_transfer *transfer, bide_future *future, bide_instant deadline)
{
    if (!transfer->async_) return BIDE_EINVAL;
    return bide_await_on(bide_source_reactor(transfer->async_), future, deadline);
}

static void transfer_describe(const bide_transfer *transfer, char *text, size_t room)
{
    bide_source_describe(transfer->async_, transfer->generation_, transfer->sends_ ? "to send" : "to receive",
                         text, room);
}

/* --- one message --- */

static struct bide_os_message system_message(bide_message *message)
{
    bool vector = message->buffers_ != NULL;
    struct bide_os_message result = {
        .buffers = vector ? message->buffers_ : &message->own_,
        .buffer_count = vector ? message->buffer_count_ : 1,
        .address = &message->address,
        .fds = message->fds,
        .fd_count = message->fd_count,
        .credentials = message->options & BIDE_MESSAGE_CREDENTIALS ? &message->credentials : NULL,
        .peek = (message->options & BIDE_MESSAGE_PEEK) != 0,
    };
    return result;
}

static bide_ssize send_message(void *arg, bide_fd fd)
{
    struct bide_os_message message = system_message(arg);
    return bide_os_send_message(fd, &message);
}

static bide_ssize recv_message(void *arg, bide_fd fd)
{
    bide_message *message = arg;
    struct bide_os_message got = system_message(message);
    bide_ssize result = bide_os_recv_message(fd, &got);
    if (result < 0) return result;
    message->fd_count = got.fd_count;
    message->flags = (got.truncated ? BIDE_MESSAGE_TRUNCATED : 0) |
                     (got.control_truncated ? BIDE_MESSAGE_CONTROL_TRUNCATED : 0) |
                     (got.has_credentials ? BIDE_MESSAGE_CREDENTIALS : 0);
    return result;
}

static int message_poll(bide_future *self, bide_context *cx)
{
    bide_message *message = (bide_message *)self;
    bide_operation operation = message->transfer_.sends_ ? send_message : recv_message;
    if (is_new(&message->transfer_) && bide_os_lacks_bytes(message->buffers_, message->buffer_count_)) {
        message->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    int answer = transfer_poll(&message->transfer_, cx, &message->address, operation, message);
    if (answer == BIDE_READY) message->result = message->transfer_.result_;
    return answer;
}

static int message_cancel(bide_future *self, bide_context *cx)
{
    bide_message *message = (bide_message *)self;
    int answer = transfer_cancel(&message->transfer_, cx);
    message->result = BIDE_ECANCELED;
    return answer;
}

static void message_describe(const bide_future *self, char *text, size_t room)
{
    transfer_describe(&((const bide_message *)self)->transfer_, text, room);
}

static const bide_future_kind message_kind = {
    {sizeof message_kind.ops, message_poll, message_cancel, BIDE_FUTURE_NAMED}, "fd", message_describe};

static void message_init(bide_message *message, bide_async *async, bool sends, const bide_buffer *buffers,
                         size_t count)
{
    bide_future_init(&message->future, &message_kind.ops);
    transfer_init(&message->transfer_, async, sends);
    message->buffers_ = buffers;
    message->buffer_count_ = count;
    message->own_.base = NULL;
    message->own_.length = 0;
    memset(&message->address, 0, sizeof message->address);
    memset(&message->credentials, 0, sizeof message->credentials);
    message->fds = NULL;
    message->fd_count = 0;
    message->options = 0;
    message->flags = 0;
    message->result = BIDE_ECANCELED;
}

static void message_init_one(bide_message *message, bide_async *async, bool sends, const void *data,
                             size_t length)
{
    if (!message) return;
    message_init(message, data || length == 0 ? async : NULL, sends, NULL, 0);
    message->own_.base = (void *)(uintptr_t)data;
    message->own_.length = length;
}

/* Without an array the one empty piece of its own is used. */
static void message_init_vector(bide_message *message, bide_async *async, bool sends,
                                const bide_buffer *buffers, size_t count)
{
    if (!message) return;
    bool valid = count <= MOST_BUFFERS && (buffers || count == 0);
    message_init(message, valid ? async : NULL, sends, buffers, count);
}

void bide_message_send_init(bide_message *message, bide_async *async, const void *data, size_t length)
{
    message_init_one(message, async, true, data, length);
}

void bide_message_recv_init(bide_message *message, bide_async *async, void *buffer, size_t length)
{
    message_init_one(message, async, false, buffer, length);
}

void bide_message_sendv_init(bide_message *message, bide_async *async, const bide_buffer *buffers,
                             size_t count)
{
    message_init_vector(message, async, true, buffers, count);
}

void bide_message_recvv_init(bide_message *message, bide_async *async, const bide_buffer *buffers,
                             size_t count)
{
    message_init_vector(message, async, false, buffers, count);
}

bide_ssize bide_message_await(bide_message *message, bide_instant deadline)
{
    if (!message) return BIDE_EINVAL;
    int error = transfer_await(&message->transfer_, &message->future, deadline);
    return error ? error : message->result;
}

/* Those that go without a message: one future, and a system call that costs less. */

bide_ssize bide_send_to(bide_async *async, const void *data, size_t length, const bide_address *to,
                        bide_instant deadline)
{
    if (to && bide_address_family(to) == BIDE_FAMILY_UNIX) {
        bide_message message;
        bide_message_send_init(&message, async, data, length);
        message.address = *to;
        return bide_message_await(&message, deadline);
    }
    struct bide_os_datagram datagram = {.data = (void *)(uintptr_t)data, .length = length, .to = to};
    return bide_move_datagram(async, BIDE_WRITE, &datagram, deadline);
}

static bide_ssize recv_from(bide_async *async, void *buffer, size_t length, bool peek, bide_address *from,
                            bide_instant deadline)
{
    struct bide_os_datagram datagram = {.data = buffer, .length = length, .from = from, .peek = peek};
    return bide_move_datagram(async, BIDE_READ, &datagram, deadline);
}

bide_ssize bide_recv_from(bide_async *async, void *buffer, size_t length, bide_address *from,
                          bide_instant deadline)
{
    return recv_from(async, buffer, length, false, from, deadline);
}

bide_ssize bide_peek_from(bide_async *async, void *buffer, size_t length, bide_address *from,
                          bide_instant deadline)
{
    return recv_from(async, buffer, length, true, from, deadline);
}

bide_ssize bide_send(bide_async *async, const void *data, size_t length, bide_instant deadline)
{
    return bide_send_to(async, data, length, NULL, deadline);
}

bide_ssize bide_recv(bide_async *async, void *buffer, size_t length, bide_instant deadline)
{
    return recv_from(async, buffer, length, false, NULL, deadline);
}

/* --- batches --- */

static size_t system_messages(const bide_batch *batch, struct bide_os_message *messages)
{
    size_t count = batch->count_ < BIDE_BATCH_MOST ? batch->count_ : BIDE_BATCH_MOST;
    for (size_t i = 0; i < count; i++) {
        bide_datagram *datagram = &batch->datagrams_[i];
        memset(&messages[i], 0, sizeof messages[i]);
        messages[i].buffers = &datagram->buffer;
        messages[i].buffer_count = 1;
        messages[i].address = &datagram->address;
    }
    return count;
}

static bide_ssize send_batch(void *arg, bide_fd fd)
{
    bide_batch *batch = arg;
    struct bide_os_message messages[BIDE_BATCH_MOST];
    bide_ssize moved = bide_os_send_batch(fd, messages, system_messages(batch, messages));
    for (bide_ssize i = 0; i < moved; i++) {
        batch->datagrams_[i].length = messages[i].length;
        batch->datagrams_[i].flags = 0;
    }
    return moved;
}

static bide_ssize recv_batch(void *arg, bide_fd fd)
{
    bide_batch *batch = arg;
    struct bide_os_message messages[BIDE_BATCH_MOST];
    bide_ssize moved = bide_os_recv_batch(fd, messages, system_messages(batch, messages));
    for (bide_ssize i = 0; i < moved; i++) {
        batch->datagrams_[i].length = messages[i].length;
        batch->datagrams_[i].flags = messages[i].truncated ? BIDE_MESSAGE_TRUNCATED : 0;
    }
    return moved;
}

static bool lacks_bytes(const bide_batch *batch)
{
    size_t count = batch->count_ < BIDE_BATCH_MOST ? batch->count_ : BIDE_BATCH_MOST;
    for (size_t i = 0; i < count; i++)
        if (bide_os_lacks_bytes(&batch->datagrams_[i].buffer, 1)) return true;
    return false;
}

static int batch_poll(bide_future *self, bide_context *cx)
{
    bide_batch *batch = (bide_batch *)self;
    bide_operation operation = batch->transfer_.sends_ ? send_batch : recv_batch;
    if (is_new(&batch->transfer_) && lacks_bytes(batch)) {
        batch->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    /* The first decides how to wait: no event tells of a full peer, and none is missed by waiting for
     * time. */
    const bide_address *to = batch->datagrams_ ? &batch->datagrams_->address : NULL;
    int answer = transfer_poll(&batch->transfer_, cx, to, operation, batch);
    if (answer == BIDE_READY) batch->result = batch->transfer_.result_;
    return answer;
}

static int batch_cancel(bide_future *self, bide_context *cx)
{
    bide_batch *batch = (bide_batch *)self;
    int answer = transfer_cancel(&batch->transfer_, cx);
    batch->result = BIDE_ECANCELED;
    return answer;
}

static void batch_describe(const bide_future *self, char *text, size_t room)
{
    transfer_describe(&((const bide_batch *)self)->transfer_, text, room);
}

static const bide_future_kind batch_kind = {
    {sizeof batch_kind.ops, batch_poll, batch_cancel, BIDE_FUTURE_NAMED}, "fd", batch_describe};

static void batch_init(bide_batch *batch, bide_async *async, bool sends, bide_datagram *datagrams,
                       size_t count)
{
    if (!batch) return;
    bool valid = datagrams && count > 0;
    bide_future_init(&batch->future, &batch_kind.ops);
    transfer_init(&batch->transfer_, valid ? async : NULL, sends);
    batch->datagrams_ = datagrams;
    batch->count_ = count;
    batch->result = BIDE_ECANCELED;
}

void bide_batch_send_init(bide_batch *batch, bide_async *async, bide_datagram *datagrams, size_t count)
{
    batch_init(batch, async, true, datagrams, count);
}

void bide_batch_recv_init(bide_batch *batch, bide_async *async, bide_datagram *datagrams, size_t count)
{
    batch_init(batch, async, false, datagrams, count);
}

static bide_ssize batch_await(bide_batch *batch, bide_instant deadline)
{
    int error = transfer_await(&batch->transfer_, &batch->future, deadline);
    return error ? error : batch->result;
}

bide_ssize bide_send_batch(bide_async *async, bide_datagram *datagrams, size_t count, bide_instant deadline)
{
    bide_batch batch;
    bide_batch_send_init(&batch, async, datagrams, count);
    return batch_await(&batch, deadline);
}

bide_ssize bide_recv_batch(bide_async *async, bide_datagram *datagrams, size_t count, bide_instant deadline)
{
    bide_batch batch;
    bide_batch_recv_init(&batch, async, datagrams, count);
    return batch_await(&batch, deadline);
}
