/* The examples that await descriptors of all kinds: inotify, timerfd, pidfd, signals, a borrowed one.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"
#include "test_examples_signals.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(examples, .timeout = 60);

/* --- with_timeout --- */

/* A pipe with that text in it. */
static void fill_pipe(int ends[2], const char *text)
{
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void run_reader(struct run *r, int in, const char *limit)
{
    run_with(r, in, -1, (const char *const[]){WITH_TIMEOUT, limit, NULL});
}

Test(examples, with_timeout_takes_one_line_and_leaves_the_next_to_others)
{
    int ends[2];
    fill_pipe(ends, "one\ntwo\n");
    struct run r;
    run_reader(&r, ends[0], "10s");
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, "one\n", "printed: %s", r.out);
    char left[8] = {0};
    cr_assert_eq(read(ends[0], left, sizeof left), 4, "left: %s", left);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(examples, with_timeout_gives_up_in_time_with_124_and_leaves_the_mode_as_it_was)
{
    int ends[2];
    fill_pipe(ends, "half a line");
    int mode = fcntl(ends[0], F_GETFL);
    struct run r;
    int64_t start = now_ms();
    run_reader(&r, ends[0], "200ms");
    assert_status(&r, 124);
    cr_assert_geq(now_ms() - start, 200, "over after %d ms", (int)(now_ms() - start));
    cr_assert_eq(fcntl(ends[0], F_GETFL), mode, "the mode is %o", fcntl(ends[0], F_GETFL));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(examples, with_timeout_fails_at_the_end_and_reads_files_too)
{
    int ends[2];
    fill_pipe(ends, "no end");
    (void)close(ends[1]);
    struct run r;
    run_reader(&r, ends[0], "10s");
    assert_status(&r, 1);
    cr_assert_str_eq(r.out, "no end", "printed: %s", r.out);
    (void)close(ends[0]);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_reader(&r, null, "10s");
    assert_status(&r, 1);
    (void)close(null);
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    run_reader(&r, file, "10s");
    assert_status(&r, 0);
    assert_has(r.out, "Name:");
    (void)close(file);
}

/* --- timerfd --- */

Test(examples, timerfd_ticks_at_the_full_parts_of_the_clocks_seconds)
{
    struct run r;
    RUN(&r, TIMERFD, "--period", "100ms", "--count=3");
    assert_status(&r, 0);
    int ticks = 0;
    for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n"), ticks++) {
        int hours, minutes, seconds;
        long micros;
        cr_assert_eq(sscanf(line, "%d:%d:%d.%ld", &hours, &minutes, &seconds, &micros), 4, "no time: %s",
                     line);
    }
    cr_assert_eq(ticks, 3, "%d ticks", ticks);
}

/* --- inotify --- */

struct folder {
    char path[64];
    char file[80];
};

static void make_folder(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/bide-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder->path));
    (void)snprintf(folder->file, sizeof folder->file, "%s/one", folder->path);
}

static void make_file(const struct folder *folder)
{
    int fd = open(folder->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    (void)close(fd);
}

Test(examples, inotify_tells_each_change_and_ends_with_its_folder)
{
    struct folder folder;
    make_folder(&folder);
    char watching[80];
    (void)snprintf(watching, sizeof watching, "watching %s", folder.path);
    struct talk talk;
    TALK(&talk, INOTIFY, folder.path);
    assert_says(&talk, watching);
    make_file(&folder);
    assert_says(&talk, "created    one");
    assert_says(&talk, "written    one");
    char other[80];
    (void)snprintf(other, sizeof other, "%s/two", folder.path);
    cr_assert_eq(rename(folder.file, other), 0);
    assert_says(&talk, "moved away one");
    assert_says(&talk, "moved here two");
    cr_assert_eq(unlink(other), 0);
    assert_says(&talk, "deleted    two");
    cr_assert_eq(rmdir(folder.path), 0);
    assert_says(&talk, "the folder is gone");
    assert_talk_ends(&talk, 0);
}

Test(examples, inotify_ends_after_a_count_or_a_time)
{
    struct folder folder;
    make_folder(&folder);
    struct talk talk;
    char line[LINE];
    TALK(&talk, INOTIFY, folder.path, "--count", "1");
    read_line(talk.out, line);
    make_file(&folder);
    assert_says(&talk, "created    one");
    assert_talk_ends(&talk, 0);
    struct run r;
    RUN(&r, INOTIFY, folder.path, "--timeout", "50ms");
    assert_status(&r, 124);
    RUN(&r, INOTIFY, folder.file);
    assert_status(&r, 1);
    assert_has(r.err, "not a directory");
    cr_assert_eq(unlink(folder.file), 0);
    cr_assert_eq(rmdir(folder.path), 0);
    RUN(&r, INOTIFY, folder.path);
    assert_status(&r, 1);
    assert_has(r.err, "not found");
}

/* --- process --- */

Test(examples, process_hands_on_output_and_exit_code)
{
    struct run r;
    RUN(&r, PROCESS, "--timeout", "20s", "sh", "-c", "echo out; echo err >&2; exit 7");
    assert_status(&r, 7);
    cr_assert_str_eq(r.out, "out\n", "printed: %s", r.out);
    cr_assert_str_eq(r.err, "err\n", "complained: %s", r.err);
    RUN(&r, PROCESS, "sh", "-c", "kill -TERM $$");
    assert_status(&r, 128 + SIGTERM);
    RUN(&r, PROCESS, "/nowhere/at/all");
    assert_status(&r, 1);
    assert_has(r.err, "/nowhere/at/all: not found");
}

/* More than a pipe holds, and the last of it written just before the end. */
Test(examples, process_loses_nothing_of_much_output)
{
    int out = memfd_create("out", MFD_CLOEXEC);
    struct run r;
    run_into(&r, out, (const char *const[]){PROCESS, "head", "-c", "1000000", "/dev/zero", NULL});
    assert_status(&r, 0);
    struct stat file;
    cr_assert_eq(fstat(out, &file), 0);
    cr_assert_eq(file.st_size, 1000000, "%ld bytes", (long)file.st_size);
    (void)close(out);
}

Test(examples, process_kills_what_takes_too_long_and_exits_with_124)
{
    struct run r;
    int64_t start = now_ms();
    RUN(&r, PROCESS, "--timeout=200ms", "sh", "-c", "echo begun; exec sleep 1000");
    assert_status(&r, 124);
    cr_assert_str_eq(r.out, "begun\n", "printed: %s", r.out);
    cr_assert_geq(now_ms() - start, 200, "over after %d ms", (int)(now_ms() - start));
}

/* The grandchild has the pipe open when its parent ends. */
Test(examples, process_does_not_wait_for_what_its_program_left_behind)
{
    struct run r;
    RUN(&r, PROCESS, "sh", "-c", "sleep 1000 & echo $!");
    assert_status(&r, 0);
    long left = strtol(r.out, NULL, 10);
    cr_assert_gt(left, 1, "printed: %s", r.out);
    (void)kill((pid_t)left, SIGKILL);
}

/* --- signals --- */

Test(examples, signals_are_awaited_beside_other_work)
{
    talk_by_signals(SIGNALS);
}

Test(examples, signals_works_on_until_it_is_stopped)
{
    stop_by_signal(SIGNALS);
}

/* --- command lines --- */

Test(examples, each_names_its_options_and_wrong_usage)
{
    static const struct {
        const char *program;
        const char *options[3];
        const char *wrong;
        const char *named;
    } cases[] = {
        {WITH_TIMEOUT, {"DURATION", "124"}, "soon", "soon: not a duration"},
        {TIMERFD, {"--count", "--period"}, "--period=0s", "--period: must be longer than nothing"},
        {INOTIFY, {"FOLDER", "--count", "--timeout"}, "", "FOLDER: must not be empty"},
        {PROCESS, {"PROGRAM", "--timeout"}, "--timeout=1s", "PROGRAM: missing"},
        {SIGNALS, {"--period", "SIGTERM"}, "--period=0s", "--period: must be longer than nothing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        RUN(&r, cases[i].program, "--help");
        assert_status(&r, 0);
        for (size_t k = 0; k < 3 && cases[i].options[k]; k++)
            assert_has(r.out, cases[i].options[k]);
        RUN(&r, cases[i].program, cases[i].wrong);
        assert_status(&r, 2);
        assert_has(r.err, cases[i].named);
    }
}
