/* Connecting a stream socket, as an operation on a source.
 *
 *   NEW --socket, connect--+--in progress: register--> WAITING --writable--> asked how it went --> done
 *          ^               |                              ^---not yet-----------+
 *          |               +--connected: register--> done
 *          +--its timer--RETRYING <--EAGAIN---+
 *
 * The socket is registered after connect has answered, so that the first event belongs to the connection (an
 * unconnected socket reports a hang-up).
 *
 * A Unix listener whose backlog is full answers EAGAIN (connect(2)), and no event tells when there is room
 * again: that is tried anew after a while, with the same socket.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/connect.h"

#include "net/retry.h"
#include "os/io.h"
#include "os/socket.h"
#include "reactor/await.h"
#include "reactor/source.h"

/* The operation that asks. */
static bide_ssize ask_connected(void *arg, bide_fd fd)
{
    bide_connecting *connecting = arg;
    uint32_t word = bide_source_readiness(connecting->conn, BIDE_WRITE);
    return bide_os_connected(fd, (word & (BIDE_SOURCE_ERR | BIDE_SOURCE_HUP)) != 0);
}

static void close_socket(bide_fd *fd)
{
    if (*fd == BIDE_INVALID_FD) return;
    bide_os_close(*fd);
    bide_descriptors_closed();
    *fd = BIDE_INVALID_FD;
}

static void give_up(bide_connecting *connecting)
{
    close_socket(&connecting->fd_);
    (void)bide_async_free(connecting->conn);
    connecting->conn = NULL;
}

/* 0: on its way or connected; BIDE_EAGAIN: to be tried again later, the socket is kept; or an error. */
static int start(bide_connecting *connecting)
{
    int error = 0;
    if (connecting->fd_ == BIDE_INVALID_FD)
        error = bide_os_stream_socket(&connecting->address_, &connecting->fd_);
    if (error) return error;
    int state = bide_os_connect(connecting->fd_, &connecting->address_);
    if (state == BIDE_EAGAIN) return state;
    error = state == BIDE_EINPROGRESS ? 0 : state;
    uint32_t flags = BIDE_SOURCE_OWNED | bide_os_stream_kind(&connecting->address_);
    /* On its way, it is ready when an event says so. */
    if (!error)
        error = bide_source_new(&connecting->conn, connecting->reactor_, connecting->fd_, flags, state == 0);
    if (error) {
        close_socket(&connecting->fd_);
        return error;
    }
    connecting->fd_ = BIDE_INVALID_FD;
    bide_io_write_with(&connecting->io_, connecting->conn, ask_connected, connecting);
    return 0;
}

static int finish(bide_connecting *connecting, int result)
{
    if (result) give_up(connecting);
    connecting->result = result;
    return BIDE_READY;
}

static int connecting_poll(bide_future *self, bide_context *cx)
{
    bide_connecting *connecting = (bide_connecting *)self;
    if (connecting->misuse_) return finish(connecting, connecting->misuse_);
    while (!connecting->conn) {
        if (connecting->fd_ != BIDE_INVALID_FD) {
            int answer = bide_retry_wait(&connecting->retry_, cx);
            if (answer == BIDE_PENDING) return answer;
            if (answer < 0) return finish(connecting, answer);
        }
        int error = start(connecting);
        if (error == BIDE_EAGAIN && (cx->flags_ & BIDE_CONTEXT_LAST_TRY)) return BIDE_PENDING;
        if (error == BIDE_EAGAIN)
            bide_retry_later(&connecting->retry_, &connecting->delay_);
        else if (error)
            return finish(connecting, error);
    }
    int answer = bide_future_poll(&connecting->io_.future, cx);
    return answer == BIDE_READY ? finish(connecting, (int)connecting->io_.result) : answer;
}

static int connecting_cancel(bide_future *self, bide_context *cx)
{
    bide_connecting *connecting = (bide_connecting *)self;
    int answer = connecting->conn ? bide_future_cancel(&connecting->io_.future, cx) : BIDE_READY;
    if (answer == BIDE_PENDING) return answer;
    (void)bide_future_cancel(&connecting->retry_.future, cx);
    return finish(connecting, BIDE_ECANCELED);
}

static void connecting_describe(const bide_future *self, char *text, size_t room)
{
    (void)bide_address_format(&((const bide_connecting *)self)->address_, text, room);
}

static const bide_future_kind connecting_kind = {{sizeof connecting_kind.ops, connecting_poll,
                                                  connecting_cancel, BIDE_FUTURE_NAMED},
                                                 "connect to",
                                                 connecting_describe};

void bide_connecting_prepare(bide_connecting *connecting, const bide_address *address, bool valid)
{
    if (!connecting) return;
    bide_future_init(&connecting->future, &connecting_kind.ops);
    bide_timer_never(&connecting->retry_);
    connecting->reactor_ = bide_reactor_current();
    connecting->conn = NULL;
    connecting->fd_ = BIDE_INVALID_FD;
    connecting->delay_ = 0;
    connecting->misuse_ = valid ? 0 : BIDE_EINVAL;
    connecting->result = BIDE_ECANCELED;
    if (valid) connecting->address_ = *address;
}

int bide_connecting_await(bide_connecting *connecting, bide_async **out, bide_instant deadline)
{
    int error = bide_await(&connecting->future, deadline);
    if (!error) error = connecting->result;
    if (!error) *out = connecting->conn;
    return error;
}
