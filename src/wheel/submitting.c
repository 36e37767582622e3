/* What sleeps do in the threaded form, on the threads that own them: see thread.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wheel/thread.h"

#include "os/assert.h"

/* So many requests to cancel call the thread. */
#define CANCELS 1024u

/* --- Room --- */

/* Wakes so many who wait for it. No lock held. */
void bide_wheel_wake_room(struct bide_wheel *wheel, uint32_t count)
{
    while (count-- > 0 && atomic_load(&wheel->waiting) > 0) {
        struct bide_wake wake;
        bide_os_mutex *lock = bide_wait_lock(wheel);
        bool any = !bide_ring_empty(&wheel->room);
        if (any) {
            bide_waiter_take(bide_queue_first(&wheel->room), &wake);
            atomic_fetch_sub(&wheel->waiting, 1);
        }
        bide_wait_unlock(lock);
        if (!any) return;
        bide_wake_run(&wake);
    }
}

static uint32_t flags_of(const bide_context *cx)
{
    return cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
}

/* In a ring by itself, for the sake of bide_waiter_take. The wait lock of its sleep is held. */
static void link_alone(bide_waiter *waiter, const bide_context *cx)
{
    bide_ring_init(&waiter->link_);
    waiter->waker_ = cx->waker_;
    waiter->flags_ = flags_of(cx);
    /* A store, as it was quiesced: nobody else has to do with it. relaxed: as bide_waiter_link() */
    BIDE_ASSERT(bide_waiter_state(waiter) == 0);
    atomic_store_explicit(BIDE_ATOMIC_U32(&waiter->state_), BIDE_WAITER_LINKED, memory_order_relaxed);
}

static void wait_for_room(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = bide_wait_lock(wheel);
    bide_waiter_link(&wheel->room, &sleeping->waiter_, cx->waker_, flags_of(cx));
    atomic_fetch_add(&wheel->waiting, 1);
    bide_wait_unlock(lock);
}

/* Returns whether it had been woken. */
static bool leave_room(bide_wheel_sleeping *sleeping)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = bide_wait_lock(wheel);
    bool linked = (bide_waiter_state(&sleeping->waiter_) & BIDE_WAITER_LINKED) != 0;
    if (linked) {
        bide_waiter_unlink(&sleeping->waiter_);
        atomic_fetch_sub(&wheel->waiting, 1);
    }
    bide_wait_unlock(lock);
    bide_waiter_quiesce(&sleeping->waiter_);
    return !linked;
}

/* --- Submitting --- */

static int end(bide_wheel_sleeping *sleeping, int result)
{
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bide_wheel_set_stage(sleeping, BIDE_SLEEPING_ENDED);
    sleeping->result = result;
    bide_wait_unlock(lock);
    return BIDE_READY;
}

/* A record, in the rare case that none is free: requests that wait may free one, or there may be memory. */
static uint32_t find_record(struct bide_wheel *wheel, int *error)
{
    bide_os_mutex_lock(&wheel->lock);
    uint32_t room = bide_wheel_drain(wheel);
    uint32_t number = bide_wheel_take_record(wheel);
    *error = 0;
    while (number == 0 && *error == 0) {
        *error = bide_wheel_grow(wheel);
        number = bide_wheel_take_record(wheel);
    }
    bide_os_mutex_unlock(&wheel->lock);
    if (room > 1) bide_wheel_wake_room(wheel, room - 1);
    return number;
}

/* Makes the record the sleep's and sends it: BIDE_PENDING, BIDE_READY if a reset has made the sleep due
 * meanwhile, or BIDE_EAGAIN if the channel is full. */
static int send(bide_wheel_sleeping *sleeping, struct bide_wheel_record *record, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    uint32_t on_the_way = 0;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool ended = sleeping->stage_ == BIDE_SLEEPING_ENDED;
    int64_t deadline = sleeping->deadline_.ns;
    if (!ended) {
        record->sleeping = sleeping;
        atomic_store_explicit(&record->deadline, deadline, memory_order_relaxed);
        atomic_store_explicit(&record->state, BIDE_RECORD_ARMED | BIDE_RECORD_QUEUED, memory_order_relaxed);
        on_the_way = bide_wheel_push_new(wheel, record);
    }
    if (on_the_way) {
        bide_wheel_set_stage(sleeping, BIDE_SLEEPING_ARMED);
        sleeping->record_ = record;
        link_alone(&sleeping->waiter_, cx);
    }
    bide_wait_unlock(lock);
    if (!on_the_way) atomic_store_explicit(&record->state, BIDE_RECORD_FREE, memory_order_relaxed);
    if (ended) return BIDE_READY;
    if (!on_the_way) return BIDE_EAGAIN;
    /* Half a channel is worth a call, whatever the deadlines. */
    bool half = on_the_way == (wheel->options.channel_capacity + 1) / 2;
    bide_wheel_call_for(wheel, half ? INT64_MIN : deadline);
    return BIDE_PENDING;
}

/* As send(), with a record and, if the channel is full and the thread elsewhere, with its work done here. */
static int try_submit(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    int error = 0;
    uint32_t number = bide_wheel_take_record(wheel);
    if (number == 0) number = find_record(wheel, &error);
    if (number == 0) return error;
    struct bide_wheel_record *record = bide_wheel_record_of(wheel, number);
    int answer;
    while ((answer = send(sleeping, record, cx)) == BIDE_EAGAIN && bide_os_mutex_try(&wheel->lock)) {
        uint32_t room = bide_wheel_drain(wheel);
        bide_os_mutex_unlock(&wheel->lock);
        if (room > 1) bide_wheel_wake_room(wheel, room - 1);
    }
    if (answer != BIDE_PENDING) bide_wheel_give_records(wheel, number, record);
    return answer;
}

/* There is no room: BIDE_PENDING until there is, or BIDE_READY if a reset has made it due meanwhile. */
static int begin_to_wait(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool ended = sleeping->stage_ == BIDE_SLEEPING_ENDED;
    if (!ended) bide_wheel_set_stage(sleeping, BIDE_SLEEPING_ROOM);
    bide_wait_unlock(lock);
    if (ended) return BIDE_READY;
    wait_for_room(sleeping, cx);
    /* What made room before we were seen: a record was freed, the channel emptied, or there is a request that
     * frees one. */
    uint32_t number = bide_wheel_take_record(wheel);
    if (number) bide_wheel_give_records(wheel, number, bide_wheel_record_of(wheel, number));
    uint64_t requests = atomic_load(&wheel->requests);
    if (requests) bide_wheel_call_for(wheel, INT64_MIN);
    if (number && requests >> 32 < wheel->options.channel_capacity) bide_wheel_wake_room(wheel, 1);
    return BIDE_PENDING;
}

static bool waits(const struct bide_wheel *wheel)
{
    return wheel->options.when_full == BIDE_WHEEL_FULL_WAITS;
}

static int submit(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (!bide_wheel_enter_gate(wheel, sleeping->life_)) return end(sleeping, BIDE_ESHUTDOWN);
    int answer = try_submit(sleeping, cx);
    /* The channel is full for a moment only: that is no reason to fail, with somebody to be woken. */
    if (answer == BIDE_EAGAIN || (answer == BIDE_ENOCAPACITY && waits(wheel)))
        answer = begin_to_wait(sleeping, cx);
    bide_wheel_leave_gate(wheel);
    return answer < 0 ? end(sleeping, answer) : answer;
}

/* Of a wheel whose thread is in the parent of this process. */
static void give_up_parents(bide_wheel_sleeping *sleeping)
{
    bide_waiter_init(&sleeping->waiter_);
    sleeping->record_ = NULL;
    bide_wheel_set_stage(sleeping, BIDE_SLEEPING_ENDED);
    sleeping->result = BIDE_EFORKED;
}

/* Its stage; in the wheel, it wakes whoever polls now. */
static uint32_t look(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t stage = sleeping->stage_;
    if (stage == BIDE_SLEEPING_ARMED) {
        sleeping->waiter_.waker_ = cx->waker_;
        sleeping->waiter_.flags_ = flags_of(cx);
    }
    bide_wait_unlock(lock);
    return stage;
}

int bide_wheel_thread_poll(bide_wheel_sleeping *sleeping, bide_context *cx)
{
    if (bide_wheel_is_parents(sleeping->wheel_)) {
        if (sleeping->stage_ != BIDE_SLEEPING_ENDED) give_up_parents(sleeping);
        return BIDE_READY;
    }
    /* An idle one is its owner's alone: no lock, as most polls are the first. */
    uint32_t stage = atomic_load_explicit(BIDE_ATOMIC_U32(&sleeping->stage_), memory_order_relaxed);
    if (stage != BIDE_SLEEPING_IDLE) stage = look(sleeping, cx);
    if (stage == BIDE_SLEEPING_ARMED) return BIDE_PENDING;
    if (stage == BIDE_SLEEPING_ROOM) {
        (void)leave_room(sleeping);
        bide_os_mutex *lock = bide_wait_lock(sleeping);
        if (sleeping->stage_ == BIDE_SLEEPING_ROOM) bide_wheel_set_stage(sleeping, BIDE_SLEEPING_IDLE);
        bide_wait_unlock(lock);
    } else {
        bide_waiter_quiesce(&sleeping->waiter_);
        if (stage == BIDE_SLEEPING_ENDED) return BIDE_READY;
    }
    return submit(sleeping, cx);
}

int bide_wheel_thread_started(bide_wheel_sleeping *sleeping)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (waits(wheel)) return 0;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool in_room = sleeping->stage_ == BIDE_SLEEPING_ROOM;
    bide_wait_unlock(lock);
    if (!in_room) return 0;
    if (leave_room(sleeping)) bide_wheel_wake_room(wheel, 1);
    (void)end(sleeping, BIDE_ENOCAPACITY);
    return BIDE_ENOCAPACITY;
}

int bide_wheel_thread_cancel(bide_wheel_sleeping *sleeping)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (bide_wheel_is_parents(wheel)) {
        if (sleeping->stage_ == BIDE_SLEEPING_ENDED) return BIDE_COMPLETED;
        give_up_parents(sleeping);
        bide_wheel_set_stage(sleeping, BIDE_SLEEPING_IDLE);
        return BIDE_READY;
    }
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t stage = sleeping->stage_;
    bool many = false;
    if (stage == BIDE_SLEEPING_ARMED) {
        struct bide_wheel_record *record = sleeping->record_;
        sleeping->record_ = NULL;
        bide_waiter_unlink(&sleeping->waiter_);
        many = atomic_fetch_add_explicit(&wheel->cancels, 1, memory_order_relaxed) % CANCELS == CANCELS - 1;
        if (!(atomic_exchange(&record->state, BIDE_RECORD_CANCELLED | BIDE_RECORD_QUEUED) &
              BIDE_RECORD_QUEUED))
            bide_wheel_push(wheel, record);
    }
    if (stage != BIDE_SLEEPING_ENDED) bide_wheel_set_stage(sleeping, BIDE_SLEEPING_IDLE);
    bide_wait_unlock(lock);
    if (stage == BIDE_SLEEPING_ROOM) {
        if (leave_room(sleeping)) bide_wheel_wake_room(wheel, 1);
    } else {
        bide_waiter_quiesce(&sleeping->waiter_);
    }
    if (many || atomic_load(&wheel->waiting)) bide_wheel_call_for(wheel, INT64_MIN);
    return stage == BIDE_SLEEPING_ENDED ? BIDE_COMPLETED : BIDE_READY;
}

int bide_wheel_thread_reset(bide_wheel_sleeping *sleeping, bide_instant deadline, bool due)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (bide_wheel_is_parents(wheel)) return BIDE_EFORKED;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t stage = sleeping->stage_;
    sleeping->deadline_ = deadline;
    if (stage == BIDE_SLEEPING_ARMED) {
        struct bide_wheel_record *record = sleeping->record_;
        atomic_store_explicit(&record->deadline, deadline.ns, memory_order_relaxed);
        if (!(atomic_fetch_or(&record->state, BIDE_RECORD_QUEUED) & BIDE_RECORD_QUEUED))
            bide_wheel_push(wheel, record);
    } else if (stage != BIDE_SLEEPING_ROOM) {
        bide_wheel_set_stage(sleeping, due ? BIDE_SLEEPING_ENDED : BIDE_SLEEPING_IDLE);
        sleeping->result = due ? 0 : BIDE_ECANCELED;
    }
    bide_wait_unlock(lock);
    if (stage == BIDE_SLEEPING_ARMED) bide_wheel_call_for(wheel, deadline.ns);
    return 0;
}
