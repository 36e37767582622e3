/* The back end of illumos and Solaris: event ports, port_create(3C).
 *
 * WHAT DOES NOT WORK
 *  - There are no edges: BIDE_POLL_EDGE and BIDE_POLL_EDGE_ONESHOT are BIDE_ENOTSUP.
 *  - bide_poller_fd(): a port that was waited on hears of its level-triggered descriptors again only in the next
 *    wait, so that its own readiness would say too little.
 *  - BIDE_POLL_RDHUP is never reported; the end of the data is told by BIDE_POLL_READ.
 *
 * An association ends with its event (port_associate(3C)), which is BIDE_POLL_ONESHOT as it is wanted. Those of
 * BIDE_POLL_LEVEL are associated again at the beginning of the next wait: when the caller has done what the event
 * asked for, so that what is not ready any more is not reported.
 *
 * INVARIANTS
 * 1. `lock` guards the table and the list of those to be associated again. It is held while associations are made
 *    and ended, and not while port_getn(3C) waits.
 * 2. An event carries its entry's `version`, which each change raises: one from before a change is dropped. What
 *    it said is found again, since the change associates anew.
 * 3. `again[0]` to `again[again_count - 1]` are the descriptors whose entries have `to_associate`, and perhaps
 *    some that have it no more; there is room for each entry once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "poll/backend.h"

#include "os/clock.h"
#include "os/mutex.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <port.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_SIZE 16
#define MOST_EVENTS 256

/* The longest sleep; the wait goes on after it. */
#define LONGEST BIDE_SECONDS(86400)

struct entry {
    uint64_t key;
    uint32_t version;
    int events;
    bool registered;
    bool level;
    bool to_associate;
};

struct port_poller {
    struct bide_poller base;
    int port;
    bide_os_mutex lock;
    struct entry *entries; /* by descriptor */
    bide_fd *again;        /* as many as entries */
    size_t size;
    size_t again_count;
    port_event_t raw[MOST_EVENTS]; /* the waiting thread's */
};

static struct port_poller *of(bide_poller *poller)
{
    return (struct port_poller *)poller;
}

static int to_poll(unsigned interest)
{
    int events = 0;
    if (interest & BIDE_POLL_READ) events |= POLLIN;
    if (interest & BIDE_POLL_WRITE) events |= POLLOUT;
    if (interest & BIDE_POLL_PRI) events |= POLLPRI;
    return events;
}

static unsigned from_poll(int events)
{
    unsigned ready = 0;
    if (events & POLLIN) ready |= BIDE_POLL_READ;
    if (events & POLLOUT) ready |= BIDE_POLL_WRITE;
    if (events & POLLPRI) ready |= BIDE_POLL_PRI;
    if (events & POLLHUP) ready |= BIDE_POLL_HUP;
    if (events & POLLERR) ready |= BIDE_POLL_ERR;
    return ready;
}

/* --- the table; its callers hold the lock --- */

static struct entry *find(const struct port_poller *self, bide_fd fd)
{
    if (fd < 0 || (size_t)fd >= self->size || !self->entries[fd].registered) return NULL;
    return &self->entries[fd];
}

static int grow(struct port_poller *self, bide_fd fd)
{
    if ((size_t)fd < self->size) return 0;
    size_t size = self->size ? self->size : FIRST_SIZE;
    while (size <= (size_t)fd)
        size *= 2;
    /* What has grown when the rest fails stays so. */
    bide_fd *again = realloc(self->again, size * sizeof *again);
    if (!again) return BIDE_ENOMEM;
    self->again = again;
    struct entry *entries = realloc(self->entries, size * sizeof *entries);
    if (!entries) return BIDE_ENOMEM;
    memset(entries + self->size, 0, (size - self->size) * sizeof *entries);
    self->entries = entries;
    self->size = size;
    return 0;
}

static int associate(const struct port_poller *self, bide_fd fd, const struct entry *entry)
{
    void *user = (void *)(uintptr_t)entry->version;
    if (port_associate(self->port, PORT_SOURCE_FD, (uintptr_t)fd, entry->events, user) == 0) return 0;
    switch (errno) {
    case EBADF:
    case EBADFD: return BIDE_EBADF;
    case EAGAIN: return BIDE_ENOSPC; /* as many associations as the port may have */
    default: return bide_last_error();
    }
}

static int set(struct port_poller *self, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct entry *entry = &self->entries[fd];
    struct entry wanted = {.key = key,
                           .version = entry->version + 1,
                           .events = to_poll(interest),
                           .registered = true,
                           .level = mode == BIDE_POLL_LEVEL};
    if (wanted.version == 0) wanted.version = 1; /* 0 is the wake's */
    int error = associate(self, fd, &wanted);
    if (!error) *entry = wanted;
    return error;
}

static void associate_again(struct port_poller *self)
{
    for (size_t i = 0; i < self->again_count; i++) {
        struct entry *entry = find(self, self->again[i]);
        if (!entry || !entry->to_associate) continue;
        entry->to_associate = false;
        /* It was closed: the kernel's own tables forget such a descriptor too. */
        if (associate(self, self->again[i], entry) == BIDE_EBADF) entry->registered = false;
    }
    self->again_count = 0;
}

/* --- the back end's functions --- */

static int port_open(bide_poller *poller)
{
    struct port_poller *self = of(poller);
    self->port = port_create();
    if (self->port < 0) return errno == ENOSYS || errno == EPERM ? BIDE_ENOTSUP : bide_last_error();
    (void)fcntl(self->port, F_SETFD, FD_CLOEXEC);
    return 0;
}

static void port_backend_close(bide_poller *poller)
{
    struct port_poller *self = of(poller);
    (void)close(self->port);
    free(self->entries);
    free(self->again);
}

static int port_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct port_poller *self = of(poller);
    struct stat about;
    if (fstat(fd, &about) != 0) return bide_last_error();
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) return BIDE_ENOTPOLLABLE;
    bide_os_mutex_lock(&self->lock);
    int error = find(self, fd) ? BIDE_EEXIST : grow(self, fd);
    if (!error) error = set(self, fd, key, interest, mode);
    bide_os_mutex_unlock(&self->lock);
    return error;
}

static bool is_open(bide_fd fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

static int port_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct port_poller *self = of(poller);
    const bool open = is_open(fd);
    int error = open ? BIDE_ENOENT : BIDE_EBADF;
    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    if (entry && open) error = set(self, fd, key, interest, mode);
    if (entry && !open) entry->registered = false;
    bide_os_mutex_unlock(&self->lock);
    return error;
}

static int port_del(bide_poller *poller, bide_fd fd)
{
    struct port_poller *self = of(poller);
    const bool open = is_open(fd);
    bide_os_mutex_lock(&self->lock);
    struct entry *entry = find(self, fd);
    if (entry) {
        /* ENOENT: its event has come. */
        if (open) (void)port_dissociate(self->port, PORT_SOURCE_FD, (uintptr_t)fd);
        entry->registered = false;
    }
    bide_os_mutex_unlock(&self->lock);
    if (!open) return BIDE_EBADF;
    return entry ? 0 : BIDE_ENOENT;
}

/* Under the lock. */
static int collect(struct port_poller *self, unsigned count, bide_poll_event *events)
{
    int found = 0;
    for (unsigned i = 0; i < count; i++) {
        const port_event_t *raw = &self->raw[i];
        if (raw->portev_source != PORT_SOURCE_FD) continue; /* a wake */
        bide_fd fd = (bide_fd)raw->portev_object;
        struct entry *entry = find(self, fd);
        if (!entry || entry->version != (uint32_t)(uintptr_t)raw->portev_user) continue; /* 2 */
        if (entry->level && !entry->to_associate && self->again_count < self->size) {
            entry->to_associate = true;
            self->again[self->again_count++] = fd;
        }
        unsigned ready = from_poll(raw->portev_events);
        if (ready) events[found++] = (bide_poll_event){.key = entry->key, .ready = ready};
    }
    return found;
}

static int port_wait(bide_poller *poller, bide_poll_event *events, size_t capacity, bide_instant deadline)
{
    struct port_poller *self = of(poller);
    const unsigned most = capacity < MOST_EVENTS ? (unsigned)capacity : MOST_EVENTS;
    bide_os_mutex_lock(&self->lock);
    associate_again(self);
    bide_os_mutex_unlock(&self->lock);

    const bide_duration rest = bide_poll_remaining(deadline);
    struct timespec limit = bide_os_timespec(rest < LONGEST ? rest : LONGEST);
    unsigned count = 1; /* in: how many to wait for; out: how many came, also with an error */
    int failed = port_getn(self->port, self->raw, most, &count, rest < BIDE_DURATION_MAX ? &limit : NULL);
    int error = failed && errno != ETIME ? bide_last_error() : 0;
    if (error && error != BIDE_EINTR) return error;
    if (count == 0) return error;

    bide_os_mutex_lock(&self->lock);
    int found = collect(self, count, events);
    bide_os_mutex_unlock(&self->lock);
    return found;
}

static void port_wake(bide_poller *poller)
{
    int saved = errno;
    /* EAGAIN: the port is full of events, and the wait ends anyway. */
    (void)port_send(of(poller)->port, 0, NULL);
    errno = saved;
}

const bide_poll_backend bide_poll_backend_port = {
    .name = "port",
    .modes = BIDE_POLL_MODE_BIT(BIDE_POLL_ONESHOT) | BIDE_POLL_MODE_BIT(BIDE_POLL_LEVEL),
    .size = sizeof(struct port_poller),
    .open = port_open,
    .close = port_backend_close,
    .add = port_add,
    .modify = port_modify,
    .del = port_del,
    .wait = port_wait,
    .wake = port_wake,
    .fd = NULL,
};
