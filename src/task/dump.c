/* What bide_dump tells of schedulers, workers and tasks.
 *
 * INVARIANTS
 * 1. A scheduler is in `running` from before its first task until all are gone, and its workers are looked at under
 *    the lock of that list, which bide_run takes before it frees them.
 * 2. A task is looked at while its record is pinned, and under the lock of the list: what its stack is made of is there
 *    then; its name is while the wait lock of the record is held too. What it waits for lies on its stack: it is read
 *    between examine and let_go (task.h), so that the task is not resumed meanwhile.
 * 3. Nothing is put while one of these is held: reactor/dump.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "os/fork.h"
#include "reactor/dump.h"
#include "task/task.h"

static struct {
    bide_os_mutex lock; /* guards what follows */
    struct bide_scheduler *first;
    uint32_t numbers;
} running;

/* --- Which schedulers there are --- */

static void fork_prepare(void)
{
    bide_os_mutex_lock(&running.lock);
    bide_record_lock();
}

static void fork_parent(void)
{
    bide_record_unlock();
    bide_os_mutex_unlock(&running.lock);
}

/* They are the parent's. */
static void fork_child(void)
{
    running.first = NULL;
    fork_parent();
}

static void dump(struct bide_os_text *text);

int bide_scheduler_list(struct bide_scheduler *scheduler)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_parent, fork_child};
    static struct bide_dump_hook hook = {dump, NULL, false};
    static _Atomic bool watched;
    int error = bide_os_at_fork(&handlers, &watched);
    if (error) return error;
    bide_reactor_at_dump(&hook);
    bide_os_mutex_lock(&running.lock);
    scheduler->number = running.numbers++;
    scheduler->next_running = running.first;
    running.first = scheduler;
    bide_os_mutex_unlock(&running.lock);
    return 0;
}

void bide_scheduler_unlist(struct bide_scheduler *scheduler)
{
    bide_os_mutex_lock(&running.lock);
    struct bide_scheduler **link = &running.first;
    while (*link && *link != scheduler)
        link = &(*link)->next_running;
    if (*link) *link = scheduler->next_running;
    bide_os_mutex_unlock(&running.lock);
}

/* The one with the lowest number from `number` on; lock held. */
static struct bide_scheduler *find(uint32_t number)
{
    struct bide_scheduler *found = NULL;
    for (struct bide_scheduler *each = running.first; each; each = each->next_running)
        if (each->number >= number && (!found || each->number < found->number)) found = each;
    return found;
}

/* --- Putting --- */

static void put(struct bide_os_text *text, const char *before, uint64_t number)
{
    bide_os_text_put(text, before);
    bide_os_text_number(text, number);
}

/* --- Workers --- */

struct worker_view {
    struct bide_task_record *current;
    uint32_t parker;
    bool idle;
};

/* False: there is none of that index, or its scheduler has ended, or is busy. */
static bool look_at_worker(uint32_t number, unsigned index, struct worker_view *view)
{
    if (!bide_os_mutex_try_long(&running.lock)) return false;
    struct bide_scheduler *scheduler = find(number);
    bool found = scheduler && scheduler->number == number && index < scheduler->count;
    if (found) {
        struct bide_worker *worker = &scheduler->workers[index];
        view->current = atomic_load_explicit(&worker->current, memory_order_acquire);
        view->parker = atomic_load_explicit(&worker->parker->state, memory_order_relaxed);
        view->idle = atomic_load_explicit(&scheduler->idle_mask, memory_order_relaxed) >> index & 1;
    }
    bide_os_mutex_unlock(&running.lock);
    return found;
}

static void dump_worker(struct bide_os_text *text, unsigned index, const struct worker_view *view)
{
    put(text, "worker ", index);
    if (view->current)
        put(text, ": runs task ", view->current->number);
    else if (view->parker == BIDE_PARKER_POLLER)
        bide_os_text_put(text, ": in the poller");
    else
        bide_os_text_put(text, view->idle ? ": idle" : ": looks for work");
    bide_os_text_put(text, "\n");
}

/* --- Tasks --- */

struct task_view {
    const char *state;
    const char *place;
    bide_instant since;
    bide_instant deadline;
    struct bide_stack stack; /* where it is */
    size_t in_use;           /* of the stack; 0: unknown, for it runs */
    char name[48];
    char awaits[200]; /* empty: it does not wait */
};

static void copy_name(struct task_view *view, const struct bide_task_record *record)
{
    size_t length = 0;
    /* It is there for as long as the end of the task cannot take it away. */
    bide_os_mutex *lock = bide_wait_try(record);
    const char *name = lock ? record->name : NULL;
    while (name && name[length] && length + 1 < sizeof view->name) {
        view->name[length] = name[length];
        length++;
    }
    view->name[length] = '\0';
    if (lock) bide_wait_unlock(lock);
}

/* One that waits is held meanwhile. */
static void look_at_wait(struct bide_task_record *record, struct task_view *view)
{
    view->in_use = 0;
    view->awaits[0] = '\0';
    if (!bide_task_examine(record)) {
        bool runs = atomic_load_explicit(&record->worker, memory_order_relaxed) != NULL;
        bool joins = atomic_load_explicit(&record->joining, memory_order_relaxed) == BIDE_TASK_ASIDE;
        view->state = runs ? "running" : joins ? "joins one that has not waited yet" : "ready";
        return;
    }
    view->since = record->since;
    view->deadline = record->deadline;
    view->in_use = (size_t)(record->stack->low + record->stack->size - (char *)record->stack->fiber.sp);
    bide_future_describe(record->awaiter.awaits, view->awaits, sizeof view->awaits);
    bide_task_let_go(record);
}

/* False: it is not one of the scheduler's, or busy. */
static bool look_at_task(struct bide_task_record *record, uint32_t scheduler, struct task_view *view)
{
    if (!bide_os_mutex_try_long(&running.lock)) return false;
    const struct bide_scheduler *of = find(scheduler);
    bool ours = of && of->number == scheduler && bide_record_pin(record, bide_record_generation(record));
    if (ours) {
        ours = record->scheduler == of;
        if (ours) {
            copy_name(view, record);
            view->place = record->place ? record->place : "?";
            view->stack.low = record->stack->low;
            view->stack.size = record->stack->size;
            look_at_wait(record, view);
        }
        bide_record_unpin(record);
    }
    bide_os_mutex_unlock(&running.lock);
    return ours;
}

static void dump_task(struct bide_os_text *text, uint32_t number, const struct task_view *view)
{
    put(text, "task ", number);
    bide_os_text_put(text, view->name[0] ? ": \"" : ": -");
    bide_os_text_put(text, view->name);
    bide_os_text_put(text, view->name[0] ? "\", " : ", ");
    if (view->awaits[0]) {
        bide_instant now = bide_now();
        bide_os_text_put(text, "waits for ");
        bide_os_text_put(text, view->awaits);
        bide_os_text_put(text, ", since ");
        bide_os_text_seconds(text, bide_instant_since(now, view->since));
        if (!bide_is_never(view->deadline)) {
            bide_os_text_put(text, ", at most ");
            bide_os_text_seconds(text, bide_instant_since(view->deadline, now));
            bide_os_text_put(text, " more");
        }
    } else {
        bide_os_text_put(text, view->state);
    }
    bide_os_text_put(text, ", spawned at ");
    bide_os_text_put(text, view->place);
    put(text, ", stack ", view->in_use);
    put(text, " of ", view->stack.size);
    put(text, ", most ", bide_stack_used(&view->stack));
    bide_os_text_put(text, "\n");
}

struct visit {
    struct bide_os_text *text;
    uint32_t scheduler;
};

static void visit_task(struct bide_task_record *record, void *arg)
{
    const struct visit *visit = arg;
    struct task_view view;
    if (look_at_task(record, visit->scheduler, &view)) dump_task(visit->text, record->number, &view);
}

/* --- All --- */

static void dump(struct bide_os_text *text)
{
    struct worker_view worker;
    for (uint32_t number = 0;; number++) {
        if (!bide_os_mutex_try_long(&running.lock)) {
            bide_os_text_put(text, "scheduler: busy\n");
            return;
        }
        struct bide_scheduler *scheduler = find(number);
        if (scheduler) number = scheduler->number;
        unsigned workers = scheduler ? scheduler->count : 0;
        size_t live = scheduler ? bide_worker_tasks(scheduler) : 0;
        bide_os_mutex_unlock(&running.lock);
        if (!scheduler) return;
        put(text, "scheduler ", number);
        put(text, ": workers ", workers);
        put(text, ", tasks ", live);
        bide_os_text_put(text, "\n");
        for (unsigned i = 0; look_at_worker(number, i, &worker); i++)
            dump_worker(text, i, &worker);
        struct visit visit = {text, number};
        bide_record_each(visit_task, &visit);
    }
}
