/* libuv with http_parser: a buffer and a parser for each connection; an answer is written at once (uv_try_write), and
 * who does not take it is closed.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "http.h"
#include "peer.h"

#include <uv.h>

struct connection {
    uv_tcp_t tcp;
    http_parser parser;
    char buffer[PEER_BUFFER];
};

static uv_loop_t *loop;

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

static void give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    (void)wanted;
    *buffer = uv_buf_init(connection->buffer, sizeof connection->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    if (count == 0) return;
    int requests = count > 0 ? http_requests(&connection->parser, buffer->base, (size_t)count) : -1;
    for (; requests > 0; requests--) {
        uv_buf_t answer = uv_buf_init((char *)http_answer, HTTP_ANSWER);
        if (uv_try_write(stream, &answer, 1) != HTTP_ANSWER) break;
    }
    if (requests != 0) uv_close((uv_handle_t *)stream, on_close);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *connection = status == 0 ? malloc(sizeof *connection) : NULL;
    if (!connection) return;
    (void)uv_tcp_init(loop, &connection->tcp);
    connection->tcp.data = connection;
    http_begin(&connection->parser);
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0) {
        uv_close((uv_handle_t *)&connection->tcp, on_close);
        return;
    }
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&connection->tcp, give_buffer, on_read);
}

int main(int argc, char **argv)
{
    int fd = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    uv_tcp_t listener;
    loop = uv_default_loop();
    peer_check(uv_tcp_init(loop, &listener) == 0 && uv_tcp_open(&listener, fd) == 0 &&
                   uv_listen((uv_stream_t *)&listener, PEER_BACKLOG, on_connection) == 0,
               "uv_listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
