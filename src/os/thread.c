/* POSIX threads: see thread.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/thread.h"

#include "os/mutex.h"

#include <bide/error.h>

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

struct start {
    void (*function)(void *);
    void *arg;
    char name[16];
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    bide_os_thread_name_self(start.name);
    start.function(start.arg);
    return NULL;
}

/* All signals but those that a fault of the thread itself raises: blocking these is undefined
 * (sigprocmask(2)). */
static void asynchronous_signals(sigset_t *set)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof synchronous / sizeof *synchronous; i++)
        (void)sigdelset(set, synchronous[i]);
}

int bide_os_thread_start(bide_os_thread *thread, const char *name, void (*function)(void *), void *arg)
{
    struct start *start = calloc(1, sizeof *start);
    if (!start) return BIDE_ENOMEM;
    start->function = function;
    start->arg = arg;
    for (size_t i = 0; i < sizeof start->name - 1 && name[i]; i++)
        start->name[i] = name[i];

    /* A new thread inherits the mask of its maker. */
    sigset_t blocked, before;
    asynchronous_signals(&blocked);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(thread, NULL, run, start);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(start);
        return BIDE_ENOTHREAD;
    }
    return 0;
}

void bide_os_thread_join(bide_os_thread thread)
{
    int cancelable = bide_os_cancel_disable();
    (void)pthread_join(thread, NULL);
    bide_os_cancel_restore(cancelable);
}

bool bide_os_thread_is_self(bide_os_thread thread)
{
    return pthread_equal(thread, pthread_self()) != 0;
}

void bide_os_thread_yield(void)
{
    (void)sched_yield();
}

int bide_os_cancel_disable(void)
{
    int state = PTHREAD_CANCEL_ENABLE;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}

void bide_os_cancel_restore(int state)
{
    (void)pthread_setcancelstate(state, NULL);
}

/* The exit hook: one key for the process, whose value is a small heap record. Keys may run out for a while,
 * so that a making that failed is tried again: no pthread_once. */
struct exit_hook {
    void (*function)(void *);
    void *arg;
};

static pthread_key_t exit_key;
static bide_os_mutex exit_lock;    /* guards the making */
static _Atomic bool exit_key_made; /* released when exit_key is written */

static void run_exit_hook(void *value)
{
    struct exit_hook hook = *(struct exit_hook *)value;
    free(value);
    hook.function(hook.arg);
}

static bool make_exit_key(void)
{
    /* acquire: pairs with the release below, for exit_key */
    if (atomic_load_explicit(&exit_key_made, memory_order_acquire)) return true;
    bide_os_mutex_lock(&exit_lock);
    bool made = atomic_load_explicit(&exit_key_made, memory_order_relaxed) ||
                pthread_key_create(&exit_key, run_exit_hook) == 0;
    atomic_store_explicit(&exit_key_made, made, memory_order_release);
    bide_os_mutex_unlock(&exit_lock);
    return made;
}

int bide_os_thread_at_exit(void (*function)(void *), void *arg)
{
    if (!make_exit_key()) return BIDE_ENOMEM;
    struct exit_hook *hook = pthread_getspecific(exit_key);
    if (!hook) {
        hook = malloc(sizeof *hook);
        if (!hook) return BIDE_ENOMEM;
        if (pthread_setspecific(exit_key, hook) != 0) {
            free(hook);
            return BIDE_ENOMEM;
        }
    }
    hook->function = function;
    hook->arg = arg;
    return 0;
}
