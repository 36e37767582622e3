/* The model of the countdown: each request in each state, every rule of the passing of time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_countdown.h"

TestSuite(countdown, .timeout = 60);

static bide_countdown countdown;
static bide_countdown_event room[64];
static bide_countdown_events events = {room, 64, 0};

static void begin(bide_countdown_config config)
{
    events.capacity = 64;
    events.count = 0;
    cr_assert_eq(bide_countdown_init(&countdown, &config), 0);
}

static void expect_events(const char *expected)
{
    const char *text = events_text(&events);
    cr_assert(strcmp(text, expected) == 0, "events are \"%s\", not \"%s\"", text, expected);
    events.count = 0;
}

static void expect_status(bide_countdown_state state, const char *name, int64_t seconds, int64_t elapsed)
{
    bide_countdown_status status;
    cr_assert_eq(bide_countdown_get(&countdown, &status), 0);
    cr_assert(status.state == state && strcmp(status.cycle.name, name) == 0 &&
                  status.cycle.seconds == seconds && status.elapsed == elapsed,
              "%s %s %" PRId64 " elapsed %" PRId64, bide_countdown_state_name(status.state),
              status.cycle.name, status.cycle.seconds, status.elapsed);
}

/* One request or update, and the events that it is to make. */
#define DO(what, ms, expected)                                                  \
    do {                                                                        \
        cr_assert_eq(bide_countdown_##what(&countdown, at_ms(ms), &events), 0); \
        expect_events(expected);                                                \
    } while (0)
#define SET(seconds, ms, expected)                                                    \
    do {                                                                              \
        cr_assert_eq(bide_countdown_set(&countdown, at_ms(ms), seconds, &events), 0); \
        expect_events(expected);                                                      \
    } while (0)

/* --- each request in each state --- */

Test(countdown, stopped_it_takes_a_start_and_a_set_and_nothing_else)
{
    begin(work_and_rest(0));
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 2, 0);
    DO(pause, 10, "");
    DO(resume, 20, "");
    DO(stop, 30, "");
    DO(update, 5000, "");
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 2, 0);
    SET(300, 6000, "set Work 300");
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 300, 0);
    DO(update, 7000, "");
    DO(start, 8000, "started; began Work 2");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Work", 2, 0);
}

Test(countdown, running_it_takes_everything_but_a_start_and_a_resume)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    DO(start, 500, "");
    DO(resume, 600, "");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Work", 2, 0);
    SET(21, 700, "set Work 21");
    DO(pause, 1700, "paused Work 20");
    expect_status(BIDE_COUNTDOWN_PAUSED, "Work", 20, 1);
    DO(resume, 1800, "resumed Work 20");
    DO(stop, 2300, "ended Work 20; stopped");
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 2, 0);
}

Test(countdown, paused_it_takes_everything_but_a_start_and_a_pause)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    DO(pause, 500, "paused Work 2");
    DO(start, 600, "");
    DO(pause, 700, "");
    DO(update, 100000, "");
    expect_status(BIDE_COUNTDOWN_PAUSED, "Work", 2, 0);
    SET(7, 100000, "set Work 7");
    DO(resume, 100000, "resumed Work 7");
    DO(update, 101000, "running Work 6");
    DO(pause, 101500, "paused Work 6");
    DO(stop, 200000, "ended Work 6; stopped");
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 2, 0);
    DO(resume, 200001, "");
}

Test(countdown, a_start_after_a_stop_begins_from_the_beginning)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    DO(update, 2500, "ended Work 0; began Rest 3");
    DO(stop, 2600, "ended Rest 3; stopped");
    DO(start, 9000, "started; began Work 2");
    DO(update, 10999, "running Work 1");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Work", 1, 1);
}

/* --- time --- */

Test(countdown, running_is_told_once_a_second_with_the_new_value)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    for (int ms = 0; ms < 1000; ms += 50)
        DO(update, ms, "");
    DO(update, 1000, "running Work 1");
    for (int ms = 1000; ms < 2000; ms += 50)
        DO(update, ms, "");
    DO(update, 2000, "ended Work 0; began Rest 3");
    DO(update, 2999, "");
    DO(update, 3500, "running Rest 2");
    DO(update, 3999, "");
    DO(update, 4000, "running Rest 1");
}

Test(countdown, after_a_jump_running_is_told_once)
{
    static const bide_countdown_cycle one[] = {{"Long", 100}};
    begin((bide_countdown_config){one, 1, 0});
    DO(start, 0, "started; began Long 100");
    DO(update, 50300, "running Long 50");
    DO(update, 50999, "");
    DO(update, 51000, "running Long 49");
}

Test(countdown, pauses_lose_nothing)
{
    static const bide_countdown_cycle one[] = {{"Long", 100}};
    begin((bide_countdown_config){one, 1, 0});
    int64_t ns = 1;
    cr_assert_eq(bide_countdown_start(&countdown, bide_instant_from_ns(ns), &events), 0);
    /* A thousand times 999,999 ns, with pauses of as much between. */
    for (int i = 0; i < 1000; i++) {
        ns += 999999;
        cr_assert_eq(bide_countdown_pause(&countdown, bide_instant_from_ns(ns), &events), 0);
        ns += 999999;
        cr_assert_eq(bide_countdown_resume(&countdown, bide_instant_from_ns(ns), &events), 0);
        events.count = 0;
    }
    expect_status(BIDE_COUNTDOWN_RUNNING, "Long", 100, 0);
    cr_assert_eq(bide_countdown_update(&countdown, bide_instant_from_ns(ns + 999), &events), 0);
    expect_events("");
    cr_assert_eq(bide_countdown_update(&countdown, bide_instant_from_ns(ns + 1000), &events), 0);
    expect_events("running Long 99");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Long", 99, 1);
}

Test(countdown, the_end_of_a_single_repeated_cycle_is_announced)
{
    static const bide_countdown_cycle one[] = {{"Tea", 2}};
    begin((bide_countdown_config){one, 1, 0});
    DO(start, 0, "started; began Tea 2");
    DO(update, 2000, "ended Tea 0; began Tea 2");
    DO(update, 4100, "ended Tea 0; began Tea 2");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Tea", 2, 4);
}

Test(countdown, neighbours_of_one_name_are_told_apart)
{
    static const bide_countdown_cycle two[] = {{"Set", 1}, {"Set", 2}};
    begin((bide_countdown_config){two, 2, 0});
    DO(start, 0, "started; began Set 1");
    cr_assert_eq(bide_countdown_update(&countdown, at_ms(1000), &events), 0);
    cr_assert_eq(room[1].index, 1);
    expect_events("ended Set 0; began Set 2");
    DO(update, 3000, "ended Set 0; began Set 1");
}

Test(countdown, every_boundary_is_announced_when_several_are_jumped_over)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    DO(update, 11500,
       "ended Work 0; began Rest 3; ended Rest 0; began Work 2; ended Work 0; began Rest 3; ended Rest 0; "
       "began Work 2; running Work 1");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Work", 1, 11);
}

Test(countdown, a_request_announces_the_boundaries_before_it)
{
    begin(work_and_rest(1));
    DO(start, 0, "started; began Work 2");
    DO(pause, 2500, "ended Work 0; began Rest 3; paused Rest 3");
    DO(resume, 9000, "resumed Rest 3");
    SET(1, 9500, "set Rest 1");
    DO(stop, 10500, "ended Rest 0; stopped");
    DO(start, 11000, "started; began Work 2");
    SET(9, 16000, "ended Work 0; began Rest 3; ended Rest 0; stopped; set Work 9");
}

Test(countdown, the_end_of_the_last_loop_ends_stops_and_resets)
{
    begin(work_and_rest(2));
    DO(start, 0, "started; began Work 2");
    DO(update, 5000, "ended Work 0; began Rest 3; ended Rest 0; began Work 2");
    DO(update, 9999, "ended Work 0; began Rest 3; running Rest 1");
    DO(update, 10000, "ended Rest 0; stopped");
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 2, 0);
    DO(update, 99000, "");
    DO(start, 100000, "started; began Work 2");
    DO(update, 110001,
       "ended Work 0; began Rest 3; ended Rest 0; began Work 2; ended Work 0; began Rest 3; ended Rest 0; "
       "stopped");
}

Test(countdown, what_was_set_survives_the_next_update)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    SET(300, 500, "set Work 300");
    DO(update, 1500, "running Work 299");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Work", 299, 1);
    DO(update, 300499, "running Work 1");
    DO(update, 300500, "ended Work 0; began Rest 3");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Rest", 3, 300);
}

Test(countdown, set_to_nothing_ends_the_cycle_at_the_next_update)
{
    begin(work_and_rest(0));
    DO(start, 0, "started; began Work 2");
    SET(0, 100, "set Work 0");
    cr_assert_eq(bide_countdown_next(&countdown).ns, at_ms(100).ns);
    DO(update, 100, "ended Work 0; began Rest 3");
}

Test(countdown, a_cycle_of_no_length_is_passed_through)
{
    static const bide_countdown_cycle cycles[] = {{"Bell", 0}, {"Work", 1}, {"", 0}};
    begin((bide_countdown_config){cycles, 3, 2});
    DO(start, 0, "started; began Bell 0");
    DO(update, 0, "ended Bell 0; began Work 1");
    DO(update, 1000, "ended Work 0; began  0; ended  0; began Bell 0; ended Bell 0; began Work 1");
    DO(update, 2000, "ended Work 0; began  0; ended  0; stopped");
}

Test(countdown, next_is_when_the_next_event_is_due)
{
    begin(work_and_rest(0));
    cr_assert(bide_is_never(bide_countdown_next(&countdown)));
    DO(start, 100, "started; began Work 2");
    cr_assert_eq(bide_countdown_next(&countdown).ns, at_ms(1100).ns);
    DO(update, 1700, "running Work 1");
    cr_assert_eq(bide_countdown_next(&countdown).ns, at_ms(2100).ns);
    DO(pause, 1800, "paused Work 1");
    cr_assert(bide_is_never(bide_countdown_next(&countdown)));
    cr_assert(bide_is_never(bide_countdown_next(NULL)));
}

Test(countdown, a_clock_that_steps_back_takes_nothing_back)
{
    begin(work_and_rest(0));
    DO(start, 1000, "started; began Work 2");
    DO(update, 2000, "running Work 1");
    DO(update, 500, "");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Work", 1, 1);
    DO(pause, 1500, "paused Work 1");
    DO(resume, 1500, "resumed Work 1");
    DO(update, 2999, "");
    DO(update, 3000, "ended Work 0; began Rest 3");
}

Test(countdown, times_at_the_ends_of_their_range_do_not_overflow)
{
    static const bide_countdown_cycle one[] = {{"Aeon", BIDE_COUNTDOWN_SECONDS_MAX}};
    begin((bide_countdown_config){one, 1, BIDE_COUNTDOWN_LOOPS_MAX});
    cr_assert_eq(bide_countdown_start(&countdown, BIDE_NOW, &events), 0);
    expect_events("started; began Aeon 9000000000");
    cr_assert_eq(bide_countdown_update(&countdown, BIDE_NEVER, &events), 0);
    expect_events("ended Aeon 0; began Aeon 9000000000; ended Aeon 0; began Aeon 9000000000; "
                  "running Aeon 8553255927");
    cr_assert(bide_is_never(bide_countdown_next(&countdown)));
    cr_assert_eq(bide_countdown_set(&countdown, BIDE_NEVER, BIDE_COUNTDOWN_SECONDS_MAX, &events), 0);
    expect_events("set Aeon 9000000000");
    expect_status(BIDE_COUNTDOWN_RUNNING, "Aeon", BIDE_COUNTDOWN_SECONDS_MAX, INT64_MAX / 1000000000);
    cr_assert_eq(bide_countdown_stop(&countdown, BIDE_NEVER, &events), 0);
}

/* --- room for events --- */

Test(countdown, without_room_nothing_is_lost_and_nothing_done_twice)
{
    begin(work_and_rest(2));
    DO(start, 0, "started; began Work 2");
    events.capacity = 2;
    char all[512] = "";
    int result;
    do {
        result = bide_countdown_pause(&countdown, at_ms(9500), &events);
        cr_assert_geq(result, 0);
        (void)strncat(all, events_text(&events), sizeof all - strlen(all) - 1);
        (void)strncat(all, "|", sizeof all - strlen(all) - 1);
        events.count = 0;
    } while (result == BIDE_COUNTDOWN_MORE);
    cr_assert_str_eq(all, "ended Work 0; began Rest 3|ended Rest 0; began Work 2|ended Work 0; began Rest 3|"
                          "paused Rest 1|");
    expect_status(BIDE_COUNTDOWN_PAUSED, "Rest", 1, 9);

    DO(resume, 9500, "resumed Rest 1");
    events.count = 1;
    cr_assert_eq(bide_countdown_stop(&countdown, at_ms(9600), &events), BIDE_COUNTDOWN_MORE);
    cr_assert_eq(events.count, 1);
    expect_status(BIDE_COUNTDOWN_RUNNING, "Rest", 1, 9);
    events.capacity = 1;
    events.count = 0;
    cr_assert_eq(bide_countdown_stop(&countdown, at_ms(9600), &events), BIDE_EINVAL);
}

/* --- what is refused --- */

static int init_with(const bide_countdown_cycle *cycles, size_t count, int64_t loops)
{
    bide_countdown_config config = {cycles, count, loops};
    return bide_countdown_init(&countdown, &config);
}

Test(countdown, a_configuration_without_time_is_refused)
{
    static const bide_countdown_cycle none[] = {{"a", 0}, {"b", 0}};
    cr_assert_eq(init_with(NULL, 1, 0), BIDE_EINVAL);
    cr_assert_eq(init_with(none, 0, 0), BIDE_EINVAL);
    cr_assert_eq(init_with(none, 2, 0), BIDE_EINVAL);
    static const bide_countdown_cycle one[] = {{"a", 1}};
    cr_assert_eq(init_with(one, 1, -1), BIDE_EINVAL);
    cr_assert_eq(init_with(one, 1, BIDE_COUNTDOWN_LOOPS_MAX + 1), BIDE_EINVAL);
    cr_assert_eq(init_with(one, 1, BIDE_COUNTDOWN_LOOPS_MAX), 0);
    static const bide_countdown_cycle lengths[] = {{"a", -1},
                                                   {"a", BIDE_COUNTDOWN_SECONDS_MAX + 1},
                                                   {NULL, 1}};
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(init_with(&lengths[i], 1, 0), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_init(&countdown, NULL), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_init(NULL, &(bide_countdown_config){one, 1, 0}), BIDE_EINVAL);
}

Test(countdown, a_name_is_utf_8_of_any_length)
{
    static const char *const good[] = {"",
                                       "\xc3\xa9t\xc3\xa9",
                                       "\xf0\x9f\x8d\x85",
                                       "\xed\x9f\xbf",
                                       "\x01\"\\\x7f",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xe0\xa0\x80"};
    static const char *const bad[] = {
        "\xff",     "\xc3", "\xc0\x80",         "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xe2\x82", "\x80", "\xf0\x80\x80\x80", "\xe0\x9f\xbf", "a\xc3("};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert_eq(init_with(&(bide_countdown_cycle){good[i], 1}, 1, 0), 0, "good name %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(init_with(&(bide_countdown_cycle){bad[i], 1}, 1, 0), BIDE_EINVAL, "bad name %zu", i);
}

Test(countdown, what_is_out_of_range_or_missing_is_refused)
{
    begin(work_and_rest(0));
    cr_assert_eq(bide_countdown_set(&countdown, at_ms(0), -1, &events), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_set(&countdown, at_ms(0), BIDE_COUNTDOWN_SECONDS_MAX + 1, &events),
                 BIDE_EINVAL);
    cr_assert_eq(bide_countdown_start(&countdown, at_ms(0), NULL), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_update(NULL, at_ms(0), &events), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_pause(NULL, at_ms(0), &events), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_resume(NULL, at_ms(0), &events), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_stop(NULL, at_ms(0), &events), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_get(NULL, NULL), BIDE_EINVAL);
    bide_countdown_events nowhere = {NULL, 4, 0};
    cr_assert_eq(bide_countdown_start(&countdown, at_ms(0), &nowhere), BIDE_EINVAL);
    expect_status(BIDE_COUNTDOWN_STOPPED, "Work", 2, 0);
}

Test(countdown, each_state_and_event_has_its_name)
{
    cr_assert_str_eq(bide_countdown_state_name(BIDE_COUNTDOWN_STOPPED), "stopped");
    cr_assert_str_eq(bide_countdown_state_name(BIDE_COUNTDOWN_RUNNING), "running");
    cr_assert_str_eq(bide_countdown_state_name(BIDE_COUNTDOWN_PAUSED), "paused");
    static const char *const names[] = {"started", "began",   "running", "set",
                                        "paused",  "resumed", "ended",   "stopped"};
    for (int i = 0; i < 8; i++)
        cr_assert_str_eq(bide_countdown_event_name((bide_countdown_event_kind)i), names[i]);
    cr_assert_str_eq(bide_countdown_event_name((bide_countdown_event_kind)8), "?");
}
