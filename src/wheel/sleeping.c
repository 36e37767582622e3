/* Sleeps: what both forms share, and all of the inline form.
 *
 *   IDLE --poll--> ARMED --due--> ENDED        (a reset makes it IDLE again, or moves it while it is ARMED)
 *     |\            |  \--cancel--> IDLE
 *     | \-no room-> ROOM --poll, once there is room--> ARMED
 *     +--no room, to fail--> ENDED
 *
 * INVARIANTS of the inline form (thread.h has those of the threaded one)
 * 1. A sleep is in the slots, with id_, if and only if it is ARMED.
 * 2. waiter_ is not used as one: nobody wakes but the owner. waker_ is whom the last poll named; link_ is in
 *    the wheel's `room`, and state_ not 0, while a sleep that is in stage ROOM has not been woken.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "wheel/wheel.h"

static int end(bide_wheel_sleeping *sleeping, int result)
{
    sleeping->stage_ = BIDE_SLEEPING_ENDED;
    sleeping->result = result;
    return BIDE_READY;
}

/* Whether its wheel was freed; then, of itself, it is in no wheel. */
static bool is_stale(const bide_wheel_sleeping *sleeping)
{
    return atomic_load_explicit(&sleeping->wheel_->life, memory_order_acquire) != sleeping->life_;
}

/* --- Room --- */

static void leave_room(bide_wheel_sleeping *sleeping)
{
    if (sleeping->waiter_.state_ == 0) return;
    sleeping->waiter_.state_ = 0;
    bide_ring_remove(&sleeping->waiter_.link_);
}

void bide_wheel_room(struct bide_wheel *wheel)
{
    if (bide_ring_empty(&wheel->room)) return;
    bide_waiter *waiter = bide_queue_first(&wheel->room);
    waiter->state_ = 0;
    bide_ring_remove(&waiter->link_);
    struct bide_wake wake = {waiter->waker_, NULL};
    bide_wake_run(&wake);
}

void bide_wheel_end_all(struct bide_wheel *wheel)
{
    bide_wheel_sleeping *sleeping;
    while ((sleeping = bide_slots_pop(&wheel->slots, BIDE_SLOTS_NEVER)) != NULL) {
        (void)end(sleeping, BIDE_ESHUTDOWN);
        struct bide_wake wake = {sleeping->waiter_.waker_, NULL};
        bide_wake_run(&wake);
    }
    /* These find out when they are polled. */
    while (!bide_ring_empty(&wheel->room))
        bide_wheel_room(wheel);
}

/* --- The inline form --- */

static int enter(bide_wheel_sleeping *sleeping, bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    sleeping->waiter_.waker_ = cx->waker_;
    int error = bide_slots_add(&wheel->slots, sleeping->deadline_.ns, sleeping, &sleeping->id_);
    if (!error) {
        sleeping->stage_ = BIDE_SLEEPING_ARMED;
        bide_wheel_sooner(wheel, sleeping->deadline_);
        return BIDE_PENDING;
    }
    if (error != BIDE_ENOCAPACITY || wheel->options.when_full == BIDE_WHEEL_FULL_FAILS)
        return end(sleeping, error);
    sleeping->stage_ = BIDE_SLEEPING_ROOM;
    sleeping->waiter_.state_ = 1;
    bide_ring_append(&wheel->room, &sleeping->waiter_.link_);
    return BIDE_PENDING;
}

static int inline_poll(bide_wheel_sleeping *sleeping, bide_context *cx)
{
    switch (sleeping->stage_) {
    case BIDE_SLEEPING_ENDED: return BIDE_READY;
    case BIDE_SLEEPING_ARMED: sleeping->waiter_.waker_ = cx->waker_; return BIDE_PENDING;
    case BIDE_SLEEPING_ROOM: leave_room(sleeping); return enter(sleeping, cx);
    default: return enter(sleeping, cx);
    }
}

static int inline_cancel(bide_wheel_sleeping *sleeping)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    switch (sleeping->stage_) {
    case BIDE_SLEEPING_ENDED: return BIDE_COMPLETED;
    case BIDE_SLEEPING_ARMED:
        bide_slots_remove(&wheel->slots, sleeping->id_);
        wheel->cancelled++;
        bide_wheel_room(wheel);
        break;
    case BIDE_SLEEPING_ROOM:
        /* One that has been told of room leaves it to the next. */
        if (sleeping->waiter_.state_ == 0) bide_wheel_room(wheel);
        leave_room(sleeping);
        break;
    default: break;
    }
    sleeping->stage_ = BIDE_SLEEPING_IDLE;
    return BIDE_READY;
}

static void inline_reset(bide_wheel_sleeping *sleeping, bide_instant deadline, bool due)
{
    sleeping->deadline_ = deadline;
    if (sleeping->stage_ == BIDE_SLEEPING_ARMED) {
        bide_slots_move(&sleeping->wheel_->slots, sleeping->id_, deadline.ns);
        bide_wheel_sooner(sleeping->wheel_, deadline);
    } else if (sleeping->stage_ != BIDE_SLEEPING_ROOM) {
        sleeping->stage_ = due ? BIDE_SLEEPING_ENDED : BIDE_SLEEPING_IDLE;
        sleeping->result = due ? 0 : BIDE_ECANCELED;
    }
}

/* --- Both forms --- */

static int sleeping_poll(bide_future *self, bide_context *cx)
{
    bide_wheel_sleeping *sleeping = (bide_wheel_sleeping *)self;
    if (!sleeping->wheel_) return BIDE_READY;
    if (is_stale(sleeping)) {
        bide_waiter_quiesce(&sleeping->waiter_);
        return sleeping->stage_ == BIDE_SLEEPING_ENDED ? BIDE_READY : end(sleeping, BIDE_ESHUTDOWN);
    }
    return sleeping->wheel_->threaded ? bide_wheel_thread_poll(sleeping, cx) : inline_poll(sleeping, cx);
}

static int cancel(bide_wheel_sleeping *sleeping)
{
    int answer;
    if (!sleeping->wheel_) return BIDE_COMPLETED;
    if (is_stale(sleeping)) {
        bide_waiter_quiesce(&sleeping->waiter_);
        answer = sleeping->stage_ == BIDE_SLEEPING_ENDED ? BIDE_COMPLETED : BIDE_READY;
    } else {
        answer = sleeping->wheel_->threaded ? bide_wheel_thread_cancel(sleeping) : inline_cancel(sleeping);
    }
    if (answer == BIDE_READY) sleeping->result = BIDE_ECANCELED;
    return answer;
}

static int sleeping_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    return cancel((bide_wheel_sleeping *)self);
}

static const bide_future_kind sleeping_kind = {{sizeof sleeping_kind.ops, sleeping_poll, sleeping_cancel,
                                                BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                               "sleep on a wheel",
                                               NULL};

static int init(bide_wheel_sleeping *sleeping, bide_wheel *wheel, bide_instant deadline, bool due, int error)
{
    bide_future_init(&sleeping->future, &sleeping_kind.ops);
    bide_waiter_init(&sleeping->waiter_);
    sleeping->wheel_ = error ? NULL : wheel;
    sleeping->deadline_ = deadline;
    sleeping->record_ = NULL;
    sleeping->id_ = 0;
    sleeping->life_ = error ? 0 : atomic_load_explicit(&wheel->life, memory_order_relaxed);
    sleeping->stage_ = error || due ? BIDE_SLEEPING_ENDED : BIDE_SLEEPING_IDLE;
    sleeping->result = error ? error : due ? 0 : BIDE_ECANCELED;
    return error;
}

int bide_wheel_sleeping_init(bide_wheel_sleeping *sleeping, bide_wheel *wheel, bide_duration duration)
{
    if (!sleeping) return BIDE_EINVAL;
    if (!wheel) return init(sleeping, NULL, BIDE_NOW, false, BIDE_EINVAL);
    if (duration > wheel->options.max_timeout) return init(sleeping, NULL, BIDE_NOW, false, BIDE_ETOOLONG);
    bide_instant deadline = bide_instant_add(bide_wheel_clock_now(wheel), duration);
    return init(sleeping, wheel, deadline, duration <= 0, 0);
}

int bide_wheel_sleeping_init_until(bide_wheel_sleeping *sleeping, bide_wheel *wheel, bide_instant instant)
{
    if (!sleeping) return BIDE_EINVAL;
    if (!wheel) return init(sleeping, NULL, BIDE_NOW, false, BIDE_EINVAL);
    bide_duration left = bide_instant_since(instant, bide_wheel_clock_now(wheel));
    if (left > wheel->options.max_timeout) return init(sleeping, NULL, BIDE_NOW, false, BIDE_ETOOLONG);
    return init(sleeping, wheel, instant, left <= 0, 0);
}

int bide_wheel_sleeping_start(bide_wheel_sleeping *sleeping)
{
    if (!sleeping) return BIDE_EINVAL;
    bide_context cx;
    bide_context_init(&cx, bide_context_waker(NULL));
    cx.flags_ = BIDE_CONTEXT_STABLE; /* it wakes nobody */
    int answer = bide_future_poll(&sleeping->future, &cx);
    if (answer == BIDE_READY) return sleeping->result;
    if (answer < 0) return answer;
    return sleeping->wheel_->threaded ? bide_wheel_thread_started(sleeping) : 0;
}

/* `left` from now. */
static int reset(bide_wheel_sleeping *sleeping, bide_instant deadline, bide_duration left)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (left > wheel->options.max_timeout) return BIDE_ETOOLONG;
    if (wheel->threaded) return bide_wheel_thread_reset(sleeping, deadline, left <= 0);
    inline_reset(sleeping, deadline, left <= 0);
    return 0;
}

int bide_wheel_sleeping_reset(bide_wheel_sleeping *sleeping, bide_duration duration)
{
    if (!sleeping || !sleeping->wheel_) return BIDE_EINVAL;
    if (is_stale(sleeping)) return BIDE_ESHUTDOWN;
    bide_instant now = bide_wheel_clock_now(sleeping->wheel_);
    return reset(sleeping, bide_instant_add(now, duration), duration);
}

int bide_wheel_sleeping_reset_until(bide_wheel_sleeping *sleeping, bide_instant instant)
{
    if (!sleeping || !sleeping->wheel_) return BIDE_EINVAL;
    if (is_stale(sleeping)) return BIDE_ESHUTDOWN;
    return reset(sleeping, instant, bide_instant_since(instant, bide_wheel_clock_now(sleeping->wheel_)));
}

int bide_wheel_sleeping_cancel(bide_wheel_sleeping *sleeping)
{
    if (!sleeping) return BIDE_EINVAL;
    bide_context cx;
    bide_context_init(&cx, bide_context_waker(NULL));
    int answer = bide_future_cancel(&sleeping->future, &cx);
    /* One that has been ready before is not asked, as a stream is not that waits for its next item. */
    if (answer == BIDE_READY && sleeping->stage_ == BIDE_SLEEPING_ENDED) return BIDE_COMPLETED;
    return answer;
}

bide_duration bide_wheel_sleeping_remaining(bide_wheel_sleeping *sleeping)
{
    if (!sleeping || !sleeping->wheel_ || is_stale(sleeping)) return 0;
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = wheel->threaded ? bide_wait_lock(sleeping) : NULL;
    bide_instant deadline = sleeping->deadline_;
    if (lock) bide_wait_unlock(lock);
    bide_duration left = bide_instant_since(deadline, bide_wheel_clock_now(wheel));
    return left > 0 ? left : 0;
}

bool bide_wheel_sleeping_is_expired(bide_wheel_sleeping *sleeping)
{
    return sleeping && sleeping->wheel_ && bide_wheel_sleeping_remaining(sleeping) == 0;
}

/* --- Waiting on a thread --- */

int bide_wheel_await(bide_wheel *wheel, bide_future *future)
{
    if (wheel->threaded) return bide_block_on(future);
    if (wheel->options.clock == BIDE_WHEEL_MANUAL) return BIDE_EDEADLK;
    bide_wheel_driving driving;
    bide_wheel_driving_init(&driving, wheel);
    bide_future *const both[] = {future, &driving.future};
    int winner = bide_race(both, 2);
    if (winner == 1) return driving.result;
    return winner < 0 ? winner : 0;
}

static int sleep_through(bide_wheel_sleeping *sleeping, int error)
{
    if (error) return error;
    if (sleeping->stage_ == BIDE_SLEEPING_ENDED) return sleeping->result;
    error = bide_wheel_await(sleeping->wheel_, &sleeping->future);
    return error ? error : sleeping->result;
}

int bide_wheel_sleep(bide_wheel *wheel, bide_duration duration)
{
    bide_wheel_sleeping sleeping;
    return sleep_through(&sleeping, bide_wheel_sleeping_init(&sleeping, wheel, duration));
}

int bide_wheel_sleep_until(bide_wheel *wheel, bide_instant instant)
{
    bide_wheel_sleeping sleeping;
    return sleep_through(&sleeping, bide_wheel_sleeping_init_until(&sleeping, wheel, instant));
}
