/* Many connections at once: ten thousand on one thread, and more than there are descriptors for.
 *
 * The clients are a process of their own, for descriptors are counted a process, and use no Bide. They are forked
 * before this one uses any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_tcp.h"

#include "support/syscalls.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* --- The clients' process --------------------------------------------------------------------------------- */

struct clients {
    pid_t process;
    int orders[2];  /* to it: where to connect, then a byte a round */
    int reports[2]; /* from it: a byte a round */
    int count;
};

static void client_check(bool condition)
{
    if (!condition) _exit(1);
}

static void client_say(const struct clients *clients)
{
    client_check(write(clients->reports[1], "r", 1) == 1);
}

static bool client_told(const struct clients *clients)
{
    char byte;
    return read(clients->orders[0], &byte, 1) == 1;
}

/* Connects all, and in each round writes a byte to each and then awaits each one's echo. */
static void run_clients(const struct clients *clients)
{
    struct sockaddr_in where;
    int *fds = calloc((size_t)clients->count, sizeof *fds);
    client_check(fds != NULL);
    client_check(read(clients->orders[0], &where, sizeof where) == (ssize_t)sizeof where);
    for (int i = 0; i < clients->count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        client_check(fds[i] >= 0);
        client_check(connect(fds[i], (struct sockaddr *)&where, sizeof where) == 0);
    }
    client_say(clients);
    while (client_told(clients)) {
        for (int i = 0; i < clients->count; i++) {
            char byte = (char)i;
            client_check(write(fds[i], &byte, 1) == 1);
        }
        for (int i = 0; i < clients->count; i++) {
            char byte;
            client_check(read(fds[i], &byte, 1) == 1 && byte == (char)i);
        }
        client_say(clients);
    }
    _exit(0);
}

static void raise_limit(void)
{
    struct rlimit limit;
    cr_assert_done(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &limit));
}

/* As many as there may be descriptors for, `most` at most. */
static int most_clients(int most)
{
    struct rlimit limit;
    cr_assert_done(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur >= (rlim_t)most + 100) return most;
    (void)fprintf(stderr, "only %llu descriptors are allowed: fewer clients\n",
                  (unsigned long long)limit.rlim_cur);
    return (int)limit.rlim_cur - 100;
}

static void start_clients(struct clients *clients, int count)
{
    clients->count = count;
    cr_assert_done(pipe2(clients->orders, O_CLOEXEC));
    cr_assert_done(pipe2(clients->reports, O_CLOEXEC));
    clients->process = fork();
    cr_assert_done(clients->process);
    if (clients->process == 0) {
        (void)close(clients->orders[1]);
        (void)close(clients->reports[0]);
        run_clients(clients);
    }
    (void)close(clients->orders[0]);
    (void)close(clients->reports[1]);
}

static void tell_clients(const struct clients *clients, const void *order, size_t length)
{
    cr_assert_eq(write(clients->orders[1], order, length), (ssize_t)length);
}

static void tell_address(const struct clients *clients, const bide_address *where)
{
    size_t length;
    const void *bytes = bide_address_sockaddr(where, &length);
    tell_clients(clients, bytes, length);
}

static void end_clients(struct clients *clients)
{
    int status;
    (void)close(clients->orders[1]);
    (void)close(clients->reports[0]);
    cr_assert_eq(waitpid(clients->process, &status, 0), clients->process);
    cr_assert_eq(status, 0, "the clients ended with %#x", (unsigned)status);
}

/* --- The server ------------------------------------------------------------------------------------------- */

struct session {
    bide_set_member member;
    bide_io read;
    bide_async *conn;
    char buffer[16]; /* more than a message, so that a short read tells that there is no more */
};

static void await_byte(bide_set *set, struct session *session)
{
    bide_io_read(&session->read, session->conn, session->buffer, sizeof session->buffer);
    cr_assert_ok(bide_set_add(set, &session->member, &session->read.future, session));
}

/* Echoes until the clients have reported. Returns how many bytes. */
static int serve_round(bide_set *set, const bide_set_member *reported)
{
    int echoed = 0;
    for (;;) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(set, BIDE_NEVER, &ready));
        if (ready == reported) return echoed;
        struct session *session = ready->tag;
        cr_assert_gives(session->read.result, 1);
        cr_assert_gives(bide_write(session->conn, session->buffer, 1, BIDE_NEVER), 1);
        await_byte(set, session);
        echoed++;
    }
}

Test(many, ten_thousand_connections_are_served_on_one_thread, .timeout = 120)
{
    enum { ROUNDS = 3 };
    struct clients clients;
    raise_limit();
    start_clients(&clients, most_clients(10000));
    int count = clients.count;
    bide_address where;
    bide_async *listener = listen_anywhere(&where), *reports;
    cr_assert_ok(bide_async_borrow(&reports, clients.reports[0]));
    tell_address(&clients, &where);

    struct session *sessions = calloc((size_t)count, sizeof *sessions);
    cr_assert_not_null(sessions);
    bide_set set;
    bide_set_init(&set);
    for (int i = 0; i < count; i++) {
        cr_assert_ok(bide_accept(listener, &sessions[i].conn, NULL, BIDE_NEVER));
        await_byte(&set, &sessions[i]);
    }
    for (int round = -1; round < ROUNDS; round++) {
        char byte;
        bide_readable report;
        bide_set_member reported;
        if (round >= 0) tell_clients(&clients, "r", 1);
        bide_readable_init(&report, reports);
        cr_assert_ok(bide_set_add(&set, &reported, &report.future, NULL));
        bide_calls_reset();
        int echoed = serve_round(&set, &reported);
        cr_assert_eq(echoed, round < 0 ? 0 : count, "%d of %d in round %d", echoed, count, round);
        /* One read and one write each; without edges each drained one is asked again. How many it finds in one wait
         * is up to the clients' pace. */
        bool edges = strcmp(bide_reactor_backend(bide_reactor_global()), "epoll") == 0;
        unsigned moves = (unsigned)(bide_calls_of(BIDE_CALL_RECV) + bide_calls_of(BIDE_CALL_SEND));
        if (round >= 0 && edges) cr_assert_leq(moves * 100, (unsigned)count * 205, "%s", bide_calls_text());
        cr_assert_eq(read(clients.reports[0], &byte, 1), 1);
    }
    cr_assert_eq(bide_set_count(&set), (size_t)count);
    for (int i = 0; i < count; i++) {
        cr_assert_gives(bide_set_remove(&set, &sessions[i].member), BIDE_READY);
        cr_assert_ok(bide_async_free(sessions[i].conn));
    }
    free(sessions);
    end_clients(&clients);
    cr_assert_ok(bide_async_free(reports));
    cr_assert_ok(bide_async_free(listener));
}

/* Serves each connection for one byte, then closes it: with a few descriptors there are always some that wait. */
Test(many, with_too_few_descriptors_each_connection_is_served_in_the_end, .timeout = 60)
{
    enum { CLIENTS = 200, DESCRIPTORS = 20 };
    struct clients clients;
    start_clients(&clients, CLIENTS);
    bide_address where;
    bide_async *listener = listen_anywhere(&where);
    tell_address(&clients, &where);
    tell_clients(&clients, "r", 1);

    struct rlimit old_limit;
    cr_assert_done(getrlimit(RLIMIT_NOFILE, &old_limit));
    int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
    cr_assert_done(lowest);
    (void)close(lowest);
    struct rlimit few = {(rlim_t)(lowest + DESCRIPTORS), old_limit.rlim_max};
    cr_assert_done(setrlimit(RLIMIT_NOFILE, &few));

    struct session sessions[DESCRIPTORS];
    struct session *vacant[DESCRIPTORS + 1];
    int free_places = DESCRIPTORS;
    for (int i = 0; i < DESCRIPTORS; i++)
        vacant[i] = &sessions[i];
    bide_set set;
    bide_set_member accepting;
    bide_incoming incoming;
    bide_set_init(&set);
    bide_incoming_init(&incoming, listener);
    cr_assert_ok(bide_set_add(&set, &accepting, &incoming.future, NULL));
    bide_calls_reset();
    int served = 0;
    int refusals = 0;
    while (served < CLIENTS) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
        if (ready != &accepting) {
            struct session *session = ready->tag;
            cr_assert_gives(session->read.result, 1);
            cr_assert_gives(bide_write(session->conn, session->buffer, 1, BIDE_NEVER), 1);
            cr_assert_ok(bide_async_free(session->conn));
            vacant[free_places++] = session;
            served++;
            continue;
        }
        if (incoming.result == 0) {
            cr_assert_gt(free_places, 0);
            struct session *session = vacant[--free_places];
            session->conn = incoming.conn;
            if (refusals > 0) await_byte(&set, session);
        } else {
            cr_assert_eq(incoming.result, BIDE_EMFILE, "%s", bide_error_name(incoming.result));
            /* Until then none was served, so that descriptors do run out. */
            for (int i = free_places; refusals == 0 && i < DESCRIPTORS; i++)
                await_byte(&set, vacant[i]);
            refusals++;
        }
        cr_assert_ok(bide_set_add(&set, &accepting, &incoming.future, NULL));
    }
    /* One at most for each that was closed. */
    cr_assert_leq(refusals, CLIENTS + 50, "%d refusals", refusals);
    cr_assert_leq(bide_calls_of(BIDE_CALL_ACCEPT), 3 * CLIENTS + 50, "%s", bide_calls_text());

    cr_assert_done(setrlimit(RLIMIT_NOFILE, &old_limit));
    char byte;
    cr_assert_eq(read(clients.reports[0], &byte, 1), 1);
    cr_assert_eq(read(clients.reports[0], &byte, 1), 1);
    cr_assert_gives(bide_set_remove(&set, &accepting), BIDE_READY);
    end_clients(&clients);
    cr_assert_ok(bide_async_free(listener));
}
