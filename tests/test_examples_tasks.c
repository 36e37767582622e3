/* The example proxy, with plain sockets at both ends, and socat. echo_server --tasks is among the servers of
 * test_examples_servers.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(tasks, .timeout = 120);

#define PROXY BIDE_EXAMPLES "/proxy"

/* --- with socat --- */

static struct run r;

Test(tasks, echo_server_and_proxy_serve_socat)
{
    struct server server, proxy;
    char command[256];
    START(&server, ECHO_SERVER, "--tasks", "--workers", "2", "--listen", "127.0.0.1:0");
    START(&proxy, PROXY, "--workers", "2", "--listen", "127.0.0.1:0", server.place.text);
    /* socat ends its half when it has sent all, and waits for the rest of what comes back. */
    (void)snprintf(command, sizeof command, "seq 200000 | socat -t 20 - TCP:%s | cksum; seq 200000 | cksum",
                   proxy.place.text);
    RUN(&r, "/usr/bin/env", "socat", "-V");
    bool there = r.status == 0;
    if (there) {
        RUN(&r, "/bin/sh", "-c", command);
        assert_status(&r, 0);
        size_t half = strlen(r.out) / 2;
        cr_assert(half > 0 && memcmp(r.out, r.out + half, half) == 0, "what came back differs:\n%s", r.out);
    }
    stop(&proxy);
    stop(&server);
    if (!there) BIDE_SKIP("there is no socat");
}

/* --- the proxy --- */

/* Who is behind the proxy: sends back all of one connection, then, when that has ended, says so. */
static void *echo_and_tell_of_the_end(void *arg)
{
    enum { CHUNK = 64 * 1024 };
    static char chunk[CHUNK];
    int conn = accept(*(int *)arg, NULL, NULL);
    uint64_t sum = 0;
    ssize_t count;
    while ((count = recv(conn, chunk, CHUNK, 0)) > 0) {
        sum += (uint64_t)count;
        for (ssize_t done = 0; done < count;) {
            ssize_t sent = send(conn, chunk + done, (size_t)(count - done), MSG_NOSIGNAL);
            if (sent <= 0) return NULL;
            done += sent;
        }
    }
    char end[64];
    int length = snprintf(end, sizeof end, "END after %llu", (unsigned long long)sum);
    if (count != 0 || send(conn, end, (size_t)length + 1, MSG_NOSIGNAL) != length + 1) return NULL;
    (void)close(conn);
    return arg;
}

enum { MEGABYTES = 100, PIECE = 64 * 1024 };
static const uint64_t whole = (uint64_t)MEGABYTES * 1024 * 1024;

static char byte_at(uint64_t place)
{
    return (char)(place % 251 + place / PIECE);
}

static void *send_much(void *arg)
{
    static char piece[PIECE];
    int fd = *(int *)arg;
    for (uint64_t sent = 0; sent < whole; sent += PIECE) {
        for (uint64_t i = 0; i < PIECE; i++)
            piece[i] = byte_at(sent + i);
        for (size_t done = 0; done < PIECE;) {
            ssize_t count = send(fd, piece + done, PIECE - done, MSG_NOSIGNAL);
            if (count <= 0) return NULL;
            done += (size_t)count;
        }
    }
    return shutdown(fd, SHUT_WR) == 0 ? arg : NULL;
}

Test(tasks, proxy_moves_100_megabytes_each_way_and_hands_an_end_on_by_itself)
{
    static char piece[PIECE];
    struct place place;
    struct server proxy;
    pthread_t behind, sender;
    void *done;
    char end[64];
    int listener = listening(&place, 5);
    START(&proxy, PROXY, "--workers", "2", "--listen", "127.0.0.1:0", place.text);
    cr_assert_eq(pthread_create(&behind, NULL, echo_and_tell_of_the_end, &listener), 0);
    int client = connected(&proxy.place);
    cr_assert_eq(pthread_create(&sender, NULL, send_much, &client), 0);
    for (uint64_t got = 0; got < whole; got += PIECE) {
        receive_all(client, piece, PIECE);
        for (uint64_t i = 0; i < PIECE; i++)
            if (piece[i] != byte_at(got + i))
                cr_assert(false, "byte %llu is wrong", (unsigned long long)(got + i));
    }
    /* What the other end says after our half has ended. */
    (void)snprintf(end, sizeof end, "END after %llu", (unsigned long long)whole);
    receive_all(client, piece, strlen(end) + 1);
    cr_assert_str_eq(piece, end, "%s", piece);
    cr_assert(ends(client));
    cr_assert_eq(pthread_join(sender, &done), 0);
    cr_assert_not_null(done);
    cr_assert_eq(pthread_join(behind, &done), 0);
    cr_assert_not_null(done);
    (void)close(client);
    (void)close(listener);
    stop(&proxy);
}

Test(tasks, proxy_closes_on_clients_whom_it_cannot_connect_and_goes_on)
{
    struct place place;
    struct server proxy;
    int fd = bound(&place);
    START(&proxy, PROXY, "--workers", "2", "--listen", "127.0.0.1:0", place.text);
    for (int i = 0; i < 3; i++) {
        int client = connected(&proxy.place);
        cr_assert(ends(client));
        (void)close(client);
    }
    cr_assert_eq(listen(fd, 1), 0);
    int client = connected(&proxy.place);
    int server = accept(fd, NULL, NULL);
    char got[2];
    send_all(server, "hi", 2);
    receive_all(client, got, 2);
    (void)close(server);
    cr_assert(ends(client), "the other half is gone, and this one is open");
    (void)close(client);
    (void)close(fd);
    stop(&proxy);
}

Test(tasks, proxy_drops_who_is_idle_and_keeps_who_is_not)
{
    struct place place;
    struct server proxy;
    char got[1];
    int listener = listening(&place, 5);
    START(&proxy, PROXY, "--workers", "2", "--listen", "127.0.0.1:0", "--idle", "1s", place.text);
    int idle = connected(&proxy.place);
    int busy = connected(&proxy.place);
    int servers[2] = {accept(listener, NULL, NULL), accept(listener, NULL, NULL)};
    /* Which of the two is whose is not said by the order. */
    send_all(busy, "x", 1);
    struct pollfd either[2] = {{servers[0], POLLIN, 0}, {servers[1], POLLIN, 0}};
    cr_assert_eq(poll(either, 2, PATIENCE), 1);
    int mine = either[0].revents ? servers[0] : servers[1];
    receive_all(mine, got, 1);
    /* Bytes that go one way only count for both. */
    for (int64_t began = now_ms(); !readable(idle, 20);) {
        cr_assert_lt(now_ms() - began, PATIENCE, "the idle one is kept");
        send_all(busy, "y", 1);
        receive_all(mine, got, 1);
    }
    cr_assert(ends(idle));
    send_all(mine, "z", 1);
    receive_all(busy, got, 1);
    cr_assert_eq(got[0], 'z');
    (void)close(idle);
    (void)close(busy);
    (void)close(servers[0]);
    (void)close(servers[1]);
    (void)close(listener);
    stop(&proxy);
}

Test(tasks, wrong_usage_is_told)
{
    RUN(&r, PROXY);
    assert_status(&r, 2);
    assert_has(r.err, "HOST:PORT: missing");
    RUN(&r, PROXY, "--idle", "never", "127.0.0.1:1");
    assert_status(&r, 2);
    RUN(&r, ECHO_SERVER, "--tasks=yes");
    assert_status(&r, 2);
    assert_has(r.err, "takes no value");
    RUN(&r, PROXY, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--connect");
    RUN(&r, PROXY, "--listen", "192.0.2.1:1", "127.0.0.1:1");
    assert_status(&r, 1);
    assert_has(r.err, "proxy: 192.0.2.1:1: ");
}
