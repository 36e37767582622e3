/* Queues of waiters, and how a waiter is woken exactly once and left alone afterwards.
 *
 * A waiter is a node inside a future. A queue is a ring through a head node. All queues of one object are
 * guarded by the object's wait lock, one of a fixed table chosen by the object's address; so the lock
 * outlives every object, and a waking thread may finish its unlock after the object is gone.
 *
 * A waiter's state word: LINKED, GRANTED, AWAITED, and in the upper bits the number of wakes being run.
 *
 *            link                 pop (stable target)
 *   IDLE ------------> LINKED -----------------------------> IDLE
 *    ^                   |  \  pop (other target)
 *    |   unlink          |   +--------------> FIRING --wake returned--> IDLE
 *    +-------------------+
 *
 * INVARIANTS
 * 1. LINKED changes only under the wait lock; a waiter is in a ring if and only if it is LINKED.
 * 2. A wake is copied out under the lock that unlinks the waiter. For a target that may be freed (any
 *    waker but Bide's own) FIRING is raised in the same critical section and lowered after the waker has
 *    returned; that is the waking thread's last access to the waiter, and to the source none follows the
 *    unlock.
 * 3. Bide's own targets (threads' contexts) are type-stable: a late wake of one is a spurious one, so
 *    nothing is raised and nobody waits for it.
 * 4. Quiescence: once the owner has unlinked (under the lock) and bide_waiter_quiesce has returned, the
 *    waiter is neither LINKED nor FIRING. Only the owner links, so no wake can start afterwards.
 * 5. A batch to be woken stays in a ring (on the waking thread's stack) and is popped one at a time under
 *    the lock, so that unlinking by a cancel takes a member out of the batch and it never fires.
 * 6. No wait lock is held while a waker runs. Wait locks do not nest, and no other lock is taken under one:
 *    whoever holds the other may be interrupted by a signal handler that waits for this one.
 * 7. A waiter that is neither FIRING nor AWAITED is changed by those alone who hold the wait lock: AWAITED
 *    comes only while it is FIRING, and FIRING only under the lock.
 * 8. A signal handler may interrupt a thread inside a wait lock: bide_event_set sees wait_locks > 0 then
 *    and leaves the event in pending_events, which the unlock drains.
 *
 * docs/models/waiter.pml is this protocol as a model.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_WAITER_H
#define BIDE_FUTURE_WAITER_H

#include "future/event.h"
#include "future/thread.h"
#include "os/assert.h"
#include "os/mutex.h"

#include <bide/future.h>

enum {
    BIDE_WAITER_LINKED = 1u,
    BIDE_WAITER_GRANTED = 2u, /* what it waited for has been given to it (events) */
    BIDE_WAITER_AWAITED = 4u, /* the owner sleeps until FIRING is over */
    BIDE_WAITER_FIRING = 8u   /* unit of the count of running wakes */
};

/* Flags of a waiter, from the context it was linked with. The bits above are its owner's. */
enum {
    BIDE_WAITER_STABLE = 1u,     /* its target is type-stable */
    BIDE_WAITER_BACKGROUND = 2u, /* counted as waiting in the background of its reactor */
    BIDE_WAITER_FLAGS = 0xffu
};

/* Flags of a context. */
enum {
    BIDE_CONTEXT_STABLE = 1u, /* its waker's target is type-stable memory */
    BIDE_CONTEXT_SERVED = 2u, /* whoever waits drives the context's reactor, or has that arranged otherwise */
    BIDE_CONTEXT_LAST_TRY = 4u, /* may not wait: try the system call once, whatever the memory says */
    BIDE_CONTEXT_SPENT = 8u     /* the budget ran out during this poll */
};

/* How often in a row a future may succeed without waiting before it lets the others have a turn. */
#define BIDE_BUDGET 128

/* A wake taken out of a queue, to be run without the lock. */
struct bide_wake {
    bide_waker waker;
    bide_waiter *firing; /* NULL: nothing to lower afterwards */
};

/* Enough that two busy sources seldom meet; a power of two for the mask. Each on a cache line of its own. */
#define BIDE_WAIT_LOCKS 64u

struct bide_wait_slot {
    _Alignas(64) bide_os_mutex mutex;
};

extern struct bide_wait_slot bide_wait_locks[BIDE_WAIT_LOCKS];

static inline bide_os_mutex *bide_wait_lock_of(const void *object)
{
    /* Objects are at least 16 bytes apart and sources 112: fold higher bits in. */
    uintptr_t address = (uintptr_t)object;
    return &bide_wait_locks[((address >> 4) ^ (address >> 10)) % BIDE_WAIT_LOCKS].mutex;
}

static inline bide_os_mutex *bide_wait_lock(const void *object)
{
    struct bide_thread *thread = bide_thread_self();
    bide_os_mutex *mutex = bide_wait_lock_of(object);
    BIDE_ASSERT(thread->wait_locks == 0); /* invariant 6 */
    thread->wait_locks++;
    atomic_signal_fence(memory_order_seq_cst);
    bide_os_mutex_lock(mutex);
    return mutex;
}

static inline void bide_wait_unlock(bide_os_mutex *lock)
{
    struct bide_thread *thread = bide_thread_self();
    bide_os_mutex_unlock(lock);
    atomic_signal_fence(memory_order_seq_cst);
    thread->wait_locks--;
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&thread->pending_events, memory_order_relaxed)) bide_event_drain(thread);
}

/* For those who only look, also from a debugger or while this thread holds one: NULL if it cannot be had soon. */
bide_os_mutex *bide_wait_try(const void *object);

/* All of them, around a fork. */
void bide_wait_lock_all(void);
void bide_wait_unlock_all(void);

static inline uint32_t bide_waiter_state(const bide_waiter *waiter)
{
    /* acquire: pairs with the release that lowered FIRING or unlinked, so that the waking thread's reads
     * of the waiter come before the owner's reuse */
    return atomic_load_explicit(BIDE_ATOMIC_U32(&((bide_waiter *)(uintptr_t)waiter)->state_),
                                memory_order_acquire);
}

/* Adds to the state. Lock held. What is neither FIRING nor AWAITED nobody changes without the lock: a store
 * does, which is no locked operation and does not wait for the stores before it. */
static inline void bide_waiter_change(bide_waiter *waiter, uint32_t by)
{
    _Atomic uint32_t *state = BIDE_ATOMIC_U32(&waiter->state_);
    uint32_t seen = atomic_load_explicit(state, memory_order_relaxed);
    /* release: pairs with bide_waiter_state() */
    if (seen < BIDE_WAITER_AWAITED)
        atomic_store_explicit(state, seen + by, memory_order_release);
    else
        atomic_fetch_add_explicit(state, by, memory_order_release);
}

/* Rings: the head is a link too, so that a node leaves without knowing whose it is. */
static inline void bide_ring_init(bide_link *head)
{
    head->next_ = head->previous_ = head;
}

static inline bool bide_ring_empty(const bide_link *head)
{
    return head->next_ == head;
}

static inline void bide_ring_append(bide_link *head, bide_link *node)
{
    node->next_ = head;
    node->previous_ = head->previous_;
    head->previous_->next_ = node;
    head->previous_ = node;
}

static inline void bide_ring_remove(bide_link *node)
{
    node->previous_->next_ = node->next_;
    node->next_->previous_ = node->previous_;
}

/* Moves all of `from` to the end of `to`. */
static inline void bide_ring_splice(bide_link *from, bide_link *to)
{
    if (bide_ring_empty(from)) return;
    from->next_->previous_ = to->previous_;
    to->previous_->next_ = from->next_;
    from->previous_->next_ = to;
    to->previous_ = from->previous_;
    bide_ring_init(from);
}

/* The first waiter of a queue that is not empty: the link is a waiter's first member. */
static inline bide_waiter *bide_queue_first(const bide_link *head)
{
    return (bide_waiter *)head->next_;
}

/* A waiter that nobody has linked yet. */
static inline void bide_waiter_init(bide_waiter *waiter)
{
    waiter->state_ = 0;
    waiter->flags_ = 0;
}

/* Appends. Lock held; the waiter is idle or firing for the same waker. */
void bide_waiter_link(bide_link *queue, bide_waiter *waiter, bide_waker waker, uint32_t flags);

/* Takes out a LINKED waiter without waking it. Lock held. */
void bide_waiter_unlink(bide_waiter *waiter);

/* Takes out a LINKED waiter and prepares its wake. Lock held. */
void bide_waiter_take(bide_waiter *waiter, struct bide_wake *wake);

/* As bide_waiter_take, of one that has not been GRANTED yet: in the same step it becomes that. */
void bide_waiter_grant(bide_waiter *waiter, struct bide_wake *wake);

/* Runs a prepared wake. No lock held. */
void bide_wake_run(const struct bide_wake *wake);

/* Wakes a whole batch, one at a time: `batch` is a ring of waiters guarded by the wait lock of `object`,
 * whose address alone is used. Called with the lock held; returns with it released. */
void bide_batch_wake(bide_os_mutex *lock, const void *object, bide_link *batch);

void bide_waiter_quiesce_slow(bide_waiter *waiter);

/* Waits until no wake of this waiter is running. Called by the owner, no lock held. */
static inline void bide_waiter_quiesce(bide_waiter *waiter)
{
    if (bide_waiter_state(waiter) >= BIDE_WAITER_AWAITED) bide_waiter_quiesce_slow(waiter);
}

/* Whether two wakers are the same. */
static inline bool bide_waker_same(bide_waker a, bide_waker b)
{
    return a.wake == b.wake && a.arg == b.arg;
}

#endif
