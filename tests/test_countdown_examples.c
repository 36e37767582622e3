/* The examples countdown_tcp and countdown_unix, with a client of ours beside their own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_countdown_program.h"

TestSuite(countdown_examples, .init = make_folder, .fini = remove_folder, .timeout = 60);

static const char timer[] = "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"Work\",\"duration\":2},{"
                            "\"name\":\"Rest\",\"duration\":3}],"
                            "\"cycles-count\":\"infinite\"},\"state\":";

/* Reads on to the line that begins so; a slow machine may have more ticks before it. */
static void hear(struct talk *talk, char line[LINE], const char *beginning)
{
    do
        read_line(talk->out, line);
    while (strncmp(line, beginning, strlen(beginning)) != 0);
}

/* Its own client has started it, and shows it as ours has left it. */
static void expect_shared(struct talk *talk, int fd)
{
    char line[LINE];
    assert_says(talk, "event: started Work 2");
    assert_says(talk, "event: began Work 2");
    ask(fd, "\"get\"\r\n\"pause\"\nnonsense\n{\"set\":7}\n");
    expect(fd, timer);
    expect(fd, "\"ok\"");
    expect(fd, "{\"error\":\"not a JSON value\"}");
    expect(fd, "\"ok\"");
    hear(talk, line, "event: paused ");
    hear(talk, line, "event: set ");
    assert_has(line, " 7");
    hear(talk, line, "the countdown is paused: ");
    assert_has(line, ", 7 s left, ");
    assert_talk_ends(talk, 0);
    (void)close(fd);
}

Test(countdown_examples, countdown_tcp_is_shared_by_threads)
{
    struct talk talk;
    struct place place;
    char line[LINE];
    TALK(&talk, BIDE_EXAMPLES "/countdown_tcp", "--wait", "2s");
    read_line(talk.out, line);
    place_from(&place, line);
    expect_shared(&talk, connected(&place));
}

Test(countdown_examples, countdown_unix_is_shared_by_tasks)
{
    struct talk talk;
    char line[LINE];
    TALK(&talk, BIDE_EXAMPLES "/countdown_unix", "--wait", "2s", "--unix", path);
    read_line(talk.out, line);
    assert_has(line, path);
    expect_shared(&talk, connected_at(path));
}
