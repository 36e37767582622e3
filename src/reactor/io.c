/* Operations: read, write, vectored, peek, and the caller's own. Each is a future; the direct call is that
 * future plus an await, and for reads and writes of one piece a try before both.
 *
 *            memory set, or last try                 would block
 *   POLLED --------------------------> system call --------------> memory cleared --> linked (pending)
 *      \ memory clear                     \ done: ready
 *       +-------> linked (pending)
 *
 * Why a memory that is clear may be trusted: operations clear it only when the kernel said EAGAIN, or
 * after a short count on TCP, where the kernel says the same by it (epoll(7), question 9), and no event
 * came since. After a hang-up, an error, or urgent data a short count proves nothing: a read stops at the
 * urgent mark.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "os/io.h"
#include "os/message.h"
#include "reactor/await.h"
#include "reactor/source.h"

enum { KIND_READ, KIND_WRITE, KIND_READV, KIND_WRITEV, KIND_PEEK, KIND_SEND, KIND_RECV, KIND_OWN };

/* The system's limit on the pieces of a vectored call (UIO_MAXIOV). To more its calls answer differently. */
#define MOST_BUFFERS 1024

static int finish(bide_io *io, bide_ssize result)
{
    bide_source_leave(io->async_, &io->waiter_);
    io->result = result;
    return BIDE_READY;
}

/* An operation of the caller's. While it runs, this thread may not free the handle. */
static bide_ssize run_own(bide_io *io)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_running_operation running = {io->async_, thread->operation};
    thread->operation = &running;
    bide_ssize result = io->operation_(io->address_, io->async_->fd);
    thread->operation = running.outer;
    return result;
}

/* Of a vector. One piece is looked at when it is prepared. */
static bool lacks_bytes(const bide_io *io)
{
    return bide_os_lacks_bytes(io->address_, io->length_);
}

/* Those that are one system call of one piece. */
static inline bide_ssize call(bide_fd fd, uint32_t flags, uint8_t kind, void *address, size_t length)
{
    switch (kind) {
    case KIND_READ: return bide_os_read(fd, flags, address, length);
    case KIND_WRITE: return bide_os_write(fd, flags, address, length);
    case KIND_SEND: return bide_os_send_datagram(fd, address);
    default: return bide_os_recv_datagram(fd, address);
    }
}

static bide_ssize attempt(bide_io *io)
{
    bide_fd fd = io->async_->fd;
    uint32_t flags = bide_source_flags(io->async_);
    if ((flags & BIDE_SOURCE_BLOCKS) && io->kind_ < KIND_SEND) {
        /* A call that waits knows no deadline, and a free would wait for it. The owner may have changed the
         * mode since it lent the descriptor. */
        int blocks = bide_os_is_blocking(fd);
        if (blocks) return blocks < 0 ? blocks : BIDE_EINVAL;
    }
    switch (io->kind_) {
    case KIND_READV: return lacks_bytes(io) ? BIDE_EINVAL : bide_os_readv(fd, io->address_, io->length_);
    case KIND_WRITEV:
        return lacks_bytes(io) ? BIDE_EINVAL : bide_os_writev(fd, flags, io->address_, io->length_);
    case KIND_PEEK: return bide_os_peek(fd, io->address_, io->length_);
    case KIND_OWN: return run_own(io);
    default: return call(fd, flags, io->kind_, io->address_, io->length_);
    }
}

/* The bytes that a read or a write asks for. */
static size_t wanted(const bide_io *io)
{
    if (io->kind_ == KIND_READ || io->kind_ == KIND_WRITE) return io->length_;
    size_t sum = 0;
    for (size_t i = 0; i < io->length_; i++)
        sum += ((const bide_buffer *)io->address_)[i].length;
    return sum;
}

/* Whether a count of so many says that there is no more. */
static inline bool is_short(uint32_t flags, uint32_t seen, bide_ssize count, size_t of)
{
    return (flags & BIDE_OS_TCP) && !(seen & BIDE_SOURCE_ODD) && count > 0 && (size_t)count < of;
}

static bool has_drained(const bide_io *io, bide_ssize result, uint32_t seen)
{
    if (result == BIDE_EAGAIN) return true;
    return io->kind_ <= KIND_WRITEV && is_short(bide_source_flags(io->async_), seen, result, wanted(io));
}

/* Whether the call does not wait anyhow, so that the memory is not to be asked. */
static bool answers_at_once(const bide_io *io)
{
    if ((io->kind_ == KIND_READV || io->kind_ == KIND_WRITEV) && lacks_bytes(io)) return true;
    if (io->kind_ == KIND_PEEK) return !(bide_source_flags(io->async_) & BIDE_OS_SOCKET);
    return io->kind_ <= KIND_WRITEV && wanted(io) == 0;
}

static int io_poll(bide_future *self, bide_context *cx)
{
    bide_io *io = (bide_io *)self;
    bide_async *async = io->async_;
    if (!async) {
        io->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    bool last_try = (cx->flags_ & BIDE_CONTEXT_LAST_TRY) != 0;
    bool late = false;
    for (bool tried = false;; tried = true) {
        /* Both, before the call: an operation of the caller's may want the other one. */
        uint32_t seen[2] = {bide_source_readiness(async, BIDE_READ),
                            bide_source_readiness(async, BIDE_WRITE)};
        if ((seen[io->direction_] & BIDE_SOURCE_READY) || last_try || late ||
            (!tried && answers_at_once(io))) {
            if (!bide_context_pay(cx)) return BIDE_PENDING;
            int error = bide_source_pin(async, io->generation_);
            if (error) return finish(io, error);
            bide_ssize result = attempt(io);
            if (result == BIDE_WANT_READ || result == BIDE_WANT_WRITE) {
                uint8_t other = result == BIDE_WANT_READ ? BIDE_READ : BIDE_WRITE;
                if (other != io->direction_) {
                    bide_source_leave(async, &io->waiter_);
                    io->limit_ = BIDE_NEVER;
                }
                io->direction_ = other;
                result = BIDE_EAGAIN;
            }
            if (has_drained(io, result, seen[io->direction_]))
                bide_source_drained(async, (bide_direction)io->direction_, seen[io->direction_]);
            bide_source_unpin(async);
            if (result != BIDE_EAGAIN) return finish(io, result);
            if (last_try) return BIDE_PENDING;
            if (late) return finish(io, BIDE_ETIMEDOUT);
        }
        int answer =
            bide_source_wait(async, io->generation_, (bide_direction)io->direction_, &io->waiter_, cx);
        if (answer < 0) return finish(io, answer);
        if (answer > 0) continue;
        /* Once it is over the call is tried once more, as at a deadline. */
        late = bide_source_is_late(async, (bide_direction)io->direction_, &io->limit_, cx);
        if (!late) return BIDE_PENDING;
    }
}

static int io_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_io *io = (bide_io *)self;
    if (io->async_) (void)finish(io, BIDE_ECANCELED);
    return BIDE_READY;
}

static void io_describe(const bide_future *self, char *text, size_t room)
{
    static const char *const words[] = {"to read", "to write", "to read",   "to write",
                                        "to peek", "to send",  "to receive"};
    const bide_io *io = (const bide_io *)self;
    const char *own = io->direction_ == BIDE_READ ? "to be readable" : "to be writable";
    bide_source_describe(io->async_, io->generation_, io->kind_ < KIND_OWN ? words[io->kind_] : own, text,
                         room);
}

static const bide_future_kind io_kind = {{sizeof io_kind.ops, io_poll, io_cancel, BIDE_FUTURE_NAMED},
                                         "fd",
                                         io_describe};

static void init(bide_io *io, bide_async *async, uint8_t kind, bide_direction direction, const void *address,
                 size_t length, bide_operation operation)
{
    if (!io) return;
    bide_future_prepare(&io->future, &io_kind.ops);
    bide_waiter_init(&io->waiter_);
    io->async_ = async;
    io->generation_ = bide_source_generation(async);
    io->kind_ = kind;
    io->direction_ = (uint8_t)direction;
    io->address_ = (void *)(uintptr_t)address;
    io->length_ = length;
    io->operation_ = operation;
    io->limit_ = BIDE_NEVER;
    io->result = BIDE_ECANCELED;
}

/* Bytes at NULL would be the system's to refuse, once there is something to move; and a wait until then. */
static inline bide_async *unless_null(bide_async *async, const void *buffer, size_t length)
{
    return buffer || length == 0 ? async : NULL;
}

void bide_io_read(bide_io *io, bide_async *async, void *buffer, size_t length)
{
    init(io, unless_null(async, buffer, length), KIND_READ, BIDE_READ, buffer, length, NULL);
}

void bide_io_write(bide_io *io, bide_async *async, const void *buffer, size_t length)
{
    init(io, unless_null(async, buffer, length), KIND_WRITE, BIDE_WRITE, buffer, length, NULL);
}

/* The array is read here, not by the kernel alone, which would answer BIDE_EFAULT to NULL. */
static void init_vector(bide_io *io, bide_async *async, uint8_t kind, bide_direction direction,
                        const bide_buffer *buffers, size_t count)
{
    bool valid = count <= MOST_BUFFERS && (buffers || count == 0);
    init(io, valid ? async : NULL, kind, direction, buffers, count, NULL);
}

void bide_io_readv(bide_io *io, bide_async *async, const bide_buffer *buffers, size_t count)
{
    init_vector(io, async, KIND_READV, BIDE_READ, buffers, count);
}

void bide_io_writev(bide_io *io, bide_async *async, const bide_buffer *buffers, size_t count)
{
    init_vector(io, async, KIND_WRITEV, BIDE_WRITE, buffers, count);
}

void bide_io_peek(bide_io *io, bide_async *async, void *buffer, size_t length)
{
    init(io, unless_null(async, buffer, length), KIND_PEEK, BIDE_READ, buffer, length, NULL);
}

static void init_own(bide_io *io, bide_async *async, bide_direction direction, bide_operation operation,
                     void *arg)
{
    init(io, operation ? async : NULL, KIND_OWN, direction, arg, 0, operation);
}

void bide_io_read_with(bide_io *io, bide_async *async, bide_operation operation, void *arg)
{
    init_own(io, async, BIDE_READ, operation, arg);
}

void bide_io_write_with(bide_io *io, bide_async *async, bide_operation operation, void *arg)
{
    init_own(io, async, BIDE_WRITE, operation, arg);
}

/* --- Direct calls --- */

bide_ssize bide_io_await(bide_io *io, bide_instant deadline)
{
    if (!io || !io->async_) return BIDE_EINVAL;
    int error = bide_await_on(bide_source_reactor(io->async_), &io->future, deadline);
    return error ? error : io->result;
}

/* What an await would do first, without the future: most calls need not wait. False: it is to be awaited, which finds
 * out, too, what is wrong with the handle. */
static bool try_at_once(bide_async *async, uint8_t kind, void *address, size_t length, bide_instant deadline,
                        bide_ssize *result)
{
    if (!async) return false;
    bide_direction direction = kind == KIND_READ || kind == KIND_RECV ? BIDE_READ : BIDE_WRITE;
    bool now = deadline.ns == BIDE_NOW.ns;
    uint32_t flags = bide_source_flags(async);
    uint32_t seen = bide_source_readiness(async, direction);
    if ((flags & BIDE_SOURCE_BLOCKS) || !(now || (seen & BIDE_SOURCE_READY))) return false;
    struct bide_thread *thread = bide_thread_self();
    if (!bide_await_may_try(thread)) return false;
    int cancelable = bide_thread_cancel_disable(thread);
    bool pinned = bide_source_pin(async, bide_source_generation(async)) == 0;
    if (pinned) {
        *result = call(async->fd, flags, kind, address, length);
        if (*result == BIDE_EAGAIN || (kind <= KIND_WRITE && is_short(flags, seen, *result, length)))
            bide_source_drained(async, direction, seen);
        bide_source_unpin(async);
    }
    bide_thread_cancel_restore(cancelable);
    return pinned && (now || *result != BIDE_EAGAIN);
}

bide_ssize bide_read(bide_async *async, void *buffer, size_t length, bide_instant deadline)
{
    bide_ssize result;
    bool valid = buffer && length > 0;
    if (valid && try_at_once(async, KIND_READ, buffer, length, deadline, &result)) return result;
    bide_io io;
    bide_io_read(&io, async, buffer, length);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_write(bide_async *async, const void *buffer, size_t length, bide_instant deadline)
{
    bide_ssize result;
    void *address = (void *)(uintptr_t)buffer;
    bool valid = buffer && length > 0;
    if (valid && try_at_once(async, KIND_WRITE, address, length, deadline, &result)) return result;
    bide_io io;
    bide_io_write(&io, async, buffer, length);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_move_datagram(bide_async *async, bide_direction direction, struct bide_os_datagram *datagram,
                              bide_instant deadline)
{
    uint8_t kind = direction == BIDE_READ ? KIND_RECV : KIND_SEND;
    bide_ssize result;
    if (!datagram->data && datagram->length > 0) return BIDE_EINVAL;
    if (try_at_once(async, kind, datagram, 0, deadline, &result)) return result;
    bide_io io;
    init(&io, async, kind, direction, datagram, 0, NULL);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_readv(bide_async *async, const bide_buffer *buffers, size_t count, bide_instant deadline)
{
    bide_io io;
    bide_io_readv(&io, async, buffers, count);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_writev(bide_async *async, const bide_buffer *buffers, size_t count, bide_instant deadline)
{
    bide_io io;
    bide_io_writev(&io, async, buffers, count);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_peek(bide_async *async, void *buffer, size_t length, bide_instant deadline)
{
    bide_io io;
    bide_io_peek(&io, async, buffer, length);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_read_with(bide_async *async, bide_operation operation, void *arg, bide_instant deadline)
{
    bide_io io;
    bide_io_read_with(&io, async, operation, arg);
    return bide_io_await(&io, deadline);
}

bide_ssize bide_write_with(bide_async *async, bide_operation operation, void *arg, bide_instant deadline)
{
    bide_io io;
    bide_io_write_with(&io, async, operation, arg);
    return bide_io_await(&io, deadline);
}

/* What a transfer of no bytes answers, for which no system call is made that could tell, and one of bytes at NULL. */
static int check(bide_async *async, size_t length)
{
    if (!async || length > 0) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    int error = bide_source_pin(async, bide_source_generation(async));
    if (!error) bide_source_unpin(async);
    return error;
}

int bide_read_exact(bide_async *async, void *buffer, size_t length, bide_instant deadline, size_t *done)
{
    size_t count = 0;
    int error = length == 0 || !buffer ? check(async, length) : 0;
    while (count < length && !error) {
        bide_ssize result = bide_read(async, (char *)buffer + count, length - count, deadline);
        if (result > 0)
            count += (size_t)result;
        else
            error = result == 0 ? BIDE_EEOF : (int)result;
    }
    if (done) *done = count;
    return error;
}

int bide_write_all(bide_async *async, const void *buffer, size_t length, bide_instant deadline, size_t *done)
{
    size_t count = 0;
    int error = length == 0 || !buffer ? check(async, length) : 0;
    while (count < length && !error) {
        bide_ssize result = bide_write(async, (const char *)buffer + count, length - count, deadline);
        if (result >= 0)
            count += (size_t)result;
        else
            error = (int)result;
    }
    if (done) *done = count;
    return error;
}
