/* A SOCKS 5 server (RFC 1928): connects its clients to where they ask, and moves bytes both ways. The command CONNECT,
 * without authentication, to IPv4 and IPv6 addresses and to names.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "relay.h"
#include "service.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* RFC 1928, sections 3 to 6. */
enum { VERSION = 5, NO_AUTHENTICATION = 0, NO_METHOD = 0xff, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4 };
enum {
    SUCCEEDED = 0,
    FAILED = 1,
    NOT_ALLOWED = 2,
    NETWORK_UNREACHABLE = 3,
    HOST_UNREACHABLE = 4,
    REFUSED = 5,
    NO_SUCH_COMMAND = 7,
    NO_SUCH_ADDRESS = 8
};

static bide_duration handshake_limit = BIDE_SECONDS(10), connect_limit = BIDE_SECONDS(10);
static bide_duration idle = BIDE_MINUTES(10);

static int serve(struct service *service, bide_async *client);

static struct service service = {.connections = 1000, .drain = BIDE_SECONDS(3), .serve = serve};

static const struct example_option options[] = {
    SERVICE_OPTIONS(service, "127.0.0.1:1080", "3s"),
    {"--handshake", EXAMPLE_DURATION, &handshake_limit,
     "how long a client may take to say what it wants (10s)"},
    {"--connect", EXAMPLE_DURATION, &connect_limit, "how long a connect may take (10s)"},
    {"--idle", EXAMPLE_DURATION, &idle, "a client for which nothing moves for so long is dropped (10m)"},
};

static const struct example_program program = {
    .name = "socks5",
    .synopsis = SERVICE_SYNOPSIS " [--handshake DURATION] [--connect DURATION] [--idle DURATION]",
    .about = "Serves SOCKS 5, the command CONNECT, to everybody who can reach it: listen on an address that\n"
             "only those can who may. The first line it prints is the address that it listens on.\n"
             "SIGTERM or SIGINT: accepts no more, serves those who are connected until they leave or the\n"
             "time to drain is over, and exits with 0. A second one: drops them.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* --- what the client says --- */

/* Agrees on no authentication. */
static int greet(bide_async *client, bide_instant deadline)
{
    uint8_t head[2], methods[255];
    int error = bide_read_exact(client, head, sizeof head, deadline, NULL);
    if (!error && head[0] != VERSION) error = BIDE_EPROTO;
    if (!error) error = bide_read_exact(client, methods, head[1], deadline, NULL);
    if (error) return error;
    bool offered = memchr(methods, NO_AUTHENTICATION, head[1]) != NULL;
    const uint8_t answer[2] = {VERSION, offered ? NO_AUTHENTICATION : NO_METHOD};
    error = bide_write_all(client, answer, sizeof answer, deadline, NULL);
    return error ? error : offered ? 0 : BIDE_EPERM;
}

struct request {
    uint8_t refusal; /* SUCCEEDED: it is one that can be tried */
    bool by_name;
    bide_address address;
    char name[256];
    uint16_t port;
};

/* Reads the address, of which there are `length` bytes, and the port. */
static int read_place(bide_async *client, uint8_t *bytes, size_t length, uint16_t *port,
                      bide_instant deadline)
{
    uint8_t number[2];
    int error = bide_read_exact(client, bytes, length, deadline, NULL);
    if (!error) error = bide_read_exact(client, number, sizeof number, deadline, NULL);
    if (!error) *port = (uint16_t)(number[0] << 8 | number[1]);
    return error;
}

static int read_name(bide_async *client, struct request *request, bide_instant deadline)
{
    uint8_t length;
    int error = bide_read_exact(client, &length, 1, deadline, NULL);
    if (!error) error = read_place(client, (uint8_t *)request->name, length, &request->port, deadline);
    if (error) return error;
    request->name[length] = '\0';
    request->by_name = true;
    /* One with a zero byte within would be another one. */
    if (length == 0 || strlen(request->name) != length) request->refusal = FAILED;
    return 0;
}

static int read_request(bide_async *client, struct request *request, bide_instant deadline)
{
    uint8_t head[4], bytes[16];
    *request = (struct request){.refusal = SUCCEEDED};
    int error = bide_read_exact(client, head, sizeof head, deadline, NULL);
    if (error) return error;
    if (head[0] != VERSION) return BIDE_EPROTO;
    switch (head[3]) {
    case IPV4:
        error = read_place(client, bytes, 4, &request->port, deadline);
        if (!error) request->address = bide_address_ipv4(bytes, request->port);
        break;
    case IPV6:
        error = read_place(client, bytes, 16, &request->port, deadline);
        if (!error) request->address = bide_address_ipv6(bytes, request->port, 0);
        break;
    case NAME: error = read_name(client, request, deadline); break;
    default: request->refusal = NO_SUCH_ADDRESS; break;
    }
    if (head[1] != CONNECT) request->refusal = NO_SUCH_COMMAND;
    return error;
}

/* --- what it is told --- */

static uint8_t refusal_for(int error)
{
    switch (error) {
    case BIDE_ECONNREFUSED: return REFUSED;
    case BIDE_ENETUNREACH:
    case BIDE_ENETDOWN: return NETWORK_UNREACHABLE;
    case BIDE_EHOSTUNREACH:
    case BIDE_ETIMEDOUT:
    case BIDE_ERESOLVE_NONAME:
    case BIDE_ERESOLVE_NODATA:
    case BIDE_ERESOLVE_AGAIN:
    case BIDE_ERESOLVE_SYNTAX: return HOST_UNREACHABLE;
    case BIDE_EACCES:
    case BIDE_EPERM: return NOT_ALLOWED;
    default: return FAILED;
    }
}

/* `server`: whose own address is told with a success; NULL for a refusal, which tells 0.0.0.0:0. */
static int reply(bide_async *client, uint8_t code, bide_async *server, bide_instant deadline)
{
    uint8_t text[4 + 16 + 2] = {VERSION, code, 0, IPV4};
    size_t length = 4;
    bide_address own = bide_address_any(0);
    if (server) (void)bide_async_local_address(server, &own);
    if (bide_address_family(&own) == BIDE_FAMILY_IPV6) {
        const struct sockaddr_in6 *address = bide_address_sockaddr(&own, NULL);
        text[3] = IPV6;
        memcpy(text + length, &address->sin6_addr, 16);
        length += 16;
    } else {
        const struct sockaddr_in *address = bide_address_sockaddr(&own, NULL);
        memcpy(text + length, &address->sin_addr, 4);
        length += 4;
    }
    uint16_t port = bide_address_port(&own);
    text[length++] = (uint8_t)(port >> 8);
    text[length++] = (uint8_t)port;
    return bide_write_all(client, text, length, deadline, NULL);
}

static int serve(struct service *unused, bide_async *client)
{
    struct request request;
    bide_async *server;
    bide_instant deadline = bide_after(handshake_limit);
    (void)unused;
    int error = greet(client, deadline);
    if (!error) error = read_request(client, &request, deadline);
    if (error) return error;
    if (request.refusal != SUCCEEDED) return reply(client, request.refusal, NULL, deadline);

    deadline = bide_after(connect_limit);
    error = request.by_name ? bide_tcp_connect_host(&server, request.name, request.port, deadline, NULL)
                            : bide_tcp_connect(&server, &request.address, deadline);
    if (error) {
        (void)reply(client, refusal_for(error), NULL, bide_after(handshake_limit));
        return error;
    }
    (void)bide_tcp_set_nodelay(server, true);
    error = reply(client, SUCCEEDED, server, bide_after(handshake_limit));
    if (!error) error = relay(client, server, idle);
    (void)bide_async_free(server);
    return error;
}

int main(int argc, char **argv)
{
    service.program = &program;
    service.address = bide_address_loopback(1080);
    example_arguments(&program, argc, argv);
    return service_main(&service);
}
