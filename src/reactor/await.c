/* Awaiting on a thread or in a task, and the direct calls of the future layer: each is its future plus an
 * await.
 *
 *   POLLING --pending--> parked (driver.c), or the task suspended --notified--> POLLING
 *      |ready               \--deadline--> last try --pending--> CANCELLING --answered--> done
 *
 * On a thread the deadline is the parker's own limit, not a timer in the heap: arming it costs nothing, and a
 * call that need not wait never reads the clock.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/await.h"

#include "future/awaiter.h"
#include "future/future.h"
#include "reactor/reactor.h"

#include <bide/event.h>
#include <bide/set.h>

/* A thread that waits, driving the reactor meanwhile if it can. */
struct waiting_thread {
    struct bide_awaiter awaiter;
    struct bide_parker *parker;
    struct bide_reactor *reactor;
};

/* Between two looks at a future whose storage is in use, while the reactor cannot be driven. */
#define PAUSE BIDE_MILLISECONDS(10)

static int wait_on_thread(struct bide_awaiter *self, bide_instant deadline, bool firmly)
{
    struct waiting_thread *waiting = (struct waiting_thread *)self;
    int result = 0;
    if (bide_parker_consume(waiting->parker))
        bide_driver_yield(waiting->reactor, waiting->parker);
    else
        result = bide_driver_park(waiting->reactor, waiting->parker, deadline);
    if (firmly && result < 0 && result != BIDE_EFORKED) {
        bide_os_futex_wait(&waiting->parker->state, BIDE_PARKER_EMPTY, bide_after(PAUSE));
        result = 0;
    }
    self->cx->budget_ = BIDE_BUDGET;
    return result;
}

/* Cancels, and waits until the storage is free. Returns the answer of cancel, or an error. */
static int cancel_and_wait(struct bide_awaiter *awaiter, bide_future *future)
{
    for (;;) {
        int answer = bide_future_cancel(future, awaiter->cx);
        if (answer != BIDE_PENDING) return answer;
        awaiter->awaits = future;
        int error = awaiter->wait(awaiter, BIDE_NEVER, true);
        if (error) return error;
    }
}

/* The deadline has come: one more try, unless that was what the call did, then the end. */
static int give_up(struct bide_awaiter *awaiter, bide_future *future, bide_instant deadline)
{
    int answer = BIDE_PENDING;
    if (deadline.ns != BIDE_NOW.ns) {
        awaiter->cx->flags_ |= BIDE_CONTEXT_LAST_TRY;
        awaiter->cx->budget_ = BIDE_BUDGET;
        answer = bide_future_poll(future, awaiter->cx);
        if (answer == BIDE_READY) return 0;
    }
    if (answer == BIDE_PENDING) answer = cancel_and_wait(awaiter, future);
    if (answer < 0) return answer;
    if (answer == BIDE_COMPLETED) return 0;
    return deadline.ns == BIDE_NOW.ns ? BIDE_EAGAIN : BIDE_ETIMEDOUT;
}

/* There is no waiting any more, but for the future to give the caller its storage back. Returns the reason. */
static int abandon(struct bide_awaiter *awaiter, bide_future *future, int error)
{
    /* In the child of a fork nobody else has it. */
    int answer =
        error == BIDE_EFORKED ? bide_future_cancel(future, awaiter->cx) : cancel_and_wait(awaiter, future);
    return answer == BIDE_COMPLETED ? 0 : error;
}

static int await_with(struct bide_awaiter *awaiter, bide_future *future, bide_instant deadline, bool begun)
{
    bide_context *cx = awaiter->cx;
    uint32_t forks = bide_os_forks;
    bool now = deadline.ns == BIDE_NOW.ns;
    /* A call that may not wait tries the system call even where the memory says that it is of no use. */
    if (now) cx->flags_ |= BIDE_CONTEXT_LAST_TRY;
    for (bool again = false;; again = true) {
        bool polls = again || !begun;
        /* What a first poll elsewhere has set stays; what others' have beside it makes us look in vain, once. */
        if (polls) cx->limit_ = BIDE_NEVER;
        int answer = polls ? bide_future_poll(future, cx) : BIDE_PENDING;
        if (answer == BIDE_READY) return 0;
        if (answer < 0) return answer;
        /* Its one try is still to come if the budget ran out before it. */
        bool spent = (cx->flags_ & BIDE_CONTEXT_SPENT) != 0;
        cx->flags_ &= ~(uint32_t)BIDE_CONTEXT_SPENT;
        /* Also a future that is woken all the time, for nothing, has its deadline. */
        bool late = again && !bide_is_never(deadline) && !bide_before(bide_now(), deadline);
        /* The poll itself has forked, and this is the child: what woke the future is the parent's. */
        if (forks != bide_os_forks) return abandon(awaiter, future, BIDE_EFORKED);
        awaiter->awaits = future;
        if (late || (now && !spent)) return give_up(awaiter, future, deadline);
        /* A time-out of the future's own is for its poll to find out. */
        bide_instant until = bide_earlier(deadline, cx->limit_);
        int error = awaiter->wait(awaiter, until, false);
        /* Who may not wait, and has only let the others have their turn, has still to be tried. */
        if (error == BIDE_ETIMEDOUT && (now || bide_before(until, deadline))) continue;
        if (error == BIDE_ETIMEDOUT) return give_up(awaiter, future, deadline);
        if (error) return abandon(awaiter, future, error);
    }
}

/* On a plain thread: with a parker as its awaiter. */
struct session {
    struct waiting_thread waiting;
    int cancelable;
};

static bool begin(struct session *session, struct bide_thread *thread, struct bide_reactor *reactor)
{
    session->cancelable = bide_thread_cancel_disable(thread);
    struct bide_parker *parker = bide_parker_acquire(thread);
    if (!parker) {
        bide_thread_cancel_restore(session->cancelable);
        return false;
    }
    parker->cx.reactor_ = reactor;
    session->waiting.awaiter.cx = &parker->cx;
    session->waiting.awaiter.wait = wait_on_thread;
    session->waiting.parker = parker;
    session->waiting.reactor = reactor;
    return true;
}

static void end(const struct session *session, struct bide_thread *thread)
{
    bide_parker_release(thread, session->waiting.parker);
    bide_thread_cancel_restore(session->cancelable);
}

/* In a task. An await inside the poll of another one has the same context, so that its wakes may have been
 * the other's: that one is polled once more. Its worker may be another thread after each wait. */
static int await_in_task(struct bide_awaiter *awaiter, bide_future *future, bide_instant deadline, bool begun)
{
    /* One that is under way has to be cancelled then: its own wait tells. */
    if (!begun && bide_awaiter_verdict(awaiter)) return awaiter->wait(awaiter, BIDE_NEVER, false);
    uint32_t flags = awaiter->cx->flags_;
    bide_instant limit = awaiter->cx->limit_;
    awaiter->cx->flags_ = BIDE_CONTEXT_STABLE | BIDE_CONTEXT_SERVED;
    awaiter->depth++;
    int result = await_with(awaiter, future, deadline, begun);
    awaiter->depth--;
    awaiter->cx->flags_ = flags;
    awaiter->cx->limit_ = limit;
    if (awaiter->depth > 0) bide_context_wake(awaiter->cx);
    return result;
}

int bide_await_on(struct bide_reactor *reactor, bide_future *future, bide_instant deadline)
{
    struct bide_thread *thread = bide_thread_self();
    if (!future) return BIDE_EINVAL;
    if (thread->in_waker) return BIDE_EDEADLK;
    if (thread->awaiter)
        return thread->operation ? BIDE_EDEADLK : await_in_task(thread->awaiter, future, deadline, false);
    struct session session;
    if (!begin(&session, thread, reactor ? reactor : bide_reactor_of(thread))) return BIDE_ENOMEM;
    int result = await_with(&session.waiting.awaiter, future, deadline, false);
    end(&session, thread);
    return result;
}

int bide_await_rest(bide_future *future, bide_instant deadline)
{
    bide_future_begin(future);
    return await_in_task(bide_thread_self()->awaiter, future, deadline, true);
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
    if (thread->awaiter) return thread->operation ? BIDE_EDEADLK : cancel_and_wait(thread->awaiter, future);
    struct session session;
    if (!begin(&session, thread, bide_reactor_of(thread))) return cancel_at_once(future);
    int answer = cancel_and_wait(&session.waiting.awaiter, future);
    end(&session, thread);
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
    static const bide_future_kind nothing = {
        {sizeof nothing.ops, nothing_poll, nothing_cancel, BIDE_FUTURE_NAMED}, "sleep", NULL};
    bide_future future;
    bide_future_init(&future, &nothing.ops);
    int error = bide_await(&future, instant);
    return error == BIDE_ETIMEDOUT || error == BIDE_EAGAIN ? 0 : error;
}

int bide_sleep(bide_duration duration)
{
    return bide_sleep_until(bide_after(duration));
}
