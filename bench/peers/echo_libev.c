/* libev: a watcher for what comes in, and one that is started while a message does not go out whole.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peer.h"

#include <ev.h>

struct connection {
    ev_io in, out;
    size_t filled, written;
    char buffer[PEER_BUFFER];
};

static void end(struct ev_loop *loop, struct connection *connection)
{
    ev_io_stop(loop, &connection->in);
    ev_io_stop(loop, &connection->out);
    (void)close(connection->in.fd);
    free(connection);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct connection *connection = watcher->data;
    ssize_t count = send(watcher->fd, connection->buffer + connection->written,
                         connection->filled - connection->written, MSG_NOSIGNAL);
    (void)events;
    if (count < 0 && errno != EAGAIN) {
        end(loop, connection);
        return;
    }
    if (count > 0) connection->written += (size_t)count;
    bool whole = connection->written == connection->filled;
    if (whole && ev_is_active(&connection->out)) {
        ev_io_stop(loop, &connection->out);
        ev_io_start(loop, &connection->in);
    } else if (!whole && !ev_is_active(&connection->out)) {
        ev_io_stop(loop, &connection->in);
        ev_io_start(loop, &connection->out);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct connection *connection = watcher->data;
    ssize_t count = recv(watcher->fd, connection->buffer, sizeof connection->buffer, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        end(loop, connection);
        return;
    }
    connection->filled = (size_t)count;
    connection->written = 0;
    on_writable(loop, &connection->out, events);
}

static void on_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
    int fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    if (fd < 0) return;
    struct connection *connection = malloc(sizeof *connection);
    peer_check(connection != NULL, "malloc");
    peer_set_nodelay(fd);
    ev_io_init(&connection->in, on_readable, fd, EV_READ);
    ev_io_init(&connection->out, on_writable, fd, EV_WRITE);
    connection->in.data = connection->out.data = connection;
    ev_io_start(loop, &connection->in);
}

int main(int argc, char **argv)
{
    int listener = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    peer_check(fcntl(listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    ev_io accepting;
    ev_io_init(&accepting, on_connection, listener, EV_READ);
    ev_io_start(loop, &accepting);
    ev_run(loop, 0);
    return 0;
}
