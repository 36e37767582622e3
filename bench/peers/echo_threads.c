/* A thread for each connection, and blocking calls.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peer.h"

#include <pthread.h>

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[PEER_BUFFER];
    ssize_t count;
    while ((count = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (send(fd, buffer, (size_t)count, MSG_NOSIGNAL) != count) break;
    (void)close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    int listener = peer_listen(argc > 1 ? argv[1] : "127.0.0.1:0");
    pthread_attr_t attributes;
    peer_check(pthread_attr_init(&attributes) == 0 &&
                   pthread_attr_setstacksize(&attributes, 64 * 1024) == 0 &&
                   pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0,
               "pthread_attr_init");
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        peer_set_nodelay(fd);
        pthread_t thread;
        if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0) (void)close(fd);
    }
}
