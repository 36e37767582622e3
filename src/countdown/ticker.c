/* The coroutine that lets a countdown's time pass.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sansio/step.h"

#include <bide/countdown.h>

#include <string.h>

void bide_countdown_ticker_init(bide_countdown_ticker *ticker, bide_duration period)
{
    if (!ticker) return;
    (void)memset(ticker, 0, sizeof *ticker);
    bide_sansio_begin(&ticker->step_);
    ticker->period_ = period;
}

/* Until when to sleep after a look at `now`. */
static bide_instant wake(const bide_countdown_ticker *ticker, const bide_countdown *countdown,
                         bide_instant now)
{
    bide_instant next = bide_countdown_next(countdown);
    if (now.ns > 0 && ticker->period_ > INT64_MAX - now.ns) return next;
    return bide_earlier(next, bide_instant_from_ns(now.ns + ticker->period_));
}

int bide_countdown_ticker_resume(bide_countdown_ticker *ticker, bide_countdown *countdown, bide_sansio_io *io)
{
    if (!ticker || !countdown || !io) return BIDE_EINVAL;
    ticker->events.list = ticker->list_;
    ticker->events.capacity = BIDE_COUNTDOWN_EVENTS;
    ticker->events.count = 0;
    bide_sansio_step *step = &ticker->step_;
    if (step->status_ != BIDE_SANSIO_WANTS) return step->status_;
    bool asked_time = step->asked_ == BIDE_SANSIO_NOW;
    bide_ssize answer;
    bool answered = bide_sansio_answered(step, io, &answer);
    if (step->status_ != BIDE_SANSIO_WANTS) return step->status_;
    if (answered && asked_time) {
        bide_instant now = io->instant;
        int result = bide_countdown_update(countdown, now, &ticker->events);
        if (result < 0) return bide_sansio_finish(step, io, result);
        if (result == BIDE_COUNTDOWN_MORE) return bide_sansio_ask_now(step, io);
        ticker->until_ = wake(ticker, countdown, now);
        return bide_sansio_ask_sleep(step, io, ticker->until_);
    }
    if (!answered && step->asked_ == BIDE_SANSIO_SLEEP)
        return bide_sansio_ask_sleep(step, io, ticker->until_);
    return bide_sansio_ask_now(step, io);
}
