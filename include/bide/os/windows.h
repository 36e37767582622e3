/**
 * @file bide/os/windows.h
 * @brief What Windows has beyond sockets: handles to wait for, and packets for a poller. For Windows alone.
 *
 * A handle that can be waited for is an event, a process, a thread, a waitable timer, a semaphore, a mutex: what
 * WaitForSingleObject() takes. The system's thread pool waits for it, so that any number may be awaited beside
 * sockets and timers.
 *
 * @code
 * STARTUPINFOW start = {.cb = sizeof start};
 * PROCESS_INFORMATION child;
 * CreateProcessW(L"C:\\Windows\\System32\\where.exe", NULL, NULL, NULL, FALSE, 0, NULL, NULL, &start, &child);
 * int err = bide_wait_handle(child.hProcess, bide_after(BIDE_SECONDS(10)));
 * if (err == BIDE_ETIMEDOUT) TerminateProcess(child.hProcess, 1);
 * @endcode
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_OS_WINDOWS_H
#define BIDE_OS_WINDOWS_H

#ifndef _WIN32
#error "bide/os/windows.h is for Windows"
#endif

#include <bide/event.h>
#include <bide/poller.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Waiting for a handle, as a future. The fields that end in an underscore are private. */
typedef struct bide_handle_wait {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    void *handle_;
    void *registration_;
    bide_event event_;
    bide_event_waiting waiting_;
    int result; /**< when ready: 0, the handle was signalled; BIDE_ECANCELED after a cancel; or an error */
} bide_handle_wait;

/**
 * @brief Prepares a wait for a handle to be signalled. Does not wait.
 *
 * A wait that ends with 0 has taken the signal of what resets itself (an event without manual reset, a
 * semaphore). A cancel at the same moment may take it as well, and say BIDE_ECANCELED: what must not be lost is
 * better reset by hand. A mutex must not be awaited: it would belong to a thread of the system's pool.
 *
 * @param wait not moved and kept until it is ready or cancelled.
 * @param handle a HANDLE with the right SYNCHRONIZE; the caller's, and open until the wait is over.
 *
 * The results: 0; BIDE_EINVAL: no handle, the calling process, whose end nobody would see, or GetCurrentThread(), which
 * means a thread only on that thread; BIDE_EBADF: not an open one; BIDE_EACCES: without the right;
 * BIDE_ENOMEM: the system's pool has no room. Thread-safe; a cancel may wait for a callback of some
 * instructions.
 */
BIDE_API void bide_handle_wait_init(bide_handle_wait *wait, void *handle);

/**
 * @brief Waits for a handle to be signalled.
 *
 * @return as bide_handle_wait_init() says, BIDE_ETIMEDOUT or BIDE_EAGAIN at the deadline, or as bide_await().
 *
 * Thread-safe: any number of threads and tasks.
 */
BIDE_API int bide_wait_handle(void *handle, bide_instant deadline);

/**
 * @brief Posts an event: a wait reports it once, as if it came of a registration with this key.
 *
 * None is merged with another, and they come in the order in which they were posted. What is posted and not taken
 * is gone with the poller.
 *
 * @param key not BIDE_POLL_KEY_RESERVED.
 * @param ready a sum of BIDE_POLL_READ to BIDE_POLL_ERR, not 0.
 * @return 0, BIDE_EINVAL: NULL, the reserved key, an unknown bit or none, BIDE_EOVERFLOW: a key of more than 32
 *         bits in a process of 32 bits, or BIDE_ENOMEM, BIDE_ENOBUFS.
 *
 * Thread-safe; does not wait.
 */
BIDE_API int bide_poller_post(bide_poller *poller, uint64_t key, unsigned ready);

#ifdef __cplusplus
}
#endif

#endif
