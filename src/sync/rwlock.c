/* The read-write lock: a gate whose number is the readers, or WRITER.
 *
 * FAIR, in order of arrival: a reader that comes while a writer waits queues up behind it, and when it is the
 * readers' turn all of them up to the next writer go together. Neither side starves: preferring readers starves
 * writers, preferring writers starves readers (P. Courtois et al., "Concurrent Control with Readers and Writers",
 * 1971), and in order each waits for those before it and no more. It is handed over: a lock that is held for as
 * short a time as the hand-over takes should be a mutex.
 *
 * INVARIANTS
 * 1. `owner` is the party that holds it for writing, once that one knows it, and else 0. Only that party writes
 *    it, so that comparing it with oneself needs no order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/rwlock.h>

#include "sync/gate.h"

#define WRITER (BIDE_GATE_MOST)

static _Atomic uintptr_t *owner_of(bide_rwlock *rwlock)
{
    return BIDE_ATOMIC_WORD(&rwlock->owner_);
}

static bool is_mine(bide_rwlock *rwlock)
{
    uintptr_t party = bide_party();
    return atomic_load_explicit(owner_of(rwlock), memory_order_relaxed) == party;
}

static bool admit(uint32_t *number, uint32_t mode)
{
    if (mode == BIDE_RWLOCK_WRITE) {
        if (*number != 0) return false;
        *number = WRITER;
    } else {
        /* One less than WRITER is the most. */
        if (*number >= WRITER - 1) return false;
        *number += 1;
    }
    return true;
}

static int leave(uint32_t *number, uint32_t mode)
{
    bool writing = *number == WRITER;
    if (*number == 0 || writing != (mode == BIDE_RWLOCK_WRITE)) return BIDE_EPERM;
    *number -= writing ? WRITER : 1;
    return 0;
}

void bide_rwlock_init(bide_rwlock *rwlock)
{
    static const bide_rwlock fresh = BIDE_RWLOCK_INIT;
    if (rwlock) *rwlock = fresh;
}

int bide_rwlock_fini(bide_rwlock *rwlock)
{
    if (!rwlock) return BIDE_EINVAL;
    return bide_gate_number(&rwlock->gate_) || bide_gate_is_waited_for(&rwlock->gate_) ? BIDE_EBUSY : 0;
}

/* It has been passed. */
static int own(bide_rwlock *rwlock, uint32_t mode)
{
    if (mode == BIDE_RWLOCK_WRITE)
        atomic_store_explicit(owner_of(rwlock), bide_party(), memory_order_relaxed);
    return 0;
}

static int locking_poll(bide_future *self, bide_context *cx)
{
    bide_rwlock_locking *locking = (bide_rwlock_locking *)self;
    bide_rwlock *rwlock = locking->rwlock_;
    if (locking->result == BIDE_EINVAL) return BIDE_READY;
    if (bide_waiter_state(&locking->waiting_.waiter_) == 0 && is_mine(rwlock)) {
        locking->result = BIDE_EDEADLK;
        return BIDE_READY;
    }
    int answer = bide_gate_poll(&rwlock->gate_, &locking->waiting_, admit, cx);
    if (answer == BIDE_READY) locking->result = own(rwlock, locking->waiting_.wants_);
    return answer;
}

static int locking_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_rwlock_locking *locking = (bide_rwlock_locking *)self;
    int answer = bide_gate_cancel(&locking->rwlock_->gate_, &locking->waiting_, admit);
    if (answer == BIDE_COMPLETED) locking->result = own(locking->rwlock_, locking->waiting_.wants_);
    return answer;
}

static void locking_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_rwlock_locking *)self)->rwlock_, text, room);
}

static const bide_future_kind locking_kind = {
    {sizeof locking_kind.ops, locking_poll, locking_cancel, BIDE_FUTURE_NAMED}, "rwlock", locking_describe};

void bide_rwlock_locking_init(bide_rwlock_locking *locking, bide_rwlock *rwlock, bide_rwlock_mode mode)
{
    if (!locking) return;
    bool valid = rwlock && (mode == BIDE_RWLOCK_READ || mode == BIDE_RWLOCK_WRITE);
    bide_future_init(&locking->future, &locking_kind.ops);
    bide_gate_waiting_init(&locking->waiting_, (uint32_t)mode);
    locking->rwlock_ = rwlock;
    locking->result = valid ? BIDE_ECANCELED : BIDE_EINVAL;
}

static int lock(bide_rwlock *rwlock, bide_rwlock_mode mode, bide_instant deadline)
{
    if (!rwlock) return BIDE_EINVAL;
    if (bide_gate_try(&rwlock->gate_, admit, (uint32_t)mode)) return own(rwlock, (uint32_t)mode);
    if (is_mine(rwlock)) return BIDE_EDEADLK;
    if (deadline.ns == BIDE_NOW.ns) return BIDE_EAGAIN;
    bide_rwlock_locking locking;
    bide_rwlock_locking_init(&locking, rwlock, mode);
    int error = bide_await(&locking.future, deadline);
    return error ? error : locking.result;
}

int bide_rwlock_lock_read(bide_rwlock *rwlock, bide_instant deadline)
{
    return lock(rwlock, BIDE_RWLOCK_READ, deadline);
}

int bide_rwlock_lock_write(bide_rwlock *rwlock, bide_instant deadline)
{
    return lock(rwlock, BIDE_RWLOCK_WRITE, deadline);
}

int bide_rwlock_unlock_read(bide_rwlock *rwlock)
{
    return rwlock ? bide_gate_apply(&rwlock->gate_, admit, leave, BIDE_RWLOCK_READ) : BIDE_EINVAL;
}

int bide_rwlock_unlock_write(bide_rwlock *rwlock)
{
    if (!rwlock) return BIDE_EINVAL;
    if (!is_mine(rwlock)) return BIDE_EPERM;
    atomic_store_explicit(owner_of(rwlock), 0, memory_order_relaxed);
    return bide_gate_apply(&rwlock->gate_, admit, leave, BIDE_RWLOCK_WRITE);
}
