/* fork(2) while other threads do all sorts of things, by servers, and what becomes of the standard descriptors.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_fork.h"

/* --- threads --------------------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    atomic_bool stop;
    atomic_uint rounds;
};

/* Takes every lock there is, again and again. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    bide_async *pair[2];
    make_pair(pair);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    while (!atomic_load(&worker->stop)) {
        char byte;
        bide_timer timer;
        bide_timer_after(&timer, BIDE_MICROSECONDS(1));
        cr_assert_ok(bide_timer_wait(&timer));
        cr_assert_gives(bide_write(pair[0], "w", 1, BIDE_NEVER), 1);
        cr_assert_gives(bide_read(pair[1], &byte, 1, BIDE_NEVER), 1);
        bide_event_set(&event);
        cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
        int fd = dup(0);
        bide_async *other = NULL;
        if (fd >= 0 && bide_async_new(&other, fd) == 0)
            cr_assert_ok(bide_async_free(other));
        else if (fd >= 0)
            (void)close(fd);
        bide_reactor *reactor;
        if (bide_reactor_new(&reactor, NULL) == 0) cr_assert_ok(bide_reactor_free(reactor));
        atomic_fetch_add(&worker->rounds, 1);
    }
    free_pair(pair);
    return NULL;
}

Test(fork, the_child_finds_every_lock_free_whatever_other_threads_were_doing, .timeout = 120,
     .init = make_failed_pipe, .fini = close_failed_pipe)
{
    struct worker workers[2];
#ifdef BIDE_TEST_ASAN
    BIDE_SKIP("in a child, the sanitizer's allocator may be left locked by a thread that is not there");
#endif
    for (int i = 0; i < 2; i++) {
        atomic_init(&workers[i].stop, false);
        atomic_init(&workers[i].rounds, 0);
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    AWAIT(atomic_load(&workers[0].rounds) > 0 && atomic_load(&workers[1].rounds) > 0);
    for (int round = 0; round < 300; round++)
        in_child(use_everything, NULL);
    for (int i = 0; i < 2; i++)
        atomic_store(&workers[i].stop, true);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(workers[i].thread, NULL), 0);
}

static void *wait_for_event(void *arg)
{
    return bide_event_wait(arg, BIDE_NEVER) == 0 ? arg : NULL;
}

Test(fork, a_thread_that_waits_in_the_parent_goes_on_waiting, .timeout = 30, .init = make_failed_pipe,
     .fini = close_failed_pipe)
{
    bide_event event;
    pthread_t thread;
    void *result = NULL;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    cr_assert_eq(pthread_create(&thread, NULL, wait_for_event, &event), 0);
    /* It waits once its future is in the queue. */
    AWAIT(bide_event_fini(&event) == BIDE_EBUSY);
    in_child(use_everything, NULL);
    bide_event_set(&event);
    cr_assert_eq(pthread_join(thread, &result), 0);
    cr_assert_eq(result, &event);
}

/* --- servers --------------------------------------------------------------------------------------------- */

static void become_daemon(void *arg)
{
    const int *report = arg;
    CHECK(daemon(1, 1) == 0);
    use_everything(NULL);
    CHECK(write(report[1], "d", 1) == 1);
}

Test(fork, a_daemon_uses_bide_after_daemon_3, .timeout = 30, .init = make_failed_pipe,
     .fini = close_failed_pipe)
{
    bide_async *pair[2];
    int report[2];
    char byte = 0;
    make_pair(pair);
    cr_assert_done(pipe2(report, O_CLOEXEC));
    /* The child ends in daemon(3), its child goes on. */
    in_child(become_daemon, report);
    (void)close(report[1]);
    cr_assert_eq(read(report[0], &byte, 1), 1, "the daemon failed");
    cr_assert_eq(byte, 'd');
    (void)close(report[0]);
    free_pair(pair);
}

static void serve_one(void *arg)
{
    bide_async *listener = arg;
    bide_fd fd;
    CHECK(bide_async_into_fd(listener, 0, &fd) == 0);
    CHECK(bide_async_new(&listener, fd) == 0);
    bide_async *conn;
    CHECK(bide_accept(listener, &conn, NULL, BIDE_NEVER) == 0);
    char buffer[16];
    bide_ssize count;
    while ((count = bide_read(conn, buffer, sizeof buffer, BIDE_NEVER)) > 0)
        CHECK(bide_write_all(conn, buffer, (size_t)count, BIDE_NEVER, NULL) == 0);
    CHECK(count == 0);
    CHECK(bide_async_free(conn) == 0);
    CHECK(bide_async_free(listener) == 0);
}

Test(fork, children_serve_a_listener_that_was_made_before_the_fork, .timeout = 30, .init = make_failed_pipe,
     .fini = close_failed_pipe)
{
    enum { CHILDREN = 4 };
    bide_async *listener;
    bide_address address = bide_address_loopback(0);
    cr_assert_ok(bide_tcp_listen(&listener, &address, 0));
    cr_assert_ok(bide_async_local_address(listener, &address));
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        children[i] = start_child(serve_one, listener);
    bide_async *conns[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        cr_assert_ok(bide_tcp_connect(&conns[i], &address, BIDE_NEVER));
        cr_assert_ok(bide_write_all(conns[i], "hello", 5, BIDE_NEVER, NULL));
    }
    for (int i = 0; i < CHILDREN; i++) {
        char buffer[5];
        cr_assert_ok(bide_read_exact(conns[i], buffer, sizeof buffer, BIDE_NEVER, NULL));
        cr_assert_ok(bide_async_free(conns[i]));
    }
    for (int i = 0; i < CHILDREN; i++)
        await_child(children[i]);
    cr_assert_ok(bide_async_free(listener));
}

/* --- the standard descriptors ---------------------------------------------------------------------------- */

static bool is_blocking(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void wrap_and_exit(void *arg)
{
    int *ends = arg;
    bide_async *in, *out;
    CHECK(dup2(ends[0], 0) == 0 && dup2(ends[1], 1) == 1);
    CHECK(bide_async_new(&in, 0) == 0);
    CHECK(bide_async_new(&out, 1) == 0);
    CHECK(!is_blocking(0) && !is_blocking(1));
    /* The end of a child of its own changes nothing. */
    pid_t child = fork();
    if (child == 0) exit(0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(!is_blocking(0) && !is_blocking(1));
    CHECK(bide_async_free(out) == 0);
    CHECK(is_blocking(ends[1]));
    /* But it gives back what it has changed itself. */
    CHECK(dup2(ends[1], 1) == 1);
    child = fork();
    if (child == 0) exit(bide_async_new(&out, 1) == 0 && !is_blocking(1) ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(is_blocking(1) && !is_blocking(0));
    exit(0);
}

Test(fork, the_standard_descriptors_are_blocking_again_when_the_process_ends, .timeout = 30,
     .init = make_failed_pipe, .fini = close_failed_pipe)
{
    int ends[2];
    cr_assert_done(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    in_child(wrap_and_exit, ends);
    cr_assert(is_blocking(ends[0]));
    cr_assert(is_blocking(ends[1]));
    (void)close(ends[0]);
    (void)close(ends[1]);
}
