/* What a console sends, awaited together with other work: its handler, which the system calls on a thread of its own,
 * sets events. `signals` does the same on POSIX systems.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>
#include <windows.h>

static bide_duration period = BIDE_SECONDS(1);

static const struct example_option options[] = {
    {"--period", EXAMPLE_DURATION, &period, "how often it says that it works (1s)"},
};

static const struct example_program program = {
    .name = "windows_signals",
    .synopsis = "[--period DURATION]",
    .about =
        "Prints its process id, then \"working\" every now and then. Ctrl+Break: tells how often it has\n"
        "worked. Ctrl+C, or the closing of the console: exits with 0 in good order.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static bide_event report, stop;

static BOOL WINAPI on_control(DWORD what)
{
    bide_event_set(what == CTRL_BREAK_EVENT ? &report : &stop);
    /* The console closes, the user leaves, or the system ends: that ends the process as soon as this returns. So it does
     * not, and the process ends when the program's work is done, or the system's patience. */
    if (what != CTRL_C_EVENT && what != CTRL_BREAK_EVENT) Sleep(INFINITE);
    return TRUE;
}

static int handle_controls(void)
{
    int error = bide_event_init(&report, BIDE_EVENT_AUTO);
    if (!error) error = bide_event_init(&stop, BIDE_EVENT_AUTO);
    /* Whoever started us may have had Ctrl+C ignored, which is inherited. */
    if (!error && !(SetConsoleCtrlHandler(NULL, FALSE) && SetConsoleCtrlHandler(on_control, TRUE)))
        error = bide_last_error();
    return error;
}

static int run(void)
{
    bide_timer tick;
    bide_event_waiting reporting, stopping;
    bide_timer_interval(&tick, period);
    bide_event_waiting_init(&reporting, &report);
    bide_event_waiting_init(&stopping, &stop);
    bide_future *all[] = {&stopping.future, &reporting.future, &tick.future};
    for (unsigned long worked = 0;;) {
        int winner = bide_race(all, 3);
        if (winner < 0) return winner;
        if (winner == 0) {
            (void)printf("asked to stop\n");
            return 0;
        }
        if (winner == 1) {
            (void)printf("has worked %lu times\n", worked);
        } else {
            int error = bide_timer_error(&tick);
            if (error) return error;
            worked++;
            (void)printf("working\n");
        }
        (void)fflush(stdout);
        /* The others were cancelled when one had won. */
        bide_event_waiting_init(&reporting, &report);
        bide_event_waiting_init(&stopping, &stop);
    }
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    if (period <= 0) example_usage_error(&program, "must be longer than nothing", "--period");

    int error = handle_controls();
    if (error) return example_fail(&program, "listening to the console", error);
    (void)printf("%lu\n", GetCurrentProcessId());
    (void)fflush(stdout);
    error = run();
    if (error) return example_fail(&program, "waiting", error);
    return example_end(EXAMPLE_OK);
}
