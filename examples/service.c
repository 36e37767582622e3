/* See service.h. The main task waits for the signal; another one accepts, and is cancelled then; connections are a
 * group, which is waited for as long as draining lasts, and closed: what is left is cancelled, and waited for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "service.h"
#include "stop.h"

#include <stdio.h>
#include <stdlib.h>

struct connection {
    struct service *service;
    bide_async *conn;
};

static void end_connection(void *arg)
{
    struct connection *connection = arg;
    (void)bide_async_free(connection->conn);
    free(connection);
}

/* Cancelled before it began. */
static void drop_connection(void *arg)
{
    atomic_fetch_add(&((struct connection *)arg)->service->dropped, 1);
    end_connection(arg);
}

static int serve_connection(void *arg)
{
    struct connection *connection = arg;
    struct service *service = connection->service;
    if (service->serve(service, connection->conn) < 0) atomic_fetch_add(&service->dropped, 1);
    end_connection(connection);
    return 0; /* an error would cancel the whole group */
}

/* Waits for room if there are as many as there may be. */
static int begin_connection(struct service *service, bide_async *conn)
{
    static const bide_task_options options = {.name = "connection", .drop = drop_connection};
    struct connection *connection = malloc(sizeof *connection);
    int error = BIDE_ENOMEM;
    if (connection) {
        *connection = (struct connection){service, conn};
        error = bide_group_spawn(service->group, NULL, serve_connection, connection, &options, BIDE_NEVER);
    }
    if (!error) return 0;
    (void)bide_async_free(conn);
    free(connection);
    atomic_fetch_add(&service->dropped, 1);
    return error;
}

/* Until it is cancelled. */
static int accept_all(void *arg)
{
    struct service *service = arg;
    for (int trouble = 0;;) {
        bide_async *conn;
        int error = bide_accept(service->listener, &conn, NULL, BIDE_NEVER);
        if (!error) {
            atomic_fetch_add(&service->accepted, 1);
            (void)bide_tcp_set_nodelay(conn, true);
            error = begin_connection(service, conn);
        }
        if (error == BIDE_ECANCELED || error == BIDE_EFREED) return 0;
        /* Out of descriptors or memory, say: those who are connected go on. Bide holds the next accept back until there
         * is hope, so that asking again at once does not spin. One report for each series of failures. */
        if (error && error != trouble)
            (void)example_fail(service->program, "cannot accept a connection now", error);
        trouble = error;
    }
}

static int run_acceptor(struct service *service)
{
    static const bide_task_options options = {.name = "acceptor"};
    bide_task acceptor;
    int error = bide_spawn(&acceptor, accept_all, service, &options);
    if (error) return error;
    error = bide_event_wait(service->stop, BIDE_NEVER);
    (void)bide_task_cancel(acceptor);
    (void)bide_task_join(acceptor, NULL, BIDE_NEVER);
    return error;
}

/* Until all have left, the time is over, or another stop is asked for. */
static void drain(struct service *service)
{
    bide_group_waiting all;
    bide_event_waiting again;
    bide_group_waiting_init(&all, service->group);
    bide_event_waiting_init(&again, service->stop);
    bide_future *either[] = {&all.future, &again.future};
    if (bide_race_until(either, 2, bide_after(service->drain), NULL) != 0)
        (void)fprintf(stderr, "%s: clients that are still connected are dropped\n", service->program->name);
}

static int run(void *arg)
{
    struct service *service = arg;
    bide_group group;
    int error = bide_group_open(&group);
    if (!error) error = bide_group_set_limit(&group, (size_t)service->connections);
    if (error) return error;
    service->group = &group;
    error = run_acceptor(service);
    (void)bide_async_free(service->listener);
    service->listener = NULL;
    bide_event_set(&service->draining);
    if (!error && bide_group_count(&group) > 0) drain(service);
    (void)bide_group_close(&group);
    return error;
}

int service_run(struct service *service, bide_event *stop)
{
    bide_run_options options = {.workers = (unsigned)service->workers};
    service->stop = stop;
    int error = bide_event_init(&service->draining, BIDE_EVENT_MANUAL);
    if (!error) error = bide_run(run, service, &options);
    /* It has not begun. */
    if (service->listener) (void)bide_async_free(service->listener);
    service->listener = NULL;
    return error;
}

int service_listen(struct service *service)
{
    char text[EXAMPLE_TEXT];
    int error = bide_tcp_listen(&service->listener, &service->address, 0);
    if (error) return example_fail(service->program, example_address_text(text, &service->address), error);
    error = bide_async_local_address(service->listener, &service->address);
    if (error) return example_fail(service->program, "asking for the address", error);
    (void)printf("%s\n", example_address_text(text, &service->address));
    return example_end(EXAMPLE_OK);
}

static bide_event stop_asked;

bide_event *service_signals(const struct service *service)
{
    int error = bide_event_init(&stop_asked, BIDE_EVENT_AUTO);
    if (!error) error = stop_by(&stop_asked);
    if (!error) return &stop_asked;
    (void)example_fail(service->program, "listening to signals", error);
    return NULL;
}

int service_main(struct service *service)
{
    bide_event *stop = service_signals(service);
    if (!stop) return EXAMPLE_FAILED;
    int status = service_listen(service);
    if (status != EXAMPLE_OK) return status;
    int error = service_run(service, stop);
    if (error) return example_fail(service->program, "serving", error);
    return example_end(EXAMPLE_OK);
}
