/* The emulated kqueue(2)'s signals, processes, timers and files, each watched by what Linux has for it. What a
 * system does is said where it is done here.
 *
 * Signals. kqueue(2) counts what is sent, whether it is ignored, caught, blocked or deadly. So a handler of ours is
 * there for a signal that is watched, which counts, and then does what the program has asked for, which sigaction(2)
 * and signal(3) here only note. What all threads block is read from a signalfd. Other than on the BSDs
 *  - a blocked signal that was counted is not pending any more, and counts once until it is read;
 *  - a program that is executed does not inherit that a watched signal is ignored.
 *
 * Processes are those of macOS: only a child's status is told, and one that has ended cannot be watched any more.
 * It is forgotten if somebody waits for the child before the event is read.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "emulation.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define CORE_DUMPED 0x80 /* in a status, as WCOREDUMP() looks for it */

/* --- signals --- */

/* The C library's own. */
int __sigaction(int number, const struct sigaction *action, struct sigaction *before);

/* Under the lock. */
static struct {
    struct sigaction wanted; /* by the program, if there are watchers */
    unsigned watchers;
} signals[NSIG];

static bool is_ignored(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
}

static bool is_default(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

static void install(int number);

/* With the handler's own signal blocked, as it is while it runs. */
static void do_default(int number)
{
    if (number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH) return;
    struct sigaction action;
    sigset_t one, before;
    (void)memset(&action, 0, sizeof action);
    (void)sigemptyset(&one);
    (void)sigaddset(&one, number);
    (void)__sigaction(number, &action, NULL);
    (void)raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &one, &before);
    /* It has stopped the process, and no more than that. */
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    bide_test_kqueue_lock(&before);
    install(number);
    bide_test_kqueue_unlock(&before);
}

static void deliver(int number, siginfo_t *info, void *context)
{
    const int saved = errno;
    sigset_t before;
    bide_test_kqueue_lock(&before);
    const struct sigaction wanted = signals[number].wanted;
    /* FreeBSD: an ignored SIGCHLD is not even sent. */
    if (number != SIGCHLD || !is_ignored(&wanted)) bide_test_kqueue_signalled(number);
    if (wanted.sa_flags & (int)SA_RESETHAND) {
        (void)memset(&signals[number].wanted, 0, sizeof signals[number].wanted);
        install(number);
    }
    bide_test_kqueue_unlock(&before);
    if (is_default(&wanted)) {
        do_default(number);
    } else if (!is_ignored(&wanted)) {
        (void)pthread_sigmask(SIG_BLOCK, &wanted.sa_mask, &before);
        if (wanted.sa_flags & SA_SIGINFO)
            wanted.sa_sigaction(number, info, context);
        else
            wanted.sa_handler(number);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    errno = saved;
}

/* Under the lock: our handler, or with no watcher left what the program wants. */
static void install(int number)
{
    struct sigaction action = signals[number].wanted;
    if (signals[number].watchers > 0) {
        const bool caught = !is_ignored(&action) && !is_default(&action);
        const int kept = SA_ONSTACK | SA_NOCLDSTOP | SA_NOCLDWAIT | (caught ? SA_RESTART : 0);
        action.sa_flags = (action.sa_flags & kept) | SA_SIGINFO | (caught ? 0 : SA_RESTART);
        if (number == SIGCHLD && is_ignored(&signals[number].wanted)) action.sa_flags |= SA_NOCLDWAIT;
        (void)sigemptyset(&action.sa_mask);
        action.sa_sigaction = deliver;
    }
    (void)__sigaction(number, &action, NULL);
}

/* Instead of the C library's. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    sigset_t mask;
    int result = 0;
    bide_test_kqueue_lock(&mask);
    if (number <= 0 || number >= NSIG || signals[number].watchers == 0) {
        result = __sigaction(number, action, before);
    } else {
        const struct sigaction wanted = signals[number].wanted;
        if (action) {
            signals[number].wanted = *action;
            install(number);
        }
        if (before) *before = wanted;
    }
    bide_test_kqueue_unlock(&mask);
    return result;
}

sighandler_t signal(int number, sighandler_t handler)
{
    struct sigaction action, before;
    (void)memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    return sigaction(number, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}

static int open_signal(struct knote *note)
{
    const int number = (int)note->set.ident;
    sigset_t one;
    if (number <= 0 || number >= NSIG) return EINVAL;
    if (signals[number].watchers == 0 && __sigaction(number, NULL, &signals[number].wanted) != 0)
        return errno;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, number);
    note->helper = signalfd(-1, &one, SFD_CLOEXEC | SFD_NONBLOCK);
    if (note->helper < 0) return errno;
    signals[number].watchers++;
    install(number);
    return 0;
}

/* The kernel gives a signal to a thread that does not block it; a signalfd would take it away from that. */
static bool all_threads_block(int number)
{
    char path[300], line[128];
    DIR *tasks = opendir("/proc/self/task");
    bool all = tasks != NULL;
    for (const struct dirent *task; all && (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "re");
        uint64_t mask = UINT64_MAX; /* of a thread that has ended */
        while (status && fgets(line, sizeof line, status))
            if (sscanf(line, "SigBlk: %" SCNx64, &mask) == 1) break;
        if (status) (void)fclose(status);
        all = (mask >> (number - 1) & 1) != 0;
    }
    if (tasks) (void)closedir(tasks);
    return all;
}

/* By the system call: the mask of this thread, who has the lock, is not the one that it has otherwise. */
static bool is_blocked(int number, const sigset_t *mine)
{
    return sigismember(mine, number) == 1 && all_threads_block(number);
}

/* --- processes, timers, files --- */

static int open_process(struct knote *note)
{
    siginfo_t info;
    const pid_t id = (pid_t)note->set.ident;
    note->helper = (int)syscall(SYS_pidfd_open, id, 0u);
    if (note->helper < 0) return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? errno : ESRCH;
    (void)memset(&info, 0, sizeof info);
    if (waitid(P_PIDFD, (id_t)note->helper, &info, WEXITED | WNOWAIT | WNOHANG) != 0)
        return note->set.fflags & NOTE_EXITSTATUS ? EACCES : 0;
    return info.si_pid == id ? ESRCH : 0;
}

static int set_timer(const struct knote *note)
{
    const struct kevent *set = &note->set;
    if (set->data < 0) return EINVAL;
    /* A period of 0 is one of 1 of the unit (FreeBSD). */
    const int64_t count = set->data > 0 ? set->data : 1;
    const int64_t unit = set->fflags & NOTE_NSECONDS ? 1 : 1000000;
    if (count > INT64_MAX / unit) return EINVAL;
    struct itimerspec when = {.it_value = {count * unit / 1000000000, count * unit % 1000000000}};
    if (!(set->flags & EV_ONESHOT)) when.it_interval = when.it_value;
    return timerfd_settime(note->helper, 0, &when, NULL) == 0 ? 0 : errno;
}

static int open_timer(struct knote *note)
{
    note->helper = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return note->helper < 0 ? errno : set_timer(note);
}

static int open_file(struct knote *note)
{
    char path[32];
    const uint32_t mask =
        IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_CREATE | IN_DELETE | IN_MOVE;
    if (fstat((int)note->set.ident, &note->file) != 0) return errno;
    if (!S_ISREG(note->file.st_mode) && !S_ISDIR(note->file.st_mode)) return EINVAL;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", (int)note->set.ident);
    note->helper = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return note->helper < 0 || inotify_add_watch(note->helper, path, mask) < 0 ? errno : 0;
}

int bide_test_source_open(struct knote *note)
{
    switch (note->set.filter) {
    case EVFILT_SIGNAL: return open_signal(note);
    case EVFILT_PROC: return open_process(note);
    case EVFILT_TIMER: return open_timer(note);
    case EVFILT_VNODE: return open_file(note);
    default: return EINVAL;
    }
}

int bide_test_source_change(struct knote *note)
{
    return note->set.filter == EVFILT_TIMER ? set_timer(note) : 0;
}

void bide_test_source_close(const struct knote *note)
{
    const int number = (int)note->set.ident;
    if (note->helper < 0) return;
    (void)close(note->helper);
    if (note->set.filter == EVFILT_SIGNAL && --signals[number].watchers == 0) install(number);
}

static void take_signals(struct knote *note, struct kevent *event, const sigset_t *mask)
{
    struct signalfd_siginfo info;
    event->data = note->count;
    note->count = 0;
    while (is_blocked((int)note->set.ident, mask) && read(note->helper, &info, sizeof info) > 0)
        event->data++;
}

static void take_end(const struct knote *note, struct kevent *event)
{
    siginfo_t info;
    (void)memset(&info, 0, sizeof info);
    const bool known = waitid(P_PIDFD, (id_t)note->helper, &info, WEXITED | WNOWAIT | WNOHANG) == 0;
    event->flags |= EV_EOF;
    event->fflags = NOTE_EXIT;
    if (!known || !(note->set.fflags & NOTE_EXITSTATUS)) return;
    event->fflags |= NOTE_EXITSTATUS;
    event->data = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    if (info.si_code == CLD_DUMPED) event->data |= CORE_DUMPED;
}

/* One event, of those of a folder's entries what becomes of the folder: that it was written. */
static unsigned changes_of(const struct inotify_event *one)
{
    unsigned changes = 0;
    if (one->len > 0) return one->mask & (IN_CREATE | IN_DELETE | IN_MOVE) ? NOTE_WRITE : 0;
    if (one->mask & IN_MODIFY) changes |= NOTE_WRITE;
    if (one->mask & IN_ATTRIB) changes |= NOTE_ATTRIB;
    if (one->mask & IN_MOVE_SELF) changes |= NOTE_RENAME;
    if (one->mask & IN_DELETE_SELF) changes |= NOTE_DELETE;
    if (one->mask & IN_UNMOUNT) changes |= NOTE_REVOKE;
    return changes;
}

static bool has_attributes_of(const struct stat *one, const struct stat *other)
{
    return one->st_mode == other->st_mode && one->st_uid == other->st_uid && one->st_gid == other->st_gid;
}

/* What Linux tells by one bit the BSDs tell by several, which only a look at the file tells apart: links are
 * no attributes, a file that shrinks was not written, and one that nobody can find any more is deleted though it is
 * open. */
static void take_changes(struct knote *note, struct kevent *event)
{
    _Alignas(struct inotify_event) char buffer[4096];
    unsigned changes = 0;
    ssize_t length = read(note->helper, buffer, sizeof buffer);
    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *one = (const struct inotify_event *)(const void *)(buffer + at);
        at += (ssize_t)(sizeof *one + one->len);
        changes |= changes_of(one);
    }
    struct stat now;
    if (changes != 0 && fstat((int)note->set.ident, &now) == 0) {
        const bool linked = now.st_nlink != note->file.st_nlink;
        if (linked) changes |= NOTE_LINK;
        if (linked && has_attributes_of(&now, &note->file)) changes &= ~(unsigned)NOTE_ATTRIB;
        if (linked && now.st_nlink == 0) changes |= NOTE_DELETE;
        if ((changes & NOTE_WRITE) && now.st_size > note->file.st_size) changes |= NOTE_EXTEND;
        if ((changes & NOTE_WRITE) && S_ISREG(now.st_mode) && now.st_size < note->file.st_size)
            changes = (changes & ~(unsigned)NOTE_WRITE) | NOTE_ATTRIB;
        note->file = now;
    }
    event->fflags = changes & note->set.fflags;
}

bool bide_test_source_take(struct knote *note, struct kevent *event, const sigset_t *mask)
{
    uint64_t expirations = 0;
    event->data = 0;
    event->fflags = 0;
    switch (note->set.filter) {
    case EVFILT_SIGNAL: take_signals(note, event, mask); return event->data > 0;
    case EVFILT_PROC: take_end(note, event); return true;
    case EVFILT_TIMER:
        (void)!read(note->helper, &expirations, sizeof expirations);
        event->data = (int64_t)expirations;
        return expirations > 0;
    default: take_changes(note, event); return event->fflags != 0;
    }
}
