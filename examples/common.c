/* See common.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the command line --- */

/* The program that runs: it is named when its output cannot be written. */
static const char *running = "example";

static const char *space_before(const char *text)
{
    return *text ? " " : "";
}

static void print_help(const struct example_program *program)
{
    (void)printf("usage: %s%s%s\n%s", program->name, space_before(program->synopsis), program->synopsis,
                 program->about);
    for (size_t i = 0; i < program->option_count; i++)
        (void)printf("  %-22s %s\n", program->options[i].name, program->options[i].help);
    (void)printf("  %-22s %s\n", "--help", "print this");
}

void example_usage_error(const struct example_program *program, const char *what, const char *which)
{
    (void)fprintf(stderr, "%s: %s: %s\nusage: %s%s%s\n", program->name, which, what, program->name,
                  space_before(program->synopsis), program->synopsis);
    exit(EXAMPLE_USAGE);
}

static bool parse_count(const char *text, long *out)
{
    /* strtol alone would take blanks and signs as well. */
    if (*text < '0' || *text > '9') return false;
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= 1;
}

static void set_option(const struct example_program *program, const struct example_option *option,
                       const char *text)
{
    switch (option->kind) {
    case EXAMPLE_FLAG: *(bool *)option->value = true; break;
    case EXAMPLE_COUNT:
        if (!parse_count(text, option->value))
            example_usage_error(program, "not a number of at least 1", text);
        break;
    case EXAMPLE_DURATION:
        if (!example_parse_duration(text, option->value))
            example_usage_error(program, "not a duration such as 500ms, 2s or 1.5s", text);
        break;
    case EXAMPLE_ADDRESS: {
        int error = example_parse_address(text, option->value);
        if (error == BIDE_EADDRSYNTAX)
            example_usage_error(program,
                                "not a numeric address with a port, such as 127.0.0.1:80 or [::1]:80", text);
        else if (error)
            example_usage_error(program, bide_strerror(error), text);
        break;
    }
    case EXAMPLE_STRING:
        if (!*text) example_usage_error(program, "must not be empty", option->name);
        *(const char **)option->value = text;
        break;
    case EXAMPLE_HOST: {
        struct example_host *host = option->value;
        if (bide_host_split(text, host->name, sizeof host->name, &host->port) != 0)
            example_usage_error(program, "not a host with a port, such as localhost:80 or [::1]:80", text);
        break;
    }
    case EXAMPLE_COMMAND: break; /* more than a text: see example_arguments() */
    }
}

/* The option that `word` names, as in "--timeout" or "--timeout=2s"; `*text` is what follows a
 * '=', or NULL. */
static const struct example_option *find_option(const struct example_program *program, const char *word,
                                                const char **text)
{
    size_t length = strcspn(word, "=");
    *text = word[length] == '=' ? word + length + 1 : NULL;
    for (size_t i = 0; i < program->option_count; i++) {
        const char *name = program->options[i].name;
        if (strlen(name) == length && strncmp(name, word, length) == 0) return &program->options[i];
    }
    return NULL;
}

void example_arguments(const struct example_program *program, int argc, char **argv)
{
    running = program->name;
    size_t given = 0;
    size_t wanted = program->argument ? 1 + program->further_arguments : 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(program);
            exit(example_end(EXAMPLE_OK));
        }
        if (word[0] == '-') {
            const char *text;
            const struct example_option *option = find_option(program, word, &text);
            if (!option) example_usage_error(program, "no such option", word);
            if (option->kind == EXAMPLE_FLAG && text)
                example_usage_error(program, "takes no value", option->name);
            if (!text) text = option->kind == EXAMPLE_FLAG ? "" : argv[++i];
            if (!text) example_usage_error(program, "needs a value", word);
            set_option(program, option, text);
        } else if (program->argument && program->argument->kind == EXAMPLE_COMMAND) {
            *(char ***)program->argument->value = argv + i;
            return;
        } else if (given < wanted) {
            set_option(program, &program->argument[given++], word);
        } else {
            example_usage_error(program, "one argument too many", word);
        }
    }
    if (given < wanted) example_usage_error(program, "missing", program->argument[given].name);
}

int example_end(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "%s: standard output: %s\n", running, strerror(errno));
        return EXAMPLE_FAILED;
    }
    return status;
}

int example_fail(const struct example_program *program, const char *what, bide_ssize error)
{
    (void)fprintf(stderr, "%s: %s: %s (%s)\n", program->name, what, bide_strerror(error),
                  bide_error_name(error));
    return EXAMPLE_FAILED;
}

/* --- text --- */

bool example_parse_duration(const char *text, bide_duration *out)
{
    static const struct {
        const char *name;
        bide_duration length;
    } units[] = {{"ns", BIDE_NANOSECONDS(1)}, {"us", BIDE_MICROSECONDS(1)}, {"ms", BIDE_MILLISECONDS(1)},
                 {"s", BIDE_SECONDS(1)},      {"m", BIDE_MINUTES(1)},       {"h", BIDE_HOURS(1)}};
    size_t whole = strspn(text, "0123456789");
    size_t number = whole;
    if (whole == 0) return false;
    if (text[whole] == '.') {
        size_t fraction = strspn(text + whole + 1, "0123456789");
        if (fraction == 0) return false;
        number += 1 + fraction;
    }
    bide_duration unit = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text + number, units[i].name) == 0) unit = units[i].length;
    if (unit == 0) return false;

    /* In whole nanoseconds, digit by digit: no rounding, and no locale's idea of a decimal point. */
    bide_duration sum = 0;
    for (size_t i = 0; i < whole; i++) {
        if (sum > (BIDE_DURATION_MAX - 9) / 10) return false;
        sum = sum * 10 + (text[i] - '0');
    }
    if (sum > BIDE_DURATION_MAX / unit - 1) return false;
    sum *= unit;
    for (size_t i = whole + 1; i < number; i++) {
        unit /= 10;
        sum += unit * (text[i] - '0');
    }
    *out = sum;
    return true;
}

int example_parse_address(const char *text, bide_address *out)
{
    static const char name[] = "localhost:";
    static const char number[] = "127.0.0.1:";
    if (strncmp(text, name, sizeof name - 1) != 0) return bide_address_parse(out, text);
    char numeric[EXAMPLE_TEXT];
    int length = snprintf(numeric, sizeof numeric, "%s%s", number, text + sizeof name - 1);
    if (length < 0 || (size_t)length >= sizeof numeric) return BIDE_EADDRSYNTAX;
    return bide_address_parse(out, numeric);
}

const char *example_duration_text(char text[EXAMPLE_TEXT], bide_duration duration)
{
    double ns = (double)duration;
    double size = ns < 0 ? -ns : ns;
    if (size < 1e3)
        (void)snprintf(text, EXAMPLE_TEXT, "%.0f ns", ns);
    else if (size < 1e6)
        (void)snprintf(text, EXAMPLE_TEXT, "%.1f us", ns / 1e3);
    else if (size < 1e9)
        (void)snprintf(text, EXAMPLE_TEXT, "%.2f ms", ns / 1e6);
    else
        (void)snprintf(text, EXAMPLE_TEXT, "%.3f s", ns / 1e9);
    return text;
}

const char *example_address_text(char text[EXAMPLE_TEXT], const bide_address *address)
{
    if (bide_address_format(address, text, EXAMPLE_TEXT) < 0) (void)snprintf(text, EXAMPLE_TEXT, "?");
    return text;
}

/* --- tables --- */

void example_row(const struct example_table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->columns; i++) {
        /* No blanks at the line's end. */
        int width = i + 1 == table->columns && table->widths[i] < 0 ? 0 : table->widths[i];
        (void)printf("%s%*s", i ? "  " : "", width, cells[i]);
    }
    (void)putchar('\n');
    (void)fflush(stdout);
}

void example_heading(const struct example_table *table, const char *const *cells)
{
    example_row(table, cells);
    for (size_t i = 0; i < table->columns; i++) {
        (void)printf("%s", i ? "  " : "");
        for (int left = abs(table->widths[i]); left > 0; left--)
            (void)putchar('-');
    }
    (void)putchar('\n');
}
