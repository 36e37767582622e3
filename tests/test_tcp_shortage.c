/* TCP: accepting while descriptors are short.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_tcp.h"

#include "support/syscalls.h"

#include <sys/resource.h>

TestSuite(tcp, .init = take_inventory, .timeout = 60);

static struct rlimit old_limit;

/* From here on the process gets no further descriptor. */
static void forbid_descriptors(void)
{
    cr_assert_done(getrlimit(RLIMIT_NOFILE, &old_limit));
    int lowest_free = fcntl(0, F_DUPFD_CLOEXEC, 0);
    cr_assert_done(lowest_free);
    (void)close(lowest_free);
    struct rlimit none = {(rlim_t)lowest_free, old_limit.rlim_max};
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &none));
}

static void allow_descriptors(void)
{
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &old_limit));
}

Test(tcp, accept_without_a_descriptor_left_gives_the_error_and_then_does_not_spin)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn = (bide_async *)&where;
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EAGAIN);
    int client = dial(&where);
    forbid_descriptors();
    bide_calls_reset();
    bide_instant begin = bide_now();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    cr_assert_null(conn);
    cr_assert_gives(bide_accept(listener, &conn, NULL, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 1, "%s", bide_calls_text());
    /* A loop that accepts whatever happens goes round ten times a second. */
    int rounds = 0;
    while (bide_instant_since(bide_now(), begin) < BIDE_MILLISECONDS(450)) {
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
        rounds++;
    }
    cr_assert_leq(rounds, 5, "%d rounds", rounds);
    cr_assert_leq(bide_calls_of(BIDE_CALL_ACCEPT), 6, "%s", bide_calls_text());
    cr_assert_leq(bide_calls_total(), 60, "%s", bide_calls_text());
    /* The connection has waited all the while. */
    allow_descriptors();
    cr_assert_ok(bide_accept(listener, &conn, NULL, bide_after(LONG)));
    put(client, "x", 1);
    char byte;
    cr_assert_gives(bide_read(conn, &byte, 1, bide_after(LONG)), 1);
    cr_assert_ok(bide_async_free(conn));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, every_shortage_at_accept_is_told_and_makes_the_listener_pause)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int client = dial(&where);
        bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_ACCEPT), 1, 1, errors[i]);
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)),
                        bide_error_from_system(errors[i]));
        cr_assert_eq(bide_fault_clear(), 1);
        bide_calls_reset();
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(SHORT)), BIDE_ETIMEDOUT);
        cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 0, "%s", bide_calls_text());
        cr_assert_ok(bide_accept(listener, &conn, NULL, bide_after(LONG)));
        cr_assert_ok(bide_async_free(conn));
        (void)close(client);
    }
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

/* Puts the end of the listener's pause so far away that only a closed descriptor can end it in this test. */
static void pause_for_ever(bide_async *listener)
{
    bide_os_mutex *lock = bide_wait_lock(listener);
    cr_assert_neq(listener->pause_until, 0, "the listener does not pause");
    listener->pause_until = bide_after(BIDE_HOURS(1)).ns;
    bide_wait_unlock(lock);
}

Test(tcp, the_next_accept_goes_on_as_soon_as_bide_closes_a_descriptor)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    bide_async *spare[2];
    open_channel(UNIX, spare);
    int client = dial(&where);
    forbid_descriptors();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    pause_for_ever(listener);
    struct call call = {.function = call_accept, .async = listener, .buffer = &conn, .deadline = BIDE_NEVER};
    call_start(&call);
    AWAIT(stats_now().timers_pending == 1);
    cr_assert_ok(bide_async_free(spare[0]));
    cr_assert_ok(call_join(&call));
    allow_descriptors();
    cr_assert_ok(bide_async_free(conn));
    cr_assert_ok(bide_async_free(spare[1]));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, the_next_accept_goes_on_after_100_ms_when_others_closed_a_descriptor)
{
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    int spare = dup(0);
    int client = dial(&where);
    forbid_descriptors();
    bide_instant begin = bide_now();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    (void)close(spare);
    bide_calls_reset();
    cr_assert_ok(bide_accept(listener, &conn, NULL, BIDE_NEVER));
    cr_assert_geq(bide_instant_since(bide_now(), begin), BIDE_MILLISECONDS(100));
    cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 1, "%s", bide_calls_text());
    allow_descriptors();
    cr_assert_ok(bide_async_free(conn));
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}

Test(tcp, an_accept_that_pauses_is_cancelled_when_its_listener_goes)
{
    for (int give_back = 0; give_back < 2; give_back++) {
        bide_address where;
        bide_async *listener = listen_anywhere(&where), *conn;
        int client = dial(&where);
        forbid_descriptors();
        cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
        struct call call = {.function = call_accept,
                            .async = listener,
                            .buffer = &conn,
                            .deadline = BIDE_NEVER};
        call_start(&call);
        AWAIT(stats_now().timers_pending == 1);
        bide_fd fd = BIDE_INVALID_FD;
        if (give_back)
            cr_assert_ok(bide_async_into_fd(listener, 0, &fd));
        else
            cr_assert_ok(bide_async_free(listener));
        cr_assert_gives(call_join(&call), BIDE_ECANCELED);
        cr_assert_null(conn);
        allow_descriptors();
        if (give_back) (void)close(fd);
        (void)close(client);
    }
    expect_nothing_left(before);
}

Test(tcp, an_accept_that_pauses_needs_no_reactor_but_its_listeners)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *conn;
    bide_reactor_leave(previous);
    bide_set_threads(false);
    int client = dial(&where);
    forbid_descriptors();
    bide_calls_reset();
    bide_instant begin = bide_now();
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    cr_assert_gives(bide_accept(listener, &conn, NULL, bide_after(LONG)), BIDE_EMFILE);
    cr_assert_geq(bide_instant_since(bide_now(), begin), BIDE_MILLISECONDS(100));
    cr_assert_eq(bide_calls_of(BIDE_CALL_ACCEPT), 2, "%s", bide_calls_text());
    cr_assert_leq(bide_calls_total(), 10, "%s", bide_calls_text());
    allow_descriptors();
    (void)close(client);
    cr_assert_ok(bide_async_free(listener));
    cr_assert_ok(bide_reactor_free(reactor));
    bide_set_threads(true);
    expect_nothing_left(before);
}

Test(tcp, no_connection_is_lost_while_descriptors_are_short)
{
    enum { CLIENTS = 20 };
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = dial(&where);
    /* Room for two: each that is served makes room for another, and none is before there is a shortage. */
    int spare[2] = {dup(0), dup(0)};
    forbid_descriptors();
    close_all(spare, 2);
    bide_incoming incoming;
    bide_set set;
    bide_set_member accepting;
    struct {
        bide_async *conn;
        bide_io io;
        bide_set_member member;
        unsigned char number;
    } served[CLIENTS];
    bool seen[CLIENTS] = {false};
    int accepted = 0, done = 0, shortages = 0;
    bide_set_init(&set);
    bide_incoming_init(&incoming, listener);
    cr_assert_ok(bide_set_add(&set, &accepting, &incoming.future, NULL));
    while (done < CLIENTS) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(&set, bide_after(LONG), &ready));
        if (ready == &accepting) {
            if (incoming.result == 0) {
                served[accepted].conn = incoming.conn;
                bide_io_read(&served[accepted].io, incoming.conn, &served[accepted].number, 1);
                cr_assert_ok(bide_set_add(&set, &served[accepted].member, &served[accepted].io.future, NULL));
                accepted++;
            } else {
                cr_assert_gives(incoming.result, BIDE_EMFILE);
                unsigned char number = (unsigned char)shortages++;
                put(clients[number], &number, 1);
            }
            cr_assert_ok(bide_set_add(&set, &accepting, &incoming.future, NULL));
            continue;
        }
        int i = 0;
        while (ready != &served[i].member)
            i++;
        cr_assert_gives(served[i].io.result, 1);
        cr_assert_not(seen[served[i].number]);
        seen[served[i].number] = true;
        cr_assert_ok(bide_async_free(served[i].conn));
        done++;
        /* The last ones cause no shortage any more. */
        if (accepted == CLIENTS && shortages < CLIENTS) {
            unsigned char number = (unsigned char)shortages++;
            put(clients[number], &number, 1);
        }
    }
    cr_assert_geq(shortages, CLIENTS - 2);
    cr_assert_gives(bide_set_remove(&set, &accepting), BIDE_READY);
    allow_descriptors();
    close_all(clients, CLIENTS);
    cr_assert_ok(bide_async_free(listener));
    expect_nothing_left(before);
}
