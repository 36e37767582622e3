/**
 * @file bide/event.h
 * @brief A flag that one party sets and others await: the wake-up between threads, and from signal handlers.
 *
 * (What libuv and libev call "async".)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_EVENT_H
#define BIDE_EVENT_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How an event returns to unset. */
typedef enum bide_event_mode {
    BIDE_EVENT_AUTO = 0, /**< each set releases one wait, which unsets it; sets coalesce while nobody waits */
    BIDE_EVENT_MANUAL = 1 /**< stays set, and releases everybody, until bide_event_reset() */
} bide_event_mode;

/** The event: in storage of the caller's. The fields are private. */
typedef struct bide_event {
    uint32_t word_;
    uint32_t mode_;
    bide_link queue_;
    struct bide_event *pending_;
} bide_event;

/**
 * @brief Initialises it, unset. Nobody else may use it yet. It holds no resources. Does not wait.
 *
 * @return 0, or BIDE_EINVAL for NULL or an unknown mode.
 *
 * @code
 * static bide_event stop;
 * int err = bide_event_init(&stop, BIDE_EVENT_AUTO);
 * @endcode
 */
BIDE_API int bide_event_init(bide_event *event, bide_event_mode mode);

/**
 * @brief Checks that an event may be given up. @return 0, BIDE_EBUSY while somebody waits for it, or
 *   BIDE_EINVAL for NULL. Thread-safe; does not wait.
 *
 * An event may go out of scope once a wait was released by the last set, even if that bide_event_set() has
 * not returned yet. Otherwise no set may be running.
 */
BIDE_API int bide_event_fini(bide_event *event);

/**
 * @brief Sets it and wakes who waits. Never waits for anything but a lock held for some instructions.
 *
 * Thread-safe. Async-signal-safe, as long as those who wait for this event do so through Bide
 * (bide_event_wait(), bide_await(), sets, races, threads in bide_block_on()); a waker of your own that waits
 * for it runs inside the handler. Without a waiter it makes no system call. Keeps errno.
 */
BIDE_API void bide_event_set(bide_event *event);

/**
 * @brief Unsets it. Waits that a set released before stay released; those that begin now wait for a set that
 *   has not returned yet, or is still to come.
 *
 * Two things are not ordered by it. A set that has not returned yet may release a wait that begins after the
 * reset, and its flag be reset nevertheless. And a signal handler that interrupts its thread inside Bide
 * leaves the release of waits to that thread, which gets round to it a few instructions after the handler.
 *
 * Thread-safe, async-signal-safe. Does not wait.
 */
BIDE_API void bide_event_reset(bide_event *event);

/** @brief Whether it is set; false for NULL. Thread-safe, async-signal-safe. Does not wait. */
BIDE_API bool bide_event_is_set(const bide_event *event);

/**
 * @brief Waits until it is set. Thread-safe: any number of threads.
 *
 * @return 0, BIDE_EAGAIN or BIDE_ETIMEDOUT at the deadline, BIDE_EINVAL for NULL, or as bide_await().
 *
 * @code
 * int err = bide_event_wait(&stop, bide_after(BIDE_SECONDS(1)));
 * @endcode
 */
BIDE_API int bide_event_wait(bide_event *event, bide_instant deadline);

/** Waiting for an event, as a future. */
typedef struct bide_event_waiting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_event *event_;
    bide_waiter waiter_;
    int result; /**< when ready: 0, or BIDE_EINVAL for no event; BIDE_ECANCELED after a cancel */
} bide_event_waiting;

/** @brief Prepares a wait for the event, which must outlive it. Does not wait. */
BIDE_API void bide_event_waiting_init(bide_event_waiting *waiting, bide_event *event);

#ifdef __cplusplus
}
#endif

#endif
