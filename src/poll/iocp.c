/* The back end of Windows: a completion port, on which requests to the driver of sockets (afd.h) end.
 *
 * WHAT DOES NOT WORK. Edges: the driver tells what is, not what is new. Anything but sockets: for events,
 * processes and the like there is bide/os/windows.h. A descriptor for another event loop. What somebody else
 * took out of a socket between its packet and the wait that takes the packet is reported all the same.
 *
 * A registration has at most one request under way, for all that it is interested in. A request that ends is
 * reported; a level registration is then put on a list, from which the next wait issues it anew, and which
 * ends at once if the socket is still ready. When an interest grows the request is cancelled, and issued anew
 * when its packet has come, which a wait that may not block awaits; when it shrinks, what is too much is left out of
 * the report.
 *
 *            issue            packet
 *   IDLE ────────────► PENDING ─────► IDLE       add, modify, and wait for level registrations, issue
 *                        │  cancel
 *                        ▼            packet
 *                     CANCELLING ─────────► IDLE, issued again if it is armed
 *
 * Time-outs: the port takes milliseconds, which the system rounds to ticks of up to 15.6 ms. So a timer posts a
 * packet at the deadline (iocp_timer.h). That is for the last stretch alone: most deadlines never come, and until
 * shortly before one the milliseconds will do. Where such a timer cannot be had, they remain.
 *
 * INVARIANTS
 * 1. `lock` guards all fields but those of 4. It is not held while the port is waited for, and wake does not
 *    take it.
 * 2. The table finds each live registration by its descriptor. One that was deleted with a request under way
 *    is DEAD: in no table, and freed when the packet comes. `pending` counts the requests under way, `cancelling`
 *    those of them that were cancelled.
 * 3. A registration is `armed` if its events are to be reported. Each armed one has a request under way, or
 *    stands on the list `again`.
 * 4. The timer and the packets taken from the port belong to the thread that waits.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "poll/backend.h"

#include "os/assert.h"
#include "os/mutex.h"
#include "os/sockets.h"
#include "poll/afd.h"
#include "poll/iocp.h"
#include "poll/iocp_timer.h"

#include <stdlib.h>

/* What a packet is. */
enum { PACKET_AFD, PACKET_WAKE, PACKET_TIMER, PACKET_POSTED };

/* The driver keeps the requests of a handle in one list. */
#define SOCKETS_A_HELPER 32

/* Packets taken by one call. */
#define MOST_PACKETS 64

#define FIRST_CAPACITY 16

/* The last stretch before a deadline: more than two ticks. */
#define STRETCH BIDE_MILLISECONDS(40)

/* When a request could not be issued, for want of memory perhaps. */
#define RETRY_MS 10

struct helper {
    HANDLE handle;
    unsigned sockets;
    struct helper *next;
};

struct registration {
    struct bide_afd_request request; /* first: a packet carries its address */
    bide_fd fd;
    HANDLE base;
    struct helper *helper;
    uint64_t key;
    unsigned interest;
    ULONG asked; /* what the request under way is for */
    enum { IDLE, PENDING, CANCELLING } state;
    bool oneshot;
    bool armed;
    bool dead;
    bool outdated; /* the request had ended before the last change */
    bool listed;
    struct registration *again; /* the next on the list */
};

struct iocp_poller {
    struct bide_poller base;
    HANDLE port;
    struct bide_iocp_timer timer;

    bide_os_mutex lock;
    struct helper *helpers;
    struct registration **table; /* open addressing; NULL: free */
    size_t capacity;             /* a power of two; at most half of it is in use */
    size_t count;
    struct registration *again;
    size_t pending;
    size_t cancelling;
    size_t owed;       /* what was cancelled before a wait that may not block, and has not come back */
    bool told_nothing; /* a packet did, and its request was issued again */
};

static struct iocp_poller *of(bide_poller *poller)
{
    return (struct iocp_poller *)poller;
}

/* --- helpers; the lock is held --- */

static int take_helper(struct iocp_poller *self, struct helper **out)
{
    struct helper *helper = self->helpers;
    while (helper && helper->sockets == SOCKETS_A_HELPER)
        helper = helper->next;
    if (!helper) {
        helper = calloc(1, sizeof *helper);
        if (!helper) return BIDE_ENOMEM;
        int error = bide_afd_open(&helper->handle, self->port, PACKET_AFD);
        if (error) {
            free(helper);
            return error;
        }
        helper->next = self->helpers;
        self->helpers = helper;
    }
    helper->sockets++;
    *out = helper;
    return 0;
}

/* Those with room go to the front, where they are found at once. One that is empty stays for the next. */
static void give_helper(struct iocp_poller *self, struct helper *helper)
{
    if (helper->sockets-- != SOCKETS_A_HELPER || self->helpers == helper) return;
    struct helper **link = &self->helpers;
    while (*link != helper)
        link = &(*link)->next;
    *link = helper->next;
    helper->next = self->helpers;
    self->helpers = helper;
}

/* --- the table; the lock is held --- */

/* Handles are multiples of four. */
static size_t place_of(const struct iocp_poller *self, bide_fd fd)
{
    return (size_t)((uint64_t)fd / 4 * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (self->capacity - 1);
}

/* Where it stands, or would. */
static struct registration **slot_of(const struct iocp_poller *self, bide_fd fd)
{
    size_t at = place_of(self, fd);
    while (self->table[at] && self->table[at]->fd != fd)
        at = (at + 1) & (self->capacity - 1);
    return &self->table[at];
}

static struct registration *find(const struct iocp_poller *self, bide_fd fd)
{
    return *slot_of(self, fd);
}

/* Makes room for one more. */
static int grow(struct iocp_poller *self)
{
    if (2 * (self->count + 1) <= self->capacity) return 0;
    size_t before = self->capacity;
    size_t capacity = before ? 2 * before : FIRST_CAPACITY;
    struct registration **old = self->table;
    struct registration **table = calloc(capacity, sizeof *table);
    if (!table) return BIDE_ENOMEM;
    self->table = table;
    self->capacity = capacity;
    for (size_t i = 0; i < before; i++)
        if (old[i]) *slot_of(self, old[i]->fd) = old[i];
    free(old);
    return 0;
}

/* Those behind it that would not be found any more move up. */
static void take_out(struct iocp_poller *self, struct registration *registration)
{
    struct registration **slot = slot_of(self, registration->fd);
    BIDE_ASSERT(*slot == registration); /* 2 */
    size_t mask = self->capacity - 1;
    size_t hole = (size_t)(slot - self->table);
    self->table[hole] = NULL;
    self->count--;
    for (size_t at = (hole + 1) & mask; self->table[at]; at = (at + 1) & mask) {
        size_t home = place_of(self, self->table[at]->fd);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        self->table[hole] = self->table[at];
        self->table[at] = NULL;
        hole = at;
    }
}

/* --- registrations; the lock is held --- */

static void list_again(struct iocp_poller *self, struct registration *registration)
{
    if (registration->listed) return;
    registration->listed = true;
    registration->again = self->again;
    self->again = registration;
}

static void unlist(struct iocp_poller *self, struct registration *registration)
{
    if (!registration->listed) return;
    struct registration **link = &self->again;
    while (*link != registration)
        link = &(*link)->again;
    *link = registration->again;
    registration->listed = false;
}

static void cancel(struct iocp_poller *self, struct registration *registration)
{
    if (registration->state != PENDING) return;
    bide_afd_cancel(registration->helper->handle, &registration->request);
    registration->state = CANCELLING;
    self->cancelling++;
}

/* Ends it; what is under way still is freed by its packet. */
static void forget(struct iocp_poller *self, struct registration *registration)
{
    take_out(self, registration);
    unlist(self, registration);
    registration->armed = false;
    registration->dead = true;
    cancel(self, registration);
    if (registration->state != IDLE) return;
    give_helper(self, registration->helper);
    free(registration);
}

/* An error leaves it idle. */
static int issue(struct iocp_poller *self, struct registration *registration)
{
    BIDE_ASSERT(registration->state == IDLE && registration->armed);
    registration->asked = bide_afd_wanted(registration->interest);
    registration->outdated = false;
    int error = bide_afd_poll(registration->helper->handle, registration->base, registration->asked,
                              &registration->request);
    if (error) return error;
    registration->state = PENDING;
    self->pending++;
    return 0;
}

static void set(struct registration *registration, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    registration->key = key;
    registration->interest = interest;
    registration->oneshot = mode == BIDE_POLL_ONESHOT;
    registration->armed = true;
}

/* --- the back end's functions --- */

static int iocp_open(bide_poller *poller)
{
    struct iocp_poller *self = of(poller);
    int error = bide_os_sockets_start();
    if (error) return error;
    self->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (!self->port) return bide_last_error();
    bide_iocp_timer_init(&self->timer, self->port, PACKET_TIMER);
    struct helper *helper;
    error = take_helper(self, &helper);
    if (!error) {
        helper->sockets--;
        error = grow(self);
    }
    if (!error) return 0;
    if (self->helpers) (void)CloseHandle(self->helpers->handle);
    free(self->helpers);
    (void)CloseHandle(self->port);
    /* Anything but exhaustion means that the driver cannot be had. */
    return error == BIDE_ENOMEM || error == BIDE_EMFILE || error == BIDE_ENOBUFS ? error : BIDE_ENOTSUP;
}

static void iocp_close(bide_poller *poller)
{
    struct iocp_poller *self = of(poller);
    bide_iocp_timer_close(&self->timer);
    for (size_t i = 0; i < self->capacity; i++)
        while (self->table[i])
            forget(self, self->table[i]); /* another may move up */
    while (self->pending > 0) {
        DWORD size;
        ULONG_PTR what;
        OVERLAPPED *packet = NULL;
        (void)GetQueuedCompletionStatus(self->port, &size, &what, &packet, INFINITE);
        if (!packet || what != PACKET_AFD) continue;
        free(packet);
        self->pending--;
    }
    while (self->helpers) {
        struct helper *helper = self->helpers;
        self->helpers = helper->next;
        (void)CloseHandle(helper->handle);
        free(helper);
    }
    (void)CloseHandle(self->port);
    free(self->table);
}

/* The number of a socket that was closed without being deleted has been given to another one. */
static bool is_gone(const struct registration *registration)
{
    return registration->state == PENDING && bide_afd_has_ended(&registration->request) &&
           (bide_afd_result(&registration->request) != 0 ||
            (bide_afd_events(&registration->request) & BIDE_AFD_LOCAL_CLOSE));
}

/* What the driver says of the handle of a socket that was closed, or of none. */
static bool means_closed(int error)
{
    return error == BIDE_EBADF || error == BIDE_ENOTSOCK;
}

static int add_locked(struct iocp_poller *self, bide_fd fd, HANDLE base, uint64_t key, unsigned interest,
                      bide_poll_mode mode)
{
    struct registration *present = find(self, fd);
    if (present && !is_gone(present)) return BIDE_EEXIST;
    if (present) forget(self, present);
    int error = grow(self);
    if (error) return error;
    struct registration *registration = calloc(1, sizeof *registration);
    if (!registration) return BIDE_ENOMEM;
    error = take_helper(self, &registration->helper);
    if (error) goto free_registration;
    registration->fd = fd;
    registration->base = base;
    set(registration, key, interest, mode);
    error = issue(self, registration);
    if (error) goto give_helper;
    *slot_of(self, fd) = registration;
    self->count++;
    return 0;

give_helper:
    give_helper(self, registration->helper);
free_registration:
    free(registration);
    return error;
}

static int iocp_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct iocp_poller *self = of(poller);
    HANDLE base;
    int error = bide_afd_base_socket(fd, &base);
    if (error) return error;
    bide_os_mutex_lock(&self->lock);
    error = add_locked(self, fd, base, key, interest, mode);
    bide_os_mutex_unlock(&self->lock);
    if (means_closed(error)) return bide_os_is_handle(fd) ? BIDE_ENOTPOLLABLE : BIDE_EBADF;
    return error;
}

/* Why a descriptor is not registered. */
static int why_not(bide_fd fd)
{
    int family;
    int type;
    int error = bide_os_socket_look(fd, &family, &type);
    return error == 0 || error == BIDE_ENOTSOCK ? BIDE_ENOENT : error;
}

/* The registration; or NULL. One whose socket was closed is forgotten. */
static struct registration *live(struct iocp_poller *self, bide_fd fd)
{
    struct registration *registration = find(self, fd);
    if (!registration || !is_gone(registration)) return registration;
    forget(self, registration);
    return NULL;
}

static int modify_locked(struct iocp_poller *self, struct registration *registration, uint64_t key,
                         unsigned interest, bide_poll_mode mode)
{
    struct registration before = *registration;
    set(registration, key, interest, mode);
    switch (registration->state) {
    case IDLE: {
        unlist(self, registration);
        int error = issue(self, registration);
        if (!error) return 0;
        if (means_closed(error)) {
            forget(self, registration);
            return BIDE_EBADF;
        }
        registration->key = before.key;
        registration->interest = before.interest;
        registration->oneshot = before.oneshot;
        registration->armed = before.armed;
        if (before.listed) list_again(self, registration);
        return error;
    }
    case PENDING:
        if (bide_afd_has_ended(&registration->request))
            registration->outdated = true;
        else if (bide_afd_wanted(interest) & ~registration->asked)
            cancel(self, registration);
        return 0;
    case CANCELLING: return 0;
    }
    return 0;
}

static int iocp_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    struct iocp_poller *self = of(poller);
    bide_os_mutex_lock(&self->lock);
    struct registration *registration = live(self, fd);
    int error = registration ? modify_locked(self, registration, key, interest, mode) : why_not(fd);
    bide_os_mutex_unlock(&self->lock);
    return error;
}

static int iocp_del(bide_poller *poller, bide_fd fd)
{
    struct iocp_poller *self = of(poller);
    bide_os_mutex_lock(&self->lock);
    struct registration *registration = live(self, fd);
    int error = why_not(fd);
    if (registration) {
        forget(self, registration);
        if (error == BIDE_ENOENT) error = 0;
    }
    bide_os_mutex_unlock(&self->lock);
    return error;
}

/* What cannot be issued stays for the next wait, unless its socket is gone. */
static void issue_or_list(struct iocp_poller *self, struct registration *registration)
{
    int error = issue(self, registration);
    if (means_closed(error))
        forget(self, registration);
    else if (error)
        list_again(self, registration);
}

/* Issues what is on the list. */
static void issue_again(struct iocp_poller *self)
{
    struct registration *list = self->again;
    self->again = NULL;
    while (list) {
        struct registration *registration = list;
        list = registration->again;
        registration->listed = false;
        if (registration->state == IDLE && registration->armed) issue_or_list(self, registration);
    }
}

/* Takes a request's packet. Returns whether there is an event to report. */
static bool take(struct iocp_poller *self, struct registration *registration, bide_poll_event *event)
{
    BIDE_ASSERT(registration->state != IDLE && self->pending > 0); /* 2 */
    if (registration->state == CANCELLING) {
        self->cancelling--;
        if (self->owed > 0) self->owed--;
    }
    self->pending--;
    registration->state = IDLE;
    if (registration->dead) {
        give_helper(self, registration->helper);
        free(registration);
        return false;
    }
    int error = bide_afd_result(&registration->request);
    ULONG events = error ? 0 : bide_afd_events(&registration->request);
    if ((events & BIDE_AFD_LOCAL_CLOSE) || (error && error != BIDE_ECANCELED)) {
        forget(self, registration);
        return false;
    }
    if (!registration->armed) return false;
    if (registration->outdated) events = 0;
    unsigned ready = bide_afd_ready(events) & (registration->interest | BIDE_POLL_HUP | BIDE_POLL_ERR);
    if (ready == 0) {
        issue_or_list(self, registration);
        self->told_nothing = true;
        return false;
    }
    if (registration->oneshot)
        registration->armed = false;
    else
        list_again(self, registration);
    *event = (bide_poll_event){.key = registration->key, .ready = ready};
    return true;
}

/* Takes packets, which were got from the port. Returns the number of events. */
static size_t collect(struct iocp_poller *self, const OVERLAPPED_ENTRY *packets, int count,
                      bide_poll_event *events)
{
    size_t found = 0;
    for (int i = 0; i < count; i++) {
        const OVERLAPPED_ENTRY *packet = &packets[i];
        if (packet->lpCompletionKey == PACKET_AFD)
            found += take(self, (struct registration *)packet->lpOverlapped, &events[found]);
        else if (packet->lpCompletionKey == PACKET_POSTED)
            events[found++] = (bide_poll_event){.key = (uint64_t)(uintptr_t)packet->lpOverlapped,
                                                .ready = packet->dwNumberOfBytesTransferred};
        else if (packet->lpCompletionKey == PACKET_TIMER)
            bide_iocp_timer_expired(&self->timer);
    }
    return found;
}

/* How many came within the limit, in milliseconds; or an error. */
static int get_packets(struct iocp_poller *self, OVERLAPPED_ENTRY *packets, size_t most, DWORD limit)
{
    ULONG count = 0;
    ULONG room = (ULONG)(most < MOST_PACKETS ? most : MOST_PACKETS);
    if (GetQueuedCompletionStatusEx(self->port, packets, room, &count, limit, FALSE)) return (int)count;
    return GetLastError() == WAIT_TIMEOUT ? 0 : bide_last_error();
}

static DWORD limit_of(const struct iocp_poller *self, bool blocks, bide_instant deadline)
{
    /* What was cancelled comes back at once, and may be ready. */
    if (!blocks) return self->owed > 0 ? INFINITE : 0;
    DWORD limit = bide_os_milliseconds_until(deadline);
    return self->again && limit > RETRY_MS ? RETRY_MS : limit;
}

static int iocp_wait(bide_poller *poller, bide_poll_event *events, size_t capacity, bide_instant deadline)
{
    struct iocp_poller *self = of(poller);
    OVERLAPPED_ENTRY packets[MOST_PACKETS];
    const bide_duration rest = bide_poll_remaining(deadline);
    bool blocks = rest > 0;
    const bool looks_at_all = !blocks;
    if (blocks && rest < BIDE_DURATION_MAX && rest > 2 * STRETCH)
        deadline = bide_instant_add(deadline, -STRETCH);
    else if (blocks)
        bide_iocp_timer_set(&self->timer, deadline);
    bide_os_mutex_lock(&self->lock);
    issue_again(self);
    self->owed = looks_at_all ? self->cancelling : 0;
    for (size_t found = 0;; blocks = false) {
        self->told_nothing = false;
        const DWORD limit = limit_of(self, blocks, deadline);
        bide_os_mutex_unlock(&self->lock);

        int count = get_packets(self, packets, capacity - found, limit);
        if (count <= 0) return found > 0 ? (int)found : count;

        bide_os_mutex_lock(&self->lock);
        found += collect(self, packets, count, events + found);
        /* One that may not block would miss what has been issued again only after its packet had come. */
        if (found < capacity &&
            (count == MOST_PACKETS || self->owed > 0 || (looks_at_all && self->told_nothing)))
            continue;
        bide_os_mutex_unlock(&self->lock);
        return (int)found;
    }
}

/* A packet takes memory of the system's, which may be short for a while. There is nothing else that would end the wait. */
static void iocp_wake(bide_poller *poller)
{
    DWORD before = GetLastError();
    while (!PostQueuedCompletionStatus(of(poller)->port, 0, PACKET_WAKE, NULL) &&
           GetLastError() != ERROR_INVALID_HANDLE)
        Sleep(1);
    SetLastError(before);
}

int bide_poll_iocp_post(bide_poller *poller, uint64_t key, unsigned ready)
{
    if (poller->backend != &bide_poll_backend_iocp) return BIDE_ENOTSUP;
    if ((uintptr_t)key != key) return BIDE_EOVERFLOW;
    OVERLAPPED *packet = (OVERLAPPED *)(uintptr_t)key;
    return PostQueuedCompletionStatus(of(poller)->port, ready, PACKET_POSTED, packet) ? 0 : bide_last_error();
}

const bide_poll_backend bide_poll_backend_iocp = {
    .name = "iocp",
    .modes = BIDE_POLL_MODE_BIT(BIDE_POLL_ONESHOT) | BIDE_POLL_MODE_BIT(BIDE_POLL_LEVEL),
    .size = sizeof(struct iocp_poller),
    .open = iocp_open,
    .close = iocp_close,
    .add = iocp_add,
    .modify = iocp_modify,
    .del = iocp_del,
    .wait = iocp_wait,
    .wake = iocp_wake,
    .fd = NULL,
};
