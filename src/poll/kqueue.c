/* The back end of macOS and the BSDs: kqueue(2).
 *
 * WHAT DOES NOT WORK
 *  - BIDE_POLL_PRI is reported where there is EVFILT_EXCEPT (macOS, OpenBSD), and never elsewhere.
 *  - An interest of 0, or in RDHUP alone, in a descriptor that is no socket (macOS: in any): its hang-up is
 *    reported once, in BIDE_POLL_LEVEL too, because there a filter cannot be told to leave the data out.
 *  - On macOS a socket that is watched for reading alone tells no BIDE_POLL_HUP when both sides have ended in
 *    good order: the end of the data is told by BIDE_POLL_READ.
 *  - NetBSD and OpenBSD end time-outs at the next tick of their clock (10 ms unless set otherwise).
 *
 * A registration is up to three knotes of the kernel, one a filter, which report one by one; the table here says
 * what belongs together. So events of one wait are merged by descriptor, and after the first event of a one-shot
 * registration the other filters, which the kernel still has enabled, are not heard: each of them fires once
 * into the void at most, because it has EV_DISPATCH too.
 *
 * Of sockets the end of EVFILT_READ (EV_EOF) means that the peer will write no more (RDHUP), that of EVFILT_WRITE
 * that nothing goes out any more (HUP); an error comes with either. A socket that is not watched for writing has
 * EVFILT_WRITE with a low-water mark that no buffer reaches, so that only its end is told. Of pipes and others
 * the end of the data is a hang-up, and that nobody reads any more an error, as poll(2) has it on Linux.
 *
 * INVARIANTS
 * 1. `lock` guards the table, and is held while knotes are changed, so that the kernel's state and the table's
 *    agree. It is not held while kevent(2) waits, and wake does not take it.
 * 2. A knote's udata is its entry's `version`, which each change of the registration raises: an event that was
 *    fetched before a change is told from one after it, and dropped. What it said is still so after the change,
 *    and is reported anew, since the change (EV_ADD) makes the kernel look again.
 * 3. `raw` and `turn` belong to the thread that waits. `turn` is the number of the present wait; an entry whose
 *    `turn` is the same has been reported in it, at `place`.
 * 4. A knote exists only while its descriptor is open; the kernel takes it away at the last close(2). An entry
 *    without knotes is stale: the next add finds that out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "poll/backend.h"

#include "os/clock.h"
#include "os/mutex.h"
#include "poll/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_SIZE 16
#define MOST_EVENTS 256

/* The longest sleep that every system takes; the wait goes on after it. */
#define LONGEST BIDE_SECONDS(86400)

/* A low-water mark that no buffer reaches. macOS lowers it to the size of the buffer, and so reports an empty
 * one. */
#define UNREACHED INT_MAX
#if defined(__APPLE__)
#define LOW_MARK_IS_KEPT false
#else
#define LOW_MARK_IS_KEPT true
#endif

/* EVFILT_USER of registrations is numbered by their descriptors. */
#define WAKE_IDENT ((uintptr_t)-1)

enum { READ_FILTER, WRITE_FILTER, EXCEPT_FILTER, FILTERS };

/* How a filter is set. */
enum { OFF, WATCH, ON };

struct entry {
    uint64_t key;
    uint64_t turn;
    uint32_t version;
    int place;
    unsigned interest;
    uint16_t flags; /* EV_CLEAR, EV_DISPATCH */
    uint8_t filters[FILTERS];
    bool registered;
    bool armed;
    bool socket;
    bool write_only;
    bool broken; /* a pipe that has no reader any more: EVFILT_USER stands for EVFILT_WRITE */
};

struct kqueue_poller {
    struct bide_poller base;
    int queue;
    pid_t owner; /* a child of fork(2) does not inherit the queue */
    bide_poll_wake wake;
    bide_os_mutex lock;
    struct entry *entries; /* by descriptor */
    size_t size;
    uint64_t turn;
    struct kevent raw[MOST_EVENTS];
};

static struct kqueue_poller *of(bide_poller *poller)
{
    return (struct kqueue_poller *)poller;
}

/* NetBSD has its own types for these. */
#if defined(__NetBSD__)
typedef uint32_t filter_number;
typedef uint32_t flag_bits;
typedef size_t event_count;
#else
typedef short filter_number;
typedef unsigned short flag_bits;
typedef int event_count;
#endif

static const filter_number numbers[FILTERS] = {
    [READ_FILTER] = EVFILT_READ,
    [WRITE_FILTER] = EVFILT_WRITE,
#ifdef EVFILT_EXCEPT
    [EXCEPT_FILTER] = EVFILT_EXCEPT,
#endif
};

static const struct timespec no_time = {0, 0};

/* --- changes of knotes --- */

/* At most two a filter, and as many answers. */
struct changes {
    struct kevent list[2 * FILTERS + 2];
    int count;
};

static void put(struct changes *changes, uintptr_t ident, filter_number filter, unsigned flags,
                unsigned fflags, int data, uint32_t version)
{
    EV_SET(&changes->list[changes->count], ident, filter, (flag_bits)(flags | EV_RECEIPT), fflags, data,
           (void *)(uintptr_t)version);
    changes->count++;
}

/* Makes the changes, each of which is answered where it stood, by the error in its `data`; or fails as a whole,
 * and has made none. */
static int apply(const struct kqueue_poller *self, struct changes *changes)
{
    struct kevent answers[2 * FILTERS + 2];
    if (changes->count == 0) return 0;
    event_count most = (event_count)changes->count;
    int count = kevent(self->queue, changes->list, most, answers, most, &no_time);
    if (count < 0) return bide_last_error();
    for (int i = 0; i < changes->count; i++)
        changes->list[i].data = i < count && (answers[i].flags & EV_ERROR) ? answers[i].data : 0;
    return 0;
}

static void put_filter(struct changes *changes, bide_fd fd, const struct entry *entry, int filter)
{
    unsigned flags = EV_ADD | EV_ENABLE | entry->flags;
    unsigned fflags = 0;
    int data = 0;
    if (entry->filters[filter] == WATCH && entry->socket && LOW_MARK_IS_KEPT) {
        fflags = NOTE_LOWAT;
        data = UNREACHED;
    } else if (entry->filters[filter] == WATCH) {
        /* What it says besides is not heard, and must not silence it. */
        flags = (flags & ~(unsigned)EV_DISPATCH) | EV_CLEAR;
    }
#ifdef NOTE_OOB
    if (filter == EXCEPT_FILTER) fflags = NOTE_OOB;
#endif
    put(changes, (uintptr_t)fd, numbers[filter], flags, fflags, data, entry->version);
}

#ifdef EVFILT_USER
/* What stands for EVFILT_WRITE of a pipe without a reader: FreeBSD and macOS do not take that (EPIPE), though
 * writing does not block. It stays as it is set: level-triggered, unless the flags say otherwise. */
static void put_broken(struct changes *changes, bide_fd fd, const struct entry *entry)
{
    put(changes, (uintptr_t)fd, EVFILT_USER, EV_ADD | EV_ENABLE | entry->flags, 0, 0, entry->version);
    put(changes, (uintptr_t)fd, EVFILT_USER, 0, NOTE_TRIGGER, 0, entry->version);
}
#endif

/* Which error of adding a filter means what. */
static int error_of(intptr_t error)
{
    switch (error) {
    case EINVAL:
    case ENODEV:
    case ENXIO:
    case EPERM:
    case EOPNOTSUPP: return BIDE_ENOTPOLLABLE;
    default: return bide_error_from_system((int)error);
    }
}

/* Whether the filter can be done without: what can be read and not written, as another queue can, is never writable
 * (kqueue_kqfilter of each system: EINVAL). */
static bool is_read_only(const struct entry *entry, int filter, intptr_t error)
{
    return filter == WRITE_FILTER && error == EINVAL && entry->filters[READ_FILTER] == ON;
}

/* Adds what the entry wants; filters that exist are changed. An error leaves some of them behind. */
static int add_filters(const struct kqueue_poller *self, bide_fd fd, struct entry *entry)
{
    struct changes changes = {.count = 0};
    int filters[FILTERS] = {0};
    for (int filter = 0; filter < FILTERS; filter++) {
        if (entry->filters[filter] == OFF) continue;
        filters[changes.count] = filter;
        put_filter(&changes, fd, entry, filter);
    }
    int error = apply(self, &changes);
    entry->broken = false;
    for (int i = 0; i < changes.count && !error; i++) {
        if (changes.list[i].data == 0) continue;
        uint8_t *state = &entry->filters[filters[i]];
        if (filters[i] == WRITE_FILTER && changes.list[i].data == EPIPE)
            entry->broken = true;
        else if (*state == ON && !is_read_only(entry, filters[i], changes.list[i].data))
            error = error_of(changes.list[i].data);
        *state = OFF; /* to watch is a wish */
    }
#ifdef EVFILT_USER
    if (entry->broken && !error) {
        changes.count = 0;
        put_broken(&changes, fd, entry);
        error = apply(self, &changes);
    }
#endif
    return error;
}

/* Takes filters away that are there. That one is gone already is no error: ENOENT, or EPIPE from pipes. Returns
 * whether any was there. */
static bool delete_filters(const struct kqueue_poller *self, bide_fd fd, const struct entry *entry)
{
    struct changes changes = {.count = 0};
    for (int filter = 0; filter < FILTERS; filter++)
        if (entry->filters[filter] != OFF) put(&changes, (uintptr_t)fd, numbers[filter], EV_DELETE, 0, 0, 0);
#ifdef EVFILT_USER
    if (entry->broken) put(&changes, (uintptr_t)fd, EVFILT_USER, EV_DELETE, 0, 0, 0);
#endif
    (void)apply(self, &changes);
    bool any = changes.count == 0;
    for (int i = 0; i < changes.count; i++)
        any |= changes.list[i].data != ENOENT;
    return any;
}

/* --- the table; its callers hold the lock --- */

static struct entry *find(const struct kqueue_poller *self, bide_fd fd)
{
    if (fd < 0 || (size_t)fd >= self->size || !self->entries[fd].registered) return NULL;
    return &self->entries[fd];
}

static int grow(struct kqueue_poller *self, bide_fd fd)
{
    if ((size_t)fd < self->size) return 0;
    size_t size = self->size ? self->size : FIRST_SIZE;
    while (size <= (size_t)fd)
        size *= 2;
    struct entry *entries = realloc(self->entries, size * sizeof *entries);
    if (!entries) return BIDE_ENOMEM;
    memset(entries + self->size, 0, (size - self->size) * sizeof *entries);
    self->entries = entries;
    self->size = size;
    return 0;
}

static void set(struct entry *entry, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    uint8_t *filters = entry->filters;
    entry->key = key;
    entry->interest = interest;
    if (++entry->version == 0) entry->version = 1; /* 0 is the wake's */
    entry->flags = 0;
    if (mode == BIDE_POLL_EDGE || mode == BIDE_POLL_EDGE_ONESHOT) entry->flags |= EV_CLEAR;
    if (mode == BIDE_POLL_ONESHOT || mode == BIDE_POLL_EDGE_ONESHOT) entry->flags |= EV_DISPATCH;
    entry->registered = true;
    entry->armed = true;
    entry->turn = 0;

    filters[READ_FILTER] = interest & BIDE_POLL_READ ? ON : OFF;
    filters[WRITE_FILTER] = interest & BIDE_POLL_WRITE ? ON : OFF;
    filters[EXCEPT_FILTER] = OFF;
#ifdef NOTE_OOB
    if (entry->socket && (interest & BIDE_POLL_PRI)) filters[EXCEPT_FILTER] = ON;
#endif
    if (entry->socket) {
        if (!filters[READ_FILTER] && (interest & BIDE_POLL_RDHUP)) filters[READ_FILTER] = WATCH;
        if (!filters[WRITE_FILTER] && (LOW_MARK_IS_KEPT || !filters[READ_FILTER]))
            filters[WRITE_FILTER] = WATCH;
    } else if (!filters[READ_FILTER] && !filters[WRITE_FILTER]) {
        filters[entry->write_only ? WRITE_FILTER : READ_FILTER] = WATCH;
    }
}

/* Whether the kernel has forgotten it (4): told by a change that changes nothing. */
static bool is_stale(const struct kqueue_poller *self, bide_fd fd, struct entry *entry)
{
    struct changes changes = {.count = 0};
    for (int filter = 0; filter < FILTERS && changes.count == 0; filter++)
        if (entry->filters[filter] != OFF) put_filter(&changes, fd, entry, filter);
    if (changes.count == 0) return false;
    struct kevent *change = &changes.list[0];
    change->flags =
        (flag_bits)((change->flags & ~(EV_ADD | EV_ENABLE)) | (entry->armed ? EV_ENABLE : EV_DISABLE));
    return apply(self, &changes) == 0 && change->data == ENOENT;
}

/* --- the back end's functions --- */

static int open_wake(struct kqueue_poller *self)
{
    struct changes changes = {.count = 0};
    self->wake.read_end = self->wake.write_end = BIDE_INVALID_FD;
#ifdef EVFILT_USER
    put(&changes, WAKE_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, 0);
    if (apply(self, &changes) == 0 && changes.list[0].data == 0) return 0;
    changes.count = 0;
#endif
    /* The headers may know more than the kernel. */
    int error = bide_poll_wake_open(&self->wake);
    if (error) return error;
    put(&changes, (uintptr_t)self->wake.read_end, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, 0);
    error = apply(self, &changes);
    if (!error) error = bide_error_from_system((int)changes.list[0].data);
    if (error) bide_poll_wake_close(&self->wake);
    return error;
}

static int kqueue_open(bide_poller *poller)
{
    struct kqueue_poller *self = of(poller);
    self->queue = kqueue();
    if (self->queue < 0) return errno == ENOSYS || errno == EPERM ? BIDE_ENOTSUP : bide_last_error();
    self->owner = getpid();
    (void)fcntl(self->queue, F_SETFD, FD_CLOEXEC);
    int error = open_wake(self);
    if (error) (void)close(self->queue);
    return error;
}

static void kqueue_close(bide_poller *poller)
{
    struct kqueue_poller *self = of(poller);
    if (self->wake.read_end != BIDE_INVALID_FD) bide_poll_wake_close(&self->wake);
    /* In a child the number is nobody's, or by now another's. */
    if (self->owner == getpid()) (void)close(self->queue);
    free(self->entries);
}

static int kqueue_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct kqueue_poller *self = of(poller);
    struct stat about;
    if (fstat(fd, &about) != 0) return bide_last_error();
    /* kqueue tells of their contents, by a meaning of its own. */
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) return BIDE_ENOTPOLLABLE;
    const int access = fcntl(fd, F_GETFL);

    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    int error = entry && !is_stale(self, fd, entry) ? BIDE_EEXIST : grow(self, fd);
    if (!error) {
        entry = &self->entries[fd];
        entry->socket = S_ISSOCK(about.st_mode);
        entry->write_only = access >= 0 && (access & O_ACCMODE) == O_WRONLY;
        set(entry, key, interest, mode);
        error = add_filters(self, fd, entry);
        if (error) {
            (void)delete_filters(self, fd, entry);
            entry->registered = false;
        }
    }
    bide_os_mutex_unlock(&self->lock);
    return error;
}

static bool is_open(bide_fd fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

static int kqueue_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest,
                         bide_poll_mode mode)
{
    struct kqueue_poller *self = of(poller);
    const bool open = is_open(fd);
    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    int error = open ? 0 : BIDE_EBADF;
    if (!entry && open) error = BIDE_ENOENT;
    if (entry && !open) entry->registered = false;
    if (!error) {
        struct entry before = *entry;
        struct entry unwanted = before;
        set(entry, key, interest, mode);
        /* A filter's flags are those that it was added with (kqueue(2)): for others it is made anew. */
        if (entry->flags == before.flags) {
            for (int filter = 0; filter < FILTERS; filter++)
                if (entry->filters[filter] == before.filters[filter]) unwanted.filters[filter] = OFF;
        }
        (void)delete_filters(self, fd, &unwanted);
        error = add_filters(self, fd, entry);
        if (error) {
            (void)delete_filters(self, fd, entry);
            before.version = entry->version;
            *entry = before;
            (void)add_filters(self, fd, entry);
        }
    }
    bide_os_mutex_unlock(&self->lock);
    return error;
}

static int kqueue_del(bide_poller *poller, bide_fd fd)
{
    struct kqueue_poller *self = of(poller);
    const bool open = is_open(fd);
    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    bool there = entry && open && delete_filters(self, fd, entry); /* 4: or the number is another's by now */
    if (entry) entry->registered = false;
    bide_os_mutex_unlock(&self->lock);
    if (!open) return BIDE_EBADF;
    return there ? 0 : BIDE_ENOENT;
}

static unsigned ready_of(const struct entry *entry, const struct kevent *raw)
{
    unsigned ready = 0;
    const bool end = (raw->flags & EV_EOF) != 0;
    if (raw->filter == EVFILT_READ) {
        if (entry->filters[READ_FILTER] == ON) ready |= BIDE_POLL_READ;
        if (end) ready |= entry->socket ? entry->interest & BIDE_POLL_RDHUP : BIDE_POLL_HUP;
    } else if (raw->filter == EVFILT_WRITE) {
        if (entry->filters[WRITE_FILTER] == ON) ready |= BIDE_POLL_WRITE;
        if (end) ready |= entry->socket ? BIDE_POLL_HUP : BIDE_POLL_ERR;
#ifdef EVFILT_EXCEPT
    } else if (raw->filter == EVFILT_EXCEPT) {
        ready |= BIDE_POLL_PRI;
#endif
    } else {
        ready |= BIDE_POLL_WRITE | BIDE_POLL_ERR;
    }
    if (end && entry->socket && raw->fflags != 0) ready |= BIDE_POLL_ERR;
    /* Below a mark that is never reached only an error is told. */
    if (ready == 0 && entry->socket && !end && LOW_MARK_IS_KEPT) ready |= BIDE_POLL_ERR;
    return ready;
}

/* Under the lock. */
static int collect(struct kqueue_poller *self, int count, bide_poll_event *events)
{
    int found = 0;
    self->turn++;
    for (int i = 0; i < count; i++) {
        const struct kevent *raw = &self->raw[i];
        const uint32_t version = (uint32_t)(uintptr_t)raw->udata;
        if (version == 0) {
            if (self->wake.read_end != BIDE_INVALID_FD) bide_poll_wake_drain(&self->wake);
            continue;
        }
        struct entry *entry = find(self, (bide_fd)raw->ident);
        if (!entry || entry->version != version) continue; /* 2 */
        unsigned ready = ready_of(entry, raw);
        if (ready == 0) continue;
        if (entry->turn == self->turn) {
            events[entry->place].ready |= ready;
        } else if (entry->armed) {
            entry->turn = self->turn;
            entry->place = found;
            entry->armed = !(entry->flags & EV_DISPATCH);
            events[found++] = (bide_poll_event){.key = entry->key, .ready = ready};
        }
    }
    return found;
}

static int kqueue_wait(bide_poller *poller, bide_poll_event *events, size_t capacity, bide_instant deadline)
{
    struct kqueue_poller *self = of(poller);
    const event_count most = (event_count)(capacity < MOST_EVENTS ? capacity : MOST_EVENTS);
    const bide_duration rest = bide_poll_remaining(deadline);
    const struct timespec limit = bide_os_timespec(rest < LONGEST ? rest : LONGEST);
    int count = kevent(self->queue, NULL, 0, self->raw, most, rest < BIDE_DURATION_MAX ? &limit : NULL);
    if (count < 0) return bide_last_error();
    if (count == 0) return 0;
    bide_os_mutex_lock(&self->lock);
    int found = collect(self, count, events);
    bide_os_mutex_unlock(&self->lock);
    return found;
}

static void kqueue_wake(bide_poller *poller)
{
    const struct kqueue_poller *self = of(poller);
    if (self->wake.read_end != BIDE_INVALID_FD) {
        bide_poll_wake_signal(&self->wake);
        return;
    }
#ifdef EVFILT_USER
    int saved = errno;
    struct changes changes = {.count = 0};
    put(&changes, WAKE_IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, 0);
    (void)apply(self, &changes);
    errno = saved;
#endif
}

static bide_fd kqueue_fd(const bide_poller *poller)
{
    return ((const struct kqueue_poller *)poller)->queue;
}

const bide_poll_backend bide_poll_backend_kqueue = {
    .name = "kqueue",
    .modes = BIDE_POLL_MODE_BIT(BIDE_POLL_ONESHOT) | BIDE_POLL_MODE_BIT(BIDE_POLL_LEVEL) |
             BIDE_POLL_MODE_BIT(BIDE_POLL_EDGE) | BIDE_POLL_MODE_BIT(BIDE_POLL_EDGE_ONESHOT),
    .size = sizeof(struct kqueue_poller),
    .open = kqueue_open,
    .close = kqueue_close,
    .add = kqueue_add,
    .modify = kqueue_modify,
    .del = kqueue_del,
    .wait = kqueue_wait,
    .wake = kqueue_wake,
    .fd = kqueue_fd,
};
