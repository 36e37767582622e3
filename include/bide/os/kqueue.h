/**
 * @file bide/os/kqueue.h
 * @brief What kqueue(2) tells beyond descriptors: signals, the ends of processes, timers, changes of files. For
 *   macOS, FreeBSD, NetBSD, OpenBSD and DragonFly alone.
 *
 * A `bide_kqueue` is a source of such events: a queue of its own in the kernel, as a signalfd, a pidfd, a timerfd and
 * an inotify descriptor are one each on Linux. It is awaited beside sockets and timers, whatever the back end.
 *
 * @code
 * signal(SIGTERM, SIG_IGN);
 * bide_kqueue *signals;
 * int err = bide_kqueue_signals(&signals, (const int[]){SIGTERM}, 1);
 * bide_kqueue_event event;
 * err = bide_kqueue_wait(signals, &event, bide_after(BIDE_SECONDS(10)));
 * if (!err && event.number == SIGTERM) stop();
 * bide_kqueue_free(signals);
 * @endcode
 *
 * **Threads.** A source may be used by several threads and tasks at once. Each event goes to one who waits, but for
 * the end of a process, which goes to all, then and later. **Waiting.** Only bide_kqueue_wait(), or who awaits a
 * bide_kqueue_waiting; bide_kqueue_free() waits for system calls of other threads on the source.
 *
 * **Ownership.** A source owns one descriptor, its queue. It belongs to the reactor that is current where it is
 * made. What it watches stays the caller's: files must be open for as long as they are watched, and children are
 * left to be waited for.
 *
 * **Fork.** No child of fork(2) inherits a queue. There a source of the parent gives BIDE_EFORKED, and
 * bide_kqueue_free() frees its memory.
 *
 * **Errors of every source's making**: BIDE_EINVAL (NULL, or as is said there), BIDE_EMFILE, BIDE_ENFILE, BIDE_ENOMEM
 * (of FreeBSD also where the user's limit of queues is reached), and those of bide_async_borrow(). After an error
 * `*out` is NULL, and nothing is left open.
 *
 * |                                  | macOS       | FreeBSD  | NetBSD      | OpenBSD      | DragonFly    |
 * |----------------------------------|-------------|----------|-------------|--------------|--------------|
 * | signals for one thread           | not told    | told     | told        | told         | told         |
 * | SIGCHLD while it is ignored      | told        | not told | told        | told         | told         |
 * | processes that are no children   | no status   | status   | status      | status       | status       |
 * | processes of other users         | yes         | if seen  | EACCES      | yes          | if seen      |
 * | timers are counted in            | nanoseconds | the same | the same    | the same (1) | milliseconds |
 * | BIDE_KQUEUE_DELETE               | each unlink | the same | last unlink | each unlink  | each unlink  |
 * | file systems                     | most        | all      | most        | UFS, NFS, MS-DOS | HAMMER, tmpfs, UFS |
 *
 * (1) Where its sys/event.h has NOTE_NSECONDS; in milliseconds before.
 *
 * From the systems' manual pages and sources; nothing but what they share has been run, on an emulation.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_OS_KQUEUE_H
#define BIDE_OS_KQUEUE_H

/* BIDE_WITH_KQUEUE: a kqueue(2) on another system. */
#if !defined(__APPLE__) && !defined(__FreeBSD__) && !defined(__NetBSD__) && !defined(__OpenBSD__) && \
    !defined(__DragonFly__) && !defined(BIDE_WITH_KQUEUE)
#error "bide/os/kqueue.h is for systems with kqueue(2)"
#endif

#include <bide/async.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A source of events. Made by the functions of its kind, freed by bide_kqueue_free(). */
typedef struct bide_kqueue bide_kqueue;

/** What may happen to a file: a sum of these. */
enum bide_kqueue_change {
    BIDE_KQUEUE_DELETE = 1,  /**< unlink(2) took a name of it away; on NetBSD: the last one */
    BIDE_KQUEUE_WRITE = 2,   /**< it was written to; of a folder: an entry came, went or was renamed */
    BIDE_KQUEUE_EXTEND = 4,  /**< it has grown */
    BIDE_KQUEUE_ATTRIB = 8,  /**< its attributes: owner, mode, times; on most systems also a truncation */
    BIDE_KQUEUE_LINK = 16,   /**< the number of its names; of a folder: a folder in it came or went */
    BIDE_KQUEUE_RENAME = 32, /**< it was renamed, and is still the file that is open */
    BIDE_KQUEUE_REVOKE = 64  /**< it is out of reach: revoke(2), or its file system was unmounted */
};

/** bide_kqueue_event::status where the system does not tell it. No status is like this. */
#define BIDE_KQUEUE_NO_STATUS (-1)

/** What has happened. */
typedef struct bide_kqueue_event {
    int number; /**< signals: which one; else 0 */
    int status; /**< processes: as waitpid() gives it, or BIDE_KQUEUE_NO_STATUS; else 0 */
    unsigned
        changes; /**< files: a sum of BIDE_KQUEUE_DELETE to BIDE_KQUEUE_REVOKE, all since the last event; else 0 */
    uint64_t count; /**< signals, timers: how often since the last event; else 1 */
} bide_kqueue_event;

/** @name Sources */
/**@{*/

/**
 * @brief Makes a source of signals: each one that is sent to this process from now on.
 *
 * The kernel counts what is sent, whether it is caught, blocked or ignored, and then goes on as it would without the
 * source. So a signal whose default is to end the process must be ignored or blocked beforehand, or handled. The
 * best is `sigaction()` with SIG_IGN, which programs that are executed inherit, unless they are told otherwise
 * (posix_spawnattr_setsigdefault()); what is blocked stays pending, and is delivered once it is unblocked. SIGCHLD
 * is left at its default: ignored, it would reap all children, and on FreeBSD not even be counted.
 *
 * Signals of one number that come before they are read are one event, with their count. What was pending before is
 * not told.
 *
 * @param numbers what to listen for; one that is named twice counts once.
 * @param count at least 1.
 * @return 0, or see the top of this page; BIDE_EINVAL: also what is no signal, SIGKILL and SIGSTOP.
 *
 * Thread-safe; does not wait.
 */
BIDE_API int bide_kqueue_signals(bide_kqueue **out, const int *numbers, size_t count);

/**
 * @brief Makes a source of a process' end.
 *
 * The source reaps nobody: a child is still to be waited for, which then takes a moment at most. (waitpid() with
 * WNOHANG may find it not quite dead yet, on OpenBSD and macOS.) A child that has ended already, and was not waited
 * for, is told at once. Its number cannot be another's until then; that of a process which is no child can, so
 * that the wrong one may be watched.
 *
 * The status is known of children. Of others it is known but on macOS. It is not, on OpenBSD, NetBSD and macOS, if
 * the child was ending just when the source was made and was waited for by somebody before the source was read.
 *
 * @param process its id, above 0.
 * @return 0, or see the top of this page; BIDE_ENOENT: no such process, or one that has ended and is not ours;
 *   BIDE_EACCES, BIDE_EPERM: another user's, or pledge(2) without "proc"; BIDE_ENOMEM: also where the limit of
 *   timers is reached (kern.kq_calloutmax), of which each such source has one.
 *
 * Thread-safe; does not wait. The end is told to all who wait, and to all who come later, at once.
 *
 * @code
 * bide_kqueue *child;
 * int err = bide_kqueue_process(&child, id);
 * if (!err) err = bide_kqueue_wait(child, &event, bide_after(BIDE_SECONDS(5)));
 * if (err == BIDE_ETIMEDOUT) kill(id, SIGKILL);
 * waitpid(id, &status, 0);
 * @endcode
 */
BIDE_API int bide_kqueue_process(bide_kqueue **out, pid_t process);

/**
 * @brief Makes a timer in the kernel, which runs from now on, also while nobody waits.
 *
 * For most uses `bide_timer` is better: it costs no descriptor, and no system call where it is not awaited.
 *
 * @param period above 0: how long until the first event, and if it repeats between two. Rounded up to what the
 *   system counts; met at the next tick of the clock on OpenBSD, NetBSD and DragonFly.
 * @param repeat false: one event; true: one after each period, and those that were missed are in its `count`.
 * @return 0, or see the top of this page; BIDE_EINVAL: also a period that is not above 0, or too long for the
 *   system; BIDE_ENOMEM: also where the limit of timers is reached.
 *
 * Thread-safe; does not wait.
 */
BIDE_API int bide_kqueue_timer(bide_kqueue **out, bide_duration period, bool repeat);

/**
 * @brief Makes a source of changes of a file or a folder.
 *
 * Of a folder it tells that its entries have changed, not which, and nothing of what happens in the files in it.
 * What this process does itself is told too. A file that is written may take several events.
 *
 * @param file a descriptor of it, which must stay open: the kernel forgets the watch at its close, and who waits is
 *   not told. On macOS one that was opened with O_EVTONLY does not keep its volume from being unmounted.
 * @param changes what to tell: a sum of BIDE_KQUEUE_DELETE to BIDE_KQUEUE_REVOKE, not 0.
 * @return 0, or see the top of this page; BIDE_EINVAL: also an unknown bit or none, or what is no file;
 *   BIDE_EBADF: closed or negative; BIDE_ENOTSUP: the file system cannot tell.
 *
 * Thread-safe; does not wait.
 */
BIDE_API int bide_kqueue_file(bide_kqueue **out, bide_fd file, unsigned changes);

/**
 * @brief Ends the watching and frees the source. Who waits on it gets BIDE_ECANCELED.
 *
 * @param source may be NULL. No other call may begin with it any more.
 * @return 0, or BIDE_EDEADLK in a waker: nothing has changed then.
 *
 * Thread-safe against those who wait already.
 */
BIDE_API int bide_kqueue_free(bide_kqueue *source);
/**@}*/

/** @name Waiting */
/**@{*/

/**
 * @brief Waits for the next event.
 *
 * @param[out] event what has happened; all 0 after an error. May be NULL.
 * @return 0; BIDE_EAGAIN for BIDE_NOW and BIDE_ETIMEDOUT at any other deadline, if nothing has; BIDE_EINVAL: NULL; or
 *   as bide_io_await().
 */
BIDE_API int bide_kqueue_wait(bide_kqueue *source, bide_kqueue_event *event, bide_instant deadline);

/** Waiting for the next event as a future. The fields that end in an underscore are private. */
typedef struct bide_kqueue_waiting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_io io_;
    bide_kqueue *source_;
    int kind_;
    long subject_;
    bide_kqueue_event event; /**< when ready with 0: what has happened */
    int result;              /**< when ready: 0 or an error */
} bide_kqueue_waiting;

/**
 * @brief Prepares a wait for the next event. For NULL its result will be BIDE_EINVAL.
 *
 * One that is cancelled has taken no event, unless the cancel says BIDE_COMPLETED.
 *
 * @param waiting not moved and kept until it is ready or cancelled; then it may be prepared again.
 * @param source kept until then too.
 *
 * @code
 * bide_kqueue_waiting_init(&waiting, signals);
 * bide_set_add(&set, &member, &waiting.future, NULL);
 * @endcode
 */
BIDE_API void bide_kqueue_waiting_init(bide_kqueue_waiting *waiting, bide_kqueue *source);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
