/* What some things cost. Each runs twice: in a child process that is watched, to count its system calls, and
 * then here, unwatched, to take its time and count how often the thread slept (its voluntary context
 * switches).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "demo.h"
#include "trace.h"

#include <stdio.h>

#define MESSAGE 64

struct cost {
    const char *what;
    long times; /* what is measured is repeated that often */
    int (*run)(struct cost *cost);
    bide_duration took;
    long switches;
};

static int found(struct cost *cost);
static int waited_for(struct cost *cost);
static int connections(struct cost *cost);
static int events(struct cost *cost);
static int timers(struct cost *cost);
static int nothing(struct cost *cost);

static struct cost costs[] = {
    {"64 bytes by TCP: write, read what is there", 1000, found, 0, 0},
    {"64 bytes by TCP: write, wait, read", 1000, waited_for, 0, 0},
    {"connect, accept, close both ends", 100, connections, 0, 0},
    {"set an event and await it", 1000, events, 0, 0},
    {"arm a timer and cancel it", 1000, timers, 0, 0},
    {"wait 100 ms for nothing", 1, nothing, 0, 0},
};

enum { COSTS = sizeof costs / sizeof *costs };

/* --- the measure --- */

static bide_instant began;

static void begin(struct cost *cost)
{
    cost->switches = trace_switches(trace_thread());
    began = bide_now();
    trace_begin((size_t)(cost - costs));
}

static void end(struct cost *cost)
{
    trace_end();
    cost->took = bide_instant_since(bide_now(), began);
    cost->switches = trace_switches(trace_thread()) - cost->switches;
}

/* --- what is measured --- */

/* Both ends of a TCP connection. */
struct pair {
    bide_async *listener, *here, *there;
};

static void close_pair(struct pair *pair)
{
    (void)bide_async_free(pair->here);
    (void)bide_async_free(pair->there);
    (void)bide_async_free(pair->listener);
}

static int open_pair(struct pair *pair)
{
    *pair = (struct pair){NULL, NULL, NULL};
    bide_address address;
    int error = demo_listen(&pair->listener, &address, 0);
    if (!error) error = bide_tcp_connect(&pair->here, &address, bide_after(BIDE_SECONDS(1)));
    if (!error) error = bide_accept(pair->listener, &pair->there, NULL, bide_after(BIDE_SECONDS(1)));
    if (!error) error = bide_tcp_set_nodelay(pair->here, true);
    if (!error) error = bide_tcp_set_nodelay(pair->there, true);
    if (error) close_pair(pair);
    return error;
}

/* The reader asks for just what was sent, so that it never learns that there is no more. */
static int found(struct cost *cost)
{
    struct pair pair;
    unsigned char bytes[MESSAGE] = {0};
    bide_instant deadline = bide_after(BIDE_SECONDS(2));
    int error = open_pair(&pair);
    if (error) return error;
    begin(cost);
    for (long i = 0; i < cost->times && !error; i++) {
        error = bide_write_all(pair.here, bytes, sizeof bytes, deadline, NULL);
        if (!error) error = bide_read_exact(pair.there, bytes, sizeof bytes, deadline, NULL);
    }
    end(cost);
    close_pair(&pair);
    return error;
}

/* The reader takes what it gets: fewer bytes than it has room for, so that next time it waits
 * before it reads. */
static int waited_for(struct cost *cost)
{
    struct pair pair;
    unsigned char bytes[2 * MESSAGE] = {0};
    bide_instant deadline = bide_after(BIDE_SECONDS(2));
    int error = open_pair(&pair);
    if (error) return error;
    begin(cost);
    for (long i = 0; i < cost->times && !error; i++) {
        error = bide_write_all(pair.here, bytes, MESSAGE, deadline, NULL);
        if (error) break;
        bide_ssize got = bide_read(pair.there, bytes, sizeof bytes, deadline);
        if (got != MESSAGE) error = got < 0 ? (int)got : BIDE_EIO;
    }
    end(cost);
    close_pair(&pair);
    return error;
}

static int connections(struct cost *cost)
{
    bide_async *listener;
    bide_address address;
    bide_instant deadline = bide_after(BIDE_SECONDS(2));
    int error = demo_listen(&listener, &address, 0);
    if (error) return error;
    begin(cost);
    for (long i = 0; i < cost->times && !error; i++) {
        bide_async *here = NULL;
        bide_async *there = NULL;
        error = bide_tcp_connect(&here, &address, deadline);
        if (!error) error = bide_accept(listener, &there, NULL, deadline);
        (void)bide_async_free(here);
        (void)bide_async_free(there);
    }
    end(cost);
    (void)bide_async_free(listener);
    return error;
}

static int events(struct cost *cost)
{
    bide_event bell;
    int error = bide_event_init(&bell, BIDE_EVENT_AUTO);
    begin(cost);
    for (long i = 0; i < cost->times && !error; i++) {
        bide_event_set(&bell);
        error = bide_event_wait(&bell, BIDE_NEVER);
    }
    end(cost);
    return error;
}

static void wake_nobody(void *arg)
{
    (void)arg;
}

/* A timer is armed by the first poll. On a reactor of our own, so that no helper thread has to
 * wait for it. */
static int timers(struct cost *cost)
{
    bide_reactor *reactor;
    int error = bide_reactor_new(&reactor, NULL);
    if (error) return error;
    bide_reactor *before = bide_reactor_enter(reactor);
    bide_context cx;
    bide_context_init(&cx, (bide_waker){wake_nobody, NULL});
    begin(cost);
    for (long i = 0; i < cost->times && !error; i++) {
        bide_timer timer;
        bide_timer_after(&timer, BIDE_SECONDS(60));
        error = bide_future_poll(&timer.future, &cx);
        if (bide_future_cancel(&timer.future, &cx) != BIDE_READY && !error) error = BIDE_EIO;
    }
    end(cost);
    bide_reactor_leave(before);
    int freed = bide_reactor_free(reactor);
    return error ? error : freed;
}

static int nothing(struct cost *cost)
{
    bide_event bell;
    int error = bide_event_init(&bell, BIDE_EVENT_AUTO);
    if (error) return error;
    begin(cost);
    error = bide_event_wait(&bell, bide_after(BIDE_MILLISECONDS(100)));
    end(cost);
    if (error == 0) return BIDE_EIO;
    return error == BIDE_ETIMEDOUT ? 0 : error;
}

/* --- both runs, and the table --- */

/* In the watched child. One that fails here fails in the second run as well, where it is reported. */
static void run_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COSTS; i++)
        (void)costs[i].run(&costs[i]);
}

static const char *per_time(char text[EXAMPLE_TEXT], long count, long times)
{
    if (count < 0)
        (void)snprintf(text, EXAMPLE_TEXT, "?");
    else
        (void)snprintf(text, EXAMPLE_TEXT, "%.2f", (double)count / (double)times);
    return text;
}

bool demo_costs(void)
{
    static const int widths[] = {-45, 14, 17, 10};
    static const struct example_table table = {4, widths};
    long calls[COSTS];
    const char *problem = trace_run(run_all, NULL, calls, COSTS);
    bool well = true;

    example_heading(&table, (const char *const[]){"What it costs, each time", "system calls",
                                                  "context switches", "takes"});
    for (size_t i = 0; i < COSTS; i++) {
        struct cost *cost = &costs[i];
        int error = cost->run(cost);
        if (error) {
            (void)example_fail(&demo_program, cost->what, error);
            well = false;
            continue;
        }
        char counted[EXAMPLE_TEXT];
        char slept[EXAMPLE_TEXT];
        char took[EXAMPLE_TEXT];
        example_row(&table, (const char *const[]){
                                cost->what,
                                per_time(counted, problem ? -1 : calls[i], cost->times),
                                per_time(slept, cost->switches, cost->times),
                                example_duration_text(took, cost->took / cost->times),
                            });
    }
    if (problem)
        (void)printf("System calls could not be counted: %s.\n", problem);
    else
        (void)printf("System calls: counted with ptrace, in a child process.\n");
    (void)printf("Context switches: how often the thread slept, from /proc.\n");
    return well;
}
