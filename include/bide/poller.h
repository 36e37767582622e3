/**
 * @file bide/poller.h
 * @brief Readiness of descriptors: epoll, poll(2) and their like behind one interface.
 *
 * A poller watches any number of descriptors and tells which are ready. It is the lowest layer of Bide that
 * can be used alone; `bide_async` and the reactor stand on it.
 *
 * @code
 * bide_poller *poller;
 * int err = bide_poller_new(&poller, NULL);
 * err = bide_poller_add(poller, sock, 7, BIDE_POLL_READ, BIDE_POLL_ONESHOT);
 * bide_poll_event events[64];
 * int count = bide_poller_wait(poller, events, 64, bide_after(BIDE_SECONDS(1)));
 * for (int i = 0; i < count; i++)
 *     if (events[i].key == 7 && (events[i].ready & BIDE_POLL_READ)) take_in(sock);
 * bide_poller_delete(poller, sock);
 * bide_poller_free(poller);
 * @endcode
 *
 * **Threads.** Any thread may add, modify, delete and notify at any time, also while another one waits: the
 * change takes effect during that wait. One thread waits at a time; a second one gets BIDE_EBUSY at once.
 * None of these functions is a cancellation point (pthread_cancel(3)).
 *
 * **Back ends.** "epoll" (Linux), "kqueue" (macOS, the BSDs), "port" (illumos), "iocp" (Windows), and "poll"
 * (every POSIX system). Without a name, the environment variable `BIDE_BACKEND` decides, and without that the
 * first that the system permits.
 *
 * |                                      | epoll             | kqueue           | port             | poll             |
 * |--------------------------------------|-------------------|------------------|------------------|------------------|
 * | BIDE_POLL_ONESHOT, BIDE_POLL_LEVEL   | yes               | yes              | yes              | yes              |
 * | BIDE_POLL_EDGE, ..._EDGE_ONESHOT     | yes               | yes              | BIDE_ENOTSUP     | BIDE_ENOTSUP     |
 * | BIDE_POLL_PRI                        | yes               | macOS, OpenBSD   | yes              | yes              |
 * | devices without a poll, as /dev/null | BIDE_ENOTPOLLABLE | as the system    | as the system    | always ready     |
 * | bide_poller_fd()                     | yes               | yes              | BIDE_ENOTSUP     | BIDE_ENOTSUP     |
 * | cost of a wait                       | by what is ready  | by what is ready | by what is ready | by what is there |
 *
 * On Linux a deadline is met as precisely as the thread's timer slack allows (50 us unless changed, prctl(2)).
 * Where a sandbox leaves nothing better, it is rounded up to milliseconds. NetBSD and OpenBSD round it up to the
 * next tick of their clock, 10 ms. With "kqueue" another queue can be watched, and is never writable; what a queue tells
 * besides descriptors is in bide/os/kqueue.h.
 *
 * **Windows** has "iocp": one-shot and level modes on sockets alone, by what is ready, without bide_poller_fd().
 * There the end of the other side is BIDE_POLL_RDHUP and readable, a reset is BIDE_POLL_HUP, and what another thread
 * took out of a socket since may still be reported. See bide/os/windows.h for other handles.
 *
 * **What does not work.** Regular files and folders cannot be watched (BIDE_ENOTPOLLABLE). Delete a
 * descriptor *before* you close it: afterwards its number may already belong to something else, and a
 * duplicate of it (dup(2), fork(2)) keeps it alive in epoll, where nobody can take it out any more. After
 * fork(2) the child may do one thing with a poller that it inherited: free it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_POLLER_H
#define BIDE_POLLER_H

#include <bide/error.h>
#include <bide/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A poller. Made by bide_poller_new(), freed by bide_poller_free(). */
typedef struct bide_poller bide_poller;

/** What to watch a descriptor for, and what it is ready for: a sum of these. */
enum bide_poll_flag {
    BIDE_POLL_READ = 1,  /**< reading would not block: bytes, a connection to accept, or the end */
    BIDE_POLL_WRITE = 2, /**< writing would not block, or connecting has ended */
    BIDE_POLL_PRI = 4,   /**< urgent data, as poll(2) says of POLLPRI */
    BIDE_POLL_RDHUP = 8, /**< a stream's other end will write no more (not with "port"; "poll": Linux) */
    BIDE_POLL_HUP = 16,  /**< hung up, both ways. Reported always, asked for or not */
    BIDE_POLL_ERR = 32   /**< an error is pending. Reported always, asked for or not */
};

/** How often readiness is reported. */
typedef enum bide_poll_mode {
    /** Once. Then the registration stays but is silent, hang-ups and errors included, until
     *  bide_poller_modify() arms it again. */
    BIDE_POLL_ONESHOT = 0,
    /** By every wait, for as long as it lasts. With an interest of 0, too, a hang-up or an error is
     *  reported by every wait: delete such a registration, or it makes the loop spin. */
    BIDE_POLL_LEVEL = 1,
    /** When something new has come, and once at the registration for what was there already. So go on until
     *  the system says EAGAIN. */
    BIDE_POLL_EDGE = 2,
    /** The next edge, once; then silent as BIDE_POLL_ONESHOT. bide_poller_modify() arms it again, and
     *  reports what is there already. */
    BIDE_POLL_EDGE_ONESHOT = 3
} bide_poll_mode;

/** One ready descriptor. */
typedef struct bide_poll_event {
    uint64_t key;   /**< the key that it was registered with */
    unsigned ready; /**< a sum of BIDE_POLL_READ to BIDE_POLL_ERR, never 0 */
} bide_poll_event;

/** The key that is not to be used: all ones. */
#define BIDE_POLL_KEY_RESERVED UINT64_MAX

/**
 * @brief Makes a poller.
 *
 * @param[out] out the poller; free it with bide_poller_free(). NULL after an error.
 * @param backend one of those names, or NULL for the one named in the environment variable `BIDE_BACKEND` (not
 *        read in programs with raised privileges, see secure_getenv(3); empty counts as unset), and without
 *        it the first one of that list which the system permits.
 * @return 0, or
 *         - BIDE_EINVAL: `out` is NULL;
 *         - BIDE_EBACKEND: the name is unknown, or the system does not have or permit that back end, or any;
 *         - BIDE_EMFILE, BIDE_ENFILE, BIDE_ENOMEM: no descriptors or no memory left. Two descriptors are
 *           needed at most, one more if the kernel is older than 5.11.
 *
 * Thread-safe; does not wait. All descriptors are close-on-exec.
 */
BIDE_API int bide_poller_new(bide_poller **out, const char *backend);

/**
 * @brief Frees a poller: the descriptors it watched stay open, and as they are.
 *
 * @param poller may be NULL. No other thread may be using it.
 *
 * Only closes what the poller made for itself: in the child of a fork(2) that leaves the parent's poller
 * undisturbed.
 */
BIDE_API void bide_poller_free(bide_poller *poller);

/**
 * @brief The name of the back end in use; NULL for NULL. Static storage. Thread-safe; does
 *   not wait.
 */
BIDE_API const char *bide_poller_backend(const bide_poller *poller);

/**
 * @brief Whether this poller's back end can do a mode: `bide_poller_supports(p, BIDE_POLL_EDGE)`.
 *
 * BIDE_POLL_ONESHOT is always supported. Any value that is no mode, and NULL, give false. Thread-safe; does
 * not wait.
 */
BIDE_API bool bide_poller_supports(const bide_poller *poller, bide_poll_mode mode);

/**
 * @brief Watches a descriptor.
 *
 * What is ready already is reported by the next wait, in every mode. Several pollers may watch one
 * descriptor.
 *
 * @param fd any descriptor that can be polled; it should be non-blocking. Stays the caller's.
 * @param key what events of this registration carry. Need not be unique; not BIDE_POLL_KEY_RESERVED.
 * @param interest a sum of BIDE_POLL_READ, _WRITE, _PRI and _RDHUP. 0 watches for hang-ups and errors alone.
 *        BIDE_POLL_HUP and _ERR may be given and change nothing.
 * @param mode how often to report.
 * @return 0, or an error; nothing has changed then:
 *         - BIDE_EINVAL: NULL, the reserved key, an unknown bit in `interest`, no known mode;
 *         - BIDE_ENOTSUP: the back end does not have this mode, see bide_poller_supports();
 *         - BIDE_EEXIST: `fd` is registered here already; that registration goes on as it was;
 *         - BIDE_ENOTPOLLABLE: a regular file, a folder, or a device that cannot be polled;
 *         - BIDE_EBADF: closed or negative;
 *         - BIDE_ENOMEM, BIDE_ENOSPC: no memory, or the user's limit of watched descriptors
 *           (/proc/sys/fs/epoll/max_user_watches) is reached.
 *
 * Thread-safe, also against a wait, in which it takes effect. Does not wait.
 */
BIDE_API int bide_poller_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest,
                             bide_poll_mode mode);

/**
 * @brief Changes key, interest and mode of a registration, and arms it again.
 *
 * What is ready at this moment is reported by the next wait, in every mode.
 *
 * @param fd registered here; for the other arguments see bide_poller_add().
 * @return 0, or an error; nothing has changed then:
 *         - BIDE_ENOENT: `fd` is not registered here;
 *         - BIDE_EINVAL, BIDE_ENOTSUP, BIDE_EBADF: as bide_poller_add().
 *
 * Thread-safe, also against a wait, in which it takes effect. Does not wait.
 */
BIDE_API int bide_poller_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest,
                                bide_poll_mode mode);

/**
 * @brief Ends the watching of a descriptor. It may be closed afterwards.
 *
 * No wait that begins after this call reports it. One that is just returning in another thread still may:
 * who frees what a key stands for must make sure that no wait is under way, or use keys that can be told to
 * be stale.
 *
 * @return 0, BIDE_ENOENT: `fd` is not registered here, BIDE_EBADF: closed or negative, and so not registered
 *         any more, or BIDE_EINVAL: NULL.
 *
 * Thread-safe, also against a wait, in which it takes effect. Does not wait.
 */
BIDE_API int bide_poller_delete(bide_poller *poller, bide_fd fd);

/**
 * @brief Waits until a descriptor is ready, bide_poller_notify() is called, or the deadline comes.
 *
 * Signals neither end the wait nor move its deadline. It never ends before the deadline without an event or
 * a notification. If more descriptors are ready than there is room for, the next waits begin with those that
 * were left out.
 *
 * @param[out] events filled from the start; each registration appears at most once.
 * @param capacity room in `events`, at least 1.
 * @param deadline BIDE_NOW does not wait, BIDE_NEVER waits for ever.
 * @return the number of events; 0 after a notification, which may also come with events, or at the deadline.
 *         Or an error:
 *         - BIDE_EINVAL: `poller` or `events` is NULL, or `capacity` 0;
 *         - BIDE_EBUSY: another thread is waiting; nothing was done.
 *
 * Usable from any thread, one at a time. Not inside a signal handler. Allocates nothing.
 */
BIDE_API int bide_poller_wait(bide_poller *poller, bide_poll_event *events, size_t capacity,
                              bide_instant deadline);

/**
 * @brief Ends a wait: the present one, or else the next one, which then does not block.
 *
 * Never lost, and counted once however often it is called before a wait ends. What a thread wrote before it
 * called is seen by the thread whose wait it ends. Makes a system call only if a thread is blocked in a wait
 * and nobody notified it yet.
 *
 * @return 0, or BIDE_EINVAL: NULL.
 *
 * Thread-safe, async-signal-safe; leaves `errno` as it is. Does not wait.
 */
BIDE_API int bide_poller_notify(bide_poller *poller);

/**
 * @brief A descriptor that is readable when bide_poller_wait() has something to report: for putting a poller
 * into another event loop.
 *
 * It becomes readable for events and, from the first call of this function on, for notifications as well
 * (each first one then costs a system call). It may be readable for nothing. When it is readable, call
 * bide_poller_wait() with BIDE_NOW; never read from it or close it. It does not know of deadlines.
 *
 * @param[out] out the descriptor; it is the poller's, and lives as long. BIDE_INVALID_FD after an error.
 * @return 0, BIDE_EINVAL: `poller` or `out` is NULL, or BIDE_ENOTSUP: the back end has none.
 *
 * Thread-safe; does not wait.
 */
BIDE_API int bide_poller_fd(bide_poller *poller, bide_fd *out);

#ifdef __cplusplus
}
#endif

#endif
