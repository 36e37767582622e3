/* Channels: values from those who send to those who receive, through a store or from hand to hand.
 *
 *               room, or a receiver waits          given to a receiver, or room was made for it
 *   a send --------------------------> sent    QUEUED --------------------------------------------> sent
 *        \--else: queued--> QUEUED                    \--closed--> BIDE_ECLOSED   \--cancelled--> not sent
 *
 *               stored, or a sender waits          given by a sender
 *   a receive --------------------------> has    QUEUED -----------------> has
 *        \--else: queued--> QUEUED                    \--closed--> BIDE_END       \--cancelled--> none
 *
 * INVARIANTS (all under the wait lock of the channel)
 * 1. Receivers wait only if nothing is stored and no sender waits; senders only if the store is full (of a
 *    rendezvous: always) and no receiver waits. So whoever comes looks at the other side's queue first, and neither
 *    overtakes.
 * 2. A value is copied once from the sender's storage into the store or the receiver's, in the critical section in
 *    which the sender (if it waits) is GRANTED, and once from the store into the receiver's, in that in which the
 *    receiver is, or takes it. So it is in one place at any time, and never lost: who was GRANTED has sent or
 *    received, also if it is being cancelled (BIDE_COMPLETED).
 * 3. Closed: nobody waits, and nothing is stored any more. What was stored before is received before BIDE_END.
 * 4. An exchange of a select (`chosen` is not NULL) is done only by who has changed *chosen from 0 to its index, and
 *    else is taken out of the queue as if it had never been there.
 * 5. The last access to the channel comes before the GRANTED that ends another's wait; so the channel may go when
 *    the last value has been received, although the send that brought it has not returned (waiting.h, invariant 1).
 *
 * Between two tasks on one worker a rendezvous is for each value: two critical sections (one of the party that
 * waits, one of the other), one wake and one switch. docs/models/channel.pml is the protocol as a model.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sync/channel.h"

#include "future/future.h"
#include "os/compiler.h"
#include "reactor/await.h"
#include "sync/fifo.h"

#include <stdlib.h>

enum { NEVER_MADE, OPEN, CLOSED, FREED };

/* --- Making and ending --- */

int bide_channel_init(bide_channel *channel, size_t size, size_t capacity, void *storage)
{
    if (!channel) return BIDE_EINVAL;
    bool bounded = capacity > 0 && capacity != BIDE_CHANNEL_UNBOUNDED && size > 0;
    memset(channel, 0, sizeof *channel);
    if (storage && !bounded) return BIDE_EINVAL;
    if (bounded && !storage) {
        if (size > PTRDIFF_MAX / capacity) return BIDE_ENOMEM;
        channel->owned_ = storage = malloc(size * capacity);
        if (!storage) return BIDE_ENOMEM;
    }
    bide_fifo_init(&channel->store_, size, capacity, storage);
    bide_ring_init(&channel->senders_);
    bide_ring_init(&channel->receivers_);
    channel->stage_ = OPEN;
    return 0;
}

int bide_channel_fini(bide_channel *channel)
{
    if (!channel) return BIDE_EINVAL;
    bide_os_mutex *lock = bide_wait_lock(channel);
    uint32_t stage = channel->stage_;
    bool busy = stage != NEVER_MADE && stage != FREED &&
                (!bide_ring_empty(&channel->senders_) || !bide_ring_empty(&channel->receivers_));
    if (!busy) channel->stage_ = FREED;
    bide_wait_unlock(lock);
    if (stage == FREED) return BIDE_EFREED;
    if (busy) return BIDE_EBUSY;
    bide_fifo_clear(&channel->store_);
    free(channel->owned_);
    channel->owned_ = NULL;
    return 0;
}

size_t bide_channel_count(const bide_channel *channel)
{
    if (!channel) return 0;
    bide_os_mutex *lock = bide_wait_lock(channel);
    size_t count = channel->store_.count_;
    bide_wait_unlock(lock);
    return count;
}

bool bide_channel_is_closed(const bide_channel *channel)
{
    if (!channel) return true;
    bide_os_mutex *lock = bide_wait_lock(channel);
    bool closed = channel->stage_ != OPEN;
    bide_wait_unlock(lock);
    return closed;
}

/* --- The other side --- */

static bide_exchange *exchange_of(bide_link *link)
{
    return (bide_exchange *)link; /* by way of its first member, the waiter, and that one's, the link */
}

/* The first who waits and may be served; those whose select has chosen otherwise leave the queue. Lock held. */
static bide_exchange *first_in(const bide_link *queue)
{
    while (!bide_ring_empty(queue)) {
        bide_exchange *exchange = exchange_of(queue->next_);
        uint32_t none = 0;
        /* acq_rel: of several channels one does the exchange; what it copies is told of by GRANTED */
        if (!exchange->chosen_ ||
            atomic_compare_exchange_strong_explicit(BIDE_ATOMIC_U32(exchange->chosen_), &none,
                                                    exchange->index_, memory_order_acq_rel,
                                                    memory_order_relaxed))
            return exchange;
        bide_waiter_unlink(&exchange->waiter_);
    }
    return NULL;
}

/* Why nothing can be sent, or received, ever. */
static int refusal(const bide_channel *channel, int when_closed)
{
    static const int errors[] = {BIDE_EINVAL, 0, 0, BIDE_EFREED};
    return channel->stage_ == CLOSED ? when_closed : errors[channel->stage_];
}

/* --- Sending --- */

/* 0: sent, and *to is the receiver that has it, if it was not stored; BIDE_EAGAIN; BIDE_ENOMEM: lacks a chunk; or
 * a refusal. Lock held. */
static int give(bide_channel *channel, const void *value, bide_exchange **to)
{
    if (channel->stage_ != OPEN) return refusal(channel, BIDE_ECLOSED);
    *to = first_in(&channel->receivers_);
    if (*to) {
        bide_fifo_copy(&channel->store_, (*to)->value_, value);
        (*to)->outcome_ = 0;
        return 0;
    }
    if (bide_fifo_is_full(&channel->store_)) return BIDE_EAGAIN;
    if (bide_fifo_lacks_chunk(&channel->store_)) return BIDE_ENOMEM;
    bide_fifo_push(&channel->store_, value);
    return 0;
}

static BIDE_OS_NOINLINE int give_with_chunk(bide_channel *channel, const void *value, bide_os_mutex **lock,
                                            bide_exchange **to)
{
    bide_wait_unlock(*lock);
    struct bide_fifo_chunk *chunk = bide_fifo_chunk_new(&channel->store_);
    *lock = bide_wait_lock(channel);
    if (chunk && channel->stage_ == OPEN && bide_fifo_lacks_chunk(&channel->store_)) {
        bide_fifo_lend(&channel->store_, chunk);
        chunk = NULL;
    }
    int answer = give(channel, value, to);
    if (chunk) {
        /* Others brought one meanwhile, or a receiver came. Nobody frees the channel while this send is under way
         * in it. */
        if (*to) {
            bide_wait_give_one(*lock, &(*to)->waiter_);
            *to = NULL;
        } else {
            bide_wait_unlock(*lock);
        }
        *lock = NULL;
        free(chunk);
    }
    return answer;
}

int bide_channel_offer(bide_channel *channel, const void *value, bide_exchange *exchange,
                       const bide_context *cx)
{
    bide_exchange *to = NULL;
    bide_os_mutex *lock = bide_wait_lock(channel);
    int answer = give(channel, value, &to);
    if (answer == BIDE_ENOMEM) {
        answer = give_with_chunk(channel, value, &lock, &to);
        if (!lock) return answer;
    }
    if (answer == BIDE_EAGAIN && exchange) bide_wait_link(&channel->senders_, &exchange->waiter_, cx);
    if (to)
        bide_wait_give_one(lock, &to->waiter_);
    else
        bide_wait_unlock(lock);
    return answer;
}

/* --- Receiving --- */

int bide_channel_ask(bide_channel *channel, void *into, bide_exchange *exchange, const bide_context *cx)
{
    int answer = 0;
    bide_exchange *from = NULL;
    struct bide_fifo_chunk *emptied = NULL;
    bide_os_mutex *lock = bide_wait_lock(channel);
    bide_fifo *store = &channel->store_;
    if (channel->stage_ != OPEN && (channel->stage_ != CLOSED || store->count_ == 0)) {
        answer = refusal(channel, BIDE_END);
    } else if (store->count_ > 0) {
        emptied = bide_fifo_pop(store, into);
        /* Room for the sender that has waited longest: it keeps its place. */
        from = first_in(&channel->senders_);
        if (from) bide_fifo_push(store, from->value_);
    } else {
        from = first_in(&channel->senders_);
        if (from)
            bide_fifo_copy(store, into, from->value_);
        else
            answer = BIDE_EAGAIN;
    }
    if (answer == BIDE_EAGAIN && exchange) bide_wait_link(&channel->receivers_, &exchange->waiter_, cx);
    if (from) {
        from->outcome_ = 0;
        bide_wait_give_one(lock, &from->waiter_);
    } else {
        bide_wait_unlock(lock);
    }
    if (emptied) free(emptied);
    return answer;
}

/* --- Closing --- */

/* Tells all in a queue that it is over. Lock held. */
static void turn_away(const bide_link *queue, int outcome, bide_link *batch)
{
    bide_exchange *exchange;
    while ((exchange = first_in(queue)) != NULL) {
        exchange->outcome_ = outcome;
        bide_ring_remove(&exchange->waiter_.link_);
        bide_ring_append(batch, &exchange->waiter_.link_);
    }
}

int bide_channel_close(bide_channel *channel)
{
    if (!channel) return BIDE_EINVAL;
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(channel);
    int error = channel->stage_ == OPEN ? 0 : refusal(channel, BIDE_ECLOSED);
    if (!error) {
        channel->stage_ = CLOSED;
        turn_away(&channel->senders_, BIDE_ECLOSED, &batch);
        turn_away(&channel->receivers_, BIDE_END, &batch);
    }
    bide_wait_give(lock, channel, &batch);
    return error;
}

/* --- Exchanges --- */

/* Whether somebody else waits there: a select may want to send and to receive, but not with itself. */
static bool has_others(bide_link *queue, const bide_exchange *exchange)
{
    const bide_link *link = queue->next_;
    while (link != queue && ((const bide_exchange *)link)->chosen_ == exchange->chosen_)
        link = link->next_;
    return link != queue;
}

bool bide_channel_queue(bide_channel *channel, bool sends, bide_exchange *exchange, const bide_context *cx)
{
    bide_link *others = sends ? &channel->receivers_ : &channel->senders_;
    bide_os_mutex *lock = bide_wait_lock(channel);
    bool waits = channel->stage_ == OPEN && !has_others(others, exchange) &&
                 (sends ? bide_fifo_is_full(&channel->store_) : channel->store_.count_ == 0);
    if (waits) bide_wait_link(sends ? &channel->senders_ : &channel->receivers_, &exchange->waiter_, cx);
    bide_wait_unlock(lock);
    return waits;
}

bool bide_exchange_look(bide_channel *channel, bide_exchange *exchange, const bide_context *cx)
{
    bool done = bide_wait_has(&exchange->waiter_);
    if (!done) {
        bide_os_mutex *lock = bide_wait_lock(channel);
        done = bide_wait_take(&exchange->waiter_);
        /* One of a select may have been taken out of its queue. */
        if (!done && (bide_waiter_state(&exchange->waiter_) & BIDE_WAITER_LINKED))
            bide_wait_link(NULL, &exchange->waiter_, cx);
        bide_wait_unlock(lock);
    }
    if (done) bide_wait_settle(&exchange->waiter_);
    return done;
}

bool bide_exchange_withdraw(bide_channel *channel, bide_exchange *exchange)
{
    bide_os_mutex *lock = bide_wait_lock(channel);
    bool done = bide_wait_take(&exchange->waiter_);
    if (bide_waiter_state(&exchange->waiter_) & BIDE_WAITER_LINKED) bide_waiter_unlink(&exchange->waiter_);
    bide_wait_unlock(lock);
    bide_wait_settle(&exchange->waiter_);
    return done;
}

/* --- Sending and receiving as futures --- */

/* The size never changes: it is read without the lock. */
static bool is_valid(const bide_channel *channel, const void *value)
{
    return channel && (value || channel->store_.size_ == 0);
}

/* Both have the same members: a poll ends with an answer of the channel's, or goes on waiting. */
static int conclude(int answer, int *result)
{
    if (answer == BIDE_EAGAIN) return BIDE_PENDING;
    *result = answer;
    return BIDE_READY;
}

static int sending_poll(bide_future *self, bide_context *cx)
{
    bide_sending *sending = (bide_sending *)self;
    bide_exchange *exchange = &sending->exchange_;
    if (sending->result == BIDE_EINVAL) return BIDE_READY;
    if (bide_waiter_state(&exchange->waiter_) != 0) {
        if (!bide_exchange_look(sending->channel_, exchange, cx)) return BIDE_PENDING;
        return conclude(exchange->outcome_, &sending->result);
    }
    if (!bide_context_pay(cx)) return BIDE_PENDING;
    return conclude(bide_channel_offer(sending->channel_, exchange->value_, exchange, cx), &sending->result);
}

static int sending_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_sending *sending = (bide_sending *)self;
    bool done = bide_exchange_withdraw(sending->channel_, &sending->exchange_);
    sending->result = done ? sending->exchange_.outcome_ : BIDE_ECANCELED;
    return done ? BIDE_COMPLETED : BIDE_READY;
}

static void sending_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_sending *)self)->channel_, text, room);
}

static const bide_future_kind sending_kind = {{sizeof sending_kind.ops, sending_poll, sending_cancel,
                                               BIDE_FUTURE_NAMED},
                                              "send to channel",
                                              sending_describe};

void bide_sending_init(bide_sending *sending, bide_channel *channel, const void *value)
{
    if (!sending) return;
    bide_future_prepare(&sending->future, &sending_kind.ops);
    bide_exchange_init(&sending->exchange_, value);
    sending->channel_ = channel;
    sending->result = is_valid(channel, value) ? BIDE_ECANCELED : BIDE_EINVAL;
}

static int receiving_poll(bide_future *self, bide_context *cx)
{
    bide_receiving *receiving = (bide_receiving *)self;
    bide_exchange *exchange = &receiving->exchange_;
    if (receiving->result == BIDE_EINVAL) return BIDE_READY;
    if (bide_waiter_state(&exchange->waiter_) != 0) {
        if (!bide_exchange_look(receiving->channel_, exchange, cx)) return BIDE_PENDING;
        return conclude(exchange->outcome_, &receiving->result);
    }
    if (!bide_context_pay(cx)) return BIDE_PENDING;
    return conclude(bide_channel_ask(receiving->channel_, exchange->value_, exchange, cx),
                    &receiving->result);
}

static int receiving_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_receiving *receiving = (bide_receiving *)self;
    bool done = bide_exchange_withdraw(receiving->channel_, &receiving->exchange_);
    receiving->result = done ? receiving->exchange_.outcome_ : BIDE_ECANCELED;
    return done ? BIDE_COMPLETED : BIDE_READY;
}

static void receiving_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_receiving *)self)->channel_, text, room);
}

static const bide_future_kind receiving_kind = {{sizeof receiving_kind.ops, receiving_poll, receiving_cancel,
                                                 BIDE_FUTURE_NAMED},
                                                "receive from channel",
                                                receiving_describe};

static const bide_future_kind stream_kind = {{sizeof stream_kind.ops, receiving_poll, receiving_cancel,
                                              BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                             "stream from channel",
                                             receiving_describe};

static void prepare(bide_receiving *receiving, const bide_future_kind *kind, bide_channel *channel,
                    void *into)
{
    if (!receiving) return;
    bide_future_prepare(&receiving->future, &kind->ops);
    bide_exchange_init(&receiving->exchange_, into);
    receiving->channel_ = channel;
    receiving->result = is_valid(channel, into) ? BIDE_ECANCELED : BIDE_EINVAL;
}

void bide_receiving_init(bide_receiving *receiving, bide_channel *channel, void *into)
{
    prepare(receiving, &receiving_kind, channel, into);
}

void bide_receiving_init_stream(bide_receiving *receiving, bide_channel *channel, void *into)
{
    prepare(receiving, &stream_kind, channel, into);
}

/* --- Sending and receiving as calls --- */

/* In a task the first try is made here: if it succeeds, nothing of a future is needed. */

int bide_channel_send(bide_channel *channel, const void *value, bide_instant deadline)
{
    if (!is_valid(channel, value)) return BIDE_EINVAL;
    if (deadline.ns == BIDE_NOW.ns) return bide_channel_offer(channel, value, NULL, NULL);
    bide_sending sending;
    bide_sending_init(&sending, channel, value);
    bide_context *cx = bide_await_context();
    int error;
    if (cx) {
        error = bide_channel_offer(channel, value, &sending.exchange_, cx);
        if (error != BIDE_EAGAIN) return error;
        error = bide_await_rest(&sending.future, deadline);
    } else {
        error = bide_await(&sending.future, deadline);
    }
    return error ? error : sending.result;
}

int bide_channel_receive(bide_channel *channel, void *into, bide_instant deadline)
{
    if (!is_valid(channel, into)) return BIDE_EINVAL;
    if (deadline.ns == BIDE_NOW.ns) return bide_channel_ask(channel, into, NULL, NULL);
    bide_receiving receiving;
    bide_receiving_init(&receiving, channel, into);
    bide_context *cx = bide_await_context();
    int error;
    if (cx) {
        error = bide_channel_ask(channel, into, &receiving.exchange_, cx);
        if (error != BIDE_EAGAIN) return error;
        error = bide_await_rest(&receiving.future, deadline);
    } else {
        error = bide_await(&receiving.future, deadline);
    }
    return error ? error : receiving.result;
}
