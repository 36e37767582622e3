/* A TCP proxy: connects each client to one host, and moves bytes both ways. A task for each client, and one for each
 * direction.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "relay.h"
#include "service.h"

#include <stdio.h>

static struct example_host host;
static bide_duration connect_limit = BIDE_SECONDS(10), idle = BIDE_MINUTES(10);

static int serve(struct service *service, bide_async *client);

static struct service service = {.connections = 1000, .drain = BIDE_SECONDS(3), .serve = serve};

static const struct example_option options[] = {
    SERVICE_OPTIONS(service, "127.0.0.1:7779", "3s"),
    {"--connect", EXAMPLE_DURATION, &connect_limit, "how long a connect to HOST may take (10s)"},
    {"--idle", EXAMPLE_DURATION, &idle, "a client for which nothing moves for so long is dropped (10m)"},
};

static const struct example_option argument = {"HOST:PORT", EXAMPLE_HOST, &host, NULL};

static const struct example_program program = {
    .name = "proxy",
    .synopsis = SERVICE_SYNOPSIS " [--connect DURATION] [--idle DURATION] HOST:PORT",
    .about = "Connects each of its clients to HOST:PORT, and moves bytes both ways until both have ended; "
             "who has\n"
             "said all may still listen. The first line it prints is the address that it listens on.\n"
             "SIGTERM or SIGINT: accepts no more, serves those who are connected until they leave or the\n"
             "time to drain is over, and exits with 0. A second one: drops them.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

static int serve(struct service *unused, bide_async *client)
{
    bide_async *server;
    (void)unused;
    int error = bide_tcp_connect_host(&server, host.name, host.port, bide_after(connect_limit), NULL);
    if (error) {
        if (error != BIDE_ECANCELED) (void)example_fail(&program, host.name, error);
        return error;
    }
    (void)bide_tcp_set_nodelay(server, true);
    error = relay(client, server, idle);
    (void)bide_async_free(server);
    return error;
}

int main(int argc, char **argv)
{
    service.program = &program;
    service.address = bide_address_loopback(7779);
    example_arguments(&program, argc, argv);
    return service_main(&service);
}
