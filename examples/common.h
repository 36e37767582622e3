/* What the examples share: their command lines, durations and addresses as text, tables.
 *
 * Exit codes, the same in all of them: 0 done, 1 failed, 2 wrong usage; `connect` adds 124 for "timed out",
 * as timeout(1) does.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <bide.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { EXAMPLE_OK = 0, EXAMPLE_FAILED = 1, EXAMPLE_USAGE = 2, EXAMPLE_TIMED_OUT = 124 };

/* --- the command line --- */

/* What an option takes, and so what `value` points at. */
enum example_kind {
    EXAMPLE_FLAG,     /* bool: set when the option is given, which takes no value */
    EXAMPLE_COUNT,    /* long: at least 1 */
    EXAMPLE_DURATION, /* bide_duration: 500ms, 1.5s */
    EXAMPLE_ADDRESS,  /* bide_address: 127.0.0.1:80, [::1]:80, localhost:80 */
    EXAMPLE_STRING,   /* const char *: as it is, but not empty */
    EXAMPLE_HOST,     /* struct example_host: www.example.org:80, 127.0.0.1:80, [::1]:80 */
    EXAMPLE_COMMAND   /* char **: this word and all that follow it; for an argument, not for an option */
};

/* A host to be looked up, and a port. */
struct example_host {
    char name[BIDE_HOST_MAX]; /* or a numeric address, without brackets */
    uint16_t port;
};

struct example_option {
    const char *name; /* "--timeout" */
    enum example_kind kind;
    void *value; /* holds the default, and is set when the option is given */
    const char *help;
};

struct example_program {
    const char *name;
    const char *synopsis;                 /* what follows the name in the usage line */
    const char *about;                    /* lines under it */
    const struct example_option *options; /* `option_count` of them, besides --help */
    size_t option_count;
    const struct example_option *argument; /* one that must be given, without its name; or NULL */
    size_t further_arguments;              /* how many more, which follow it in its array */
};

/* Reads the command line into the options' values. Ends the program after --help, and with EXAMPLE_USAGE and
 * a line that names the mistake. */
void example_arguments(const struct example_program *program, int argc, char **argv);

/* Ends the program with EXAMPLE_USAGE, and a line that says what is wrong with which word. */
void example_usage_error(const struct example_program *program, const char *what, const char *which);

/* Flushes standard output and returns `status`, or EXAMPLE_FAILED if the output could not be written: for the
 * end of main. */
int example_end(int status);

/* Prints "<program>: <what>: <the error in words>" on standard error. Returns EXAMPLE_FAILED. */
int example_fail(const struct example_program *program, const char *what, bide_ssize error);

/* --- text --- */

/* Room for any text of the functions below. */
enum { EXAMPLE_TEXT = BIDE_ADDRESS_TEXT_MAX };

/* Reads "500ms", "2s", "1.5s", "100us", "10ns", "3m": a number and its unit. Returns whether it is one. */
bool example_parse_duration(const char *text, bide_duration *out);

/* Reads a numeric address, or "localhost:80", which is 127.0.0.1. Returns 0 or an error of
 * bide_address_parse(). */
int example_parse_address(const char *text, bide_address *out);

/* Writes a duration with the unit that suits it, such as "1.50 ms". Returns `text`. */
const char *example_duration_text(char text[EXAMPLE_TEXT], bide_duration duration);

/* Writes an address such as "127.0.0.1:80" or "[::1]:80". Returns `text`. */
const char *example_address_text(char text[EXAMPLE_TEXT], const bide_address *address);

/* --- tables --- */

struct example_table {
    size_t columns;
    const int *widths; /* as printf's %*s takes them: negative sets the text to the left */
};

/* Prints a line with one text for each column. */
void example_row(const struct example_table *table, const char *const *cells);

/* The same, with a line under it. */
void example_heading(const struct example_table *table, const char *const *cells);

#ifdef __cplusplus
}
#endif

#endif
