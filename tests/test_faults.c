/* Every allocation and every system call fails once, one after the other, through every public function:
 * the call reports a clear error or goes on, nothing leaks, and the next use works.
 *
 * Each run is a process of its own, so that what is made on first use (the reactor, the helper thread, a
 * thread's context) can fail in each of them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include "support/syscalls.h"

#include <bide/poller.h>

#include <sys/mman.h>
#include <sys/wait.h>

TestSuite(faults, .timeout = 300);

/* Ends any wait that a fault has made endless; whoever gets here has hung. */
#define PATIENCE BIDE_SECONDS(20)

/* A result of a scenario that no function of Bide gives: something else than an error code was wrong. */
#define WRONG (-9999)

/* --- scenarios ------------------------------------------------------------------------------------------ */

/* The calls of the scene, not of the library. */
#define SCENE(...)           \
    do {                     \
        bide_calls_pause();  \
        __VA_ARGS__;         \
        bide_calls_resume(); \
    } while (0)

/* From here on nothing fails any more: the scenario cleans up. */
static void end_of_faults(void)
{
    (void)bide_fault_clear();
}

static int expect_count(bide_ssize count, bide_ssize expected)
{
    if (count < 0) return (int)count;
    return count == expected ? 0 : WRONG;
}

/* The scene may not use assertions: it runs in a process that the runner does not know. */
static void scene_pair(enum channel kind, int ends[2])
{
    SCENE({
        switch (kind) {
        case PIPE:
            if (pipe2(ends, O_CLOEXEC) != 0) abort();
            break;
        case UNIX:
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) abort();
            break;
        default: make_tcp_pair(ends); break;
        }
    });
}

static void scene_put(int fd, const char *text)
{
    SCENE(if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort());
}

/* A handle on one end, made while nothing fails; the other end is the peer's. */
static bide_async *scene_handle(enum channel kind, int *peer)
{
    int ends[2];
    bide_async *async;
    scene_pair(kind, ends);
    SCENE(if (bide_async_new(&async, ends[0]) != 0) abort());
    *peer = ends[1];
    return async;
}

static int wrap_and_free(int (*wrap)(bide_async **, bide_fd), enum channel kind)
{
    int ends[2];
    scene_pair(kind, ends);
    bide_async *async = NULL;
    int error = wrap(&async, ends[0]);
    bool owned = error == 0 && wrap != bide_async_borrow;
    if (error && async) error = WRONG;
    if (!error) error = bide_async_free(async);
    end_of_faults();
    /* After an error the descriptor is the caller's still, and in the mode it was. */
    if (owned == is_open(ends[0])) return WRONG;
    if (!owned) {
        if (is_nonblocking(ends[0])) return WRONG;
        (void)close(ends[0]);
    }
    (void)close(ends[1]);
    return error;
}

static int run_new(void)
{
    return wrap_and_free(bide_async_new, PIPE);
}

static int run_new_socket(void)
{
    return wrap_and_free(bide_async_new, TCP);
}

static int run_new_nonblocking(void)
{
    return wrap_and_free(bide_async_new_nonblocking, UNIX);
}

static int run_borrow(void)
{
    return wrap_and_free(bide_async_borrow, PIPE);
}

static int run_into_fd(void)
{
    int peer;
    bide_async *async = scene_handle(PIPE, &peer);
    bide_fd fd = BIDE_INVALID_FD;
    int error = bide_async_into_fd(async, BIDE_RESTORE_MODE, &fd);
    end_of_faults();
    if (error || !is_open(fd)) return WRONG;
    (void)close(fd);
    (void)close(peer);
    return 0;
}

static int run_read(void)
{
    int peer;
    char buffer[8];
    bide_async *async = scene_handle(TCP, &peer);
    scene_put(peer, "abc");
    int error = expect_count(bide_read(async, buffer, 8, bide_after(PATIENCE)), 3);
    /* The second one has to wait. */
    scene_put(peer, "abc");
    if (!error) error = expect_count(bide_read(async, buffer, 8, bide_after(PATIENCE)), 3);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_readv_and_peek(void)
{
    int peer;
    char buffer[8];
    bide_buffer pieces[] = {{buffer, 1}, {buffer + 1, 7}};
    bide_async *async = scene_handle(UNIX, &peer);
    scene_put(peer, "abc");
    int error = expect_count(bide_peek(async, buffer, 8, bide_after(PATIENCE)), 3);
    if (!error) error = expect_count(bide_readv(async, pieces, 2, bide_after(PATIENCE)), 3);
    scene_put(peer, "abc");
    if (!error) error = expect_count(bide_readv(async, pieces, 2, bide_after(PATIENCE)), 3);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_read_exact(void)
{
    int peer;
    char buffer[8];
    size_t done = 0;
    bide_async *async = scene_handle(PIPE, &peer);
    scene_put(peer, "abcdefgh");
    int error = bide_read_exact(async, buffer, 8, bide_after(PATIENCE), &done);
    if ((error == 0) != (done == 8)) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_write(void)
{
    int peer;
    char text[] = "abcdef";
    bide_buffer pieces[] = {{text, 3}, {text + 3, 3}};
    bide_async *async = scene_handle(UNIX, &peer);
    int error = expect_count(bide_write(async, text, 6, bide_after(PATIENCE)), 6);
    if (!error) error = expect_count(bide_writev(async, pieces, 2, bide_after(PATIENCE)), 6);
    if (!error) error = bide_write_all(async, text, 6, bide_after(PATIENCE), NULL);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_full_write(void)
{
    int peer;
    static char zeros[4096];
    bide_async *async = scene_handle(UNIX, &peer);
    SCENE(while (bide_write(async, zeros, sizeof zeros, BIDE_NOW) > 0) continue);
    SCENE({
        int flags = fcntl(peer, F_GETFL);
        (void)fcntl(peer, F_SETFL, flags | O_NONBLOCK);
        (void)take_all(peer);
    });
    /* The memory says "full", the kernel knows better. */
    int error = expect_count(bide_write(async, zeros, 1, bide_after(PATIENCE)), 1);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static bide_ssize receive_one(void *arg, bide_fd fd)
{
    ssize_t count;
    do
        count = recv(fd, arg, 1, 0);
    while (count < 0 && errno == EINTR);
    return count < 0 ? bide_last_error() : count;
}

static int run_read_with(void)
{
    int peer;
    char byte;
    bide_async *async = scene_handle(UNIX, &peer);
    scene_put(peer, "ab");
    int error = expect_count(bide_read_with(async, receive_one, &byte, bide_after(PATIENCE)), 1);
    if (!error) error = expect_count(bide_write_with(async, receive_one, &byte, bide_after(PATIENCE)), 1);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_wait_for_readiness(void)
{
    int peer;
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_wait_readable(async, BIDE_NOW);
    error = error == BIDE_EAGAIN ? 0 : error == 0 ? WRONG : error;
    if (!error) error = bide_wait_writable(async, bide_after(PATIENCE));
    scene_put(peer, "x");
    if (!error) error = bide_wait_readable(async, bide_after(PATIENCE));
    if (!error) error = bide_wait_readable(async, bide_after(PATIENCE));
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

/* Waits until the counter's waker was called; a helper thread must do that. */
static int await_wake(struct counter *counter)
{
    bide_instant limit = bide_after(PATIENCE);
    while (atomic_load(&counter->wakes) == 0) {
        if (!bide_before(bide_now(), limit)) return BIDE_ETIMEDOUT;
        pause_briefly();
    }
    return 0;
}

static int run_stored_waker(void)
{
    int peer;
    struct counter counter = {0};
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_async_poll_readable(async, counting(&counter));
    if (error == BIDE_PENDING) {
        scene_put(peer, "x");
        error = await_wake(&counter);
        if (!error) error = bide_async_poll_readable(async, counting(&counter));
        if (error == BIDE_PENDING) error = WRONG;
    }
    if (error == BIDE_READY) error = 0;
    int forgotten = bide_async_forget(async, BIDE_READ);
    if (forgotten) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_future_in_the_background(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_io io;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    int answer = poll_with(&io.future, counting(&counter));
    int error = 0;
    if (answer == BIDE_PENDING) {
        scene_put(peer, "x");
        error = await_wake(&counter);
        if (!error) answer = poll_with(&io.future, counting(&counter));
    }
    if (!error) error = answer == BIDE_READY ? expect_count(io.result, 1) : WRONG;
    if (answer == BIDE_PENDING) (void)cancel_with(&io.future, counting(&counter));
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_free_with_waiters(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_io io;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    int answer = poll_with(&io.future, counting(&counter));
    int fd = async->fd;
    int freed = bide_async_free(async);
    end_of_faults();
    if (freed || is_open(fd)) return WRONG;
    (void)close(peer);
    if (answer == BIDE_READY) return io.result < 0 ? (int)io.result : WRONG;
    answer = poll_with(&io.future, counting(&counter));
    return answer == BIDE_READY && io.result == BIDE_ECANCELED && counter.wakes == 1 ? 0 : WRONG;
}

/* A listener and its address, made while nothing fails. */
static bide_async *scene_listener(bide_address *where)
{
    bide_async *listener;
    SCENE({
        *where = bide_address_loopback(0);
        if (bide_tcp_listen(&listener, where, 0) != 0 || bide_async_local_address(listener, where) != 0)
            abort();
    });
    return listener;
}

static int scene_dial(const bide_address *where)
{
    int fd;
    SCENE({
        size_t length;
        const struct sockaddr *address = bide_address_sockaddr(where, &length);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, address, (socklen_t)length) != 0) abort();
    });
    return fd;
}

static int run_listen(void)
{
    bide_async *listener = NULL;
    bide_address where = bide_address_loopback(0);
    int error = bide_tcp_listen(&listener, &where, 0);
    if (error && listener) error = WRONG;
    if (!error) error = bide_async_local_address(listener, &where);
    end_of_faults();
    (void)bide_async_free(listener);
    return error;
}

static int run_connect(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where), *conn = NULL;
    int error = bide_tcp_connect(&conn, &where, bide_after(PATIENCE));
    if (error && conn) error = WRONG;
    if (!error) error = bide_async_peer_address(conn, &where);
    if (!error) error = bide_tcp_set_nodelay(conn, true);
    if (!error) error = bide_async_shutdown(conn, BIDE_WRITE);
    end_of_faults();
    (void)bide_async_free(conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_connect_in_the_background(void)
{
    bide_address where;
    struct counter counter = {0};
    bide_async *listener = scene_listener(&where);
    bide_connecting connecting;
    bide_tcp_connecting_init(&connecting, &where);
    int error = 0;
    int answer = poll_with(&connecting.future, counting(&counter));
    while (answer == BIDE_PENDING && !error) {
        error = await_wake(&counter);
        atomic_store(&counter.wakes, 0);
        if (!error) answer = poll_with(&connecting.future, counting(&counter));
    }
    if (answer == BIDE_PENDING) (void)cancel_with(&connecting.future, counting(&counter));
    if (!error) error = connecting.result;
    end_of_faults();
    (void)bide_async_free(connecting.conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_accept(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where), *conn = NULL;
    int client = scene_dial(&where);
    int error = bide_accept(listener, &conn, NULL, bide_after(PATIENCE));
    if (error && conn) error = WRONG;
    end_of_faults();
    (void)bide_async_free(conn);
    (void)close(client);
    (void)bide_async_free(listener);
    return error;
}

static int run_incoming(void)
{
    bide_address where;
    bide_async *listener = scene_listener(&where);
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    /* The first has to be waited for. */
    int error = bide_await(&incoming.future, BIDE_NOW);
    error = error == BIDE_EAGAIN ? 0 : error == 0 ? incoming.result : error;
    int clients[2] = {scene_dial(&where), scene_dial(&where)};
    int accepted = 0;
    for (int i = 0; i < 2 && !error; i++) {
        error = bide_await(&incoming.future, bide_after(PATIENCE));
        if (!error) error = incoming.result;
        if (!error) accepted++;
        if (!error && bide_async_free(incoming.conn) != 0) error = WRONG;
    }
    /* Once there is room again, the stream goes on where it failed. */
    end_of_faults();
    if (error && accepted < 2 && incoming.result == BIDE_EMFILE) {
        if (bide_await(&incoming.future, bide_after(PATIENCE)) != 0 || incoming.result != 0) error = WRONG;
        if (error != WRONG) (void)bide_async_free(incoming.conn);
    }
    close_all(clients, 2);
    (void)bide_async_free(listener);
    return error;
}

static int run_timers(void)
{
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    int error = bide_timer_wait(&timer);
    if (!error) error = bide_sleep(BIDE_MICROSECONDS(100));
    bide_timer_interval(&timer, BIDE_MICROSECONDS(50));
    for (int i = 0; i < 3 && !error; i++)
        error = bide_timer_wait(&timer);
    end_of_faults();
    return error;
}

static int run_many_timers(void)
{
    /* More than the first chunk of the heap holds. */
    enum { TIMERS = 300 };
    static bide_timer timers[TIMERS];
    struct counter counter = {0};
    int error = 0;
    int armed = 0;
    while (armed < TIMERS && !error) {
        bide_timer_after(&timers[armed], BIDE_SECONDS(1000));
        int answer = poll_with(&timers[armed].future, counting(&counter));
        if (answer == BIDE_READY)
            error = bide_timer_error(&timers[armed]) ? bide_timer_error(&timers[armed]) : WRONG;
        else
            armed++;
    }
    for (int i = 0; i < armed; i++)
        if (cancel_with(&timers[i].future, counting(&counter)) != BIDE_READY) error = WRONG;
    end_of_faults();
    return error;
}

static int run_timeout(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timeout timeout;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    bide_timeout_init(&timeout, &io.future, bide_after(BIDE_MICROSECONDS(100)));
    int error = bide_block_on(&timeout.future);
    if (!error)
        error = timeout.result == BIDE_ETIMEDOUT ? 0 : timeout.result == 0 ? (int)io.result : timeout.result;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static void *set_soon(void *arg)
{
    pause_briefly();
    bide_event_set(arg);
    return NULL;
}

static int run_event(void)
{
    bide_event event;
    pthread_t setter;
    int error = bide_event_init(&event, BIDE_EVENT_AUTO);
    if (!error) error = bide_event_wait(&event, bide_after(BIDE_MICROSECONDS(100)));
    error = error == BIDE_ETIMEDOUT ? 0 : error == 0 ? WRONG : error;
    SCENE(if (pthread_create(&setter, NULL, set_soon, &event) != 0) abort());
    if (!error) error = bide_event_wait(&event, bide_after(PATIENCE));
    (void)pthread_join(setter, NULL);
    end_of_faults();
    return error;
}

static int run_set(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timer timer;
    bide_set set;
    bide_set_member members[2], *ready;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_set_init(&set);
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    int error = bide_set_add(&set, &members[0], &io.future, NULL);
    if (!error) error = bide_set_add(&set, &members[1], &timer.future, NULL);
    if (!error) error = bide_set_next(&set, BIDE_NOW, &ready);
    error = error == BIDE_EAGAIN ? 0 : error;
    scene_put(peer, "x");
    for (int left = (int)bide_set_count(&set); !error && left == 2; left = (int)bide_set_count(&set)) {
        error = bide_set_next(&set, bide_after(PATIENCE), &ready);
        if (!error && ready == &members[1]) error = bide_timer_error(&timer);
        if (!error && ready == &members[0]) error = expect_count(io.result, 1);
    }
    for (int i = 0; i < 2; i++) {
        int removed = bide_set_remove(&set, &members[i]);
        if (removed != BIDE_READY && removed != BIDE_COMPLETED && removed != BIDE_ENOENT &&
            removed != BIDE_ENOMEM)
            error = WRONG;
    }
    end_of_faults();
    for (int i = 0; i < 2; i++)
        (void)bide_set_remove(&set, &members[i]);
    (void)bide_async_free(async);
    (void)close(peer);
    return bide_set_count(&set) == 0 ? error : WRONG;
}

static int run_set_in_the_background(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_io io;
    bide_set set;
    bide_set_member member;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_set_init(&set);
    bide_io_read(&io, async, &byte, 1);
    int error = bide_set_add(&set, &member, &io.future, NULL);
    int answer = poll_with(&set.future, counting(&counter));
    if (answer == BIDE_PENDING) {
        scene_put(peer, "x");
        error = await_wake(&counter);
        if (!error) answer = poll_with(&set.future, counting(&counter));
        if (!error && answer == BIDE_PENDING) error = WRONG;
    }
    if (answer == BIDE_READY && !error) error = expect_count(io.result, 1);
    if (answer < 0) error = answer;
    end_of_faults();
    (void)cancel_with(&set.future, counting(&counter));
    (void)bide_set_remove(&set, &member);
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_race_and_join(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timer timer;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    bide_future *both[] = {&io.future, &timer.future};
    int winner = bide_race(both, 2);
    int error = winner < 0 ? winner : winner == 1 ? bide_timer_error(&timer) : (int)io.result;
    scene_put(peer, "x");
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    if (!error) error = bide_join(both, 2, bide_after(PATIENCE));
    if (!error) error = expect_count(io.result, 1);
    if (!error) error = bide_timer_error(&timer);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_reactor(void)
{
    bide_reactor *reactor = NULL;
    int error = bide_reactor_new(&reactor, NULL);
    if (error) return reactor ? WRONG : error;
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_fd fd;
    int peer;
    struct counter counter = {0};
    bide_timer timer;
    bide_async *async = scene_handle(UNIX, &peer);
    error = bide_reactor_fd(reactor, &fd);
    if (error == BIDE_ENOTSUP) error = 0;
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    if (!error && poll_with(&timer.future, counting(&counter)) == BIDE_READY)
        error = bide_timer_error(&timer);
    if (!error && bide_is_never(bide_reactor_next_deadline(reactor))) error = WRONG;
    if (!error) error = bide_async_poll_readable(async, counting(&counter));
    scene_put(peer, "x");
    while (!error && atomic_load(&counter.wakes) == 0) {
        int count = bide_reactor_run_once(reactor, bide_after(PATIENCE));
        if (count < 0) error = count;
    }
    (void)cancel_with(&timer.future, counting(&counter));
    (void)bide_async_free(async);
    bide_reactor_leave(previous);
    int freed = bide_reactor_free(reactor);
    end_of_faults();
    (void)close(peer);
    return freed ? WRONG : error;
}

static int run_shutdown(void)
{
    int peer;
    struct counter counter = {0};
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_async_poll_readable(async, counting(&counter));
    int ended = bide_shutdown();
    end_of_faults();
    if (ended) return WRONG;
    if (error == BIDE_PENDING && counter.wakes != 1) error = WRONG;
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_poller(void)
{
    int ends[2];
    bide_poller *poller = NULL;
    scene_pair(UNIX, ends);
    int error = bide_poller_new(&poller, NULL);
    bool made = error == 0;
    if (error && poller) error = WRONG;
    if (!error) error = bide_poller_add(poller, ends[0], 1, BIDE_POLL_READ, BIDE_POLL_ONESHOT);
    if (!error) error = bide_poller_modify(poller, ends[0], 1, BIDE_POLL_WRITE, BIDE_POLL_ONESHOT);
    bide_poll_event events[2];
    int count = error ? 0 : bide_poller_wait(poller, events, 2, bide_after(PATIENCE));
    if (!error) error = expect_count(count, 1);
    if (!error) error = bide_poller_notify(poller);
    if (!error) error = expect_count(bide_poller_wait(poller, events, 2, bide_after(PATIENCE)), 0);
    if (!error)
        error = expect_count(bide_poller_wait(poller, events, 2, bide_after(BIDE_MICROSECONDS(100))), 0);
    if (!error) error = bide_poller_delete(poller, ends[0]);
    if (made) bide_poller_free(poller);
    end_of_faults();
    close_all(ends, 2);
    return error;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {
    {"new", run_new},
    {"new of a socket", run_new_socket},
    {"new_nonblocking", run_new_nonblocking},
    {"borrow", run_borrow},
    {"into_fd", run_into_fd},
    {"read", run_read},
    {"readv and peek", run_readv_and_peek},
    {"read_exact", run_read_exact},
    {"write, writev, write_all", run_write},
    {"write to what was full", run_full_write},
    {"read_with and write_with", run_read_with},
    {"wait_readable and wait_writable", run_wait_for_readiness},
    {"poll_readable", run_stored_waker},
    {"a read polled in the background", run_future_in_the_background},
    {"free with waiters", run_free_with_waiters},
    {"listen", run_listen},
    {"connect", run_connect},
    {"a connect polled in the background", run_connect_in_the_background},
    {"accept", run_accept},
    {"incoming", run_incoming},
    {"timers", run_timers},
    {"many timers", run_many_timers},
    {"timeout", run_timeout},
    {"event", run_event},
    {"set", run_set},
    {"a set polled in the background", run_set_in_the_background},
    {"race and join", run_race_and_join},
    {"reactor", run_reactor},
    {"shutdown", run_shutdown},
    {"poller", run_poller},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* --- running them --------------------------------------------------------------------------------------- */

/* Which faults a run injects. */
struct injection {
    uint64_t kinds;
    unsigned long nth;
    unsigned long burst;
    int error;     /* of the system; 0: a likely one */
    bool harmless; /* must be borne without an error */
};

/* What a run found, in memory that both processes see. */
struct report {
    unsigned long failed;
    char message[512];
};

static struct report *report;

#define COMPLAIN(...)                                                         \
    do {                                                                      \
        (void)snprintf(report->message, sizeof report->message, __VA_ARGS__); \
        return;                                                               \
    } while (0)

/* Whether an error is one that the injected fault explains. */
static bool explains(const struct injection *injection, int error)
{
    if (error == 0) return true;
    if (error == WRONG || injection->harmless) return false;
    if (strcmp(bide_error_name(error), "BIDE_E?") == 0) return false;
    if (error == BIDE_ETIMEDOUT || error == BIDE_ECANCELED || error == BIDE_EAGAIN) return false;
    if (injection->kinds & BIDE_CALLS_ALLOC) return error == BIDE_ENOMEM;
    if (injection->error == 0) return true;
    return error == bide_error_from_system(injection->error) || error == BIDE_ENOTHREAD;
}

static void run_scenario(const struct scenario *scenario, const struct injection *injection)
{
    struct inventory before = inventory_now();
    bide_fault_set(injection->kinds, injection->nth, injection->burst, injection->error);
    bide_instant begin = bide_now();
    int error = scenario->run();
    report->failed = bide_fault_clear();
    if (bide_instant_since(bide_now(), begin) >= PATIENCE) COMPLAIN("it hung");
    if (report->failed == 0 && error)
        COMPLAIN("without a fault it gave %d (%s)", error, bide_error_name(error));
    if (!explains(injection, error)) COMPLAIN("it gave %d (%s)", error, bide_error_name(error));
    error = scenario->run();
    if (error) COMPLAIN("the next use gave %d (%s)", error, bide_error_name(error));

    bide_reactor_stats stats;
    (void)bide_reactor_stats_read(bide_reactor_global(), &stats);
    if (stats.background) COMPLAIN("%zu waiters were left in the background", stats.background);
    if (stats.timers_pending) COMPLAIN("%zu timers were left", stats.timers_pending);
    error = bide_shutdown();
    if (error) COMPLAIN("shutdown gave %s", bide_error_name(error));
    for (int i = 0; i < 1000 && bide_test_thread_count() > before.threads; i++)
        pause_briefly();
    struct inventory after = inventory_now();
    if (after.fds != before.fds) COMPLAIN("%d descriptors before, %d after", before.fds, after.fds);
    if (after.threads != before.threads)
        COMPLAIN("%d threads before, %d after", before.threads, after.threads);
    if (bide_test_leaks()) COMPLAIN("memory leaked");
}

/* One run in a process of its own. */
static void run_apart(const struct scenario *scenario, const struct injection *injection)
{
    memset(report, 0, sizeof *report);
    (void)fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0, "fork: %s", strerror(errno));
    if (child == 0) {
        run_scenario(scenario, injection);
        _exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: call %lu failing: ended with status %#x",
              scenario->name, injection->nth, (unsigned)status);
    cr_assert_str_eq(report->message, "", "%s: call %lu failing with %s: %s", scenario->name, injection->nth,
                     injection->error ? strerror(injection->error) : "a likely error", report->message);
}

/* All scenarios, with each call of these kinds failing in its turn. */
static void run_all(uint64_t kinds, unsigned long burst, int error, bool harmless)
{
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(report != MAP_FAILED);
    unsigned long runs = 0;
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct injection injection = {kinds, 1, burst, error, harmless};
        do {
            run_apart(&scenarios[i], &injection);
            runs += report->failed > 0;
            injection.nth++;
        } while (report->failed > 0);
    }
    cr_assert_gt(runs, 0, "no such call was made");
    cr_log_info("%lu runs in which a call failed\n", runs);
    (void)munmap(report, sizeof *report);
}

#define CALLS_OF(name) BIDE_CALL_BIT(BIDE_CALL_##name)

Test(faults, every_allocation_may_fail)
{
    run_all(BIDE_CALLS_ALLOC, 1, ENOMEM, false);
}

Test(faults, all_allocations_from_one_on_may_fail)
{
    run_all(BIDE_CALLS_ALLOC, 1000000, ENOMEM, false);
}

Test(faults, every_system_call_may_fail_as_it_is_likely_to)
{
    run_all(BIDE_CALLS_FALLIBLE, 1, 0, false);
}

Test(faults, every_system_call_may_find_no_memory)
{
    run_all(BIDE_CALLS_FALLIBLE, 1, ENOMEM, false);
}

Test(faults, every_system_call_may_find_no_descriptor)
{
    run_all(CALLS_OF(SOCKET) | CALLS_OF(ACCEPT) | CALLS_OF(PIPE) | CALLS_OF(EVENTFD) |
                CALLS_OF(TIMERFD_CREATE) | CALLS_OF(EPOLL_CREATE),
            1, EMFILE, false);
    run_all(CALLS_OF(SOCKET) | CALLS_OF(ACCEPT) | CALLS_OF(EVENTFD) | CALLS_OF(EPOLL_CREATE), 1, ENFILE,
            false);
}

/* Calls that a signal may interrupt: those that do input and output or wait. */
#define INTERRUPTIBLE                                                                         \
    (CALLS_OF(READ) | CALLS_OF(WRITE) | CALLS_OF(READV) | CALLS_OF(WRITEV) | CALLS_OF(RECV) | \
     CALLS_OF(SEND) | CALLS_OF(SENDMSG) | CALLS_OF(ACCEPT) | CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL))

Test(faults, interrupted_calls_are_made_again)
{
    run_all(INTERRUPTIBLE, 1, EINTR, true);
}

Test(faults, calls_that_are_interrupted_several_times_are_made_again)
{
    run_all(INTERRUPTIBLE, 5, EINTR, true);
}

Test(faults, connections_that_died_in_the_backlog_are_passed_over)
{
    static const int errors[] = {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        run_all(CALLS_OF(ACCEPT), 3, errors[i], true);
}

Test(faults, the_helper_thread_may_not_start)
{
    run_all(CALLS_OF(THREAD), 1, EAGAIN, false);
}

Test(faults, closing_may_fail)
{
    run_all(CALLS_OF(CLOSE), 1, EIO, true);
    run_all(CALLS_OF(CLOSE), 1, EINTR, true);
}

/* --- would block, again and again ----------------------------------------------------------------------- */

struct feeder {
    int fd;
    _Atomic bool stop;
};

static void *feed(void *arg)
{
    struct feeder *feeder = arg;
    bide_calls_pause();
    while (!atomic_load(&feeder->stop)) {
        if (write(feeder->fd, "x", 1) != 1) abort();
        pause_briefly();
    }
    bide_calls_resume();
    return NULL;
}

Test(faults, a_read_that_finds_nothing_again_and_again_goes_on_with_what_comes)
{
    struct inventory before = inventory_now();
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        bide_async *async = scene_handle(kind, &peer);
        struct feeder feeder = {.fd = peer};
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, feed, &feeder), 0);
        for (unsigned long burst = 1; burst <= 20; burst += 3) {
            char byte;
            bide_fault_set(CALLS_OF(READ), 1, burst, EAGAIN);
            cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);
            cr_assert_eq(bide_fault_clear(), burst);
        }
        atomic_store(&feeder.stop, true);
        (void)pthread_join(thread, NULL);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(faults, a_wait_that_is_interrupted_again_and_again_keeps_its_deadline)
{
    struct inventory before = inventory_now();
    int peer;
    char byte;
    bide_async *async = scene_handle(UNIX, &peer);
    for (int i = 0; i < 3; i++) {
        bide_instant deadline = bide_after(SHORT);
        bide_fault_set(CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL), 1, 100, EINTR);
        cr_assert_gives(bide_read(async, &byte, 1, deadline), BIDE_ETIMEDOUT);
        cr_assert_not(bide_before(bide_now(), deadline));
        cr_assert_gt(bide_fault_clear(), 0);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(faults, a_poller_that_fails_is_reported_to_who_waits_and_the_next_wait_works)
{
    struct inventory before = inventory_now();
    int peer;
    char byte;
    bide_async *async = scene_handle(UNIX, &peer);
    drain_memory(async);
    bide_fault_set(CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL), 1, 1, ENOMEM);
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), BIDE_ENOMEM);
    cr_assert_eq(bide_fault_clear(), 1);
    cr_assert_eq(waiters_of(async, BIDE_READ), 0);
    scene_put(peer, "x");
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);

    /* The helper thread has nobody to report to: it tries again. */
    struct counter counter = {0};
    drain_memory(async);
    bide_fault_set(CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL), 1, 3, ENOMEM);
    int answer = bide_async_poll_readable(async, counting(&counter));
    while (answer < 0)
        answer = bide_async_poll_readable(async, counting(&counter));
    cr_assert_gives(answer, BIDE_PENDING);
    scene_put(peer, "x");
    AWAIT(counter.wakes == 1);
    (void)bide_fault_clear();
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}
