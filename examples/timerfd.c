/* Ticks at the full seconds of the clock on the wall, by a timerfd wrapped as a handle: what Bide's own
 * timers, which follow the monotonic clock, are not for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>

static long count = 3;
static bide_duration period = BIDE_SECONDS(1);

static const struct example_option options[] = {
    {"--count", EXAMPLE_COUNT, &count, "ticks to wait for (3)"},
    {"--period", EXAMPLE_DURATION, &period, "between two ticks: a whole part or a multiple of 1s (1s)"},
};

static const struct example_program program = {
    .name = "timerfd",
    .synopsis = "[--count COUNT] [--period DURATION]",
    .about =
        "Prints the time of day at its full seconds, tenths, minutes, as the period says, and keeps to them\n"
        "when somebody sets the clock.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static struct timespec from_ns(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / BIDE_SECONDS(1)),
                             .tv_nsec = (long)(ns % BIDE_SECONDS(1))};
}

static int64_t time_of_day(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * BIDE_SECONDS(1) + now.tv_nsec;
}

/* Sets it to the next full period of the time of day, and each one after that. */
static int arm(int timer)
{
    struct itimerspec when = {.it_value = from_ns((time_of_day() / period + 1) * period),
                              .it_interval = from_ns(period)};
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    return timerfd_settime(timer, flags, &when, NULL) == 0 ? 0 : bide_last_error();
}

static void print_tick(uint64_t ticks)
{
    int64_t now = time_of_day();
    time_t seconds = (time_t)(now / BIDE_SECONDS(1));
    struct tm local;
    char text[32] = "";
    if (localtime_r(&seconds, &local)) (void)strftime(text, sizeof text, "%H:%M:%S", &local);
    (void)printf("%s.%06" PRId64 "%s\n", text, now % BIDE_SECONDS(1) / BIDE_MICROSECONDS(1),
                 ticks > 1 ? " (some were missed)" : "");
    (void)fflush(stdout);
}

static int run(bide_async *timer)
{
    for (long left = count; left > 0;) {
        /* How many ticks there were since the last read. */
        uint64_t ticks;
        int error = bide_read_exact(timer, &ticks, sizeof ticks, BIDE_NEVER, NULL);
        if (error == BIDE_ECANCELED) {
            /* The kernel's word here, for nobody frees the handle meanwhile. */
            (void)printf("the clock was set\n");
            error = arm(bide_async_fd(timer));
            if (error) return error;
            continue;
        }
        if (error) return error;
        print_tick(ticks);
        left--;
    }
    return 0;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    if (period <= 0) example_usage_error(&program, "must be longer than nothing", "--period");

    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) return example_fail(&program, "making the timer", bide_last_error());
    int error = arm(fd);
    bide_async *timer = NULL;
    if (!error) error = bide_async_new_nonblocking(&timer, fd);
    if (!error) error = run(timer);
    if (error) return example_fail(&program, "waiting for the timer", error);
    (void)bide_async_free(timer); /* and closes the descriptor */
    return example_end(EXAMPLE_OK);
}
