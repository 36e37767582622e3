/* What things cost: system calls and allocations, counted exactly. Where the back end makes a difference,
 * each has its own number here: poll(2) has no edges, so that who waits arms its registration anew, for
 * which it asks whether the descriptor is open still (one fcntl).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include "support/syscalls.h"

static struct inventory before;
static bool edges;

static void prepare(void)
{
    before = inventory_now();
    edges = strcmp(bide_reactor_backend(bide_reactor_current()), "epoll") == 0;
}

TestSuite(counts, .init = prepare, .timeout = 60);

/* So many calls since the last reset, all on this thread. */
static void expect_calls(const char *what, unsigned long expected)
{
    unsigned long total = bide_calls_total();
    cr_assert_eq(total, expected, "%s: %lu calls instead of %lu: %s", what, total, expected,
                 bide_calls_text());
}

static void expect_no_allocation(const char *what)
{
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s: %s", what, bide_calls_text());
}

/* What the peer does is not counted. */
static void put_unseen(int fd, const void *bytes, size_t length)
{
    bide_calls_pause();
    put(fd, bytes, length);
    bide_calls_resume();
}

static void take_unseen(int fd, void *bytes, size_t length)
{
    bide_calls_pause();
    size_t taken = 0;
    while (taken < length) {
        ssize_t count = read(fd, (char *)bytes + taken, length - taken);
        cr_assert_gt(count, 0, "read gave %zd: %s", count, strerror(errno));
        taken += (size_t)count;
    }
    bide_calls_resume();
}

/* One end wrapped, the other one the peer's. */
static bide_async *open_one(enum channel kind, int *peer)
{
    int ends[2];
    make_channel(kind, ends);
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, ends[0]));
    *peer = ends[1];
    return async;
}

/* The first wait of a thread and of a reactor costs what later ones do not. */
static void warm_up(void)
{
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(1)));
}

/* --- reading and writing -------------------------------------------------------------------------------- */

Test(counts, a_read_with_data_is_one_call_when_new)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char buffer[64];
        bide_async *async = open_one(kind, &peer);
        warm_up();
        put_unseen(peer, buffer, sizeof buffer);
        bide_calls_reset();
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
        expect_calls(channel_names[kind], 1);
        expect_no_allocation(channel_names[kind]);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(counts, a_read_with_data_is_one_call_when_its_event_is_remembered)
{
    if (!edges) BIDE_SKIP("poll(2) has no edges to be remembered: nothing is reported that nobody waits for");
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char buffer[64];
        bide_async *async = open_one(kind, &peer);
        drain_memory(async);
        put_unseen(peer, buffer, sizeof buffer);
        cr_assert_gt(bide_reactor_run_once(bide_reactor_current(), BIDE_NOW), 0);
        bide_calls_reset();
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
        expect_calls(channel_names[kind], 1);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(counts, a_read_with_data_is_two_calls_when_drained_and_its_event_is_still_in_the_kernel)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        char buffer[64];
        bide_async *async = open_one(kind, &peer);
        for (int round = 0; round < 5; round++) {
            drain_memory(async);
            put_unseen(peer, buffer, sizeof buffer);
            bide_calls_reset();
            cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
            expect_calls(channel_names[kind], edges ? 2 : 3);
            cr_assert_eq(bide_calls_of(edges ? BIDE_CALL_EPOLL_WAIT : BIDE_CALL_POLL), 1, "%s",
                         bide_calls_text());
            expect_no_allocation(channel_names[kind]);
        }
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(counts, a_short_read_on_tcp_spares_the_call_that_would_find_nothing)
{
    int peer;
    char buffer[64];
    bide_async *async = open_one(TCP, &peer);
    warm_up();
    for (int round = 0; round < 5; round++) {
        put_unseen(peer, buffer, 10);
        bide_calls_reset();
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, BIDE_NEVER), 10);
        /* The first one need not wait. Each later one waits at once, and reads. */
        expect_calls("short read", round == 0 ? 1 : edges ? 2 : 3);
        cr_assert_eq(bide_calls_of(BIDE_CALL_READ), 1, "%s", bide_calls_text());
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, a_call_that_may_not_wait_makes_one_call)
{
    int peer;
    char byte;
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    for (int round = 0; round < 3; round++) {
        bide_calls_reset();
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EAGAIN);
        expect_calls("read", 1);
        bide_calls_reset();
        cr_assert_gives(bide_wait_readable(async, BIDE_NOW), BIDE_EAGAIN);
        expect_calls("wait_readable", 1);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, a_write_with_room_is_one_call)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int ends[2];
        make_channel(kind, ends);
        char buffer[64] = "";
        bide_buffer pieces[] = {{buffer, 32}, {buffer + 32, 32}};
        bide_async *async;
        cr_assert_ok(bide_async_new(&async, ends[1]));
        warm_up();
        for (int round = 0; round < 5; round++) {
            bide_calls_reset();
            cr_assert_gives(bide_write(async, buffer, sizeof buffer, BIDE_NEVER), sizeof buffer);
            cr_assert_gives(bide_writev(async, pieces, 2, BIDE_NEVER), sizeof buffer);
            cr_assert_ok(bide_write_all(async, buffer, sizeof buffer, BIDE_NEVER, NULL));
            expect_calls(channel_names[kind], 3);
            expect_no_allocation(channel_names[kind]);
        }
        cr_assert_ok(bide_async_free(async));
        (void)close(ends[0]);
    }
    expect_nothing_left(before);
}

Test(counts, readiness_that_is_there_costs_one_question_and_that_which_comes_none)
{
    int peer;
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    put_unseen(peer, "x", 1);
    bide_calls_reset();
    cr_assert_ok(bide_wait_readable(async, BIDE_NEVER));
    expect_calls("remembered", 1);
    drain_memory(async);
    put_unseen(peer, "x", 1);
    bide_calls_reset();
    cr_assert_ok(bide_wait_readable(async, BIDE_NEVER));
    expect_calls("news", edges ? 1 : 2);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, the_turn_for_the_others_costs_one_call_in_128)
{
    int peer;
    static char plenty[1300];
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    put_unseen(peer, plenty, sizeof plenty);
    bide_calls_reset();
    for (int i = 0; i < 1280; i++) {
        char byte;
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);
    }
    unsigned long waits = bide_calls_of(edges ? BIDE_CALL_EPOLL_WAIT : BIDE_CALL_POLL);
    cr_assert(waits == 9 || waits == 10, "%s", bide_calls_text());
    expect_calls("1,280 reads", 1280 + waits);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

/* --- servers -------------------------------------------------------------------------------------------- */

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
            cr_assert_eq(bide_calls_of(BIDE_CALL_READ), (unsigned long)connections, "%s", bide_calls_text());
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

/* --- futures, events, timers ---------------------------------------------------------------------------- */

static int ready_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static int ready_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

static const bide_future_ops ready_ops = {sizeof ready_ops, ready_poll, ready_cancel, 0};

Test(counts, block_on_on_a_future_that_is_ready_makes_no_call)
{
    warm_up();
    bide_calls_reset();
    for (int i = 0; i < 1000; i++) {
        bide_future future;
        bide_future_init(&future, &ready_ops);
        cr_assert_ok(bide_block_on(&future));
        bide_future_init(&future, &ready_ops);
        cr_assert_ok(bide_await(&future, bide_after(LONG)));
        bide_future_init(&future, &ready_ops);
        cr_assert_ok(bide_await(&future, BIDE_NOW));
    }
    expect_calls("block_on", 0);
    expect_no_allocation("block_on");
    expect_nothing_left(before);
}

Test(counts, setting_an_event_that_nobody_waits_for_makes_no_call)
{
    warm_up();
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_calls_reset();
    for (int i = 0; i < 1000; i++) {
        bide_event_set(&event);
        bide_event_set(&event);
        cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
        bide_event_reset(&event);
    }
    expect_calls("event", 0);
    expect_no_allocation("event");
    cr_assert_ok(bide_event_fini(&event));
    expect_nothing_left(before);
}

struct exchange {
    bide_event ping, pong;
    int rounds;
};

static bide_ssize answer_pings(struct call *call)
{
    struct exchange *exchange = call->buffer;
    for (int i = 0; i < exchange->rounds; i++) {
        if (bide_event_wait(&exchange->ping, BIDE_NEVER) != 0) return -1;
        bide_event_set(&exchange->pong);
    }
    return 0;
}

Test(counts, an_exchange_between_threads_allocates_nothing)
{
    struct exchange exchange = {.rounds = 200};
    cr_assert_ok(bide_event_init(&exchange.ping, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&exchange.pong, BIDE_EVENT_AUTO));
    struct call call = {.function = answer_pings, .buffer = &exchange};
    call_start(&call);
    for (int i = 0; i < exchange.rounds; i++) {
        if (i == 2) bide_calls_reset();
        bide_event_set(&exchange.ping);
        cr_assert_ok(bide_event_wait(&exchange.pong, bide_after(LONG)));
    }
    cr_assert_ok(call_join(&call));
    expect_no_allocation("events");
    expect_nothing_left(before);
}

Test(counts, a_set_yields_what_is_ready_without_a_call_but_for_the_turns_of_the_others)
{
    enum { FUTURES = 100, ROUNDS = 10 };
    static bide_future futures[FUTURES];
    static bide_set_member members[FUTURES];
    bide_set set;
    bide_set_init(&set);
    warm_up();
    bide_calls_reset();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < FUTURES; i++) {
            bide_future_init(&futures[i], &ready_ops);
            cr_assert_ok(bide_set_add(&set, &members[i], &futures[i], NULL));
        }
        bide_set_member *ready;
        for (int i = 0; i < FUTURES; i++)
            cr_assert_ok(bide_set_next(&set, BIDE_NEVER, &ready));
        cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), BIDE_END);
    }
    expect_calls("set", ROUNDS * FUTURES / BIDE_BUDGET);
    expect_no_allocation("set");
    expect_nothing_left(before);
}

static bide_ssize sleep_long(struct call *call)
{
    (void)call;
    bide_timer timer;
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    bide_event *stop = call->buffer;
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, stop);
    bide_future *both[] = {&timer.future, &waiting.future};
    return bide_race(both, 2) == 1 ? 0 : -1;
}

Test(counts, a_timer_that_is_not_the_earliest_interrupts_nobody)
{
    enum { TIMERS = 500 };
    static bide_timer timers[TIMERS];
    struct counter counter = {0};
    bide_event stop;
    cr_assert_ok(bide_event_init(&stop, BIDE_EVENT_MANUAL));
    struct call sleeper = {.function = sleep_long, .buffer = &stop};
    call_start(&sleeper);
    AWAIT(stats_now().timers_pending == 1);
    /* Room for all, the helper thread, and a driver that is blocked. */
    for (int i = 0; i < TIMERS; i++) {
        bide_timer_after(&timers[i], BIDE_SECONDS(2000 + i));
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
    }
    for (int i = 0; i < TIMERS; i++)
        cr_assert_gives(cancel_with(&timers[i].future, counting(&counter)), BIDE_READY);
    bide_timer_after(&timers[0], BIDE_SECONDS(5000));
    cr_assert_gives(poll_with(&timers[0].future, counting(&counter)), BIDE_PENDING);
    bide_reactor_stats stats = stats_now();
    bide_calls_reset();
    for (int i = 1; i < TIMERS; i++) {
        bide_timer_after(&timers[i], BIDE_SECONDS(2000 + (i * 37) % TIMERS));
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
        (void)bide_timer_set_after(&timers[i], BIDE_SECONDS(3000 + i));
        (void)bide_timer_set_after(&timers[i], BIDE_SECONDS(1500 + i));
    }
    for (int i = 0; i < TIMERS; i++)
        cr_assert_gives(cancel_with(&timers[i].future, counting(&counter)), BIDE_READY);
    /* The helper thread may still be looking around and hold the lock for a moment, hence a futex. */
    cr_assert_eq(bide_calls_thread_total() - bide_calls_thread_of(BIDE_CALL_FUTEX), 0, "%s",
                 bide_calls_text());
    cr_assert_eq(bide_calls_thread_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
    cr_assert_eq(stats_now().notifies, stats.notifies);
    cr_assert_eq(counter.wakes, 0);
    bide_event_set(&stop);
    cr_assert_ok(call_join(&sleeper));
    expect_nothing_left(before);
}

Test(counts, timers_in_steady_state_allocate_nothing)
{
    bide_timer timer;
    bide_timer_interval(&timer, BIDE_MICROSECONDS(50));
    for (int i = 0; i < 100; i++) {
        if (i == 2) bide_calls_reset();
        cr_assert_ok(bide_timer_wait(&timer));
        bide_timer once;
        bide_timer_after(&once, BIDE_MICROSECONDS(20));
        cr_assert_ok(bide_timer_wait(&once));
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
    }
    expect_no_allocation("timers");
    expect_nothing_left(before);
}

Test(counts, a_deadline_costs_no_call_unless_it_is_waited_for)
{
    int peer;
    char byte;
    bide_async *async = open_one(UNIX, &peer);
    warm_up();
    put_unseen(peer, "abc", 3);
    bide_calls_reset();
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(LONG)), 1);
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(BIDE_NANOSECONDS(1))), 1);
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(-1)), 1);
    expect_calls("reads with deadlines", 3);
    expect_no_allocation("reads with deadlines");
    /* And waiting for it is one wait, of the poller. */
    drain_memory(async);
    bide_calls_reset();
    cr_assert_gives(bide_read(async, &byte, 1, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_leq(bide_calls_total(), edges ? 3UL : 4UL, "%s", bide_calls_text());
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(counts, events_alone_open_no_descriptor)
{
    cr_assert_ok(bide_shutdown());
    int fds = bide_test_fd_count();
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_gives(bide_event_wait(&event, bide_after(SHORT)), BIDE_ETIMEDOUT);
    bide_event_set(&event);
    cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(1)));
    cr_assert_eq(bide_test_fd_count(), fds);
    expect_nothing_left(before);
}
