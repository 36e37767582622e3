/* Connecting to a host by its name: which address is tried when, who wins, and what is left of the others.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_connect_host.h"

#include <poll.h>
#include <sched.h>

TestSuite(connect_host, .timeout = 60, .init = begin, .fini = end);

static struct counter nobody;

/* --- one address ---------------------------------------------------------------------------------------- */

Test(connect_host, a_numeric_address_is_connected_to_without_a_thread_and_a_report_of_it_is_short)
{
    struct ends ends;
    bide_connect_report report;
    bide_async *conn;
    NEED_IPV6();
    open_ends(&ends);
    accept_on(&ends, V4);
    accept_on(&ends, V6);
    bide_set_threads(false);
    cr_assert_ok(bide_tcp_connect_host(&conn, "127.0.0.1", ends.port, bide_after(LONG), &report));
    assert_connected_to(conn, &ends.at[V4]);
    assert_text(&report, "connected to 127.0.0.1:# after T", ends.port);
    cr_assert_eq(report.count, 1);
    cr_assert_eq(report.known, 1);
    cr_assert_ok(bide_tcp_connect_host(&conn, "::1", ends.port, bide_after(LONG), NULL));
    assert_connected_to(conn, &ends.at[V6]);
    bide_set_threads(true);
    close_ends(&ends);
}

Test(connect_host, localhost_is_connected_to_whichever_family_it_listens_on)
{
    NEED_IPV6();
    const bide_address both[] = {parsed("[::1]:9"), parsed("127.0.0.1:9")};
    for (int family = 0; family < 2; family++) {
        struct ends ends;
        bide_async *conn;
        open_ends(&ends);
        accept_on(&ends, (enum family)family);
        let_resolve_to(both, 2);
        cr_assert_ok(bide_tcp_connect_host(&conn, "localhost", ends.port, bide_after(LONG), NULL));
        assert_connected_to(conn, &ends.at[family]);
        close_ends(&ends);
    }
    struct ends ends;
    bide_async *conn;
    open_ends(&ends);
    accept_on(&ends, V4);
    let_resolve_to(NULL, 0);
    cr_assert_ok(bide_tcp_connect_host(&conn, "localhost", ends.port, bide_after(LONG), NULL));
    assert_connected_to(conn, &ends.at[V4]);
    close_ends(&ends);
}

Test(connect_host, an_error_of_the_look_up_is_that_of_the_connect)
{
    bide_connect_report report;
    bide_async *conn;
    resolver.code = EAI_NONAME;
    cr_assert_gives(bide_tcp_connect_host(&conn, "host.example", 80, BIDE_NEVER, &report),
                    BIDE_ERESOLVE_NONAME);
    cr_assert_null(conn);
    cr_assert(!report.resolved);
    cr_assert_eq(report.count, 0);
    assert_text(&report, "no such host after T", 0);
    cr_assert_gives(bide_tcp_connect_host(&conn, "no name", 80, BIDE_NEVER, &report), BIDE_ERESOLVE_SYNTAX);
    cr_assert_gives(report.result, BIDE_ERESOLVE_SYNTAX);
}

/* --- several addresses ---------------------------------------------------------------------------------- */

Test(connect_host, the_first_address_wins_if_it_answers_and_no_other_is_tried)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    bide_async *conn;
    open_ends(&ends);
    accept_on(&ends, V4);
    accept_on(&ends, V6);
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    cr_assert_ok(bide_tcp_connect_host(&conn, "host.example", ends.port, bide_after(LONG), &report));
    assert_connected_to(conn, &ends.at[V6]);
    cr_assert_eq(report.count, 1);
    cr_assert_eq(report.known, 2);
    assert_text(&report, "connected to [::1]:# after T", ends.port);
    struct pollfd other = {ends.fd[V4], POLLIN, 0};
    cr_assert_eq(poll(&other, 1, 0), 0, "the other one is connected to");
    close_ends(&ends);
}

/* With a delay of seconds, only the failure can have begun the second one that early. */
Test(connect_host, the_next_address_is_tried_at_once_when_one_fails)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    open_ends(&ends);
    accept_on(&ends, V4);
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    bide_host_connecting connecting;
    bide_tcp_host_connecting_init(&connecting, "host.example", ends.port, &report);
    bide_host_connecting_set_delay(&connecting, BIDE_HOURS(1));
    cr_assert_eq(connecting.between_, BIDE_SECONDS(2), "the delay has a limit");
    cr_assert_ok(bide_block_on(&connecting.future));
    cr_assert_ok(connecting.result);
    assert_connected_to(connecting.conn, &ends.at[V4]);
    cr_assert_eq(report.count, 2);
    cr_assert_gives(report.tries[0].error, BIDE_ECONNREFUSED);
    cr_assert_gives(report.tries[1].error, 0);
    assert_text(&report, "connected to 127.0.0.1:# after T; tried [::1]:# refused", ends.port);
    close_ends(&ends);
}

Test(connect_host, the_next_address_is_tried_after_the_delay_when_one_does_not_answer)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    bide_async *conn;
    open_ends(&ends);
    accept_on(&ends, V4);
    swallow_on(&ends, V6);
    int fds = bide_test_fd_count();
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    cr_assert_ok(bide_tcp_connect_host(&conn, "host.example", ends.port, bide_after(LONG), &report));
    cr_assert_eq(bide_test_fd_count(), fds + 1, "the loser is open");
    assert_connected_to(conn, &ends.at[V4]);
    cr_assert_eq(report.count, 2);
    cr_assert_gives(report.tries[0].error, BIDE_ECANCELED);
    cr_assert_geq(report.tries[1].began - report.tries[0].began, BIDE_MILLISECONDS(250));
    cr_assert_geq(report.tries[0].took, BIDE_MILLISECONDS(250));
    cr_assert_geq(report.took, BIDE_MILLISECONDS(250));
    assert_text(&report, "connected to 127.0.0.1:# after T; tried [::1]:# no answer", ends.port);
    close_ends(&ends);
}

/* The first one answers late, after the second has begun. */
Test(connect_host, an_earlier_attempt_goes_on_beside_the_next)
{
    NEED_IPV6();
    struct ends ends;
    open_ends(&ends);
    swallow_on(&ends, V6);
    swallow_on(&ends, V4);
    bide_connect_report report;
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    bide_host_connecting connecting;
    bide_tcp_host_connecting_init(&connecting, "host.example", ends.port, &report);
    bide_host_connecting_set_delay(&connecting, 0);
    cr_assert_eq(connecting.between_, BIDE_MILLISECONDS(10), "the delay has a least");
    struct counter counter = {0};
    while (report.count < 2)
        cr_assert_gives(poll_with(&connecting.future, counting(&counter)), BIDE_PENDING);
    /* Room in the backlog: the kernel repeats its request. */
    for (int i = 0; i < 3; i++)
        (void)close(accept4(ends.fd[V6], NULL, NULL, SOCK_CLOEXEC));
    cr_assert_ok(bide_block_on(&connecting.future));
    cr_assert_ok(connecting.result);
    assert_connected_to(connecting.conn, &ends.at[V6]);
    cr_assert_gives(report.tries[1].error, BIDE_ECANCELED);
    close_ends(&ends);
}

Test(connect_host, if_all_fail_the_last_error_is_given_and_the_report_has_each)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    bide_async *conn;
    open_ends(&ends);
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    cr_assert_gives(bide_tcp_connect_host(&conn, "host.example", ends.port, bide_after(LONG), &report),
                    BIDE_ECONNREFUSED);
    cr_assert_null(conn);
    assert_text(&report, "connection refused after T; tried [::1]:# refused, 127.0.0.1:# refused", ends.port);
    close_ends(&ends);
}

Test(connect_host, the_deadline_is_for_all_attempts_together)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    bide_async *conn;
    open_ends(&ends);
    swallow_on(&ends, V6);
    swallow_on(&ends, V4);
    int fds = bide_test_fd_count();
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    bide_instant began = bide_now();
    cr_assert_gives(bide_tcp_connect_host(&conn, "host.example", ends.port,
                                          bide_after(BIDE_MILLISECONDS(400)), &report),
                    BIDE_ETIMEDOUT);
    cr_assert_geq(bide_instant_since(bide_now(), began), BIDE_MILLISECONDS(400));
    cr_assert_eq(bide_test_fd_count(), fds, "descriptors are left");
    assert_text(&report, "timed out after T; tried [::1]:# no answer, 127.0.0.1:# no answer", ends.port);
    cr_assert_gives(bide_tcp_connect_host(&conn, "host.example", ends.port, bide_after(BIDE_MILLISECONDS(20)),
                                          &report),
                    BIDE_ETIMEDOUT);
    assert_text(&report, "timed out after T; tried [::1]:# no answer, 1 not tried", ends.port);
    cr_assert_gives(bide_tcp_connect_host(&conn, "127.0.0.1", ends.port, BIDE_NOW, &report), BIDE_EAGAIN);
    close_ends(&ends);
}

Test(connect_host, the_deadline_is_kept_while_the_resolver_hangs)
{
    bide_connect_report report;
    bide_async *conn;
    resolver.slow = true;
    resolver.code = EAI_AGAIN;
    cr_assert_gives(bide_tcp_connect_host(&conn, "host.example", 80, bide_after(SHORT), &report),
                    BIDE_ETIMEDOUT);
    cr_assert_eq(resolver.ended, 0);
    assert_text(&report, "timed out after T of looking the name up", 0);
    cr_assert_gives(bide_tcp_connect_host(&conn, "host.example", 80, BIDE_NOW, NULL), BIDE_EAGAIN);
}

/* --- cancelling ----------------------------------------------------------------------------------------- */

Test(connect_host, cancelling_leaves_nothing_wherever_it_is)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    bide_host_connecting connecting;
    open_ends(&ends);
    swallow_on(&ends, V6);
    swallow_on(&ends, V4);
    int fds = bide_test_fd_count();
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);

    /* while the name is looked up */
    resolver.slow = true;
    bide_tcp_host_connecting_init(&connecting, "host.example", ends.port, &report);
    cr_assert_gives(poll_with(&connecting.future, counting(&nobody)), BIDE_PENDING);
    cr_assert_gives(report.result, BIDE_EINPROGRESS);
    cr_assert_gives(bide_cancel(&connecting.future), BIDE_READY);
    assert_text(&report, "cancelled after T of looking the name up", 0);
    resolver.open = true;

    /* while one is tried, and while both are */
    for (size_t tried = 1; tried <= 2; tried++) {
        bide_tcp_host_connecting_init(&connecting, "host.example", ends.port, &report);
        bide_host_connecting_set_delay(&connecting, tried == 1 ? BIDE_SECONDS(2) : 0);
        while (report.count < tried)
            cr_assert_gives(poll_with(&connecting.future, counting(&nobody)), BIDE_PENDING);
        cr_assert_gives(bide_cancel(&connecting.future), BIDE_READY);
        cr_assert_gives(connecting.result, BIDE_ECANCELED);
        cr_assert_null(connecting.conn);
        cr_assert_eq(report.count, tried);
        cr_assert_gives(report.tries[0].error, BIDE_ECANCELED);
        cr_assert_eq(bide_test_fd_count(), fds, "%d descriptors more", bide_test_fd_count() - fds);
    }
    close_ends(&ends);
}

Test(connect_host, shutdown_ends_it_without_trying_further_addresses)
{
    NEED_IPV6();
    struct ends ends;
    bide_connect_report report;
    bide_host_connecting connecting;
    open_ends(&ends);
    swallow_on(&ends, V6);
    accept_on(&ends, V4);
    const bide_address answers[] = {ends.at[V6], ends.at[V4]};
    let_resolve_to(answers, 2);
    bide_tcp_host_connecting_init(&connecting, "host.example", ends.port, &report);
    bide_host_connecting_set_delay(&connecting, BIDE_SECONDS(2));
    while (report.count < 1)
        cr_assert_gives(poll_with(&connecting.future, counting(&nobody)), BIDE_PENDING);
    cr_assert_ok(bide_shutdown());
    cr_assert_gives(poll_with(&connecting.future, counting(&nobody)), BIDE_READY);
    cr_assert_gives(connecting.result, BIDE_ECANCELED);
    cr_assert_eq(report.count, 1);
    close_ends(&ends);
}

Test(connect_host, the_connection_joins_the_reactor_that_was_current_where_it_was_prepared)
{
    struct ends ends;
    NEED_IPV6();
    open_ends(&ends);
    accept_on(&ends, V4);
    bide_reactor *reactor;
    bide_host_connecting connecting;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_tcp_host_connecting_init(&connecting, "127.0.0.1", ends.port, NULL);
    bide_reactor_leave(previous);
    struct counter counter = {0};
    while (poll_with(&connecting.future, counting(&counter)) == BIDE_PENDING)
        cr_assert_geq(bide_reactor_run_once(reactor, bide_after(LONG)), 0);
    cr_assert_ok(connecting.result);
    cr_assert_ok(bide_reactor_free(reactor));
    char byte;
    cr_assert_gives(bide_read(connecting.conn, &byte, 1, BIDE_NOW), BIDE_ECANCELED);
    cr_assert_ok(bide_async_free(connecting.conn));
    close_ends(&ends);
}

/* --- a network of our own ------------------------------------------------------------------------------- */

/* In a network name space where packets to 2001:db8::2 vanish, as behind a broken IPv6. */
static bool make_black_hole(void)
{
    if (unshare(CLONE_NEWNET) != 0) return false;
    return system(
               "{ ip link set lo up && ip link add bh0 type veth peer name bh1 && ip link set bh0 up && "
               "ip link set bh1 up && ip -6 addr add 2001:db8::1/64 dev bh0 nodad && "
               "ip -6 neigh add 2001:db8::2 lladdr 02:00:00:00:00:02 dev bh0 nud permanent; } 2>/dev/null") ==
           0;
}

Test(connect_host, a_black_hole_of_ipv6_costs_a_quarter_of_a_second)
{
    if (!make_black_hole())
        BIDE_SKIP("a network name space with a veth pair cannot be made here: %s", strerror(errno));
    bide_async *listener, *conn;
    bide_connect_report report;
    bide_address local = bide_address_loopback(0);
    cr_assert_ok(bide_tcp_listen(&listener, &local, 8));
    cr_assert_ok(bide_async_local_address(listener, &local));
    const bide_address answers[] = {parsed("[2001:db8::2]:9"), local};
    let_resolve_to(answers, 2);
    cr_assert_ok(
        bide_tcp_connect_host(&conn, "host.example", bide_address_port(&local), bide_after(LONG), &report));
    assert_connected_to(conn, &local);
    assert_text(&report, "connected to 127.0.0.1:# after T; tried [2001:db8::2]:# no answer",
                bide_address_port(&local));
    cr_log_info("connected after %.1f ms\n", (double)report.took / 1e6);
    cr_assert_geq(report.took, BIDE_MILLISECONDS(250));
    cr_assert_lt(report.took, BIDE_SECONDS(1), "it took %.1f ms", (double)report.took / 1e6);
    cr_assert_ok(bide_async_free(listener));
}
