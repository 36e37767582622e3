/* bide-countdown: a countdown that several programs share. The command line; see the manual page.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "program.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: bide-countdown COMMAND [OPTION]...\n";

static const char help[] =
    "A countdown, such as one of work and rest, that several programs share.\n"
    "\n"
    "  serve            keep a countdown, until SIGINT or SIGTERM\n"
    "  start            start it from the beginning\n"
    "  pause            pause it\n"
    "  resume           let it run on\n"
    "  stop             stop it\n"
    "  get              show it\n"
    "  set DURATION     set what remains of its cycle: 90s, 25m, 1h30m, 25:00\n"
    "  watch            show it all the time, until SIGINT\n"
    "\n"
    "where the server is, for all commands:\n"
    "  --unix PATH      a Unix socket ($XDG_RUNTIME_DIR/bide-countdown.sock)\n"
    "  --config FILE    settings to read ($XDG_CONFIG_HOME/bide-countdown.conf, if it is there)\n"
    "\n"
    "options of serve:\n"
    "  --listen ADDR    also or only on TCP: 127.0.0.1:7799, [::1]:7799, localhost:7799\n"
    "  --preset NAME    pomodoro (the default), 52/17, 112/26\n"
    "  --cycle CYCLE    a cycle such as \"Short rest 5m\"; give it several times\n"
    "  --loops COUNT    how often through all cycles (infinite)\n"
    "  --clients COUNT  how many clients at once (256)\n"
    "  --verbose        tell on standard output what happens\n"
    "\n"
    "options of the others:\n"
    "  --connect ADDR   a server on TCP: ADDRESS:PORT or HOST:PORT\n"
    "  --timeout DURATION  how long the server may take to answer (5s)\n"
    "  --json           print what the server answers, as it is\n"
    "\n"
    "  --help           print this\n"
    "  --version        print the version\n"
    "\n"
    "Exits with 0: done, 1: failed, 2: wrong usage.\n";

struct command_line {
    const char *command, *config;
    const char *preset, *loops;
    bool verbose;
    struct request request;
    struct settings settings; /* what was given there; `cycles` and `places` stand for those of the file */
};

static int usage_error(const char *what, const char *why)
{
    (void)fprintf(stderr, "bide-countdown: %s: %s\n%stry: bide-countdown --help\n", what, why, usage);
    return PROGRAM_USAGE;
}

/* Flushes standard output. Returns `status`, or PROGRAM_FAILED if it could not be written. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    return status == PROGRAM_OK ? program_fail("standard output", bide_last_error()) : status;
}

/* --- options --- */

static const char *take_switch(struct command_line *line, const char *name)
{
    if (strcmp(name, "--json") == 0)
        line->request.json = true;
    else if (strcmp(name, "--verbose") == 0)
        line->verbose = true;
    else
        return "no such option";
    return NULL;
}

static const char *set_text(const char **out, const char *text)
{
    *out = text;
    return *text ? NULL : "must not be empty";
}

static const char *set_timeout(bide_duration *out, const char *text)
{
    int64_t seconds;
    const char *wrong = settings_set_seconds(&seconds, text);
    if (wrong) return wrong;
    *out = BIDE_SECONDS(seconds);
    return NULL;
}

/* What takes a value: `*wrong` is what is wrong with it. Returns whether there is such an option. */
static bool take_option(struct command_line *line, const char *name, const char *value, const char **wrong)
{
    struct settings *settings = &line->settings;
    bool serves = line->command && strcmp(line->command, "serve") == 0;
    if (strcmp(name, "--unix") == 0)
        *wrong = settings_add_place(settings, true, value);
    else if (strcmp(name, "--config") == 0)
        *wrong = set_text(&line->config, value);
    else if (serves && strcmp(name, "--listen") == 0)
        *wrong = settings_add_place(settings, false, value);
    else if (serves && strcmp(name, "--preset") == 0)
        *wrong = set_text(&line->preset, value);
    else if (serves && strcmp(name, "--cycle") == 0)
        *wrong = settings_add_cycle(settings, value);
    else if (serves && strcmp(name, "--loops") == 0)
        *wrong = set_text(&line->loops, value);
    else if (serves && strcmp(name, "--clients") == 0)
        *wrong = settings_set_count(&settings->clients, value);
    else if (!serves && strcmp(name, "--connect") == 0)
        *wrong = settings_add_place(settings, false, value);
    else if (!serves && strcmp(name, "--timeout") == 0)
        *wrong = set_timeout(&line->request.timeout, value);
    else
        return false;
    return true;
}

static bool takes_value(const char *name)
{
    static const char *const names[] = {"--unix",  "--config",  "--listen",  "--preset", "--cycle",
                                        "--loops", "--clients", "--connect", "--timeout"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool is_command(const char *word)
{
    static const char *const names[] = {"serve", "start", "pause", "resume", "stop", "get", "set", "watch"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0) return true;
    return false;
}

/* A word that is no option. */
static int take_word(struct command_line *line, const char *word)
{
    static bool set_given;
    if (line->command && strcmp(line->command, "set") == 0 && !set_given) {
        set_given = true;
        const char *wrong = settings_set_seconds(&line->request.seconds, word);
        return wrong ? usage_error(word, wrong) : PROGRAM_OK;
    }
    return usage_error(word, "one argument too many");
}

/* One option at `argv`, or "--name=value" in one word. `*used`: how many words it took. */
static int take_words(struct command_line *line, char **argv, int *used)
{
    char name[32];
    const char *word = argv[0];
    size_t length = strcspn(word, "=");
    *used = 1;
    if (word[0] != '-' || !word[1]) return take_word(line, word);
    if (length >= sizeof name) return usage_error(word, "no such option");
    (void)memcpy(name, word, length);
    name[length] = '\0';
    const char *wrong = NULL;
    if (!takes_value(name)) {
        wrong = word[length] == '=' ? "takes no value" : take_switch(line, name);
        return wrong ? usage_error(word, wrong) : PROGRAM_OK;
    }
    const char *value = word[length] == '=' ? word + length + 1 : argv[1];
    if (word[length] != '=') *used = 2;
    if (!value) return usage_error(word, "needs a value");
    if (!take_option(line, name, value, &wrong)) return usage_error(name, "not an option of this command");
    return wrong ? usage_error(value, wrong) : PROGRAM_OK;
}

static int read_command_line(struct command_line *line, int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "%stry: bide-countdown --help\n", usage);
        return PROGRAM_USAGE;
    }
    if (!is_command(argv[1])) return usage_error(argv[1], "no such command");
    line->command = argv[1];
    int used;
    for (int i = 2; i < argc; i += used) {
        int status = take_words(line, argv + i, &used);
        if (status) return status;
    }
    if (strcmp(line->command, "set") == 0 && line->request.seconds < 0)
        return usage_error("set", "needs a length of time");
    line->request.command = line->command;
    return PROGRAM_OK;
}

/* --- settings from both --- */

/* The file that is read if it is there. Returns whether it has a name. */
static bool default_config(char *path, size_t room)
{
    const char *folder = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (folder && *folder == '/')
        (void)snprintf(path, room, "%s/bide-countdown.conf", folder);
    else if (home && *home)
        (void)snprintf(path, room, "%s/.config/bide-countdown.conf", home);
    else
        return false;
    return access(path, F_OK) == 0;
}

/* The file first, then what the command line says instead. */
static int make_settings(struct command_line *line, struct settings *settings)
{
    char path[1024];
    if (line->config || default_config(path, sizeof path)) {
        if (!settings_read(settings, line->config ? line->config : path)) return PROGRAM_FAILED;
    }
    struct settings *given = &line->settings;
    if (given->clients > 0) settings->clients = given->clients;
    if (given->place_count > 0) {
        settings_forget_places(settings);
        (void)memcpy(settings->places, given->places, sizeof given->places);
        settings->place_count = given->place_count;
        given->place_count = 0;
    }
    const char *wrong = line->preset ? settings_use_preset(settings, line->preset) : NULL;
    if (wrong) return usage_error(line->preset, wrong);
    if (given->cycle_count > 0) {
        settings_forget_cycles(settings);
        settings->cycles = given->cycles;
        settings->cycle_count = given->cycle_count;
        given->cycles = NULL;
        given->cycle_count = 0;
    }
    wrong = line->loops ? settings_set_loops(settings, line->loops) : NULL;
    if (wrong) return usage_error(line->loops, wrong);
    return settings_complete(settings) ? PROGRAM_OK : PROGRAM_FAILED;
}

static int run(struct command_line *line, const struct settings *settings)
{
    if (strcmp(line->command, "serve") == 0) return serve(settings, line->verbose);
    if (strcmp(line->command, "watch") == 0) return watch(settings, &line->request);
    return run_request(settings, &line->request);
}

int main(int argc, char **argv)
{
    (void)setlocale(LC_CTYPE, "");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)printf("%s%s", usage, help);
            return finish(PROGRAM_OK);
        }
        if (strcmp(argv[i], "--version") == 0) {
            (void)printf("bide-countdown %s\n", bide_version_string());
            return finish(PROGRAM_OK);
        }
    }
    static struct command_line line = {.request = {.seconds = -1, .timeout = BIDE_SECONDS(5)}};
    static struct settings settings;
    settings_init(&settings);
    int status = read_command_line(&line, argc, argv);
    if (!status) status = make_settings(&line, &settings);
    if (!status) status = run(&line, &settings);
    settings_free(&settings);
    settings_free(&line.settings);
    return finish(status);
}
