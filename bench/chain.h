/* Links in a ring, each a socket to write to and one at whose end that arrives; a message that comes in at one is
 * passed on to the next. With many links and some active it is libevent's own benchmark (N. Provos, test/bench.c in
 * libevent's source), with a TCP pair for two links ping-pong.
 *
 *   PROGRAM pairs [SECONDS [HOPS [LINKS [ACTIVE]]]]     one byte through Unix socket pairs: ns a hop
 *   PROGRAM pingpong [SECONDS [HOPS]]                   64 bytes through one TCP connection: hops a second
 *
 * With HOPS other than 0 it ends after so many, so that what they take can be counted.
 *
 * A program sets chain_watch up and calls chain_main; it reads what has come, or has chain_pass read it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_CHAIN_H
#define BENCH_CHAIN_H

#include "peers/peer.h"

#include <inttypes.h>
#include <sys/resource.h>

struct chain_link {
    int in, out;
};

static struct chain_link *links;
static size_t link_count, message_size;
static uint64_t hops_left, messages_under_way;
static char message[64], received[4096];

/* By each program: has the socket watched, which is non-blocking; and runs until there is no message under way. */
static void chain_watch(size_t index, int in);
static void chain_run(void);

static inline void chain_send(size_t index)
{
    peer_check(send(links[index].out, message, message_size, MSG_NOSIGNAL) == (ssize_t)message_size, "send");
}

/* So many bytes have been read from that link. */
static inline void chain_go_on(size_t index, size_t bytes)
{
    for (; bytes >= message_size; bytes -= message_size) {
        if (hops_left == 0) {
            messages_under_way--;
            continue;
        }
        hops_left--;
        chain_send(index + 1 < link_count ? index + 1 : 0);
    }
}

/* Something is there to be read. */
static inline void chain_pass(size_t index)
{
    ssize_t count = recv(links[index].in, received, sizeof received, 0);
    if (count < 0 && errno == EAGAIN) return;
    peer_check(count > 0, "recv");
    chain_go_on(index, (size_t)count);
}

static void chain_connect_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer_check(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0 &&
                   getsockname(listener, (struct sockaddr *)&address, &length) == 0 &&
                   connect(here, (struct sockaddr *)&address, length) == 0,
               "connect");
    int there = accept(listener, NULL, NULL);
    peer_check(there >= 0, "accept");
    peer_set_nodelay(here);
    peer_set_nodelay(there);
    links[0] = (struct chain_link){there, here};
    links[1] = (struct chain_link){here, there};
    (void)close(listener);
}

static void chain_connect_pairs(void)
{
    struct rlimit limit;
    peer_check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i < link_count; i++) {
        int ends[2];
        peer_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
        links[i] = (struct chain_link){ends[0], ends[1]};
    }
}

static int chain_main(int argc, char **argv)
{
    bool pings = argc > 1 && strcmp(argv[1], "pingpong") == 0;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    uint64_t most = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    size_t active = pings ? 1 : argc > 5 ? (size_t)strtoul(argv[5], NULL, 10) : 100;
    link_count = pings ? 2 : argc > 4 ? (size_t)strtoul(argv[4], NULL, 10) : 1000;
    message_size = pings ? 64 : 1;
    links = calloc(link_count, sizeof *links);
    peer_check(links && active > 0 && active <= link_count, "links");
    if (pings)
        chain_connect_tcp();
    else
        chain_connect_pairs();
    for (size_t i = 0; i < link_count; i++) {
        peer_check(fcntl(links[i].in, F_SETFL, O_NONBLOCK) == 0, "fcntl");
        chain_watch(i, links[i].in);
    }

    uint64_t hops = 0;
    int64_t started = peer_now(), now = started;
    while (now < started + (int64_t)(seconds * 1e9) && (most == 0 || hops < most)) {
        uint64_t more = 10 * link_count > 10000 ? 10 * link_count : 10000;
        if (most > 0) more = most > active ? most - active : 0;
        hops_left = more;
        messages_under_way = active;
        for (size_t i = 0; i < active; i++)
            chain_send(i * (link_count / active));
        chain_run();
        hops += more + active;
        now = peer_now();
    }
    double each = (double)(now - started) / (double)hops;
    if (pings)
        (void)printf("pingpong %.0f hops/s operations=%" PRIu64 "\n", 1e9 / each, hops);
    else
        (void)printf("chain %.1f ns operations=%" PRIu64 "\n", each, hops);
    return 0;
}

#endif
