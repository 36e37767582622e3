/* What the tests of datagrams share: sockets on free ports of the loopback, and pairs of Unix sockets.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_UDP_H
#define BIDE_TEST_UDP_H

#include "test_inventory.h"

/* A UDP socket of Bide's on a free port, and its address. */
static inline bide_async *bind_anywhere(bide_address *where)
{
    bide_async *socket;
    bide_address loopback = bide_address_loopback(0);
    cr_assert_ok(bide_udp_bind(&socket, &loopback));
    cr_assert_ok(bide_async_local_address(socket, where));
    return socket;
}

/* Two that are each other's peers. */
static inline void connect_udp(bide_async *ends[2])
{
    bide_address where[2];
    for (int i = 0; i < 2; i++)
        ends[i] = bind_anywhere(&where[i]);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_udp_connect_to(ends[i], &where[1 - i]));
}

/* Two Unix sockets that are connected. */
static inline void connect_unix(bide_async *ends[2], int type)
{
    int fds[2];
    make_socketpair(fds, type);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_new(&ends[i], fds[i]));
}

/* A Unix datagram socket with a name that the system chooses, and its address. */
static inline bide_async *name_unix(bide_address *where)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    sa_family_t family = AF_UNIX;
    cr_assert_done(bind(fd, (struct sockaddr *)(void *)&family, sizeof family));
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, fd));
    cr_assert_ok(bide_async_local_address(async, where));
    return async;
}

static inline bide_async *unnamed_unix(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, fd));
    return async;
}

static inline void assert_bytes(const char *buffer, bide_ssize count, const char *expected)
{
    cr_assert_gives(count, (bide_ssize)strlen(expected));
    cr_assert(memcmp(buffer, expected, (size_t)count) == 0, "%.*s instead of %s", (int)count, buffer,
              expected);
}

static inline void assert_same_address(const bide_address *a, const bide_address *b)
{
    char texts[2][BIDE_ADDRESS_TEXT_MAX];
    (void)bide_address_format(a, texts[0], sizeof texts[0]);
    (void)bide_address_format(b, texts[1], sizeof texts[1]);
    cr_assert(bide_address_equal(a, b), "%s instead of %s", texts[0], texts[1]);
}

#endif
