/* Sets of futures: members whose wakers put them on a ready list.
 *
 * A member is IDLE (in no set), WAITING (its future has a waker), or QUEUED (on the ready list). It is
 * WAITING while its future is being polled too: a wake in the middle of the poll queues it again.
 *
 * INVARIANTS
 * 1. The ready list, the members' states and the queue of the set's own waiter are guarded by the wait
 *    lock of the set. Nobody but the set's thread has to do with the state of a member that was not polled since it
 *    was added, or whose poll has answered BIDE_READY: then no wake of it runs.
 * 2. A member is QUEUED if and only if it is on the ready list, or in `fresh_`, which holds those that were added
 *    while nobody waited, belongs to the set's thread, and is emptied into the ready list by the next look at that.
 * 3. If the ready list is not empty, then the set's waiter is not linked, or its wake has been taken by
 *    the thread that queued the first member.
 * 4. `service_` is the reactor of the set's first poll. Members are told that whoever polls them serves that
 *    one, so that those on it do not count as waiting in the background by themselves; the set's waiter does
 *    (service.h) while it is linked for a context that does not drive `service_`.
 * 5. In the child of a fork a set that was polled before yields nothing any more (`forks_`): the members'
 *    wakes come from the parent's threads and registrations.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/set.h>

#include "future/future.h"
#include "future/service.h"
#include "future/waiter.h"
#include "os/fork.h"

#include <stdio.h>

enum { IDLE = 0, WAITING = 1, QUEUED = 2 };

/* Members polled in one poll of the set before it lets its caller have a turn. */
#define BATCH 256

/* A member is found from its link. */
_Static_assert(offsetof(bide_set_member, link_) == 0, "the link is the member's first field");

/* Whether it has been polled before a fork, by the parent, to whom its members' wakes belong. */
static bool is_parents(const bide_set *set)
{
    return set->service_ && set->forks_ != bide_os_forks;
}

/* Takes the set's waiter out of its queue for a wake or for good. Lock held. */
static void disarm(const bide_set *set)
{
    if ((set->waiter_.flags_ & BIDE_WAITER_BACKGROUND) && !is_parents(set))
        bide_service_disarm(set->service_);
}

/* Puts a member on the ready list. Returns whether the set's waiter was taken out, to be woken. Lock held. */
static bool enqueue(bide_set *set, bide_set_member *member, struct bide_wake *wake)
{
    member->state_ = QUEUED;
    bide_ring_append(&set->ready_, &member->link_);
    if (bide_ring_empty(&set->queue_)) return false;
    disarm(set);
    bide_waiter_take(&set->waiter_, wake);
    return true;
}

/* The waker of a member's future. */
static void member_wake(void *arg)
{
    bide_set_member *member = arg;
    bide_set *set = member->set_;
    struct bide_wake wake;
    bide_os_mutex *lock = bide_wait_lock(set);
    bool fire = member->state_ == WAITING && enqueue(set, member, &wake);
    bide_wait_unlock(lock);
    /* The set may be gone unless the waiter is FIRING: only the copy is used. */
    if (fire) bide_wake_run(&wake);
}

/* Takes the first ready member, or arranges for the context to be woken when there is one: returns NULL,
 * and an error if that was not possible. */
static bide_set_member *take_ready(bide_set *set, bide_context *cx, int *error)
{
    bool background = !(cx->flags_ & BIDE_CONTEXT_SERVED) || cx->reactor_ != set->service_;
    bool armed = false;
    for (;;) {
        *error = 0;
        bide_os_mutex *lock = bide_wait_lock(set);
        bide_ring_splice(&set->fresh_, &set->ready_);
        if (!bide_ring_empty(&set->ready_)) {
            bide_set_member *member = (bide_set_member *)set->ready_.next_;
            bide_ring_remove(&member->link_);
            member->state_ = WAITING;
            bide_wait_unlock(lock);
            if (armed) bide_service_disarm(set->service_);
            return member;
        }
        if (!background || armed) {
            uint32_t flags = (cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0u) |
                             (armed ? BIDE_WAITER_BACKGROUND : 0u);
            bide_waiter_link(&set->queue_, &set->waiter_, cx->waker_, flags);
            bide_wait_unlock(lock);
            return NULL;
        }
        bide_wait_unlock(lock);
        /* Starting the helper thread takes other locks: not under this one. */
        *error = bide_service_arm(set->service_);
        armed = *error == 0;
        /* Closed for good: nothing waits on it any more. */
        if (*error == BIDE_ECANCELED)
            background = false;
        else if (*error)
            return NULL;
    }
}

/* Unlinks the set's waiter and waits until its wake is over. */
static void detach(bide_set *set)
{
    if (bide_waiter_state(&set->waiter_) == 0) return;
    if (is_parents(set)) {
        /* A thread that was just waking it is not here to finish. */
        bide_ring_init(&set->queue_);
        bide_waiter_init(&set->waiter_);
        return;
    }
    bide_os_mutex *lock = bide_wait_lock(set);
    if (bide_waiter_state(&set->waiter_) & BIDE_WAITER_LINKED) {
        disarm(set);
        bide_waiter_unlink(&set->waiter_);
    }
    bide_wait_unlock(lock);
    bide_waiter_quiesce(&set->waiter_);
}

/* A member that is on no list. */
static void leave(bide_set *set, bide_set_member *member)
{
    member->state_ = IDLE;
    set->count_--;
}

/* Takes a member off whatever list it is on. */
static void withdraw(bide_set *set, bide_set_member *member)
{
    bide_os_mutex *lock = bide_wait_lock(set);
    if (member->state_ == QUEUED) bide_ring_remove(&member->link_);
    leave(set, member);
    bide_wait_unlock(lock);
}

static int set_poll(bide_future *self, bide_context *cx)
{
    bide_set *set = (bide_set *)self;
    set->result = NULL;
    detach(set);
    if (set->count_ == 0) {
        set->service_ = NULL;
        return BIDE_READY;
    }
    if (is_parents(set)) return BIDE_EFORKED;
    if (!set->service_) {
        set->service_ = cx->reactor_ ? cx->reactor_ : bide_service_current();
        set->forks_ = bide_os_forks;
    }
    if (cx->budget_ == 0 && !bide_context_spend(cx)) return BIDE_PENDING;
    for (int polled = 0; polled < BATCH; polled++) {
        int error;
        bide_set_member *member = take_ready(set, cx, &error);
        if (!member) return error;
        bide_context inner = *cx;
        inner.waker_.wake = member_wake;
        inner.waker_.arg = member;
        /* A member stays registered whether or not the set's caller may wait: no last try for it. */
        inner.flags_ = BIDE_CONTEXT_SERVED;
        inner.reactor_ = set->service_;
        int answer = bide_future_poll(member->future, &inner);
        /* Also one that is ready each time it is added, and spends nothing, leaves the others their turn. */
        if (answer == BIDE_READY && inner.budget_ == cx->budget_ && inner.budget_ > 0) inner.budget_--;
        cx->budget_ = inner.budget_;
        if (answer == BIDE_PENDING) {
            if (!(inner.flags_ & BIDE_CONTEXT_SPENT)) continue;
            cx->flags_ |= BIDE_CONTEXT_SPENT;
            break;
        }
        if (answer == BIDE_READY && member->state_ == WAITING)
            leave(set, member); /* invariant 1 */
        else
            withdraw(set, member);
        set->result = member;
        return answer;
    }
    bide_context_wake(cx);
    return BIDE_PENDING;
}

static int set_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    detach((bide_set *)self);
    return BIDE_READY;
}

static void set_describe(const bide_future *self, char *text, size_t room)
{
    (void)snprintf(text, room, "%zu", ((const bide_set *)self)->count_);
}

static const bide_future_kind set_kind = {{sizeof set_kind.ops, set_poll, set_cancel,
                                           BIDE_FUTURE_STREAM | BIDE_FUTURE_NAMED},
                                          "set of",
                                          set_describe};

void bide_set_init(bide_set *set)
{
    if (!set) return;
    bide_future_init(&set->future, &set_kind.ops);
    bide_ring_init(&set->ready_);
    bide_ring_init(&set->fresh_);
    bide_ring_init(&set->queue_);
    bide_waiter_init(&set->waiter_);
    set->service_ = NULL;
    set->forks_ = 0;
    set->count_ = 0;
    set->result = NULL;
}

size_t bide_set_count(const bide_set *set)
{
    return set ? set->count_ : 0;
}

int bide_set_add(bide_set *set, bide_set_member *member, bide_future *future, void *tag)
{
    if (!set || !member || !future) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    member->set_ = set;
    member->future = future;
    member->tag = tag;
    set->count_++;
    if (bide_waiter_state(&set->waiter_) == 0) {
        member->state_ = QUEUED;
        bide_ring_append(&set->fresh_, &member->link_);
        return 0;
    }
    struct bide_wake wake;
    bide_os_mutex *lock = bide_wait_lock(set);
    bool fire = enqueue(set, member, &wake);
    bide_wait_unlock(lock);
    if (fire) bide_wake_run(&wake);
    return 0;
}

int bide_set_remove(bide_set *set, bide_set_member *member)
{
    if (!set || !member) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    bide_os_mutex *lock = bide_wait_lock(set);
    bool belongs = member->set_ == set && member->state_ != IDLE;
    bide_wait_unlock(lock);
    if (!belongs) return BIDE_ENOENT;
    int answer = bide_cancel(member->future);
    if (answer == BIDE_READY || answer == BIDE_COMPLETED) withdraw(set, member);
    return answer;
}
