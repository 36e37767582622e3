/* Promises: tasks that leave an outcome.
 *
 *   PENDING --its task has ended--> FINISHED --taken by a sync--> freed
 *      \                                \--given up--> dropped, freed
 *       \--given up--> ABANDONED --its task has ended--> dropped, freed
 *
 * INVARIANTS
 * 1. A promise is freed once: by who takes its outcome, after its task was joined; or by the second of its task and
 *    its holder, who tell each other by `state`.
 * 2. The outcome is written by the task alone, before FINISHED, and read by who frees.
 * 3. A step holds the promise before it, and takes its outcome in any case: when it is cancelled it cancels that
 *    one and waits for it, shielded. So a chain ends from its beginning, and every value comes to somebody.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/promise.h>

#include "future/future.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PENDING, FINISHED, ABANDONED };

struct bide_promise {
    _Atomic int state;
    bide_task task;
    bide_outcome outcome;
    bide_promise *before; /* NULL: it is the first */
    bide_promise_function function;
    const char *place; /* where the first of a chain was spawned */
    bide_promise_step on_value, on_error;
    bide_promise_end end; /* of a last step, instead of those */
    void *arg;
    void (*drop)(void *arg);
};

/* --- In the task --- */

/* The outcome of the promise before, whatever happens. */
static bide_outcome take_before(bide_promise *before)
{
    bide_outcome outcome;
    if (bide_promise_sync(&before, &outcome, BIDE_NEVER) == 0) return outcome;
    (void)bide_promise_cancel(before);
    bide_shield();
    int error = bide_promise_sync(&before, &outcome, BIDE_NEVER);
    bide_unshield();
    if (!error) return outcome;
    /* There is no waiting at all: in the child of a fork. */
    bide_promise_free(before);
    return bide_outcome_error(error);
}

static void drop_arg(const bide_promise *promise)
{
    if (promise->drop) promise->drop(promise->arg);
}

static bide_outcome step(const bide_promise *promise)
{
    bide_outcome before = take_before(promise->before);
    if (promise->end) {
        promise->end(before, promise->arg);
        return bide_outcome_value(NULL, NULL);
    }
    bide_promise_step function = before.error ? promise->on_error : promise->on_value;
    if (function) return function(before, promise->arg);
    drop_arg(promise);
    return before;
}

/* The last that the task does with it. */
static void finish(bide_promise *promise, bide_outcome outcome)
{
    promise->outcome = outcome;
    /* acq_rel: the outcome is there for a holder who comes later, and all of a holder's uses are over for us */
    if (atomic_exchange_explicit(&promise->state, FINISHED, memory_order_acq_rel) != ABANDONED) return;
    bide_outcome_drop(outcome);
    free(promise);
}

static int run(void *arg)
{
    bide_promise *promise = arg;
    finish(promise, promise->before ? step(promise) : promise->function(promise->arg));
    return 0;
}

/* Instead of that in a task that was cancelled before it began. Steps run all the same: invariant 3. */
static void run_cancelled(void *arg)
{
    bide_promise *promise = arg;
    if (promise->before) {
        finish(promise, step(promise));
        return;
    }
    drop_arg(promise);
    finish(promise, bide_outcome_error(BIDE_ECANCELED));
}

/* --- Making --- */

static int start(bide_promise **out, const bide_promise *given, const bide_task_options *options)
{
    static const bide_task_options defaults;
    bide_promise *promise = malloc(sizeof *promise);
    if (!promise) return BIDE_ENOMEM;
    bide_task_options ours = options ? *options : defaults;
    *promise = *given;
    atomic_init(&promise->state, PENDING);
    promise->drop = ours.drop;
    ours.drop = run_cancelled;
    int error = bide_spawn_at(promise->place, &promise->task, run, promise, &ours);
    if (error) {
        free(promise);
        return error;
    }
    *out = promise;
    return 0;
}

int(bide_promise_spawn)(bide_promise **out, bide_promise_function function, void *arg,
                        const bide_task_options *options)
{
    return bide_promise_spawn_at(NULL, out, function, arg, options);
}

int bide_promise_spawn_at(const char *place, bide_promise **out, bide_promise_function function, void *arg,
                          const bide_task_options *options)
{
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    if (!function) return BIDE_EINVAL;
    bide_promise given = {.function = function, .arg = arg, .place = place};
    return start(out, &given, options);
}

static int start_step(bide_promise **promise, bide_promise *given, void *arg,
                      const bide_task_options *options)
{
    if (!promise || !*promise || !(given->on_value || given->on_error || given->end)) return BIDE_EINVAL;
    given->before = *promise;
    given->place = given->before->place;
    given->arg = arg;
    return start(promise, given, options);
}

int bide_promise_then(bide_promise **promise, bide_promise_step on_value, bide_promise_step on_error,
                      void *arg, const bide_task_options *options)
{
    bide_promise given = {.on_value = on_value, .on_error = on_error};
    return start_step(promise, &given, arg, options);
}

int bide_promise_chain(bide_promise **promise, bide_promise_step function, void *arg,
                       const bide_task_options *options)
{
    return bide_promise_then(promise, function, function, arg, options);
}

int bide_promise_success(bide_promise **promise, bide_promise_step function, void *arg,
                         const bide_task_options *options)
{
    return bide_promise_then(promise, function, NULL, arg, options);
}

int bide_promise_fail(bide_promise **promise, bide_promise_step function, void *arg,
                      const bide_task_options *options)
{
    return bide_promise_then(promise, NULL, function, arg, options);
}

int bide_promise_finally(bide_promise **promise, bide_promise_end function, void *arg,
                         const bide_task_options *options)
{
    bide_promise given = {.end = function};
    int error = start_step(promise, &given, arg, options);
    if (error) return error;
    bide_promise_free(*promise);
    *promise = NULL;
    return 0;
}

/* --- Holding --- */

int bide_promise_cancel(bide_promise *promise)
{
    return promise ? bide_task_cancel(promise->task) : BIDE_EINVAL;
}

void bide_promise_free(bide_promise *promise)
{
    if (!promise) return;
    (void)bide_task_detach(promise->task);
    /* acq_rel: as in finish */
    if (atomic_exchange_explicit(&promise->state, ABANDONED, memory_order_acq_rel) != FINISHED) return;
    bide_outcome_drop(promise->outcome);
    free(promise);
}

static int syncing_finish(bide_promise_syncing *syncing, int result)
{
    syncing->result = result;
    return BIDE_READY;
}

/* The task was joined: nobody but us knows the promise any more. */
static int take(bide_promise_syncing *syncing)
{
    int error = syncing->joining_.result;
    if (error) return syncing_finish(syncing, error);
    bide_promise *promise = *syncing->promise_;
    syncing->outcome = promise->outcome;
    free(promise);
    *syncing->promise_ = NULL;
    return syncing_finish(syncing, 0);
}

static int syncing_poll(bide_future *self, bide_context *cx)
{
    bide_promise_syncing *syncing = (bide_promise_syncing *)self;
    if (!syncing->promise_ || !*syncing->promise_) return syncing_finish(syncing, BIDE_EINVAL);
    if (!syncing->begun_) bide_task_joining_init(&syncing->joining_, (*syncing->promise_)->task);
    syncing->begun_ = true;
    int answer = bide_future_poll(&syncing->joining_.future, cx);
    return answer == BIDE_READY ? take(syncing) : answer;
}

static int syncing_cancel(bide_future *self, bide_context *cx)
{
    bide_promise_syncing *syncing = (bide_promise_syncing *)self;
    int answer = bide_future_cancel(&syncing->joining_.future, cx);
    if (answer == BIDE_COMPLETED) (void)take(syncing);
    if (answer == BIDE_READY) (void)syncing_finish(syncing, BIDE_ECANCELED);
    return answer;
}

static void syncing_describe(const bide_future *self, char *text, size_t room)
{
    bide_future_describe(&((const bide_promise_syncing *)self)->joining_.future, text, room);
}

static const bide_future_kind syncing_kind = {
    {sizeof syncing_kind.ops, syncing_poll, syncing_cancel, BIDE_FUTURE_NAMED}, "promise:", syncing_describe};

void bide_promise_syncing_init(bide_promise_syncing *syncing, bide_promise **promise)
{
    if (!syncing) return;
    bide_future_init(&syncing->future, &syncing_kind.ops);
    syncing->promise_ = promise;
    syncing->begun_ = false;
    syncing->outcome = bide_outcome_error(BIDE_ECANCELED);
    syncing->result = BIDE_ECANCELED;
}

int bide_promise_sync(bide_promise **promise, bide_outcome *outcome, bide_instant deadline)
{
    if (!outcome) return BIDE_EINVAL;
    bide_promise_syncing syncing;
    bide_promise_syncing_init(&syncing, promise);
    int error = bide_await(&syncing.future, deadline);
    if (!error) error = syncing.result;
    if (!error) *outcome = syncing.outcome;
    return error;
}
