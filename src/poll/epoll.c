/* The back end of Linux: epoll(7).
 *
 * Registrations live in the kernel alone. The kernel writes its events straight into the caller's array,
 * where they are rewritten in place, so that there is no second buffer whose size would limit a wait.
 *
 * Time-outs: epoll_pwait2 (Linux 5.11) takes nanoseconds. Where it is missing or a sandbox denies it, a
 * timerfd in the epoll set is armed with the absolute deadline, and where that is denied too, milliseconds
 * are rounded up. The choice is made at the first wait that needs it and stays.
 *
 * Waking: an eventfd, edge-triggered and never read. Each write makes an edge even if the counter was not
 * zero, which saves a read for every wake-up.
 *
 * INVARIANTS
 * 1. `timeouts`, `timer` and `armed` belong to the thread that waits.
 * 2. The timer, if there is one, is armed for `armed`, or has expired at it; BIDE_NEVER: disarmed. No wait
 *    without a limit leaves it armed, so that an idle process is not woken for nothing.
 * 3. Events of our own descriptors carry the reserved key and never leave this file.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "poll/backend.h"

#include "os/assert.h"
#include "os/clock.h"
#include "os/sanitize.h"
#include "poll/wake.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifdef SYS_epoll_pwait2
#include <linux/time_types.h>
#endif

/* What the kernel takes for maxevents: INT_MAX bytes of them (fs/eventpoll.c). */
#define MOST_EVENTS ((size_t)INT_MAX / sizeof(struct epoll_event))

struct epoll_poller {
    struct bide_poller base;
    int epoll;
    int timer; /* -1 until it is needed */
    enum { PWAIT2, TIMERFD, MILLISECONDS } timeouts;
    bide_instant armed;
    bide_poll_wake wake;
};

static struct epoll_poller *of(bide_poller *poller)
{
    return (struct epoll_poller *)poller;
}

static uint32_t to_epoll(unsigned interest, bide_poll_mode mode)
{
    uint32_t events = 0;
    if (interest & BIDE_POLL_READ) events |= EPOLLIN;
    if (interest & BIDE_POLL_WRITE) events |= EPOLLOUT;
    if (interest & BIDE_POLL_PRI) events |= EPOLLPRI;
    if (interest & BIDE_POLL_RDHUP) events |= EPOLLRDHUP;
    if (mode == BIDE_POLL_EDGE || mode == BIDE_POLL_EDGE_ONESHOT) events |= EPOLLET;
    if (mode == BIDE_POLL_ONESHOT || mode == BIDE_POLL_EDGE_ONESHOT) events |= EPOLLONESHOT;
    return events;
}

static unsigned from_epoll(uint32_t events)
{
    unsigned ready = 0;
    if (events & EPOLLIN) ready |= BIDE_POLL_READ;
    if (events & EPOLLOUT) ready |= BIDE_POLL_WRITE;
    if (events & EPOLLPRI) ready |= BIDE_POLL_PRI;
    if (events & EPOLLRDHUP) ready |= BIDE_POLL_RDHUP;
    if (events & EPOLLHUP) ready |= BIDE_POLL_HUP;
    if (events & EPOLLERR) ready |= BIDE_POLL_ERR;
    return ready;
}

static int control(const struct epoll_poller *self, int operation, int fd, uint64_t key, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = key};
    if (epoll_ctl(self->epoll, operation, fd, &event) == 0) return 0;
    /* "The target file does not support epoll" (epoll_ctl(2)), which the kernel checks before it looks
     * whether the file is registered. A sandbox is no reason: it let our own descriptor in. */
    if (errno == EPERM) return operation == EPOLL_CTL_ADD ? BIDE_ENOTPOLLABLE : BIDE_ENOENT;
    return bide_last_error();
}

/* Any way for a kernel or a sandbox to say that there is no such call. */
static int refused(int system_error)
{
    if (system_error == ENOSYS || system_error == EPERM || system_error == EACCES) return BIDE_ENOTSUP;
    return bide_error_from_system(system_error);
}

static int epoll_open(bide_poller *poller)
{
    struct epoll_poller *self = of(poller);
    self->timer = -1;
    self->timeouts = PWAIT2;
    self->armed = BIDE_NEVER;

    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0) return refused(errno);
    int error = bide_poll_wake_open(&self->wake);
    if (error) goto close_epoll;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = BIDE_POLL_KEY_RESERVED};
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->wake.read_end, &event) != 0) {
        error = refused(errno);
        goto close_wake;
    }
    return 0;

close_wake:
    bide_poll_wake_close(&self->wake);
close_epoll:
    (void)close(self->epoll);
    return error;
}

static void epoll_close(bide_poller *poller)
{
    struct epoll_poller *self = of(poller);
    if (self->timer >= 0) (void)close(self->timer);
    bide_poll_wake_close(&self->wake);
    (void)close(self->epoll);
}

static int epoll_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    return control(of(poller), EPOLL_CTL_ADD, fd, key, to_epoll(interest, mode));
}

static int epoll_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    return control(of(poller), EPOLL_CTL_MOD, fd, key, to_epoll(interest, mode));
}

static int epoll_del(bide_poller *poller, bide_fd fd)
{
    return control(of(poller), EPOLL_CTL_DEL, fd, 0, 0);
}

/* epoll_pwait2 was denied. Failing to make a timer, for want of descriptors perhaps, is no error of the wait:
 * milliseconds are late, but right. */
static void choose_timeouts(struct epoll_poller *self)
{
    self->timeouts = MILLISECONDS;
    self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self->timer < 0) return;
    /* Edge-triggered, so that it need not be read either: arming it anew clears it. */
    if (control(self, EPOLL_CTL_ADD, self->timer, BIDE_POLL_KEY_RESERVED, EPOLLIN | EPOLLET) == 0) {
        self->timeouts = TIMERFD;
        return;
    }
    (void)close(self->timer);
    self->timer = -1;
}

/* Sees to it that the timer expires at the deadline, by a system call only if it does not already. */
static bool arm(struct epoll_poller *self, bide_instant deadline)
{
    if (deadline.ns == self->armed.ns) return true;
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (!bide_is_never(deadline)) when.it_value = bide_os_timespec(deadline.ns);
    if (timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &when, NULL) != 0) return false;
    self->armed = deadline;
    return true;
}

#ifdef SYS_epoll_pwait2
/* Through syscall(2), because the C library may be older than the kernel. */
static int wait_precisely(struct epoll_poller *self, struct epoll_event *events, int capacity,
                          bide_duration rest)
{
    struct __kernel_timespec limit = {.tv_sec = rest / BIDE_SECONDS(1), .tv_nsec = rest % BIDE_SECONDS(1)};
#ifdef BIDE_SANITIZE_THREAD
    bide_os_sanitize_mask before;
    bide_os_sanitize_block_signals(&before);
    int count = (int)syscall(SYS_epoll_pwait2, self->epoll, events, capacity, &limit, &before,
                             (size_t)(NSIG - 1) / 8);
    bide_os_sanitize_unblock_signals(&before);
    return count;
#else
    return (int)syscall(SYS_epoll_pwait2, self->epoll, events, capacity, &limit, NULL, (size_t)0);
#endif
}
#else
static int wait_precisely(struct epoll_poller *self, struct epoll_event *events, int capacity,
                          bide_duration rest)
{
    (void)self, (void)events, (void)capacity, (void)rest;
    errno = ENOSYS;
    return -1;
}
#endif

static int block(struct epoll_poller *self, struct epoll_event *events, int capacity, bide_instant deadline)
{
    bide_duration rest = bide_poll_remaining(deadline);
    if (self->timeouts == PWAIT2 && rest > 0 && rest < BIDE_DURATION_MAX) {
        int count = wait_precisely(self, events, capacity, rest);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        choose_timeouts(self);
        rest = bide_poll_remaining(deadline);
    }
    if (self->timeouts == TIMERFD && rest > 0) {
        if (arm(self, deadline))
            rest = BIDE_DURATION_MAX;
        else
            self->timeouts = MILLISECONDS;
    }
    BIDE_ASSERT(self->timeouts != TIMERFD || !bide_is_never(deadline) || bide_is_never(self->armed)); /* 2 */
    return epoll_wait(self->epoll, events, capacity, bide_poll_milliseconds(rest));
}

/* Takes our own events out of the array, which happens only after wake-ups, so that the usual path
 * copies nothing. */
static int without_internal(struct epoll_poller *self, bide_poll_event *events, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (events[i].key != BIDE_POLL_KEY_RESERVED) events[kept++] = events[i];
    if (!bide_poll_wake_is_counter(&self->wake)) bide_poll_wake_drain(&self->wake);
    return kept;
}

_Static_assert(sizeof(struct epoll_event) <= sizeof(bide_poll_event), "events can be rewritten in place");
_Static_assert(_Alignof(struct epoll_event) <= _Alignof(bide_poll_event), "events can be rewritten in place");

static int epoll_backend_wait(bide_poller *poller, bide_poll_event *events, size_t capacity,
                              bide_instant deadline)
{
    struct epoll_poller *self = of(poller);
    const int most = (int)(capacity < MOST_EVENTS ? capacity : MOST_EVENTS);
    const int count = block(self, (struct epoll_event *)(void *)events, most, deadline);
    if (count < 0) return bide_last_error();

    /* From the last to the first: ours may be the larger ones, and must not overwrite what is
     * still to be read. */
    bool internal = false;
    for (size_t i = (size_t)count; i-- > 0;) {
        struct epoll_event raw;
        memcpy(&raw, (const char *)events + i * sizeof raw, sizeof raw);
        events[i].key = raw.data.u64;
        events[i].ready = from_epoll(raw.events);
        internal |= raw.data.u64 == BIDE_POLL_KEY_RESERVED;
    }
    return internal ? without_internal(self, events, count) : count;
}

static void epoll_wake(bide_poller *poller)
{
    bide_poll_wake_signal(&of(poller)->wake);
}

static bide_fd epoll_fd(const bide_poller *poller)
{
    return ((const struct epoll_poller *)poller)->epoll;
}

const bide_poll_backend bide_poll_backend_epoll = {
    .name = "epoll",
    .modes = BIDE_POLL_MODE_BIT(BIDE_POLL_ONESHOT) | BIDE_POLL_MODE_BIT(BIDE_POLL_LEVEL) |
             BIDE_POLL_MODE_BIT(BIDE_POLL_EDGE) | BIDE_POLL_MODE_BIT(BIDE_POLL_EDGE_ONESHOT),
    .size = sizeof(struct epoll_poller),
    .open = epoll_open,
    .close = epoll_close,
    .add = epoll_add,
    .modify = epoll_modify,
    .del = epoll_del,
    .wait = epoll_backend_wait,
    .wake = epoll_wake,
    .fd = epoll_fd,
};
