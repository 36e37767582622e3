/* Reactors and fork(2): the child gets a fresh global reactor on first use.
 *
 * The parent's poller is shared with the child: the two have one epoll instance, and what the child takes out
 * of it the parent no longer hears of. So the child only closes its copies of the poller's descriptors, and
 * knows what belonged to the parent by the number of forks (sources, reactors made by hand) or by the
 * reactor's life (timers).
 *
 * Held over a fork, in this order: the lists of freed reactors and of shutdown hooks, the global reactor's
 * lock, the table of sources, and what the future layer holds. A reactor made by hand is not known here, so
 * that its lock may be stuck in the child; it is used no more but to be freed, and made anew in
 * bide_reactor_new.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/fork.h"

#include "reactor/reactor.h"
#include "reactor/source.h"
#include "reactor/sources.h"

static void prepare(void)
{
    bide_reactor_fork_prepare();
    bide_os_mutex_lock(&bide_reactor_global()->lock);
    bide_sources_fork_prepare();
}

static void in_parent(void)
{
    bide_sources_fork_done();
    bide_os_mutex_unlock(&bide_reactor_global()->lock);
    bide_reactor_fork_done();
}

static void in_child(void)
{
    bide_sources_fork_done();
    bide_os_mutex_unlock(&bide_reactor_global()->lock);
    bide_reactor_fork_done();
    bide_reactor_forget_shutdown();
    bide_reactor_give_up(bide_reactor_global());
    bide_descriptors_forked();
    /* One that was made by hand would be of no use. */
    bide_thread_self()->reactor = NULL;
}

int bide_reactor_watch_forks(void)
{
    static const struct bide_os_fork_handlers handlers = {prepare, in_parent, in_child};
    static _Atomic bool watched;
    int error = bide_future_watch_forks();
    return error ? error : bide_os_at_fork(&handlers, &watched);
}

void bide_reactor_give_up(struct bide_reactor *reactor)
{
    bide_poller *poller = reactor->poller;
    bide_os_mutex unlocked = {0};
    reactor->lock = unlocked;
    atomic_store(&reactor->notifier.poller, NULL);
    atomic_store(&reactor->notifier.pins, 0);
    reactor->poller = NULL;
    reactor->external = false;
    reactor->forked_at = atomic_fetch_add(&reactor->epoch_of_life, 1) + 1;
    reactor->entered = 0;

    reactor->holder = NULL;
    reactor->blocked = false;
    reactor->wanted = false;
    reactor->epoch++;
    reactor->standby = NULL;
    reactor->offered = NULL;
    bide_ring_init(&reactor->parked);

    /* Its thread is not here. The parker is lost: wakes may still name it. */
    reactor->helper = NULL;
    atomic_store(&reactor->helped, false);
    atomic_store(&reactor->background, 0);

    bide_heap_clear(&reactor->heap);
    bide_poller_free(poller);
}
