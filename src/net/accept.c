/* Accepting connections, as a stream of operations on a listener's source.
 *
 *   TAKING --no descriptors left--> PAUSED (the listener remembers it)
 *      ^----a descriptor closed, or 100 ms----+
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/stream.h>

#include "os/io.h"
#include "os/log.h"
#include "os/socket.h"
#include "reactor/await.h"
#include "reactor/source.h"

/* How long a listener that ran out of descriptors waits if Bide closes none: others may have. */
#define ACCEPT_PAUSE BIDE_MILLISECONDS(100)

static bool out_of_descriptors(int error)
{
    return error == BIDE_EMFILE || error == BIDE_ENFILE || error == BIDE_ENOBUFS || error == BIDE_ENOMEM;
}

/* The listener pauses from now on. `closings` is from before the accept that failed. */
static void pause_listener(bide_async *listener, uint32_t closings)
{
    bide_instant until = bide_after(ACCEPT_PAUSE);
    bide_os_mutex *lock = bide_wait_lock(listener);
    listener->pause_until = until.ns;
    listener->pause_closings = closings;
    bide_wait_unlock(lock);
}

/* Whether the listener pauses, until when, and since which closing. One that was freed does not. */
static bool is_paused(const bide_incoming *incoming, bide_instant *until, uint32_t *closings)
{
    bide_async *listener = incoming->listener_;
    bide_os_mutex *lock = bide_wait_lock(listener);
    *until = bide_instant_from_ns(listener->pause_until);
    *closings = listener->pause_closings;
    bool paused = listener->pause_until != 0 && bide_source_generation(listener) == incoming->generation_;
    if (paused && (*closings != bide_descriptors_closings() || !bide_before(bide_now(), *until))) {
        listener->pause_until = 0;
        paused = false;
    }
    bide_wait_unlock(lock);
    return paused;
}

/* The operation that accepts. Answers 0 with a descriptor in fd_. */
static bide_ssize take_connection(void *arg, bide_fd fd)
{
    bide_incoming *incoming = arg;
    uint32_t closings = bide_descriptors_closings();
    int error = bide_os_accept(fd, &incoming->fd_, &incoming->peer);
    if (out_of_descriptors(error)) {
        pause_listener(incoming->io_.async_, closings);
        bide_log(error, "a listener pauses", bide_strerror(error));
    }
    return error;
}

/* Waits while the listener pauses. BIDE_READY: it does not, go on. */
static int sit_out_pause(bide_incoming *incoming, bide_context *cx)
{
    bide_instant until;
    uint32_t closings;
    while (is_paused(incoming, &until, &closings)) {
        if (!bide_descriptors_wait(&incoming->closed_, cx, closings)) continue;
        (void)bide_timer_set_at(&incoming->pause_, until);
        if (bide_future_poll(&incoming->pause_.future, cx) == BIDE_PENDING) return BIDE_PENDING;
        if (bide_timer_error(&incoming->pause_)) break; /* it cannot wait: rather try now */
    }
    bide_descriptors_leave(&incoming->closed_);
    (void)bide_future_cancel(&incoming->pause_.future, cx);
    return BIDE_READY;
}

static int incoming_poll(bide_future *self, bide_context *cx)
{
    bide_incoming *incoming = (bide_incoming *)self;
    incoming->conn = NULL;
    if (!incoming->listener_) {
        incoming->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    if (!incoming->taking_) {
        if (sit_out_pause(incoming, cx) == BIDE_PENDING) return BIDE_PENDING;
        bide_io_read_with(&incoming->io_, incoming->listener_, take_connection, incoming);
        /* Not that of whoever has the slot now. */
        incoming->io_.generation_ = incoming->generation_;
        incoming->taking_ = true;
    }
    int answer = bide_future_poll(&incoming->io_.future, cx);
    if (answer != BIDE_READY) return answer;
    incoming->taking_ = false;
    incoming->result = (int)incoming->io_.result;
    if (incoming->result) return BIDE_READY;
    /* A connection is of its listener's kind. */
    uint32_t kind = bide_source_flags(incoming->listener_) & (BIDE_OS_SOCKET | BIDE_OS_TCP);
    incoming->result =
        bide_source_new(&incoming->conn, incoming->reactor_, incoming->fd_, BIDE_SOURCE_OWNED | kind, true);
    if (incoming->result) {
        bide_os_close(incoming->fd_);
        bide_descriptors_closed();
    }
    return BIDE_READY;
}

static int incoming_cancel(bide_future *self, bide_context *cx)
{
    bide_incoming *incoming = (bide_incoming *)self;
    if (incoming->taking_) {
        int answer = bide_future_cancel(&incoming->io_.future, cx);
        if (answer == BIDE_PENDING) return answer;
        incoming->taking_ = false;
    }
    bide_descriptors_leave(&incoming->closed_);
    (void)bide_future_cancel(&incoming->pause_.future, cx);
    incoming->result = BIDE_ECANCELED;
    return BIDE_READY;
}

static void incoming_describe(const bide_future *self, char *text, size_t room)
{
    const bide_incoming *incoming = (const bide_incoming *)self;
    bide_source_describe(incoming->listener_, incoming->generation_, "to accept", text, room);
}

static const bide_future_kind incoming_kind = {{sizeof incoming_kind.ops, incoming_poll, incoming_cancel,
                                                BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                               "fd",
                                               incoming_describe};

void bide_incoming_init(bide_incoming *incoming, bide_async *listener)
{
    if (!incoming) return;
    bide_future_init(&incoming->future, &incoming_kind.ops);
    bide_waiter_init(&incoming->closed_);
    /* Its pause belongs where its operation does: who waits for the one drives the other. */
    bide_reactor *previous = listener ? bide_reactor_enter(bide_source_reactor(listener)) : NULL;
    bide_timer_never(&incoming->pause_);
    if (listener) bide_reactor_leave(previous);
    incoming->reactor_ = bide_reactor_current();
    incoming->listener_ = listener;
    incoming->generation_ = bide_source_generation(listener);
    incoming->taking_ = false;
    incoming->fd_ = BIDE_INVALID_FD;
    incoming->conn = NULL;
    incoming->result = BIDE_ECANCELED;
}

int bide_accept(bide_async *listener, bide_async **conn, bide_address *peer, bide_instant deadline)
{
    if (!listener || !conn) return BIDE_EINVAL;
    *conn = NULL;
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    int error = bide_await_on(bide_source_reactor(listener), &incoming.future, deadline);
    if (!error) error = incoming.result;
    if (error) return error;
    *conn = incoming.conn;
    if (peer) *peer = incoming.peer;
    return 0;
}

/* --- Addresses --- */

static int with_descriptor(const bide_async *async, int (*ask)(bide_fd, bide_address *), bide_address *out)
{
    if (!async || !out) return BIDE_EINVAL;
    bide_async *source = (bide_async *)(uintptr_t)async;
    int error = bide_source_pin(source, bide_source_generation(source));
    if (error) return error;
    error = ask(source->fd, out);
    bide_source_unpin(source);
    return error;
}

int bide_async_local_address(const bide_async *async, bide_address *out)
{
    return with_descriptor(async, bide_os_local_address, out);
}

int bide_async_peer_address(const bide_async *async, bide_address *out)
{
    return with_descriptor(async, bide_os_peer_address, out);
}
