/* Awaiting on a thread, and the direct calls of the future layer: each is its future plus an await.
 *
 *   POLLING --pending--> parked (driver.c) --notified--> POLLING
 *      |ready               \--deadline--> last try --pending--> CANCELLING --answered--> done
 *
 * The deadline is the parker's own limit, not a timer in the heap: arming it costs nothing, and a call
 * that need not wait never reads the clock.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/await.h"

#include "reactor/reactor.h"

#include <bide/event.h>
#include <bide/set.h>

/* Lets the others have a turn, and waits for a wake. */
static int wait_for_wake(struct bide_reactor *reactor, struct bide_parker *parker, bide_instant deadline)
{
    int result = 0;
    if (bide_parker_consume(parker))
        bide_driver_yield(reactor, parker);
    else
        result = bide_driver_park(reactor, parker, deadline);
    parker->cx.budget_ = BIDE_BUDGET;
    return result;
}

/* Cancels, and waits until the storage is free. Returns the answer of cancel, or an error. */
static int cancel_and_wait(struct bide_reactor *reactor, struct bide_parker *parker, bide_future *future)
{
    for (;;) {
        int answer = bide_future_cancel(future, &parker->cx);
        if (answer != BIDE_PENDING) return answer;
        int error = wait_for_wake(reactor, parker, BIDE_NEVER);
        if (error) return error;
    }
}

/* The deadline has come: one more try, unless that was what the call did, then the end. */
static int give_up(struct bide_reactor *reactor, struct bide_parker *parker, bide_future *future,
                   bide_instant deadline)
{
    int answer = BIDE_PENDING;
    if (deadline.ns != BIDE_NOW.ns) {
        parker->cx.flags_ |= BIDE_CONTEXT_LAST_TRY;
        parker->cx.budget_ = BIDE_BUDGET;
        answer = bide_future_poll(future, &parker->cx);
        if (answer == BIDE_READY) return 0;
    }
    if (answer == BIDE_PENDING) answer = cancel_and_wait(reactor, parker, future);
    if (answer < 0) return answer;
    if (answer == BIDE_COMPLETED) return 0;
    return deadline.ns == BIDE_NOW.ns ? BIDE_EAGAIN : BIDE_ETIMEDOUT;
}

/* There is no waiting any more. The caller gets its storage back, and the reason. */
static int abandon(struct bide_parker *parker, bide_future *future, int error)
{
    int answer = bide_future_cancel(future, &parker->cx);
    return answer == BIDE_COMPLETED ? 0 : error;
}

static int await_with(struct bide_reactor *reactor, struct bide_parker *parker, bide_future *future,
                      bide_instant deadline)
{
    uint32_t forks = bide_os_forks;
    bool now = deadline.ns == BIDE_NOW.ns;
    /* A call that may not wait tries the system call even where the memory says that it is of no use. */
    if (now) parker->cx.flags_ |= BIDE_CONTEXT_LAST_TRY;
    for (bool again = false;; again = true) {
        int answer = bide_future_poll(future, &parker->cx);
        if (answer == BIDE_READY) return 0;
        if (answer < 0) return answer;
        /* Its one try is still to come if the budget ran out before it. */
        bool spent = (parker->cx.flags_ & BIDE_CONTEXT_SPENT) != 0;
        parker->cx.flags_ &= ~(uint32_t)BIDE_CONTEXT_SPENT;
        /* Also a future that is woken all the time, for nothing, has its deadline. */
        bool late = again && !bide_is_never(deadline) && !bide_before(bide_now(), deadline);
        /* The poll itself has forked, and this is the child: what woke the future is the parent's. */
        if (forks != bide_os_forks) return abandon(parker, future, BIDE_EFORKED);
        int error = late || (now && !spent) ? BIDE_ETIMEDOUT : wait_for_wake(reactor, parker, deadline);
        if (error == BIDE_ETIMEDOUT) return give_up(reactor, parker, future, deadline);
        if (error) return abandon(parker, future, error);
    }
}

int bide_await_on(struct bide_reactor *reactor, bide_future *future, bide_instant deadline)
{
    struct bide_thread *thread = bide_thread_self();
    if (!future) return BIDE_EINVAL;
    if (thread->in_waker) return BIDE_EDEADLK;
    if (!reactor) reactor = bide_reactor_of(thread);
    int cancelable = bide_thread_cancel_disable(thread);
    int result = BIDE_ENOMEM;
    struct bide_parker *parker = bide_parker_acquire(thread);
    if (parker) {
        parker->cx.reactor_ = reactor;
        result = await_with(reactor, parker, future, deadline);
        bide_parker_release(thread, parker);
    }
    bide_thread_cancel_restore(cancelable);
    return result;
}

int bide_await(bide_future *future, bide_instant deadline)
{
    return bide_await_on(NULL, future, deadline);
}

int bide_block_on(bide_future *future)
{
    return bide_await_on(NULL, future, BIDE_NEVER);
}

/* Without memory to wait with: most futures need not be waited for. */
static int cancel_at_once(bide_future *future)
{
    bide_context cx;
    bide_context_init(&cx, bide_context_waker(NULL));
    int answer = bide_future_cancel(future, &cx);
    return answer == BIDE_PENDING ? BIDE_ENOMEM : answer;
}

int bide_cancel(bide_future *future)
{
    struct bide_thread *thread = bide_thread_self();
    if (!future) return BIDE_EINVAL;
    if (thread->in_waker) return BIDE_EDEADLK;
    struct bide_reactor *reactor = bide_reactor_of(thread);
    int cancelable = bide_thread_cancel_disable(thread);
    struct bide_parker *parker = bide_parker_acquire(thread);
    int answer;
    if (parker) {
        parker->cx.reactor_ = reactor;
        answer = cancel_and_wait(reactor, parker, future);
        bide_parker_release(thread, parker);
    } else {
        answer = cancel_at_once(future);
    }
    bide_thread_cancel_restore(cancelable);
    return answer;
}

int bide_race_until(bide_future *const *futures, size_t count, bide_instant deadline, bool *completed)
{
    bide_racing racing;
    bide_racing_init(&racing, futures, count, completed);
    int error = bide_await(&racing.future, deadline);
    return error ? error : racing.result;
}

int bide_race(bide_future *const *futures, size_t count)
{
    return bide_race_until(futures, count, BIDE_NEVER, NULL);
}

int bide_join(bide_future *const *futures, size_t count, bide_instant deadline)
{
    bide_joining joining;
    bide_joining_init(&joining, futures, count);
    int error = bide_await(&joining.future, deadline);
    return error ? error : joining.result;
}

int bide_event_wait(bide_event *event, bide_instant deadline)
{
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, event);
    int error = bide_await(&waiting.future, deadline);
    return error ? error : waiting.result;
}

int bide_set_next(bide_set *set, bide_instant deadline, bide_set_member **ready)
{
    if (!set || !ready) return BIDE_EINVAL;
    *ready = NULL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    /* An await that fails before its first poll leaves what was yielded last time. */
    set->result = NULL;
    int error = bide_await(&set->future, deadline);
    if (error == BIDE_EAGAIN) {
        /* Not to wait does not mean not to look: what has come since the last turn counts. */
        int turned = bide_driver_run_once(bide_reactor_current(), BIDE_NOW);
        if (turned > 0) error = bide_await(&set->future, deadline);
    }
    *ready = set->result;
    if (error == 0 && !set->result) return BIDE_END;
    return error;
}

/* Sleeping is waiting for nothing, with a deadline. */
static int nothing_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_PENDING;
}

static int nothing_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

int bide_sleep_until(bide_instant instant)
{
    static const bide_future_ops nothing = {sizeof nothing, nothing_poll, nothing_cancel, 0};
    bide_future future;
    bide_future_init(&future, &nothing);
    int error = bide_await(&future, instant);
    return error == BIDE_ETIMEDOUT || error == BIDE_EAGAIN ? 0 : error;
}

int bide_sleep(bide_duration duration)
{
    return bide_sleep_until(bide_after(duration));
}
