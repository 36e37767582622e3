/* What bide_dump tells of wheels.
 *
 * INVARIANTS
 * 1. A wheel is listed from when it is whole until before anything of it goes, and is looked at under the lock of
 *    the list.
 * 2. One with a thread is looked at under its own lock besides, which nobody holds in the child of a fork: there it
 *    is the parent's, and left alone. One without is its owner's: what is read of it is atomic.
 * 3. Nothing is put while one of these is held: reactor/dump.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/fork.h"
#include "reactor/dump.h"
#include "wheel/wheel.h"

#include <string.h>

static struct {
    bide_os_mutex lock; /* guards what follows */
    struct bide_wheel *first;
} listed;

/* --- Which wheels there are --- */

static void fork_prepare(void)
{
    bide_os_mutex_lock(&listed.lock);
}

static void fork_done(void)
{
    bide_os_mutex_unlock(&listed.lock);
}

static void dump(struct bide_os_text *text);

int bide_wheel_watch_dumps(void)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_done, fork_done};
    static struct bide_dump_hook hook = {dump, NULL, false};
    static _Atomic bool watched;
    bide_reactor_at_dump(&hook);
    return bide_os_at_fork(&handlers, &watched);
}

/* In the order of numbers; the new one gets the lowest that is free. */
void bide_wheel_list(struct bide_wheel *wheel)
{
    uint32_t number = 0;
    bide_os_mutex_lock(&listed.lock);
    struct bide_wheel **place = &listed.first;
    for (; *place && (*place)->number == number; number++)
        place = &(*place)->next_listed;
    wheel->number = number;
    wheel->next_listed = *place;
    *place = wheel;
    bide_os_mutex_unlock(&listed.lock);
}

void bide_wheel_unlist(struct bide_wheel *wheel)
{
    bide_os_mutex_lock(&listed.lock);
    struct bide_wheel **place = &listed.first;
    while (*place != wheel)
        place = &(*place)->next_listed;
    *place = wheel->next_listed;
    bide_os_mutex_unlock(&listed.lock);
}

/* --- Looking --- */

struct wheel_view {
    uint32_t number;
    bool parents, busy, threaded;
    uint64_t sleeps;
    bide_instant first, now; /* of its clock */
    char name[16];
};

/* Its lock held, if it has a thread. Sleeps on their way to the thread count too; they are due no earlier than what
 * it sleeps for, or it has been called and is about to look. */
static void look_inside(struct bide_wheel *wheel, struct wheel_view *view)
{
    uint64_t coming = wheel->threaded ? atomic_load(&wheel->requests) >> 32 : 0;
    view->sleeps = bide_slots_count(&wheel->slots) + coming;
    view->first =
        bide_instant_from_ns(wheel->threaded ? bide_slots_next(&wheel->slots)
                                             : atomic_load_explicit(&wheel->told, memory_order_relaxed));
    view->now = bide_wheel_clock_now(wheel);
}

/* At the first wheel whose number is not below that. False: there is none. Lock of the list held. */
static bool look(uint32_t number, struct wheel_view *view)
{
    struct bide_wheel *wheel = listed.first;
    while (wheel && wheel->number < number)
        wheel = wheel->next_listed;
    if (!wheel) return false;
    view->number = wheel->number;
    view->threaded = wheel->threaded;
    memcpy(view->name, wheel->name, sizeof view->name);
    view->parents = bide_wheel_is_parents(wheel);
    view->busy = !view->parents && wheel->threaded && !bide_os_mutex_try_long(&wheel->lock);
    if (view->parents || view->busy) return true;
    look_inside(wheel, view);
    if (wheel->threaded) bide_os_mutex_unlock(&wheel->lock);
    return true;
}

/* --- Putting --- */

static void dump_wheel(struct bide_os_text *text, const struct wheel_view *view)
{
    bide_os_text_put(text, "wheel ");
    bide_os_text_number(text, view->number);
    if (view->busy || view->parents) {
        bide_os_text_put(text, view->busy ? ": busy\n" : ": of the parent\n");
        return;
    }
    bide_os_text_put(text, view->threaded ? ": with a thread, sleeps " : ": inline, sleeps ");
    bide_os_text_number(text, view->sleeps);
    if (view->sleeps > 0 && !bide_is_never(view->first)) {
        bide_os_text_put(text, ", first in ");
        bide_os_text_seconds(text, bide_instant_since(view->first, view->now));
    }
    if (view->threaded) {
        bide_os_text_put(text, ", thread \"");
        bide_os_text_put(text, view->name);
        bide_os_text_put(text, "\"");
    }
    bide_os_text_put(text, "\n");
}

static void dump(struct bide_os_text *text)
{
    struct wheel_view view;
    for (uint32_t number = 0;; number = view.number + 1) {
        if (!bide_os_mutex_try_long(&listed.lock)) {
            bide_os_text_put(text, "wheel: busy\n");
            return;
        }
        bool found = look(number, &view);
        bide_os_mutex_unlock(&listed.lock);
        if (!found) return;
        dump_wheel(text, &view);
    }
}
