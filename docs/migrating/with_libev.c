/* The line echo server of docs/migrating.md with libev.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct client {
    ev_io io;
    ev_timer timer;
    LIST_ENTRY(client) others;
    size_t filled, whole, sent; /* of the bytes: there are; are whole lines; have been sent back */
    char bytes[LINE_MOST];
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static double idle;

static void leave(struct ev_loop *loop, struct client *c)
{
    ev_io_stop(loop, &c->io);
    ev_timer_stop(loop, &c->timer);
    close(c->io.fd);
    LIST_REMOVE(c, others);
    free(c);
}

static void wait_for(struct ev_loop *loop, struct client *c, int events)
{
    if (c->io.events == events) return;
    ev_io_stop(loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(loop, &c->io);
}

static int again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* One read or the rest of a write. 0: wait for more; -1: the client goes. */
static int step(struct ev_loop *loop, struct client *c)
{
    if (!c->whole) {
        ssize_t got = recv(c->io.fd, c->bytes + c->filled, sizeof c->bytes - c->filled, 0);
        if (got <= 0) return got < 0 && again() ? 0 : -1;
        c->filled += (size_t)got;
        char *end = memrchr(c->bytes, '\n', c->filled);
        if (!end) return c->filled < sizeof c->bytes ? 0 : -1;
        c->whole = (size_t)(end - c->bytes) + 1;
    }
    ssize_t put = send(c->io.fd, c->bytes + c->sent, c->whole - c->sent, MSG_NOSIGNAL);
    if (put < 0 && !again()) return -1;
    if (put > 0) c->sent += (size_t)put;
    if (c->sent == c->whole) {
        c->filled -= c->whole;
        memmove(c->bytes, c->bytes + c->whole, c->filled);
        c->whole = c->sent = 0;
        ev_timer_again(loop, &c->timer);
    }
    wait_for(loop, c, c->whole ? EV_WRITE : EV_READ);
    return 0;
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct client *c = io->data;
    if (step(loop, c) != 0) leave(loop, c);
}

static void on_idle(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    leave(loop, timer->data);
}

static void on_connection(struct ev_loop *loop, ev_io *listener, int events)
{
    (void)events;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct client *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    LIST_INSERT_HEAD(&clients, c, others);
    ev_io_init(&c->io, on_ready, fd, EV_READ);
    ev_timer_init(&c->timer, on_idle, 0., idle);
    c->io.data = c->timer.data = c;
    ev_io_start(loop, &c->io);
    ev_timer_again(loop, &c->timer);
}

static void on_sigterm(struct ev_loop *loop, ev_signal *term, int events)
{
    (void)term;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = where(argc, argv);
    idle = idle_milliseconds(argc, argv) / 1e3;
    int fd = listen_at(&address);
    struct ev_loop *loop = ev_default_loop(0);
    if (fd < 0 || !loop) return 1;

    ev_io listener;
    ev_io_init(&listener, on_connection, fd, EV_READ);
    ev_io_start(loop, &listener);
    ev_signal term;
    ev_signal_init(&term, on_sigterm, SIGTERM);
    ev_signal_start(loop, &term);
    announce(fd);
    ev_run(loop, 0);

    ev_signal_stop(loop, &term);
    ev_io_stop(loop, &listener);
    close(fd);
    while (!LIST_EMPTY(&clients))
        leave(loop, LIST_FIRST(&clients));
    ev_loop_destroy(loop);
    return 0;
}
