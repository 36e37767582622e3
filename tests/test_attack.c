/* Attacks that succeeded once: interleavings, forced, in which a wake was lost, a lock never released, a
 * neighbour starved.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "future/waiter.h"

#include <bide/task.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <ucontext.h>

TestSuite(attack, .timeout = 60, .fini = shut_down);

/* --- a signal handler that sets an event inside the poller's lock --------------------------------------- */

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static _Thread_local bool no_memory;    /* calloc fails on this thread */
static _Thread_local bool interrupt_me; /* the next realloc of this thread is interrupted by a signal */
static _Atomic bool tell;               /* fcntl tells when the back end asks about a descriptor */
static _Atomic bool asked;
static _Atomic bool begin;
static bide_event *from_handler;

static void set_event(int signal)
{
    (void)signal;
    bide_event_set(from_handler);
}

/* The table of the back end "poll" grows under its lock. */
void *__wrap_realloc(void *memory, size_t size)
{
    if (interrupt_me) {
        interrupt_me = false;
        begin = true;
        AWAIT(asked);
        (void)raise(SIGUSR1);
    }
    return __real_realloc(memory, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

/* Its modify asks whether the descriptor is open, just before it takes its lock. */
int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int argument = va_arg(arguments, int);
    va_end(arguments);
    if (command == F_GETFD && tell) asked = true;
    return __real_fcntl(fd, command, argument);
}

/* An event that has its wait lock in common with the source. */
static bide_event *neighbour_of(const bide_async *async)
{
    static bide_event events[4096];
    bide_os_mutex *wanted = bide_wait_lock(async);
    bide_wait_unlock(wanted);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        bide_os_mutex *lock = bide_wait_lock(&events[i]);
        bide_wait_unlock(lock);
        if (lock == wanted) return &events[i];
    }
    cr_assert(false, "no event shares the lock");
    return NULL;
}

static void wait_for_event(struct worker *worker)
{
    worker->result = bide_event_wait(worker->arg, BIDE_NEVER);
}

static void wait_for_descriptor(struct worker *worker)
{
    AWAIT(begin);
    tell = true;
    worker->result = bide_wait_readable(worker->arg, BIDE_NEVER);
}

Test(attack, a_handler_that_sets_an_event_does_not_wait_for_whoever_waits_for_the_thread_it_interrupted)
{
    (void)setenv("BIDE_BACKEND", "poll", 1);
    struct sigaction action = {.sa_handler = set_event};
    (void)sigaction(SIGUSR1, &action, NULL);
    int ends[2], high;
    bide_async *async, *other;
    make_pipe(ends);
    cr_assert_ok(bide_async_new(&async, ends[0]));
    drain_memory(async);
    from_handler = neighbour_of(async);
    cr_assert_ok(bide_event_init(from_handler, BIDE_EVENT_AUTO));
    struct worker waiter, reader;
    worker_start(&waiter, wait_for_event, from_handler);
    await_asleep(&waiter);
    worker_start(&reader, wait_for_descriptor, async);

    /* A descriptor for which the table must grow. */
    high = fcntl(ends[1], F_DUPFD_CLOEXEC, 900);
    cr_assert_geq(high, 0, "%s", strerror(errno));
    interrupt_me = true;
    cr_assert_ok(bide_async_new(&other, high));
    cr_assert(!interrupt_me, "the table did not grow");
    long result = worker_join(&waiter);
    cr_assert_gives(result, 0);
    put(ends[1], "x", 1);
    result = worker_join(&reader);
    cr_assert_gives(result, 0);

    cr_assert_ok(bide_async_free(async));
    cr_assert_ok(bide_async_free(other));
    (void)close(ends[1]);
}

/* --- sets ----------------------------------------------------------------------------------------------- */

Test(attack, an_event_that_is_always_set_does_not_keep_a_set_from_what_the_kernel_has)
{
    bide_event event;
    bide_event_waiting waiting;
    bide_async *async;
    bide_readable readable;
    bide_set set;
    bide_set_member always, once, *ready;
    int ends[2];
    make_pipe(ends);
    cr_assert_ok(bide_async_new(&async, ends[0]));
    drain_memory(async);
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_MANUAL));
    bide_event_set(&event);
    bide_set_init(&set);
    bide_readable_init(&readable, async);
    cr_assert_ok(bide_set_add(&set, &once, &readable.future, NULL));
    bide_event_waiting_init(&waiting, &event);
    cr_assert_ok(bide_set_add(&set, &always, &waiting.future, NULL));
    cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
    put(ends[1], "x", 1);
    int others = 0;
    for (; ready != &once && others < 1000; others++) {
        bide_event_waiting_init(&waiting, &event);
        cr_assert_ok(bide_set_add(&set, &always, &waiting.future, NULL));
        cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
    }
    cr_assert(ready == &once, "not among %d", others);
    (void)bide_set_remove(&set, &always);
    cr_assert_ok(bide_async_free(async));
    (void)close(ends[1]);
}

Test(attack, a_set_is_served_also_where_another_reactor_is_current)
{
    bide_reactor *reactor;
    bide_timer timer;
    bide_set set;
    bide_set_member member, *ready;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_set_init(&set);
    bide_timer_after(&timer, SHORT);
    cr_assert_ok(bide_set_add(&set, &member, &timer.future, NULL));
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), BIDE_EAGAIN);

    bide_reactor *previous = bide_reactor_enter(reactor);
    cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
    bide_reactor_leave(previous);
    cr_assert(ready == &member);
    cr_assert_ok(bide_timer_error(&timer));
    cr_assert_ok(bide_reactor_free(reactor));
}

Test(attack, a_set_outlives_the_reactor_under_which_it_was_polled_first)
{
    bide_reactor *reactor;
    bide_timer own, other;
    bide_set set;
    bide_set_member first, second, *ready;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_set_init(&set);
    bide_timer_after(&other, SHORT);
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_timer_after(&own, LONG);
    cr_assert_ok(bide_set_add(&set, &first, &own.future, NULL));
    cr_assert_ok(bide_set_add(&set, &second, &other.future, NULL));
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), BIDE_EAGAIN);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));

    cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
    cr_assert(ready == &first);
    cr_assert_gives(bide_timer_error(&own), BIDE_ECANCELED);
    cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
    cr_assert(ready == &second);
    cr_assert_ok(bide_timer_error(&other));
}

/* --- wrong answers -------------------------------------------------------------------------------------- */

Test(attack, vectored_calls_without_buffers_are_refused_whatever_is_remembered)
{
    bide_async *async;
    int ends[2];
    make_pipe(ends);
    cr_assert_ok(bide_async_new(&async, ends[0]));
    cr_assert_gives(bide_readv(async, NULL, 3, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_writev(async, NULL, 3, BIDE_NOW), BIDE_EINVAL);
    drain_memory(async);
    cr_assert_gives(bide_readv(async, NULL, 3, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_readv(async, NULL, 0, BIDE_NOW), 0);
    cr_assert_ok(bide_async_free(async));
    (void)close(ends[1]);
}

Test(attack, the_last_try_of_a_timeout_is_made_also_when_the_budget_is_spent)
{
    struct counter counter = {0};
    bide_reactor *reactor; /* which nobody drives: no event tells of the byte */
    bide_async *async;
    bide_io io;
    bide_timeout timeout;
    char byte = 0;
    int ends[2];
    make_pipe(ends);
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    cr_assert_ok(bide_async_new(&async, ends[0]));
    drain_memory(async);
    bide_io_read(&io, async, &byte, 1);
    bide_timeout_init(&timeout, &io.future, bide_after(0));
    put(ends[1], "x", 1);

    bide_context cx = context_with(counting(&counter));
    cx.budget_ = 1; /* the timer takes it */
    cr_assert_gives(bide_future_poll(&timeout.future, &cx), BIDE_READY);
    cr_assert_gives(timeout.result, 0);
    cr_assert_gives(io.result, 1);
    cr_assert_eq(byte, 'x');

    cr_assert_ok(bide_async_free(async));
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
    (void)close(ends[1]);
}

static void cancel_without_memory(struct worker *worker)
{
    no_memory = true;
    worker->result = bide_cancel(worker->arg);
    no_memory = false;
}

Test(attack, a_future_that_need_not_be_waited_for_is_cancelled_also_without_memory)
{
    struct counter counter = {0};
    bide_timer timer;
    bide_timer_after(&timer, LONG);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    /* A thread that has never waited. */
    struct worker worker;
    worker_start(&worker, cancel_without_memory, &timer.future);
    long result = worker_join(&worker);
    cr_assert_gives(result, BIDE_READY);
    cr_assert_eq(stats_now().timers_pending, 0);
}

Test(attack, a_late_forget_leaves_the_waker_of_whoever_has_the_slot_now)
{
    struct counter counter = {0};
    bide_async *first, *now = NULL;
    int ends[2];
    make_pipe(ends);
    cr_assert_ok(bide_async_borrow(&first, ends[0]));
    uint32_t generation = bide_source_generation(first);
    cr_assert_ok(bide_async_free(first));
    for (int i = 0; i < 1000 && now != first; i++) {
        if (now) cr_assert_ok(bide_async_free(now));
        cr_assert_ok(bide_async_borrow(&now, ends[0]));
    }
    cr_assert(now == first, "the slot is not used again");
    cr_assert_gives(bide_async_poll_readable(now, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(bide_source_forget(first, generation, BIDE_READ), BIDE_EFREED);
    put(ends[1], "x", 1);
    AWAIT(counter.wakes == 1);
    cr_assert_ok(bide_async_free(now));
    close_all(ends, 2);
}

/* --- threads that are cancelled ------------------------------------------------------------------------- */

/* With a request to end pending, which the first cancellation point obeys. */
static void begin_to_end(void)
{
    int before;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    (void)pthread_cancel(pthread_self());
    (void)pthread_setcancelstate(before, NULL);
}

static void read_while_ending(void *arg)
{
    char byte;
    (void)bide_read(arg, &byte, 1, BIDE_NOW);
}

static void poll_while_ending(void *arg)
{
    struct counter counter = {0};
    bide_context cx = context_with(counting(&counter));
    char byte;
    bide_io io;
    bide_io_read(&io, arg, &byte, 1);
    (void)bide_future_poll(&io.future, &cx);
    (void)bide_future_cancel(&io.future, &cx);
    (void)bide_async_poll_readable(arg, counting(&counter));
    (void)bide_async_forget(arg, BIDE_READ);
}

static void free_while_ending(void *arg)
{
    (void)bide_async_free(arg);
}

struct ending {
    void (*function)(void *arg);
    void *arg;
};

/* Ends in a frame without variables, for the address sanitizer does not hear of those that are left so. */
static void *end_after(void *arg)
{
    begin_to_end();
    ((struct ending *)arg)->function(((struct ending *)arg)->arg);
    pthread_testcancel();
    return NULL;
}

static void expect_cancelled_late(void (*function)(void *arg), void *arg)
{
    pthread_t thread;
    void *result;
    struct ending ending = {function, arg};
    cr_assert_eq(pthread_create(&thread, NULL, end_after, &ending), 0);
    cr_assert_eq(pthread_join(thread, &result), 0);
    cr_assert(result == PTHREAD_CANCELED, "the thread was not cancelled");
}

Test(attack, a_thread_that_is_cancelled_leaves_no_call_halfway)
{
    bide_async *async;
    int ends[2];
    make_pipe(ends);
    cr_assert_ok(bide_async_new(&async, ends[0]));
    expect_cancelled_late(read_while_ending, async);
    expect_cancelled_late(poll_while_ending, async);
    expect_cancelled_late(free_while_ending, async);
    cr_assert_gives(bide_async_free(async), BIDE_EFREED);
    cr_assert(!is_open(ends[0]));
    (void)close(ends[1]);
}

static void wake_by_pipe(void *arg)
{
    const int *ends = arg;
    cr_assert_eq(write(ends[1], "x", 1), 1);
}

static void set_while_ending(void *arg)
{
    bide_event_set(arg);
}

Test(attack, a_thread_that_is_cancelled_finishes_its_wakes)
{
    bide_event event;
    bide_event_waiting waiting;
    int ends[2];
    make_pipe(ends);
    bide_waker waker = {wake_by_pipe, ends};
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting_init(&waiting, &event);
    cr_assert_gives(poll_with(&waiting.future, waker), BIDE_PENDING);
    expect_cancelled_late(set_while_ending, &event);
    cr_assert_gives(poll_with(&waiting.future, waker), BIDE_READY);
    cr_assert_ok(waiting.result);
    close_all(ends, 2);
}

/* --- a signal handler that wakes a task, at each instruction of a worker ---------------------------------- */

#if defined(__x86_64__) && !defined(BIDE_TEST_TSAN)
enum { TRAP = 0x100 }; /* the flag with which the processor traps after each instruction */

static struct {
    bide_event bell, other, heard;
    volatile long steps, at; /* instructions so far, and the one at which the bell is rung */
} stepped;

static void count_step(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (++stepped.steps < stepped.at) return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP;
    bide_event_set(&stepped.bell);
}

static int hear_the_bell(void *arg)
{
    (void)arg;
    while (bide_event_wait(&stepped.bell, BIDE_NEVER) == 0)
        bide_event_set(&stepped.heard);
    return 0;
}

static int wait_for_the_other(void *arg)
{
    (void)arg;
    while (bide_event_wait(&stepped.other, BIDE_NEVER) == 0)
        continue;
    return 0;
}

static int wake_while_stepped(void *arg)
{
    (void)arg;
    cr_assert_ok(bide_spawn(NULL, hear_the_bell, NULL, NULL));
    cr_assert_ok(bide_spawn(NULL, wait_for_the_other, NULL, NULL));
    for (stepped.at = 1; stepped.at < 1000; stepped.at += 5) {
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
        stepped.steps = 0;
        __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
        bide_event_set(&stepped.other);
        (void)bide_yield();
        __asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
        if (stepped.steps < stepped.at) break;
        cr_assert_ok(bide_event_wait(&stepped.heard, bide_after(LONG)));
    }
    return 0;
}

Test(attack, a_handler_that_wakes_a_task_while_its_thread_queues_another_loses_neither)
{
    struct sigaction action = {.sa_sigaction = count_step, .sa_flags = SA_SIGINFO};
    cr_assert_done(sigaction(SIGTRAP, &action, NULL));
    for (unsigned workers = 1; workers <= 2; workers++) {
        bide_run_options options = {.workers = workers};
        cr_assert_ok(bide_event_init(&stepped.bell, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_event_init(&stepped.other, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_event_init(&stepped.heard, BIDE_EVENT_AUTO));
        cr_assert_ok(bide_run(wake_while_stepped, NULL, &options));
    }
}

/* The thread stands for a handler of its own: it sets an event while it has a lock, and is interrupted by another. */
Test(attack, of_two_events_that_nested_handlers_set_while_their_thread_has_a_lock_neither_is_lost)
{
    struct sigaction action = {.sa_sigaction = count_step, .sa_flags = SA_SIGINFO};
    cr_assert_done(sigaction(SIGTRAP, &action, NULL));
    bool rang = true;
    for (stepped.at = 1; rang; stepped.at++) {
        bide_event *events[] = {&stepped.other, &stepped.bell};
        bide_event_waiting waits[2];
        struct counter woken[2] = {{0}};
        for (int i = 0; i < 2; i++) {
            cr_assert_ok(bide_event_init(events[i], BIDE_EVENT_AUTO));
            bide_event_waiting_init(&waits[i], events[i]);
            cr_assert_gives(poll_with(&waits[i].future, counting(&woken[i])), BIDE_PENDING);
        }
        stepped.steps = 0;
        bide_os_mutex *lock = bide_wait_lock(&rang);
        __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
        bide_event_set(&stepped.other);
        __asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
        bide_wait_unlock(lock);
        rang = stepped.steps >= stepped.at;
        for (int i = 0; i < (rang ? 2 : 1); i++) {
            cr_assert_eq(atomic_load(&woken[i].wakes), 1, "event %d, instruction %ld", i, stepped.at);
            cr_assert_gives(poll_with(&waits[i].future, counting(&woken[i])), BIDE_READY);
        }
        if (!rang) cr_assert_gives(cancel_with(&waits[1].future, counting(&woken[1])), BIDE_READY);
    }
    cr_assert_gt(stepped.at, 20);
}
#endif
