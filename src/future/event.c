/* Events: a word that is set by anyone and a queue of waiters.
 *
 * The word:
 *   SET      it is set
 *   WAITED   the queue is not empty
 *   SETTING  a setter saw WAITED and is on its way to the wait lock
 *   MORE     the unit of a count in the upper bits: sets by signal handlers that came while SETTING and could
 *            not take the wait lock; they release a wait each
 *
 * INVARIANTS
 * 1. Without WAITED, the compare-and-swap that sets SET is the setter's last access to the event.
 * 2. With WAITED, the setter raises SETTING in the same step, and its last access is the critical section
 *    that lowers it, grants, and moves the granted waiters into a batch of its own. Only one setter is
 *    SETTING. Another one of an automatic event does all of its work in such a critical section: when it
 *    returns, a wait has been released or SET raised for it, and a reset finds no set of the past on its way.
 * 3. While SETTING, no poll takes SET: the poller links instead and is granted. So nobody can return, and
 *    free the event, between a setter's first and last access.
 * 4. An automatic event's SET is handed over by the setter (GRANTED in the waiter's state), not left to be
 *    found: a granted waiter that is cancelled reports BIDE_COMPLETED, and no set is lost between the two.
 * 5. WAITED changes only under the wait lock, and equals "queue not empty" whenever the lock is free.
 *
 * Signal handlers: see invariant 8 in waiter.h. A handler that finds its own thread inside a wait lock
 * links the event into the thread's pending list; the unlock finishes the job. The event stays SETTING
 * meanwhile, so it cannot go away (3).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/event.h"

#include "future/future.h"
#include "future/waiter.h"
#include "os/fork.h"

/* Above the flags of a waiter: the forks before it was linked. */
#define FORKS_SHIFT 8

enum { SET = 1u, WAITED = 2u, SETTING = 4u, MORE = 8u };

static _Atomic uint32_t *word_of(const bide_event *event)
{
    return BIDE_ATOMIC_U32(&((bide_event *)(uintptr_t)event)->word_);
}

int bide_event_init(bide_event *event, bide_event_mode mode)
{
    if (!event || (mode != BIDE_EVENT_AUTO && mode != BIDE_EVENT_MANUAL)) return BIDE_EINVAL;
    event->word_ = 0;
    event->mode_ = (uint32_t)mode;
    event->pending_ = NULL;
    bide_ring_init(&event->queue_);
    return 0;
}

int bide_event_fini(bide_event *event)
{
    if (!event) return BIDE_EINVAL;
    return atomic_load(word_of(event)) & (WAITED | SETTING) ? BIDE_EBUSY : 0;
}

/* Ends SETTING of an automatic event. Each set releases a wait, and if there are not enough, because one was
 * cancelled perhaps, SET stays for the next. Returns how many are released. Lock held. */
static uint32_t hand_over(bide_event *event)
{
    uint32_t seen = atomic_load(word_of(event));
    for (;;) {
        uint32_t sets = 1 + seen / MORE;
        uint32_t released = 0;
        const bide_link *link = event->queue_.next_;
        for (; released < sets && link != &event->queue_; link = link->next_)
            released++;
        uint32_t rest = link != &event->queue_ ? WAITED : 0;
        if (released < sets) rest |= seen & SET;
        if (atomic_compare_exchange_weak(word_of(event), &seen, rest)) return released;
    }
}

/* Wakes a batch of waiters to which the event has been given. Lock held, and released. */
static void grant(bide_os_mutex *lock, bide_event *event, bide_link *batch)
{
    for (bide_link *link = batch->next_; link != batch; link = link->next_)
        atomic_fetch_or_explicit(BIDE_ATOMIC_U32(&((bide_waiter *)link)->state_), BIDE_WAITER_GRANTED,
                                 memory_order_release);
    bide_batch_wake(lock, event, batch);
}

/* A whole set of an automatic event, while another one is SETTING. No wait lock held by this thread. */
static void release_one(bide_event *event)
{
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(event);
    if (bide_ring_empty(&event->queue_)) {
        atomic_fetch_or(word_of(event), SET);
    } else {
        bide_link *first = event->queue_.next_;
        bide_ring_remove(first);
        bide_ring_append(&batch, first);
        if (bide_ring_empty(&event->queue_)) atomic_fetch_and(word_of(event), ~(uint32_t)WAITED);
    }
    grant(lock, event, &batch);
}

/* The second half of a set that found waiters. No wait lock held by this thread. */
static void release_waiters(bide_event *event)
{
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(event);
    if (event->mode_ == BIDE_EVENT_MANUAL) {
        bide_ring_splice(&event->queue_, &batch);
        atomic_fetch_and(word_of(event), SET);
    } else {
        for (uint32_t released = hand_over(event); released > 0; released--) {
            bide_link *first = event->queue_.next_;
            bide_ring_remove(first);
            bide_ring_append(&batch, first);
        }
    }
    grant(lock, event, &batch);
}

void bide_event_drain(struct bide_thread *thread)
{
    while (thread->wait_locks == 0 && atomic_load_explicit(&thread->pending_events, memory_order_relaxed)) {
        /* relaxed: between a thread and its signal handlers */
        bide_event *event = atomic_exchange_explicit(&thread->pending_events, NULL, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        while (event) {
            bide_event *next = event->pending_;
            event->pending_ = NULL;
            release_waiters(event);
            event = next;
        }
    }
}

void bide_event_set(bide_event *event)
{
    if (!event) return;
    uint32_t seen = atomic_load(word_of(event));
    uint32_t wanted;
    do {
        if ((seen & SETTING) && event->mode_ == BIDE_EVENT_AUTO && bide_thread_self()->wait_locks == 0) {
            release_one(event);
            return;
        }
        wanted = seen | SET;
        /* SETTING implies that there were waiters, perhaps cancelled since. More sets than the count can hold
         * are more than there can be waiters. */
        if (seen & SETTING)
            wanted += seen < UINT32_MAX - MORE ? MORE : 0;
        else if (seen & WAITED)
            wanted |= SETTING;
        /* seq_cst: "publish SET, then look for waiters" here against "publish WAITED, then look at
         * SET" in poll */
    } while (!atomic_compare_exchange_weak(word_of(event), &seen, wanted));
    if (!(wanted & SETTING) || (seen & SETTING)) return;

    struct bide_thread *thread = bide_thread_self();
    if (thread->wait_locks == 0) {
        release_waiters(event);
    } else {
        /* In a handler, which another one may interrupt and push before. */
        event->pending_ = atomic_load_explicit(&thread->pending_events, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&thread->pending_events, &event->pending_, event,
                                                      memory_order_relaxed, memory_order_relaxed))
            continue;
    }
}

void bide_event_reset(bide_event *event)
{
    if (event) atomic_fetch_and(word_of(event), ~(uint32_t)SET);
}

bool bide_event_is_set(const bide_event *event)
{
    return event && (atomic_load(word_of(event)) & SET) != 0;
}

/* Takes SET if it may be taken now. */
static bool try_take(bide_event *event)
{
    uint32_t seen = atomic_load(word_of(event));
    while ((seen & (SET | SETTING)) == SET) {
        if (event->mode_ == BIDE_EVENT_MANUAL) return true;
        if (atomic_compare_exchange_weak(word_of(event), &seen, seen & ~(uint32_t)SET)) return true;
    }
    return false;
}

static uint32_t flags_for(const bide_context *cx)
{
    return (cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0u) | bide_os_forks << FORKS_SHIFT;
}

/* Whether it was linked before a fork, by the parent: a thread that was just waking it is not here to finish,
 * and the batch that it may be in was that thread's. */
static bool is_parents(const bide_waiter *waiter)
{
    return waiter->flags_ >> FORKS_SHIFT != (bide_os_forks << FORKS_SHIFT) >> FORKS_SHIFT;
}

static void leave_queue(bide_event *event, bide_waiter *waiter)
{
    bide_waiter_unlink(waiter);
    if (bide_ring_empty(&event->queue_)) atomic_fetch_and(word_of(event), ~(uint32_t)WAITED);
}

/* Links, unless the event can be taken after all. Lock held. */
static bool take_or_link(bide_event_waiting *waiting, bide_context *cx)
{
    bide_event *event = waiting->event_;
    uint32_t seen = atomic_load(word_of(event));
    for (;;) {
        if ((seen & (SET | SETTING)) == SET) {
            if (try_take(event)) return true;
            seen = atomic_load(word_of(event));
        } else if (atomic_compare_exchange_weak(word_of(event), &seen, seen | WAITED)) {
            bide_waiter_link(&event->queue_, &waiting->waiter_, cx->waker_, flags_for(cx));
            return false;
        }
    }
}

static int finish(bide_event_waiting *waiting)
{
    if (bide_waiter_state(&waiting->waiter_) != 0 && !is_parents(&waiting->waiter_))
        bide_waiter_quiesce(&waiting->waiter_);
    waiting->waiter_.state_ = 0;
    waiting->result = 0;
    return BIDE_READY;
}

static int waiting_poll(bide_future *self, bide_context *cx)
{
    bide_event_waiting *waiting = (bide_event_waiting *)self;
    bide_waiter *waiter = &waiting->waiter_;
    if (!waiting->event_) return BIDE_READY;
    if (bide_waiter_state(waiter) == 0 && try_take(waiting->event_)) return finish(waiting);

    bide_os_mutex *lock = bide_wait_lock(waiting->event_);
    uint32_t state = bide_waiter_state(waiter);
    bool ready = false;
    if (state & BIDE_WAITER_GRANTED) {
        /* Granted, and perhaps still in the setter's batch. */
        if ((state & BIDE_WAITER_LINKED) && !is_parents(waiter)) bide_waiter_unlink(waiter);
        ready = true;
    } else if (state & BIDE_WAITER_LINKED) {
        waiter->waker_ = cx->waker_;
        waiter->flags_ = flags_for(cx);
    } else {
        ready = take_or_link(waiting, cx);
    }
    bide_wait_unlock(lock);
    return ready ? finish(waiting) : BIDE_PENDING;
}

static int waiting_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_event_waiting *waiting = (bide_event_waiting *)self;
    bide_waiter *waiter = &waiting->waiter_;
    bide_os_mutex *lock = bide_wait_lock(waiting->event_);
    uint32_t state = bide_waiter_state(waiter);
    bool granted = (state & BIDE_WAITER_GRANTED) != 0;
    if ((state & BIDE_WAITER_LINKED) && !granted)
        leave_queue(waiting->event_, waiter);
    else if ((state & BIDE_WAITER_LINKED) && !is_parents(waiter))
        bide_waiter_unlink(waiter);
    bide_wait_unlock(lock);
    if (granted) {
        (void)finish(waiting);
        return BIDE_COMPLETED;
    }
    waiting->result = BIDE_ECANCELED;
    return BIDE_READY;
}

static const bide_future_kind waiting_kind = {
    {sizeof waiting_kind.ops, waiting_poll, waiting_cancel, BIDE_FUTURE_NAMED}, "event", NULL};

void bide_event_waiting_init(bide_event_waiting *waiting, bide_event *event)
{
    if (!waiting) return;
    bide_future_prepare(&waiting->future, &waiting_kind.ops);
    bide_waiter_init(&waiting->waiter_);
    waiting->event_ = event;
    waiting->result = event ? BIDE_ECANCELED : BIDE_EINVAL;
}
