/* The examples of tasks that end together: main_exit, pipeline.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(structured, .timeout = 60);

#define MAIN_EXIT BIDE_EXAMPLES "/main_exit"
#define PIPELINE BIDE_EXAMPLES "/pipeline"

Test(structured, main_exit_cancels_the_others_and_runs_their_clean_up)
{
    struct run r;
    RUN(&r, MAIN_EXIT);
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, "main: ends now\n"
                            "sleeper: cancelled\nsleeper: cleaned up\n"
                            "sleeper: cancelled\nsleeper: cleaned up\n"
                            "sleeper: cancelled\nsleeper: cleaned up\n"
                            "3 of 3 cleaned up\n");
    cr_assert_str_eq(r.err, "");
}

Test(structured, main_exit_cleans_up_after_a_main_task_that_fails)
{
    struct run r;
    RUN(&r, MAIN_EXIT, "--fail", "--tasks", "100");
    assert_status(&r, 1);
    assert_has(r.out, "main: fails now\n");
    assert_has(r.out, "100 of 100 cleaned up\n");
    cr_assert_str_eq(r.err, "main_exit: the main task: input/output error (BIDE_EIO)\n");
}

static char folder[64];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/bide-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder), "%s: %s", folder, strerror(errno));
}

static const char *in_folder(int number)
{
    static char path[sizeof folder + 16];
    (void)snprintf(path, sizeof path, "%s/%d", folder, number);
    return path;
}

/* So many files of one letter each, a for 0, and so on. */
static void make_files(int count)
{
    make_folder();
    for (int i = 0; i < count; i++) {
        FILE *file = fopen(in_folder(i), "w");
        cr_assert_not_null(file);
        (void)fputc('a' + i % 26, file);
        (void)fclose(file);
    }
}

static void remove_files(int count)
{
    for (int i = 0; i < count; i++)
        cr_assert_eq(remove(in_folder(i)), 0);
    cr_assert_eq(rmdir(folder), 0);
}

Test(structured, pipeline_hashes_each_file_once)
{
    static const char *const hashers[] = {"1", "4", "100"};
    struct run r;
    make_files(200);
    for (int i = 0; i < 3; i++) {
        RUN(&r, PIPELINE, "--hashers", hashers[i], folder);
        assert_status(&r, 0);
        cr_assert_str_eq(r.err, "");
        /* Known from the definition of the hash. */
        assert_has(r.out, "af63dc4c8601ec8c  1  0\n");
        int lines = 0;
        for (const char *line = r.out; (line = strchr(line, '\n')) != NULL; line++)
            lines++;
        cr_assert_eq(lines, 200, "%d lines", lines);
        for (int j = 0; j < 200; j++) {
            char end[32];
            (void)snprintf(end, sizeof end, "  1  %d\n", j);
            assert_has(r.out, end);
        }
    }
    remove_files(200);
}

Test(structured, pipeline_ends_as_a_whole_when_a_stage_fails)
{
    struct run r;
    make_folder();
    RUN(&r, PIPELINE, in_folder(0));
    assert_status(&r, 1);
    assert_has(r.err, "not found (BIDE_ENOENT)");
    cr_assert_eq(rmdir(folder), 0);
    make_files(100);
    /* A file that cannot be read whoever asks: larger than is allowed for. */
    cr_assert_eq(truncate(in_folder(50), ((off_t)1 << 30) + 1), 0);
    RUN(&r, PIPELINE, folder);
    assert_status(&r, 1);
    assert_has(r.err, "/50: value too large (BIDE_EOVERFLOW)");
    remove_files(100);
}
