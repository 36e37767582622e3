/* The line echo server of docs/migrating.md with poll(2) alone.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MOST = 64 };

struct client {
    int fd;
    int64_t deadline;           /* milliseconds */
    size_t filled, whole, sent; /* of the bytes: there are; are whole lines; have been sent back */
    char bytes[LINE_MOST];
};

static struct client clients[CLIENTS_MOST];
static nfds_t count;
static int idle;
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* One read or the rest of a write. 0: wait for more; -1: the client goes. */
static int step(struct client *c)
{
    if (!c->whole) {
        ssize_t got = recv(c->fd, c->bytes + c->filled, sizeof c->bytes - c->filled, 0);
        if (got <= 0) return got < 0 && again() ? 0 : -1;
        c->filled += (size_t)got;
        char *end = memrchr(c->bytes, '\n', c->filled);
        if (!end) return c->filled < sizeof c->bytes ? 0 : -1;
        c->whole = (size_t)(end - c->bytes) + 1;
    }
    ssize_t put = send(c->fd, c->bytes + c->sent, c->whole - c->sent, MSG_NOSIGNAL);
    if (put < 0) return again() ? 0 : -1;
    c->sent += (size_t)put;
    if (c->sent < c->whole) return 0;
    c->filled -= c->whole;
    memmove(c->bytes, c->bytes + c->whole, c->filled);
    c->whole = c->sent = 0;
    c->deadline = now() + idle;
    return 0;
}

static void arrive(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    clients[count++] = (struct client){.fd = fd, .deadline = now() + idle};
}

static void leave(nfds_t i)
{
    close(clients[i].fd);
    clients[i] = clients[--count];
}

/* Until the first deadline, rounded as poll(2) wants it. */
static struct timespec *time_left(struct timespec *left)
{
    if (count == 0) return NULL;
    int64_t first = clients[0].deadline;
    for (nfds_t i = 1; i < count; i++)
        if (clients[i].deadline < first) first = clients[i].deadline;
    first -= now();
    if (first < 0) first = 0;
    *left = (struct timespec){first / 1000, first % 1000 * 1000000};
    return left;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = where(argc, argv);
    idle = idle_milliseconds(argc, argv);
    int listener = listen_at(&address);
    if (listener < 0) return 1;

    /* The signal comes during ppoll alone: none is lost between the look at `stopped` and the wait. */
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    announce(listener);

    while (!stopped) {
        struct pollfd watched[CLIENTS_MOST + 1];
        for (nfds_t i = 0; i < count; i++)
            watched[i] = (struct pollfd){clients[i].fd, clients[i].whole ? POLLOUT : POLLIN, 0};
        watched[count] = (struct pollfd){count < CLIENTS_MOST ? listener : -1, POLLIN, 0};
        struct timespec left;
        if (ppoll(watched, count + 1, time_left(&left), &before) < 0) continue;
        if (watched[count].revents) arrive(listener);
        /* Backwards, for who leaves is replaced by the last one. A new one has no events yet. */
        int64_t time = now();
        for (nfds_t i = count; i-- > 0;) {
            int looked_at = watched[i].fd == clients[i].fd;
            if (looked_at && watched[i].revents ? step(&clients[i]) != 0 : clients[i].deadline <= time)
                leave(i);
        }
    }
    close(listener);
    while (count > 0)
        leave(0);
    return 0;
}
