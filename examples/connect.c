/* Connects to a TCP address with a time-out, and tells how it went and how long it took.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>

static bide_address address;
static bide_duration timeout = BIDE_SECONDS(10);

static const struct example_option argument = {"HOST:PORT", EXAMPLE_ADDRESS, &address, ""};
static const struct example_option options[] = {
    {"--timeout", EXAMPLE_DURATION, &timeout, "give up after this long, as in 500ms or 1.5s (10s)"},
};

static const struct example_program program = {
    .name = "connect",
    .synopsis = "HOST:PORT [--timeout DURATION]",
    .about =
        "Connects by TCP, says how that went and how long it took, and closes the connection.\n"
        "HOST is a numeric address (192.0.2.1, or [2001:db8::1] in brackets) or localhost, which is\n"
        "127.0.0.1. Exits with 0: connected, 1: refused or another error, 2: wrong usage, 124: timed out.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);

    bide_instant start = bide_now();
    bide_async *conn;
    int error = bide_tcp_connect(&conn, &address, bide_instant_add(start, timeout));
    bide_duration took = bide_instant_since(bide_now(), start);

    char where[EXAMPLE_TEXT];
    char time[EXAMPLE_TEXT];
    (void)printf("%s: %s after %s\n", example_address_text(where, &address),
                 error ? bide_strerror(error) : "connected", example_duration_text(time, took));
    (void)bide_async_free(conn);
    if (error == BIDE_ETIMEDOUT) return example_end(EXAMPLE_TIMED_OUT);
    return example_end(error ? EXAMPLE_FAILED : EXAMPLE_OK);
}
