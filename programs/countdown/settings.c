/* Settings: see program.h, and the manual page for the file's format.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static const char no_memory[] = "out of memory";

void settings_init(struct settings *settings)
{
    *settings = (struct settings){.hook_seconds = 30, .clients = 256, .patience = 10};
}

void settings_forget_cycles(struct settings *settings)
{
    for (size_t i = 0; i < settings->cycle_count; i++)
        free((void *)(uintptr_t)settings->cycles[i].name);
    free(settings->cycles);
    settings->cycles = NULL;
    settings->cycle_count = 0;
}

void settings_forget_places(struct settings *settings)
{
    while (settings->place_count > 0)
        free(settings->places[--settings->place_count].text);
}

void settings_free(struct settings *settings)
{
    settings_forget_cycles(settings);
    settings_forget_places(settings);
    for (size_t i = 0; i < HOOKS; i++)
        free(settings->hooks[i]);
}

/* --- numbers --- */

static bool parse_count(const char **text, int64_t most, int64_t *out)
{
    if (!isdigit((unsigned char)**text)) return false;
    *out = 0;
    for (; isdigit((unsigned char)**text); ++*text) {
        *out = *out * 10 + (**text - '0');
        if (*out > most) return false;
    }
    return true;
}

/* Colons: each part but the first is under 60. */
static bool parse_clock(const char *text, int64_t *out)
{
    int64_t sum = 0;
    for (int parts = 0; parts < 3; parts++) {
        int64_t part;
        const char *start = text;
        if (!parse_count(&text, BIDE_COUNTDOWN_SECONDS_MAX, &part)) return false;
        if (parts > 0 && (part > 59 || text - start != 2)) return false;
        sum = sum * 60 + part;
        if (sum > BIDE_COUNTDOWN_SECONDS_MAX) return false;
        if (*text == '\0') break;
        if (*text++ != ':') return false;
    }
    *out = sum;
    return text[-1] != ':' && *text == '\0';
}

static bool parse_units(const char *text, int64_t *out)
{
    static const struct {
        char name;
        int64_t seconds;
    } units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
    int64_t sum = 0;
    size_t unit = 0;
    while (*text) {
        int64_t part;
        if (!parse_count(&text, BIDE_COUNTDOWN_SECONDS_MAX, &part)) return false;
        while (unit < 3 && units[unit].name != *text)
            unit++;
        if (unit == 3 || part > BIDE_COUNTDOWN_SECONDS_MAX / units[unit].seconds) return false;
        sum += part * units[unit++].seconds;
        if (sum > BIDE_COUNTDOWN_SECONDS_MAX) return false;
        text++;
    }
    *out = sum;
    return true;
}

bool parse_seconds(const char *text, int64_t *out)
{
    if (*text == '\0') return false;
    if (strchr(text, ':')) return parse_clock(text, out);
    const char *end = text;
    if (parse_count(&end, BIDE_COUNTDOWN_SECONDS_MAX, out) && *end == '\0') return true;
    return parse_units(text, out);
}

const char *settings_set_seconds(int64_t *out, const char *text)
{
    return parse_seconds(text, out) ? NULL : "no length of time, such as 90s, 25m, 1h30m or 25:00";
}

const char *settings_set_count(int64_t *out, const char *text)
{
    int64_t count;
    if (!parse_count(&text, 1000000, &count) || *text || count == 0) return "no number from 1 to 1000000";
    *out = count;
    return NULL;
}

const char *settings_set_loops(struct settings *settings, const char *text)
{
    settings->loops = 0;
    if (strcmp(text, "infinite") == 0) return NULL;
    if (!parse_count(&text, BIDE_COUNTDOWN_LOOPS_MAX, &settings->loops) || *text || settings->loops == 0)
        return "neither \"infinite\" nor a number from 1";
    return NULL;
}

/* --- cycles --- */

static const char *add_cycle(struct settings *settings, const char *name, size_t length, int64_t seconds)
{
    size_t count = settings->cycle_count;
    bide_countdown_cycle *cycles = realloc(settings->cycles, (count + 1) * sizeof *cycles);
    if (!cycles) return no_memory;
    settings->cycles = cycles;
    cycles[count].name = strndup(name, length);
    cycles[count].seconds = seconds;
    if (!cycles[count].name) return no_memory;
    settings->cycle_count++;
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

const char *settings_add_cycle(struct settings *settings, const char *text)
{
    size_t start = strlen(text);
    while (start > 0 && !is_blank(text[start - 1]))
        start--;
    int64_t seconds;
    if (!parse_seconds(text + start, &seconds))
        return "no name and length of time, such as \"Short rest 5m\"";
    while (start > 0 && is_blank(text[start - 1]))
        start--;
    return add_cycle(settings, text, start, seconds);
}

static const struct {
    const char *name;
    bide_countdown_cycle cycles[8];
    size_t count;
} presets[] = {
    {"pomodoro",
     {{"Work", 25 * 60},
      {"Short rest", 5 * 60},
      {"Work", 25 * 60},
      {"Short rest", 5 * 60},
      {"Work", 25 * 60},
      {"Short rest", 5 * 60},
      {"Work", 25 * 60},
      {"Long rest", 15 * 60}},
     8},
    {"52/17", {{"Work", 52 * 60}, {"Rest", 17 * 60}}, 2},
    {"112/26", {{"Work", 112 * 60}, {"Rest", 26 * 60}}, 2},
};

const char *settings_use_preset(struct settings *settings, const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(name, presets[i].name) != 0) continue;
        settings_forget_cycles(settings);
        const char *wrong = NULL;
        for (size_t k = 0; k < presets[i].count && !wrong; k++) {
            const bide_countdown_cycle *cycle = &presets[i].cycles[k];
            wrong = add_cycle(settings, cycle->name, strlen(cycle->name), cycle->seconds);
        }
        return wrong;
    }
    return "no preset; there are pomodoro, 52/17 and 112/26";
}

/* --- places --- */

const char *settings_add_place(struct settings *settings, bool is_unix, const char *text)
{
    if (*text == '\0') return "must not be empty";
    if (is_unix && strlen(text) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return "too long for a Unix socket";
    if (settings->place_count == PLACES) return "too many places to listen at";
    struct place *place = &settings->places[settings->place_count];
    place->is_unix = is_unix;
    place->text = strdup(text);
    if (!place->text) return no_memory;
    settings->place_count++;
    return NULL;
}

bool settings_complete(struct settings *settings)
{
    if (settings->cycle_count == 0 && settings_use_preset(settings, presets[0].name)) return false;
    if (settings->place_count > 0) return true;
    char path[512];
    const char *folder = getenv("XDG_RUNTIME_DIR");
    if (folder && *folder == '/')
        (void)snprintf(path, sizeof path, "%s/bide-countdown.sock", folder);
    else
        (void)snprintf(path, sizeof path, "/tmp/bide-countdown-%ld.sock", (long)getuid());
    const char *wrong = settings_add_place(settings, true, path);
    if (wrong) (void)fprintf(stderr, "bide-countdown: %s: %s\n", path, wrong);
    return !wrong;
}

/* --- the file --- */

static const char *set_hook(struct settings *settings, const char *event, const char *command)
{
    for (size_t i = 0; i < HOOKS; i++) {
        if (strcmp(event, bide_countdown_event_name((bide_countdown_event_kind)i)) != 0) continue;
        free(settings->hooks[i]);
        settings->hooks[i] = *command ? strdup(command) : NULL;
        return *command && !settings->hooks[i] ? no_memory : NULL;
    }
    return "no such event";
}

static const char *set_key(struct settings *settings, const char *key, const char *value)
{
    if (strcmp(key, "preset") == 0) return settings_use_preset(settings, value);
    if (strcmp(key, "cycle") == 0) return settings_add_cycle(settings, value);
    if (strcmp(key, "loops") == 0) return settings_set_loops(settings, value);
    if (strcmp(key, "listen") == 0) return settings_add_place(settings, false, value);
    if (strcmp(key, "unix") == 0) return settings_add_place(settings, true, value);
    if (strcmp(key, "clients") == 0) return settings_set_count(&settings->clients, value);
    if (strcmp(key, "patience") == 0) return settings_set_seconds(&settings->patience, value);
    if (strcmp(key, "hook-timeout") == 0) return settings_set_seconds(&settings->hook_seconds, value);
    if (strncmp(key, "on-", 3) == 0) return set_hook(settings, key + 3, value);
    return "no such key";
}

/* Without the blanks at both ends. */
static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

static const char *read_line(struct settings *settings, char *line)
{
    char *key = trimmed(line);
    if (*key == '\0' || *key == '#') return NULL;
    char *equals = strchr(key, '=');
    if (!equals) return "not \"key = value\"";
    *equals = '\0';
    return set_key(settings, trimmed(key), trimmed(equals + 1));
}

bool settings_read(struct settings *settings, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        (void)fprintf(stderr, "bide-countdown: %s: %s\n", path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t room = 0;
    size_t number = 0;
    bool well = true;
    while (getline(&line, &room, file) >= 0) {
        number++;
        const char *wrong = read_line(settings, line);
        if (!wrong) continue;
        (void)fprintf(stderr, "bide-countdown: %s:%zu: %s\n", path, number, wrong);
        well = false;
    }
    if (ferror(file)) {
        (void)fprintf(stderr, "bide-countdown: %s: %s\n", path, strerror(errno));
        well = false;
    }
    free(line);
    (void)fclose(file);
    return well;
}
