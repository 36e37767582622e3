/* The limit of a server that says hello by HTTP: epoll, level-triggered, and the parser. An answer that cannot be sent
 * whole is not provided for.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "http.h"
#include "peer.h"

#include <sys/epoll.h>

struct connection {
    int fd;
    http_parser parser;
};

static char buffer[PEER_BUFFER];

static void serve(struct connection *connection)
{
    ssize_t count = recv(connection->fd, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) return;
    int requests = count > 0 ? http_requests(&connection->parser, buffer, (size_t)count) : -1;
    for (; requests > 0; requests--)
        if (send(connection->fd, http_answer, HTTP_ANSWER, MSG_NOSIGNAL) != HTTP_ANSWER) break;
    if (requests == 0) return;
    (void)close(connection->fd);
    free(connection);
}

int main(int argc, char **argv)
{
    int listener = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    peer_check(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) == 0, "epoll");
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) {
                serve(events[i].data.ptr);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) continue;
            struct connection *connection = malloc(sizeof *connection);
            peer_check(connection != NULL, "malloc");
            connection->fd = fd;
            http_begin(&connection->parser);
            peer_set_nodelay(fd);
            event.data.ptr = connection;
            peer_check(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
        }
    }
}
