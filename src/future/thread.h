/* What each thread keeps for Bide.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_THREAD_H
#define BIDE_FUTURE_THREAD_H

#include "os/thread.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct bide_awaiter;
struct bide_event;
struct bide_parker;
struct bide_reactor;
struct bide_async;
struct bide_locals;
struct bide_runnable;
struct bide_worker;

/* An operation of the caller's that is running inside read_with or write_with on this thread. */
struct bide_running_operation {
    const struct bide_async *source;
    struct bide_running_operation *outer;
};

/* What a thread keeps until it has ended, on the heap: some systems and C libraries take the thread's record away before
 * it hears of its end (macOS, MinGW). */
struct bide_thread_end {
    struct bide_parker *parker;                      /* kept from one block_on to the next; NULL: none yet */
    struct bide_locals *locals;                      /* values of its own (task/local.c) */
    void (*end_locals)(struct bide_locals **locals); /* NULL: it never had any */
};

struct bide_thread {
    /* Wait locks held by this thread. A signal handler on the same thread reads it: volatile, and fenced. */
    volatile unsigned wait_locks;
    /* Events set by signal handlers while a wait lock was held; drained at its unlock. */
    _Atomic(struct bide_event *) pending_events;
    /* Inside the queues of tasks: volatile, and fenced, as wait_locks. */
    volatile unsigned queueing;
    /* Tasks that signal handlers woke meanwhile; queued when that ends. */
    _Atomic(struct bide_runnable *) late_tasks;
    unsigned in_waker;            /* wakers being run on this thread, nested */
    unsigned parkers_used;        /* block_on calls nested on this thread */
    struct bide_thread_end *end;  /* NULL: nothing is to be done at its end */
    struct bide_reactor *reactor; /* current reactor; NULL: the global one */
    struct bide_running_operation *operation;
    struct bide_worker *worker; /* as which it runs tasks; NULL: none */
    struct bide_worker
        *parents; /* as which it ran them before it forked: where the task that did returns to */
    struct bide_awaiter *awaiter; /* the task that runs on it; NULL: plain code */
    uint32_t random;              /* state of a small generator, for fair choices */
};

/* The calling thread's record. Never inlined, and concealed from optimisers of the whole program: compilers keep the
 * address of thread-local data across calls, which is wrong once a stackful task may continue on another thread. */
struct bide_thread *bide_thread_self(void);

/* Turns pthread_cancel(3) off for as long as something must not be left halfway, and on again. An await and a
 * worker have done so already, and then nothing is done. */
static inline int bide_thread_cancel_disable(const struct bide_thread *thread)
{
    return thread->parkers_used > 0 || thread->worker ? -1 : bide_os_cancel_disable();
}

static inline void bide_thread_cancel_restore(int state)
{
    if (state >= 0) bide_os_cancel_restore(state);
}

/* A small random number (xorshift32: G. Marsaglia, "Xorshift RNGs", 2003). */
uint32_t bide_thread_random(struct bide_thread *thread);

#endif
