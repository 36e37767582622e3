/* What the servers of docs/migrating.md share: their arguments, what they print, and the socket of those that
 * make it themselves.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef MIGRATING_COMMON_H
#define MIGRATING_COMMON_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LINE_MOST = 1024 }; /* bytes, with the line feed: a longer line ends its connection */

/* ./program [PORT [MILLISECONDS]]: where on 127.0.0.1 to listen, and for how long a client may send no line. */
static inline struct sockaddr_in where(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 7777));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline int idle_milliseconds(int argc, char **argv)
{
    return argc > 2 ? atoi(argv[2]) : 30000;
}

/* The first line that a server prints: where it listens. */
static inline void announce(int listener)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    (void)getsockname(listener, (struct sockaddr *)&address, &length);
    printf("127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* A listener that does not block, or -1. */
static inline int listen_at(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0) return -1;
    return listen(fd, SOMAXCONN) == 0 ? fd : -1;
}

#endif
