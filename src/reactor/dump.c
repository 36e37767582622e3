/* bide_dump: reactors, sources, and by hooks what the layers below have.
 *
 * INVARIANTS
 * 1. Nothing is written, and so nobody waits for the reader of the descriptor, while a lock is held: each object
 *    is copied under its lock, one at a time, and put afterwards. Reactors and sources are type-stable, so that
 *    there is always something to lock.
 * 2. A lock that cannot be had for some milliseconds is left alone, and the object is "busy": the thread that has
 *    it may be stopped in a debugger, or be this one.
 * 3. Nothing is allocated.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "reactor/dump.h"

#include "future/thread.h"
#include "reactor/reactor.h"
#include "reactor/source.h"

#include <bide/debug.h>

static _Atomic(struct bide_dump_hook *) hooks; /* only added to, in front */

void bide_reactor_at_dump(struct bide_dump_hook *hook)
{
    if (atomic_exchange(&hook->listed, 1)) return;
    hook->next = atomic_load(&hooks);
    while (!atomic_compare_exchange_weak(&hooks, &hook->next, hook))
        continue;
}

static void put_number(struct bide_os_text *text, const char *before, uint64_t number)
{
    bide_os_text_put(text, before);
    bide_os_text_number(text, number);
}

struct reactor_view {
    const char *backend; /* NULL: closed */
    const char *driver;
    size_t timers;
    bide_instant first;
    const char *helper;
    uint64_t background;
};

/* False: busy. */
static bool look(struct bide_reactor *reactor, struct reactor_view *view)
{
    if (!bide_os_mutex_try_long(&reactor->lock)) return false;
    view->backend = reactor->poller ? bide_poller_backend(reactor->poller) : NULL;
    bool helped = reactor->holder && reactor->holder == reactor->helper;
    view->driver = !reactor->holder ? "by nobody" : helped ? "by async-io" : "by a thread";
    view->timers = bide_heap_count(&reactor->heap);
    view->first = bide_heap_first(&reactor->heap);
    view->helper = !reactor->helper ? "is not there" : helped ? "drives" : "stands by";
    bide_os_mutex_unlock(&reactor->lock);
    view->background = atomic_load_explicit(&reactor->background, memory_order_relaxed);
    return true;
}

static void dump_reactor(struct bide_os_text *text, struct bide_reactor *reactor)
{
    struct reactor_view view;
    put_number(text, "reactor ", reactor->number);
    if (!look(reactor, &view)) {
        bide_os_text_put(text, ": busy\n");
        return;
    }
    if (view.backend) {
        bide_os_text_put(text, ": ");
        bide_os_text_put(text, view.backend);
        bide_os_text_put(text, ", driven ");
        bide_os_text_put(text, view.driver);
    } else {
        bide_os_text_put(text, ": closed");
    }
    put_number(text, ", background ", view.background);
    put_number(text, ", timers ", view.timers);
    if (!bide_is_never(view.first)) {
        bide_os_text_put(text, ", first in ");
        bide_os_text_seconds(text, bide_instant_since(view.first, bide_now()));
    }
    bide_os_text_put(text, "\n");
    if (!reactor->global) return;
    bide_os_text_put(text, "async-io: ");
    bide_os_text_put(text, view.helper);
    bide_os_text_put(text, "\n");
}

static void put_direction(struct bide_os_text *text, const char *name, const struct bide_source_view *view,
                          bide_direction direction)
{
    bide_os_text_put(text, name);
    bide_os_text_put(text, view->ready[direction] & BIDE_SOURCE_READY ? " ready" : " clear");
    if (view->ready[direction] & BIDE_SOURCE_HUP) bide_os_text_put(text, " hup");
    if (view->ready[direction] & BIDE_SOURCE_ERR) bide_os_text_put(text, " error");
    put_number(text, " waiters ", view->waiters[direction]);
}

static void dump_source(struct bide_os_text *text, uint32_t index, const struct bide_source_view *view)
{
    put_number(text, "source ", index);
    if (view->busy) {
        bide_os_text_put(text, ": busy\n");
        return;
    }
    put_number(text, ": fd ", (uint64_t)view->fd);
    put_number(text, ", reactor ", view->reactor->number);
    put_direction(text, ", read", view, BIDE_READ);
    put_direction(text, ", write", view, BIDE_WRITE);
    bide_os_text_put(text, view->canceled ? ", canceled\n" : "\n");
}

int bide_dump(bide_fd fd)
{
    struct bide_os_text text;
    int cancelable = bide_thread_cancel_disable(bide_thread_self());
    bide_os_text_begin(&text, fd);
    bide_os_text_put(&text, "bide ");
    bide_os_text_put(&text, bide_version_string());
    bide_os_text_put(&text, "\n");
    for (struct bide_reactor *reactor = NULL; (reactor = bide_reactor_next(reactor)) != NULL;)
        dump_reactor(&text, reactor);
    struct bide_source_view view;
    for (uint32_t index = 0; bide_source_look(&index, &view); index++)
        dump_source(&text, index, &view);
    for (struct bide_dump_hook *hook = atomic_load(&hooks); hook; hook = hook->next)
        hook->dump(&text);
    int error = bide_os_text_end(&text);
    bide_thread_cancel_restore(cancelable);
    return error;
}
