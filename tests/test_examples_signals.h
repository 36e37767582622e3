/* What one says by signals to the examples that await them, and what they answer.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TEST_EXAMPLES_SIGNALS_H
#define TEST_EXAMPLES_SIGNALS_H

#include "test_examples_run.h"

#include <signal.h>
#include <stdio.h>

static inline void talk_by_signals(const char *program)
{
    struct talk talk;
    TALK(&talk, program, "--period", "1h");
    char id[16];
    (void)snprintf(id, sizeof id, "%d", (int)talk.process);
    assert_says(&talk, id);
    (void)kill(talk.process, SIGHUP);
    assert_says(&talk, "settings read again");
    (void)kill(talk.process, SIGUSR1);
    assert_says(&talk, "has worked 0 times");
    (void)kill(talk.process, SIGUSR1);
    assert_says(&talk, "has worked 0 times");
    (void)kill(talk.process, SIGTERM);
    assert_says(&talk, "asked to stop");
    assert_talk_ends(&talk, 0);
}

static inline void stop_by_signal(const char *program)
{
    struct talk talk;
    TALK(&talk, program, "--period", "10ms");
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

#endif
