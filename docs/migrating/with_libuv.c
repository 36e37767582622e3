/* The line echo server of docs/migrating.md with libuv.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"

#include <string.h>
#include <uv.h>

struct client {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    int open;             /* handles that are not closed yet */
    size_t filled, whole; /* of the bytes: there are; are whole lines, on their way back */
    char bytes[LINE_MOST];
};

static uint64_t idle;

/* A handle's memory is libuv's until its close callback; the client has two. */
static void on_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    if (c && --c->open == 0) free(c);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

static void leave(struct client *c)
{
    close_handle((uv_handle_t *)&c->tcp);
    close_handle((uv_handle_t *)&c->timer);
}

static void on_idle(uv_timer_t *timer)
{
    leave(timer->data);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct client *c = handle->data;
    *room = uv_buf_init(c->bytes + c->filled, (unsigned)(sizeof c->bytes - c->filled));
}

static void on_written(uv_write_t *write, int status);

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    (void)room;
    struct client *c = stream->data;
    if (got < 0) { /* the end, an error, or UV_ENOBUFS: the line is too long */
        leave(c);
        return;
    }
    c->filled += (size_t)got;
    char *end = memrchr(c->bytes, '\n', c->filled);
    if (!end) return;
    c->whole = (size_t)(end - c->bytes) + 1;
    uv_read_stop(stream);
    uv_buf_t lines = uv_buf_init(c->bytes, (unsigned)c->whole);
    if (uv_write(&c->write, stream, &lines, 1, on_written) != 0) leave(c);
}

static void on_written(uv_write_t *write, int status)
{
    struct client *c = write->handle->data;
    if (status < 0) { /* also UV_ECANCELED while it is being closed */
        leave(c);
        return;
    }
    c->filled -= c->whole;
    memmove(c->bytes, c->bytes + c->whole, c->filled);
    if (uv_is_closing((uv_handle_t *)write->handle)) return;
    uv_timer_again(&c->timer);
    uv_read_start(write->handle, on_room, on_read);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0) return;
    struct client *c = calloc(1, sizeof *c);
    if (!c) return;
    uv_tcp_init(listener->loop, &c->tcp);
    uv_timer_init(listener->loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->open = 2;
    uv_timer_start(&c->timer, on_idle, idle, idle);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0)
        leave(c);
}

static void close_each(uv_handle_t *handle, void *arg)
{
    (void)arg;
    close_handle(handle);
}

static void on_sigterm(uv_signal_t *term, int number)
{
    (void)number;
    uv_walk(term->loop, close_each, NULL); /* then there is nothing left to run for */
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = where(argc, argv);
    idle = (uint64_t)idle_milliseconds(argc, argv);
    signal(SIGPIPE, SIG_IGN);

    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener = {0};
    uv_signal_t term = {0};
    uv_os_fd_t fd;
    uv_tcp_init(loop, &listener);
    uv_signal_init(loop, &term);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_connection) != 0 ||
        uv_signal_start(&term, on_sigterm, SIGTERM) != 0 || uv_fileno((uv_handle_t *)&listener, &fd) != 0)
        return 1;
    announce(fd);
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop) == 0 ? 0 : 1;
}
