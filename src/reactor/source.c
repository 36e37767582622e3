/* Sources: see source.h for the states and invariants.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/source.h"

#include "os/io.h"
#include "reactor/sources.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLOSING = BIDE_SOURCE_CLOSING, CANCELED = BIDE_SOURCE_CANCELED, PIN = BIDE_SOURCE_PIN };

/* In `armed`, beside interests: a thread is arming it. */
#define ARMING (1u << 31)

/* --- The stored waiters --- */

/* NULL: nobody has asked for it. */
static bide_waiter *stored_of(bide_async *source, bide_direction direction)
{
    /* acquire: pairs with the release in make_stored */
    bide_waiter *pair = atomic_load_explicit(&source->stored, memory_order_acquire);
    return pair ? &pair[direction] : NULL;
}

void bide_source_quiesce_stored(bide_async *source, bide_direction direction)
{
    bide_waiter *stored = stored_of(source, direction);
    if (stored) bide_waiter_quiesce(stored);
}

/* --- Registration --- */

static uint64_t key_of(const bide_async *source, uint32_t generation)
{
    return (uint64_t)generation << 32 | source->index;
}

static void unborrow_poller(bide_async *source)
{
    bide_notifier_unpin(&bide_source_reactor(source)->notifier);
}

/* The poller in which the source is registered, kept from being closed until unborrow; NULL if
 * it is closed. */
static bide_poller *borrow_poller(bide_async *source)
{
    struct bide_reactor *reactor = bide_source_reactor(source);
    bide_poller *poller = bide_notifier_pin(&reactor->notifier);
    return atomic_load(&source->life) == atomic_load(&reactor->epoch_of_life) ? poller : NULL;
}

static int register_source(bide_async *source, uint32_t generation)
{
    struct bide_reactor *reactor = bide_source_reactor(source);
    bide_poller *poller = bide_notifier_pin(&reactor->notifier);
    /* The epoch of this poller, as long as it is pinned. */
    bide_os_mutex *lock = bide_wait_lock(source);
    atomic_store(&source->life, atomic_load(&reactor->epoch_of_life));
    bide_wait_unlock(lock);
    int error = BIDE_ECANCELED;
    if (poller && reactor->edge)
        error = bide_poller_add(poller, source->fd, key_of(source, generation),
                                BIDE_POLL_READ | BIDE_POLL_WRITE | BIDE_POLL_PRI | BIDE_POLL_RDHUP,
                                BIDE_POLL_EDGE);
    else if (poller)
        error = bide_poller_add(poller, source->fd, key_of(source, generation), 0, BIDE_POLL_ONESHOT);
    /* A close that came before has cancelled it. */
    if (!error && (atomic_load(&source->pins) & CANCELED)) {
        (void)bide_poller_delete(poller, source->fd);
        error = BIDE_ECANCELED;
    }
    unborrow_poller(source);
    return error;
}

int bide_source_new(bide_async **out, struct bide_reactor *reactor, bide_fd fd, uint32_t flags, bool ready)
{
    int error = bide_reactor_open(reactor);
    if (error) return error;
    bide_async *source = bide_sources_take();
    if (!source) return BIDE_ENOMEM;

    uint32_t word = ready ? BIDE_SOURCE_READY : 0;
    bide_os_mutex *lock = bide_wait_lock(source);
    source->fd = fd;
    /* A thread that was left in the parent of a fork does not take its pin back. */
    if (bide_source_is_parents(source)) atomic_store(&source->pins, CLOSING);
    atomic_store_explicit(&source->born, bide_os_forks, memory_order_relaxed);
    atomic_store_explicit(&source->flags, flags, memory_order_relaxed);
    atomic_store_explicit(&source->reactor, reactor, memory_order_relaxed);
    atomic_store_explicit(&source->life, atomic_load(&reactor->epoch_of_life), memory_order_relaxed);
    source->armed = 0;
    source->pause_until = 0;
    atomic_store_explicit(&source->timeout[BIDE_READ], 0, memory_order_relaxed);
    atomic_store_explicit(&source->timeout[BIDE_WRITE], 0, memory_order_relaxed);
    for (int direction = BIDE_READ; direction <= BIDE_WRITE; direction++) {
        atomic_store_explicit(&source->ready[direction], word, memory_order_relaxed);
        bide_ring_init(&source->queue[direction]);
        bide_waiter *stored = stored_of(source, (bide_direction)direction);
        if (stored) bide_waiter_init(stored);
    }
    uint32_t generation = atomic_load_explicit(&source->generation, memory_order_relaxed) + 1;
    atomic_store_explicit(&source->generation, generation, memory_order_release);
    /* Not a store: a stale future may be just between its pin and its look at the generation. */
    atomic_fetch_and(&source->pins, ~(uint32_t)(CLOSING | CANCELED));
    bide_wait_unlock(lock);

    error = register_source(source, generation);
    if (error) {
        atomic_fetch_or(&source->pins, CLOSING);
        atomic_fetch_add(&source->generation, 1);
        bide_sources_give_back(source);
        return error;
    }
    *out = source;
    return 0;
}

/* --- System calls and the end --- */

static void wait_for_pins(bide_async *source)
{
    for (;;) {
        uint32_t pins = atomic_load(&source->pins);
        if (pins < PIN) return;
        bide_os_futex_wait(&source->pins, pins, BIDE_NEVER);
    }
}

/* Moves all waiters of a direction into the batch, and counts those in the background down.
 * Wait lock held. */
static void collect(bide_async *source, bide_direction direction, bide_link *batch)
{
    bide_link *queue = &source->queue[direction];
    for (bide_link *link = queue->next_; link != queue; link = link->next_) {
        bide_waiter *waiter = (bide_waiter *)link;
        if (!(waiter->flags_ & BIDE_WAITER_BACKGROUND)) continue;
        waiter->flags_ &= ~(uint32_t)BIDE_WAITER_BACKGROUND;
        bide_background_disarm(bide_source_reactor(source));
    }
    bide_ring_splice(queue, batch);
}

/* Without edges: arms the one-shot registration for the directions that have waiters. Called and returns with
 * the wait lock held, and releases it meanwhile (waiter.h, invariant 6). One thread at a time does this, and
 * looks again before it leaves, so that others can leave it to that one. After an error nobody would be woken
 * any more: all waiters are in the batch then. */
static int rearm(bide_async *source, bide_os_mutex **lock, bide_link *batch)
{
    for (;;) {
        unsigned wanted = 0;
        if (!bide_ring_empty(&source->queue[BIDE_READ]))
            wanted |= BIDE_POLL_READ | BIDE_POLL_PRI | BIDE_POLL_RDHUP;
        if (!bide_ring_empty(&source->queue[BIDE_WRITE])) wanted |= BIDE_POLL_WRITE;
        if ((source->armed & ARMING) || (source->armed & wanted) == wanted) return 0;
        /* Before the call, for the event may come during it. With waiters it is not CLOSING: the descriptor
         * stays open. */
        source->armed = wanted | ARMING;
        (void)atomic_fetch_add(&source->pins, PIN);
        uint32_t generation = atomic_load_explicit(&source->generation, memory_order_relaxed);
        bide_wait_unlock(*lock);

        bide_poller *poller = borrow_poller(source);
        int error = BIDE_ECANCELED;
        if (poller)
            error =
                bide_poller_modify(poller, source->fd, key_of(source, generation), wanted, BIDE_POLL_ONESHOT);
        unborrow_poller(source);

        *lock = bide_wait_lock(source);
        source->armed = error ? 0 : source->armed & ~ARMING;
        bide_source_unpin(source);
        if (!error) continue;
        collect(source, BIDE_READ, batch);
        collect(source, BIDE_WRITE, batch);
        return error;
    }
}

/* In the child. The registration is the parent's. The slot is not used again: waiters may still be linked. */
static int end_forked(bide_async *source, bide_fd *fd)
{
    if (atomic_fetch_or(&source->pins, CLOSING) & CLOSING) return BIDE_EFREED;
    atomic_fetch_add(&source->generation, 1);
    *fd = source->fd;
    return 0;
}

int bide_source_end(bide_async *source, bide_fd *fd)
{
    struct bide_thread *thread = bide_thread_self();
    if (thread->in_waker) return BIDE_EDEADLK;
    for (struct bide_running_operation *running = thread->operation; running; running = running->outer)
        if (running->source == source) return BIDE_EDEADLK;

    if (bide_source_is_parents(source)) return end_forked(source, fd);

    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(source);
    if (atomic_load(&source->pins) & CLOSING) {
        bide_wait_unlock(lock);
        return BIDE_EFREED;
    }
    atomic_fetch_or(&source->pins, CLOSING);
    atomic_fetch_add(&source->generation, 1);
    collect(source, BIDE_READ, &batch);
    collect(source, BIDE_WRITE, &batch);
    *fd = source->fd;
    bide_batch_wake(lock, source, &batch);

    bide_source_quiesce_stored(source, BIDE_READ);
    bide_source_quiesce_stored(source, BIDE_WRITE);
    wait_for_pins(source);
    bide_poller *poller = borrow_poller(source);
    if (poller) (void)bide_poller_delete(poller, *fd);
    unborrow_poller(source);
    bide_sources_give_back(source);
    return 0;
}

void bide_source_cancel_all(struct bide_reactor *reactor)
{
    uint32_t size = bide_sources_count();
    for (uint32_t index = 0; index < size; index++) {
        bide_async *source = bide_sources_at(index);
        if (bide_source_is_parents(source)) continue;
        bide_link batch;
        bide_ring_init(&batch);
        bide_os_mutex *lock = bide_wait_lock(source);
        bool earlier = atomic_load(&source->life) != atomic_load(&reactor->epoch_of_life);
        if (bide_source_reactor(source) == reactor && earlier && !(atomic_load(&source->pins) & CLOSING)) {
            atomic_fetch_or(&source->pins, CANCELED);
            collect(source, BIDE_READ, &batch);
            collect(source, BIDE_WRITE, &batch);
        }
        bide_batch_wake(lock, source, &batch);
    }
}

/* --- Readiness --- */

/* Wait lock held. What is not READY nobody else changes: a store does, which is no locked operation. What is READY an
 * operation may be about to clear that looked before the event: the count, which wraps around in its 24 bits by
 * itself, makes that fail. But one that is not pinned yet has its system call before it, and that finds what the
 * event tells of: with none under way nothing has to be done. */
static void set_ready(bide_async *source, bide_direction direction, uint32_t flags)
{
    _Atomic uint32_t *word = &source->ready[direction];
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    if (!(seen & BIDE_SOURCE_READY)) {
        atomic_store_explicit(word, (seen + BIDE_SOURCE_EVENT) | BIDE_SOURCE_READY | flags,
                              memory_order_release);
        return;
    }
    if ((seen & flags) == flags && atomic_load(&source->pins) < PIN) return;
    while (!atomic_compare_exchange_weak_explicit(word, &seen,
                                                  (seen + BIDE_SOURCE_EVENT) | BIDE_SOURCE_READY | flags,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

/* Takes a LINKED waiter out. Wait lock held. */
static void unlink_waiter(bide_async *source, bide_waiter *waiter)
{
    bide_waiter_unlink(waiter);
    if (!(waiter->flags_ & BIDE_WAITER_BACKGROUND)) return;
    waiter->flags_ &= ~(uint32_t)BIDE_WAITER_BACKGROUND;
    bide_background_disarm(bide_source_reactor(source));
}

/* Takes a LINKED waiter out for a wake. Wait lock held. */
static void take_waiter(bide_async *source, bide_waiter *waiter, struct bide_wake *wake)
{
    if (waiter->flags_ & BIDE_WAITER_BACKGROUND) bide_background_disarm(bide_source_reactor(source));
    waiter->flags_ &= ~(uint32_t)BIDE_WAITER_BACKGROUND;
    bide_waiter_take(waiter, wake);
}

/* Whom the event is for if that is one, as it is for most. Wait lock held. */
static bide_waiter *only_waiter(bide_async *source, bool reads, bool writes)
{
    bool reader = reads && !bide_ring_empty(&source->queue[BIDE_READ]);
    bool writer = writes && !bide_ring_empty(&source->queue[BIDE_WRITE]);
    const bide_link *queue = &source->queue[reader ? BIDE_READ : BIDE_WRITE];
    return reader != writer && queue->next_ == queue->previous_ ? bide_queue_first(queue) : NULL;
}

void bide_source_event(struct bide_reactor *reactor, const bide_poll_event *event)
{
    bide_async *source = bide_sources_at((uint32_t)event->key);
    uint32_t generation = (uint32_t)(event->key >> 32);
    unsigned ready = event->ready;
    uint32_t flags =
        (ready & BIDE_POLL_HUP ? BIDE_SOURCE_HUP : 0u) | (ready & BIDE_POLL_RDHUP ? BIDE_SOURCE_RDHUP : 0u) |
        (ready & BIDE_POLL_ERR ? BIDE_SOURCE_ERR : 0u) | (ready & BIDE_POLL_PRI ? BIDE_SOURCE_PRI : 0u);
    /* A hang-up and an error end both directions. */
    bool reads = (ready & ~(unsigned)BIDE_POLL_WRITE) != 0;
    bool writes = (ready & (BIDE_POLL_WRITE | BIDE_POLL_HUP | BIDE_POLL_ERR)) != 0;
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex *lock = bide_wait_lock(source);
    if (atomic_load_explicit(&source->generation, memory_order_relaxed) == generation) {
        source->armed &= ARMING;
        if (reads) set_ready(source, BIDE_READ, flags);
        if (writes) set_ready(source, BIDE_WRITE, flags);
        bide_waiter *only = reactor->edge ? only_waiter(source, reads, writes) : NULL;
        if (only) {
            struct bide_wake wake;
            take_waiter(source, only, &wake);
            bide_wait_unlock(lock);
            bide_wake_run(&wake);
            return;
        }
        if (reads) collect(source, BIDE_READ, &batch);
        if (writes) collect(source, BIDE_WRITE, &batch);
        /* After an error all are woken, and get it when they link. */
        if (!reactor->edge) (void)rearm(source, &lock, &batch);
    }
    bide_batch_wake(lock, source, &batch);
}

/* Links the waiter. What it was linked with before is dropped, or left in `replaced` to be called. */
static int link_waiter(bide_async *source, uint32_t generation, bide_direction direction, bide_waiter *waiter,
                       const bide_context *cx, struct bide_wake *replaced)
{
    if (bide_source_is_parents(source)) {
        bide_waiter_init(waiter);
        return generation & 1 ? BIDE_EFREED : BIDE_EFORKED;
    }
    struct bide_reactor *reactor = bide_source_reactor(source);
    bool background = bide_background_needed(reactor, cx);
    bool counted = false;
    int result = 0;
    bide_link batch;
    bide_ring_init(&batch);
    for (;;) {
        bide_os_mutex *lock = bide_wait_lock(source);
        bool gone = (atomic_load_explicit(&source->pins, memory_order_relaxed) & (CLOSING | CANCELED)) ||
                    atomic_load_explicit(&source->generation, memory_order_relaxed) != generation;
        bool linked = (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) != 0;
        bool count_first = false;
        if (gone) {
            if (linked) unlink_waiter(source, waiter);
            result = generation & 1 ? BIDE_EFREED : BIDE_ECANCELED;
        } else if (bide_source_readiness(source, direction) & BIDE_SOURCE_READY) {
            result = 1;
        } else if (linked && bide_waker_same(waiter->waker_, cx->waker_) &&
                   ((waiter->flags_ & BIDE_WAITER_BACKGROUND) != 0) == background) {
            /* It waits already, for the same waker. */
        } else if (background && !counted) {
            count_first = true;
        } else {
            if (linked && replaced && !bide_waker_same(waiter->waker_, cx->waker_))
                take_waiter(source, waiter, replaced);
            else if (linked)
                unlink_waiter(source, waiter);
            uint32_t flags = (cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0u) |
                             (background ? BIDE_WAITER_BACKGROUND : 0u);
            bide_waiter_link(&source->queue[direction], waiter, cx->waker_, flags);
            counted = false;
            if (!reactor->edge) result = rearm(source, &lock, &batch);
            /* From the queue, or from a batch. */
            if (result && (bide_waiter_state(waiter) & BIDE_WAITER_LINKED)) unlink_waiter(source, waiter);
        }
        bide_batch_wake(lock, source, &batch);
        if (!count_first) break;
        /* Starting the helper takes other locks. */
        result = bide_background_arm(reactor);
        if (result) return result;
        counted = true;
    }
    if (counted) bide_background_disarm(reactor);
    return result;
}

int bide_source_wait(bide_async *source, uint32_t generation, bide_direction direction, bide_waiter *waiter,
                     const bide_context *cx)
{
    int result = link_waiter(source, generation, direction, waiter, cx, NULL);
    /* A wake from before may still be running: of the last waker, which the caller may now give up. */
    if (bide_waiter_state(waiter) >= BIDE_WAITER_FIRING) bide_waiter_quiesce(waiter);
    return result;
}

bool bide_source_check_limit(bide_async *source, bide_direction direction, bide_instant *limit,
                             bide_context *cx)
{
    if (bide_is_never(*limit)) {
        uint32_t timeout = atomic_load_explicit(&source->timeout[direction], memory_order_relaxed);
        if (timeout == 0) return false;
        *limit = bide_after(BIDE_MILLISECONDS((bide_duration)timeout));
    } else if (!bide_before(bide_now(), *limit)) {
        return true;
    }
    cx->limit_ = bide_earlier(cx->limit_, *limit);
    return false;
}

/* Another thread may do it at the same time, in the other direction. Zeros are idle waiters. */
static bide_waiter *make_stored(bide_async *source, bide_direction direction)
{
    bide_waiter *stored = stored_of(source, direction);
    if (stored) return stored;
    bide_waiter *others = NULL;
    bide_waiter *pair = calloc(2, sizeof *pair);
    if (!pair) return NULL;
    /* release: the zeros; acquire: those of the other thread */
    if (!atomic_compare_exchange_strong_explicit(&source->stored, &others, pair, memory_order_release,
                                                 memory_order_acquire)) {
        free(pair);
        pair = others;
    }
    return &pair[direction];
}

int bide_source_store(bide_async *source, uint32_t generation, bide_direction direction,
                      const bide_context *cx)
{
    bide_waiter *stored = make_stored(source, direction);
    if (!stored) return BIDE_ENOMEM;
    struct bide_wake replaced = {{NULL, NULL}, NULL};
    int result = link_waiter(source, generation, direction, stored, cx, &replaced);
    if (replaced.waker.wake) bide_wake_run(&replaced);
    bide_waiter_quiesce(stored);
    return result;
}

int bide_source_forget(bide_async *source, uint32_t generation, bide_direction direction)
{
    if (bide_source_is_parents(source)) return generation & 1 ? BIDE_EFREED : BIDE_EFORKED;
    bide_waiter *stored = stored_of(source, direction);
    bide_os_mutex *lock = bide_wait_lock(source);
    uint32_t present = atomic_load_explicit(&source->generation, memory_order_relaxed);
    bool same = present == generation || present == (generation | 1);
    if (same && stored && (bide_waiter_state(stored) & BIDE_WAITER_LINKED)) unlink_waiter(source, stored);
    bide_wait_unlock(lock);
    if (same && stored) bide_waiter_quiesce(stored);
    return present == generation && !(generation & 1) ? 0 : BIDE_EFREED;
}

void bide_source_leave(bide_async *source, bide_waiter *waiter)
{
    if (bide_waiter_state(waiter) == 0) return;
    if (bide_source_is_parents(source)) {
        /* The threads that were to wake it are not here. */
        bide_waiter_init(waiter);
        return;
    }
    bide_os_mutex *lock = bide_wait_lock(source);
    if (bide_waiter_state(waiter) & BIDE_WAITER_LINKED) unlink_waiter(source, waiter);
    bide_wait_unlock(lock);
    bide_waiter_quiesce(waiter);
}

/* --- Looking at it --- */

static size_t count_waiters(const bide_link *queue)
{
    size_t count = 0;
    for (const bide_link *link = queue->next_; link != queue; link = link->next_)
        count++;
    return count;
}

/* False: it is not in use. */
static bool look(bide_async *source, struct bide_source_view *view)
{
    if (bide_source_is_parents(source) || (atomic_load(&source->generation) & 1)) return false;
    bide_os_mutex *lock = bide_wait_try(source);
    view->busy = !lock;
    if (!lock) return true;
    uint32_t pins = atomic_load(&source->pins);
    bool used = !(atomic_load_explicit(&source->generation, memory_order_relaxed) & 1) && !(pins & CLOSING);
    if (used) {
        view->canceled = (pins & CANCELED) != 0;
        view->fd = source->fd;
        view->reactor = bide_source_reactor(source);
        for (int direction = BIDE_READ; direction <= BIDE_WRITE; direction++) {
            view->ready[direction] = bide_source_readiness(source, (bide_direction)direction);
            view->waiters[direction] = count_waiters(&source->queue[direction]);
        }
    }
    bide_wait_unlock(lock);
    return used;
}

bool bide_source_look(uint32_t *index, struct bide_source_view *view)
{
    uint32_t size;
    if (!bide_sources_try_count(&size)) return false;
    for (; *index < size; ++*index)
        if (look(bide_sources_at(*index), view)) return true;
    return false;
}

void bide_source_describe(bide_async *source, uint32_t generation, const char *what, char *text, size_t room)
{
    bide_os_mutex *lock = source ? bide_wait_try(source) : NULL;
    bool same = lock && atomic_load_explicit(&source->generation, memory_order_relaxed) == generation;
    long fd = same ? (long)source->fd : -1;
    if (lock) bide_wait_unlock(lock);
    if (same)
        (void)snprintf(text, room, "%ld %s", fd, what);
    else
        (void)snprintf(text, room, "? %s", what);
}
