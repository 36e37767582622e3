/* The pool: blocking jobs on threads that come and go.
 *
 *   job:     IDLE --poll--> QUEUED --a thread takes it--> RUNNING --function returned--> DONE
 *                              |                             |
 *                              +--cancel--> IDLE             +--cancel of a detachable one--> IDLE
 *                              +--shutdown--> DONE
 *
 *   thread:  STARTED --> LOOKING --job--> RUNNING --> LOOKING --none--> ASLEEP --called--> LOOKING
 *                           |                                             | time is over
 *                           +--its life is over, or too many--> LEFT <----+
 *            One whose job forks is no longer the pool's in the child, and ends with the job.
 *
 * INVARIANTS (everything is guarded by pool.lock, but for what says otherwise)
 * 1. A job is linked in pool.queue if and only if it is QUEUED; pool.queued is their number.
 * 2. A thread is linked in pool.idle if and only if `asleep` is set. Whoever clears it (a caller, shutdown,
 *    the thread itself when its time is over) unlinks it in the same step, so that a thread is called once.
 * 3. pool.coming counts the threads that were called or started and have not looked yet. After each step that
 *    adds a job or raises the limit, every queued job has one coming, or no thread is asleep and no more may
 *    or can be started. So a job waits only for threads that run, and no thread is called or started for a
 *    job that one comes for already.
 * 4. A job that waits has a thread: if none exists and none can be started, it is not queued but fails.
 * 5. thread->job and job->thread_ name each other while the job is RUNNING. A detachable job that is
 *    cancelled then clears both and leaves its `drop` with the thread; from there on nobody touches the job's
 *    storage.
 * 6. The waiter of a job is LINKED, in pool.waiters or in shutdown's batch, only while it is QUEUED or
 *    RUNNING or its wake is still to come. It is woken once, by a batch of one or shutdown's, never under the
 *    lock (future/waiter.h, invariants 2 to 6, with pool.lock for the wait lock).
 * 7. Each shutdown ends a life: threads of an earlier one take no more jobs. pool.threads counts those of the
 *    present life, pool.leaving the others.
 * 8. A thread that leaves joins the one that left before it, so that one at most is unjoined: pool.left.
 *
 * pool.lock is the outer one of the locks: the reactor's and wait locks may be taken under it, not the
 * reverse.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "pool/pool.h"

#include "future/waiter.h"
#include "os/fork.h"
#include "os/log.h"
#include "reactor/dump.h"
#include "os/thread.h"
#include "reactor/reactor.h"

#include <stdlib.h>

/* How long an idle thread stays: longer than the pauses within one burst of work, short enough not to be kept
 * for nothing. */
#define IDLE_TIME BIDE_SECONDS(10)

enum { IDLE, QUEUED, RUNNING, DONE };

struct bide_pool_thread {
    bide_link idle_link;     /* in pool.idle; first, so that a thread is found from its link */
    bide_link link;          /* in pool.all */
    _Atomic uint32_t asleep; /* changes under the lock; read by the futex */
    bool coming;             /* counted in pool.coming */
    bool orphaned;           /* its job has forked, and this is the child: it belongs to no pool */
    uint32_t life;           /* fixed */
    bide_os_thread thread;   /* fixed; written under the lock that its first step takes */
    bide_job *job;           /* NULL: none, or abandoned */
    void (*drop)(void *);    /* of an abandoned one */
};

static struct {
    bide_os_mutex lock;
    bide_link queue;
    bide_link idle; /* the last to fall asleep is the first to be called: the others' time passes */
    bide_link all;
    bide_link waiters;
    size_t queued, coming, threads, leaving;
    size_t limit;
    bide_duration idle_time;
    uint32_t life;
    _Atomic uint32_t departures; /* grows with each thread that leaves: shutdown's futex */
    struct bide_pool_thread *left;
} pool = {
    .queue = {&pool.queue, &pool.queue},
    .idle = {&pool.idle, &pool.idle},
    .all = {&pool.all, &pool.all},
    .waiters = {&pool.waiters, &pool.waiters},
    .limit = BIDE_POOL_LIMIT,
    .idle_time = IDLE_TIME,
};

static bide_job *job_of(bide_link *link)
{
    return (bide_job *)((char *)link - offsetof(bide_job, link_));
}

static struct bide_pool_thread *thread_of(bide_link *link)
{
    return (struct bide_pool_thread *)((char *)link - offsetof(struct bide_pool_thread, link));
}

static size_t count_links(const bide_link *ring)
{
    size_t count = 0;
    for (const bide_link *link = ring->next_; link != ring; link = link->next_)
        count++;
    return count;
}

/* --- Threads --- */

/* The first queued job is the thread's. Lock held. */
static bide_job *take_job(struct bide_pool_thread *self)
{
    if (bide_ring_empty(&pool.queue)) return NULL;
    bide_job *job = job_of(pool.queue.next_);
    bide_ring_remove(&job->link_);
    pool.queued--;
    job->stage_ = RUNNING;
    job->thread_ = self;
    self->job = job;
    return job;
}

/* Runs the job. Lock held, and released meanwhile. */
static void run_job(struct bide_pool_thread *self, bide_job *job)
{
    bide_job_function function = job->function_;
    void *arg = job->arg_;
    bide_os_mutex_unlock(&pool.lock);
    bide_ssize result = function(arg);
    bide_os_mutex_lock(&pool.lock);
    if (self->orphaned) return;
    if (!self->job) {
        bide_os_mutex_unlock(&pool.lock);
        self->drop(arg);
        bide_os_mutex_lock(&pool.lock);
        return;
    }
    self->job = NULL;
    job->thread_ = NULL;
    job->result = result;
    job->stage_ = DONE;
    struct bide_wake one;
    bide_waiter_take(&job->waiter_, &one);
    bide_os_mutex_unlock(&pool.lock);
    bide_wake_run(&one);
    bide_os_mutex_lock(&pool.lock);
}

/* Sleeps until called, or for as long as an idle thread stays. Returns whether it was called. Lock held, and
 * released meanwhile. */
static bool sleep_idle(struct bide_pool_thread *self)
{
    if (pool.threads > pool.limit) return false;
    bide_instant until = bide_after(pool.idle_time);
    bide_link *first = pool.idle.next_;
    bide_ring_append(first, &self->idle_link);
    /* relaxed, here and below: the lock orders it, and the futex compares it with what the lock's holder
     * wrote */
    atomic_store_explicit(&self->asleep, 1, memory_order_relaxed);
    do {
        bide_os_mutex_unlock(&pool.lock);
        bide_os_futex_wait(&self->asleep, 1, until);
        bide_os_mutex_lock(&pool.lock);
        if (!atomic_load_explicit(&self->asleep, memory_order_relaxed)) return true;
    } while (bide_before(bide_now(), until));
    bide_ring_remove(&self->idle_link);
    atomic_store_explicit(&self->asleep, 0, memory_order_relaxed);
    return false;
}

static void join(struct bide_pool_thread *thread)
{
    if (!thread) return;
    bide_os_thread_join(thread->thread);
    free(thread);
}

static void live(void *arg)
{
    struct bide_pool_thread *self = arg;
    bide_os_mutex_lock(&pool.lock);
    do {
        if (self->coming && self->life == pool.life) pool.coming--;
        self->coming = false;
        bide_job *job;
        while (self->life == pool.life && (job = take_job(self)))
            run_job(self, job);
    } while (self->life == pool.life && sleep_idle(self));

    if (self->orphaned) {
        bide_os_mutex_unlock(&pool.lock);
        free(self);
        return;
    }
    bide_ring_remove(&self->link);
    *(self->life == pool.life ? &pool.threads : &pool.leaving) -= 1;
    struct bide_pool_thread *before = pool.left;
    pool.left = self;
    atomic_fetch_add_explicit(&pool.departures, 1, memory_order_relaxed);
    bide_os_mutex_unlock(&pool.lock);
    /* From here on `self` is its joiner's. */
    bide_os_futex_wake_all(&pool.departures);
    join(before);
}

/* Lock held: a thread whose handle is not written yet cannot pass its first step. */
static int start_thread(void)
{
    struct bide_pool_thread *thread = calloc(1, sizeof *thread);
    if (!thread) return BIDE_ENOMEM;
    thread->life = pool.life;
    thread->coming = true;
    int error = bide_os_thread_start(&thread->thread, "bide-pool", live, thread);
    if (error) {
        free(thread);
        return error;
    }
    bide_ring_append(&pool.all, &thread->link);
    pool.threads++;
    pool.coming++;
    return 0;
}

/* The sleeping thread is called; bide_os_futex_wake_one(&asleep) must follow. Lock held. */
static struct bide_pool_thread *rouse_first(void)
{
    struct bide_pool_thread *thread = (struct bide_pool_thread *)pool.idle.next_;
    bide_ring_remove(&thread->idle_link);
    atomic_store_explicit(&thread->asleep, 0, memory_order_relaxed);
    thread->coming = true;
    return thread;
}

/* Has one more thread come, if a job needs it (invariant 3): 1 if one does, 0 if none is needed or may come,
 * or why none could be started. *asleep: one to be woken, by its futex. Lock held. */
static int call_thread(struct bide_pool_thread **asleep)
{
    *asleep = NULL;
    if (pool.queued <= pool.coming) return 0;
    if (!bide_ring_empty(&pool.idle)) {
        *asleep = rouse_first();
        pool.coming++;
        return 1;
    }
    if (pool.threads >= pool.limit) return 0;
    int error = start_thread();
    return error ? error : 1;
}

static void wake(struct bide_pool_thread *asleep)
{
    /* It may be gone by now: the futex call uses the address alone. */
    if (asleep) bide_os_futex_wake_one(&asleep->asleep);
}

/* --- The life of the pool --- */

static bool is_own_thread(void)
{
    bool own = false;
    bide_os_mutex_lock(&pool.lock);
    for (bide_link *link = pool.all.next_; link != &pool.all; link = link->next_)
        own = own || bide_os_thread_is_self(thread_of(link)->thread);
    bide_os_mutex_unlock(&pool.lock);
    return own;
}

/* Queued jobs are done, without having run; their waiters go into the batch. Lock held. */
static void cancel_queued(bide_link *batch)
{
    while (!bide_ring_empty(&pool.queue)) {
        bide_job *job = job_of(pool.queue.next_);
        bide_ring_remove(&job->link_);
        job->stage_ = DONE;
        job->result = BIDE_ECANCELED;
        bide_ring_remove(&job->waiter_.link_);
        bide_ring_append(batch, &job->waiter_.link_);
    }
    pool.queued = 0;
}

static void shut_down(void)
{
    bide_link batch;
    bide_ring_init(&batch);
    bide_os_mutex_lock(&pool.lock);
    pool.life++;
    pool.leaving += pool.threads;
    pool.threads = 0;
    pool.coming = 0;
    cancel_queued(&batch);
    while (!bide_ring_empty(&pool.idle))
        wake(rouse_first());
    while (!bide_ring_empty(&batch)) {
        struct bide_wake one;
        bide_waiter_take(bide_queue_first(&batch), &one);
        bide_os_mutex_unlock(&pool.lock);
        bide_wake_run(&one);
        bide_os_mutex_lock(&pool.lock);
    }
    while (pool.leaving > 0) {
        uint32_t seen = atomic_load_explicit(&pool.departures, memory_order_relaxed);
        bide_os_mutex_unlock(&pool.lock);
        bide_os_futex_wait(&pool.departures, seen, BIDE_NEVER);
        bide_os_mutex_lock(&pool.lock);
    }
    struct bide_pool_thread *last = pool.left;
    pool.left = NULL;
    bide_os_mutex_unlock(&pool.lock);
    join(last);
}

static void fork_prepare(void)
{
    bide_os_mutex_lock(&pool.lock);
}

static void fork_parent(void)
{
    bide_os_mutex_unlock(&pool.lock);
}

void bide_pool_forked(void)
{
    for (bide_link *link = pool.all.next_; link != &pool.all;) {
        struct bide_pool_thread *thread = thread_of(link);
        link = link->next_;
        if (bide_os_thread_is_self(thread->thread))
            thread->orphaned = true;
        else
            free(thread);
    }
    free(pool.left);
    bide_ring_init(&pool.all);
    pool.left = NULL;
    bide_ring_init(&pool.queue);
    bide_ring_init(&pool.idle);
    bide_ring_init(&pool.waiters);
    pool.queued = pool.coming = pool.threads = pool.leaving = 0;
    pool.life++;
    bide_os_mutex_unlock(&pool.lock);
}

static void dump(struct bide_os_text *text)
{
    if (!bide_os_mutex_try_long(&pool.lock)) {
        bide_os_text_put(text, "pool: busy\n");
        return;
    }
    size_t idle = count_links(&pool.idle);
    const struct {
        const char *name;
        size_t value;
    } counts[] = {{"pool: threads ", pool.threads + pool.leaving},
                  {", idle ", idle},
                  {", limit ", pool.limit},
                  {", jobs waiting ", pool.queued}};
    bide_os_mutex_unlock(&pool.lock);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        bide_os_text_put(text, counts[i].name);
        bide_os_text_number(text, counts[i].value);
    }
    bide_os_text_put(text, "\n");
}

/* Has forks, shutdowns and dumps told to us: 0 or BIDE_ENOMEM. */
static int watch(void)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_parent, bide_pool_forked};
    static struct bide_shutdown_hook hook = {is_own_thread, shut_down, NULL, false};
    static struct bide_dump_hook dumping = {dump, NULL, false};
    static _Atomic bool watched;
    int error = bide_reactor_watch_forks(); /* first: its locks are the inner ones */
    if (!error) error = bide_os_at_fork(&handlers, &watched);
    if (!error) bide_reactor_at_shutdown(&hook);
    bide_reactor_at_dump(&dumping);
    return error;
}

/* --- Jobs --- */

/* The waker of the latest poll, or cancel. Lock held. */
static void keep_waker(bide_job *job, const bide_context *cx)
{
    uint32_t flags = cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
    if (bide_waiter_state(&job->waiter_) & BIDE_WAITER_LINKED) {
        job->waiter_.waker_ = cx->waker_;
        job->waiter_.flags_ = flags;
    } else {
        bide_waiter_link(&pool.waiters, &job->waiter_, cx->waker_, flags);
    }
}

/* Takes it out of the queue, and the waiter out of its ring. Lock held. */
static void unqueue(bide_job *job)
{
    bide_ring_remove(&job->link_);
    pool.queued--;
    bide_waiter_unlink(&job->waiter_);
    job->stage_ = IDLE;
}

/* Queues it and has a thread come. 0 or why there is none. */
static int begin(bide_job *job, const bide_context *cx)
{
    if (!job->function_) return BIDE_EINVAL;
    if (!bide_threads_allowed()) return BIDE_ENOTSUP;
    int error = watch();
    if (error) return error;
    struct bide_pool_thread *asleep;
    bide_os_mutex_lock(&pool.lock);
    bide_ring_append(&pool.queue, &job->link_);
    pool.queued++;
    job->stage_ = QUEUED;
    job->born_ = bide_os_forks;
    keep_waker(job, cx);
    int called = call_thread(&asleep);
    bool stuck = called < 0 && pool.threads == 0;
    if (stuck) unqueue(job);
    bide_os_mutex_unlock(&pool.lock);
    wake(asleep);
    if (called < 0) bide_log(called, "a thread for blocking jobs cannot be started", NULL);
    return stuck ? called : 0;
}

static int finish(bide_job *job, bide_ssize result)
{
    job->result = result;
    return BIDE_READY;
}

/* Begun by the parent of this process, where its thread or its place in the queue is. */
static bool is_parents(const bide_job *job)
{
    return job->begun_ && job->born_ != bide_os_forks;
}

static int give_up_parents(bide_job *job)
{
    job->begun_ = false;
    job->stage_ = IDLE;
    job->thread_ = NULL;
    bide_waiter_init(&job->waiter_);
    return finish(job, BIDE_EFORKED);
}

/* Lock held: released. The job is done. */
static void end(bide_job *job)
{
    if (bide_waiter_state(&job->waiter_) & BIDE_WAITER_LINKED) bide_waiter_unlink(&job->waiter_);
    bide_os_mutex_unlock(&pool.lock);
    bide_waiter_quiesce(&job->waiter_);
}

static int job_poll(bide_future *self, bide_context *cx)
{
    bide_job *job = (bide_job *)self;
    if (is_parents(job)) return give_up_parents(job);
    if (!job->begun_) {
        int error = begin(job, cx);
        if (error) return finish(job, error);
        job->begun_ = true;
        return BIDE_PENDING;
    }
    bide_os_mutex_lock(&pool.lock);
    if (job->stage_ == DONE) {
        end(job);
        return BIDE_READY;
    }
    keep_waker(job, cx);
    bide_os_mutex_unlock(&pool.lock);
    return BIDE_PENDING;
}

static int job_cancel(bide_future *self, bide_context *cx)
{
    bide_job *job = (bide_job *)self;
    if (is_parents(job)) return give_up_parents(job);
    bide_os_mutex_lock(&pool.lock);
    if (job->stage_ == DONE) {
        end(job);
        return BIDE_COMPLETED;
    }
    bool running = job->stage_ == RUNNING;
    if (!running) {
        unqueue(job);
    } else if (job->drop_) {
        job->thread_->drop = job->drop_;
        job->thread_->job = NULL;
        job->thread_ = NULL;
        job->stage_ = IDLE;
        bide_waiter_unlink(&job->waiter_);
    } else {
        keep_waker(job, cx);
        bide_os_mutex_unlock(&pool.lock);
        return BIDE_PENDING;
    }
    bide_os_mutex_unlock(&pool.lock);
    job->begun_ = false;
    if (!running && job->drop_) job->drop_(job->arg_);
    return finish(job, BIDE_ECANCELED);
}

static const bide_future_kind job_kind = {{sizeof job_kind.ops, job_poll, job_cancel, BIDE_FUTURE_NAMED},
                                          "job",
                                          NULL};

void bide_job_init_detachable(bide_job *job, bide_job_function function, void *record,
                              void (*drop)(void *record))
{
    if (!job) return;
    bide_future_init(&job->future, &job_kind.ops);
    bide_waiter_init(&job->waiter_);
    job->function_ = function;
    job->arg_ = record;
    job->drop_ = drop;
    job->thread_ = NULL;
    job->stage_ = IDLE;
    job->born_ = 0;
    job->begun_ = false;
    job->result = BIDE_ECANCELED;
}

void bide_job_init(bide_job *job, bide_job_function function, void *arg)
{
    bide_job_init_detachable(job, function, arg, NULL);
}

bide_ssize bide_job_run(bide_job_function function, void *arg, bide_instant deadline)
{
    bide_job job;
    bide_job_init(&job, function, arg);
    int error = bide_await(&job.future, deadline);
    return error ? error : job.result;
}

bide_ssize bide_blocking(bide_job_function function, void *arg)
{
    return bide_job_run(function, arg, BIDE_NEVER);
}

/* --- Settings and counts --- */

int bide_pool_set_limit(size_t threads)
{
    if (threads == 0) return BIDE_EINVAL;
    struct bide_pool_thread *asleep;
    int called;
    bide_os_mutex_lock(&pool.lock);
    pool.limit = threads;
    do {
        called = call_thread(&asleep);
        wake(asleep);
    } while (called == 1);
    bide_os_mutex_unlock(&pool.lock);
    if (called < 0) bide_log(called, "a thread for blocking jobs cannot be started", NULL);
    return 0;
}

void bide_pool_set_idle(bide_duration duration)
{
    bide_os_mutex_lock(&pool.lock);
    pool.idle_time = duration;
    bide_os_mutex_unlock(&pool.lock);
}

void bide_pool_counts_read(struct bide_pool_counts *counts)
{
    bide_os_mutex_lock(&pool.lock);
    counts->threads = pool.threads + pool.leaving;
    counts->queued = pool.queued;
    counts->idle = count_links(&pool.idle);
    bide_os_mutex_unlock(&pool.lock);
}
