/* The demonstration: an echo server and its client, connects that fail, timers, a wake by the helper thread,
 * each with its measured time; then what some things cost. Exits with 0 if everything happened as it should.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "demo.h"
#include "echo.h"
#include "trace.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const struct example_program demo_program = {
    .name = "demo",
    .synopsis = "",
    .about = "Shows Bide at work on the loopback interface, with measured times. Takes two seconds.\n",
};

enum { MESSAGES = 1000, MESSAGE = 64 };

/* --- the table --- */

static const int widths[] = {-37, -43, 10};
static const struct example_table table = {3, widths};
static bool well = true;

/* A step and its outcome. `fine`: it is the one that should be. */
static void tell(const char *step, bool fine, const char *outcome, bide_duration took)
{
    char text[EXAMPLE_TEXT];
    char shown[EXAMPLE_TEXT];
    (void)snprintf(shown, sizeof shown, "%s%s", fine ? "" : "WRONG: ", outcome);
    example_row(&table, (const char *const[]){step, shown, example_duration_text(text, took)});
    if (!fine) well = false;
}

static bide_duration since(bide_instant start)
{
    return bide_instant_since(bide_now(), start);
}

int demo_listen(bide_async **listener, bide_address *address, int backlog)
{
    bide_address any = bide_address_loopback(0);
    int error = bide_tcp_listen(listener, &any, backlog);
    if (error) return error;
    error = bide_async_local_address(*listener, address);
    if (error) (void)bide_async_free(*listener);
    return error;
}

/* --- a server in a thread of its own, and its client --- */

struct server {
    bide_async *listener;
    bide_event stop;
    struct echo_counts counts;
    int error;
};

static void *serve(void *arg)
{
    static const struct echo_settings settings = {.connections = 16,
                                                  .drain = BIDE_SECONDS(1),
                                                  .report = NULL};
    struct server *server = arg;
    server->error = echo_serve(server->listener, &server->stop, &settings, &server->counts);
    return NULL;
}

static void echo(bide_async *conn)
{
    unsigned char out[MESSAGE];
    unsigned char in[MESSAGE];
    bide_instant start = bide_now();
    bide_instant deadline = bide_instant_add(start, BIDE_SECONDS(3));
    int error = 0;
    bool same = true;
    for (int i = 0; i < MESSAGES && !error && same; i++) {
        (void)memset(out, i, sizeof out);
        error = bide_write_all(conn, out, sizeof out, deadline, NULL);
        if (!error) error = bide_read_exact(conn, in, sizeof in, deadline, NULL);
        same = error || memcmp(in, out, sizeof in) == 0;
    }
    char outcome[EXAMPLE_TEXT];
    (void)snprintf(outcome, sizeof outcome, "%s, time for each",
                   error ? bide_strerror(error) : "all came back");
    tell("1,000 messages of 64 bytes to it", error == 0 && same, outcome, since(start) / MESSAGES);
}

static void client_and_server(void)
{
    struct server server;
    bide_address address;
    pthread_t thread;
    int error = demo_listen(&server.listener, &address, 0);
    if (!error) error = bide_event_init(&server.stop, BIDE_EVENT_AUTO);
    if (!error && pthread_create(&thread, NULL, serve, &server) != 0) error = BIDE_ENOTHREAD;
    if (error) {
        tell("start an echo server", false, bide_strerror(error), 0);
        return;
    }

    bide_async *conn;
    bide_instant start = bide_now();
    error = bide_tcp_connect(&conn, &address, bide_instant_add(start, BIDE_SECONDS(1)));
    tell("connect to an echo server within 1 s", error == 0, error ? bide_strerror(error) : "connected",
         since(start));
    if (!error) {
        (void)bide_tcp_set_nodelay(conn, true);
        echo(conn);
    }
    (void)bide_async_free(conn);

    start = bide_now();
    bide_event_set(&server.stop);
    (void)pthread_join(thread, NULL);
    bool served = server.error == 0 && server.counts.bytes == (uint64_t)MESSAGES * MESSAGE &&
                  server.counts.dropped == 0;
    tell("stop the server", served,
         server.error ? bide_strerror(server.error) : "stopped, every byte accounted for", since(start));
}

/* --- connects that fail --- */

/* A socket that is bound but does not listen keeps its port closed. */
static void refused(void)
{
    size_t length;
    bide_address address = bide_address_loopback(0);
    const void *name = bide_address_sockaddr(&address, &length);
    bide_async *closed = NULL;
    int error = BIDE_EIO;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, name, (socklen_t)length) == 0) error = bide_async_new(&closed, fd);
    if (!error) error = bide_async_local_address(closed, &address);
    if (error) {
        if (!closed && fd >= 0) (void)close(fd);
        tell("connect to a closed port", false, "no closed port could be had", 0);
        return;
    }
    bide_async *conn;
    bide_instant start = bide_now();
    error = bide_tcp_connect(&conn, &address, bide_instant_add(start, BIDE_SECONDS(1)));
    tell("connect to a closed port within 1 s", error == BIDE_ECONNREFUSED, bide_strerror(error),
         since(start));
    (void)bide_async_free(conn);
    (void)bide_async_free(closed);
}

/* A listener that accepts nobody takes as many connections as its backlog has room for. The next one
 * stays pending. */
static void timed_out(void)
{
    enum { MOST = 64 };
    bide_duration limit = BIDE_MILLISECONDS(300);
    bide_async *listener;
    bide_async *conns[MOST];
    bide_address address;
    size_t count = 0;
    bide_duration took = 0;
    int error = demo_listen(&listener, &address, 1);
    bool listening = error == 0;
    while (!error && count < MOST) {
        bide_instant start = bide_now();
        error = bide_tcp_connect(&conns[count], &address, bide_instant_add(start, limit));
        took = since(start);
        if (!error) count++;
    }
    tell("connect to a full backlog in 300 ms", error == BIDE_ETIMEDOUT && took >= limit,
         bide_strerror(error), took);
    while (count > 0)
        (void)bide_async_free(conns[--count]);
    if (listening) (void)bide_async_free(listener);
}

/* --- two intervals in one set --- */

struct interval {
    bide_timer timer;
    bide_set_member member;
    long left;
};

static void intervals(void)
{
    struct interval both[2];
    bide_set set;
    bide_set_init(&set);
    both[0].left = 15;
    bide_timer_interval(&both[0].timer, BIDE_MILLISECONDS(20));
    both[1].left = 10;
    bide_timer_interval(&both[1].timer, BIDE_MILLISECONDS(30));
    int error = 0;
    for (int i = 0; i < 2 && !error; i++)
        error = bide_set_add(&set, &both[i].member, &both[i].timer.future, &both[i]);

    bide_instant start = bide_now();
    bide_duration earliest = BIDE_DURATION_MAX;
    bide_duration latest = 0;
    long ticks = 0;
    bide_set_member *ready;
    while (!error && (error = bide_set_next(&set, BIDE_NEVER, &ready)) == 0) {
        struct interval *interval = ready->tag;
        error = bide_timer_error(&interval->timer);
        if (error) break;
        bide_duration late = bide_instant_since(bide_now(), interval->timer.result);
        if (late < earliest) earliest = late;
        if (late > latest) latest = late;
        ticks++;
        if (--interval->left > 0)
            error = bide_set_add(&set, &interval->member, &interval->timer.future, interval);
    }
    char outcome[EXAMPLE_TEXT];
    char by[EXAMPLE_TEXT];
    if (error == BIDE_END)
        (void)snprintf(outcome, sizeof outcome, "%ld ticks, %s early, the latest by %s", ticks,
                       earliest < 0 ? "some" : "none", example_duration_text(by, latest));
    else
        (void)snprintf(outcome, sizeof outcome, "%s", bide_strerror(error));
    tell("intervals of 20 ms and 30 ms", error == BIDE_END && ticks == 25 && earliest >= 0, outcome,
         since(start));
}

/* --- a wake by the helper thread --- */

/* What the waker notes. */
static struct {
    sem_t woken;
    bide_instant when;
    int thread;
    char name[16];
} noted;

static void note_wake(void *arg)
{
    (void)arg;
    noted.when = bide_now();
    noted.thread = trace_thread();
    (void)prctl(PR_GET_NAME, noted.name, 0, 0, 0);
    (void)sem_post(&noted.woken);
}

/* Leaves a waker with `end`, writes into `other`, and waits, not in Bide. How long the waker took, or -1. */
static bide_duration wake_once(bide_async *end, int other)
{
    int answer = bide_async_poll_readable(end, (bide_waker){note_wake, NULL});
    if (answer != BIDE_PENDING) return -1;
    struct timespec limit;
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 2;
    bide_instant start = bide_now();
    char byte = 'x';
    if (write(other, &byte, 1) != 1 || sem_timedwait(&noted.woken, &limit) != 0) return -1;
    bide_duration took = bide_instant_since(noted.when, start);
    return bide_read(end, &byte, 1, BIDE_NOW) == 1 ? took : -1;
}

static void helper_wakes(void)
{
    int ends[2];
    bide_async *end;
    if (sem_init(&noted.woken, 0, 0) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        bide_async_new(&end, ends[0]) != 0) {
        tell("a waker of ours", false, "no socket pair could be had", 0);
        return;
    }
    bide_duration first = wake_once(end, ends[1]);
    bide_duration second = wake_once(end, ends[1]);
    char outcome[EXAMPLE_TEXT];
    bool right = strcmp(noted.name, "async-io") == 0;
    (void)snprintf(outcome, sizeof outcome, "called by \"%s\"", noted.name);
    tell("a waker of ours, the first time", first >= 0 && right, outcome, first);
    tell("a waker of ours, after that", second >= 0 && right, outcome, second);

    /* With a waker in its care, but nothing to do. */
    bide_instant start = bide_now();
    int answer = bide_async_poll_readable(end, (bide_waker){note_wake, NULL});
    struct timespec while_idle = {0, 300 * 1000 * 1000};
    struct timespec to_settle = {0, 20 * 1000 * 1000};
    (void)nanosleep(&to_settle, NULL);
    long before = trace_switches(noted.thread);
    (void)nanosleep(&while_idle, NULL);
    long wakes = trace_switches(noted.thread) - before;
    (void)snprintf(outcome, sizeof outcome, "woken %ld times", wakes);
    tell("that thread, idle for 300 ms", answer == BIDE_PENDING && wakes == 0, outcome, since(start));

    (void)bide_async_free(end);
    (void)close(ends[1]);
    (void)sem_destroy(&noted.woken);
}

int main(int argc, char **argv)
{
    example_arguments(&demo_program, argc, argv);
    const char *backend = bide_reactor_backend(bide_reactor_global());
    if (!backend) {
        (void)fprintf(stderr,
                      "%s: the reactor cannot be opened: see BIDE_BACKEND, and the limit on descriptors\n",
                      demo_program.name);
        return 1;
    }
    (void)printf("Bide %s, back end %s\n\n", bide_version_string(), backend);

    example_heading(&table, (const char *const[]){"What it does", "and how that went", "in"});
    client_and_server();
    refused();
    timed_out();
    intervals();
    helper_wakes();

    int error = bide_shutdown();
    if (error) {
        (void)example_fail(&demo_program, "shutting down", error);
        well = false;
    }
    (void)putchar('\n');
    /* The server's thread has ended, and Bide's own. */
    if (!demo_costs()) well = false;
    (void)printf("\n%s\n", well ? "Everything is as it should be." : "Something is WRONG, see above.");
    return example_end(well ? EXAMPLE_OK : EXAMPLE_FAILED);
}
