/* Bide inside other event loops: the examples embed_libev and embed_glib. What is true of one is true of the
 * other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *const programs[] = {BIDE_EXAMPLES "/embed_libev", BIDE_EXAMPLES "/embed_glib"};

enum { PROGRAMS = sizeof programs / sizeof *programs };

TestSuite(embed, .timeout = 60);

/* Starts it, and finds out where it listens. False: it was not built. */
static bool begin(struct talk *talk, struct place *place, const char *program)
{
    if (access(program, X_OK) != 0) return false;
    TALK(talk, program);
    char line[LINE];
    read_line(talk->out, line);
    place_from(place, line);
    return true;
}

/* Who connects is told how many alarms there were. */
static void assert_tells(const struct place *place, const char *expected)
{
    int fd = connected(place);
    char line[LINE];
    read_line(fd, line);
    cr_assert_str_eq(line, expected, "it tells \"%s\", not \"%s\"", line, expected);
    cr_assert(ends(fd), "the connection does not end");
    (void)close(fd);
}

/* The context switches of all threads of a process together; `asleep`: whether all of them sleep. */
static long switches_of(pid_t process, bool *asleep)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *folder = opendir(path);
    cr_assert_not_null(folder);
    long sum = 0;
    *asleep = true;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%.16s/status", (int)process, entry->d_name);
        FILE *status = fopen(path, "re");
        if (!status) continue;
        char line[LINE];
        while (fgets(line, sizeof line, status)) {
            long count;
            char state;
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) sum += count;
            if (sscanf(line, "State: %c", &state) == 1 && state != 'S') *asleep = false;
        }
        (void)fclose(status);
    }
    (void)closedir(folder);
    return sum;
}

/* When all of them have gone to sleep. Two looks that are the same: while the first one looked at the one
 * thread, another may have woken it. */
static long switches_when_asleep(pid_t process)
{
    bool asleep;
    int64_t limit = now_ms() + PATIENCE;
    for (long last = -1;;) {
        long sum = switches_of(process, &asleep);
        if (asleep && sum == last) return sum;
        last = asleep ? sum : -1;
        cr_assert_lt(now_ms(), limit, "it never sleeps");
    }
}

#define NOTHING_BUILT "neither libev nor GLib here"

Test(embed, timers_set_from_another_thread_and_connections_are_served)
{
    int built = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        struct talk talk;
        struct place place;
        if (!begin(&talk, &place, programs[i])) continue;
        built++;
        assert_tells(&place, "0 alarms");
        say(&talk, "20ms\n");
        assert_says(&talk, "alarm 1");
        assert_tells(&place, "1 alarms");
        /* One earlier than what the loop sleeps for already, and one right away. */
        say(&talk, "1h\n");
        (void)switches_when_asleep(talk.process);
        say(&talk, "20ms\n");
        assert_says(&talk, "alarm 2");
        say(&talk, "0ms\n");
        assert_says(&talk, "alarm 3");
        end_input(&talk);
        assert_talk_ends(&talk, 0);
    }
    if (!built) BIDE_SKIP(NOTHING_BUILT);
}

Test(embed, an_alarm_is_never_early)
{
    int built = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        struct talk talk;
        struct place place;
        if (!begin(&talk, &place, programs[i])) continue;
        built++;
        for (int k = 1; k <= 5; k++) {
            char alarm[16];
            (void)snprintf(alarm, sizeof alarm, "alarm %d", k);
            int64_t start = now_ms();
            say(&talk, "33ms\n");
            assert_says(&talk, alarm);
            /* The clock here is cut to whole milliseconds. */
            cr_assert_geq(now_ms() - start, 32, "after %d ms", (int)(now_ms() - start));
        }
        end_input(&talk);
        assert_talk_ends(&talk, 0);
    }
    if (!built) BIDE_SKIP(NOTHING_BUILT);
}

Test(embed, the_end_of_the_input_waits_for_the_last_alarm)
{
    int built = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        struct talk talk;
        struct place place;
        if (!begin(&talk, &place, programs[i])) continue;
        built++;
        say(&talk, "soon\n50ms\n");
        end_input(&talk);
        assert_says(&talk, "alarm 1");
        assert_talk_ends(&talk, 0);
    }
    if (!built) BIDE_SKIP(NOTHING_BUILT);
}

/* --- idle --- */

/* The only sleep here: idleness is the absence of events. */
static long woken_in_two_seconds(const pid_t *processes, int count)
{
    long before = 0, after = 0;
    for (int i = 0; i < count; i++)
        before += switches_when_asleep(processes[i]);
    struct timespec pause = {2, 0};
    while (nanosleep(&pause, &pause) != 0)
        continue;
    for (int i = 0; i < count; i++)
        after += switches_when_asleep(processes[i]);
    return after - before;
}

Test(embed, an_idle_loop_is_never_woken)
{
    struct talk talks[PROGRAMS];
    pid_t processes[PROGRAMS];
    int built = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        struct place place;
        if (!begin(&talks[built], &place, programs[i])) continue;
        processes[built] = talks[built].process;
        /* After some work of each kind, and with a deadline far away. */
        say(&talks[built], "1ms\n");
        assert_says(&talks[built], "alarm 1");
        say(&talks[built], "10h\n");
        assert_tells(&place, "1 alarms");
        built++;
    }
    if (!built) BIDE_SKIP(NOTHING_BUILT);
#ifdef BIDE_TEST_TSAN
    BIDE_SKIP("the thread sanitizer has a thread of its own that wakes up");
#endif
    long woken = woken_in_two_seconds(processes, built);
    cr_assert_eq(woken, 0, "woken %ld times", woken);
    for (int i = 0; i < built; i++) {
        (void)kill(processes[i], SIGTERM);
        assert_talk_ends(&talks[i], 0);
    }
}

Test(embed, errors_are_told)
{
    struct place place;
    int taken = listening(&place, 8);
    int built = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        if (access(programs[i], X_OK) != 0) continue;
        built++;
        struct run r;
        RUN(&r, programs[i], "--listen", place.text);
        assert_status(&r, 1);
        assert_has(r.err, "address already in use");
        RUN(&r, programs[i], "--listen");
        assert_status(&r, 2);
        RUN(&r, programs[i], "--help");
        assert_status(&r, 0);
        assert_has(r.out, "SIGTERM");
    }
    (void)close(taken);
    if (!built) BIDE_SKIP(NOTHING_BUILT);
}
