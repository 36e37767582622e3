/* The example that hears of signals by kqueue(2); `process` is with the others of its kind in test_examples_more.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(examples, .timeout = 60);

#define SIGNALS_KQUEUE BIDE_EXAMPLES "/signals_kqueue"

Test(examples, signals_kqueue_hears_each_signal_beside_other_work)
{
    struct talk talk;
    TALK(&talk, SIGNALS_KQUEUE, "--period", "1h");
    char id[16];
    (void)snprintf(id, sizeof id, "%d", (int)talk.process);
    assert_says(&talk, id);
    (void)kill(talk.process, SIGHUP);
    assert_says(&talk, "settings read again");
    for (int i = 0; i < 2; i++) {
        (void)kill(talk.process, SIGUSR1);
        assert_says(&talk, "has worked 0 times");
    }
    (void)kill(talk.process, SIGTERM);
    assert_says(&talk, "asked to stop");
    assert_talk_ends(&talk, 0);
}

Test(examples, signals_kqueue_works_on_until_it_is_stopped)
{
    struct talk talk;
    TALK(&talk, SIGNALS_KQUEUE, "--period", "10ms");
    char line[LINE];
    read_line(talk.out, line);
    for (int i = 0; i < 3; i++)
        assert_says(&talk, "working");
    (void)kill(talk.process, SIGINT);
    do
        read_line(talk.out, line);
    while (strcmp(line, "working") == 0);
    cr_assert_str_eq(line, "asked to stop");
    assert_talk_ends(&talk, 0);
}

Test(examples, signals_kqueue_names_its_options_and_wrong_usage)
{
    struct run r;
    RUN(&r, SIGNALS_KQUEUE, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--period");
    assert_has(r.out, "SIGTERM");
    RUN(&r, SIGNALS_KQUEUE, "--period=0s");
    assert_status(&r, 2);
    assert_has(r.err, "--period: must be longer than nothing");
}
