/* What a select asks of channels: the operations themselves, with a place in the queue that somebody else may have
 * made void. See channel.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SYNC_CHANNEL_H
#define BIDE_SYNC_CHANNEL_H

#include "sync/waiting.h"

#include <bide/channel.h>

/* Makes an exchange that waits for itself alone. */
static inline void bide_exchange_init(bide_exchange *exchange, const void *value)
{
    bide_waiter_init(&exchange->waiter_);
    exchange->value_ = (void *)(uintptr_t)value;
    exchange->chosen_ = NULL;
    exchange->index_ = 0;
    exchange->outcome_ = BIDE_ECANCELED;
}

/* Sends, or if that is not possible at once queues the exchange: 0, BIDE_ECLOSED, BIDE_ENOMEM, BIDE_EFREED,
 * BIDE_EINVAL; or BIDE_EAGAIN: it is queued, unless `exchange` is NULL. */
int bide_channel_offer(bide_channel *channel, const void *value, bide_exchange *exchange,
                       const bide_context *cx);

/* The same for receiving; BIDE_END instead of BIDE_ECLOSED. */
int bide_channel_ask(bide_channel *channel, void *into, bide_exchange *exchange, const bide_context *cx);

/* Queues an exchange unless it could be had now. Returns whether it is queued. */
bool bide_channel_queue(bide_channel *channel, bool sends, bide_exchange *exchange, const bide_context *cx);

/* Whether a queued exchange has taken place; tells of another waker if not. */
bool bide_exchange_look(bide_channel *channel, bide_exchange *exchange, const bide_context *cx);

/* Takes an exchange out of its queue. Returns whether it had taken place. */
bool bide_exchange_withdraw(bide_channel *channel, bide_exchange *exchange);

#endif
