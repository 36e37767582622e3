/* The hot paths, one after the other, for scripts/check-counts.sh to count instructions and atomic operations
 * under callgrind. Each subject runs once before its marks, so that what is made at first use is there, and
 * does the same each time: one thread, deadlines drawn from a fixed seed, no wait that the clock decides on.
 * counts_task.c has those of tasks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "counts.h"

#include "timer/heap.h"
#include "timer/slots.h"

#include <bide.h>
#include <bide/wheel.h>

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMERS 10000
#define MESSAGE 64
#define MESSAGES 100
#define SPAN BIDE_SECONDS(60)

static uint64_t random_number(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* --- reading, writing, waking ---------------------------------------------------------------------------- */

static int ends[2];
static bide_async *async;

/* Waits for what it has made come only then: the party at the other end is the same thread. */
struct answering {
    bide_future future;
    bide_io io;
    bool asked;
};

static int answering_poll(bide_future *self, bide_context *cx)
{
    struct answering *answering = (struct answering *)self;
    int answer = bide_future_poll(&answering->io.future, cx);
    if (answer == BIDE_PENDING && !answering->asked) {
        static const char message[MESSAGE];
        answering->asked = true;
        must(write(ends[1], message, sizeof message) == MESSAGE);
    }
    return answer;
}

static int no_cancel(bide_future *self, bide_context *cx)
{
    (void)self, (void)cx;
    return BIDE_COMPLETED;
}

static const bide_future_ops answering_ops = {sizeof answering_ops, answering_poll, no_cancel, 0};

static void read_later(void)
{
    char buffer[MESSAGE];
    for (int i = 0; i < MESSAGES; i++) {
        struct answering answering = {.asked = false};
        bide_future_init(&answering.future, &answering_ops);
        bide_io_read(&answering.io, async, buffer, sizeof buffer);
        must(bide_block_on(&answering.future) == 0 && answering.asked);
    }
}

/* Wakes itself, as another thread may between its poll and its sleep. */
static int waking_poll(bide_future *self, bide_context *cx)
{
    uint64_t *rest = (uint64_t *)(self + 1);
    if ((*rest)-- == 0) return BIDE_READY;
    bide_waker waker = bide_context_waker(cx);
    waker.wake(waker.arg);
    return BIDE_PENDING;
}

static const bide_future_ops waking_ops = {sizeof waking_ops, waking_poll, no_cancel, 0};

static void wake_often(uint64_t count)
{
    struct {
        bide_future future;
        uint64_t rest;
    } waking = {.rest = count};
    bide_future_init(&waking.future, &waking_ops);
    must(bide_block_on(&waking.future) == 0);
}

static void count_io(void)
{
    static char all[MESSAGES * MESSAGE];
    char buffer[MESSAGE];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && bide_async_new(&async, ends[0]) == 0);

    read_later();
    BEGIN();
    read_later();
    END("read-that-waits", MESSAGES);

    for (int round = 0; round < 2; round++) {
        must(write(ends[1], all, sizeof all) == sizeof all);
        BEGIN();
        for (int i = 0; i < MESSAGES; i++)
            must(bide_read(async, buffer, sizeof buffer, BIDE_NEVER) == MESSAGE);
        if (round) END("read-with-data", MESSAGES);
    }
    for (int round = 0; round < 2; round++) {
        BEGIN();
        for (int i = 0; i < MESSAGES; i++)
            must(bide_write(async, buffer, sizeof buffer, BIDE_NEVER) == MESSAGE);
        if (round) END("write", MESSAGES);
        must(read(ends[1], all, sizeof all) == sizeof all);
    }
    wake_often(100);
    BEGIN();
    wake_often(1000);
    END("wake-before-sleep", 1000);
    must(bide_async_free(async) == 0 && close(ends[1]) == 0);
}

/* From a UDP socket to itself. */
static void count_datagrams(void)
{
    char buffer[MESSAGE] = {0};
    bide_async *udp;
    bide_address here = bide_address_loopback(0), from;
    must(bide_udp_bind(&udp, &here) == 0 && bide_async_local_address(udp, &here) == 0);
    for (int round = 0; round < 2; round++) {
        BEGIN();
        for (int i = 0; i < MESSAGES; i++)
            must(bide_send_to(udp, buffer, sizeof buffer, &here, BIDE_NEVER) == MESSAGE);
        if (round) END("send-to", MESSAGES);
        BEGIN();
        for (int i = 0; i < MESSAGES; i++)
            must(bide_recv_from(udp, buffer, sizeof buffer, &from, BIDE_NEVER) == MESSAGE);
        if (round) END("recv-from", MESSAGES);
    }
    must(bide_async_free(udp) == 0);
}

/* --- timers ---------------------------------------------------------------------------------------------- */

static struct timer {
    bide_timer timer;
    int64_t drawn;
} timers[TIMERS];
static uint64_t fired;

static void draw(void)
{
    for (int i = 0; i < TIMERS; i++)
        timers[i].drawn = (int64_t)(random_number() % (uint64_t)SPAN);
}

/* All of them, each once, in an order of no rule. */
static uint32_t order[TIMERS];
static void shuffle(void)
{
    for (uint32_t i = 0; i < TIMERS; i++)
        order[i] = i;
    for (uint32_t i = TIMERS - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(random_number() % (i + 1)), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

static void note(void *arg)
{
    (void)arg;
    fired++;
}

/* As an await of a thread polls: its own driver stands for what waits, nothing is in the background. The
 * context is new each time, for its budget. */
static void add_all(bide_context *cx, bide_instant base)
{
    for (int i = 0; i < TIMERS; i++) {
        bide_context own = *cx;
        bide_timer_at(&timers[i].timer, bide_instant_add(base, timers[i].drawn));
        must(bide_future_poll(&timers[i].timer.future, &own) == BIDE_PENDING);
    }
}

static void cancel_all(bide_context *cx)
{
    for (int i = 0; i < TIMERS; i++)
        must(bide_future_cancel(&timers[order[i]].timer.future, cx) == BIDE_READY);
}

/* Until all are due that were drawn within a thousandth of the span. */
static void wait_past(bide_instant base)
{
    bide_instant end = bide_instant_add(base, SPAN / 1000);
    while (bide_before(bide_now(), end))
        (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
}

static int timers_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    bide_instant base = bide_after(BIDE_SECONDS(3600));
    for (int round = 0; round < 2; round++) {
        draw();
        BEGIN();
        add_all(cx, base);
        if (round) END("timer-add", TIMERS);
        draw();
        shuffle();
        BEGIN();
        for (int i = 0; i < TIMERS; i++) {
            struct timer *timer = &timers[order[i]];
            (void)bide_timer_set_at(&timer->timer, bide_instant_add(base, timer->drawn));
        }
        if (round) END("timer-rearm", TIMERS);
        shuffle();
        BEGIN();
        for (int i = 0; i < TIMERS; i++) {
            struct timer *timer = &timers[order[i]];
            (void)bide_timer_set_at(&timer->timer, bide_instant_add(base, timer->drawn + SPAN));
        }
        if (round) END("timer-rearm-later", TIMERS);
        shuffle();
        BEGIN();
        cancel_all(cx);
        if (round) END("timer-cancel", TIMERS);
        draw();
        BEGIN();
        for (int i = 0; i < TIMERS; i++) {
            bide_context own = *cx;
            bide_timer_at(&timers[0].timer, bide_instant_add(base, timers[i].drawn));
            must(bide_future_poll(&timers[0].timer.future, &own) == BIDE_PENDING);
            must(bide_future_cancel(&timers[0].timer.future, &own) == BIDE_READY);
        }
        if (round) END("timer-add-and-cancel", TIMERS);
    }
    /* With the await's own waker, as those of threads and tasks. */
    for (int round = 0; round < 2; round++) {
        bide_reactor_stats before, after;
        draw();
        for (int i = 0; i < TIMERS; i++)
            timers[i].drawn /= 1000; /* 60 ms in all */
        base = bide_after(BIDE_SECONDS(2));
        add_all(cx, base);
        must(bide_reactor_stats_read(bide_reactor_current(), &before) == 0);
        wait_past(base);
        BEGIN();
        do
            must(bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0 &&
                 bide_reactor_stats_read(bide_reactor_current(), &after) == 0);
        while (after.timers - before.timers < TIMERS);
        if (round) END("timer-expiry-of-an-await", TIMERS);
    }
    return BIDE_READY;
}

static const bide_future_ops timers_ops = {sizeof timers_ops, timers_poll, no_cancel, 0};

/* On a reactor of its own: nobody's thread looks after what waits there. */
static void count_expiry(void)
{
    bide_reactor *reactor;
    must(bide_reactor_new(&reactor, NULL) == 0);
    bide_reactor *previous = bide_reactor_enter(reactor);
    for (int round = 0; round < 2; round++) {
        bide_context cx;
        bide_context_init(&cx, (bide_waker){note, NULL});
        draw();
        for (int i = 0; i < TIMERS; i++)
            timers[i].drawn /= 1000; /* 60 ms in all */
        bide_instant base = bide_after(BIDE_SECONDS(2));
        fired = 0;
        add_all(&cx, base);
        must(fired == 0);
        wait_past(base);
        BEGIN();
        while (fired < TIMERS)
            must(bide_reactor_run_once(reactor, BIDE_NOW) > 0);
        if (round) END("timer-expiry", TIMERS);
    }
    bide_reactor_leave(previous);
    must(bide_reactor_free(reactor) == 0);
}

static void count_timers(void)
{
    bide_future all;
    bide_future_init(&all, &timers_ops);
    must(bide_block_on(&all) == 0);
    count_expiry();
}

/* --- the wheel ------------------------------------------------------------------------------------------- */

static void count_wheel(void)
{
    static bide_wheel_sleeping sleeps[TIMERS];
    bide_wheel_options options;
    bide_wheel *wheel;
    bide_wheel_options_init(&options);
    options.form = BIDE_WHEEL_INLINE;
    options.initial_capacity = TIMERS;
    must(bide_wheel_new(&wheel, &options) == 0);
    for (int round = 0; round < 2; round++) {
        draw();
        BEGIN();
        for (int i = 0; i < TIMERS; i++)
            must(bide_wheel_sleeping_init(&sleeps[i], wheel, timers[i].drawn + SPAN) == 0 &&
                 bide_wheel_sleeping_start(&sleeps[i]) == 0);
        if (round) END("wheel-add", TIMERS);
        shuffle();
        BEGIN();
        for (int i = 0; i < TIMERS; i++)
            must(bide_wheel_sleeping_cancel(&sleeps[order[i]]) == BIDE_READY);
        if (round) END("wheel-cancel", TIMERS);
    }
    must(bide_wheel_free(wheel) == 0);
}

int main(void)
{
    count_io();
    count_datagrams();
    count_timers();
    count_wheel();
    count_tasks();
    return 0;
}
