/* After async-io's own benchmarks (smol-rs/async-io, benches/io.rs), with direct calls on one thread: bytes written to
 * one end and read from the other; beside them connections made and accepted, and a datagram sent and received.
 *
 *   bench_io [SECONDS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE ((size_t)1024 * 1024)
#define SMALL ((size_t)1024)

static unsigned char bytes[1024 * 1024];
static bide_async *here, *there, *listener;
static bide_address address;

static void check(bide_ssize result, const char *what)
{
    if (result >= 0) return;
    (void)fprintf(stderr, "%s: %s\n", what, bide_strerror(result));
    exit(1);
}

static void measure(const char *name, double seconds, void (*step)(void))
{
    bide_instant started = bide_now(), end = bide_after(BIDE_SECONDS(seconds));
    uint64_t count = 0;
    while (bide_before(bide_now(), end)) {
        for (int i = 0; i < 16; i++)
            step();
        count += 16;
    }
    (void)printf("%s %.1f ns\n", name, (double)bide_instant_since(bide_now(), started) / (double)count);
}

static void transfer(size_t size)
{
    check(bide_write_all(here, bytes, size, BIDE_NEVER, NULL), "write");
    check(bide_read_exact(there, bytes, size, BIDE_NEVER, NULL), "read");
}

static void transfer_large(void)
{
    transfer(LARGE);
}

static void transfer_small(void)
{
    transfer(SMALL);
}

static void connect_tcp(void)
{
    check(bide_tcp_connect(&there, &address, BIDE_NEVER), "connect");
    check(bide_accept(listener, &here, NULL, BIDE_NEVER), "accept");
    /* Reset, so that no port is left waiting. */
    check(bide_socket_set_linger(there, 0), "linger");
    bide_async_free(there);
    bide_async_free(here);
}

static void connect_unix(void)
{
    check(bide_unix_connect(&there, &address, BIDE_NEVER), "connect");
    check(bide_accept(listener, &here, NULL, BIDE_NEVER), "accept");
    bide_async_free(there);
    bide_async_free(here);
}

static void send_datagram(void)
{
    check(bide_send_to(here, bytes, SMALL, &address, BIDE_NEVER), "send");
    check(bide_recv_from(there, bytes, SMALL, NULL, BIDE_NEVER), "receive");
}

static void listen_on(int error)
{
    check(error, "listen");
    check(bide_async_local_address(listener, &address), "address");
}

int main(int argc, char **argv)
{
    double seconds = (argc > 1 ? strtod(argv[1], NULL) : 1) / 5;
    bide_address any = bide_address_loopback(0);
    listen_on(bide_tcp_listen(&listener, &any, 0));
    check(bide_tcp_connect(&there, &address, BIDE_NEVER), "connect");
    check(bide_accept(listener, &here, NULL, BIDE_NEVER), "accept");
    measure("io-tcp-1MiB", seconds, transfer_large);
    bide_async_free(here);
    bide_async_free(there);

    check(bide_unix_pair(&here, &there), "pair");
    measure("io-unix-1KiB", seconds, transfer_small);
    bide_async_free(here);
    bide_async_free(there);

    measure("io-connect-tcp", seconds, connect_tcp);
    bide_async_free(listener);
    char path[64];
    bide_address in_files;
    (void)snprintf(path, sizeof path, "/tmp/bench-io-%ld", (long)getpid());
    check(bide_address_unix(&in_files, path), "path");
    listen_on(bide_unix_listen(&listener, &in_files, 0));
    measure("io-connect-unix", seconds, connect_unix);
    bide_async_free(listener);
    (void)unlink(path);

    check(bide_udp_bind(&here, &any), "bind");
    check(bide_udp_bind(&there, &any), "bind");
    check(bide_async_local_address(there, &address), "address");
    measure("io-udp-1KiB", seconds, send_datagram);
    bide_async_free(here);
    bide_async_free(there);
    return bide_shutdown() == 0 ? 0 : 1;
}
