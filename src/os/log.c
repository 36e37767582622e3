/* The log function and its calls.
 *
 * INVARIANTS
 * 1. `log_function`, `log_arg` and the raising of `running` are guarded by `log_lock`, which is not held
 *    during a call.
 * 2. `running` counts the calls under way. Who changes the function waits until it was 0 once: then all calls
 *    of the function of before are over, for later ones have found the new one.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/log.h"

#include "os/compiler.h"
#include "os/fork.h"
#include "os/mutex.h"

#include <stdio.h>

static bide_os_mutex log_lock;
static bide_log_fn log_function;
static void *log_arg;
static _Atomic uint32_t running;

/* This thread is inside the log function. */
static _Thread_local bool inside BIDE_OS_STATIC_TLS;

static void fork_prepare(void)
{
    bide_os_mutex_lock(&log_lock);
}

static void fork_parent(void)
{
    bide_os_mutex_unlock(&log_lock);
}

/* Calls on threads that are not in the child never end. */
static void fork_child(void)
{
    atomic_store_explicit(&running, inside ? 1 : 0, memory_order_relaxed);
    bide_os_mutex_unlock(&log_lock);
}

int bide_set_log(bide_log_fn function, void *arg)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_parent, fork_child};
    static _Atomic bool watched;
    if (inside) return BIDE_EDEADLK;
    int error = bide_os_at_fork(&handlers, &watched);
    if (error) return error;
    bide_os_mutex_lock(&log_lock);
    log_function = function;
    log_arg = arg;
    bide_os_mutex_unlock(&log_lock);
    /* acquire: pairs with the release below, so that what the calls did comes before what follows */
    for (uint32_t seen; (seen = atomic_load_explicit(&running, memory_order_acquire)) != 0;)
        bide_os_futex_wait(&running, seen, BIDE_NEVER);
    return 0;
}

void bide_log(int error, const char *what, const char *which)
{
    if (inside) return;
    bide_os_mutex_lock(&log_lock);
    bide_log_fn function = log_function;
    void *arg = log_arg;
    if (function) atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
    bide_os_mutex_unlock(&log_lock);
    if (!function) return;

    char message[160];
    (void)snprintf(message, sizeof message, "%s%s%s", what, which ? ": " : "", which ? which : "");
    inside = true;
    function(arg, error, message);
    inside = false;
    atomic_fetch_sub_explicit(&running, 1, memory_order_release);
    bide_os_futex_wake_all(&running);
}
