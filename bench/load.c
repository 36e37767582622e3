/* The clients of every server that is measured: raw epoll, one thread, a closed loop. Each connection has one message
 * under way: it is sent, awaited whole, and the next one follows at once; or, with `accept`, the connection is closed
 * and another one made.
 *
 *   bench_load echo|accept ADDRESS:PORT [CONNECTIONS [SIZE [SECONDS [MESSAGES]]]]
 *
 * Runs for so many seconds after all connections have had an answer, or until so many messages are through. Prints one
 * line: the rate, quantiles of the time from a message's first byte out to its last byte in, and how many messages
 * there were in all.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peers/peer.h"

#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/resource.h>

/* Times in ranges from a power of two to the next, each in HALF parts: off by 3 % at most. */
enum { HALF = 32, BUCKETS = 64 * HALF, GROUP = 64 };

struct connection {
    int fd;
    uint32_t received;
    int64_t sent_at; /* ns */
};

static struct sockaddr_in address;
static char message[1 << 20];
static size_t size = 64;
static bool accepts;
static size_t
    silent; /* while connections are opened, in groups: how many have not had their answer; they rest then */
static bool opening;
static int poller;
static uint64_t messages, most = UINT64_MAX, histogram[BUCKETS];

static size_t bucket_of(uint64_t ns)
{
    unsigned range = ns < 2 * HALF ? 0 : 58u - (unsigned)__builtin_clzll(ns);
    return (size_t)range * HALF + (size_t)(ns >> range);
}

static double least_of(size_t bucket)
{
    size_t range = bucket < 2 * HALF ? 0 : bucket / HALF - 1;
    return (double)((uint64_t)(bucket - range * HALF) << range);
}

static double quantile(double part)
{
    uint64_t all = 0, below = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        all += histogram[i];
    for (size_t i = 0; i < BUCKETS; i++) {
        below += histogram[i];
        if (all > 0 && (double)below >= part * (double)all) return least_of(i) / 1e3;
    }
    return 0;
}

static void send_message(struct connection *connection)
{
    connection->received = 0;
    connection->sent_at = peer_now();
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(connection->fd, message + sent, size - sent, MSG_NOSIGNAL);
        peer_check(count > 0, "send");
        sent += (size_t)count;
    }
}

/* Blocking: a server that does not answer is not to be measured. Messages are smaller than what a socket holds. */
static void open_connection(struct connection *connection)
{
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer_check(connection->fd >= 0, "socket");
    peer_check(connect(connection->fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    peer_set_nodelay(connection->fd);
    if (accepts) {
        /* Reset at the end, so that no port is left waiting. */
        struct linger at_once = {1, 0};
        peer_check(setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0,
                   "SO_LINGER");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    peer_check(epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) == 0, "epoll_ctl");
}

static void step(struct connection *connection)
{
    ssize_t count = recv(connection->fd, message, size - connection->received, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    peer_check(count > 0, count == 0 ? "the server has closed a connection" : "recv");
    connection->received += (uint32_t)count;
    if (connection->received < size) return;
    int64_t now = peer_now();
    histogram[bucket_of((uint64_t)(now - connection->sent_at))]++;
    messages++;
    if (opening) {
        silent--;
        return;
    }
    if (accepts) {
        (void)close(connection->fd);
        open_connection(connection);
    }
    send_message(connection);
}

static void handle_events(void)
{
    struct epoll_event events[256];
    int ready = epoll_wait(poller, events, 256, 10000);
    peer_check(ready > 0 || (ready < 0 && errno == EINTR), "no answer within ten seconds");
    for (int i = 0; i < ready; i++)
        step(events[i].data.ptr);
}

/* Until `until`, or until there were so many messages. */
static void run(int64_t until, uint64_t count)
{
    while (messages < count && peer_now() < until)
        handle_events();
}

/* A server whose backlog is full lets a client wait for a second or more, and theirs are not all as long: so each group
 * has its answer before the next one comes. */
static void open_all(struct connection *connections, size_t count)
{
    opening = true;
    for (size_t i = 0; i < count; i++) {
        open_connection(&connections[i]);
        send_message(&connections[i]);
        silent++;
        if (silent < GROUP && i + 1 < count) continue;
        while (silent > 0)
            handle_events();
    }
    opening = false;
}

static double number(int argc, char **argv, int index, double otherwise)
{
    return argc > index ? strtod(argv[index], NULL) : otherwise;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "echo") != 0 && strcmp(argv[1], "accept") != 0)) {
        (void)fprintf(
            stderr, "usage: bench_load echo|accept ADDRESS:PORT [CONNECTIONS [SIZE [SECONDS [MESSAGES]]]]\n");
        return 2;
    }
    accepts = argv[1][0] == 'a';
    address = peer_address(argv[2]);
    size_t count = (size_t)number(argc, argv, 3, 64);
    size = (size_t)number(argc, argv, 4, 64);
    double seconds = number(argc, argv, 5, 1);
    most = (uint64_t)number(argc, argv, 6, 1e18);
    if (count == 0 || size == 0 || size > sizeof message) return 2;
    struct rlimit limit;
    peer_check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);

    struct connection *connections = calloc(count, sizeof *connections);
    poller = epoll_create1(EPOLL_CLOEXEC);
    peer_check(connections && poller >= 0, "epoll_create1");
    open_all(connections, count);
    for (size_t i = 0; i < count; i++)
        send_message(&connections[i]);
    run(INT64_MAX, messages + count);
    memset(histogram, 0, sizeof histogram);
    uint64_t before = messages;
    int64_t started = peer_now();
    run(started + (int64_t)(seconds * 1e9), most);
    double took = (double)(peer_now() - started) * 1e-9;
    (void)printf("%s %.0f %s p50_us=%.1f p99_us=%.1f p999_us=%.1f operations=%" PRIu64 "\n", argv[1],
                 (double)(messages - before) / took, accepts ? "connections/s" : "messages/s", quantile(0.5),
                 quantile(0.99), quantile(0.999), messages);
    return 0;
}
