/* The poller, as far as it is the same for all back ends: their choice, the checking of arguments,
 * notifications, and the loop that makes a wait out of a back end's waits.
 *
 * INVARIANTS
 * 1. BUSY is set exactly while a thread is inside bide_poller_wait(); it is that thread which clears it.
 *    What a back end keeps for its wait alone is therefore never used by two threads at once.
 * 2. A wait that blocks has set BLOCKED before it asks the back end. A notification sets NOTIFIED and reads
 *    BLOCKED in one step, and a wait sets BLOCKED and reads NOTIFIED in one step: whichever comes second sees
 *    the other, so that either the wait does not block or the notifier wakes it.
 * 3. Who sets NOTIFIED while BLOCKED is set, and was the first, calls the back end's wake, once. The wake may
 *    arrive after that wait has ended; a later wait that it cuts short finds NOTIFIED clear and goes on.
 * 4. The end of a wait clears NOTIFIED: it was delivered by this return.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "poll/backend.h"

#include "os/assert.h"
#include "os/environment.h"
#include "os/log.h"
#include "os/sanitize.h"
#include "os/thread.h"
#include "poll/poller.h"

#include <stdlib.h>
#include <string.h>

/* Bits of bide_poller.state. */
enum {
    BUSY = 1U,     /* a thread is inside wait */
    BLOCKED = 2U,  /* and may block */
    NOTIFIED = 4U, /* the present wait, or else the next, must end at once */
    EMBEDDED = 8U  /* bide_poller_fd() was called: the descriptor has to tell of notifications */
};

#define INTERESTS                                                                                    \
    ((unsigned)(BIDE_POLL_READ | BIDE_POLL_WRITE | BIDE_POLL_PRI | BIDE_POLL_RDHUP | BIDE_POLL_HUP | \
                BIDE_POLL_ERR))

/* Best first. */
static const bide_poll_backend *const backends[] = {
#ifdef BIDE_WITH_EPOLL
    &bide_poll_backend_epoll,
#endif
#ifdef BIDE_WITH_KQUEUE
    &bide_poll_backend_kqueue,
#endif
#ifdef BIDE_WITH_PORT
    &bide_poll_backend_port,
#endif
#ifdef BIDE_WITH_IOCP
    &bide_poll_backend_iocp,
#endif
#ifdef BIDE_WITH_POLL
    &bide_poll_backend_poll,
#endif
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int open_backend(bide_poller **out, const bide_poll_backend *backend)
{
    bide_poller *poller = calloc(1, backend->size);
    if (!poller) return BIDE_ENOMEM;
    poller->backend = backend;
    int error = backend->open(poller);
    if (error) {
        free(poller);
        return error;
    }
    *out = poller;
    return 0;
}

static int open_named(bide_poller **out, const char *name)
{
    for (size_t i = 0; i < COUNT(backends); i++) {
        if (strcmp(backends[i]->name, name) != 0) continue;
        int error = open_backend(out, backends[i]);
        return error == BIDE_ENOTSUP ? BIDE_EBACKEND : error;
    }
    return BIDE_EBACKEND;
}

static int open_best(bide_poller **out)
{
    int error = BIDE_ENOTSUP;
    for (size_t i = 0; i < COUNT(backends) && error == BIDE_ENOTSUP; i++) {
        error = open_backend(out, backends[i]);
        if (error == BIDE_ENOTSUP)
            bide_log(error, "the system does not permit the back end", backends[i]->name);
    }
    return error == BIDE_ENOTSUP ? BIDE_EBACKEND : error;
}

int bide_poller_new(bide_poller **out, const char *backend)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    const char *chosen = NULL;
    if (!backend) {
        chosen = bide_os_environment("BIDE_BACKEND");
        backend = chosen;
    }
    int cancel = bide_os_cancel_disable();
    int error = backend ? open_named(out, backend) : open_best(out);
    /* Who named it in a call is told by the return value. */
    if (error == BIDE_EBACKEND && chosen) bide_log(error, "BIDE_BACKEND cannot be had", chosen);
    bide_os_cancel_restore(cancel);
    return error;
}

void bide_poller_free(bide_poller *poller)
{
    if (!poller) return;
    int cancel = bide_os_cancel_disable();
    poller->backend->close(poller);
    bide_os_cancel_restore(cancel);
    free(poller);
}

const char *bide_poller_backend(const bide_poller *poller)
{
    return poller ? poller->backend->name : NULL;
}

static bool is_mode(bide_poll_mode mode)
{
    return (unsigned)mode <= BIDE_POLL_EDGE_ONESHOT;
}

bool bide_poller_supports(const bide_poller *poller, bide_poll_mode mode)
{
    return poller && is_mode(mode) && (poller->backend->modes & BIDE_POLL_MODE_BIT(mode)) != 0;
}

static int check(const bide_poller *poller, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    if (!poller || !is_mode(mode)) return BIDE_EINVAL;
    if (key == BIDE_POLL_KEY_RESERVED || (interest & ~INTERESTS) != 0) return BIDE_EINVAL;
    return bide_poller_supports(poller, mode) ? 0 : BIDE_ENOTSUP;
}

int bide_poller_add(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    int error = check(poller, key, interest, mode);
    return error ? error : poller->backend->add(poller, fd, key, interest, mode);
}

int bide_poller_modify(bide_poller *poller, bide_fd fd, uint64_t key, unsigned interest, bide_poll_mode mode)
{
    int error = check(poller, key, interest, mode);
    return error ? error : poller->backend->modify(poller, fd, key, interest, mode);
}

int bide_poller_delete(bide_poller *poller, bide_fd fd)
{
    return poller ? poller->backend->del(poller, fd) : BIDE_EINVAL;
}

/* Whether a wait that found nothing is over, or was only cut short. */
static bool is_over(const bide_poller *poller, bide_instant deadline)
{
    /* relaxed: the end of the wait, which follows, acquires */
    if (atomic_load_explicit(&poller->state, memory_order_relaxed) & NOTIFIED) return true;
    return bide_poll_remaining(deadline) == 0;
}

int bide_poller_wait_uncancelled(bide_poller *poller, bide_poll_event *events, size_t capacity,
                                 bide_instant deadline)
{
    const unsigned enter = deadline.ns == BIDE_NOW.ns ? BUSY : BUSY | BLOCKED;
    /* acquire: pairs with the release by which the last wait ended, for what the back end keeps for its wait.
     * A thread that finds BUSY set may have added BLOCKED, which costs a wake at most. */
    const unsigned before = atomic_fetch_or_explicit(&poller->state, enter, memory_order_acquire);
    if (before & BUSY) return BIDE_EBUSY;
    if (before & NOTIFIED) deadline = BIDE_NOW;

    int result;
#ifdef BIDE_SANITIZE_THREAD
    bide_os_sanitize_handle_signals();
#endif
    do
        result = poller->backend->wait(poller, events, capacity, deadline);
    while (result == BIDE_EINTR || (result == 0 && !is_over(poller, deadline)));

    BIDE_ASSERT(atomic_load_explicit(&poller->state, memory_order_relaxed) & BUSY); /* 1 */
    /* acquire: what notifiers wrote before they notified; release: for the next wait */
    (void)atomic_fetch_and_explicit(&poller->state, EMBEDDED, memory_order_acq_rel);
    return result;
}

int bide_poller_wait(bide_poller *poller, bide_poll_event *events, size_t capacity, bide_instant deadline)
{
    if (!poller || !events || capacity == 0) return BIDE_EINVAL;
    int cancel = bide_os_cancel_disable();
    int result =
        bide_poller_wait_uncancelled(poller, events, capacity < INT_MAX ? capacity : INT_MAX, deadline);
    bide_os_cancel_restore(cancel);
    return result;
}

static void wake(bide_poller *poller)
{
    int cancel = bide_os_cancel_disable();
    poller->backend->wake(poller);
    bide_os_cancel_restore(cancel);
}

int bide_poller_notify(bide_poller *poller)
{
    if (!poller) return BIDE_EINVAL;
    /* release: pairs with the acquire at the end of the wait that this ends, also through later
     * notifications, which continue the release sequence */
    const unsigned before = atomic_fetch_or_explicit(&poller->state, NOTIFIED, memory_order_release);
    if (!(before & NOTIFIED) && (before & (BLOCKED | EMBEDDED))) wake(poller);
    return 0;
}

int bide_poller_fd(bide_poller *poller, bide_fd *out)
{
    if (!out) return BIDE_EINVAL;
    *out = BIDE_INVALID_FD;
    if (!poller) return BIDE_EINVAL;
    if (!poller->backend->fd) return BIDE_ENOTSUP;
    /* relaxed: nothing but the state itself is handed over */
    const unsigned before = atomic_fetch_or_explicit(&poller->state, EMBEDDED, memory_order_relaxed);
    /* One that came while nobody had to be told. */
    if ((before & NOTIFIED) && !(before & EMBEDDED)) wake(poller);
    *out = poller->backend->fd(poller);
    return 0;
}
