/* bide-countdown: what its files share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef COUNTDOWN_PROGRAM_H
#define COUNTDOWN_PROGRAM_H

#include <bide.h>
#include <bide/countdown.h>

enum { PROGRAM_OK = 0, PROGRAM_FAILED = 1, PROGRAM_USAGE = 2 };

/* Prints "bide-countdown: <what>: <the error in words>" on standard error. Returns PROGRAM_FAILED. */
int program_fail(const char *what, bide_ssize error);

/* --- settings (settings.c): the command line's and the configuration file's --- */

enum { PLACES = 16, HOOKS = BIDE_COUNTDOWN_EVENT_STOPPED + 1 };

/* Where a server listens, and a client connects to. */
struct place {
    bool is_unix;
    char *text; /* a path; or ADDRESS:PORT, for clients also HOST:PORT */
};

struct settings {
    bide_countdown_cycle *cycles; /* with names of ours */
    size_t cycle_count;
    int64_t loops;
    struct place places[PLACES];
    size_t place_count;
    char *hooks[HOOKS]; /* the command for each kind of event, or NULL */
    int64_t hook_seconds;
    int64_t clients;
    int64_t patience; /* seconds that a request, or the reading of its answer, may take */
};

void settings_init(struct settings *settings);
void settings_free(struct settings *settings);

/* Each sets one thing from its text. Returns NULL, or what is wrong with it. */
const char *settings_add_cycle(struct settings *settings, const char *text);
const char *settings_use_preset(struct settings *settings, const char *name);
const char *settings_set_loops(struct settings *settings, const char *text);
const char *settings_add_place(struct settings *settings, bool is_unix, const char *text);
const char *settings_set_count(int64_t *out, const char *text);
const char *settings_set_seconds(int64_t *out, const char *text);
void settings_forget_cycles(struct settings *settings);
void settings_forget_places(struct settings *settings);

/* Reads a file of `key = value` lines. Prints what is wrong. Returns whether all is well. */
bool settings_read(struct settings *settings, const char *path);

/* Fills in what nobody has set: pomodoro, and the socket of the user. Returns false without memory. */
bool settings_complete(struct settings *settings);

/* Reads "90", "90s", "25m", "1h30m", "25:00", "1:30:00" into seconds. Returns whether it is one of these. */
bool parse_seconds(const char *text, int64_t *out);

/* --- text for people (text.c) --- */

/* Writes "5:00" or "1:30:00". Returns `text`. */
const char *seconds_text(char text[32], int64_t seconds);

/* Copies a name for a terminal or a line of text: what cannot be printed becomes '?'; at most `columns` wide.
 * Returns how many columns it takes. */
size_t printable(char *out, size_t room, const char *name, size_t columns);

/* Whether the locale's characters are UTF-8. */
bool locale_is_utf8(void);

/* --- what the commands do --- */

/* Runs the server until it is told to stop. `verbose`: tells events on standard output. */
int serve(const struct settings *settings, bool verbose);

struct request {
    const char *command; /* "start", "get" … */
    int64_t seconds;     /* of set */
    bool json;
    bide_duration timeout;
};

int run_request(const struct settings *settings, const struct request *request);
int watch(const struct settings *settings, const struct request *request);

/* --- a client's connection (client.c) --- */

struct connection {
    bide_async *conn;
    bide_duration timeout;
    bide_countdown_client client;
    char buffer[BIDE_COUNTDOWN_LINE_MAX];
};

/* Connects to the first place. Prints what is wrong. Returns NULL then. */
struct connection *connection_open(const struct settings *settings, bide_duration timeout);
void connection_close(struct connection *connection);

/* Drives the request that was asked to its end. Returns 0 or an error. */
int connection_run(struct connection *connection);

/* Tells on standard error why a request failed. Returns PROGRAM_FAILED. */
int connection_failed(const struct connection *connection, int error);

/* Writes the status in a line for people: "running  Work  12:34 of 25:00". */
void status_text(char *text, size_t room, const bide_countdown_status *status);

/* The configured length of the present cycle, as well as can be told by its name; at least what remains. */
int64_t status_whole(const bide_countdown_status *status);

/* --- hooks (hooks.c) --- */

struct hooks;

/* Starts the task that runs them, in the calling task's scheduler. Returns 0 or an error. */
int hooks_start(struct hooks **out, const struct settings *settings);

/* Has the event's command run, if it has one, after those of the events before it. Does not wait. */
void hooks_put(struct hooks *hooks, const bide_countdown_event *event);

/* Waits until all have run. Returns 0, or why it did not wait so long. */
int hooks_drain(struct hooks *hooks, bide_instant deadline);

/* After the scheduler has ended. */
void hooks_free(struct hooks *hooks);

#endif
