/* An echo server for TCP: sends back what it is sent, stops in good order on SIGTERM and SIGINT.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "echo.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static bide_address address;
static struct echo_settings settings = {.connections = 1000, .drain = BIDE_SECONDS(3)};

static const struct example_option options[] = {
    {"--listen", EXAMPLE_ADDRESS, &address,
     "ADDRESS:PORT to listen on, port 0 is any free one (127.0.0.1:7777)"},
    {"--connections", EXAMPLE_COUNT, &settings.connections, "served at once at most, the others wait (1000)"},
    {"--drain", EXAMPLE_DURATION, &settings.drain, "how long clients are served after a stop (3s)"},
};

static const struct example_program program = {
    .name = "echo_server",
    .synopsis = "[--listen ADDRESS:PORT] [--connections COUNT] [--drain DURATION]",
    .about = "Sends back what it is sent. The first line it prints is the address that it listens on.\n"
             "SIGTERM or SIGINT: accepts no more, serves those who are connected until they leave or the\n"
             "time to drain is over, and exits with 0. A second one: exits at once.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static bide_event stop;

/* bide_event_set may be called in a signal handler; that is all it takes. */
static void on_signal(int number)
{
    (void)number;
    bide_event_set(&stop);
}

static void report(const char *what, bide_ssize error)
{
    if (error)
        (void)example_fail(&program, what, error);
    else
        (void)fprintf(stderr, "%s: %s\n", program.name, what);
}

int main(int argc, char **argv)
{
    address = bide_address_loopback(7777);
    example_arguments(&program, argc, argv);
    settings.report = report;

    int error = bide_event_init(&stop, BIDE_EVENT_AUTO);
    if (error) return example_fail(&program, "making the event", error);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);

    char text[EXAMPLE_TEXT];
    bide_async *listener;
    error = bide_tcp_listen(&listener, &address, 0);
    if (error) return example_fail(&program, example_address_text(text, &address), error);
    error = bide_async_local_address(listener, &address);
    if (error) return example_fail(&program, "asking for the address", error);
    (void)printf("%s\n", example_address_text(text, &address));
    if (example_end(EXAMPLE_OK) != EXAMPLE_OK) return EXAMPLE_FAILED;

    struct echo_counts counts;
    error = echo_serve(listener, &stop, &settings, &counts);
    (void)printf("%" PRIu64 " connections, %" PRIu64 " bytes sent back, %" PRIu64 " connections dropped\n",
                 counts.accepted, counts.bytes, counts.dropped);
    if (error) return example_fail(&program, "serving", error);
    return example_end(EXAMPLE_OK);
}
