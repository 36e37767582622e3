/**
 * @file bide/timer.h
 * @brief Timers: one-shot and periodic, as futures; time-outs around other futures.
 *
 * A timer never fires before its deadline.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_TIMER_H
#define BIDE_TIMER_H

#include <bide/future.h>
#include <bide/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an interval does about ticks that nobody took in time. */
typedef enum bide_missed {
    BIDE_MISSED_BURST = 0, /**< yields each of them, at once (the default) */
    BIDE_MISSED_DELAY = 1, /**< the next tick is one period after the late one was taken */
    BIDE_MISSED_SKIP = 2   /**< the next tick is the next instant of the schedule that lies ahead */
} bide_missed;

/**
 * @brief A timer: a future, and a stream (it may be awaited again after each firing).
 *
 * In storage of the caller's; may go out of scope when it is not being awaited, after a bide_cancel() if its
 * last poll answered BIDE_PENDING. The setters may be called from any thread, also while another one awaits
 * it; all else as for any future. Belongs to the reactor that was current when it was initialised.
 */
typedef struct bide_timer {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    uint32_t id_;
    uint32_t epoch_;
    bide_waiter waiter_;
    struct bide_reactor *reactor_;
    bide_instant deadline_;
    bide_duration period_;
    /** When ready: the instant for which this firing was scheduled; BIDE_NOW after an error. */
    bide_instant result;
} bide_timer;

/** @name Initialising
 * Register nothing: that is done by the first poll. Not on a timer that is being awaited; do not wait. */
/**@{*/
/** @brief A timer that never fires, until it is set. */
BIDE_API void bide_timer_never(bide_timer *timer);
/** @brief Fires once, after that duration. Too long a one saturates to never. */
BIDE_API void bide_timer_after(bide_timer *timer, bide_duration duration);
/** @brief Fires once, at that instant, at once if it has passed. */
BIDE_API void bide_timer_at(bide_timer *timer, bide_instant instant);
/** @brief Fires each `period` (a positive duration; others never fire), for the first time
 * after one period. */
BIDE_API void bide_timer_interval(bide_timer *timer, bide_duration period);
/** @brief Fires at `start` (BIDE_NOW: at once), then each `period` after it. */
BIDE_API void bide_timer_interval_at(bide_timer *timer, bide_instant start, bide_duration period);
/**@}*/

/** @name Setting
 * Change a timer that has been initialised; from any thread. A party that awaits it sees the new deadline.
 * Return 0, or BIDE_EINVAL for NULL. Do not wait. */
/**@{*/
/** @brief It will not fire. */
BIDE_API int bide_timer_set_never(bide_timer *timer);
/** @brief Makes it a one-shot: also an interval becomes one. */
BIDE_API int bide_timer_set_after(bide_timer *timer, bide_duration duration);
/** @brief As bide_timer_set_after(), for an instant. */
BIDE_API int bide_timer_set_at(bide_timer *timer, bide_instant instant);
/** @brief Makes it an interval that starts now. */
BIDE_API int bide_timer_set_interval(bide_timer *timer, bide_duration period);
/** @brief Makes it an interval with its first tick at `start`. */
BIDE_API int bide_timer_set_interval_at(bide_timer *timer, bide_instant start, bide_duration period);
/**@}*/

/** @brief What to do about missed ticks, from the next firing on. From any thread; does not wait. */
BIDE_API void bide_timer_set_missed(bide_timer *timer, bide_missed policy);

/**
 * @brief Allows it to fire up to `slack` later, so that timers with slack share wake-ups.
 *
 * The firing is moved to the next multiple of the largest power of two nanoseconds within the slack. Takes
 * effect when the timer is armed next. In nanoseconds; negative counts as 0. From any thread; does not wait.
 */
BIDE_API void bide_timer_set_slack(bide_timer *timer, bide_duration slack);

/** @brief Whether it has a deadline; false for never and for a one-shot that has fired. Thread-safe. */
BIDE_API bool bide_timer_will_fire(bide_timer *timer);

/** @brief The next deadline, or BIDE_NEVER, also for NULL. Thread-safe. */
BIDE_API bide_instant bide_timer_deadline(bide_timer *timer);

/**
 * @brief 0 after a firing, else why the timer became ready without one: BIDE_ENOMEM, BIDE_ENOTHREAD,
 *   BIDE_ENOTSUP (it could not be armed), BIDE_ECANCELED (its reactor was shut down). BIDE_EINVAL for NULL.
 *   Thread-safe; does not wait.
 */
BIDE_API int bide_timer_error(const bide_timer *timer);

/**
 * @brief Waits for the firing. To give up earlier, await it: `bide_await(&timer.future, deadline)`.
 *
 * @return 0, or the bide_timer_error(), or as bide_block_on().
 *
 * @code
 * while (bide_timer_wait(&tick) == 0) beat();
 * @endcode
 */
BIDE_API int bide_timer_wait(bide_timer *timer);

/** A deadline around another future. */
typedef struct bide_timeout {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_future *inner_;
    bide_timer timer_;
    /** When ready: 0 (the inner future is ready), BIDE_ETIMEDOUT (it was cancelled), or an error. */
    int result;
} bide_timeout;

/**
 * @brief Prepares a time-out: when the deadline comes first, `inner` is cancelled.
 *
 * A result beats the time-out when both are ready, also one that came while it was being cancelled.
 *
 * @param inner must stay as long as the time-out; what it gave is in its own result.
 * @param deadline BIDE_NEVER: no limit.
 *
 * Does not wait.
 *
 * @code
 * bide_timeout_init(&limit, &reading.future, bide_after(BIDE_SECONDS(30)));
 * int err = bide_await(&limit.future, BIDE_NEVER);
 * if (!err) err = limit.result;
 * @endcode
 */
BIDE_API void bide_timeout_init(bide_timeout *timeout, bide_future *inner, bide_instant deadline);

#ifdef __cplusplus
}
#endif

#endif
