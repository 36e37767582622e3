/* The line echo server of docs/migrating.md with libevent.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <sys/queue.h>

struct client {
    struct bufferevent *stream;
    LIST_ENTRY(client) others;
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static struct timeval idle;

static void leave(struct client *c)
{
    bufferevent_free(c->stream); /* and closes it */
    LIST_REMOVE(c, others);
    free(c);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(stream);
    struct evbuffer *output = bufferevent_get_output(stream);
    struct evbuffer_ptr end;
    size_t eol;
    while ((end = evbuffer_search_eol(input, NULL, &eol, EVBUFFER_EOL_LF)).pos >= 0)
        evbuffer_remove_buffer(input, output, (size_t)end.pos + eol);
    if (evbuffer_get_length(output) > 0)
        bufferevent_disable(stream, EV_READ); /* a client that does not take its lines gets no more read */
    else if (evbuffer_get_length(input) >= LINE_MOST)
        leave(arg);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    (void)arg;
    bufferevent_enable(stream, EV_READ);
}

/* The end, an error, or a time-out. */
static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    (void)what;
    leave(arg);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                          int length, void *base)
{
    (void)listener;
    (void)peer;
    (void)length;
    struct client *c = calloc(1, sizeof *c);
    if (c) c->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c || !c->stream) {
        free(c);
        evutil_closesocket(fd);
        return;
    }
    LIST_INSERT_HEAD(&clients, c, others);
    bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
    bufferevent_setwatermark(c->stream, EV_READ, 0, LINE_MOST);
    bufferevent_set_timeouts(c->stream, &idle, &idle);
    bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}

static void on_sigterm(evutil_socket_t number, short what, void *base)
{
    (void)number;
    (void)what;
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = where(argc, argv);
    int milliseconds = idle_milliseconds(argc, argv);
    idle = (struct timeval){milliseconds / 1000, milliseconds % 1000 * 1000};
    signal(SIGPIPE, SIG_IGN);

    struct event_base *base = event_base_new();
    if (!base) return 1;
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, on_connection, base,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, -1,
                                (struct sockaddr *)&address, sizeof address);
    struct event *term = evsignal_new(base, SIGTERM, on_sigterm, base);
    if (!listener || !term || event_add(term, NULL) != 0) return 1;
    announce(evconnlistener_get_fd(listener));
    event_base_dispatch(base);

    while (!LIST_EMPTY(&clients))
        leave(LIST_FIRST(&clients));
    event_free(term);
    evconnlistener_free(listener);
    event_base_free(base);
    return 0;
}
