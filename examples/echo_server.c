/* An echo server for TCP: sends back what it is sent, stops in good order on SIGTERM and SIGINT. As one thread with a
 * state machine for each connection (echo.c), or with --tasks as a task for each (serve_task below), on several threads:
 * the same program twice, to be compared.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"
#include "echo.h"
#include "service.h"

#include <inttypes.h>
#include <stdio.h>

static int serve_task(struct service *service, bide_async *conn);

static struct service service = {.connections = 1000, .drain = BIDE_SECONDS(3), .serve = serve_task};
static bool tasks;
static _Atomic uint64_t sent_back;

static const struct example_option options[] = {
    SERVICE_OPTIONS(service, "127.0.0.1:7777", "3s"),
    {"--tasks", EXAMPLE_FLAG, &tasks, "a task for each connection; without: one thread with state machines"},
};

static const struct example_program program = {
    .name = "echo_server",
    .synopsis = SERVICE_SYNOPSIS " [--tasks]",
    .about = "Sends back what it is sent. The first line it prints is the address that it listens on.\n"
             "SIGTERM or SIGINT: accepts no more, serves those who are connected until they leave or the\n"
             "time to drain is over, and exits with 0. A second one: exits at once.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* The whole protocol. A buffer holds back what a client does not take, and so the client: see echo.c. */
static int serve_task(struct service *unused, bide_async *conn)
{
    char buffer[ECHO_BUFFER];
    bide_ssize count;
    (void)unused;
    while ((count = bide_read(conn, buffer, sizeof buffer, BIDE_NEVER)) > 0) {
        int error = bide_write_all(conn, buffer, (size_t)count, BIDE_NEVER, NULL);
        if (error) return error;
        atomic_fetch_add_explicit(&sent_back, (uint64_t)count, memory_order_relaxed);
    }
    return (int)count;
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
    service.program = &program;
    service.address = bide_address_loopback(7777);
    example_arguments(&program, argc, argv);

    bide_event *stop = service_signals(&service);
    if (!stop) return EXAMPLE_FAILED;
    int status = service_listen(&service);
    if (status != EXAMPLE_OK) return status;

    struct echo_counts counts;
    int error;
    if (tasks) {
        error = service_run(&service, stop);
        counts = (struct echo_counts){atomic_load(&service.accepted), atomic_load(&sent_back),
                                      atomic_load(&service.dropped)};
    } else {
        struct echo_settings settings = {service.connections, service.drain, report};
        error = echo_serve(service.listener, stop, &settings, &counts);
    }
    (void)printf("%" PRIu64 " connections, %" PRIu64 " bytes sent back, %" PRIu64 " connections dropped\n",
                 counts.accepted, counts.bytes, counts.dropped);
    if (error) return example_fail(&program, "serving", error);
    return example_end(EXAMPLE_OK);
}
