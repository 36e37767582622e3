/* What the peers written in C share: sockets, the line that tells where a server listens, a clock. Each peer else is
 * one program written as its library's documentation recommends.
 *
 * A server takes ADDRESS:PORT (127.0.0.1:0 for any free port), prints where it listens as its first line, serves
 * until SIGTERM, and sends each message back as it comes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What a server reads at once: as much as Bide's example does. */
enum { PEER_BUFFER = 16 * 1024, PEER_BACKLOG = 4096 };

static inline void peer_check(bool good, const char *what)
{
    if (good) return;
    perror(what);
    exit(1);
}

static inline int64_t peer_now(void)
{
    struct timespec now;
    peer_check(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline struct sockaddr_in peer_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    unsigned port = 0;
    if (!text || sscanf(text, "%63[^:]:%u", host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1 || port > UINT16_MAX) {
        (void)fprintf(stderr, "an ADDRESS:PORT is needed, as 127.0.0.1:0\n");
        exit(2);
    }
    address.sin_port = htons((uint16_t)port);
    return address;
}

static inline void peer_set_nodelay(int fd)
{
    int on = 1;
    peer_check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

/* A listening socket, blocking; prints where it listens. */
static inline int peer_listen(const char *text)
{
    struct sockaddr_in address = peer_address(text);
    socklen_t length = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer_check(fd >= 0, "socket");
    peer_check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    peer_check(bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
    peer_check(listen(fd, PEER_BACKLOG) == 0, "listen");
    peer_check(getsockname(fd, (struct sockaddr *)&address, &length) == 0, "getsockname");
    (void)printf("127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

#endif
