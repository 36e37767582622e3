/* The back end of every POSIX system: poll(2), with the deadlines of ppoll(2).
 *
 * The table holds the registrations; a scan is the array that poll(2) is given, made from the table. While a
 * thread is blocked in poll(2) the scan is the kernel's, so other threads change the table alone, mark it as
 * changed, and wake the blocked thread, which makes a new scan and goes on: poller.c's loop hides that from
 * the caller. All memory is allocated when descriptors are added, never by a wait.
 *
 * INVARIANTS
 * 1. `lock` guards all fields but `coarse` and those of the scan (`scan`, `scanned`, `start`), which belong
 *    to the thread that waits. It is not held while poll(2) runs, and wake does not take it.
 * 2. index[fd] - 1 is the place of fd in `entries`, which are dense; 0: not registered.
 * 3. An entry's `slot`, if not 0, is its place in the present scan, and that place shows the entry as it is.
 *    Adding, modifying and deleting break this; hence results that are older than a change are not reported.
 * 4. If every entry has its slot, and the scan has no others, `changed` is false.
 * 5. There is room in `spare`, or without one in `scan`, for `capacity` entries and the wake-up descriptor.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "poll/backend.h"

#include "os/assert.h"
#include "os/clock.h"
#include "os/mutex.h"
#include "poll/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FIRST_CAPACITY 16

#ifndef POLLRDHUP /* Linux has it, others do not */
#define POLLRDHUP 0
#endif

struct entry {
    uint64_t key;
    size_t slot;
    bide_fd fd;
    short events;
    bool oneshot;
    bool armed;
};

struct poll_poller {
    struct bide_poller base;
    bide_poll_wake wake;
    bide_os_mutex lock;
    bool changed;
    bool blocked; /* a thread is in poll(2), or about to be, and has to be told of changes */
    bool coarse;  /* ppoll(2) was denied: milliseconds */

    struct entry *entries;
    size_t count;
    size_t capacity;
    uint32_t *index;
    size_t index_size;

    struct pollfd *scan;  /* [0] is the wake-up descriptor */
    struct pollfd *spare; /* a larger one for the next scan, or NULL */
    size_t scanned;       /* entries in it */
    size_t start;         /* the entry whose turn it is to be reported first */
};

static struct poll_poller *of(bide_poller *poller)
{
    return (struct poll_poller *)poller;
}

static short to_poll(unsigned interest)
{
    int events = 0;
    if (interest & BIDE_POLL_READ) events |= POLLIN;
    if (interest & BIDE_POLL_WRITE) events |= POLLOUT;
    if (interest & BIDE_POLL_PRI) events |= POLLPRI;
    if (interest & BIDE_POLL_RDHUP) events |= POLLRDHUP;
    return (short)events;
}

static unsigned from_poll(short events)
{
    unsigned ready = 0;
    if (events & POLLIN) ready |= BIDE_POLL_READ;
    if (events & POLLOUT) ready |= BIDE_POLL_WRITE;
    if (events & POLLPRI) ready |= BIDE_POLL_PRI;
    if (events & POLLRDHUP) ready |= BIDE_POLL_RDHUP;
    if (events & POLLHUP) ready |= BIDE_POLL_HUP;
    if (events & POLLERR) ready |= BIDE_POLL_ERR;
    return ready;
}

/* The table; its callers hold the lock. */

static struct entry *find(const struct poll_poller *self, bide_fd fd)
{
    if (fd < 0 || (size_t)fd >= self->index_size || self->index[fd] == 0) return NULL;
    return &self->entries[self->index[fd] - 1];
}

/* Makes room for one more entry, whose descriptor is fd. What has grown when the rest fails stays so. */
static int grow(struct poll_poller *self, bide_fd fd)
{
    if ((size_t)fd >= self->index_size) {
        size_t size = self->index_size ? self->index_size : FIRST_CAPACITY;
        while (size <= (size_t)fd)
            size *= 2;
        uint32_t *index = realloc(self->index, size * sizeof *index);
        if (!index) return BIDE_ENOMEM;
        for (size_t i = self->index_size; i < size; i++)
            index[i] = 0;
        self->index = index;
        self->index_size = size;
    }
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : FIRST_CAPACITY;
        struct pollfd *spare = malloc((capacity + 1) * sizeof *spare);
        if (!spare) return BIDE_ENOMEM;
        struct entry *entries = realloc(self->entries, capacity * sizeof *entries);
        if (!entries) {
            free(spare);
            return BIDE_ENOMEM;
        }
        free(self->spare);
        self->spare = spare;
        self->entries = entries;
        self->capacity = capacity;
    }
    return 0;
}

static void set(struct entry *entry, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    entry->key = key;
    entry->slot = 0;
    entry->events = to_poll(interest);
    entry->oneshot = mode == BIDE_POLL_ONESHOT;
    entry->armed = true;
}

/* The last entry takes the place of the one that goes. */
static void forget(struct poll_poller *self, struct entry *entry)
{
    BIDE_ASSERT(&self->entries[self->index[entry->fd] - 1] == entry); /* 2 */
    const struct entry *last = &self->entries[--self->count];
    self->index[last->fd] = self->index[entry->fd];
    self->index[entry->fd] = 0;
    if (entry != last) *entry = *last;
}

/* To be called after a change; tells whether a blocked thread must be woken for it, once a scan. */
static bool note_change(struct poll_poller *self)
{
    bool first = !self->changed;
    self->changed = true;
    return first && self->blocked;
}

static void unlock_after_change(struct poll_poller *self)
{
    bool must_wake = note_change(self);
    bide_os_mutex_unlock(&self->lock);
    if (must_wake) bide_poll_wake_signal(&self->wake);
}

/* The back end's functions. */

static int poll_open(bide_poller *poller)
{
    struct poll_poller *self = of(poller);
    int error = bide_poll_wake_open(&self->wake);
    if (error) return error;
    error = grow(self, 0);
    if (error) {
        bide_poll_wake_close(&self->wake);
        free(self->index);
        return error;
    }
    self->changed = true;
    return 0;
}

static void poll_close(bide_poller *poller)
{
    struct poll_poller *self = of(poller);
    bide_poll_wake_close(&self->wake);
    free(self->entries);
    free(self->index);
    free(self->scan);
    free(self->spare);
}

static int poll_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct stat about;
    if (fstat(fd, &about) != 0) return bide_last_error();
    /* poll(2) takes these, and calls them ready for ever. */
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) return BIDE_ENOTPOLLABLE;

    struct poll_poller *self = of(poller);
    bide_os_mutex_lock(&self->lock);
    int error = find(self, fd) ? BIDE_EEXIST : grow(self, fd);
    if (error) {
        bide_os_mutex_unlock(&self->lock);
        return error;
    }
    BIDE_ASSERT(self->count < self->capacity); /* 5 */
    struct entry *entry = &self->entries[self->count++];
    self->index[fd] = (uint32_t)self->count;
    entry->fd = fd;
    set(entry, key, interest, mode);
    unlock_after_change(self);
    return 0;
}

/* The kernel's own tables forget a descriptor when it is closed; so do modify, delete and wait here. */
static bool is_open(bide_fd fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

static int poll_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct poll_poller *self = of(poller);
    const bool open = is_open(fd);
    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    if (!entry) {
        bide_os_mutex_unlock(&self->lock);
        return open ? BIDE_ENOENT : BIDE_EBADF;
    }
    if (open)
        set(entry, key, interest, mode);
    else
        forget(self, entry);
    unlock_after_change(self);
    return open ? 0 : BIDE_EBADF;
}

static int poll_del(bide_poller *poller, bide_fd fd)
{
    struct poll_poller *self = of(poller);
    const bool open = is_open(fd);
    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    if (!entry) {
        bide_os_mutex_unlock(&self->lock);
        return open ? BIDE_ENOENT : BIDE_EBADF;
    }
    forget(self, entry);
    unlock_after_change(self);
    return open ? 0 : BIDE_EBADF;
}

/* Under the lock. A silent one-shot entry keeps its place with the descriptor -1, which poll(2) skips: even
 * asking for nothing would report its hang-up. */
static void make_scan(struct poll_poller *self)
{
    if (self->spare) {
        free(self->scan);
        self->scan = self->spare;
        self->spare = NULL;
    }
    self->scan[0] = (struct pollfd){.fd = self->wake.read_end, .events = POLLIN};
    for (size_t i = 0; i < self->count; i++) {
        struct entry *entry = &self->entries[i];
        BIDE_ASSERT(self->index[entry->fd] == i + 1); /* 2 */
        entry->slot = i + 1;
        self->scan[i + 1] = (struct pollfd){.fd = entry->armed ? entry->fd : -1, .events = entry->events};
    }
    self->scanned = self->count;
    self->changed = false;
}

#if defined(__APPLE__) /* has no such call */
static int poll_precisely(struct pollfd *scan, nfds_t count, const struct timespec *limit)
{
    (void)scan, (void)count, (void)limit;
    errno = ENOSYS;
    return -1;
}
#else
static int poll_precisely(struct pollfd *scan, nfds_t count, const struct timespec *limit)
{
    return ppoll(scan, count, limit, NULL);
}
#endif

static int block(struct poll_poller *self, bide_instant deadline)
{
    const nfds_t count = (nfds_t)self->scanned + 1;
    const bide_duration rest = bide_poll_remaining(deadline);
    if (!self->coarse && rest > 0 && rest < BIDE_DURATION_MAX) {
        const struct timespec limit = bide_os_timespec(rest);
        int ready = poll_precisely(self->scan, count, &limit);
        if (ready >= 0 || (errno != ENOSYS && errno != EPERM)) return ready;
        self->coarse = true;
    }
    return poll(self->scan, count, bide_poll_milliseconds(rest));
}

/* Under the lock. Begins where the last call stopped, so that with more ready than room each has its turn. */
static size_t collect(struct poll_poller *self, size_t ready, bide_poll_event *events, size_t capacity)
{
    size_t found = 0;
    size_t at = self->start < self->scanned ? self->start : 0;
    for (size_t seen = 0; seen < self->scanned && ready > 0 && found < capacity; seen++) {
        struct pollfd *result = &self->scan[at + 1];
        at = at + 1 < self->scanned ? at + 1 : 0;
        if (result->revents == 0) continue;
        ready--;
        struct entry *entry = find(self, result->fd);
        if (!entry || &self->scan[entry->slot] != result) continue;
        BIDE_ASSERT(entry->armed && entry->events == result->events); /* 3 */
        if (result->revents & POLLNVAL) {
            forget(self, entry);
            self->changed = true;
            continue;
        }
        events[found++] = (bide_poll_event){.key = entry->key, .ready = from_poll(result->revents)};
        if (entry->oneshot) {
            entry->armed = false;
            result->fd = -1;
        }
    }
    self->start = at;
    return found;
}

static int poll_backend_wait(bide_poller *poller, bide_poll_event *events, size_t capacity,
                             bide_instant deadline)
{
    struct poll_poller *self = of(poller);
    bide_os_mutex_lock(&self->lock);
    if (self->changed) make_scan(self);
    self->blocked = deadline.ns != BIDE_NOW.ns;
    bide_os_mutex_unlock(&self->lock);

    int ready = block(self, deadline);
    int error = ready < 0 ? bide_last_error() : 0;

    bide_os_mutex_lock(&self->lock);
    self->blocked = false;
    size_t found = 0;
    if (ready > 0) {
        if (self->scan[0].revents) {
            bide_poll_wake_drain(&self->wake);
            ready--;
        }
        found = collect(self, (size_t)ready, events, capacity);
    }
    bide_os_mutex_unlock(&self->lock);
    return error ? error : (int)found;
}

static void poll_wake(bide_poller *poller)
{
    bide_poll_wake_signal(&of(poller)->wake);
}

const bide_poll_backend bide_poll_backend_poll = {
    .name = "poll",
    .modes = BIDE_POLL_MODE_BIT(BIDE_POLL_ONESHOT) | BIDE_POLL_MODE_BIT(BIDE_POLL_LEVEL),
    .size = sizeof(struct poll_poller),
    .open = poll_open,
    .close = poll_close,
    .add = poll_add,
    .modify = poll_modify,
    .del = poll_del,
    .wait = poll_backend_wait,
    .wake = poll_wake,
    .fd = NULL,
};
