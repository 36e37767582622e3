/* kqueue(2) on Linux, for tests: what the manual pages of the BSDs promise, made of epoll. It stands in for the
 * kernel, so that the back end is run and not only compiled; it knows no more of it than its author read there.
 *
 * A queue is an epoll set with more in it, one a filter of descriptors, since epoll takes a descriptor once; and
 * an eventfd for what is triggered by hand. Signals, processes, timers and files are in sources.c. Everything is
 * guarded by one lock, which is held with all signals blocked, because kevent(2) may be called in a signal handler.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "emulation.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define MOST_AT_ONCE 512

enum { READS, WRITES, EXCEPTS, SETS };

struct queue {
    struct queue *next;
    struct knote *notes[64]; /* by ident, hashed */
    int fd, pulse;
    int sets[SETS];
    pid_t owner;
    unsigned triggered;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct queue *queues;

void bide_test_kqueue_lock(sigset_t *before)
{
    sigset_t every;
    (void)sigfillset(&every);
    (void)pthread_sigmask(SIG_BLOCK, &every, before);
    (void)pthread_mutex_lock(&mutex);
}

void bide_test_kqueue_unlock(const sigset_t *before)
{
    (void)pthread_mutex_unlock(&mutex);
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

static struct queue **find_queue(int fd)
{
    struct queue **at = &queues;
    while (*at && ((*at)->fd != fd || (*at)->owner != getpid()))
        at = &(*at)->next;
    return at;
}

static struct knote **find_note(struct queue *queue, uintptr_t ident, int filter)
{
    struct knote **at = &queue->notes[ident % 64];
    while (*at && ((*at)->set.ident != ident || (*at)->set.filter != filter))
        at = &(*at)->next;
    return at;
}

static int watch(int set, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static void close_helpers(const struct queue *queue)
{
    (void)close(queue->pulse);
    for (int i = 0; i < SETS; i++)
        (void)close(queue->sets[i]);
}

static void before_fork(void)
{
    (void)pthread_mutex_lock(&mutex);
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

int kqueue(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks);
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue) return -1;
    queue->fd = epoll_create1(0);
    queue->pulse = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue->owner = getpid();
    bool good = queue->fd >= 0 && queue->pulse >= 0 && watch(queue->fd, queue->pulse, EPOLLIN, NULL) == 0;
    for (int i = 0; i < SETS; i++) {
        queue->sets[i] = epoll_create1(EPOLL_CLOEXEC);
        good = good && queue->sets[i] >= 0 && watch(queue->fd, queue->sets[i], EPOLLIN, NULL) == 0;
    }
    if (!good) {
        int error = errno;
        close_helpers(queue);
        (void)close(queue->fd);
        free(queue);
        errno = error;
        return -1;
    }
    sigset_t before;
    bide_test_kqueue_lock(&before);
    queue->next = queues;
    queues = queue;
    bide_test_kqueue_unlock(&before);
    return queue->fd;
}

int bide_test_kqueue_close(int fd)
{
    sigset_t before;
    bide_test_kqueue_lock(&before);
    struct queue **at = find_queue(fd);
    struct queue *queue = *at;
    if (queue) {
        *at = queue->next;
        close_helpers(queue);
        for (int i = 0; i < 64; i++) {
            for (struct knote *note = queue->notes[i], *next; note; note = next) {
                next = note->next;
                bide_test_source_close(note);
                free(note);
            }
        }
        free(queue);
    }
    bide_test_kqueue_unlock(&before);
    return close(fd);
}

/* --- changes; under the lock; errors are numbers of errno --- */

/* The set in which the filter watches, or -1. */
static int set_of(const struct queue *queue, int filter)
{
    switch (filter) {
    case EVFILT_READ: return queue->sets[READS];
    case EVFILT_WRITE: return queue->sets[WRITES];
    case EVFILT_EXCEPT: return queue->sets[EXCEPTS];
    default: return -1;
    }
}

static bool is_high_mark(const struct knote *note)
{
    return (note->set.fflags & NOTE_LOWAT) && note->set.data > 1 << 30;
}

static uint32_t events_of(const struct knote *note)
{
    uint32_t events = 0;
    if (note->set.filter == EVFILT_READ) events = is_high_mark(note) ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP;
    if (note->set.filter == EVFILT_WRITE && !is_high_mark(note)) events = EPOLLOUT;
    if (note->set.filter == EVFILT_EXCEPT) events = EPOLLPRI;
    if (note->set.flags & EV_CLEAR) events |= EPOLLET;
    if (note->set.flags & EV_DISPATCH) events |= EPOLLONESHOT;
    return events;
}

/* Makes epoll look again. */
static int arm(struct queue *queue, struct knote *note)
{
    if (note->set.filter == EVFILT_USER) return 0;
    if (set_of(queue, note->set.filter) < 0) {
        struct epoll_event event = {.events = note->disabled ? 0 : EPOLLIN, .data.ptr = note};
        return epoll_ctl(queue->fd, EPOLL_CTL_MOD, note->helper, &event) == 0 ? 0 : errno;
    }
    int set = set_of(queue, note->set.filter);
    int fd = (int)note->set.ident;
    struct epoll_event none = {0};
    (void)epoll_ctl(set, EPOLL_CTL_DEL, fd, &none);
    note->parked = note->disabled;
    if (note->disabled) return 0;
    return watch(set, fd, events_of(note), note) == 0 ? 0 : errno;
}

/* By trying to watch it once more: what is there already is refused. */
static bool is_gone(const struct queue *queue, const struct knote *note)
{
    int set = set_of(queue, note->set.filter);
    int fd = (int)note->set.ident;
    struct epoll_event none = {0};
    if (set < 0 || note->parked) return false;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &none) != 0) return errno != EEXIST;
    (void)epoll_ctl(set, EPOLL_CTL_DEL, fd, &none);
    return true;
}

static void remove_note(struct queue *queue, struct knote **at)
{
    struct knote *note = *at;
    *at = note->next;
    if (note->triggered) queue->triggered--;
    bide_test_source_close(note);
    if (set_of(queue, note->set.filter) >= 0) {
        note->disabled = true;
        (void)arm(queue, note);
    }
    free(note);
}

static int add_note(struct queue *queue, const struct kevent *set, struct knote **at)
{
    struct knote *note = calloc(1, sizeof *note);
    if (!note) return ENOMEM;
    note->set = *set;
    note->helper = -1;
    note->disabled = (set->flags & EV_DISABLE) != 0;
    int error = 0;
    if (set_of(queue, note->set.filter) < 0 && set->filter != EVFILT_USER) {
        error = bide_test_source_open(note);
        if (!error && watch(queue->fd, note->helper, EPOLLIN, note) != 0) error = errno;
    }
    if (!error) error = arm(queue, note);
    if (error) {
        bide_test_source_close(note);
        free(note);
        return error;
    }
    *at = note;
    return 0;
}

static void trigger(struct queue *queue, struct knote *note)
{
    const uint64_t one = 1;
    if (note->triggered) return;
    note->triggered = true;
    queue->triggered++;
    (void)!write(queue->pulse, &one, sizeof one);
}

static int change(struct queue *queue, const struct kevent *set)
{
    struct knote **at = find_note(queue, set->ident, set->filter);
    const bool of_descriptor = set_of(queue, set->filter) >= 0 || set->filter == EVFILT_VNODE;
    if (of_descriptor && fcntl((int)set->ident, F_GETFD) < 0) {
        if (*at) remove_note(queue, at);
        return EBADF;
    }
    /* A queue can be read, as it were, and nothing else. */
    if (set->filter != EVFILT_READ && of_descriptor && *find_queue((int)set->ident)) return EINVAL;
    /* A closed descriptor has taken its notes along. */
    if (*at && is_gone(queue, *at)) {
        remove_note(queue, at);
        at = find_note(queue, set->ident, set->filter);
    }
    if (!*at && !(set->flags & EV_ADD)) return ENOENT;
    if (set->flags & EV_DELETE) {
        remove_note(queue, at);
        return 0;
    }
    if (!*at) return add_note(queue, set, at);
    struct knote *note = *at;
    note->set.udata = set->udata;
    if (note->set.filter == EVFILT_USER) {
        if (set->fflags & NOTE_TRIGGER) trigger(queue, note);
    } else {
        note->set.fflags = set->fflags;
        note->set.data = set->data;
        int error = set->flags & EV_ADD ? bide_test_source_change(note) : 0;
        if (error) return error;
    }
    if (set->flags & EV_ENABLE) note->disabled = false;
    if (set->flags & EV_DISABLE) note->disabled = true;
    return arm(queue, note);
}

/* --- events; under the lock --- */

void bide_test_kqueue_signalled(int number)
{
    for (struct queue *queue = queues; queue; queue = queue->next) {
        if (queue->owner != getpid()) continue;
        struct knote *note = *find_note(queue, (uintptr_t)number, EVFILT_SIGNAL);
        if (!note) continue;
        note->count++;
        trigger(queue, note);
    }
}

static void reported(struct queue *queue, struct knote *note)
{
    if (note->triggered && (note->set.filter == EVFILT_SIGNAL || (note->set.flags & EV_CLEAR))) {
        note->triggered = false;
        queue->triggered--;
    }
    if (note->set.flags & EV_DISPATCH) {
        note->disabled = true;
        if (note->helper >= 0) (void)arm(queue, note);
    }
    if (note->set.flags & EV_ONESHOT) remove_note(queue, find_note(queue, note->set.ident, note->set.filter));
}

static int harvest_set(struct queue *queue, int set, struct kevent *events, int room)
{
    struct epoll_event raw[MOST_AT_ONCE];
    int count = room > 0 ? epoll_wait(set, raw, room < MOST_AT_ONCE ? room : MOST_AT_ONCE, 0) : 0;
    for (int i = 0; i < count; i++) {
        struct knote *note = raw[i].data.ptr;
        int type = 0;
        socklen_t size = sizeof type;
        const bool is_socket = getsockopt((int)note->set.ident, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
        const uint32_t got = raw[i].events;
        bool end = (got & EPOLLHUP) != 0;
        if (note->set.filter == EVFILT_READ) end |= (got & EPOLLRDHUP) != 0;
        if (note->set.filter == EVFILT_WRITE) end |= !is_socket && (got & EPOLLERR);
        events[i] = note->set;
        events[i].flags = (unsigned short)(note->set.flags | (end ? EV_EOF : 0));
        events[i].fflags = is_socket && end && (got & EPOLLERR) ? ECONNRESET : 0;
        reported(queue, note);
    }
    return count > 0 ? count : 0;
}

static int harvest_triggered(struct queue *queue, struct kevent *events, int room, const sigset_t *mask)
{
    uint64_t pulses;
    int found = 0;
    for (int i = 0; i < 64 && queue->triggered > 0; i++) {
        for (struct knote *note = queue->notes[i], *next; note && found < room; note = next) {
            next = note->next;
            if (!note->triggered || note->disabled) continue;
            events[found] = note->set;
            if (note->helper >= 0) (void)bide_test_source_take(note, &events[found], mask);
            found++;
            reported(queue, note);
        }
    }
    if (queue->triggered == 0) (void)!read(queue->pulse, &pulses, sizeof pulses);
    return found;
}

static int harvest(struct queue *queue, struct kevent *events, int room, const sigset_t *mask)
{
    struct epoll_event raw[MOST_AT_ONCE];
    int found = harvest_triggered(queue, events, room, mask);
    for (int i = 0; i < SETS; i++)
        found += harvest_set(queue, queue->sets[i], events + found, room - found);
    int count = epoll_wait(queue->fd, raw, MOST_AT_ONCE, 0);
    for (int i = 0; i < count && found < room; i++) {
        struct knote *note = raw[i].data.ptr;
        if (!note || note->disabled) continue;
        events[found] = note->set;
        if (!bide_test_source_take(note, &events[found], mask)) continue;
        found++;
        if (note->set.filter == EVFILT_PROC) note->set.flags |= EV_ONESHOT;
        reported(queue, note);
    }
    return found;
}

int kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events, int event_count,
           const struct timespec *timeout)
{
    struct timespec now, until = {0, 0};
    sigset_t before;
    int found = 0;
    if (timeout) {
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += timeout->tv_sec + (until.tv_nsec + timeout->tv_nsec) / 1000000000;
        until.tv_nsec = (until.tv_nsec + timeout->tv_nsec) % 1000000000;
    }
    bide_test_kqueue_lock(&before);
    struct queue *queue = *find_queue(fd);
    int error = queue ? 0 : EBADF;
    for (int i = 0; i < change_count && !error; i++) {
        const struct kevent set = changes[i];
        int failed = change(queue, &set);
        if (!failed && !(set.flags & EV_RECEIPT)) continue;
        if (found == event_count) {
            error = failed;
            continue;
        }
        events[found] = set;
        events[found].flags = EV_ERROR;
        events[found++].data = failed;
    }
    bool answered = found > 0 || event_count == 0;
    while (!error && !answered) {
        found = harvest(queue, events, event_count, &before);
        if (found > 0) break;
        bide_test_kqueue_unlock(&before);
        struct epoll_event any[8];
        struct timespec rest = {0, 0};
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t left =
            timeout ? (until.tv_sec - now.tv_sec) * INT64_C(1000000000) + until.tv_nsec - now.tv_nsec : 1;
        if (left <= 0) return 0;
        rest.tv_sec = left / 1000000000;
        rest.tv_nsec = left % 1000000000;
        if (syscall(SYS_epoll_pwait2, fd, any, 8, timeout ? &rest : NULL, NULL, (size_t)0) < 0) return -1;
        bide_test_kqueue_lock(&before);
        queue = *find_queue(fd);
        error = queue ? 0 : EBADF;
    }
    bide_test_kqueue_unlock(&before);
    if (!error) return found;
    errno = error;
    return -1;
}
