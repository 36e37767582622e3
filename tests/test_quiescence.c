/* Quiescence: when a poll or a cancel has answered, no earlier wake of that future is running or will run.
 *
 * The interleavings are forced by wakers that stop in the middle, on a thread of their own, while another
 * thread polls or cancels.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "future/thread.h"
#include "os/futex.h"
#include "reactor/reactor.h"

TestSuite(quiescence, .fini = shut_down, .timeout = 60);

/* The scenes: a waker of the future is stopped in the middle, and another thread does one of these meanwhile,
 * noting whether the waker had returned by then. */
struct meanwhile {
    bide_future *future;
    struct gate *gate;
    struct counter *other; /* whose waker the poll brings */
    bool waker_had_returned;
};

static void poll_meanwhile(struct worker *worker)
{
    struct meanwhile *it = worker->arg;
    worker->result = poll_with(it->future, counting(it->other));
    it->waker_had_returned = it->gate->left;
}

static void cancel_meanwhile(struct worker *worker)
{
    struct meanwhile *it = worker->arg;
    worker->result = cancel_with(it->future, counting(it->other));
    it->waker_had_returned = it->gate->left;
}

/* The future's waker has been entered. The call must not return before the waker does. */
static void expect_to_wait(bide_future *future, struct gate *gate, void (*call)(struct worker *worker),
                           int expected)
{
    AWAIT(gate->entered);
    struct counter other = {0};
    struct meanwhile it = {future, gate, &other, false};
    struct worker worker;
    worker_start(&worker, call, &it);
    await_asleep(&worker);
    bool too_early = worker.done;
    gate->open = true;
    cr_assert_gives(worker_join(&worker), expected);
    cr_assert(!too_early && it.waker_had_returned, "the waker was still running");
    /* Whom the poll brought, it may be woken. The gate's waker will not run again. */
    gate->left = false;
    if (expected == BIDE_PENDING) (void)cancel_with(future, counting(&other));
}

static void set_event(struct worker *worker)
{
    bide_event_set(worker->arg);
}

static void wait_for_event_with_gate(void (*call)(struct worker *worker), int expected)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    struct gate gate = {0};
    cr_assert_gives(poll_with(&waiting.future, gated(&gate)), BIDE_PENDING);
    struct worker setter;
    worker_start(&setter, set_event, &event);
    expect_to_wait(&waiting.future, &gate, call, expected);
    (void)worker_join(&setter);
    cr_assert_gives(waiting.result, 0);
    cr_assert(!bide_event_is_set(&event), "it was granted, and is set as well");
}

Test(quiescence, a_poll_is_not_ready_before_the_waker_returned_for_an_event)
{
    wait_for_event_with_gate(poll_meanwhile, BIDE_READY);
}

Test(quiescence, a_cancel_does_not_answer_before_the_waker_returned_for_an_event)
{
    wait_for_event_with_gate(cancel_meanwhile, BIDE_COMPLETED);
}

/* The waker of a timer runs on the thread that serves the reactor. `later`: the timer is set anew while it
 * runs, so that the poll brings another waker rather than an end. */
static void wait_for_timer_with_gate(void (*call)(struct worker *worker), bool later, int expected)
{
    bide_timer timer;
    bide_timer_never(&timer);
    struct gate gate = {0};
    cr_assert_gives(poll_with(&timer.future, gated(&gate)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    AWAIT(gate.entered);
    if (later) cr_assert_ok(bide_timer_set_after(&timer, BIDE_HOURS(1)));
    expect_to_wait(&timer.future, &gate, call, expected);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    cr_assert(!gate.left, "the waker ran again");
}

Test(quiescence, a_poll_is_not_ready_before_the_waker_returned_for_a_timer)
{
    wait_for_timer_with_gate(poll_meanwhile, false, BIDE_READY);
}

Test(quiescence, a_cancel_does_not_answer_before_the_waker_returned_for_a_timer)
{
    wait_for_timer_with_gate(cancel_meanwhile, false, BIDE_READY);
}

Test(quiescence, a_poll_does_not_bring_another_waker_before_the_first_returned_for_a_timer)
{
    wait_for_timer_with_gate(poll_meanwhile, true, BIDE_PENDING);
}

/* A thread that begins to dispatch, and goes on when another one wants to poll the timer it is about to
 * fire. */
struct meeting {
    bide_reactor *reactor;
    struct worker poller;
    _Atomic bool begun;
    _Atomic bool poller_started;
};

static void dispatch(struct worker *worker)
{
    struct meeting *meeting = worker->arg;
    bide_os_mutex_lock(&meeting->reactor->lock);
    meeting->begun = true;
    AWAIT(meeting->poller_started);
    await_asleep(&meeting->poller);
    worker->result = bide_timer_dispatch(meeting->reactor);
    bide_os_mutex_unlock(&meeting->reactor->lock);
}

Test(quiescence, a_poll_that_meets_the_firing_of_its_timer_waits_for_the_waker)
{
    struct meeting meeting = {.begun = false};
    cr_assert_ok(bide_reactor_new(&meeting.reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(meeting.reactor);
    bide_timer timer;
    bide_timer_never(&timer);
    struct gate gate = {0};
    cr_assert_gives(poll_with(&timer.future, gated(&gate)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    bide_reactor_leave(previous);

    struct worker dispatcher;
    worker_start(&dispatcher, dispatch, &meeting);
    AWAIT(meeting.begun);
    struct counter other = {0};
    struct meanwhile it = {&timer.future, &gate, &other, false};
    worker_start(&meeting.poller, poll_meanwhile, &it);
    meeting.poller_started = true;
    AWAIT(gate.entered);
    await_asleep(&meeting.poller);
    gate.open = true;
    cr_assert_gives(worker_join(&meeting.poller), BIDE_READY);
    cr_assert(it.waker_had_returned, "the waker was still running");
    cr_assert_eq(worker_join(&dispatcher), 1, "%ld timers fired", dispatcher.result);
    cr_assert_ok(bide_reactor_free(meeting.reactor));
}

/* `drained`: what was to be read is taken away while the waker runs. */
static void wait_for_bytes_with_gate(void (*call)(struct worker *worker), bool drained, int expected)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_readable_init(&readable, async);
    struct gate gate = {0};
    cr_assert_gives(poll_with(&readable.future, gated(&gate)), BIDE_PENDING);
    put(writer, "x", 1);
    AWAIT(gate.entered);
    /* By Bide's own call, so that it is no longer remembered either. */
    char byte;
    if (drained) cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), 1);
    if (drained) cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    expect_to_wait(&readable.future, &gate, call, expected);
    cr_assert(!gate.left, "the waker ran again");
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

Test(quiescence, a_poll_is_not_ready_before_the_waker_returned_for_a_descriptor)
{
    wait_for_bytes_with_gate(poll_meanwhile, false, BIDE_READY);
}

Test(quiescence, a_cancel_does_not_answer_before_the_waker_returned_for_a_descriptor)
{
    wait_for_bytes_with_gate(cancel_meanwhile, false, BIDE_READY);
}

Test(quiescence, a_poll_does_not_bring_another_waker_before_the_first_returned_for_a_descriptor)
{
    wait_for_bytes_with_gate(poll_meanwhile, true, BIDE_PENDING);
}

/* The set's own waker is stopped; `more`: the set has a member left that is not ready. */
static void wait_for_set_with_gate(void (*call)(struct worker *worker), int expected)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    bide_set set;
    bide_set_member member;
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &member, &waiting.future, NULL));
    struct gate gate = {0};
    cr_assert_gives(poll_with(&set.future, gated(&gate)), BIDE_PENDING);
    struct worker setter;
    worker_start(&setter, set_event, &event);
    expect_to_wait(&set.future, &gate, call, expected);
    (void)worker_join(&setter);
    (void)bide_set_remove(&set, &member);
}

Test(quiescence, a_poll_is_not_ready_before_the_waker_returned_for_a_set)
{
    wait_for_set_with_gate(poll_meanwhile, BIDE_READY);
}

Test(quiescence, a_cancel_does_not_answer_before_the_waker_returned_for_a_set)
{
    wait_for_set_with_gate(cancel_meanwhile, BIDE_READY);
}

Test(quiescence, a_replaced_waker_is_not_called)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    bide_timer timer;
    bide_timer_never(&timer);
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_readable_init(&readable, async);

    bide_future *futures[] = {&waiting.future, &timer.future, &readable.future};
    struct counter old[3] = {{0}};
    struct counter new[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        cr_assert_gives(poll_with(futures[i], counting(&old[i])), BIDE_PENDING);
        cr_assert_gives(poll_with(futures[i], counting(&new[i])), BIDE_PENDING);
    }
    bide_event_set(&event);
    put(writer, "x", 1);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    for (int i = 0; i < 3; i++) {
        AWAIT(new[i].wakes > 0);
        cr_assert_gives(poll_with(futures[i], counting(&new[i])), BIDE_READY);
        cr_assert_eq(old[i].wakes, 0, "future %d: %d wakes of the old waker", i, old[i].wakes);
        cr_assert_eq(new[i].wakes, 1, "future %d: %d wakes of the new waker", i, new[i].wakes);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

/* A waker that looks whether it could take any lock. */
struct looker {
    bide_timer *timer;
    bide_event *event;
    _Atomic unsigned locks;
    _Atomic int wakes;
};

static void look_for_locks(void *arg)
{
    struct looker *looker = arg;
    looker->locks += bide_thread_self()->wait_locks;
    (void)bide_timer_set_after(looker->timer, BIDE_HOURS(2));
    (void)bide_timer_will_fire(looker->timer);
    (void)bide_reactor_next_deadline(bide_reactor_global());
    bide_reactor_stats stats;
    (void)bide_reactor_stats_read(bide_reactor_global(), &stats);
    bide_event_set(looker->event);
    bide_event_reset(looker->event);
    looker->wakes++;
}

Test(quiescence, wakers_run_while_no_lock_is_held)
{
    bide_event event, other;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&other, BIDE_EVENT_AUTO));
    bide_event_waiting waiting, member;
    bide_event_waiting_init(&waiting, &event);
    bide_event_waiting_init(&member, &event);
    bide_set set;
    bide_set_member membership;
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &membership, &member.future, NULL));
    bide_timer timer;
    bide_timer_never(&timer);
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_readable_init(&readable, async);

    struct looker looker = {.timer = &timer, .event = &other};
    bide_waker waker = {look_for_locks, &looker};
    bide_future *futures[] = {&waiting.future, &set.future, &timer.future, &readable.future};
    for (int i = 0; i < 4; i++)
        cr_assert_gives(poll_with(futures[i], waker), BIDE_PENDING);
    cr_assert_gives(bide_async_poll_readable(async, waker), BIDE_PENDING);
    bide_event_set(&event);
    bide_event_set(&event);
    put(writer, "x", 1);
    AWAIT(looker.wakes == 4);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    AWAIT(looker.wakes == 5);
    cr_assert_eq(looker.locks, 0, "a waker ran inside a lock");
    for (int i = 0; i < 4; i++)
        (void)bide_cancel(futures[i]);
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

/* Three waiters are woken as one batch; the first one's waker stops. The second is cancelled meanwhile: it
 * must not be woken. The third is. */
static void cancel_inside_batch(bide_future *const futures[3], void (*fire)(struct worker *worker), void *arg,
                                int expected)
{
    struct gate gate = {0};
    struct counter second = {0}, third = {0};
    cr_assert_gives(poll_with(futures[0], gated(&gate)), BIDE_PENDING);
    cr_assert_gives(poll_with(futures[1], counting(&second)), BIDE_PENDING);
    cr_assert_gives(poll_with(futures[2], counting(&third)), BIDE_PENDING);
    struct worker worker;
    worker_start(&worker, fire, arg);
    AWAIT(gate.entered);
    cr_assert_gives(cancel_with(futures[1], counting(&second)), expected);
    gate.open = true;
    AWAIT(third.wakes > 0);
    (void)worker_join(&worker);
    cr_assert_eq(second.wakes, 0, "%d wakes after the cancel", second.wakes);
    cr_assert_eq(third.wakes, 1, "%d wakes of the third", third.wakes);
    cr_assert_gives(poll_with(futures[0], counting(&second)), BIDE_READY);
    cr_assert_gives(poll_with(futures[2], counting(&third)), BIDE_READY);
}

Test(quiescence, one_that_is_cancelled_inside_a_batch_does_not_fire_for_an_event)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_MANUAL));
    bide_event_waiting waiting[3];
    bide_future *futures[3];
    for (int i = 0; i < 3; i++) {
        bide_event_waiting_init(&waiting[i], &event);
        futures[i] = &waiting[i].future;
    }
    cancel_inside_batch(futures, set_event, &event, BIDE_COMPLETED);
}

static void write_byte(struct worker *worker)
{
    put(*(int *)worker->arg, "x", 1);
}

Test(quiescence, one_that_is_cancelled_inside_a_batch_does_not_fire_for_a_descriptor)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable[3];
    bide_future *futures[3];
    for (int i = 0; i < 3; i++) {
        bide_readable_init(&readable[i], async);
        futures[i] = &readable[i].future;
    }
    cancel_inside_batch(futures, write_byte, &writer, BIDE_READY);
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

/* All three become due within one turn of the reactor, for nobody drives it before. */
static void set_timers_off(struct worker *worker)
{
    bide_timer *timer = worker->arg;
    bide_instant due = bide_now();
    for (int i = 0; i < 3; i++)
        (void)bide_timer_set_at(&timer[i], due);
    (void)bide_reactor_run_once(timer->reactor_, BIDE_NOW);
}

Test(quiescence, one_that_is_cancelled_inside_a_batch_does_not_fire_for_timers)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_timer timer[3];
    bide_future *futures[3];
    for (int i = 0; i < 3; i++) {
        bide_timer_never(&timer[i]);
        futures[i] = &timer[i].future;
    }
    cancel_inside_batch(futures, set_timers_off, timer, BIDE_READY);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}

/* One round of a race: another thread makes a future ready while this one cancels it. */
struct round {
    pthread_barrier_t start;
    pthread_barrier_t end;
    bide_event event;
    int ends[2];
    _Atomic bool over;
};

enum { ROUNDS = 1000 };

static void set_each_round(struct worker *worker)
{
    struct round *round = worker->arg;
    for (int i = 0; i < ROUNDS; i++) {
        (void)pthread_barrier_wait(&round->start);
        bide_event_set(&round->event);
        (void)pthread_barrier_wait(&round->end);
    }
}

Test(quiescence, after_a_cancel_there_is_no_wake_whenever_the_event_is_set)
{
    struct round round = {.over = false};
    (void)pthread_barrier_init(&round.start, NULL, 2);
    (void)pthread_barrier_init(&round.end, NULL, 2);
    cr_assert_ok(bide_event_init(&round.event, BIDE_EVENT_AUTO));
    struct worker worker;
    worker_start(&worker, set_each_round, &round);
    int completed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct counter counter = {0};
        bide_event_waiting waiting;
        bide_event_waiting_init(&waiting, &round.event);
        cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
        (void)pthread_barrier_wait(&round.start);
        for (int spin = i % 100; spin > 0; spin--)
            bide_os_spin_pause();
        int answer = cancel_with(&waiting.future, counting(&counter));
        int wakes = counter.wakes;
        (void)pthread_barrier_wait(&round.end);
        /* The set went to this waiter, or it is there still: never both, and never neither. */
        bool set = bide_event_is_set(&round.event);
        cr_assert_eq(set, answer == BIDE_READY, "round %d: cancel gave %d, set %d", i, answer, set);
        cr_assert_eq(waiting.result, answer == BIDE_READY ? BIDE_ECANCELED : 0, "result %d", waiting.result);
        cr_assert_eq(counter.wakes, wakes, "%d wakes, %d of them after the cancel", counter.wakes,
                     counter.wakes - wakes);
        completed += answer == BIDE_COMPLETED;
        bide_event_reset(&round.event);
    }
    (void)worker_join(&worker);
    cr_log_info("%d of %d were granted before they were cancelled", completed, ROUNDS);
}

static void write_each_round(struct worker *worker)
{
    struct round *round = worker->arg;
    for (int i = 0; i < ROUNDS; i++) {
        (void)pthread_barrier_wait(&round->start);
        worker->result += write(round->ends[1], "x", 1);
        (void)pthread_barrier_wait(&round->end);
    }
}

Test(quiescence, after_a_cancel_there_is_no_wake_whenever_bytes_arrive)
{
    struct round round = {.over = false};
    (void)pthread_barrier_init(&round.start, NULL, 2);
    (void)pthread_barrier_init(&round.end, NULL, 2);
    make_pipe(round.ends);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, round.ends[0]));
    struct worker worker;
    worker_start(&worker, write_each_round, &round);
    for (int i = 0; i < ROUNDS; i++) {
        struct counter counter = {0};
        bide_readable readable;
        bide_readable_init(&readable, async);
        cr_assert_gives(poll_with(&readable.future, counting(&counter)), BIDE_PENDING);
        (void)pthread_barrier_wait(&round.start);
        for (int spin = i % 100 * 50; spin > 0; spin--)
            bide_os_spin_pause();
        cr_assert_gives(cancel_with(&readable.future, counting(&counter)), BIDE_READY);
        int wakes = counter.wakes;
        (void)pthread_barrier_wait(&round.end);
        char byte;
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
        cr_assert_eq(counter.wakes, wakes, "%d wakes, %d of them after the cancel", counter.wakes,
                     counter.wakes - wakes);
    }
    cr_assert_eq(worker_join(&worker), ROUNDS, "not all bytes were written");
    cr_assert_ok(bide_async_free(async));
    (void)close(round.ends[1]);
}

Test(quiescence, after_a_cancel_there_is_no_wake_whenever_the_timer_fires)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct counter counter = {0};
        bide_timer timer;
        bide_timer_after(&timer, BIDE_MICROSECONDS(60));
        if (poll_with(&timer.future, counting(&counter)) == BIDE_READY) continue;
        bide_instant until = bide_instant_add(bide_timer_deadline(&timer), BIDE_MICROSECONDS(i % 40));
        while (bide_before(bide_now(), until))
            bide_os_spin_pause();
        cr_assert_gives(cancel_with(&timer.future, counting(&counter)), BIDE_READY);
        int wakes = counter.wakes;
        bide_os_spin_pause();
        cr_assert_eq(counter.wakes, wakes, "%d wakes, %d of them after the cancel", counter.wakes,
                     counter.wakes - wakes);
    }
    cr_assert_eq(stats_now().timers_pending, 0, "%zu timers are armed", stats_now().timers_pending);
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
}
