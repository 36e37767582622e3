/* Time limits and intervals: futures made of a sleep.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "wheel/wheel.h"

/* --- Time limits ---
 *
 *   inner future ready ------------------------------------> 0, the sleep is cancelled
 *   sleep over, and a last try of the inner one found nothing -> BIDE_ETIMEDOUT, the inner one is left as it
 *   is
 */

static int finish(bide_wheel_timeout *timeout, bide_context *cx, int result)
{
    (void)bide_future_cancel(&timeout->sleeping_.future, cx);
    timeout->begun_ = false;
    timeout->result = result;
    return BIDE_READY;
}

static int timeout_poll(bide_future *self, bide_context *cx)
{
    bide_wheel_timeout *timeout = (bide_wheel_timeout *)self;
    if (!timeout->inner_) return BIDE_READY;
    if (!timeout->begun_) {
        int error = bide_wheel_sleeping_reset(&timeout->sleeping_, timeout->duration_);
        if (error) return finish(timeout, cx, error);
        timeout->begun_ = true;
    }
    int answer = bide_future_poll(timeout->inner_, cx);
    if (answer != BIDE_PENDING) return finish(timeout, cx, answer == BIDE_READY ? 0 : answer);
    answer = bide_future_poll(&timeout->sleeping_.future, cx);
    if (answer == BIDE_PENDING) return BIDE_PENDING;
    if (answer < 0) return finish(timeout, cx, answer);
    answer = bide_future_last_try(timeout->inner_, cx);
    if (answer != BIDE_PENDING) return finish(timeout, cx, answer == BIDE_READY ? 0 : answer);
    return finish(timeout, cx, timeout->sleeping_.result ? timeout->sleeping_.result : BIDE_ETIMEDOUT);
}

static int timeout_cancel(bide_future *self, bide_context *cx)
{
    bide_wheel_timeout *timeout = (bide_wheel_timeout *)self;
    if (!timeout->inner_) return BIDE_COMPLETED;
    int answer = bide_future_cancel(timeout->inner_, cx);
    if (answer == BIDE_PENDING) return BIDE_PENDING;
    (void)finish(timeout, cx, answer == BIDE_COMPLETED ? 0 : BIDE_ECANCELED);
    return answer;
}

static const bide_future_kind timeout_kind = {{sizeof timeout_kind.ops, timeout_poll, timeout_cancel,
                                               BIDE_FUTURE_NAMED},
                                              "time limit on a wheel",
                                              NULL};
static const bide_future_kind stream_kind = {{sizeof stream_kind.ops, timeout_poll, timeout_cancel,
                                              BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                             "time limit on a wheel",
                                             NULL};

static int init_timeout(bide_wheel_timeout *timeout, bide_wheel *wheel, bide_future *inner,
                        bide_duration duration, const bide_future_ops *ops)
{
    if (!timeout) return BIDE_EINVAL;
    bide_future_init(&timeout->future, ops);
    int error = bide_wheel_sleeping_init(&timeout->sleeping_, wheel, duration);
    if (!error && !inner) error = BIDE_EINVAL;
    timeout->inner_ = error ? NULL : inner;
    timeout->duration_ = duration;
    timeout->begun_ = true;
    timeout->result = error ? error : BIDE_ECANCELED;
    return error;
}

int bide_wheel_timeout_init(bide_wheel_timeout *timeout, bide_wheel *wheel, bide_future *inner,
                            bide_duration duration)
{
    return init_timeout(timeout, wheel, inner, duration, &timeout_kind.ops);
}

int bide_wheel_timeout_init_stream(bide_wheel_timeout *timeout, bide_wheel *wheel, bide_future *inner,
                                   bide_duration duration)
{
    return init_timeout(timeout, wheel, inner, duration, &stream_kind.ops);
}

/* --- Intervals --- */

/* The tick after next_, which was taken now. */
static bide_instant following(const bide_wheel_interval *interval)
{
    const struct bide_wheel *wheel = interval->sleeping_.wheel_;
    bide_instant scheduled = interval->next_;
    if (wheel->options.missed == BIDE_MISSED_BURST) return bide_instant_add(scheduled, interval->period_);
    bide_instant now = bide_wheel_clock_now(wheel);
    if (wheel->options.missed == BIDE_MISSED_DELAY) return bide_instant_add(now, interval->period_);
    bide_duration late = bide_instant_since(now, scheduled);
    bide_duration missed = late > 0 ? late / interval->period_ * interval->period_ : 0;
    return bide_instant_add(bide_instant_add(scheduled, missed), interval->period_);
}

static int interval_poll(bide_future *self, bide_context *cx)
{
    bide_wheel_interval *interval = (bide_wheel_interval *)self;
    if (!interval->sleeping_.wheel_) return BIDE_READY;
    if (!bide_context_pay(cx)) return BIDE_PENDING;
    int answer = bide_future_poll(&interval->sleeping_.future, cx);
    if (answer != BIDE_READY) return answer;
    interval->result = interval->sleeping_.result;
    if (interval->result) return BIDE_READY;
    interval->scheduled = interval->next_;
    interval->next_ = following(interval);
    /* What goes wrong here is told when the next tick is awaited. */
    (void)bide_wheel_sleeping_reset_until(&interval->sleeping_, interval->next_);
    return BIDE_READY;
}

static int interval_cancel(bide_future *self, bide_context *cx)
{
    bide_wheel_interval *interval = (bide_wheel_interval *)self;
    if (!interval->sleeping_.wheel_) return BIDE_COMPLETED;
    /* A tick that has come stays to be taken. */
    (void)bide_future_cancel(&interval->sleeping_.future, cx);
    interval->result = BIDE_ECANCELED;
    return BIDE_READY;
}

static const bide_future_kind interval_kind = {{sizeof interval_kind.ops, interval_poll, interval_cancel,
                                                BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                               "interval on a wheel",
                                               NULL};

int bide_wheel_interval_init_at(bide_wheel_interval *interval, bide_wheel *wheel, bide_instant start,
                                bide_duration period)
{
    if (!interval) return BIDE_EINVAL;
    bide_future_init(&interval->future, &interval_kind.ops);
    /* A schedule that began before all time would have missed ticks without end. */
    if (wheel && start.ns == BIDE_NOW.ns) start = bide_wheel_clock_now(wheel);
    int error = period <= 0 ? BIDE_EINVAL : 0;
    if (!error && wheel && period > wheel->options.max_timeout) error = BIDE_ETOOLONG;
    int started = bide_wheel_sleeping_init_until(&interval->sleeping_, wheel, start);
    if (!error) error = started;
    if (error) interval->sleeping_.wheel_ = NULL;
    interval->next_ = start;
    interval->period_ = period;
    interval->scheduled = BIDE_NOW;
    interval->result = error ? error : BIDE_ECANCELED;
    return error;
}

int bide_wheel_interval_init(bide_wheel_interval *interval, bide_wheel *wheel, bide_duration period)
{
    bide_instant start = wheel ? bide_instant_add(bide_wheel_clock_now(wheel), period) : BIDE_NOW;
    return bide_wheel_interval_init_at(interval, wheel, start, period);
}

int bide_wheel_interval_wait(bide_wheel_interval *interval)
{
    if (!interval) return BIDE_EINVAL;
    bide_wheel *wheel = interval->sleeping_.wheel_;
    if (!wheel) return interval->result;
    int error = bide_wheel_await(wheel, &interval->future);
    return error ? error : interval->result;
}
