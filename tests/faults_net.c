/* Scenarios of connections for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

/* A listener and its address, made while nothing fails. */
static bide_async *scene_listener(bide_address *where)
{
    bide_async *listener;
    SCENE({
        *where = bide_address_loopback(0);
        if (bide_tcp_listen(&listener, where, 0) != 0 || bide_async_local_address(listener, where) != 0)
            abort();
    });
    return listener;
}

static int scene_dial(const bide_address *where)
{
    int fd;
    SCENE({
        size_t length;
        const struct sockaddr *address = bide_address_sockaddr(where, &length);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, address, (socklen_t)length) != 0) abort();
    });
    return fd;
}

static int run_listen(void)
{
    bide_async *listener = NULL;
    bide_address where = bide_address_loopback(0);
    int error = bide_tcp_listen(&listener, &where, 0);
    if (error && listener) error = WRONG;
    if (!error) error = bide_async_local_address(listener, &where);
    end_of_faults();
    (void)bide_async_free(listener);
    return error;
}

static int run_connect(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where), *conn = NULL;
    int error = bide_tcp_connect(&conn, &where, bide_after(PATIENCE));
    if (error && conn) error = WRONG;
    if (!error) error = bide_async_peer_address(conn, &where);
    if (!error) error = bide_tcp_set_nodelay(conn, true);
    if (!error) error = bide_async_shutdown(conn, BIDE_WRITE);
    end_of_faults();
    (void)bide_async_free(conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_connect_in_the_background(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where);
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, &where);
    int error = poll_to_the_end(&connecting.future);
    if (!error) error = connecting.result;
    end_of_faults();
    (void)bide_async_free(connecting.conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_accept(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where), *conn = NULL;
    int client = scene_dial(&where);
    int error = bide_accept(listener, &conn, NULL, bide_after(PATIENCE));
    if (error && conn) error = WRONG;
    end_of_faults();
    (void)bide_async_free(conn);
    (void)close(client);
    (void)bide_async_free(listener);
    return error;
}

static int run_incoming(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where);
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    /* The first has to be waited for. */
    int error = bide_await(&incoming.future, BIDE_NOW);
    error = error == BIDE_EAGAIN ? 0 : error == 0 ? incoming.result : error;
    int clients[2] = {scene_dial(&where), scene_dial(&where)};
    int accepted = 0;
    for (int i = 0; i < 2 && !error; i++) {
        error = bide_await(&incoming.future, bide_after(PATIENCE));
        if (!error) error = incoming.result;
        if (!error) accepted++;
        if (!error && bide_async_free(incoming.conn) != 0) error = WRONG;
    }
    /* Once there is room again, the stream goes on where it failed. */
    end_of_faults();
    if (error && accepted < 2 && incoming.result == BIDE_EMFILE) {
        if (bide_await(&incoming.future, bide_after(PATIENCE)) != 0 || incoming.result != 0) error = WRONG;
        if (error != WRONG) (void)bide_async_free(incoming.conn);
    }
    close_all(clients, 2);
    (void)bide_async_free(listener);
    return error;
}

const struct scenario scenarios_of_net[] = {
    {"listen", "tcp_listen async_local_address", run_listen},
    {"connect", "tcp_connect async_peer_address tcp_set_nodelay async_shutdown", run_connect},
    {"a connect polled in the background", "tcp_connecting_init", run_connect_in_the_background},
    {"accept", "accept", run_accept},
    {"incoming", "incoming_init await", run_incoming},
    {NULL, NULL, NULL},
};
