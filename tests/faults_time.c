/* Scenarios of timers and events for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/wheel.h>

static int run_timers(void)
{
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    int error = bide_timer_wait(&timer);
    if (!error) error = bide_sleep(BIDE_MICROSECONDS(100));
    if (!error) error = bide_sleep_until(bide_after(BIDE_MICROSECONDS(100)));
    bide_timer_at(&timer, bide_after(BIDE_MICROSECONDS(50)));
    if (!error) error = bide_timer_wait(&timer);
    bide_timer_interval_at(&timer, bide_now(), BIDE_MICROSECONDS(50));
    for (int i = 0; i < 3 && !error; i++)
        error = bide_timer_wait(&timer);
    bide_timer_interval(&timer, BIDE_MICROSECONDS(50));
    for (int i = 0; i < 3 && !error; i++)
        error = bide_timer_wait(&timer);
    end_of_faults();
    return error;
}

static int run_many_timers(void)
{
    /* More than the first chunk of the heap holds. */
    enum { TIMERS = 300 };
    static bide_timer timers[TIMERS];
    struct counter counter = {0};
    int error = 0;
    int armed = 0;
    while (armed < TIMERS && !error) {
        bide_timer_after(&timers[armed], BIDE_SECONDS(1000));
        int answer = poll_with(&timers[armed].future, counting(&counter));
        if (answer == BIDE_READY)
            error = bide_timer_error(&timers[armed]) ? bide_timer_error(&timers[armed]) : WRONG;
        else
            armed++;
    }
    for (int i = 0; i < armed; i++)
        if (cancel_with(&timers[i].future, counting(&counter)) != BIDE_READY) error = WRONG;
    end_of_faults();
    return error;
}

/* Setters while the helper thread waits for the timer: each makes it the earliest, and interrupts. */
static int run_setters(void)
{
    enum { AFTER, AT, INTERVAL, INTERVAL_AT, SETTERS };
    int error = 0;
    for (int setter = 0; setter < SETTERS && !error; setter++) {
        struct counter counter = {0};
        bide_timer timer;
        bide_timer_never(&timer);
        if (poll_with(&timer.future, counting(&counter)) == BIDE_READY) {
            error = bide_timer_error(&timer) ? bide_timer_error(&timer) : WRONG;
            break;
        }
        const bide_duration shortly = BIDE_MICROSECONDS(50);
        switch (setter) {
        case AFTER: error = bide_timer_set_after(&timer, shortly); break;
        case AT: error = bide_timer_set_at(&timer, bide_after(shortly)); break;
        case INTERVAL: error = bide_timer_set_interval(&timer, shortly); break;
        default: error = bide_timer_set_interval_at(&timer, bide_now(), shortly); break;
        }
        if (!error) error = await_wake(&counter);
        if (!error && poll_with(&timer.future, counting(&counter)) != BIDE_READY) error = WRONG;
        if (!error) error = bide_timer_set_never(&timer);
        int answer = bide_cancel(&timer.future);
        if (answer != BIDE_READY && answer != BIDE_COMPLETED && !error) error = answer;
        (void)cancel_with(&timer.future, counting(&counter));
    }
    end_of_faults();
    return error;
}

static int run_timeout(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timeout timeout;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    bide_timeout_init(&timeout, &io.future, bide_after(BIDE_MICROSECONDS(100)));
    int error = bide_block_on(&timeout.future);
    if (!error)
        error = timeout.result == BIDE_ETIMEDOUT ? 0 : timeout.result == 0 ? (int)io.result : timeout.result;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static void *set_soon(void *arg)
{
    pause_briefly();
    bide_event_set(arg);
    return NULL;
}

static int run_event(void)
{
    bide_event event;
    pthread_t setter;
    int error = bide_event_init(&event, BIDE_EVENT_AUTO);
    if (!error) error = bide_event_wait(&event, bide_after(BIDE_MICROSECONDS(100)));
    error = error == BIDE_ETIMEDOUT ? 0 : error == 0 ? WRONG : error;
    SCENE(if (pthread_create(&setter, NULL, set_soon, &event) != 0) abort());
    if (!error) error = bide_event_wait(&event, bide_after(PATIENCE));
    (void)pthread_join(setter, NULL);
    end_of_faults();
    return error;
}

/* Each form: sleeps, limits and intervals, and more sleeps than there is storage for at first. */
static int run_wheel_of(bide_wheel_form form)
{
    enum { SLEEPS = 1500 };
    static bide_wheel_sleeping many[SLEEPS];
    struct counter counter = {0};
    bide_wheel_options options;
    bide_wheel *wheel;
    bide_wheel_options_init(&options);
    options.form = form;
    options.tick = BIDE_MICROSECONDS(100);
    options.max_timeout = BIDE_SECONDS(1000);
    options.channel_capacity = SLEEPS;
    int error = bide_wheel_new(&wheel, &options);
    if (error) return error;

    error = bide_wheel_sleep(wheel, BIDE_MICROSECONDS(200));
    if (!error) error = bide_wheel_sleep_until(wheel, bide_instant_add(bide_wheel_now(wheel), 1000));
    bide_wheel_interval interval;
    if (!error) error = bide_wheel_interval_init(&interval, wheel, BIDE_MICROSECONDS(150));
    if (!error) error = bide_wheel_interval_wait(&interval);
    if (!error) error = bide_wheel_interval_init_at(&interval, wheel, BIDE_NOW, BIDE_MICROSECONDS(150));
    if (!error) error = bide_wheel_interval_wait(&interval);

    bide_wheel_timeout limit;
    if (!error) error = bide_wheel_sleeping_init(&many[0], wheel, BIDE_SECONDS(10));
    if (!error) error = bide_wheel_timeout_init(&limit, wheel, &many[0].future, BIDE_SECONDS(1));
    if (!error && poll_with(&limit.future, counting(&counter)) == BIDE_READY) error = limit.result;
    if (!error && cancel_with(&limit.future, counting(&counter)) != BIDE_READY) error = WRONG;
    if (!error) error = bide_wheel_timeout_init_stream(&limit, wheel, &many[0].future, BIDE_SECONDS(1));

    int started = 0;
    while (!error && started < SLEEPS) {
        error = bide_wheel_sleeping_init_until(&many[started], wheel, bide_after(BIDE_SECONDS(500)));
        if (!error) error = bide_wheel_sleeping_start(&many[started]);
        started += error == 0;
    }
    if (started && bide_wheel_sleeping_reset(&many[0], BIDE_SECONDS(600)) != 0) error = WRONG;
    bide_instant later = bide_instant_add(bide_wheel_now(wheel), BIDE_SECONDS(300));
    if (started && bide_wheel_sleeping_reset_until(&many[0], later) != 0) error = WRONG;
    for (int i = 0; i < started; i++)
        if (bide_wheel_sleeping_cancel(&many[i]) != BIDE_READY) error = WRONG;
    bide_wheel_stats stats;
    if (bide_wheel_stats_read(wheel, &stats) != 0 || stats.pending != 0) error = WRONG;
    if (!bide_is_never(bide_wheel_next(wheel))) error = WRONG;
    end_of_faults();
    if (bide_wheel_free(wheel) != 0) error = WRONG;
    return error;
}

static int run_threaded_wheel(void)
{
    return run_wheel_of(BIDE_WHEEL_THREADED);
}

static int run_inline_wheel(void)
{
    return run_wheel_of(BIDE_WHEEL_INLINE);
}

const struct scenario scenarios_of_time[] = {
    {"timers", "timer_after timer_at timer_interval timer_interval_at timer_wait sleep sleep_until",
     run_timers},
    {"setters of a timer that is awaited",
     "timer_never timer_set_after timer_set_at timer_set_interval timer_set_interval_at timer_set_never "
     "cancel",
     run_setters},
    {"many timers", "timer_after", run_many_timers},
    {"timeout", "timeout_init block_on", run_timeout},
    {"threaded wheel",
     "wheel_new wheel_free wheel_sleep wheel_sleep_until wheel_interval_init wheel_interval_init_at "
     "wheel_interval_wait wheel_timeout_init wheel_timeout_init_stream wheel_sleeping_start "
     "wheel_sleeping_reset wheel_sleeping_reset_until wheel_sleeping_cancel wheel_stats_read wheel_next",
     run_threaded_wheel},
    {"inline wheel", "wheel_driving_init wheel_new wheel_free wheel_sleep", run_inline_wheel},
    {"event", "event_set event_wait event_waiting_init", run_event},
    {NULL, NULL, NULL},
};
