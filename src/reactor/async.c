/* bide_async: wrapping descriptors, and waiting for their readiness. Operations are in io.c.
 *
 * Readiness is not an operation: the caller, or a library of its own, does the system calls. So what is
 * remembered may be out of date, and a readiness future asks the kernel (poll(2), no time-out) before it
 * trusts it:
 *
 *   memory set --asked: yes--> ready        memory set --asked: no--> clear, link
 *   linked --event since--> ready (fresh: not asked again)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "os/io.h"
#include "os/standard.h"
#include "reactor/await.h"
#include "reactor/source.h"

/* --- Wrapping --- */

static int wrap(bide_async **out, bide_fd fd, uint32_t flags, bool make_nonblocking)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    int kind = bide_os_kind(fd);
    if (kind < 0) return kind;
    if (kind & BIDE_OS_FILE) return BIDE_ENOTPOLLABLE;
    bool was_nonblocking = true;
    if (make_nonblocking) {
        int error = bide_os_set_nonblocking(fd, true, &was_nonblocking);
        if (error) return error;
    }
    if (!was_nonblocking) flags |= BIDE_SOURCE_WAS_BLOCKING;
    int error = bide_source_new(out, bide_reactor_current(), fd, flags | (uint32_t)kind, true);
    if (error && !was_nonblocking) (void)bide_os_set_nonblocking(fd, false, NULL);
    if (!error && !was_nonblocking) bide_os_standard_changed(fd);
    return error;
}

int bide_async_new(bide_async **out, bide_fd fd)
{
    return wrap(out, fd, BIDE_SOURCE_OWNED, true);
}

int bide_async_new_nonblocking(bide_async **out, bide_fd fd)
{
    return wrap(out, fd, BIDE_SOURCE_OWNED, false);
}

int bide_async_borrow(bide_async **out, bide_fd fd)
{
    int blocks = bide_os_is_blocking(fd);
    if (out) *out = NULL;
    return blocks < 0 ? blocks : wrap(out, fd, blocks ? BIDE_SOURCE_BLOCKS : 0, false);
}

int bide_async_free(bide_async *async)
{
    if (!async) return 0;
    uint32_t flags = bide_source_flags(async);
    bool ours = !bide_source_is_parents(async);
    bide_fd fd;
    int error = bide_source_end(async, &fd);
    if (error) return error;
    if (flags & BIDE_SOURCE_OWNED) {
        if (ours && bide_os_standard_forget(fd)) (void)bide_os_set_nonblocking(fd, false, NULL);
        bide_os_close(fd);
        bide_descriptors_closed();
    }
    return 0;
}

int bide_async_into_fd(bide_async *async, unsigned flags, bide_fd *fd)
{
    if (!async || (flags & ~BIDE_RESTORE_MODE) || (!fd && (bide_source_flags(async) & BIDE_SOURCE_OWNED)))
        return BIDE_EINVAL;
    bool blocking = (bide_source_flags(async) & BIDE_SOURCE_WAS_BLOCKING) && (flags & BIDE_RESTORE_MODE);
    bide_fd given_back;
    int error = bide_source_end(async, &given_back);
    if (error) return error;
    (void)bide_os_standard_forget(given_back);
    if (blocking) (void)bide_os_set_nonblocking(given_back, false, NULL);
    if (fd) *fd = given_back;
    return 0;
}

bide_fd bide_async_fd(const bide_async *async)
{
    bide_async *source = (bide_async *)(uintptr_t)async;
    if (!source) return BIDE_INVALID_FD;
    int error = bide_source_pin(source, bide_source_generation(source));
    if (error) return error == BIDE_EFORKED ? source->fd : BIDE_INVALID_FD;
    bide_fd fd = source->fd;
    bide_source_unpin(source);
    return fd;
}

int bide_async_shutdown(bide_async *async, bide_direction direction)
{
    if (!async || (direction != BIDE_READ && direction != BIDE_WRITE)) return BIDE_EINVAL;
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    error = bide_os_shutdown(async->fd, direction);
    bide_source_unpin(async);
    return error;
}

/* --- Standing time-outs --- */

int bide_async_set_timeout(bide_async *async, bide_direction direction, bide_duration timeout)
{
    if (!async || (direction != BIDE_READ && direction != BIDE_WRITE) || timeout < 0) return BIDE_EINVAL;
    bide_duration whole = timeout / BIDE_MILLISECONDS(1) + (timeout % BIDE_MILLISECONDS(1) != 0);
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    atomic_store_explicit(&async->timeout[direction], whole <= UINT32_MAX ? (uint32_t)whole : 0,
                          memory_order_relaxed);
    bide_source_unpin(async);
    return 0;
}

bide_duration bide_async_timeout(const bide_async *async, bide_direction direction)
{
    bide_async *source = (bide_async *)(uintptr_t)async;
    if (!source || (direction != BIDE_READ && direction != BIDE_WRITE)) return 0;
    if (bide_source_pin(source, bide_source_generation(source)) != 0) return 0;
    uint32_t timeout = atomic_load_explicit(&source->timeout[direction], memory_order_relaxed);
    bide_source_unpin(source);
    return BIDE_MILLISECONDS((bide_duration)timeout);
}

/* --- Readiness --- */

/* Asks the kernel, and notes a "no". 1, 0, or an error. `seen` is the readiness word from before. */
static int confirm(bide_async *async, uint32_t generation, bide_direction direction, uint32_t seen)
{
    int answer = bide_source_pin(async, generation);
    if (answer) return answer;
    answer = bide_os_ready_now(async->fd, direction);
    if (answer == 0) bide_source_drained(async, direction, seen);
    bide_source_unpin(async);
    return answer;
}

static int readiness_finish(bide_readiness *readiness, int result)
{
    bide_source_leave(readiness->async_, &readiness->waiter_);
    readiness->result = result;
    return BIDE_READY;
}

/* `seen_` while it waits: the readiness word at the link, in which READY was clear. */
static int readiness_poll(bide_future *self, bide_context *cx)
{
    bide_readiness *readiness = (bide_readiness *)self;
    bide_async *async = readiness->async_;
    bide_direction direction = (bide_direction)readiness->direction_;
    if (!async) {
        readiness->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    for (bool late = false;;) {
        uint32_t word = bide_source_readiness(async, direction);
        bool ready = (word & BIDE_SOURCE_READY) != 0;
        bool last_try = (cx->flags_ & BIDE_CONTEXT_LAST_TRY) != 0;
        if (ready || last_try || late) {
            if (!bide_context_pay(cx)) return BIDE_PENDING;
            /* An event since we linked is news from the kernel itself. */
            bool fresh = ready && readiness->waited_ && word / BIDE_SOURCE_EVENT != readiness->seen_;
            int answer = fresh && bide_source_generation(async) == readiness->generation_
                             ? 1
                             : confirm(async, readiness->generation_, direction, word);
            if (answer) return readiness_finish(readiness, answer < 0 ? answer : 0);
            if (last_try) return BIDE_PENDING;
            if (late) return readiness_finish(readiness, BIDE_ETIMEDOUT);
            word = bide_source_readiness(async, direction);
        }
        readiness->waited_ = true;
        readiness->seen_ = word / BIDE_SOURCE_EVENT;
        int answer = bide_source_wait(async, readiness->generation_, direction, &readiness->waiter_, cx);
        if (answer < 0) return readiness_finish(readiness, answer);
        if (answer > 0) continue;
        late = bide_source_is_late(async, direction, &readiness->limit_, cx);
        if (!late) return BIDE_PENDING;
    }
}

static int readiness_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    (void)readiness_finish((bide_readiness *)self, BIDE_ECANCELED);
    return BIDE_READY;
}

static void readiness_describe(const bide_future *self, char *text, size_t room)
{
    const bide_readiness *readiness = (const bide_readiness *)self;
    bide_source_describe(readiness->async_, readiness->generation_,
                         readiness->direction_ == BIDE_READ ? "to be readable" : "to be writable", text,
                         room);
}

static const bide_future_kind readiness_kind = {{sizeof readiness_kind.ops, readiness_poll, readiness_cancel,
                                                 BIDE_FUTURE_NAMED},
                                                "fd",
                                                readiness_describe};

static void readiness_init(bide_readiness *readiness, bide_async *async, bide_direction direction)
{
    if (!readiness) return;
    bide_future_prepare(&readiness->future, &readiness_kind.ops);
    bide_waiter_init(&readiness->waiter_);
    readiness->async_ = async;
    readiness->generation_ = bide_source_generation(async);
    readiness->direction_ = (uint32_t)direction;
    readiness->seen_ = 0;
    readiness->waited_ = false;
    readiness->limit_ = BIDE_NEVER;
    readiness->result = BIDE_ECANCELED;
}

void bide_readable_init(bide_readable *readable, bide_async *async)
{
    readiness_init(readable, async, BIDE_READ);
}

void bide_writable_init(bide_writable *writable, bide_async *async)
{
    readiness_init(writable, async, BIDE_WRITE);
}

static int wait_ready(bide_async *async, bide_direction direction, bide_instant deadline)
{
    if (!async) return BIDE_EINVAL;
    bide_readiness readiness;
    readiness_init(&readiness, async, direction);
    int error = bide_await_on(bide_source_reactor(async), &readiness.future, deadline);
    return error ? error : readiness.result;
}

int bide_wait_readable(bide_async *async, bide_instant deadline)
{
    return wait_ready(async, BIDE_READ, deadline);
}

int bide_wait_writable(bide_async *async, bide_instant deadline)
{
    return wait_ready(async, BIDE_WRITE, deadline);
}

/* --- The stored waker --- */

int bide_async_forget(bide_async *async, bide_direction direction)
{
    if (!async || (direction != BIDE_READ && direction != BIDE_WRITE)) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    return bide_source_forget(async, bide_source_generation(async), direction);
}

static int poll_stored(bide_async *async, bide_direction direction, bide_waker waker)
{
    if (!async || !waker.wake) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    uint32_t generation = bide_source_generation(async);
    bide_context cx;
    bide_context_init(&cx, waker);
    for (;;) {
        uint32_t word = bide_source_readiness(async, direction);
        if (word & BIDE_SOURCE_READY) {
            int answer = confirm(async, generation, direction, word);
            if (answer < 0) return answer;
            if (answer > 0) {
                /* The event that set the memory took the stored waker out, and may be calling it still. */
                bide_source_quiesce_stored(async, direction);
                return BIDE_READY;
            }
        }
        int answer = bide_source_store(async, generation, direction, &cx);
        if (answer < 0) return answer;
        if (answer == 0) return BIDE_PENDING;
    }
}

int bide_async_poll_readable(bide_async *async, bide_waker waker)
{
    return poll_stored(async, BIDE_READ, waker);
}

int bide_async_poll_writable(bide_async *async, bide_waker waker)
{
    return poll_stored(async, BIDE_WRITE, waker);
}
