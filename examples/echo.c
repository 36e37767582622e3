/* The echo server: see echo.h.
 *
 * A connection has one buffer, and is in one of two states:
 *
 *              some bytes, more than go at once     none left
 *   READING ------------------------------> WRITING ---------> READING
 *      | end, or error           | error
 *      +-------------------------+-----> freed
 *
 * INVARIANTS
 * 1. A connection has one operation under way, and that is a member of the set: nobody else touches the
 *    buffer.
 * 2. It reads only when everything it has read is written. So a client that does not take its bytes back is
 *    not read from either: TCP slows it down, and the memory for it stays one buffer.
 * 3. The listener is a member of the set while there is room for one more connection and no stop was asked
 *    for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "echo.h"

#include <stdlib.h>

struct connection {
    bide_async *conn;
    bide_io io;
    bide_set_member member;
    struct connection *next, *previous;
    enum { READING, WRITING } state;
    size_t filled;  /* bytes in the buffer */
    size_t written; /* of these, on their way back */
    unsigned char buffer[ECHO_BUFFER];
};

struct server {
    const struct echo_settings *settings;
    struct echo_counts *counts;
    bide_set set;

    bide_async *listener; /* NULL once stopped */
    bide_incoming incoming;
    bide_set_member accepting;
    bool accepts; /* `accepting` is in the set */
    int trouble;  /* why the last accept failed, or 0 */

    bide_event *stop;
    bide_event_waiting waiting;
    bide_set_member stopping;

    struct connection *first;
    long open;
};

static void report(const struct server *server, const char *what, bide_ssize error)
{
    if (server->settings->report) server->settings->report(what, error);
}

/* --- connections --- */

static int start_reading(struct server *server, struct connection *c)
{
    c->state = READING;
    bide_io_read(&c->io, c->conn, c->buffer, sizeof c->buffer);
    return bide_set_add(&server->set, &c->member, &c->io.future, c);
}

static int start_writing(struct server *server, struct connection *c)
{
    c->state = WRITING;
    bide_io_write(&c->io, c->conn, c->buffer + c->written, c->filled - c->written);
    return bide_set_add(&server->set, &c->member, &c->io.future, c);
}

static int start_accepting(struct server *server)
{
    if (!server->listener || server->accepts || server->open >= server->settings->connections) return 0;
    int error = bide_set_add(&server->set, &server->accepting, &server->incoming.future, NULL);
    server->accepts = error == 0;
    return error;
}

/* The connection is in the set no more. */
static void end_connection(struct server *server, struct connection *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        server->first = c->next;
    if (c->next) c->next->previous = c->previous;
    server->open--;
    (void)bide_async_free(c->conn);
    free(c);
}

static int begin_connection(struct server *server, bide_async *conn)
{
    struct connection *c = malloc(sizeof *c);
    if (!c) {
        report(server, "a connection is dropped", BIDE_ENOMEM);
        server->counts->dropped++;
        (void)bide_async_free(conn);
        return 0;
    }
    c->conn = conn;
    c->previous = NULL;
    c->next = server->first;
    if (c->next) c->next->previous = c;
    server->first = c;
    server->open++;
    server->counts->accepted++;
    (void)bide_tcp_set_nodelay(conn, true);
    return start_reading(server, c);
}

/* The operation of the connection is done: what next? */
static int step(struct server *server, struct connection *c)
{
    bide_ssize count = c->io.result;
    if (c->state == READING && count > 0) {
        c->filled = (size_t)count;
        c->written = 0;
        /* The system takes it at once, as a rule: the set is for what has to wait. */
        count = bide_write(c->conn, c->buffer, c->filled, BIDE_NOW);
        if (count == BIDE_EAGAIN) return start_writing(server, c);
    }
    if (count <= 0) {
        if (count < 0) server->counts->dropped++;
        end_connection(server, c);
        return start_accepting(server);
    }
    c->written += (size_t)count;
    server->counts->bytes += (size_t)count;
    return c->written < c->filled ? start_writing(server, c) : start_reading(server, c);
}

/* --- accepting and stopping --- */

static int accepted(struct server *server)
{
    server->accepts = false;
    int error = server->incoming.result;
    if (error == BIDE_EFREED || error == BIDE_ECANCELED) return error;
    /* Out of descriptors or memory, say: those who are connected go on. Bide holds the next accept back until
     * there is hope, so that asking again at once does not spin. One report for each series of failures. */
    if (error && error != server->trouble) report(server, "cannot accept a connection now", error);
    server->trouble = error;
    if (!error) {
        error = begin_connection(server, server->incoming.conn);
        if (error) return error;
    }
    return start_accepting(server);
}

static int wait_for_stop(struct server *server)
{
    bide_event_waiting_init(&server->waiting, server->stop);
    return bide_set_add(&server->set, &server->stopping, &server->waiting.future, NULL);
}

static void stop_accepting(struct server *server)
{
    if (server->accepts) (void)bide_set_remove(&server->set, &server->accepting);
    server->accepts = false;
    (void)bide_async_free(server->listener);
    server->listener = NULL;
}

int echo_serve(bide_async *listener, bide_event *stop, const struct echo_settings *settings,
               struct echo_counts *counts)
{
    struct server server = {.settings = settings, .counts = counts, .listener = listener, .stop = stop};
    *counts = (struct echo_counts){0};
    bide_set_init(&server.set);
    bide_incoming_init(&server.incoming, listener);
    int error = wait_for_stop(&server);
    if (!error) error = start_accepting(&server);

    bide_instant deadline = BIDE_NEVER;
    while (!error && (server.listener || server.open > 0)) {
        bide_set_member *ready;
        error = bide_set_next(&server.set, deadline, &ready);
        if (error) break;
        if (ready == &server.accepting) {
            error = accepted(&server);
        } else if (ready == &server.stopping) {
            if (!server.listener) break; /* asked a second time */
            stop_accepting(&server);
            deadline = bide_after(settings->drain);
            error = wait_for_stop(&server);
        } else {
            error = step(&server, ready->tag);
        }
    }

    if (server.open > 0) report(&server, "clients that are still connected are dropped", 0);
    while (server.first) {
        counts->dropped++;
        (void)bide_set_remove(&server.set, &server.first->member);
        end_connection(&server, server.first);
    }
    stop_accepting(&server);
    (void)bide_set_remove(&server.set, &server.stopping);
    return error == BIDE_ETIMEDOUT ? 0 : error;
}
