/* The condition: a queue of waits, each of which unlocks a mutex when it is queued and locks it again before it
 * ends, however it ends.
 *
 *   NEW --polled: queued, unlocked--> QUEUED --signalled--> LOCKING --locked--> done
 *                                        \--cancelled-----> LOCKING (RESULT is BIDE_ECANCELED)
 *
 * INVARIANTS
 * 1. A wait is queued before it unlocks the mutex: who changes what it waits for under the mutex and signals
 *    afterwards finds it.
 * 2. WAITED in the word equals "queue not empty" whenever the wait lock is free; it changes under that lock. A
 *    signaller that sees none does not take the lock.
 * 3. From QUEUED on, only a locked mutex ends the wait, a cancel included, which is BIDE_PENDING meanwhile: its
 *    owner always has the mutex again.
 *
 * A signalled wait is not moved to the mutex' queue: it may find it free, and each kind of queue stays in one file.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/thread.h"
#include "sync/mutex.h"
#include "sync/waiting.h"

enum { NEW, QUEUED, LOCKING, DONE };
enum { WAITED = 1u };

static _Atomic uint32_t *word_of(bide_condition *condition)
{
    return BIDE_ATOMIC_U32(&condition->word_);
}

void bide_condition_init(bide_condition *condition)
{
    static const bide_condition fresh = BIDE_CONDITION_INIT;
    if (condition) *condition = fresh;
}

int bide_condition_fini(bide_condition *condition)
{
    if (!condition) return BIDE_EINVAL;
    return atomic_load(word_of(condition)) ? BIDE_EBUSY : 0;
}

/* Wakes the first, or all. */
static void release(bide_condition *condition, bool all)
{
    /* seq_cst: for those who signal without the mutex, "change, then look for waits" here against "queue, then
     * look at what has changed" on the other side */
    if (!condition || !(atomic_load(word_of(condition)) & WAITED)) return;
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(condition);
    if (!bide_wait_none(&condition->queue_)) {
        if (all)
            bide_ring_splice(&condition->queue_, &batch);
        else
            bide_wait_move_first(&condition->queue_, &batch);
        if (bide_wait_none(&condition->queue_)) atomic_store(word_of(condition), 0);
    }
    bide_wait_give(lock, condition, &batch);
}

void bide_condition_signal(bide_condition *condition)
{
    release(condition, false);
}

void bide_condition_broadcast(bide_condition *condition)
{
    release(condition, true);
}

/* Queues the wait, then unlocks. Returns false, and the result, if there is nothing to unlock. */
static bool begin(bide_condition_waiting *waiting, const bide_context *cx)
{
    bide_condition *condition = waiting->condition_;
    bide_mutex *mutex = waiting->locking_.mutex_;
    if (!bide_mutex_is_mine(mutex)) {
        waiting->result = BIDE_EPERM;
        return false;
    }
    bide_os_mutex *lock = bide_wait_lock(condition);
    bide_wait_link(&condition->queue_, &waiting->waiter_, cx);
    atomic_store(word_of(condition), WAITED);
    bide_wait_unlock(lock);
    waiting->stage_ = QUEUED;
    (void)bide_mutex_unlock(mutex);
    return true;
}

static int lock_again(bide_condition_waiting *waiting, bide_context *cx)
{
    if (bide_future_poll(&waiting->locking_.future, cx) == BIDE_PENDING) return BIDE_PENDING;
    waiting->stage_ = DONE;
    return BIDE_READY;
}

/* Leaves the queue, with what became of the wait. Lock held. */
static void leave(bide_condition_waiting *waiting, int result)
{
    bide_waiter *waiter = &waiting->waiter_;
    if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) {
        bide_waiter_unlink(waiter);
        if (bide_wait_none(&waiting->condition_->queue_)) atomic_store(word_of(waiting->condition_), 0);
    }
    waiting->result = result;
    waiting->stage_ = LOCKING;
}

static int waiting_poll(bide_future *self, bide_context *cx)
{
    bide_condition_waiting *waiting = (bide_condition_waiting *)self;
    bide_waiter *waiter = &waiting->waiter_;
    if (!waiting->condition_ || !waiting->locking_.mutex_) return BIDE_READY;
    if (waiting->stage_ == NEW) return begin(waiting, cx) ? BIDE_PENDING : BIDE_READY;
    if (waiting->stage_ == QUEUED) {
        bool signalled = bide_wait_has(waiter);
        if (!signalled) {
            bide_os_mutex *lock = bide_wait_lock(waiting->condition_);
            signalled = bide_wait_take(waiter);
            if (!signalled) bide_wait_link(&waiting->condition_->queue_, waiter, cx);
            bide_wait_unlock(lock);
        }
        if (!signalled) return BIDE_PENDING;
        bide_wait_settle(waiter);
        waiting->result = 0;
        waiting->stage_ = LOCKING;
    }
    return lock_again(waiting, cx);
}

static int waiting_cancel(bide_future *self, bide_context *cx)
{
    bide_condition_waiting *waiting = (bide_condition_waiting *)self;
    if (waiting->stage_ == QUEUED) {
        bide_os_mutex *lock = bide_wait_lock(waiting->condition_);
        bool signalled = bide_wait_take(&waiting->waiter_);
        leave(waiting, signalled ? 0 : BIDE_ECANCELED);
        bide_wait_unlock(lock);
        bide_wait_settle(&waiting->waiter_);
    }
    if (lock_again(waiting, cx) == BIDE_PENDING) return BIDE_PENDING;
    return waiting->result == 0 ? BIDE_COMPLETED : BIDE_READY;
}

static void waiting_describe(const bide_future *self, char *text, size_t room)
{
    const bide_condition_waiting *waiting = (const bide_condition_waiting *)self;
    bide_wait_describe(waiting->condition_, text, room);
}

static const bide_future_kind waiting_kind = {{sizeof waiting_kind.ops, waiting_poll, waiting_cancel,
                                               BIDE_FUTURE_NAMED},
                                              "condition",
                                              waiting_describe};

void bide_condition_waiting_init(bide_condition_waiting *waiting, bide_condition *condition,
                                 bide_mutex *mutex)
{
    if (!waiting) return;
    bide_future_init(&waiting->future, &waiting_kind.ops);
    bide_waiter_init(&waiting->waiter_);
    bide_mutex_locking_init(&waiting->locking_, mutex);
    waiting->condition_ = condition;
    waiting->stage_ = NEW;
    waiting->result = condition && mutex ? BIDE_ECANCELED : BIDE_EINVAL;
}

int bide_condition_wait(bide_condition *condition, bide_mutex *mutex, bide_instant deadline)
{
    bide_condition_waiting waiting;
    bide_condition_waiting_init(&waiting, condition, mutex);
    int error = bide_await(&waiting.future, deadline);
    /* An await that fails, because the poller does, leaves the mutex to be locked all the same. */
    while (waiting.stage_ == QUEUED || waiting.stage_ == LOCKING) {
        int answer = bide_cancel(&waiting.future);
        if (answer == BIDE_COMPLETED) error = 0;
        if (answer < 0) bide_os_thread_yield();
    }
    return error ? error : waiting.result;
}
