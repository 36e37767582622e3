/* bide_timer: a future whose waiter is found through the reactor's heap.
 *
 *            poll, not due                    popped when due
 *   IDLE ------------------> ARMED (id, LINKED) --------------> IDLE, its waker called
 *    ^  \ poll, due: fires     |  setters: moved in the heap        ^
 *    +---------cancel----------+---its reactor is closed--> BATCH ---+
 *
 * INVARIANTS
 * 1. id_, deadline_, period_, the waiter's link and the settings in its flags are guarded by the reactor's
 *    lock.
 * 2. id_ is not 0 if and only if the timer is in the heap. Then, and in the batch of a close, the waiter is
 *    LINKED. A timer that is never is in the heap too, at BIDE_NEVER, so that setters need no memory and a
 *    shutdown finds it.
 * 3. Whether it has fired is decided by poll, by the clock: a wake-up is only a hint, and a setter that
 *    comes between the two is not overlooked.
 * 4. One initialised before its reactor was closed (epoch_) is cancelled.
 * 5. One initialised before a fork is the parent's: in the child it is made one of the closed global reactor
 *    before anything else (reactor_of), and never touches the parent's heap.
 *
 * In the heap the waiter's link is a ring by itself, for the sake of bide_waiter_take.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "os/assert.h"
#include "os/clock.h"
#include "reactor/reactor.h"

#include <stdio.h>

_Static_assert(sizeof(bide_timer) <= 96, "a timer takes 96 bytes at most");

/* Settings, above the waiter's own flags. */
enum {
    MISSED_SHIFT = 8,
    MISSED_MASK = 3u << MISSED_SHIFT,
    SLACK_SHIFT = 10, /* log2 of the granularity in nanoseconds; 0: none */
    SLACK_MASK = 63u << SLACK_SHIFT,
    ERROR_SHIFT = 16,     /* the error with which it became ready, positive */
    ERROR_SYSTEM = 0x8000 /* it is a number of the system without a constant of ours */
};

/* Lock held. */
static void set_error(bide_timer *timer, int error)
{
    uint32_t code =
        error <= BIDE_ESYSTEM_BASE ? ERROR_SYSTEM | (uint32_t)(BIDE_ESYSTEM_BASE - error) : (uint32_t)-error;
    timer->waiter_.flags_ = (timer->waiter_.flags_ & ((1u << ERROR_SHIFT) - 1)) | code << ERROR_SHIFT;
    if (error) timer->result = BIDE_NOW;
}

static int get_error(const bide_timer *timer)
{
    uint32_t code = timer->waiter_.flags_ >> ERROR_SHIFT;
    return code & ERROR_SYSTEM ? BIDE_ESYSTEM_BASE - (int)(code & ~(uint32_t)ERROR_SYSTEM) : -(int)code;
}

/* Where it stands in the heap: the deadline, rounded up within the slack. */
static bide_instant key(const bide_timer *timer)
{
    unsigned shift = (timer->waiter_.flags_ & SLACK_MASK) >> SLACK_SHIFT;
    int64_t deadline = timer->deadline_.ns;
    if (shift == 0 || deadline < 0) return timer->deadline_;
    int64_t rest = (INT64_C(1) << shift) - 1;
    if (deadline > INT64_MAX - 1 - rest) return timer->deadline_;
    return bide_instant_from_ns((deadline + rest) & ~rest);
}

/* The next deadline after a firing at `now`. */
static void advance(bide_timer *timer, bide_instant now)
{
    if (timer->period_ <= 0) {
        timer->deadline_ = BIDE_NEVER;
        return;
    }
    bide_instant scheduled = timer->deadline_;
    switch ((bide_missed)((timer->waiter_.flags_ & MISSED_MASK) >> MISSED_SHIFT)) {
    case BIDE_MISSED_DELAY: timer->deadline_ = bide_instant_add(now, timer->period_); return;
    case BIDE_MISSED_SKIP: {
        bide_duration late = bide_instant_since(now, scheduled);
        bide_duration behind = late / timer->period_ * timer->period_;
        timer->deadline_ = bide_instant_add(bide_instant_add(scheduled, behind), timer->period_);
        return;
    }
    case BIDE_MISSED_BURST:
    default: timer->deadline_ = bide_instant_add(scheduled, timer->period_); return;
    }
}

/* Takes it out of the heap, or of the batch of a close, without a wake. Lock held. */
static void disarm(bide_timer *timer)
{
    if (!(bide_waiter_state(&timer->waiter_) & BIDE_WAITER_LINKED)) return;
    if (timer->id_) bide_heap_remove(&timer->reactor_->heap, timer->id_);
    timer->id_ = 0;
    if (timer->waiter_.flags_ & BIDE_WAITER_BACKGROUND) bide_background_disarm(timer->reactor_);
    bide_waiter_unlink(&timer->waiter_);
}

/* Enters it into the heap for the context. Lock held. */
static int arm(bide_timer *timer, const bide_context *cx, bool background, bool *interrupt)
{
    struct bide_reactor *reactor = timer->reactor_;
    bide_waiter *waiter = &timer->waiter_;
    bool earliest;
    int error = bide_heap_add(&reactor->heap, key(timer), timer, &timer->id_, &earliest);
    if (error) {
        timer->id_ = 0;
        return error;
    }
    uint32_t flags = (cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0u) |
                     (background ? BIDE_WAITER_BACKGROUND : 0u);
    bide_ring_init(&waiter->link_);
    waiter->waker_ = cx->waker_;
    waiter->flags_ = (waiter->flags_ & ~(uint32_t)BIDE_WAITER_FLAGS) | flags;
    bide_waiter_change(waiter, BIDE_WAITER_LINKED);
    *interrupt = earliest && bide_driver_sleeps_past(reactor, key(timer));
    return 0;
}

/* Its reactor, whose lock may be taken. */
static struct bide_reactor *reactor_of(bide_timer *timer)
{
    struct bide_reactor *reactor = timer->reactor_;
    if (!bide_reactor_was_parents(reactor, timer->epoch_)) return reactor;
    timer->id_ = 0;
    timer->waiter_.state_ = 0;
    timer->waiter_.flags_ &= ~(uint32_t)BIDE_WAITER_FLAGS;
    timer->reactor_ = bide_reactor_global();
    timer->epoch_ = timer->reactor_->forked_at - 1;
    return timer->reactor_;
}

/* It cannot be armed. */
static int fail(bide_timer *timer, int error)
{
    bide_os_mutex_lock(&timer->reactor_->lock);
    disarm(timer);
    set_error(timer, error);
    bide_os_mutex_unlock(&timer->reactor_->lock);
    bide_waiter_quiesce(&timer->waiter_);
    return BIDE_READY;
}

/* More than the coarse clock is late, unless the whole machine was stopped. */
#define COARSE_LAG BIDE_MILLISECONDS(100)

/* Whether it is due, and the instant that it is then. Far from the deadline the coarse clock will do: if that
 * was late all the same, the timer is armed and fires with the next turn, as if the poll had come a little
 * earlier. Lock held. */
static bool is_due(const bide_timer *timer, const bide_context *cx, bide_instant coarse, bide_instant *now)
{
    if (coarse.ns + COARSE_LAG < timer->deadline_.ns && /* no clock comes near the end of time */
        !(cx->flags_ & BIDE_CONTEXT_LAST_TRY))
        return false;
    *now = bide_now();
    return !bide_before(*now, timer->deadline_);
}

/* What a look at the timer gives, besides BIDE_PENDING and BIDE_READY. */
enum {
    COUNT_FIRST = -1, /* it would wait in the background: count it, which takes other locks, and look again */
    FIRING = -2       /* it was popped just now, and its waker is running */
};

/* Fires it if it is due, else sees to it that it is armed for the context. `counted`: whether the
 * background counts one more for it. Lock held. */
static int look(bide_timer *timer, const bide_context *cx, bide_instant coarse, bool *counted,
                bool *interrupt)
{
    bide_instant now;
    struct bide_reactor *reactor = timer->reactor_;
    bide_waiter *waiter = &timer->waiter_;
    if (bide_waiter_state(waiter) >= BIDE_WAITER_FIRING) return FIRING;
    if (timer->epoch_ != atomic_load_explicit(&reactor->epoch_of_life, memory_order_relaxed)) {
        disarm(timer);
        bool forked = bide_reactor_was_parents(reactor, timer->epoch_);
        set_error(timer, forked ? BIDE_EFORKED : BIDE_ECANCELED);
        return BIDE_READY;
    }
    if (is_due(timer, cx, coarse, &now)) {
        disarm(timer);
        timer->result = timer->deadline_;
        advance(timer, now);
        set_error(timer, 0);
        return BIDE_READY;
    }
    /* One that is armed for this very context keeps its place; any other change arms it anew. */
    bool background = bide_background_needed(reactor, cx);
    if (timer->id_ && bide_waker_same(waiter->waker_, cx->waker_) &&
        ((waiter->flags_ & BIDE_WAITER_BACKGROUND) != 0) == background)
        return BIDE_PENDING;
    if (background && !*counted) return COUNT_FIRST;
    disarm(timer);
    int error = arm(timer, cx, background, interrupt);
    if (error) {
        set_error(timer, error);
        return BIDE_READY;
    }
    *counted = false;
    return BIDE_PENDING;
}

static int timer_poll(bide_future *self, bide_context *cx)
{
    bide_timer *timer = (bide_timer *)self;
    struct bide_reactor *reactor = reactor_of(timer);
    if (!bide_context_pay(cx)) return BIDE_PENDING;
    int error = bide_reactor_open(reactor);
    if (error) return fail(timer, error);
    bool counted = false;
    for (;;) {
        bide_waiter_quiesce(&timer->waiter_);
        bide_instant coarse = bide_os_coarse_now();
        bool interrupt = false;
        bide_os_mutex_lock(&reactor->lock);
        int found = look(timer, cx, coarse, &counted, &interrupt);
        bide_os_mutex_unlock(&reactor->lock);
        if (interrupt) bide_driver_interrupt(reactor);
        if (found == FIRING) continue;
        if (found == COUNT_FIRST) {
            error = bide_background_arm(reactor);
            if (error) return fail(timer, error);
            counted = true;
            continue;
        }
        if (counted) bide_background_disarm(reactor);
        return found;
    }
}

static int timer_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_timer *timer = (bide_timer *)self;
    struct bide_reactor *reactor = reactor_of(timer);
    bide_os_mutex_lock(&reactor->lock);
    disarm(timer);
    bide_os_mutex_unlock(&reactor->lock);
    bide_waiter_quiesce(&timer->waiter_);
    return BIDE_READY;
}

static void timer_describe(const bide_future *self, char *text, size_t room)
{
    const bide_timer *timer = (const bide_timer *)self;
    if (!bide_os_mutex_try_long(&timer->reactor_->lock)) return;
    bide_instant deadline = timer->deadline_;
    bide_os_mutex_unlock(&timer->reactor_->lock);
    if (bide_is_never(deadline)) {
        (void)snprintf(text, room, "that never fires");
        return;
    }
    long long rest = (long long)bide_instant_since(deadline, bide_now()) / 1000000;
    (void)snprintf(text, room, "in %lld ms", rest < 0 ? 0 : rest);
}

static const bide_future_kind timer_kind = {{sizeof timer_kind.ops, timer_poll, timer_cancel,
                                             BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                            "timer",
                                            timer_describe};

/* Takes the next timer that is due at `now` out of the heap: its waiter, or NULL. Lock held. */
static bide_waiter *pop(struct bide_reactor *reactor, bide_instant now)
{
    bide_timer *timer = bide_heap_pop(&reactor->heap, now);
    if (!timer) return NULL;
    BIDE_ASSERT(timer->id_); /* invariant 2 */
    timer->id_ = 0;
    return &timer->waiter_;
}

/* Prepares the wake of a timer that is no longer in the heap. Lock held. */
static void take(struct bide_reactor *reactor, bide_waiter *waiter, struct bide_wake *wake)
{
    if (waiter->flags_ & BIDE_WAITER_BACKGROUND) bide_background_disarm(reactor);
    bide_waiter_take(waiter, wake);
}

/* Wakes in one go, with the lock taken once. */
#define BATCH 16

/* Several wakes go together of those alone whose targets are Bide's own, for which a late one is a spurious
 * one. Each other is taken when its turn has come, so that a cancel waits for no waker but its own. */
int bide_timer_dispatch(struct bide_reactor *reactor)
{
    if (bide_heap_count(&reactor->heap) == 0) return 0;
    bide_instant now = bide_now();
    struct bide_wake wakes[BATCH];
    int fired = 0, taken = 0;
    for (;;) {
        bide_waiter *waiter = fired + taken < BIDE_TURN_TIMERS ? pop(reactor, now) : NULL;
        if (waiter) {
            take(reactor, waiter, &wakes[taken++]);
            if (!wakes[taken - 1].firing && taken < BATCH) continue;
        }
        if (taken == 0) break;
        bide_os_mutex_unlock(&reactor->lock);
        for (int i = 0; i < taken; i++)
            bide_wake_run(&wakes[i]);
        bide_os_mutex_lock(&reactor->lock);
        fired += taken;
        taken = 0;
    }
    if (fired) atomic_fetch_add_explicit(&reactor->timers_fired, (uint64_t)fired, memory_order_relaxed);
    return fired;
}

void bide_timer_collect(struct bide_reactor *reactor, bide_link *batch)
{
    for (bide_waiter *waiter; (waiter = pop(reactor, BIDE_NEVER)) != NULL;)
        bide_ring_append(batch, &waiter->link_);
    bide_heap_clear(&reactor->heap);
}

void bide_timer_wake(struct bide_reactor *reactor, bide_link *batch)
{
    bide_os_mutex_lock(&reactor->lock);
    while (!bide_ring_empty(batch)) {
        struct bide_wake wake;
        take(reactor, bide_queue_first(batch), &wake);
        bide_os_mutex_unlock(&reactor->lock);
        bide_wake_run(&wake);
        bide_os_mutex_lock(&reactor->lock);
    }
    bide_os_mutex_unlock(&reactor->lock);
}

static void init(bide_timer *timer, bide_instant deadline, bide_duration period)
{
    bide_future_prepare(&timer->future, &timer_kind.ops);
    bide_waiter_init(&timer->waiter_);
    timer->id_ = 0;
    timer->reactor_ = bide_reactor_of(bide_thread_self());
    timer->epoch_ = atomic_load_explicit(&timer->reactor_->epoch_of_life, memory_order_relaxed);
    timer->deadline_ = deadline;
    timer->period_ = period;
    timer->result = BIDE_NOW;
}

/* A period that is no duration never ticks. A schedule that began at BIDE_NOW, before all time, would have
 * missed ticks without end. */
static bide_instant first_tick(bide_instant start, bide_duration period)
{
    if (period <= 0) return BIDE_NEVER;
    return start.ns == BIDE_NOW.ns ? bide_now() : start;
}

void bide_timer_never(bide_timer *timer)
{
    if (timer) init(timer, BIDE_NEVER, 0);
}

void bide_timer_after(bide_timer *timer, bide_duration duration)
{
    if (timer) init(timer, bide_after(duration), 0);
}

void bide_timer_at(bide_timer *timer, bide_instant instant)
{
    if (timer) init(timer, instant, 0);
}

void bide_timer_interval(bide_timer *timer, bide_duration period)
{
    if (timer) init(timer, first_tick(bide_after(period), period), period);
}

void bide_timer_interval_at(bide_timer *timer, bide_instant start, bide_duration period)
{
    if (timer) init(timer, first_tick(start, period), period);
}

static int set(bide_timer *timer, bide_instant deadline, bide_duration period)
{
    if (!timer) return BIDE_EINVAL;
    struct bide_reactor *reactor = reactor_of(timer);
    if (bide_reactor_was_parents(reactor, timer->epoch_)) return BIDE_EFORKED;
    bool interrupt = false;
    bide_os_mutex_lock(&reactor->lock);
    timer->deadline_ = deadline;
    timer->period_ = period;
    if (timer->id_) {
        bool earliest;
        bide_heap_move(&reactor->heap, timer->id_, key(timer), &earliest);
        interrupt = earliest && bide_driver_sleeps_past(reactor, key(timer));
    }
    bide_os_mutex_unlock(&reactor->lock);
    if (interrupt) bide_driver_interrupt(reactor);
    return 0;
}

int bide_timer_set_never(bide_timer *timer)
{
    return set(timer, BIDE_NEVER, 0);
}

int bide_timer_set_after(bide_timer *timer, bide_duration duration)
{
    return set(timer, bide_after(duration), 0);
}

int bide_timer_set_at(bide_timer *timer, bide_instant instant)
{
    return set(timer, instant, 0);
}

int bide_timer_set_interval(bide_timer *timer, bide_duration period)
{
    return set(timer, first_tick(bide_after(period), period), period);
}

int bide_timer_set_interval_at(bide_timer *timer, bide_instant start, bide_duration period)
{
    return set(timer, first_tick(start, period), period);
}

static void change_settings(bide_timer *timer, uint32_t mask, uint32_t value)
{
    struct bide_reactor *reactor = reactor_of(timer);
    bide_os_mutex_lock(&reactor->lock);
    timer->waiter_.flags_ = (timer->waiter_.flags_ & ~mask) | value;
    bide_os_mutex_unlock(&reactor->lock);
}

void bide_timer_set_missed(bide_timer *timer, bide_missed policy)
{
    if (timer) change_settings(timer, MISSED_MASK, ((uint32_t)policy << MISSED_SHIFT) & MISSED_MASK);
}

void bide_timer_set_slack(bide_timer *timer, bide_duration slack)
{
    if (!timer) return;
    uint32_t shift = 0;
    while (shift < 62 && slack >= INT64_C(2) << shift)
        shift++;
    change_settings(timer, SLACK_MASK, shift << SLACK_SHIFT);
}

bide_instant bide_timer_deadline(bide_timer *timer)
{
    if (!timer) return BIDE_NEVER;
    struct bide_reactor *reactor = reactor_of(timer);
    bide_os_mutex_lock(&reactor->lock);
    bide_instant deadline = timer->deadline_;
    bide_os_mutex_unlock(&reactor->lock);
    return deadline;
}

bool bide_timer_will_fire(bide_timer *timer)
{
    return !bide_is_never(bide_timer_deadline(timer));
}

int bide_timer_error(const bide_timer *timer)
{
    if (!timer) return BIDE_EINVAL;
    /* Settings, which any thread may change, share the word. */
    struct bide_reactor *reactor = reactor_of((bide_timer *)(uintptr_t)timer);
    bide_os_mutex_lock(&reactor->lock);
    int error = get_error(timer);
    bide_os_mutex_unlock(&reactor->lock);
    return error;
}

int bide_timer_wait(bide_timer *timer)
{
    if (!timer) return BIDE_EINVAL;
    int error = bide_block_on(&timer->future);
    return error ? error : bide_timer_error(timer);
}
