/* The server: one worker of tasks, so that what they share needs no lock.
 *
 *   main task      waits for a signal to stop, which a thread of its own hears of
 *   one a place    accepts clients
 *   one a client   drives its coroutine
 *   the ticker     lets the time pass, sleeps until something is due or somebody has changed something
 *   the hooks      see hooks.c
 *
 * INVARIANTS
 * 1. A client costs nobody else anything: it is served one request at a time, a request that does not come to
 *    its end within the patience ends the connection, and so does an answer that is not read.
 * 2. There are at most `clients` of them; who comes then is told so and closed.
 * 3. Events are handed on in the order in which they happened: where the countdown was resumed, before anybody
 *    else can.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "program.h"

#include <bide/sansio_run.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct server;

struct acceptor {
    struct server *server;
    bide_async *listener;
    bide_address address;
    bide_task task;
    bool accepts; /* `task` is one */
};

struct server {
    const struct settings *settings;
    bool verbose;
    bide_countdown countdown;
    bide_event changed; /* a client has done something to it */
    struct hooks *hooks;
    struct acceptor acceptors[PLACES];
    size_t acceptor_count;
    int64_t clients;
    bide_instant quiet; /* until then trouble with accepting is not told again */
};

static bide_event stop;

/* --- events --- */

static void tell(const bide_countdown_event *event)
{
    char name[256];
    char left[32];
    (void)printable(name, sizeof name, event->cycle.name, 64);
    (void)printf("%s  %s  %s\n", bide_countdown_event_name(event->kind), name,
                 seconds_text(left, event->cycle.seconds));
    (void)fflush(stdout);
}

static void hand_on(struct server *server, const bide_countdown_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        if (server->verbose) tell(&events->list[i]);
        hooks_put(server->hooks, &events->list[i]);
    }
}

static int keep_time(void *arg)
{
    struct server *server = arg;
    bide_countdown_ticker ticker;
    bide_countdown_ticker_init(&ticker, BIDE_DURATION_MAX);
    bide_sansio_io io = {0};
    int status;
    while ((status = bide_countdown_ticker_resume(&ticker, &server->countdown, &io)) == BIDE_SANSIO_WANTS) {
        hand_on(server, &ticker.events);
        if (io.kind == BIDE_SANSIO_SLEEP) {
            bide_ssize result = bide_event_wait(&server->changed, io.instant);
            io.result = result == BIDE_ETIMEDOUT || result == BIDE_EAGAIN ? 0 : result;
        } else {
            bide_sansio_on_async(&io, NULL, BIDE_NEVER);
        }
    }
    return status;
}

/* --- clients --- */

struct client {
    struct server *server;
    bide_async *conn;
    bide_countdown_server coroutine;
    char buffer[BIDE_COUNTDOWN_LINE_MAX];
};

static void drop_client(void *arg)
{
    struct client *client = arg;
    client->server->clients--;
    bide_countdown_server_fini(&client->coroutine);
    (void)bide_async_free(client->conn);
    free(client);
}

static int attend(void *arg)
{
    struct client *client = arg;
    struct server *server = client->server;
    bide_duration patience = BIDE_SECONDS(server->settings->patience);
    bide_instant deadline = BIDE_NEVER;
    bide_sansio_io io = {0};
    int status;
    do {
        status = bide_countdown_server_resume(&client->coroutine, &server->countdown, &io);
        hand_on(server, &client->coroutine.events);
        if (client->coroutine.events.count > 0) bide_event_set(&server->changed);
        if (bide_countdown_server_is_idle(&client->coroutine))
            deadline = BIDE_NEVER;
        else if (bide_is_never(deadline) || status == BIDE_SANSIO_DONE)
            deadline = bide_after(patience);
        if (status == BIDE_SANSIO_WANTS) bide_sansio_on_async(&io, client->conn, deadline);
    } while (status >= 0);
    drop_client(client);
    return status;
}

static void turn_away(bide_async *conn, const char *why)
{
    char text[64];
    int length = snprintf(text, sizeof text, "{\"error\":\"%s\"}\n", why);
    (void)bide_write(conn, text, (size_t)length, BIDE_NOW);
    (void)bide_async_free(conn);
}

static void begin_client(struct server *server, bide_async *conn)
{
    if (server->clients >= server->settings->clients) {
        turn_away(conn, "too many clients");
        return;
    }
    struct client *client = malloc(sizeof *client);
    if (!client) {
        turn_away(conn, "out of memory");
        return;
    }
    client->server = server;
    client->conn = conn;
    bide_countdown_server_init(&client->coroutine, client->buffer, sizeof client->buffer);
    server->clients++;
    bide_task_options options = {.name = "client", .drop = drop_client};
    if (bide_spawn(NULL, attend, client, &options)) drop_client(client);
}

/* What goes wrong with accepting passes, mostly: a descriptor will be free again. */
static int accept_clients(void *arg)
{
    struct acceptor *acceptor = arg;
    struct server *server = acceptor->server;
    for (;;) {
        bide_async *conn;
        int error = bide_accept(acceptor->listener, &conn, NULL, BIDE_NEVER);
        if (error == BIDE_ECANCELED || error == BIDE_EFREED) return 0;
        if (!error) begin_client(server, conn);
        if (error && bide_before(server->quiet, bide_now())) {
            (void)program_fail("accepting a client", error);
            server->quiet = bide_after(BIDE_MINUTES(1));
        }
    }
}

/* --- listening --- */

/* One server at a time looks after a socket's file: from the question whether it is stale until it listens.
 * The lock is a file beside it, which goes with it; so what was locked must still be what has the name. */
static int lock_path(const char *path, char *name, size_t room)
{
    (void)snprintf(name, room, "%s.lock", path);
    for (;;) {
        struct stat held;
        struct stat named;
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return bide_last_error();
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            (void)close(fd);
            return BIDE_EADDRINUSE;
        }
        if (fstat(fd, &held) == 0 && stat(name, &named) == 0 && held.st_ino == named.st_ino &&
            held.st_dev == named.st_dev)
            return fd;
        (void)close(fd);
    }
}

/* For the user alone: others may be let in by the folder's owner, with chmod(1). */
static int listen_at_path(bide_async **listener, const bide_address *address, const char *path)
{
    char name[160];
    int lock = lock_path(path, name, sizeof name);
    if (lock < 0) return lock;
    mode_t before = umask(0177);
    int error = bide_unix_listen(listener, address, 0);
    if (error == BIDE_EADDRINUSE) {
        error = bide_unix_remove_stale(address);
        if (!error) error = bide_unix_listen(listener, address, 0);
    }
    (void)umask(before);
    (void)unlink(name);
    (void)close(lock);
    return error;
}

static int parse_address(bide_address *address, const char *text)
{
    static const char local[] = "localhost:";
    char numeric[BIDE_ADDRESS_TEXT_MAX];
    if (strncmp(text, local, sizeof local - 1) != 0) return bide_address_parse(address, text);
    (void)snprintf(numeric, sizeof numeric, "127.0.0.1:%s", text + sizeof local - 1);
    return bide_address_parse(address, numeric);
}

static int listen_at(struct server *server, const struct place *place)
{
    struct acceptor *acceptor = &server->acceptors[server->acceptor_count];
    bide_address *address = &acceptor->address;
    int error =
        place->is_unix ? bide_address_unix(address, place->text) : parse_address(address, place->text);
    if (error) return error;
    error = place->is_unix ? listen_at_path(&acceptor->listener, address, place->text)
                           : bide_tcp_listen(&acceptor->listener, address, 0);
    if (error) return error;
    acceptor->server = server;
    server->acceptor_count++;
    if (!place->is_unix) (void)bide_async_local_address(acceptor->listener, address);
    char text[BIDE_ADDRESS_TEXT_MAX];
    if (bide_address_format(address, text, sizeof text) >= 0) (void)printf("listening on %s\n", text);
    return 0;
}

static int start_accepting(struct acceptor *acceptor)
{
    bide_task_options options = {.name = "acceptor"};
    int error = bide_spawn(&acceptor->task, accept_clients, acceptor, &options);
    acceptor->accepts = error == 0;
    return error;
}

/* --- from the beginning to the end --- */

/* Signals are waited for by a thread, and blocked everywhere else: a handler would interrupt whichever task runs,
 * and run on its stack. */
static void *wait_for_signals(void *arg)
{
    const sigset_t *signals = arg;
    for (;;) {
        int number;
        if (sigwait(signals, &number) == 0) bide_event_set(&stop);
    }
    return NULL;
}

static int start_waiting_for_signals(void)
{
    static sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_t thread;
    if (!error) error = pthread_create(&thread, NULL, wait_for_signals, &signals);
    if (!error) error = pthread_detach(thread);
    return bide_error_from_system(error);
}

static int begin(struct server *server)
{
    const struct settings *settings = server->settings;
    for (size_t i = 0; i < settings->place_count; i++) {
        int error = listen_at(server, &settings->places[i]);
        if (error) {
            (void)program_fail(settings->places[i].text, error);
            return error;
        }
    }
    (void)fflush(stdout);
    int error = hooks_start(&server->hooks, settings);
    if (!error) error = bide_spawn(NULL, keep_time, server, NULL);
    for (size_t i = 0; i < server->acceptor_count && !error; i++)
        error = start_accepting(&server->acceptors[i]);
    if (error) (void)program_fail("starting", error);
    return error;
}

/* No new clients; then what was heard of them is seen to its end, unless another signal says that this has been
 * long enough. Who is still connected is cut off by the end of the main task. */
static void end(struct server *server)
{
    for (size_t i = 0; i < server->acceptor_count; i++) {
        struct acceptor *acceptor = &server->acceptors[i];
        if (acceptor->accepts) {
            (void)bide_task_cancel(acceptor->task);
            (void)bide_task_join(acceptor->task, NULL, BIDE_NEVER);
        }
        const char *path = bide_address_path(&acceptor->address, NULL);
        if (path) (void)unlink(path);
        (void)bide_async_free(acceptor->listener);
    }
    if (!server->hooks) return;
    for (int tenths = 0; tenths < 30 && !bide_event_is_set(&stop); tenths++)
        if (hooks_drain(server->hooks, bide_after(BIDE_MILLISECONDS(100))) == 0) break;
}

static int run(void *arg)
{
    struct server *server = arg;
    int error = begin(server);
    if (!error) error = bide_event_wait(&stop, BIDE_NEVER);
    end(server);
    return error;
}

int serve(const struct settings *settings, bool verbose)
{
    static struct server server;
    server.settings = settings;
    server.verbose = verbose;
    bide_countdown_config config = {settings->cycles, settings->cycle_count, settings->loops};
    int error = bide_countdown_init(&server.countdown, &config);
    if (error) {
        (void)fprintf(stderr, "bide-countdown: the cycles have no length, or a name is no UTF-8\n");
        return PROGRAM_USAGE;
    }
    (void)bide_event_init(&stop, BIDE_EVENT_AUTO);
    (void)bide_event_init(&server.changed, BIDE_EVENT_AUTO);
    error = start_waiting_for_signals();
    if (error) return program_fail("waiting for signals", error);
    /* Standard output may be a pipe whose reader goes: that is no reason to end. And children are waited for,
     * also if who started us ignored them. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);

    bide_run_options options = {.workers = 1};
    error = bide_run(run, &server, &options);
    hooks_free(server.hooks);
    return error ? PROGRAM_FAILED : PROGRAM_OK;
}
