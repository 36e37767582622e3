/* Which reactor a connection joins: the one that was current where its future was prepared.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <bide.h>

static void note(void *arg)
{
    *(bool *)arg = true;
}

static bide_async *listen_here(bide_address *address)
{
    bide_async *listener = NULL;
    bide_address any = bide_address_loopback(0);
    cr_assert_eq(bide_tcp_listen(&listener, &any, 0), 0);
    cr_assert_eq(bide_async_local_address(listener, address), 0);
    return listener;
}

/* A handle on a reactor that has been freed is of no use but to be freed. */
static void assert_cancelled_with(bide_reactor *reactor, bide_async *conn)
{
    char byte;
    cr_assert_eq(bide_read(conn, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_eq(bide_reactor_free(reactor), 0);
    bide_ssize result = bide_read(conn, &byte, 1, BIDE_NOW);
    cr_assert_eq(result, BIDE_ECANCELED, "%ld (%s)", (long)result, bide_error_name((int)result));
    cr_assert_eq(bide_async_free(conn), 0);
}

Test(net_reactors, a_connection_joins_the_reactor_that_was_current_where_its_connect_was_prepared,
     .timeout = 20)
{
    bide_address address;
    bide_async *listener = listen_here(&address);
    bide_reactor *reactor = NULL;
    cr_assert_eq(bide_reactor_new(&reactor, NULL), 0);
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, &address);
    bide_reactor_leave(previous);

    bool woken = false;
    bide_waker waker = {note, &woken};
    bide_context cx;
    bide_context_init(&cx, waker);
    while (bide_future_poll(&connecting.future, &cx) == BIDE_PENDING) {
        woken = false;
        while (!woken)
            cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NEVER), 0);
    }
    cr_assert_eq(connecting.result, 0, "%s", bide_error_name(connecting.result));
    assert_cancelled_with(reactor, connecting.conn);
    cr_assert_eq(bide_async_free(listener), 0);
}

Test(net_reactors, an_accepted_connection_joins_the_reactor_that_was_current_where_accepting_was_prepared,
     .timeout = 20)
{
    bide_address address;
    bide_async *listener = listen_here(&address);
    bide_async *client = NULL;
    cr_assert_eq(bide_tcp_connect(&client, &address, BIDE_NEVER), 0);
    bide_reactor *reactor = NULL;
    cr_assert_eq(bide_reactor_new(&reactor, NULL), 0);
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    bide_reactor_leave(previous);

    cr_assert_eq(bide_block_on(&incoming.future), 0);
    cr_assert_eq(incoming.result, 0, "%s", bide_error_name(incoming.result));
    assert_cancelled_with(reactor, incoming.conn);
    cr_assert_eq(bide_async_free(client), 0);
    cr_assert_eq(bide_async_free(listener), 0);
}
