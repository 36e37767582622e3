/* watch: asks again and again, and shows a line: on a terminal one with a bar that is drawn over, elsewhere
 * one for each change.
 *
 * The line never fills the last column, so that no terminal wraps it. Escapes are used on terminals alone, and
 * colours unless NO_COLOR is set.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bide_event look;             /* a signal says: look at what happened */
static volatile sig_atomic_t ended; /* to the end */
static const bide_duration period = BIDE_MILLISECONDS(250);

static void on_signal(int number)
{
    if (number != SIGWINCH) ended = 1;
    bide_event_set(&look);
}

struct view {
    bool terminal, colours, json, utf8;
    bool drawn;      /* a line without its end is on the terminal */
    char last[1024]; /* the last line that was printed, elsewhere */
};

static void view_init(struct view *view, bool json)
{
    const char *kind = getenv("TERM");
    const char *no_colours = getenv("NO_COLOR");
    *view = (struct view){.json = json, .utf8 = locale_is_utf8()};
    view->terminal = !json && isatty(STDOUT_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
    view->colours = !no_colours || !*no_colours;
}

/* Columns that may be written to. */
static size_t columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return (size_t)size.ws_col - 1;
    return 79;
}

static void append(char *text, size_t room, const char *more)
{
    size_t used = strlen(text);
    (void)snprintf(text + used, room - used, "%s", more);
}

/* Of `width` columns, as much as is done of the whole. */
static void append_bar(char *text, size_t room, const struct view *view, size_t width, int64_t done,
                       int64_t whole)
{
    size_t full = whole > 0 ? (size_t)((double)width * (double)done / (double)whole) : width;
    for (size_t i = 0; i < width; i++)
        append(text, room,
               i < full ? (view->utf8 ? "\xe2\x96\x88" : "#") : (view->utf8 ? "\xe2\x96\x91" : "-"));
}

static const char *colour(bide_countdown_state state)
{
    if (state == BIDE_COUNTDOWN_RUNNING) return "\x1b[32m";
    return state == BIDE_COUNTDOWN_PAUSED ? "\x1b[33m" : "\x1b[2m";
}

/* "Work  ████░░░░  12:34 / 25:00  paused"; what there is no room for is left out, the time last. */
static void draw(struct view *view, const bide_countdown_status *status)
{
    enum { BAR_LEAST = 4, BAR_MOST = 60, NAME_MOST = 24 };
    char line[2048] = "";
    char name[128];
    char left[32];
    char length[32];
    char times[80];
    int64_t whole = status_whole(status);
    (void)snprintf(times, sizeof times, "%s / %s", seconds_text(left, status->cycle.seconds),
                   seconds_text(length, whole));
    const char *state = bide_countdown_state_name(status->state);
    size_t room = columns();

    if (room < strlen(times)) (void)snprintf(times, sizeof times, "%.*s", (int)room, left);
    room -= strlen(times);
    bool states = room >= strlen(state) + 2;
    if (states) room -= strlen(state) + 2;
    size_t wide = printable(name, sizeof name, status->cycle.name,
                            room > 2 + NAME_MOST ? NAME_MOST
                            : room > 2           ? room - 2
                                                 : 0);
    if (wide > 0) room -= wide + 2;
    size_t bar = room >= BAR_LEAST + 2 ? room - 2 : 0;
    if (bar > BAR_MOST) bar = BAR_MOST;

    if (view->colours) append(line, sizeof line, colour(status->state));
    if (wide > 0) append(line, sizeof line, name);
    if (wide > 0) append(line, sizeof line, "  ");
    if (bar > 0) append_bar(line, sizeof line, view, bar, whole - status->cycle.seconds, whole);
    if (bar > 0) append(line, sizeof line, "  ");
    append(line, sizeof line, times);
    if (states) append(line, sizeof line, "  ");
    if (states) append(line, sizeof line, state);
    if (view->colours) append(line, sizeof line, "\x1b[0m");
    (void)printf("\r%s\x1b[J", line);
    view->drawn = true;
}

static void print(struct view *view, const bide_countdown_client *client)
{
    char line[1024];
    if (view->json)
        (void)snprintf(line, sizeof line, "%.*s", (int)client->answer_length, client->answer);
    else
        status_text(line, sizeof line, client->status);
    if (strcmp(line, view->last) == 0) return;
    (void)memcpy(view->last, line, sizeof line);
    if (view->json)
        (void)printf("%.*s\n", (int)client->answer_length, client->answer);
    else
        (void)printf("%s\n", line);
}

/* Whether it could be shown. */
static bool show(struct view *view, const bide_countdown_client *client)
{
    if (view->terminal)
        draw(view, client->status);
    else
        print(view, client);
    return fflush(stdout) == 0;
}

static int watch_connection(struct connection *connection, struct view *view)
{
    while (!ended) {
        int error = bide_countdown_ask_get(&connection->client);
        if (!error) error = connection_run(connection);
        if (error) return error;
        if (!show(view, &connection->client)) return BIDE_EIO;
        error = bide_event_wait(&look, bide_after(period));
        if (error && error != BIDE_ETIMEDOUT) return error;
    }
    return 0;
}

int watch(const struct settings *settings, const struct request *request)
{
    (void)bide_event_init(&look, BIDE_EVENT_AUTO);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGWINCH, &action, NULL);
    struct connection *connection = connection_open(settings, request->timeout);
    if (!connection) return PROGRAM_FAILED;
    struct view view;
    view_init(&view, request->json);
    int error = watch_connection(connection, &view);
    if (view.drawn) (void)printf("\n");
    (void)fflush(stdout);
    int status = PROGRAM_OK;
    if (error == BIDE_EIO)
        status = program_fail("standard output", bide_last_error());
    else if (error == BIDE_EEOF || error == BIDE_EPIPE || error == BIDE_ECONNRESET)
        status = program_fail("the server has gone", error);
    else if (error)
        status = connection_failed(connection, error);
    connection_close(connection);
    return status;
}
