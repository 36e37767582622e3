/* What the tests of connecting to a host share: the other ends, and what the resolver says.
 *
 * The other ends are listeners of the loopback: one that accepts, a port where nobody listens (refused at once), and one
 * whose backlog is full (no answer, as from a black hole).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_CONNECT_HOST_H
#define BIDE_TEST_CONNECT_HOST_H

#include "test_resolve.h"

#include <bide/host.h>

static struct inventory before;

static inline void begin(void)
{
    before = inventory_now();
}

static inline void end(void)
{
    resolver.open = true;
    expect_nothing_left(before);
}

/* --- the other ends ------------------------------------------------------------------------------------- */

/* The families' loopbacks. */
enum family { V4, V6 };

static inline bool has_ipv6(void)
{
    bide_address any = bide_address_loopback_ipv6(0);
    bide_async *listener;
    int error = bide_tcp_listen(&listener, &any, 0);
    (void)bide_async_free(listener);
    return error == 0;
}

#define NEED_IPV6()                                            \
    do {                                                       \
        if (!has_ipv6()) BIDE_SKIP("no IPv6 on the loopback"); \
    } while (0)

/* A socket bound to a port of the family's loopback, 0 for a free one; -1 if it is taken. */
static inline int bind_to(enum family family, uint16_t port, bide_address *address)
{
    *address = family == V4 ? bide_address_loopback(port) : bide_address_loopback_ipv6(port);
    size_t length;
    const struct sockaddr *where = bide_address_sockaddr(address, &length);
    int fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    if (bind(fd, where, (socklen_t)length) != 0) {
        (void)close(fd);
        return -1;
    }
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    cr_assert_done(getsockname(fd, (struct sockaddr *)&bound, &size));
    cr_assert_ok(bide_address_from_system(address, &bound, size));
    return fd;
}

/* One port on both loopbacks: [0] of IPv4, [1] of IPv6. */
struct ends {
    int fd[2];
    bide_address at[2];
    uint16_t port;
    int fillers[64];
    int filled;
};

static inline void open_ends(struct ends *ends)
{
    memset(ends, 0, sizeof *ends);
    do {
        ends->fd[0] = bind_to(V4, 0, &ends->at[0]);
        ends->port = bide_address_port(&ends->at[0]);
        ends->fd[1] = bind_to(V6, ends->port, &ends->at[1]);
        if (ends->fd[1] < 0) (void)close(ends->fd[0]);
    } while (ends->fd[1] < 0);
}

static inline void accept_on(struct ends *ends, enum family family)
{
    cr_assert_done(listen(ends->fd[family], 64));
}

/* From here on a connect to it has no answer. */
static inline void swallow_on(struct ends *ends, enum family family)
{
    size_t length;
    const struct sockaddr *where = bide_address_sockaddr(&ends->at[family], &length);
    cr_assert_done(listen(ends->fd[family], 1));
    for (bool pending = false; !pending;) {
        int fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        cr_assert_lt(ends->filled, 64, "this backlog has no end");
        ends->fillers[ends->filled++] = fd;
        (void)connect(fd, where, (socklen_t)length);
        bide_async *async;
        cr_assert_ok(bide_async_borrow(&async, fd));
        pending = bide_wait_writable(async, bide_after(BIDE_MILLISECONDS(100))) == BIDE_ETIMEDOUT;
        cr_assert_ok(bide_async_free(async));
    }
}

static inline void close_ends(struct ends *ends)
{
    close_all(ends->fillers, ends->filled);
    close_all(ends->fd, 2);
}

/* What the resolver answers: as many of these as are not NULL. */
static inline void let_resolve_to(const bide_address *answers, size_t count)
{
    resolver.answers = answers;
    resolver.count = count;
}

static inline void assert_connected_to(bide_async *conn, const bide_address *expected)
{
    bide_address peer;
    cr_assert_ok(bide_async_peer_address(conn, &peer));
    cr_assert(bide_address_equal(&peer, expected));
    cr_assert_ok(bide_async_free(conn));
}

static inline void assert_text(const bide_connect_report *report, const char *format, uint16_t port)
{
    char text[BIDE_CONNECT_REPORT_TEXT_MAX];
    char expected[256];
    char *out = expected;
    for (const char *in = format; *in; in++)
        if (*in == '#')
            out += sprintf(out, "%u", port);
        else
            *out++ = *in;
    *out = '\0';
    cr_assert_gt(bide_connect_report_format(report, text, sizeof text), 0);
    char *figure = strstr(text, " after ");
    cr_assert_not_null(figure, "%s", text);
    /* Times are not asserted: " after 12 ms" becomes " after T". */
    char *rest = figure + strlen(" after ");
    rest += strspn(rest, "0123456789.");
    cr_assert(strncmp(rest, " ms", 3) == 0 || strncmp(rest, " s", 2) == 0, "%s", text);
    rest += rest[1] == 'm' ? 3 : 2;
    memmove(figure + strlen(" after T"), rest, strlen(rest) + 1);
    figure[strlen(" after ")] = 'T';
    cr_assert_str_eq(text, expected, "%s\ninstead of\n%s", text, expected);
}

#endif
