/* The limit: epoll, level-triggered, and nothing else. A message that cannot be sent whole is not provided for.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peer.h"

#include <sys/epoll.h>

static char buffer[PEER_BUFFER];

static void serve(int fd)
{
    ssize_t count = recv(fd, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || send(fd, buffer, (size_t)count, MSG_NOSIGNAL) != count) (void)close(fd);
}

int main(int argc, char **argv)
{
    int listener = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    peer_check(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) == 0, "epoll");
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) continue;
            peer_set_nodelay(fd);
            event.data.fd = fd;
            peer_check(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
        }
    }
}
