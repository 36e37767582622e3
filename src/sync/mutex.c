/* The mutex: a word with its owner, and a queue.
 *
 * The word: the owner (bide_party, 0: free) and two flags:
 *   WAITED  the queue is not empty
 *   ROUSED  one that was at its head has been woken to try its luck, and has not got round to it yet
 *
 *          unlock: nobody waits                       lock by anyone who comes
 *   free <----------------------- held by A     free ------------------------> held
 *
 *          unlock: the first is ROUSED          it tries: held again: back to the head, OVERTAKEN + 1
 *   free <------------------------ held by A                    else held by it
 *
 *          unlock: the first was overtaken too often
 *   held by it <--------------------------- held by A
 *
 * WHY NOT HANDED OVER ALWAYS. To give the mutex to the one that has waited longest is fair, and makes each lock
 * wait for a switch to its next owner, who does not run yet: as soon as two parties want it all the time, every
 * single use costs a wake and a switch (the convoy of M. Blasgen et al., "The Convoy Phenomenon", 1979). To let
 * everybody try and only wake the first is fast, and may starve it. Go's sync.Mutex and the parking lots of WebKit
 * and Rust therefore let those who run overtake those who wait, and hand over after a millisecond, or each half
 * millisecond. We count instead of reading a clock, which would cost as much as all the rest: who has been
 * overtaken OVERTAKEN_MOST times after it was woken is given the mutex by the next unlock. Who waits is served in
 * order, so that this bounds everybody's wait.
 *
 * INVARIANTS
 * 1. The queue, WAITED being set or cleared, and ROUSED being set or cleared (but for its owner's taking both
 *    along) are under the wait lock of the mutex. WAITED equals "queue not empty" whenever the lock is free.
 * 2. Free and WAITED: ROUSED, and there is one that was roused and will either take the mutex, queue again, or be
 *    cancelled; in each case it clears ROUSED, and in the last rouses the next if the mutex is free.
 * 3. At most one is roused.
 * 4. While the mutex is held, WAITED and not ROUSED, and the owner has the wait lock, nobody else changes the word.
 * 5. The unlocker's last access is the change of the word that frees or hands over, or lies before the new owner
 *    can know of it: who holds the mutex, and knows that nobody waits, may free it right after the unlock, also
 *    if others who unlocked before have not returned.
 *
 * Uncontended, lock is one compare-and-swap (acquire) and unlock another (release). docs/models/mutex.pml is this
 * as a model.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sync/mutex.h"

#include "os/compiler.h"
#include "sync/waiting.h"

enum { WAITED = 1u, ROUSED = 2u, FLAGS = 3u };

/* So often may one that was woken find the mutex taken again before it is handed over. Each time costs the waiter
 * a wake and a switch, which is what handing over would have cost the others. */
#define OVERTAKEN_MOST 8

static _Atomic uintptr_t *word_of(const bide_mutex *mutex)
{
    return BIDE_ATOMIC_WORD(&((bide_mutex *)(uintptr_t)mutex)->word_);
}

static uintptr_t owner_in(uintptr_t word)
{
    return word & ~(uintptr_t)FLAGS;
}

static bide_mutex_locking *locking_of(bide_waiter *waiter)
{
    return (bide_mutex_locking *)((char *)waiter - offsetof(bide_mutex_locking, waiter_));
}

void bide_mutex_init(bide_mutex *mutex)
{
    static const bide_mutex fresh = BIDE_MUTEX_INIT;
    if (mutex) *mutex = fresh;
}

int bide_mutex_fini(bide_mutex *mutex)
{
    if (!mutex) return BIDE_EINVAL;
    return atomic_load(word_of(mutex)) ? BIDE_EBUSY : 0;
}

bool bide_mutex_is_mine(const bide_mutex *mutex)
{
    uintptr_t party = bide_party();
    /* relaxed: it is so only if this party wrote it */
    return owner_in(atomic_load_explicit(word_of(mutex), memory_order_relaxed)) == party;
}

/* Takes it if it is free, whoever waits. */
static bool overtake(bide_mutex *mutex, uintptr_t party)
{
    uintptr_t seen = atomic_load_explicit(word_of(mutex), memory_order_relaxed);
    while (owner_in(seen) == 0)
        if (atomic_compare_exchange_weak_explicit(word_of(mutex), &seen, seen | party, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* --- Unlocking --- */

/* Takes the first out of the queue, to try its luck. Lock held. */
static void rouse_first(bide_mutex *mutex, struct bide_wake *wake)
{
    bide_waiter *first = bide_queue_first(&mutex->queue_);
    locking_of(first)->roused_ = true;
    bide_waiter_take(first, wake);
}

static BIDE_OS_NOINLINE int unlock_waited(bide_mutex *mutex, uintptr_t party)
{
    uintptr_t seen = atomic_load_explicit(word_of(mutex), memory_order_relaxed);
    do {
        if (owner_in(seen) != party) return BIDE_EPERM;
        /* One that was roused before comes anyhow. */
        if ((seen & FLAGS) != WAITED &&
            atomic_compare_exchange_weak_explicit(word_of(mutex), &seen, seen & FLAGS, memory_order_release,
                                                  memory_order_relaxed))
            return 0;
    } while ((seen & FLAGS) != WAITED);

    bide_os_mutex *lock = bide_wait_lock(mutex);
    seen = atomic_load_explicit(word_of(mutex), memory_order_relaxed);
    if ((seen & FLAGS) != WAITED) {
        /* Cancelled meanwhile, or roused by one that was cancelled. */
        atomic_fetch_and_explicit(word_of(mutex), FLAGS, memory_order_release);
        bide_wait_unlock(lock);
        return 0;
    }
    struct bide_wake wake;
    bide_waiter *first = bide_queue_first(&mutex->queue_);
    uintptr_t rest = first->link_.next_ != &mutex->queue_ ? WAITED : 0;
    if (locking_of(first)->overtaken_ >= OVERTAKEN_MOST) {
        /* The word before the grant: invariant 5. */
        atomic_store_explicit(word_of(mutex), locking_of(first)->party_ | rest, memory_order_relaxed);
        bide_waiter_grant(first, &wake);
    } else {
        rouse_first(mutex, &wake);
        atomic_store_explicit(word_of(mutex), ROUSED | rest, memory_order_release);
    }
    bide_wait_unlock(lock);
    bide_wake_run(&wake);
    return 0;
}

int bide_mutex_unlock(bide_mutex *mutex)
{
    if (!mutex) return BIDE_EINVAL;
    uintptr_t party = bide_party();
    uintptr_t expected = party;
    if (atomic_compare_exchange_strong_explicit(word_of(mutex), &expected, 0, memory_order_release,
                                                memory_order_relaxed))
        return 0;
    return unlock_waited(mutex, party);
}

/* --- Locking, as a future --- */

/* The one that was roused does not come: clears ROUSED, and rouses the next if the mutex is free. Lock held.
 * Returns whether there is a wake to run. */
static bool pass_on(bide_mutex *mutex, struct bide_wake *wake)
{
    uintptr_t seen = atomic_fetch_and_explicit(word_of(mutex), ~(uintptr_t)ROUSED, memory_order_relaxed);
    if (owner_in(seen) != 0 || !(seen & WAITED)) return false;
    rouse_first(mutex, wake);
    /* Somebody may take and free the mutex in between; each step leaves it as invariant 2 has it, for its unlock
     * waits for the lock if it sees WAITED alone. */
    atomic_fetch_or_explicit(word_of(mutex), ROUSED, memory_order_relaxed);
    if (bide_wait_none(&mutex->queue_))
        atomic_fetch_and_explicit(word_of(mutex), ~(uintptr_t)WAITED, memory_order_relaxed);
    return true;
}

static int finish(bide_mutex_locking *locking, int result)
{
    bide_wait_settle(&locking->waiter_);
    locking->result = result;
    return BIDE_READY;
}

/* It has been handed over to who polled last, and is the caller's. */
static int take_over(bide_mutex_locking *locking)
{
    uintptr_t party = bide_party();
    _Atomic uintptr_t *word = word_of(locking->mutex_);
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (owner_in(seen) != party &&
           !atomic_compare_exchange_weak_explicit(word, &seen, party | (seen & FLAGS), memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
    return finish(locking, 0);
}

/* Takes the mutex, or queues and returns true. Lock held, the waiter is idle. */
static bool queue_unless_free(bide_mutex_locking *locking, uintptr_t party, const bide_context *cx)
{
    bide_mutex *mutex = locking->mutex_;
    uintptr_t kept = locking->roused_ ? ~(uintptr_t)ROUSED : ~(uintptr_t)0;
    uintptr_t seen = atomic_load_explicit(word_of(mutex), memory_order_relaxed);
    uintptr_t owner;
    do {
        owner = owner_in(seen);
        if (owner == party) {
            locking->result = BIDE_EDEADLK;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(word_of(mutex), &seen,
                                                    (owner ? seen | WAITED : seen | party) & kept,
                                                    memory_order_acquire, memory_order_relaxed));
    locking->result = 0;
    if (owner == 0) return false;
    locking->party_ = party;
    if (locking->roused_) {
        locking->overtaken_++;
        bide_wait_link_first(&mutex->queue_, &locking->waiter_, cx);
    } else {
        bide_wait_link(&mutex->queue_, &locking->waiter_, cx);
    }
    locking->roused_ = false;
    return true;
}

static int locking_poll(bide_future *self, bide_context *cx)
{
    bide_mutex_locking *locking = (bide_mutex_locking *)self;
    bide_mutex *mutex = locking->mutex_;
    bide_waiter *waiter = &locking->waiter_;
    if (!mutex) return BIDE_READY;
    if (bide_wait_has(waiter)) return take_over(locking);
    uintptr_t party = bide_party();
    if (bide_waiter_state(waiter) == 0 && !locking->roused_ && overtake(mutex, party))
        return finish(locking, 0);
    /* One that was roused may be in its wake still: it is queued anew only afterwards. */
    if (!(bide_waiter_state(waiter) & BIDE_WAITER_LINKED)) bide_waiter_quiesce(waiter);

    struct bide_wake wake;
    bool queued = true;
    bool passed = false;
    bide_os_mutex *lock = bide_wait_lock(mutex);
    bool mine = bide_wait_take(waiter);
    if (mine) {
        queued = false;
    } else if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) {
        locking->party_ = party;
        bide_wait_link(&mutex->queue_, waiter, cx);
    } else if (bide_waiter_state(waiter) == 0) {
        queued = queue_unless_free(locking, party, cx);
        if (!queued && locking->result && locking->roused_) passed = pass_on(mutex, &wake);
    } else {
        /* Roused since we looked, and in its wake. */
        bide_wait_unlock(lock);
        return locking_poll(self, cx);
    }
    bide_wait_unlock(lock);
    if (passed) bide_wake_run(&wake);
    if (mine) return take_over(locking);
    return queued ? BIDE_PENDING : finish(locking, locking->result);
}

static int locking_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_mutex_locking *locking = (bide_mutex_locking *)self;
    bide_mutex *mutex = locking->mutex_;
    bide_waiter *waiter = &locking->waiter_;
    struct bide_wake wake;
    bool passed = false;
    bide_os_mutex *lock = bide_wait_lock(mutex);
    bool mine = bide_wait_take(waiter);
    if (mine) {
        /* Nothing to leave. */
    } else if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) {
        bide_waiter_unlink(waiter);
        if (bide_wait_none(&mutex->queue_))
            atomic_fetch_and_explicit(word_of(mutex), ~(uintptr_t)WAITED, memory_order_relaxed);
    } else if (locking->roused_) {
        passed = pass_on(mutex, &wake);
    }
    bide_wait_unlock(lock);
    if (passed) bide_wake_run(&wake);
    if (mine) {
        (void)take_over(locking);
        return BIDE_COMPLETED;
    }
    return finish(locking, BIDE_ECANCELED);
}

static void locking_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_mutex_locking *)self)->mutex_, text, room);
}

static const bide_future_kind locking_kind = {
    {sizeof locking_kind.ops, locking_poll, locking_cancel, BIDE_FUTURE_NAMED}, "mutex", locking_describe};

void bide_mutex_locking_init(bide_mutex_locking *locking, bide_mutex *mutex)
{
    if (!locking) return;
    bide_future_init(&locking->future, &locking_kind.ops);
    bide_waiter_init(&locking->waiter_);
    locking->mutex_ = mutex;
    locking->party_ = 0;
    locking->overtaken_ = 0;
    locking->roused_ = false;
    locking->result = mutex ? BIDE_ECANCELED : BIDE_EINVAL;
}

/* --- Locking, as a call --- */

static BIDE_OS_NOINLINE int lock_slow(bide_mutex *mutex, uintptr_t party, bide_instant deadline)
{
    if (bide_mutex_is_mine(mutex)) return BIDE_EDEADLK;
    if (overtake(mutex, party)) return 0;
    if (deadline.ns == BIDE_NOW.ns) return BIDE_EAGAIN;
    bide_mutex_locking locking;
    bide_mutex_locking_init(&locking, mutex);
    int error = bide_await(&locking.future, deadline);
    return error ? error : locking.result;
}

int bide_mutex_lock(bide_mutex *mutex, bide_instant deadline)
{
    if (!mutex) return BIDE_EINVAL;
    uintptr_t party = bide_party();
    uintptr_t expected = 0;
    if (atomic_compare_exchange_strong_explicit(word_of(mutex), &expected, party, memory_order_acquire,
                                                memory_order_relaxed))
        return 0;
    return lock_slow(mutex, party, deadline);
}
