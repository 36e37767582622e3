/* What the waits of this layer have in common: who it is that waits or holds, how a wait is queued, and how what
 * it waits for is given to it.
 *
 * A wait is a bide_waiter in its future (src/future/waiter.h); the queue is guarded by the wait lock of the object
 * that has it. What a wait is for is GIVEN to it by whoever makes it possible (GRANTED in the waiter's state), and
 * not left to be found: nobody can take it away in between, waits are served in their order, and one that is
 * cancelled after it was given reports BIDE_COMPLETED, so that nothing is lost.
 *
 *            link                 give one                        settle
 *   idle ------------> LINKED ----------------------> GRANTED ------------> idle, the future is ready
 *    ^                   |  \   give several              ^
 *    +--leave (cancel)---+   +--> GRANTED|LINKED ---------+ woken, or taken out of the batch by its owner
 *
 * INVARIANTS
 * 1. The object's own state is changed before the first of those is GRANTED who can know of it then, and the
 *    giver touches the object no more: a wait that has been given something may be the last user, and free the
 *    object, while the giver still unlocks and wakes (the wait lock is not in the object).
 * 2. A queue that was never used is zeroed storage, so that objects need no initialiser that knows their address.
 * 3. What is given is written before the GRANTED that tells of it (release), and read after that was seen
 *    (acquire), without the lock: who has waited takes it with one load.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SYNC_WAITING_H
#define BIDE_SYNC_WAITING_H

#include "future/awaiter.h"
#include "future/thread.h"
#include "future/waiter.h"

/* Public structures hold plain words (headers must be C++ too); the library reads them as atomics. */
#define BIDE_ATOMIC_WORD(pointer) ((_Atomic uintptr_t *)(pointer))
_Static_assert(sizeof(_Atomic uintptr_t) == sizeof(uintptr_t), "atomic words are plain words");
_Static_assert(_Alignof(_Atomic uintptr_t) == _Alignof(uintptr_t), "atomic words are aligned as plain words");

/* Who runs: the task, or outside of tasks the thread. Both are addresses of structures with pointers in them, so
 * that the two lowest bits are zero; never 0.
 *
 * To be asked BEFORE the word is read with which it is compared. Where thread-local data is made when it is first used
 * (MinGW), a thread that asks for the first time may be given the address of one that has just ended: what that one had
 * left before, and this one had read before, would be taken for its own. */
static inline uintptr_t bide_party(void)
{
    struct bide_thread *thread = bide_thread_self();
    return (uintptr_t)(thread->awaiter ? (void *)thread->awaiter : (void *)thread);
}

/* Whether a wait in the queue is the last one there, or there is none. Lock held. */
static inline bool bide_wait_none(const bide_link *queue)
{
    return !queue->next_ || bide_ring_empty(queue);
}

/* Whether it has been given what it waits for, and is in nobody's hands any more. The owner asks, without the
 * lock. */
static inline bool bide_wait_has(const bide_waiter *waiter)
{
    return (bide_waiter_state(waiter) & (BIDE_WAITER_GRANTED | BIDE_WAITER_LINKED)) == BIDE_WAITER_GRANTED;
}

/* Whether it has been given what it waits for; takes it out of the giver's batch. The owner asks. Lock held. */
bool bide_wait_take(bide_waiter *waiter);

/* Queues it, the last or the first; or tells of another waker if it is queued already. Lock held. */
void bide_wait_link(bide_link *queue, bide_waiter *waiter, const bide_context *cx);
void bide_wait_link_first(bide_link *queue, bide_waiter *waiter, const bide_context *cx);

/* The end of a wait: no wake of it runs, and it is idle. No lock held. */
void bide_wait_settle(bide_waiter *waiter);

/* Gives what they wait for to all in a batch (a ring on the giver's stack), and wakes them. Lock held: released. */
void bide_wait_give(bide_os_mutex *lock, const void *object, bide_link *batch);

/* To a single one that is still in its queue. */
void bide_wait_give_one(bide_os_mutex *lock, bide_waiter *waiter);

/* Moves the first of a queue that is not empty to a batch. Lock held. */
void bide_wait_move_first(bide_link *queue, bide_link *batch);

/* An object's address, for bide_dump(). */
void bide_wait_describe(const void *object, char *text, size_t room);

#endif
