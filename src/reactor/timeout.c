/* bide_timeout: another future, or a timer, whichever is first.
 *
 *   RACING --inner ready--> ready, 0
 *      \---timer ready, and a last try of the inner future found nothing--->
 *          CANCELLING --inner answered--> ready: 0 if it had completed, else BIDE_ETIMEDOUT
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"

#include <bide/timer.h>

/* While the inner future is being cancelled, result says so. */
enum { CANCELLING = 1 };

/* Ends it: the timer is no longer needed. */
static int finish(bide_timeout *timeout, bide_context *cx, int result)
{
    (void)bide_future_cancel(&timeout->timer_.future, cx);
    timeout->result = result;
    return BIDE_READY;
}

static int timeout_poll(bide_future *self, bide_context *cx)
{
    bide_timeout *timeout = (bide_timeout *)self;
    if (timeout->result != CANCELLING) {
        int answer = bide_future_poll(timeout->inner_, cx);
        if (answer != BIDE_PENDING) return finish(timeout, cx, answer == BIDE_READY ? 0 : answer);
        if (bide_future_poll(&timeout->timer_.future, cx) != BIDE_READY) return BIDE_PENDING;
        answer = bide_future_last_try(timeout->inner_, cx);
        if (answer != BIDE_PENDING) return finish(timeout, cx, answer == BIDE_READY ? 0 : answer);
        timeout->result = CANCELLING;
    }
    int error = bide_timer_error(&timeout->timer_);
    switch (bide_future_cancel(timeout->inner_, cx)) {
    case BIDE_PENDING: return BIDE_PENDING;
    case BIDE_COMPLETED: return finish(timeout, cx, 0);
    default: return finish(timeout, cx, error ? error : BIDE_ETIMEDOUT);
    }
}

static int timeout_cancel(bide_future *self, bide_context *cx)
{
    bide_timeout *timeout = (bide_timeout *)self;
    int answer = bide_future_cancel(timeout->inner_, cx);
    if (answer == BIDE_PENDING) return BIDE_PENDING;
    (void)finish(timeout, cx, answer == BIDE_COMPLETED ? 0 : BIDE_ECANCELED);
    return answer;
}

static void timeout_describe(const bide_future *self, char *text, size_t room)
{
    bide_future_describe(((const bide_timeout *)self)->inner_, text, room);
}

static const bide_future_kind timeout_kind = {{sizeof timeout_kind.ops, timeout_poll, timeout_cancel,
                                               BIDE_FUTURE_NAMED},
                                              "time limit on",
                                              timeout_describe};

void bide_timeout_init(bide_timeout *timeout, bide_future *inner, bide_instant deadline)
{
    if (!timeout) return;
    bide_future_init(&timeout->future, &timeout_kind.ops);
    bide_timer_at(&timeout->timer_, deadline);
    timeout->inner_ = inner;
    timeout->result = BIDE_ECANCELED;
}
