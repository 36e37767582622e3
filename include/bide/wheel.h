/**
 * @file bide/wheel.h
 * @brief The hashed timing wheel: sleeps, time-outs and intervals by the million, as precise as a tick.
 *
 * A wheel is for very many time-outs that seldom fire, such as one for each of a server's connections. Its
 * slots are a tick apart, and a sleep waits in the slot of its deadline: it never ends early, and less than a
 * tick plus the system's scheduling late. Timers (bide/timer.h) are precise to some ten microseconds; for a
 * hundred of them there is no need of a wheel. The guide has the numbers.
 *
 * There are two forms.
 * - *Inline*: no thread, no lock. All calls, and all polls of its futures, come from one thread at a time,
 *   which drives it: with bide_wheel_next() and bide_wheel_advance(), or by polling a bide_wheel_driving
 *   beside its other futures, or by waiting in bide_wheel_sleep().
 * - *Threaded*: the wheel has a thread of its own, which sleeps while nothing is due. Any thread may call. To
 *   enter or leave the wheel a sleep sends a request to the thread and does not wait for it. Cancels and
 *   moves cannot be lost, and need no room.
 *
 * A sleep that lies further ahead than a turn of the wheel waits for its revolution. Ticks are counted in 64
 * bits.
 *
 * Storage for sleeps is the caller's; the wheel's own place for each comes out of chunks that grow up to the
 * maximum capacity and are given back by bide_wheel_free(). What was cancelled or has fired makes room at
 * once.
 *
 * In the child of a fork a threaded wheel has no thread: all that is asked of it, or of its sleeps, gives
 * BIDE_EFORKED, and bide_wheel_free() frees it. An inline one goes on, a copy with the sleeps that were in it; a
 * bide_wheel_driving that was polled before ends with BIDE_EFORKED, and a new one takes its place.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_WHEEL_H
#define BIDE_WHEEL_H

#include <bide/future.h>
#include <bide/time.h>
#include <bide/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A wheel. */
typedef struct bide_wheel bide_wheel;

/** Who drives a wheel. */
typedef enum bide_wheel_form {
    BIDE_WHEEL_THREADED = 0, /**< a thread of its own (the default) */
    BIDE_WHEEL_INLINE = 1    /**< its owner */
} bide_wheel_form;

/** By which clock a wheel goes. */
typedef enum bide_wheel_clock {
    BIDE_WHEEL_MONOTONIC = 0, /**< as bide_now(): stands still while the machine is suspended (the default) */
    /** Goes on while the machine is suspended. Who drives the wheel looks at it at each tick while a sleep
     * waits. */
    BIDE_WHEEL_BOOT_TIME = 1,
    BIDE_WHEEL_MANUAL = 2 /**< begins at 0 ns and goes where bide_wheel_advance() puts it */
} bide_wheel_clock;

/** What becomes of a sleep for which there is no room. */
typedef enum bide_wheel_full {
    BIDE_WHEEL_FULL_FAILS = 0, /**< BIDE_ENOCAPACITY (the default) */
    BIDE_WHEEL_FULL_WAITS = 1  /**< it is pending until there is room; its deadline stays as it is */
} bide_wheel_full;

/** How a wheel is to be. Begin with bide_wheel_options_init(). */
typedef struct bide_wheel_options {
    bide_wheel_form form;      /**< who drives it: BIDE_WHEEL_THREADED */
    bide_wheel_clock clock;    /**< what time it goes by: BIDE_WHEEL_MONOTONIC */
    bide_wheel_full when_full; /**< what becomes of a sleep without room: BIDE_WHEEL_FULL_FAILS */
    bide_missed missed;        /**< what its intervals do about missed ticks: BIDE_MISSED_BURST */
    bide_duration tick;        /**< 100 ms; at least 1 ns */
    uint32_t slots;            /**< 4,096; a power of two up to 262,144 */
    uint32_t initial_capacity; /**< sleeps that there is storage for from the start: 256; at least 1 */
    uint32_t max_capacity;     /**< pending sleeps at most: 4,194,304; up to 2^27 */
    /** The longest time-out: 0, the default, is tick * slots, one turn. */
    bide_duration max_timeout;
    /** New sleeps on their way to the thread at most: 128; at least 1. Who awaits one more waits for the thread
     * to look, a moment; bide_wheel_sleeping_start() gives BIDE_ENOCAPACITY, unless `when_full` is to wait.
     * (Cancels and moves need no room.) */
    uint32_t channel_capacity;
    const char *thread_name; /**< "bide-wheel"; Linux keeps 15 bytes. Copied. */
} bide_wheel_options;

/** @brief Sets the defaults. Touches its argument alone; does not wait. */
BIDE_API void bide_wheel_options_init(bide_wheel_options *options);

/**
 * @brief Makes a wheel; in the threaded form, starts its thread.
 *
 * @param[out] out the wheel; bide_wheel_free() frees it. NULL after an error.
 * @param options NULL: the defaults.
 * @return 0; BIDE_EINVAL for NULL or an option out of its range; BIDE_ENOMEM; BIDE_ENOTHREAD; BIDE_ENOTSUP if
 *   bide_set_threads() forbids threads. Thread-safe; does not wait.
 *
 * @code
 * bide_wheel_options options;
 * bide_wheel_options_init(&options);
 * options.tick = BIDE_MILLISECONDS(10);
 * bide_wheel *wheel;
 * int err = bide_wheel_new(&wheel, &options);
 * @endcode
 */
BIDE_API int bide_wheel_new(bide_wheel **out, const bide_wheel_options *options);

/**
 * @brief Ends all pending sleeps with BIDE_ESHUTDOWN, joins the thread and frees the wheel.
 *
 * Other threads may be awaiting, polling or cancelling futures of a threaded wheel meanwhile: they become
 * ready. Futures that outlive the wheel answer BIDE_ESHUTDOWN. Nobody else may call the functions that take
 * the wheel itself at that time or afterwards. Waits for the thread's present waker to return.
 *
 * @return 0, BIDE_EINVAL for NULL, BIDE_EDEADLK inside a waker.
 */
BIDE_API int bide_wheel_free(bide_wheel *wheel);

/** @brief The time on the wheel's clock; BIDE_NOW for NULL. Thread-safe; does not wait. */
BIDE_API bide_instant bide_wheel_now(bide_wheel *wheel);

/**
 * @brief When the wheel must be advanced next: no sleep ends before. (That one may be found to have been
 * moved.)
 *   BIDE_NEVER if nothing is pending, and for NULL.
 *
 * Inline: by its owner; does not wait. Threaded: what its thread will wake for; waits for that thread's
 * present step, which is short.
 */
BIDE_API bide_instant bide_wheel_next(bide_wheel *wheel);

/**
 * @brief Ends the sleeps that are due.
 *
 * Inline: runs their wakers before it returns. With a manual clock, in both forms, it sets the clock first;
 * that does not go back. The thread of a threaded wheel then runs the wakers: this does not wait for it.
 *
 * @param now an instant of the wheel's clock: bide_wheel_now(), but for a manual one.
 * @return how many ended (threaded: 0); BIDE_EINVAL for NULL or a threaded wheel whose clock is not manual;
 *   BIDE_EDEADLK inside a waker; BIDE_EFORKED in the child of a fork, for one with a thread.
 *
 * @code
 * while (!stopped) {
 *     wait_for_io(until(bide_wheel_next(wheel)));
 *     bide_wheel_advance(wheel, bide_wheel_now(wheel));
 * }
 * @endcode
 */
BIDE_API int bide_wheel_advance(bide_wheel *wheel, bide_instant now);

/** Counts of a wheel. */
typedef struct bide_wheel_stats {
    uint64_t fired;      /**< sleeps that ended at their deadline, since the wheel was made */
    uint64_t cancelled;  /**< sleeps that were cancelled before */
    size_t pending;      /**< sleeps that wait now */
    size_t capacity;     /**< sleeps that there is storage for now */
    size_t slots_used;   /**< slots that are not empty */
    size_t longest_slot; /**< sleeps in the fullest slot */
} bide_wheel_stats;

/**
 * @brief Reads the counts. Takes the time to look at each slot.
 *
 * @return 0, BIDE_EINVAL for NULL, BIDE_EFORKED as bide_wheel_advance(). Threaded: thread-safe, waits for the
 *   thread's present step.
 */
BIDE_API int bide_wheel_stats_read(bide_wheel *wheel, bide_wheel_stats *stats);

/** Driving an inline wheel, as a future: polled beside others, it ends sleeps that are due. */
typedef struct bide_wheel_driving {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_wheel *wheel_;
    struct bide_wheel_driving *outer_;
    bide_instant armed_;
    bide_timer timer_;
    uint32_t life_;
    bool begun_;
    /** When ready, which is not before its end: BIDE_ESHUTDOWN, BIDE_EINVAL (the wheel is not inline, or its
     * clock is manual), or an error of bide_timer_error(). */
    int result;
} bide_wheel_driving;

/**
 * @brief Prepares it. One timer of the current reactor serves all sleeps of the wheel. Does not wait.
 *
 * @code
 * bide_wheel_driving driving;
 * bide_wheel_driving_init(&driving, wheel);
 * bide_set_add(&set, &member, &driving.future, NULL);
 * @endcode
 */
BIDE_API void bide_wheel_driving_init(bide_wheel_driving *driving, bide_wheel *wheel);

/**
 * @brief A sleep: a future that becomes ready at a deadline.
 *
 * Enters the wheel at its first poll, or by bide_wheel_sleeping_start(). Ready again at once if it is polled
 * after its end, until it is reset.
 */
typedef struct bide_wheel_sleeping {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_wheel *wheel_;
    bide_waiter waiter_;
    bide_instant deadline_;
    void *record_;
    uint32_t id_;
    uint32_t life_;
    uint32_t stage_;
    /** When ready: 0 (the deadline has passed), BIDE_ENOCAPACITY, BIDE_ENOMEM, BIDE_ESHUTDOWN, BIDE_EFORKED;
     * or what bide_wheel_sleeping_init() returned. */
    int result;
} bide_wheel_sleeping;

/** @name Sleeping
 * Durations that are not positive, and deadlines that have passed, are ready at the first poll. */
/**@{*/
/**
 * @brief Prepares a sleep. Neither allocates nor waits; a sleep that was never polled or started may go out
 * of scope.
 *
 * @return 0, BIDE_EINVAL for NULL, BIDE_ETOOLONG for more than the wheel's longest time-out. The future is
 *   then ready with that error.
 *
 * @code
 * bide_wheel_sleeping sleeping;
 * int err = bide_wheel_sleeping_init(&sleeping, wheel, BIDE_SECONDS(30));
 * if (!err) err = bide_await(&sleeping.future, BIDE_NEVER);
 * @endcode
 */
BIDE_API int bide_wheel_sleeping_init(bide_wheel_sleeping *sleeping, bide_wheel *wheel,
                                      bide_duration duration);
/** @brief The same, until an instant of the wheel's clock. */
BIDE_API int bide_wheel_sleeping_init_until(bide_wheel_sleeping *sleeping, bide_wheel *wheel,
                                            bide_instant instant);

/**
 * @brief Enters it into the wheel without awaiting it yet; from then on it must be polled to its end or
 * cancelled.
 *
 * Does not wait, but for the storage when that has to grow.
 *
 * @return 0 (also if its deadline has passed); BIDE_ENOCAPACITY, BIDE_ENOMEM, BIDE_ESHUTDOWN, BIDE_EFORKED;
 *   BIDE_EINVAL for NULL, BIDE_EDEADLK inside a waker.
 */
BIDE_API int bide_wheel_sleeping_start(bide_wheel_sleeping *sleeping);

/**
 * @brief Gives it a new deadline, counted from now. Whoever awaits it goes on waiting, until then.
 *
 * A sleep that has ended, or was cancelled, is as new. Of a threaded wheel from any thread while it is being
 * awaited; else by its owner. Never lost, and needs no room. Does not wait.
 *
 * @return 0, BIDE_EINVAL for NULL, BIDE_ETOOLONG (nothing is changed), BIDE_ESHUTDOWN, BIDE_EFORKED.
 */
BIDE_API int bide_wheel_sleeping_reset(bide_wheel_sleeping *sleeping, bide_duration duration);
/** @brief The same, to an instant of the wheel's clock. */
BIDE_API int bide_wheel_sleeping_reset_until(bide_wheel_sleeping *sleeping, bide_instant instant);

/**
 * @brief Cancels it. Does not wait.
 *
 * @return BIDE_READY: it beat the firing (also if it had not begun); BIDE_COMPLETED: it had ended before;
 *   BIDE_EINVAL, BIDE_EDEADLK, BIDE_EMOVED as bide_future_cancel().
 */
BIDE_API int bide_wheel_sleeping_cancel(bide_wheel_sleeping *sleeping);

/** @brief How long until the deadline, 0 if it has passed, and for NULL. Threads as for a reset. */
BIDE_API bide_duration bide_wheel_sleeping_remaining(bide_wheel_sleeping *sleeping);

/** @brief Whether its deadline has passed; false for NULL. Threads as for a reset. */
BIDE_API bool bide_wheel_sleeping_is_expired(bide_wheel_sleeping *sleeping);

/**
 * @brief Sleeps on the calling thread, and drives the reactor, and an inline wheel, meanwhile.
 *
 * @return 0; an error of bide_wheel_sleeping_init() or of the future's result; an error of bide_block_on();
 *   BIDE_EDEADLK for an inline wheel with a manual clock, which nobody could advance.
 *
 * @code
 * int err = bide_wheel_sleep(wheel, BIDE_SECONDS(2));
 * @endcode
 */
BIDE_API int bide_wheel_sleep(bide_wheel *wheel, bide_duration duration);
/** @brief The same, until an instant of the wheel's clock. */
BIDE_API int bide_wheel_sleep_until(bide_wheel *wheel, bide_instant instant);
/**@}*/

/** A time limit for another future. */
typedef struct bide_wheel_timeout {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_future *inner_;
    bide_duration duration_;
    bide_wheel_sleeping sleeping_;
    bool begun_;
    /** When ready: 0 (the inner future is ready), BIDE_ETIMEDOUT (it is not, and is the caller's again), or
     * an error of a sleep's result. */
    int result;
} bide_wheel_timeout;

/** @name Time limits
 * A result beats the time-out when both are ready. On a time-out the inner future is handed back as it is: it
 * is not cancelled, and goes on with the waker that it was polled with last. Poll it on, or cancel it, before
 * its storage or that waker's target goes away. Cancelling the time-out cancels the inner future too. */
/**@{*/
/**
 * @brief Prepares a time limit, which begins now. Does not wait.
 *
 * @param inner must stay as long as the time-out; what it gave is in its own result.
 * @return 0, BIDE_EINVAL for NULL, BIDE_ETOOLONG; then the future is ready with that error, and `inner` not
 *   polled.
 *
 * @code
 * bide_wheel_timeout limit;
 * int err = bide_wheel_timeout_init(&limit, wheel, &reading.future, BIDE_SECONDS(30));
 * if (!err) err = bide_await(&limit.future, BIDE_NEVER);
 * if (!err) err = limit.result;
 * if (err == BIDE_ETIMEDOUT) bide_cancel(&reading.future);
 * @endcode
 */
BIDE_API int bide_wheel_timeout_init(bide_wheel_timeout *timeout, bide_wheel *wheel, bide_future *inner,
                                     bide_duration duration);

/**
 * @brief The same for a stream: a stream that is ready with each item of `inner`, and whose limit begins anew
 *   when it is polled for the next one.
 */
BIDE_API int bide_wheel_timeout_init_stream(bide_wheel_timeout *timeout, bide_wheel *wheel,
                                            bide_future *inner, bide_duration duration);
/**@}*/

/** An interval: a stream that is ready at each tick of a schedule. */
typedef struct bide_wheel_interval {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_wheel_sleeping sleeping_;
    bide_instant next_;
    bide_duration period_;
    bide_instant scheduled; /**< when ready with 0: the instant for which this firing was scheduled */
    int result;             /**< when ready: 0, or an error as a sleep's result */
} bide_wheel_interval;

/** @name Intervals
 * They keep to their schedule whether or not the period is a multiple of the wheel's tick: each firing is
 * late by less than a tick, and none is later for those before it. What becomes of ticks that nobody took is
 * the wheel's option `missed`. */
/**@{*/
/**
 * @brief Prepares an interval with its first tick after one period. Does not wait.
 *
 * @return 0; BIDE_EINVAL for NULL or a period that is not positive; BIDE_ETOOLONG for one longer than the
 *   wheel's longest time-out.
 *
 * @code
 * bide_wheel_interval beat;
 * int err = bide_wheel_interval_init(&beat, wheel, BIDE_MILLISECONDS(250));
 * while (!err && !(err = bide_wheel_interval_wait(&beat))) send_beat();
 * @endcode
 */
BIDE_API int bide_wheel_interval_init(bide_wheel_interval *interval, bide_wheel *wheel, bide_duration period);

/** @brief The same, with its first tick at `start`, at once if that has passed (BIDE_NOW: now). */
BIDE_API int bide_wheel_interval_init_at(bide_wheel_interval *interval, bide_wheel *wheel, bide_instant start,
                                         bide_duration period);

/** @brief Waits for the next tick, as bide_wheel_sleep() waits. @return as that one. */
BIDE_API int bide_wheel_interval_wait(bide_wheel_interval *interval);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
