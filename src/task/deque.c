/* The workers' queues and the one behind them: see deque.h. docs/models/deque.pml goes through all orders of
 * their steps.
 *
 *        freed        taken              tail
 *   …free | being copied | waiting to run  | free…        ring of BIDE_DEQUE_SIZE slots, counters modulo 2^32
 *
 * INVARIANTS
 * 1. freed <= taken <= tail <= freed + BIDE_DEQUE_SIZE.
 * 2. Only the owner writes tail, and slots, and of these only such as are not in [freed, tail).
 * 3. Whoever moves `taken` over a slot has what was in it, and nobody else.
 * 4. freed != taken while a thief copies, and only then. There is one at most: others see it and go away, and
 *    so does the owner's overflow. What the owner takes meanwhile he takes behind the thief's slots, and
 *    freed waits until the thief settles; it then goes as far as taken.
 *
 * MEMORY ORDERS a. tail: the owner's release after the slot, a thief's acquire before it: the thief finds
 * what was put there,
 *    and what the owner wrote to the task.
 * b. head, owner to thief: pop and overflow release, and thieves acquire it before they read tail, so that no
 *    thief sees a `taken` that is ahead of the tail he sees: tail - taken is never negative. c. head, thief
 * to owner: settle releases, push acquires before it writes a slot: a slot is written again after
 *    the thief has read it. Steps in between are read-modify-writes, which continue the release sequence.
 * d. A thief's claim succeeds only if head has not changed since he read it, so that what he read of tail and
 *    slots still holds: invariant 2. That head comes back to a value by wrapping round takes 2^32 tasks
 *    between two of the thief's instructions.
 * e. The owner reads his own slots and tail without any order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/deque.h"

#include "os/assert.h"
#include "os/compiler.h"

/* --- The queue for all --- */

void bide_inject_push_list(struct bide_inject *inject, struct bide_runnable *first,
                           struct bide_runnable *last, size_t count)
{
    last->next = NULL;
    bide_os_mutex_lock(&inject->lock);
    if (inject->first)
        inject->last->next = first;
    else
        inject->first = first;
    inject->last = last;
    size_t length = atomic_load_explicit(&inject->length, memory_order_relaxed);
    atomic_store_explicit(&inject->length, length + count, memory_order_relaxed);
    bide_os_mutex_unlock(&inject->lock);
}

void bide_inject_push(struct bide_inject *inject, struct bide_runnable *runnable)
{
    bide_inject_push_list(inject, runnable, runnable, 1);
}

size_t bide_inject_take(struct bide_inject *inject, struct bide_runnable **first, size_t most)
{
    *first = NULL;
    if (most == 0 || bide_inject_length(inject) == 0) return 0;
    bide_os_mutex_lock(&inject->lock);
    struct bide_runnable *last = inject->first;
    size_t count = 0;
    if (last) {
        *first = last;
        for (count = 1; count < most && last->next; count++)
            last = last->next;
        inject->first = last->next;
        last->next = NULL;
        size_t length = atomic_load_explicit(&inject->length, memory_order_relaxed);
        atomic_store_explicit(&inject->length, length - count, memory_order_relaxed);
    }
    bide_os_mutex_unlock(&inject->lock);
    return count;
}

/* --- A worker's --- */

#define HALF (BIDE_DEQUE_SIZE / 2)

_Static_assert((BIDE_DEQUE_SIZE & (BIDE_DEQUE_SIZE - 1)) == 0,
               "counters wrap round at a multiple of the size");

static uint64_t pack(uint32_t freed, uint32_t taken)
{
    return (uint64_t)freed << 32 | taken;
}

static uint32_t freed_of(uint64_t head)
{
    return (uint32_t)(head >> 32);
}

static uint32_t taken_of(uint64_t head)
{
    return (uint32_t)head;
}

static struct bide_runnable *get(struct bide_deque *deque, uint32_t counter)
{
    return bide_deque_get(deque, counter);
}

uint32_t bide_deque_length(struct bide_deque *deque)
{
    /* b. */
    uint64_t head = atomic_load_explicit(&deque->head, memory_order_acquire);
    uint32_t length = atomic_load_explicit(&deque->tail, memory_order_relaxed) - taken_of(head);
    /* What was taken and added between the two reads is too many for a queue. */
    return length < BIDE_DEQUE_SIZE ? length : BIDE_DEQUE_SIZE;
}

/* Moves the older half and the new one to the queue for all. False: thieves came first, and there is room. */
static BIDE_OS_NOINLINE bool overflow(struct bide_deque *deque, uint32_t taken,
                                      struct bide_runnable *runnable, struct bide_inject *inject)
{
    uint64_t head = pack(taken, taken);
    /* b. Nobody copies, and the owner does not write slots while he reads them: freed may go along at once.
     * */
    if (!atomic_compare_exchange_strong_explicit(&deque->head, &head, pack(taken + HALF, taken + HALF),
                                                 memory_order_release, memory_order_relaxed))
        return false;
    struct bide_runnable *first = get(deque, taken);
    struct bide_runnable *last = first;
    for (uint32_t i = 1; i < HALF; i++) {
        last->next = get(deque, taken + i);
        last = last->next;
    }
    last->next = runnable;
    bide_inject_push_list(inject, first, runnable, HALF + 1);
    return true;
}

BIDE_OS_NOINLINE void bide_deque_push_full(struct bide_deque *deque, struct bide_runnable *runnable,
                                           struct bide_inject *inject)
{
    uint32_t tail = atomic_load_explicit(&deque->tail, memory_order_relaxed); /* e. */
    for (;;) {
        uint64_t head = atomic_load_explicit(&deque->head, memory_order_acquire); /* c. */
        BIDE_ASSERT(tail - freed_of(head) <= BIDE_DEQUE_SIZE);
        if (tail - freed_of(head) < BIDE_DEQUE_SIZE) break;
        if (freed_of(head) != taken_of(head)) {
            bide_inject_push(inject, runnable);
            return;
        }
        if (overflow(deque, taken_of(head), runnable, inject)) return;
    }
    bide_deque_put(deque, tail, runnable);
    atomic_store_explicit(&deque->tail, tail + 1, memory_order_release); /* a. */
}

struct bide_runnable *bide_deque_pop(struct bide_deque *deque)
{
    uint32_t tail = atomic_load_explicit(&deque->tail, memory_order_relaxed); /* e. */
    uint64_t head = atomic_load_explicit(&deque->head, memory_order_relaxed);
    uint64_t next;
    do {
        uint32_t taken = taken_of(head);
        if (taken == tail) return NULL;
        /* Invariant 4. */
        next = pack(freed_of(head) == taken ? taken + 1 : freed_of(head), taken + 1);
        /* b. */
    } while (!atomic_compare_exchange_weak_explicit(&deque->head, &head, next, memory_order_release,
                                                    memory_order_relaxed));
    return get(deque, taken_of(head));
}

bool bide_deque_claim(struct bide_deque *from, struct bide_claim *claim)
{
    uint64_t head = atomic_load_explicit(&from->head, memory_order_acquire); /* b. */
    uint32_t tail = atomic_load_explicit(&from->tail, memory_order_acquire); /* a. */
    uint32_t taken = taken_of(head);
    if (freed_of(head) != taken || taken == tail) return false;
    uint32_t count = tail - taken;
    count -= count / 2;
    /* d. If head is old, tail - taken may be more than the ring has; then this fails. */
    if (!atomic_compare_exchange_strong_explicit(&from->head, &head, pack(taken, taken + count),
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    BIDE_ASSERT(count <= HALF);
    claim->first = taken;
    claim->count = count;
    return true;
}

void bide_deque_settle(struct bide_deque *from)
{
    uint64_t head = atomic_load_explicit(&from->head, memory_order_relaxed);
    /* c. The owner may have taken some meanwhile. */
    while (!atomic_compare_exchange_weak_explicit(&from->head, &head, pack(taken_of(head), taken_of(head)),
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

struct bide_runnable *bide_deque_steal(struct bide_deque *from, struct bide_deque *to)
{
    uint32_t tail = atomic_load_explicit(&to->tail, memory_order_relaxed); /* e. */
    uint64_t head = atomic_load_explicit(&to->head, memory_order_acquire); /* c. */
    struct bide_claim claim;
    if (tail - freed_of(head) > HALF || !bide_deque_claim(from, &claim)) return NULL;
    struct bide_runnable *first = get(from, claim.first);
    for (uint32_t i = 1; i < claim.count; i++)
        bide_deque_put(to, tail++, get(from, claim.first + i));
    bide_deque_settle(from);
    if (claim.count > 1) atomic_store_explicit(&to->tail, tail, memory_order_release); /* a. */
    return first;
}
