/**
 * @file bide/set.h
 * @brief Many futures in one wait, in constant time each: the base of servers written as state machines.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_SET_H
#define BIDE_SET_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bide_set;
struct bide_reactor;

/** One future's membership: in storage of the caller's, usually beside the future. */
typedef struct bide_set_member {
    bide_link link_;
    struct bide_set *set_;
    uint32_t state_;
    bide_future *future; /**< the member's future, as given to bide_set_add() */
    void *tag;           /**< the caller's word, as given to bide_set_add() */
} bide_set_member;

/**
 * @brief A set of futures. Itself a future, a stream: each time it is ready `result` is one member that is.
 *
 * Used by one thread at a time; wakes come from any. Allocates nothing.
 */
typedef struct bide_set {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_link ready_;
    bide_link fresh_;
    bide_link queue_;
    bide_waiter waiter_;
    struct bide_reactor *service_;
    uint32_t forks_;
    size_t count_;
    /** When ready: the member, which has left the set; NULL when the set was empty. */
    bide_set_member *result;
} bide_set;

/** @brief Makes the set empty. It must have no members, or never have been a set. Does not wait. */
BIDE_API void bide_set_init(bide_set *set);

/** @brief How many members it has; 0 for NULL. */
BIDE_API size_t bide_set_count(const bide_set *set);

/**
 * @brief Adds a future: it is polled for the first time by the next bide_set_next(). Does not wait.
 *
 * @param member storage for the membership; it and the future must stay in place until the member was yielded
 *   or removed; it need not be initialised, and must not be in a set.
 * @return 0, BIDE_EINVAL for NULL, BIDE_EDEADLK in a waker.
 */
BIDE_API int bide_set_add(bide_set *set, bide_set_member *member, bide_future *future, void *tag);

/**
 * @brief Cancels the member's future, waits until its storage is free, and takes it out.
 *
 * @param member one that bide_set_add() took once; it may have been yielded since.
 * @return BIDE_READY or BIDE_COMPLETED as bide_cancel(); BIDE_ENOENT if it is not in this set any more;
 *   BIDE_EDEADLK in a waker; BIDE_EINVAL for NULL; or another error of bide_cancel(), after which it stays.
 */
BIDE_API int bide_set_remove(bide_set *set, bide_set_member *member);

/**
 * @brief Waits for the next member that is ready, and takes it out of the set; add it again to go on (a
 *   stream, or a future that was initialised anew).
 *
 * Members are yielded in the order in which they woke, so that none starves. Costs O(1) however many wait.
 *
 * @return 0 and the member in `*ready`; BIDE_END if the set is empty; BIDE_EAGAIN or BIDE_ETIMEDOUT at the
 *   deadline (the members stay); BIDE_EFORKED in the child of a fork, for a set that was polled before it
 *   (remove the members); or an error as bide_await(). `*ready` is NULL on errors, except that a member whose
 *   poll reported misuse (BIDE_EMOVED …) is given back with that error.
 *
 * @code
 * while (bide_set_next(&set, BIDE_NEVER, &ready) == 0) step(ready->tag);
 * @endcode
 */
BIDE_API int bide_set_next(bide_set *set, bide_instant deadline, bide_set_member **ready);

#ifdef __cplusplus
}
#endif

#endif
