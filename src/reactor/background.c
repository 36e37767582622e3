/* What waits in the background, and the helper thread "async-io" that serves it when nobody else does.
 *
 * INVARIANTS
 * 1. `background` counts the linked waiters of the reactor's sources and timers, and the sets polled under
 *    it, that no thread in block_on on this reactor stands for.
 * 2. It is raised before the waiter is linked, and lowered by whoever unlinks or fires it.
 * 3. On the global reactor it is only raised while the helper thread runs. The thread is not started
 *    before that, and ends only in bide_shutdown.
 * 4. An arming that found `background` at zero calls the standby; one that did not can rely on the one
 *    that did. seq_cst on both sides: "raise, then look at the role" against "release the role, then look
 *    at the count".
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/service.h"
#include "os/log.h"
#include "reactor/reactor.h"

static _Atomic bool threads_forbidden;

void bide_set_threads(bool allowed)
{
    atomic_store(&threads_forbidden, !allowed);
}

bool bide_threads_allowed(void)
{
    return !atomic_load(&threads_forbidden);
}

static void helper_main(void *arg)
{
    bide_os_thread_precise_timers();
    bide_driver_help(bide_reactor_global(), arg);
}

/* Starts the helper thread if there is none. Lock held. */
static int start_helper(struct bide_reactor *reactor)
{
    if (reactor->helper) return 0;
    if (!bide_threads_allowed()) return BIDE_ENOTSUP;
    struct bide_parker *parker = bide_parker_new();
    if (!parker) return BIDE_ENOMEM;
    int error = bide_os_thread_start(&reactor->helper_thread, "async-io", helper_main, parker);
    if (error) {
        bide_parker_delete(parker);
        return error;
    }
    reactor->helper = parker;
    atomic_store(&reactor->helped, true);
    return 0;
}

int bide_background_arm(struct bide_reactor *reactor)
{
    /* Fast way: others are counted, so the helper runs (3) and the standby has been called (4). */
    uint32_t seen = atomic_load(&reactor->background);
    while (seen > 0 && (!reactor->global || atomic_load(&reactor->helped)))
        if (atomic_compare_exchange_weak(&reactor->background, &seen, seen + 1)) return 0;

    if (reactor->global) {
        bide_os_mutex_lock(&reactor->lock);
        int error = start_helper(reactor);
        if (!error) atomic_fetch_add(&reactor->background, 1);
        bide_os_mutex_unlock(&reactor->lock);
        /* Where threads are forbidden, that is what the program wanted. */
        if (error && error != BIDE_ENOTSUP) bide_log(error, "the thread async-io cannot be started", NULL);
        if (error) return error;
    } else {
        atomic_fetch_add(&reactor->background, 1);
    }
    bide_driver_call_standby(reactor);
    return 0;
}

void bide_background_disarm(struct bide_reactor *reactor)
{
    atomic_fetch_sub(&reactor->background, 1);
}

struct bide_dismissed bide_background_dismiss(struct bide_reactor *reactor)
{
    struct bide_dismissed dismissed = {reactor->helper, reactor->helper_thread, false};
    if (!dismissed.parker) return dismissed;
    atomic_store(&reactor->helped, false);
    reactor->helper = NULL;
    dismissed.parker->stops = true;
    dismissed.asleep = bide_parker_nudge(dismissed.parker);
    return dismissed;
}

void bide_background_join(const struct bide_dismissed *dismissed)
{
    if (!dismissed->parker) return;
    if (dismissed->asleep) bide_parker_rouse(dismissed->parker);
    bide_os_thread_join(dismissed->thread);
    bide_parker_delete(dismissed->parker);
}

struct bide_reactor *bide_service_current(void)
{
    return bide_reactor_current();
}

int bide_service_arm(struct bide_reactor *reactor)
{
    int error = bide_reactor_open(reactor);
    return error ? error : bide_background_arm(reactor);
}

void bide_service_disarm(struct bide_reactor *reactor)
{
    bide_background_disarm(reactor);
}
