/* The example socks5, with plain sockets that speak the protocol byte by byte, and with curl.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(socks, .timeout = 120);

#define SOCKS5 BIDE_EXAMPLES "/socks5"

static struct server start(void)
{
    struct server server;
    START(&server, SOCKS5, "--workers", "2", "--listen", "127.0.0.1:0", "--handshake", "5s");
    return server;
}

static void expect_bytes(int fd, const char *bytes, size_t length)
{
    char got[64];
    receive_all(fd, got, length);
    for (size_t i = 0; i < length; i++)
        cr_assert_eq(got[i], bytes[i], "byte %zu is %#x, not %#x", i, (unsigned char)got[i],
                     (unsigned char)bytes[i]);
}

/* A client that has agreed on no authentication. */
static int greeted(const struct server *server)
{
    int client = connected(&server->place);
    send_all(client, "\5\2\0\2", 4);
    expect_bytes(client, "\5\0", 2);
    return client;
}

/* The head of a reply with an IPv4 address, which is read over. */
static void expect_reply(int client, int code)
{
    char rest[6];
    const char head[4] = {5, (char)code, 0, 1};
    expect_bytes(client, head, sizeof head);
    receive_all(client, rest, sizeof rest);
}

static size_t request_ipv4(char *text, const struct place *place)
{
    memcpy(text, "\5\1\0\1", 4);
    memcpy(text + 4, &place->address.sin_addr, 4);
    memcpy(text + 8, &place->address.sin_port, 2);
    return 10;
}

static size_t request_name(char *text, const char *name, const struct place *place)
{
    memcpy(text, "\5\1\0\3", 4);
    text[4] = (char)strlen(name);
    memcpy(text + 5, name, strlen(name));
    memcpy(text + 5 + strlen(name), &place->address.sin_port, 2);
    return 7 + strlen(name);
}

static void talk_through(int client, int listener)
{
    int server = accept(listener, NULL, NULL);
    char got[4];
    cr_assert_geq(server, 0);
    send_all(client, "ping", 4);
    receive_all(server, got, 4);
    send_all(server, "pong", 4);
    expect_bytes(client, "pong", 4);
    (void)shutdown(client, SHUT_WR);
    cr_assert(ends(server), "the end is not handed on");
    send_all(server, "last", 4);
    expect_bytes(client, "last", 4);
    (void)close(server);
    cr_assert(ends(client));
    (void)close(client);
}

Test(socks, connects_to_an_ipv4_address_and_to_a_name)
{
    struct server server = start();
    struct place place;
    char text[300];
    int listener = listening(&place, 5);
    int client = greeted(&server);
    send_all(client, text, request_ipv4(text, &place));
    expect_reply(client, 0);
    talk_through(client, listener);
    client = greeted(&server);
    /* Byte by byte: the pieces are not the network's to say. */
    size_t length = request_name(text, "localhost", &place);
    for (size_t i = 0; i < length; i++)
        send_all(client, text + i, 1);
    expect_reply(client, 0);
    talk_through(client, listener);
    (void)close(listener);
    stop(&server);
}

Test(socks, connects_to_an_ipv6_address)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0)
        BIDE_SKIP("no IPv6 on the loopback");
    cr_assert_eq(listen(listener, 5), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    struct server server = start();
    int client = greeted(&server);
    char text[22] = "\5\1\0\4", rest[18];
    memcpy(text + 4, &address.sin6_addr, 16);
    memcpy(text + 20, &address.sin6_port, 2);
    send_all(client, text, sizeof text);
    expect_bytes(client, "\5\0\0\4", 4);
    receive_all(client, rest, sizeof rest);
    talk_through(client, listener);
    (void)close(listener);
    stop(&server);
}

Test(socks, says_why_it_did_not_connect)
{
    struct server server = start();
    struct place place;
    char text[300];
    int fd = bound(&place);
    int client = greeted(&server);
    send_all(client, text, request_ipv4(text, &place));
    expect_reply(client, 5);
    cr_assert(ends(client));
    (void)close(client);
    client = greeted(&server);
    send_all(client, text, request_name(text, "no..such..host", &place));
    expect_reply(client, 4);
    (void)close(client);
    client = greeted(&server);
    size_t length = request_ipv4(text, &place);
    text[1] = 2; /* BIND */
    send_all(client, text, length);
    expect_reply(client, 7);
    (void)close(client);
    client = greeted(&server);
    send_all(client, "\5\1\0\7", 4);
    expect_reply(client, 8);
    (void)close(client);
    (void)close(fd);
    stop(&server);
}

Test(socks, refuses_who_does_not_speak_it)
{
    struct server server = start();
    int client = connected(&server.place);
    send_all(client, "GET / HTTP/1.0\r\n\r\n", 18);
    cr_assert(ends(client));
    (void)close(client);
    client = connected(&server.place);
    send_all(client, "\5\1\2", 3); /* user name and password alone */
    expect_bytes(client, "\5\xff", 2);
    cr_assert(ends(client));
    (void)close(client);
    stop(&server);

    START(&server, SOCKS5, "--workers", "2", "--listen", "127.0.0.1:0", "--handshake", "100ms");
    client = connected(&server.place);
    send_all(client, "\5", 1);
    cr_assert(ends(client), "who says nothing more is served for ever");
    (void)close(client);
    stop(&server);
}

/* --- curl --- */

static struct run r;

/* One that answers one HTTP request, in a process of its own. */
static pid_t answer_once(int listener)
{
    pid_t child = fork();
    if (child != 0) return child;
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    char request[4096];
    int conn = accept(listener, NULL, NULL);
    bool served = recv(conn, request, sizeof request, 0) > 0 &&
                  send(conn, answer, sizeof answer - 1, MSG_NOSIGNAL) == (ssize_t)sizeof answer - 1;
    _exit(served ? 0 : 1);
}

Test(socks, serves_curl_by_name_and_by_address)
{
    struct server server = start();
    struct place place;
    char url[64], proxy[64];
    int listener = listening(&place, 5);
    for (int by_name = 0; by_name < 2; by_name++) {
        (void)snprintf(url, sizeof url, "http://%s:%d/", by_name ? "localhost" : "127.0.0.1",
                       ntohs(place.address.sin_port));
        (void)snprintf(proxy, sizeof proxy, "%s", server.place.text);
        pid_t peer = answer_once(listener);
        RUN(&r, "/usr/bin/env", "curl", "-sS", "--noproxy", "", "--max-time", "20", "--socks5-hostname",
            proxy, url);
        if (r.status == 127) {
            (void)kill(peer, SIGKILL);
            BIDE_SKIP("there is no curl");
        }
        assert_status(&r, 0);
        cr_assert_str_eq(r.out, "hello", "%s", r.out);
        cr_assert_eq(exit_code(peer), 0);
    }
    (void)close(listener);
    stop(&server);
}
