/* Reading and writing whole buffers as a future: one operation after another, each for what is left.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/bulk.h>

#include "reactor/source.h"

static int finish(bide_bulk *bulk, int result)
{
    bulk->result = result;
    return BIDE_READY;
}

/* Prepares the operation for the rest. */
static void start_moving(bide_bulk *bulk)
{
    unsigned char *place = bulk->bytes_ + bulk->done;
    size_t rest = bulk->length_ - bulk->done;
    if (bulk->writes_)
        bide_io_write(&bulk->io_, bulk->async_, place, rest);
    else
        bide_io_read(&bulk->io_, bulk->async_, place, rest);
    /* Not that of whoever has the slot now. */
    bulk->io_.generation_ = bulk->generation_;
    bulk->moving_ = true;
}

/* The operation is done. Returns whether that ends it all; if so the result is set. */
static bool advance(bide_bulk *bulk)
{
    bide_ssize count = bulk->io_.result;
    bulk->moving_ = false;
    if (count > 0) bulk->done += (size_t)count;
    bulk->result = count < 0 ? (int)count : count == 0 && !bulk->writes_ ? BIDE_EEOF : 0;
    return bulk->result != 0 || bulk->done == bulk->length_;
}

/* Without bytes there is no system call that could tell of the handle. */
static int check(bide_bulk *bulk)
{
    int error = bide_source_pin(bulk->async_, bulk->generation_);
    if (!error) bide_source_unpin(bulk->async_);
    return error;
}

static int bulk_poll(bide_future *self, bide_context *cx)
{
    bide_bulk *bulk = (bide_bulk *)self;
    if (!bulk->async_) return finish(bulk, BIDE_EINVAL);
    if (bulk->length_ == 0) return finish(bulk, check(bulk));
    for (;;) {
        if (!bulk->moving_) start_moving(bulk);
        int answer = bide_future_poll(&bulk->io_.future, cx);
        if (answer != BIDE_READY) return answer;
        if (advance(bulk)) return BIDE_READY;
    }
}

static int bulk_cancel(bide_future *self, bide_context *cx)
{
    bide_bulk *bulk = (bide_bulk *)self;
    bool ended = false;
    if (bulk->moving_) {
        int answer = bide_future_cancel(&bulk->io_.future, cx);
        if (answer == BIDE_PENDING) return answer;
        ended = answer == BIDE_COMPLETED && advance(bulk);
        bulk->moving_ = false;
    }
    if (!ended) bulk->result = BIDE_ECANCELED;
    return ended ? BIDE_COMPLETED : BIDE_READY;
}

static void bulk_describe(const bide_future *self, char *text, size_t room)
{
    const bide_bulk *bulk = (const bide_bulk *)self;
    bide_source_describe(bulk->async_, bulk->generation_, bulk->writes_ ? "to write all" : "to read all",
                         text, room);
}

static const bide_future_kind bulk_kind = {{sizeof bulk_kind.ops, bulk_poll, bulk_cancel, BIDE_FUTURE_NAMED},
                                           "fd",
                                           bulk_describe};

static void init(bide_bulk *bulk, bide_async *async, const void *bytes, size_t length, bool writes)
{
    if (!bulk) return;
    bide_future_init(&bulk->future, &bulk_kind.ops);
    bulk->async_ = bytes || length == 0 ? async : NULL;
    bulk->generation_ = bide_source_generation(async);
    bulk->bytes_ = (unsigned char *)(uintptr_t)bytes;
    bulk->length_ = length;
    bulk->writes_ = writes;
    bulk->moving_ = false;
    bulk->done = 0;
    bulk->result = BIDE_ECANCELED;
}

void bide_bulk_read(bide_bulk *bulk, bide_async *async, void *buffer, size_t length)
{
    init(bulk, async, buffer, length, false);
}

void bide_bulk_write(bide_bulk *bulk, bide_async *async, const void *buffer, size_t length)
{
    init(bulk, async, buffer, length, true);
}
