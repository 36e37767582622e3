/* Signals, processes, timers and files by kqueue(2): see watch_kqueue.h.
 *
 * Where systems differ:
 *  - NOTE_EXITSTATUS (macOS) asks for a status, and is refused for what is no child. Elsewhere a status comes with
 *    each NOTE_EXIT (FreeBSD, OpenBSD and NetBSD say so in kqueue(2), DragonFly does it).
 *  - macOS, OpenBSD and NetBSD do not find a process that is ending or has ended (ESRCH). If it is a child it is
 *    a zombie, or will be one in a moment: no event tells that, so that it is looked at after growing pauses.
 *    FreeBSD and DragonFly tell of zombies at once.
 *  - Without NOTE_NSECONDS a timer counts milliseconds (DragonFly, OpenBSD of old).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/watch_kqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef NOTE_EXITSTATUS
#define END (NOTE_EXIT | NOTE_EXITSTATUS)
#else
#define END NOTE_EXIT
#endif

#ifdef NOTE_NSECONDS
#define TIMER_FLAGS NOTE_NSECONDS
#define TIMER_UNIT 1
#else
#define TIMER_FLAGS 0
#define TIMER_UNIT BIDE_MILLISECONDS(1)
#endif

/* Between two looks at a child that is ending. */
#define LONGEST_PAUSE 64 /* ms */

#define CORE_DUMPED 0x80 /* in a status, on each of these systems; WCOREFLAG is not everywhere */

static const struct {
    unsigned change;
    unsigned note;
} notes[] = {
    {BIDE_KQUEUE_DELETE, NOTE_DELETE}, {BIDE_KQUEUE_WRITE, NOTE_WRITE}, {BIDE_KQUEUE_EXTEND, NOTE_EXTEND},
    {BIDE_KQUEUE_ATTRIB, NOTE_ATTRIB}, {BIDE_KQUEUE_LINK, NOTE_LINK},   {BIDE_KQUEUE_RENAME, NOTE_RENAME},
#ifdef NOTE_REVOKE /* not in libkqueue */
    {BIDE_KQUEUE_REVOKE, NOTE_REVOKE},
#endif
};

enum { NOTES = sizeof notes / sizeof *notes };

static const struct timespec no_time = {0, 0};

static int open_queue(bide_os_watch *watch, enum bide_os_watch_kind kind, long subject)
{
    *watch = (bide_os_watch){.kind = kind, .subject = subject, .owner = getpid(), .pause = 1};
    watch->queue = kqueue();
    if (watch->queue < 0) return bide_last_error();
    (void)fcntl(watch->queue, F_SETFD, FD_CLOEXEC);
    return 0;
}

/* An error is told by the call, since there is no room for it elsewhere. */
static int apply(const bide_os_watch *watch, const struct kevent *change)
{
    return kevent(watch->queue, change, 1, NULL, 0, &no_time) < 0 ? bide_last_error() : 0;
}

void bide_os_watch_close(const bide_os_watch *watch)
{
    if (watch->owner == getpid()) (void)close(watch->queue);
}

static int close_after(const bide_os_watch *watch, int error)
{
    if (error) (void)close(watch->queue);
    return error;
}

/* --- signals --- */

static bool can_be_heard(int number)
{
    sigset_t any;
    (void)sigemptyset(&any);
    return number > 0 && number != SIGKILL && number != SIGSTOP && sigaddset(&any, number) == 0;
}

int bide_os_watch_signals(bide_os_watch *watch, const int *numbers, size_t count)
{
    if (!numbers || count == 0) return BIDE_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!can_be_heard(numbers[i])) return BIDE_EINVAL;
    int error = open_queue(watch, BIDE_OS_WATCH_SIGNALS, 0);
    if (error) return error;
    for (size_t i = 0; i < count && !error; i++) {
        struct kevent change;
        EV_SET(&change, (uintptr_t)numbers[i], EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 0, 0);
        error = apply(watch, &change);
    }
    return close_after(watch, error);
}

/* --- timers --- */

int bide_os_watch_timer(bide_os_watch *watch, bide_duration period, bool repeat)
{
    if (period <= 0) return BIDE_EINVAL;
    const bide_duration units = period / TIMER_UNIT + (period % TIMER_UNIT != 0);
    if (units > INTPTR_MAX) return BIDE_EINVAL;
    int error = open_queue(watch, BIDE_OS_WATCH_TIMER, 0);
    if (error) return error;
    struct kevent change;
    if (repeat)
        EV_SET(&change, 0, EVFILT_TIMER, EV_ADD | EV_CLEAR, TIMER_FLAGS, (intptr_t)units, 0);
    else
        EV_SET(&change, 0, EVFILT_TIMER, EV_ADD | EV_ONESHOT, TIMER_FLAGS, (intptr_t)units, 0);
    return close_after(watch, apply(watch, &change));
}

/* --- files --- */

int bide_os_watch_file(bide_os_watch *watch, bide_fd file, unsigned changes)
{
    unsigned wanted = 0;
    for (size_t i = 0; i < NOTES; i++) {
        if (changes & notes[i].change) wanted |= notes[i].note;
        changes &= ~notes[i].change;
    }
    if (wanted == 0 || changes != 0) return BIDE_EINVAL;
    /* Before the queue has the number of one that is closed. */
    if (fcntl(file, F_GETFD) < 0) return bide_last_error();
    int error = open_queue(watch, BIDE_OS_WATCH_FILE, file);
    if (error) return error;
    struct kevent change;
    EV_SET(&change, (uintptr_t)file, EVFILT_VNODE, EV_ADD | EV_CLEAR, wanted, 0, 0);
    return close_after(watch, apply(watch, &change));
}

/* --- processes --- */

/* For another look, and to keep the queue readable (2). In milliseconds on every system. */
static int set_pause(const bide_os_watch *watch, int pause, bool disabled)
{
    struct kevent change;
    if (disabled)
        EV_SET(&change, 0, EVFILT_TIMER, EV_ADD | EV_ONESHOT | EV_DISABLE, 0, pause, 0);
    else
        EV_SET(&change, 0, EVFILT_TIMER, EV_ADD | EV_ONESHOT | EV_ENABLE, 0, pause, 0);
    return apply(watch, &change);
}

static int set_end(const bide_os_watch *watch, unsigned what)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)watch->subject, EVFILT_PROC, EV_ADD | EV_ONESHOT, what, 0, 0);
    int error = apply(watch, &change);
    return bide_system_error(error) == ESRCH ? BIDE_ENOENT : error;
}

static void end(bide_os_watch *watch, int status)
{
    watch->ended = true;
    watch->status = status;
    (void)set_pause(watch, 1, false);
}

/* Whether a child has ended by now: it stays to be waited for. BIDE_ENOENT: no child, or not any more. */
static int look(bide_os_watch *watch)
{
    siginfo_t info;
    (void)memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)watch->subject, &info, WEXITED | WNOWAIT | WNOHANG) != 0)
        return errno == ECHILD ? BIDE_ENOENT : bide_last_error();
    if (info.si_pid != (pid_t)watch->subject) return BIDE_EAGAIN;
    int status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status;
    if (info.si_code == CLD_DUMPED) status |= CORE_DUMPED;
    end(watch, status);
    return 0;
}

int bide_os_watch_process(bide_os_watch *watch, pid_t process)
{
    if (process <= 0) return BIDE_EINVAL;
    int error = open_queue(watch, BIDE_OS_WATCH_PROCESS, process);
    if (error) return error;
    error = set_pause(watch, 1, true);
    if (!error) error = set_end(watch, END);
    if (error == BIDE_EACCES && END != NOTE_EXIT) error = set_end(watch, NOTE_EXIT);
    if (error == BIDE_ENOENT) {
        error = look(watch);
        if (error == BIDE_EAGAIN) error = set_pause(watch, watch->pause, false);
    }
    return close_after(watch, error);
}

/* --- taking --- */

static int next(const bide_os_watch *watch, struct kevent *raw)
{
    int count;
    do
        count = kevent(watch->queue, NULL, 0, raw, 1, &no_time);
    while (count < 0 && errno == EINTR);
    if (count < 0) return bide_last_error();
    return count > 0 ? 0 : BIDE_EAGAIN;
}

static int status_of(const struct kevent *raw)
{
#ifdef NOTE_EXITSTATUS
    if (!(raw->fflags & NOTE_EXITSTATUS)) return BIDE_KQUEUE_NO_STATUS;
#endif
    return (int)raw->data;
}

/* Under the lock. */
static int await_end(bide_os_watch *watch)
{
    struct kevent raw;
    int error = watch->ended ? 0 : next(watch, &raw);
    if (watch->ended || error) return error;
    if (raw.filter == EVFILT_PROC) {
        end(watch, status_of(&raw));
        return 0;
    }
    error = look(watch);
    if (error == BIDE_EAGAIN) {
        if (watch->pause < LONGEST_PAUSE) watch->pause *= 2;
        int failed = set_pause(watch, watch->pause, false);
        return failed ? failed : BIDE_EAGAIN;
    }
    /* Somebody has waited for it meanwhile, and has the status. */
    if (error == BIDE_ENOENT) end(watch, BIDE_KQUEUE_NO_STATUS);
    return error == BIDE_ENOENT ? 0 : error;
}

static int take_end(bide_os_watch *watch, bide_kqueue_event *event)
{
    bide_os_mutex_lock(&watch->lock);
    int error = await_end(watch);
    bide_os_mutex_unlock(&watch->lock);
    if (error) return error;
    *event = (bide_kqueue_event){.status = watch->status, .count = 1};
    return 1;
}

int bide_os_watch_take(bide_os_watch *watch, bide_kqueue_event *event)
{
    if (watch->kind == BIDE_OS_WATCH_PROCESS) return take_end(watch, event);
    struct kevent raw;
    int error = next(watch, &raw);
    if (error) return error;
    *event = (bide_kqueue_event){.count = raw.data > 0 ? (uint64_t)raw.data : 1};
    if (watch->kind == BIDE_OS_WATCH_SIGNALS) event->number = (int)raw.ident;
    if (watch->kind == BIDE_OS_WATCH_FILE) {
        event->count = 1;
        for (size_t i = 0; i < NOTES; i++)
            if (raw.fflags & notes[i].note) event->changes |= notes[i].change;
    }
    return 1;
}
