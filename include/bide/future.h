/**
 * @file bide/future.h
 * @brief Futures, wakers, contexts; race, join; awaiting and cancelling.
 *
 * A future is work that may have to wait: reading from a socket, a timer, several futures together. It lives
 * in storage of the caller's (the stack, a struct), is started by its first poll, and allocates nothing. A
 * thread awaits one with bide_await() or bide_block_on(); a hand-written state machine polls it with a
 * context whose waker tells when polling again is worth while.
 *
 * Rules for every future:
 * - It registers at its first poll. One that was never polled may simply go out of scope.
 * - Once polled it must stay where it is in memory, and be polled or cancelled by one thread at a time, until
 *   a poll or a cancel answered BIDE_READY or BIDE_COMPLETED. A moved one answers BIDE_EMOVED.
 * - *Quiescence*: when poll has answered BIDE_READY or has been given another waker, and when cancel has
 *   answered, no earlier wake of that future is running or will run.
 * - A waker only notes and unparks. It may be called from any thread, more than once, and for no reason.
 *   Polling, cancelling, freeing or awaiting inside one gives BIDE_EDEADLK and changes nothing. Do not poll
 *   or cancel while holding a lock that the waker takes.
 * - NULL where a function needs something gives BIDE_EINVAL unless it says otherwise, in every header of
 *   Bide; a function without a return value does nothing then, and a future prepared around NULL becomes
 *   ready with BIDE_EINVAL.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_FUTURE_H
#define BIDE_FUTURE_H

#include <bide/base.h>
#include <bide/error.h>
#include <bide/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What poll and cancel answer, besides a negative error for misuse. */
enum {
    BIDE_PENDING = 0,  /**< not yet; the context's waker will be called */
    BIDE_READY = 1,    /**< finished; from cancel: cancelled, storage and buffers are free again */
    BIDE_COMPLETED = 2 /**< from cancel only: it had finished before, and its result is valid */
};

/** Whom to call when a future should be polled again. Two words, copied freely. */
typedef struct bide_waker {
    void (*wake)(void *arg); /**< must not wait, poll or cancel; may be called from any thread */
    void *arg;               /**< handed to wake */
} bide_waker;

struct bide_reactor;

/**
 * @brief What a poll is told about its caller: above all the waker.
 *
 * Made by bide_context_init() for a state machine of your own; bide_await() brings its own. The fields are
 * private.
 */
typedef struct bide_context {
    bide_waker waker_;
    struct bide_reactor *reactor_;
    uint32_t budget_;
    uint32_t flags_;
    bide_instant limit_;
} bide_context;

/**
 * @brief A context that calls `waker`.
 *
 * Futures polled with it count as waiting in the background: if no thread of the program drives the reactor,
 * the thread named "async-io" does. Lives as long as the poll call; futures copy the waker.
 *
 * @param waker one whose `wake` is NULL wakes nobody: for a poll that is not to be repeated.
 *
 * Touches its arguments alone; does not wait.
 *
 * @code
 * bide_context cx;
 * bide_waker waker = {note, &machine};
 * bide_context_init(&cx, waker);
 * @endcode
 */
BIDE_API void bide_context_init(bide_context *cx, bide_waker waker);

/**
 * @brief The waker of the context: what a user-written future stores when it answers BIDE_PENDING. Does not
 *   wait. For NULL one that wakes nobody.
 */
BIDE_API bide_waker bide_context_waker(const bide_context *cx);

/**
 * @brief By when a future that answered BIDE_PENDING to a poll with this context wants to be polled again, woken or
 *   not: the standing time-out of a handle (bide_async_set_timeout()). BIDE_NEVER if it does not, and for NULL.
 *
 * For state machines that poll by themselves; every await heeds it. Make the context anew for each poll. Does not
 * wait.
 *
 * @code
 * if (bide_future_poll(&io.future, &cx) == BIDE_PENDING) bide_timer_set_at(&again, bide_context_limit(&cx));
 * @endcode
 */
BIDE_API bide_instant bide_context_limit(const bide_context *cx);

/**
 * @brief Spends one unit of the budget that keeps a future which never has to wait from starving the rest.
 *
 * For user-written futures that loop over work of their own. Does not wait.
 *
 * @return true to go on (also for NULL); false: the budget is spent, the waker has been called, answer
 *   BIDE_PENDING.
 *
 * @code
 * while (take_one(mine))
 *     if (!bide_context_spend(cx)) return BIDE_PENDING;
 * @endcode
 */
BIDE_API bool bide_context_spend(bide_context *cx);

typedef struct bide_future bide_future;

/** The future may be polled again after each BIDE_READY, for the next item, until its result is BIDE_END. */
#define BIDE_FUTURE_STREAM 1u

/** The operations of a kind of future: one constant table for each kind. */
typedef struct bide_future_ops {
    size_t size; /**< sizeof(bide_future_ops): later versions add fields at the end */
    /** Starts or continues: BIDE_READY, or BIDE_PENDING after it has stored bide_context_waker() somewhere,
     * or a negative error for misuse. */
    int (*poll)(bide_future *self, bide_context *cx);
    /**
     * Asks it to stop: BIDE_READY (stopped), BIDE_COMPLETED (had finished: the result stands), or
     * BIDE_PENDING (the kernel still owns the buffer: the waker will be called, cancel again). Only called
     * after a poll that answered BIDE_PENDING.
     */
    int (*cancel)(bide_future *self, bide_context *cx);
    unsigned flags; /**< 0, or BIDE_FUTURE_STREAM and BIDE_FUTURE_NAMED, or-ed */
} bide_future_ops;

/** The table is the first member of a bide_future_kind. */
#define BIDE_FUTURE_NAMED 2u

/**
 * A table that also tells what its futures are, for bide_dump(): set BIDE_FUTURE_NAMED in its flags, and give
 * `&kind.ops` to bide_future_init().
 *
 * @code
 * static const bide_future_kind greeting = {
 *     {sizeof greeting.ops, greeting_poll, greeting_cancel, BIDE_FUTURE_NAMED}, "greeting", NULL};
 * @endcode
 */
typedef struct bide_future_kind {
    bide_future_ops ops; /**< what every future has */
    const char *name;    /**< what it is or does: "read", "join of"; never freed */
    /**
     * NULL, or writes into `text` what the name leaves open ("fd 7"), as a string in at most `room` bytes,
     * which hold an empty one before. Runs while the future is pending and nobody polls it, on any thread; it
     * must not wait, poll, cancel or allocate, and must only try for locks.
     */
    void (*describe)(const bide_future *self, char *text, size_t room);
} bide_future_kind;

/** The head of every future: its first member. The fields are private. */
struct bide_future {
    const bide_future_ops *ops_;
    uint32_t state_;
};

/**
 * @brief Initialises the head of a user-written future; call it before the first poll and to use it again.
 *
 * @param ops must stay for as long as the future is used; without a `poll` and a `cancel` the future counts
 *   as uninitialised.
 *
 * Touches its arguments alone; does not wait.
 *
 * @code
 * static const bide_future_ops my_ops = {sizeof my_ops, my_poll, my_cancel, 0};
 * bide_future_init(&mine->future, &my_ops);
 * @endcode
 */
BIDE_API void bide_future_init(bide_future *future, const bide_future_ops *ops);

/**
 * @brief Polls once. Does not wait.
 *
 * @return BIDE_READY (also for one that was ready before: it is not polled again), BIDE_PENDING, or
 *   BIDE_EDEADLK inside a waker, BIDE_EMOVED if it was moved since its first poll, BIDE_EINVAL for NULL, an
 *   uninitialised future, or one whose own poll gave an answer that is none (above BIDE_READY); or the
 *   negative error that its own poll gave. An error leaves the future in the state that it was in.
 *
 * @code
 * if (bide_future_poll(&mine->future, &cx) == BIDE_READY) take(mine->result);
 * @endcode
 */
BIDE_API int bide_future_poll(bide_future *future, bide_context *cx);

/**
 * @brief Asks a future to stop. Does not wait; idempotent.
 *
 * @return BIDE_READY: stopped, or never started; its result is BIDE_ECANCELED. BIDE_COMPLETED: it had
 *   finished, its result is valid. BIDE_PENDING: the kernel still owns its buffer, the waker will be called.
 *   BIDE_EDEADLK, BIDE_EMOVED, BIDE_EINVAL as bide_future_poll(); here an answer above BIDE_COMPLETED is
 *   none.
 */
BIDE_API int bide_future_cancel(bide_future *future, bide_context *cx);

/** @name Awaiting
 * These wait on the calling thread. Meanwhile the thread drives the reactor for everybody if nobody else
 * does. Any number of threads may be in them at once, each with futures of its own. */
/**@{*/

/**
 * @brief Waits until the future is ready.
 *
 * @return 0, or BIDE_EDEADLK inside a waker, BIDE_ENOMEM if the thread's context cannot be made (its first
 *   wait only), BIDE_EMOVED, BIDE_EINVAL; or the error for which the reactor cannot be made or driven. The
 *   future's own outcome is in its `result`.
 *
 * May be nested: a future's poll may itself call it; wakes of the one do not disturb the other. Signals do
 * not interrupt it, and it is no cancellation point.
 */
BIDE_API int bide_block_on(bide_future *future);

/**
 * @brief As bide_block_on(), with a deadline, after which the future is cancelled.
 *
 * Both drive the thread's current reactor (bide_reactor_current()). A future on another one waits for whoever
 * drives that: enter it first, or use the direct calls and bide_io_await(), which drive the reactor of their
 * handle.
 *
 * @return 0 if the future finished (also when it did so while being cancelled); BIDE_EAGAIN for BIDE_NOW and
 *   BIDE_ETIMEDOUT for any other deadline when it did not; else as bide_block_on().
 */
BIDE_API int bide_await(bide_future *future, bide_instant deadline);

/**
 * @brief Cancels and waits until the storage is free. Idempotent; does not fail for want of memory if the
 *   future need not be waited for.
 *
 * @return BIDE_READY or BIDE_COMPLETED as bide_future_cancel(), or an error of bide_block_on().
 *
 * @code
 * if (bide_cancel(&connecting.future) == BIDE_COMPLETED) use(connecting.conn);
 * @endcode
 */
BIDE_API int bide_cancel(bide_future *future);

/**
 * @brief Waits for the first of several futures; the losers are cancelled.
 *
 * Nothing of a loser runs any more when it returns. The first is the first that is ready: that may be one
 * that failed.
 *
 * @param futures `count` pointers, all distinct; each is polled until one is ready.
 * @param count 1 to INT_MAX. A loser is done with, like any cancelled future: prepare it anew before it is
 * raced again, or its old end wins at once. Streams, such as an interval, may be raced again as they are.
 *
 * @return the index of the winner (among several ready at once each has the same chance); BIDE_EINVAL for
 *   NULL or no futures; or an error of bide_block_on() or of polling a member, after which all are cancelled.
 *
 * @code
 * bide_future *both[] = {&ready.future, &limit.future};
 * int winner = bide_race(both, 2);
 * @endcode
 */
BIDE_API int bide_race(bide_future *const *futures, size_t count);

/**
 * @brief As bide_race(), with a deadline, and tells which losers finished too.
 *
 * @param deadline when it comes first, all are cancelled. BIDE_NOW polls each once; with BIDE_NEVER it is
 *   bide_race().
 * @param completed NULL or `count` flags: set for the winner and for each loser whose result is valid because
 *   it had finished before it could be cancelled; the others are cleared.
 * @return as bide_race(); or, if none has finished, BIDE_EAGAIN for BIDE_NOW and BIDE_ETIMEDOUT for any other
 *   deadline. One that finishes while it is being cancelled at the deadline has won.
 *
 * @code
 * int winner = bide_race_until(both, 2, bide_after(BIDE_SECONDS(1)), NULL);
 * @endcode
 */
BIDE_API int bide_race_until(bide_future *const *futures, size_t count, bide_instant deadline,
                             bool *completed);

/**
 * @brief Waits until all are ready, whatever their outcomes.
 *
 * @param futures `count` pointers, all distinct; may be NULL if there are none.
 * @param count 0 is ready at once.
 * @return 0; BIDE_EAGAIN or BIDE_ETIMEDOUT at the deadline (those not ready are cancelled); BIDE_EINVAL for
 *   NULL; or an error as bide_await(), or the first of polling a member.
 *
 * @code
 * int err = bide_join(all, 3, bide_after(BIDE_SECONDS(5)));
 * @endcode
 */
BIDE_API int bide_join(bide_future *const *futures, size_t count, bide_instant deadline);

/**
 * @brief Sleeps, not less than the duration, and drives the reactor meanwhile as every wait does. Returns at
 *   once if it is not positive.
 *
 * @return 0 or an error of bide_block_on().
 */
BIDE_API int bide_sleep(bide_duration duration);

/** @brief Sleeps until the instant. @return as bide_sleep(). */
BIDE_API int bide_sleep_until(bide_instant instant);
/**@}*/

/** A race as a future of its own, to be part of others. */
typedef struct bide_racing {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_future *const *futures_;
    size_t count_;
    bool *completed_;
    bool cancelling_;
    int result; /**< when ready: index of the winner, or a negative error */
} bide_racing;

/** @brief Prepares a race; arguments as bide_race_until(); the arrays must live as long. Does not wait. */
BIDE_API void bide_racing_init(bide_racing *racing, bide_future *const *futures, size_t count,
                               bool *completed);

/** A join as a future of its own. */
typedef struct bide_joining {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_future *const *futures_;
    size_t count_;
    int result; /**< when ready: 0, or the first misuse error of a member */
} bide_joining;

/** @brief Prepares a join; the array must live as long. Does not wait. */
BIDE_API void bide_joining_init(bide_joining *joining, bide_future *const *futures, size_t count);

/** A node or the head of a ring: part of Bide's structures. The fields are private. */
typedef struct bide_link {
    struct bide_link *next_;
    struct bide_link *previous_;
} bide_link;

/** One party's place in a queue of waiters: part of Bide's futures. The fields are private. */
typedef struct bide_waiter {
    bide_link link_;
    bide_waker waker_;
    uint32_t state_;
    uint32_t flags_;
} bide_waiter;

/** A number that says who may pass, and a queue of those who may not yet: part of Bide's locks. The fields are
 * private. */
typedef struct bide_gate {
    uint32_t word_;
    bide_link queue_;
} bide_gate;

/** One party's place at a gate: part of Bide's futures. The fields are private. */
typedef struct bide_gate_waiting {
    bide_waiter waiter_;
    uint32_t wants_;
} bide_gate_waiting;

#ifdef __cplusplus
}
#endif

#endif
