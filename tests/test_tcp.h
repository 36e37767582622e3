/* What the tests of TCP share: a listener, and ways to connect to it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_TCP_H
#define BIDE_TEST_TCP_H

#include "test_inventory.h"

/* A listener of Bide's on a free port, and its address. */
static inline bide_async *listen_anywhere(bide_address *where)
{
    bide_async *listener;
    bide_address loopback = bide_address_loopback(0);
    cr_assert_ok(bide_tcp_listen(&listener, &loopback, 0));
    cr_assert_ok(bide_async_local_address(listener, where));
    return listener;
}

/* Connects without Bide, waiting. */
static inline int dial(const bide_address *where)
{
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(where, &length);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    cr_assert_done(connect(fd, address, (socklen_t)length));
    return fd;
}

/* A connection, both ends of Bide's. */
static inline void connect_both(bide_async *ends[2])
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    cr_assert_ok(bide_tcp_connect(&ends[0], &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &ends[1], NULL, bide_after(LONG)));
    cr_assert_ok(bide_async_free(listener));
}

static inline bide_ssize call_accept(struct call *call)
{
    return bide_accept(call->async, call->buffer, NULL, call->deadline);
}

#endif
