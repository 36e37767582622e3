/* Signals awaited together with other work, in a portable way: a handler sets an event, and the events are
 * members of one set with a timer. No signalfd, no pipe, and no system call is interrupted for the rest.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static bide_duration period = BIDE_SECONDS(1);

static const struct example_option options[] = {
    {"--period", EXAMPLE_DURATION, &period, "how often it says that it works (1s)"},
};

static const struct example_program program = {
    .name = "signals",
    .synopsis = "[--period DURATION]",
    .about =
        "Prints its process id, then \"working\" every now and then, and what it was sent. SIGHUP: reads\n"
        "its settings again, or would; SIGUSR1: tells how often it has worked. SIGTERM or SIGINT: exits\n"
        "with 0 in good order.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* One event for each thing that is asked for. Several signals may ask for the same, and of one that is sent
 * again before it was looked at, as with all signals, one remains. */
enum wish { RELOAD, REPORT, STOP, WISHES };
static bide_event wishes[WISHES];

static const struct {
    int number;
    enum wish wish;
} handled[] = {{SIGHUP, RELOAD}, {SIGUSR1, REPORT}, {SIGTERM, STOP}, {SIGINT, STOP}};

/* bide_event_set may be called in a signal handler, and keeps errno. */
static void on_signal(int number)
{
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        if (handled[i].number == number) bide_event_set(&wishes[handled[i].wish]);
}

static int handle_signals(void)
{
    for (size_t i = 0; i < WISHES; i++) {
        int error = bide_event_init(&wishes[i], BIDE_EVENT_AUTO);
        if (error) return error;
    }
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        if (sigaction(handled[i].number, &action, NULL) != 0) return bide_last_error();
    return 0;
}

/* What the program awaits, all at once. */
struct work {
    bide_set set;
    bide_timer tick;
    bide_set_member ticking;
    bide_event_waiting waiting[WISHES];
    bide_set_member asking[WISHES];
    unsigned long worked;
};

static int await_wish(struct work *work, enum wish wish)
{
    bide_event_waiting_init(&work->waiting[wish], &wishes[wish]);
    return bide_set_add(&work->set, &work->asking[wish], &work->waiting[wish].future, NULL);
}

static int await_tick(struct work *work)
{
    return bide_set_add(&work->set, &work->ticking, &work->tick.future, NULL);
}

static int run(struct work *work)
{
    int error = 0;
    for (enum wish wish = RELOAD; wish < WISHES && !error; wish++)
        error = await_wish(work, wish);
    if (!error) error = await_tick(work);
    while (!error) {
        bide_set_member *ready;
        error = bide_set_next(&work->set, BIDE_NEVER, &ready);
        if (error) break;
        if (ready == &work->ticking) {
            error = bide_timer_error(&work->tick);
            if (error) break;
            work->worked++;
            (void)printf("working\n");
            error = await_tick(work);
        } else if (ready == &work->asking[RELOAD]) {
            (void)printf("settings read again\n");
            error = await_wish(work, RELOAD);
        } else if (ready == &work->asking[REPORT]) {
            (void)printf("has worked %lu times\n", work->worked);
            error = await_wish(work, REPORT);
        } else {
            (void)printf("asked to stop\n");
            break;
        }
        (void)fflush(stdout);
    }
    return error;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    if (period <= 0) example_usage_error(&program, "must be longer than nothing", "--period");

    int error = handle_signals();
    if (error) return example_fail(&program, "handling signals", error);
    (void)printf("%ld\n", (long)getpid());
    (void)fflush(stdout);

    static struct work work;
    bide_set_init(&work.set);
    bide_timer_interval(&work.tick, period);
    error = run(&work);
    if (error) return example_fail(&program, "waiting", error);
    return example_end(EXAMPLE_OK);
}
