/* What the tests of futures, timers and reactors share, beyond what those of handles do: a future written by
 * hand, and threads of which one can tell that they sleep.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_FUTURE_H
#define BIDE_TEST_FUTURE_H

#include "test_async.h"

/* --- a future written by hand --------------------------------------------------------------------------- */

/* It does what it is told and counts what is done to it. For one thread. */
struct manual {
    bide_future future;
    int on_poll;      /* what the next poll answers */
    int on_cancel;    /* what the next cancel answers */
    int polls;        /* how often it was polled */
    int cancels;      /* and cancelled */
    bide_waker waker; /* of the latest poll */
};

static inline int manual_poll(bide_future *self, bide_context *cx)
{
    struct manual *manual = (struct manual *)self;
    manual->polls++;
    manual->waker = bide_context_waker(cx);
    return manual->on_poll;
}

static inline int manual_cancel(bide_future *self, bide_context *cx)
{
    struct manual *manual = (struct manual *)self;
    manual->cancels++;
    manual->waker = bide_context_waker(cx);
    return manual->on_cancel;
}

static inline void manual_init(struct manual *manual, int on_poll)
{
    static const bide_future_ops ops = {sizeof ops, manual_poll, manual_cancel, 0};
    memset(manual, 0, sizeof *manual);
    bide_future_init(&manual->future, &ops);
    manual->on_poll = on_poll;
    manual->on_cancel = BIDE_READY;
}

static inline void manual_stream_init(struct manual *manual, int on_poll)
{
    static const bide_future_ops ops = {sizeof ops, manual_poll, manual_cancel, BIDE_FUTURE_STREAM};
    manual_init(manual, on_poll);
    bide_future_init(&manual->future, &ops);
}

/* Becomes ready, and tells who polled it last. */
static inline void manual_finish(struct manual *manual)
{
    manual->on_poll = BIDE_READY;
    manual->waker.wake(manual->waker.arg);
}

/* Stands for an operation whose buffer the kernel owns: it never becomes ready, and its cancel answers
 * only once `answered` is set. */
struct owned {
    bide_future future;
    bide_event answered;
    bide_event_waiting waiting;
    int outcome; /* of the cancel */
    int cancels;
};

static inline int owned_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_PENDING;
}

static inline int owned_cancel(bide_future *self, bide_context *cx)
{
    struct owned *owned = (struct owned *)self;
    if (owned->cancels++ == 0) bide_event_waiting_init(&owned->waiting, &owned->answered);
    return bide_future_poll(&owned->waiting.future, cx) == BIDE_READY ? owned->outcome : BIDE_PENDING;
}

static inline void owned_init(struct owned *owned, int outcome)
{
    static const bide_future_ops ops = {sizeof ops, owned_poll, owned_cancel, 0};
    bide_future_init(&owned->future, &ops);
    cr_assert_ok(bide_event_init(&owned->answered, BIDE_EVENT_MANUAL));
    owned->outcome = outcome;
    owned->cancels = 0;
}

/* The context of a state machine. */
static inline bide_context context_with(bide_waker waker)
{
    bide_context cx;
    bide_context_init(&cx, waker);
    return cx;
}

/* The end of a test: the helper thread does not outlive it. */
static inline void shut_down(void)
{
    (void)bide_shutdown();
}

/* --- threads -------------------------------------------------------------------------------------------- */

/* A thread that runs one function. */
struct worker {
    pthread_t thread;
    void (*function)(struct worker *worker);
    void *arg;
    long result;
    _Atomic int id; /* the kernel's, 0 until it runs */
    _Atomic bool done;
};

static inline void *worker_run(void *arg)
{
    struct worker *worker = arg;
    worker->id = gettid();
    worker->function(worker);
    worker->done = true;
    return NULL;
}

static inline void worker_start(struct worker *worker, void (*function)(struct worker *worker), void *arg)
{
    memset(worker, 0, sizeof *worker);
    worker->function = function;
    worker->arg = arg;
    int failed = pthread_create(&worker->thread, NULL, worker_run, worker);
    cr_assert_eq(failed, 0, "pthread_create: %s", strerror(failed));
}

static inline long worker_join(struct worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
    return worker->result;
}

/* Returns when the thread sleeps, or is done. */
static inline void await_asleep(const struct worker *worker)
{
    AWAIT(worker->done || (worker->id != 0 && bide_test_thread_asleep(worker->id)));
}

#endif
