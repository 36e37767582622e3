/* libevent's own server for HTTP, evhttp.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peer.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

static void on_request(struct evhttp_request *request, void *arg)
{
    static const char body[] = "Hello, world!\n";
    struct evbuffer *answer = evbuffer_new();
    (void)arg;
    peer_check(answer != NULL, "evbuffer_new");
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    (void)evbuffer_add_reference(answer, body, sizeof body - 1, NULL, NULL);
    evhttp_send_reply(request, HTTP_OK, "OK", answer);
    evbuffer_free(answer);
}

int main(int argc, char **argv)
{
    int listener = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    struct event_base *base = event_base_new();
    struct evhttp *server = base ? evhttp_new(base) : NULL;
    peer_check(server && fcntl(listener, F_SETFL, O_NONBLOCK) == 0, "evhttp_new");
    evhttp_set_gencb(server, on_request, NULL);
    peer_set_nodelay(listener); /* which accepted sockets have of it */
    peer_check(evhttp_accept_socket(server, listener) == 0, "evhttp_accept_socket");
    return event_base_dispatch(base) == 0 ? 0 : 1;
}
