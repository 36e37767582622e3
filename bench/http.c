/* Hello by HTTP, with a task for each connection on one worker: what examples/http_server does, without the files, the
 * time-outs and the limits that the peers' programs do not have either.
 *
 *   bench_http [ADDRESS:PORT]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "peers/http.h"

#include <bide.h>
#include <bide/task.h>

#include <stdio.h>
#include <stdlib.h>

static bide_async *listener;

static int serve(void *arg)
{
    bide_async *conn = arg;
    char buffer[16 * 1024];
    http_parser parser;
    http_begin(&parser);
    bide_ssize count;
    while ((count = bide_read(conn, buffer, sizeof buffer, BIDE_NEVER)) > 0) {
        int requests = http_requests(&parser, buffer, (size_t)count);
        for (; requests > 0; requests--)
            if (bide_write_all(conn, http_answer, HTTP_ANSWER, BIDE_NEVER, NULL) != 0) break;
        if (requests != 0) break;
    }
    return bide_async_free(conn);
}

static int accept_all(void *arg)
{
    (void)arg;
    for (;;) {
        bide_async *conn;
        int error = bide_accept(listener, &conn, NULL, BIDE_NEVER);
        if (error) return error;
        (void)bide_tcp_set_nodelay(conn, true);
        error = bide_spawn(NULL, serve, conn, NULL);
        if (error) return error;
    }
}

int main(int argc, char **argv)
{
    bide_address address;
    bide_run_options options = {.workers = 1};
    char text[BIDE_ADDRESS_TEXT_MAX];
    int error = bide_address_parse(&address, argc > 1 ? argv[1] : "127.0.0.1:0");
    if (!error) error = bide_tcp_listen(&listener, &address, 0);
    if (!error) error = bide_async_local_address(listener, &address);
    if (!error) {
        (void)bide_address_format(&address, text, sizeof text);
        (void)printf("%s\n", text);
        (void)fflush(stdout);
        error = bide_run(accept_all, NULL, &options);
    }
    (void)fprintf(stderr, "bench_http: %s\n", bide_strerror(error));
    return 1;
}
