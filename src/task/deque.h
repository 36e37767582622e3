/* What waits to run: a bounded queue for each worker, from which others may steal, and one for all behind
 * them.
 *
 * The bounded one is first in, first out, and so is stealing: who takes half takes the older half. The design
 * follows the run queue of Tokio's scheduler (tokio, runtime/scheduler/multi_thread/queue.rs), which took its
 * size and its overflow of half from Go's (runtime/proc.go, runqput): one word holds where the queue begins
 * and what of it a thief is still copying, so that a worker needs one compare-and-swap a task it takes and
 * none a task it adds. N. S. Arora, R. D. Blumofe, C. G. Plaxton, "Thread Scheduling for Multiprogrammed
 * Multiprocessors" (1998) and D. Chase, Y. Lev, "Dynamic Circular Work-Stealing Deque" (2005) have the idea
 * of an owner and thieves; theirs gives the owner the newest task and a thief one, which starves old tasks
 * and steals again and again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_DEQUE_H
#define BIDE_TASK_DEQUE_H

#include "os/mutex.h"

/* Part of what can be run. The link is used in the queue for all; in a worker's it means nothing. */
struct bide_runnable {
    struct bide_runnable *next;
};

/* The queue for all: takes any number. Zeroed storage is an empty one. */
struct bide_inject {
    bide_os_mutex lock;          /* guards the list */
    struct bide_runnable *first; /* the oldest */
    struct bide_runnable *last;
    _Atomic size_t length; /* changes under the lock; read without it */
};

/* Adds one, or a list of `count` > 0 that begins and ends with these. Any thread. */
void bide_inject_push(struct bide_inject *inject, struct bide_runnable *runnable);
void bide_inject_push_list(struct bide_inject *inject, struct bide_runnable *first,
                           struct bide_runnable *last, size_t count);

/* Takes up to `most`, the oldest first, as a list that ends with NULL. Returns how many, and takes no lock if
 * the queue looks empty. Any thread. */
size_t bide_inject_take(struct bide_inject *inject, struct bide_runnable **first, size_t most);

/* A hint: it may have changed already. Who sleeps when it is 0 must make sure, by a sequentially consistent
 * fence between "I sleep" and this look, that who pushes and then looks for sleepers sees him. */
static inline size_t bide_inject_length(struct bide_inject *inject)
{
    return atomic_load_explicit(&inject->length, memory_order_relaxed);
}

/* A power of two; 256 is what Go and Tokio have. */
#define BIDE_DEQUE_SIZE 256u

/* deque.c tells what holds between the fields. Zeroed storage is an empty one. */
struct bide_deque {
    _Alignas(64) _Atomic uint64_t head; /* freed in the upper half, taken in the lower */
    _Atomic uint32_t tail;
    struct bide_runnable *_Atomic slots[BIDE_DEQUE_SIZE];
};

static inline struct bide_runnable *bide_deque_get(struct bide_deque *deque, uint32_t counter)
{
    return atomic_load_explicit(&deque->slots[counter % BIDE_DEQUE_SIZE], memory_order_relaxed);
}

static inline void bide_deque_put(struct bide_deque *deque, uint32_t counter, struct bide_runnable *runnable)
{
    atomic_store_explicit(&deque->slots[counter % BIDE_DEQUE_SIZE], runnable, memory_order_relaxed);
}

/* The rest of a push, where the ring is full. */
void bide_deque_push_full(struct bide_deque *deque, struct bide_runnable *runnable,
                          struct bide_inject *inject);

/* Adds one at the end; the owner. If there is no room, the older half of the queue and the new one go to
 * `inject`; or the new one alone, if a thief is taking some just now. */
static inline void bide_deque_push(struct bide_deque *deque, struct bide_runnable *runnable,
                                   struct bide_inject *inject)
{
    /* e., c., a. of deque.c */
    uint32_t tail = atomic_load_explicit(&deque->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&deque->head, memory_order_acquire);
    if (tail - (uint32_t)(head >> 32) >= BIDE_DEQUE_SIZE) {
        bide_deque_push_full(deque, runnable, inject);
        return;
    }
    bide_deque_put(deque, tail, runnable);
    atomic_store_explicit(&deque->tail, tail + 1, memory_order_release);
}

/* Takes the oldest one, or NULL; the owner. */
struct bide_runnable *bide_deque_pop(struct bide_deque *deque);

/* The same, of a queue that has no thieves: no locked operation. */
static inline struct bide_runnable *bide_deque_pop_alone(struct bide_deque *deque)
{
    uint32_t tail = atomic_load_explicit(&deque->tail, memory_order_relaxed);
    uint32_t taken = (uint32_t)atomic_load_explicit(&deque->head, memory_order_relaxed);
    if (taken == tail) return NULL;
    uint32_t next = taken + 1;
    atomic_store_explicit(&deque->head, (uint64_t)next << 32 | next, memory_order_relaxed);
    return bide_deque_get(deque, taken);
}

/* The oldest one, or NULL; the owner. Thieves may have it by now. */
static inline struct bide_runnable *bide_deque_first(struct bide_deque *deque)
{
    uint32_t taken = (uint32_t)atomic_load_explicit(&deque->head, memory_order_relaxed);
    bool empty = taken == atomic_load_explicit(&deque->tail, memory_order_relaxed);
    return empty ? NULL : bide_deque_get(deque, taken);
}

/* Takes half of what is in `from`, rounded up, from its older end; the owner of `to`. Returns the oldest, and
 * the others are in `to`. NULL: it is empty, another thief is at it, or `to` is more than half full.
 * Lock-free, and does not try again: there are other queues. */
struct bide_runnable *bide_deque_steal(struct bide_deque *from, struct bide_deque *to);

/* How many there are; a hint, but for the owner who has no thieves. */
uint32_t bide_deque_length(struct bide_deque *deque);

/* The two steps of a theft, between which the thief copies: slots first to first + count - 1 of `from` are
 * his. For bide_deque_steal, and for tests that stop in between. */
struct bide_claim {
    uint32_t first;
    uint32_t count;
};
bool bide_deque_claim(struct bide_deque *from, struct bide_claim *claim);
void bide_deque_settle(struct bide_deque *from);

#endif
