/* A TCP server of tasks, for the examples that are one: a task for each connection, so many at once, a good end on
 * SIGTERM and SIGINT.
 *
 *   SERVING --a signal--> DRAINING: no more are accepted --the last has left, time is over, or a second signal--> ended
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_SERVICE_H
#define EXAMPLES_SERVICE_H

#include "common.h"

#include <stdatomic.h>

struct service {
    const struct example_program *program;
    bide_address address; /* to listen on; then the one it has got */
    long connections;     /* served at once at most; more wait in the backlog */
    long workers;         /* threads; 0: one a processor */
    bide_duration drain;  /* for how long clients are served after a signal */

    /* Serves a connection, in a task of its own; the service frees it. A negative result counts as dropped. */
    int (*serve)(struct service *service, bide_async *conn);

    /* For `serve` to look at and to wait for: manual reset, set when draining begins, so that who has nothing to do
     * but to wait for a client may leave. */
    bide_event draining;

    _Atomic uint64_t accepted, dropped;

    /* Private. */
    bide_async *listener;
    bide_event *stop;
    bide_group *group;
    int error;
};

/* Listens, and prints the address. 0, or an exit code after it has said why not. */
int service_listen(struct service *service);

/* An event that is set from now on, once each time, when the program is asked to stop. NULL after it has said why not. */
bide_event *service_signals(const struct service *service);

/* Serves until `stop` is set, then drains. Frees the listener. Returns 0, or why it could not go on. */
int service_run(struct service *service, bide_event *stop);

/* All three, for the end of main: an exit code. */
int service_main(struct service *service);

/* The options that every one of them has: for the table of options, and the usage line. */
#define SERVICE_OPTIONS(service, where, drains)                                                       \
    {"--listen", EXAMPLE_ADDRESS, &(service).address,                                                 \
     "ADDRESS:PORT to listen on, port 0 is any free one (" where ")"},                                \
        {"--connections", EXAMPLE_COUNT, &(service).connections,                                      \
         "served at once at most, others wait (1000)"},                                               \
        {"--workers", EXAMPLE_COUNT, &(service).workers, "threads that run tasks (one a processor)"}, \
    {                                                                                                 \
        "--drain", EXAMPLE_DURATION, &(service).drain,                                                \
            "how long clients are served after a stop (" drains ")"                                   \
    }
#define SERVICE_SYNOPSIS "[--listen ADDRESS:PORT] [--connections COUNT] [--workers COUNT] [--drain DURATION]"

#endif
