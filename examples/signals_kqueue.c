/* Signals awaited together with other work, on systems with kqueue(2): they are ignored, and a source of the kernel's
 * tells what was sent, and how often. No handler runs, so that nothing is interrupted. `signals` does the same on
 * every system, by a handler.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#include <bide/os/kqueue.h>

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static bide_duration period = BIDE_SECONDS(1);

static const struct example_option options[] = {
    {"--period", EXAMPLE_DURATION, &period, "how often it says that it works (1s)"},
};

static const struct example_program program = {
    .name = "signals_kqueue",
    .synopsis = "[--period DURATION]",
    .about =
        "Prints its process id, then \"working\" every now and then, and what it was sent. SIGHUP: reads\n"
        "its settings again, or would; SIGUSR1: tells how often it has worked. SIGTERM or SIGINT: exits\n"
        "with 0 in good order.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static const int heard[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};
enum { HEARD = sizeof heard / sizeof *heard };

static int hear_signals(bide_kqueue **signals)
{
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < HEARD; i++)
        if (sigaction(heard[i], &ignored, NULL) != 0) return bide_last_error();
    return bide_kqueue_signals(signals, heard, HEARD);
}

/* Returns whether to go on. */
static bool obey(const bide_kqueue_event *event, unsigned long worked)
{
    switch (event->number) {
    case SIGHUP: (void)printf("settings read again\n"); return true;
    case SIGUSR1: (void)printf("has worked %lu times\n", worked); return true;
    default: (void)printf("asked to stop\n"); return false;
    }
}

static int run(bide_kqueue *signals)
{
    bide_timer tick;
    bide_kqueue_waiting signal;
    bide_future *both[] = {&signal.future, &tick.future};
    bide_timer_interval(&tick, period);
    bide_kqueue_waiting_init(&signal, signals);
    for (unsigned long worked = 0;;) {
        int winner = bide_race(both, 2);
        if (winner < 0) return winner;
        bool going_on = true;
        if (winner == 0) {
            if (signal.result) return signal.result;
            going_on = obey(&signal.event, worked);
        } else {
            int error = bide_timer_error(&tick);
            if (error) return error;
            worked++;
            (void)printf("working\n");
        }
        (void)fflush(stdout);
        if (!going_on) return 0;
        bide_kqueue_waiting_init(&signal, signals);
    }
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    if (period <= 0) example_usage_error(&program, "must be longer than nothing", "--period");

    bide_kqueue *signals;
    int error = hear_signals(&signals);
    if (error) return example_fail(&program, "listening to signals", error);
    (void)printf("%ld\n", (long)getpid());
    (void)fflush(stdout);
    error = run(signals);
    (void)bide_kqueue_free(signals);
    if (error) return example_fail(&program, "waiting", error);
    return example_end(EXAMPLE_OK);
}
