/* What servers and clients cost: system calls and allocations, counted exactly.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_counts.h"

TestSuite(counts, .init = prepare, .timeout = 60);

#define MESSAGE 64

/* A connection of an echo server that is a state machine on a set. */
struct session {
    bide_async *async;
    int peer;
    bool writing;
    bide_io io;
    bide_set_member member;
    char buffer[256];
};

static void await_message(bide_set *set, struct session *session)
{
    session->writing = false;
    bide_io_read(&session->io, session->async, session->buffer, sizeof session->buffer);
    cr_assert_ok(bide_set_add(set, &session->member, &session->io.future, session));
}

/* Serves until `messages` have been echoed. */
static void serve(bide_set *set, int messages)
{
    for (int echoed = 0; echoed < messages;) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(set, BIDE_NEVER, &ready));
        struct session *session = ready->tag;
        cr_assert_gives(session->io.result, MESSAGE);
        if (session->writing) {
            echoed++;
            await_message(set, session);
        } else {
            session->writing = true;
            bide_io_write(&session->io, session->async, session->buffer, (size_t)session->io.result);
            cr_assert_ok(bide_set_add(set, &session->member, &session->io.future, session));
        }
    }
}

#define MOST_SESSIONS 64

/* Rounds in which every client sends a message, all are echoed, and every client reads its own. Counts the
 * server's calls. */
static void run_echo(int connections, int rounds, unsigned long waits_expected)
{
    static struct session sessions[MOST_SESSIONS];
    bide_set set;
    bide_set_init(&set);
    for (int i = 0; i < connections; i++) {
        sessions[i].async = open_one(TCP, &sessions[i].peer);
        await_message(&set, &sessions[i]);
    }
    char message[MESSAGE];
    memset(message, 'm', sizeof message);
    unsigned long total = 0, waits = 0;
    for (int round = -2; round < rounds; round++) {
        for (int i = 0; i < connections; i++)
            put_unseen(sessions[i].peer, message, MESSAGE);
        bide_calls_reset();
        serve(&set, connections);
        if (round >= 0) {
            expect_no_allocation("echo");
            total += bide_calls_total();
            waits += bide_calls_of(edges ? BIDE_CALL_EPOLL_WAIT : BIDE_CALL_POLL);
            cr_assert_eq(bide_calls_of(BIDE_CALL_RECV), (unsigned long)connections, "%s", bide_calls_text());
            cr_assert_eq(bide_calls_of(BIDE_CALL_SEND), (unsigned long)connections, "%s", bide_calls_text());
        }
        for (int i = 0; i < connections; i++)
            take_unseen(sessions[i].peer, message, MESSAGE);
    }
    unsigned long messages = (unsigned long)(connections * rounds);
    cr_assert_leq(waits, waits_expected, "%lu waits for %lu messages", waits, messages);
    /* A read and a write each; on poll(2), registrations are armed too. */
    cr_assert_leq(total, (edges ? 2 : 3) * messages + waits_expected, "%lu calls for %lu messages", total,
                  messages);
    for (int i = 0; i < connections; i++) {
        cr_assert_gives(bide_set_remove(&set, &sessions[i].member), BIDE_READY);
        cr_assert_ok(bide_async_free(sessions[i].async));
        (void)close(sessions[i].peer);
    }
    expect_nothing_left(before);
}

Test(counts, an_echo_over_64_connections_costs_at_most_2_1_calls_a_message)
{
    enum { ROUNDS = 20 };
    /* 0.1 of 64 messages are six waits; those that are needed are one for the events and one to let others
     * in. */
    run_echo(64, ROUNDS, 2 * ROUNDS);
}

Test(counts, a_ping_pong_on_one_connection_costs_three_calls_a_message)
{
    enum { ROUNDS = 200 };
    run_echo(1, ROUNDS, ROUNDS);
}

Test(counts, a_connect_costs_at_most_five_calls)
{
    struct sockaddr_in where;
    int listener = make_listener(&where, 16);
    bide_address address;
    cr_assert_ok(bide_address_from_system(&address, &where, sizeof where));
    warm_up();
    for (int i = 0; i < 5; i++) {
        bide_async *conn;
        bide_calls_reset();
        cr_assert_ok(bide_tcp_connect(&conn, &address, bide_after(LONG)));
        /* socket, connect, registration, wait, getpeername; poll(2) looks at the file and arms it */
        unsigned long total = bide_calls_total();
        cr_assert_leq(total, edges ? 5UL : 6UL, "%s", bide_calls_text());
        cr_assert_ok(bide_async_free(conn));
    }
    (void)close(listener);
    expect_nothing_left(before);
}

Test(counts, an_accept_costs_two_calls_a_connection_and_a_wait_when_there_is_none)
{
    enum { CLIENTS = 20 };
    bide_address where = bide_address_loopback(0);
    bide_async *listener, *conns[CLIENTS];
    cr_assert_ok(bide_tcp_listen(&listener, &where, 0));
    cr_assert_ok(bide_async_local_address(listener, &where));
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(&where, &length);
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (i < CLIENTS - 1) cr_assert_done(connect(clients[i], address, (socklen_t)length));
    }
    warm_up();
    bide_calls_reset();
    for (int i = 0; i < CLIENTS - 1; i++)
        cr_assert_ok(bide_accept(listener, &conns[i], NULL, BIDE_NEVER));
    expect_calls("accepting from the backlog", 2 * (CLIENTS - 1));
    /* The next finds nothing, waits, and takes it. */
    cr_assert_gives(bide_accept(listener, &conns[CLIENTS - 1], NULL, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_done(connect(clients[CLIENTS - 1], address, (socklen_t)length));
    bide_calls_reset();
    cr_assert_ok(bide_accept(listener, &conns[CLIENTS - 1], NULL, BIDE_NEVER));
    expect_calls("waiting and accepting", edges ? 3 : 4);
    for (int i = 0; i < CLIENTS; i++) {
        cr_assert_ok(bide_async_free(conns[i]));
        (void)close(clients[i]);
    }
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(counts, freeing_costs_the_deregistration_and_the_close)
{
    int peer;
    bide_async *async = open_one(TCP, &peer);
    bide_calls_reset();
    cr_assert_ok(bide_async_free(async));
    expect_calls("free", 2);
    (void)close(peer);
    expect_nothing_left(before);
}
