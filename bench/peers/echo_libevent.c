/* libevent: events on sockets, without bufferevents, which copy; persistent ones, a second for what does not go out.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peer.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct connection {
    struct event in, out;
    size_t filled, written;
    char buffer[PEER_BUFFER];
};

static struct event_base *base;

static void end(struct connection *connection)
{
    int fd = event_get_fd(&connection->in);
    (void)event_del(&connection->in);
    (void)event_del(&connection->out);
    (void)close(fd);
    free(connection);
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
    struct connection *connection = arg;
    ssize_t count = send(fd, connection->buffer + connection->written,
                         connection->filled - connection->written, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) {
        end(connection);
        return;
    }
    if (count > 0) connection->written += (size_t)count;
    bool whole = connection->written == connection->filled, waits = events & EV_WRITE;
    if (whole && waits) {
        (void)event_del(&connection->out);
        (void)event_add(&connection->in, NULL);
    } else if (!whole && !waits) {
        (void)event_del(&connection->in);
        (void)event_add(&connection->out, NULL);
    }
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
    struct connection *connection = arg;
    ssize_t count = recv(fd, connection->buffer, sizeof connection->buffer, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        end(connection);
        return;
    }
    connection->filled = (size_t)count;
    connection->written = 0;
    on_writable(fd, events, connection);
}

static void on_connection(evutil_socket_t listener, short events, void *arg)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    (void)arg;
    if (fd < 0) return;
    struct connection *connection = malloc(sizeof *connection);
    peer_check(connection != NULL, "malloc");
    peer_set_nodelay(fd);
    (void)event_assign(&connection->in, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    (void)event_assign(&connection->out, base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    (void)event_add(&connection->in, NULL);
}

int main(int argc, char **argv)
{
    int listener = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    struct event accepting;
    base = event_base_new();
    peer_check(base && fcntl(listener, F_SETFL, O_NONBLOCK) == 0, "event_base_new");
    (void)event_assign(&accepting, base, listener, EV_READ | EV_PERSIST, on_connection, NULL);
    (void)event_add(&accepting, NULL);
    return event_base_dispatch(base) == 0 ? 0 : 1;
}
