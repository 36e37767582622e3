/* A countdown shared over TCP with plain blocking sockets and threads: a server, its tick, a notifier, a client. What
 * they speak is in coroutines that know nothing of sockets; each thread drives its own by bide_sansio_on_fd().
 *
 *   server thread ──┐                          ┌── client (main): start, wait, get
 *   tick thread ────┴── the countdown, locked  │
 *        └── events ── a queue ── notifier     └── any other: nc, bide-countdown --connect
 *
 * The lock is held for a resume, never during input or output.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "countdown.h"

#include <bide/sansio_run.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bide_address address;
static bide_duration wait = BIDE_SECONDS(3);

static const struct example_option options[] = {
    {"--listen", EXAMPLE_ADDRESS, &address, "ADDRESS:PORT to listen on (127.0.0.1, any port)"},
    {"--wait", EXAMPLE_DURATION, &wait, "how long the client waits between start and get (3s)"},
};

static const struct example_program program = {
    .name = "countdown_tcp",
    .synopsis = "[--listen ADDRESS] [--wait DURATION]",
    .about =
        "Serves a countdown of two seconds of work and three of rest, and is its client: starts it, waits,\n"
        "shows it, and ends. The first line that it prints is the address that it listens on.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* --- what the threads share --- */

static bide_countdown countdown; /* guarded by the lock, as is the queue */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct {
    bide_countdown_event list[256];
    size_t first, count;
} queue;

/* Under the lock, so that the order is that of what happened. The notifier is fast enough for 256. */
static void put_events(const bide_countdown_events *events)
{
    const size_t room = sizeof queue.list / sizeof *queue.list;
    for (size_t i = 0; i < events->count && queue.count < room; i++)
        queue.list[(queue.first + queue.count++) % room] = events->list[i];
    (void)pthread_cond_signal(&more);
}

static void *notify(void *arg)
{
    (void)arg;
    for (;;) {
        (void)pthread_mutex_lock(&lock);
        while (queue.count == 0)
            (void)pthread_cond_wait(&more, &lock);
        bide_countdown_event event = queue.list[queue.first];
        queue.first = (queue.first + 1) % (sizeof queue.list / sizeof *queue.list);
        queue.count--;
        (void)pthread_mutex_unlock(&lock);
        example_print_event(&event);
    }
    return NULL;
}

/* Sleeps for a second at most, because it does not hear of what the clients do. */
static void *tick(void *arg)
{
    (void)arg;
    static bide_countdown_ticker ticker;
    bide_countdown_ticker_init(&ticker, BIDE_SECONDS(1));
    bide_sansio_io io = {0};
    int status;
    do {
        (void)pthread_mutex_lock(&lock);
        status = bide_countdown_ticker_resume(&ticker, &countdown, &io);
        put_events(&ticker.events);
        (void)pthread_mutex_unlock(&lock);
        if (status == BIDE_SANSIO_WANTS) bide_sansio_on_fd(&io, -1);
    } while (status >= 0);
    return NULL;
}

/* --- the server: a thread a client --- */

struct client {
    int fd;
    bide_countdown_server server;
    char buffer[BIDE_COUNTDOWN_LINE_MAX];
};

static void *serve_client(void *arg)
{
    struct client *client = arg;
    bide_countdown_server_init(&client->server, client->buffer, sizeof client->buffer);
    bide_sansio_io io = {0};
    int status;
    do {
        (void)pthread_mutex_lock(&lock);
        status = bide_countdown_server_resume(&client->server, &countdown, &io);
        put_events(&client->server.events);
        (void)pthread_mutex_unlock(&lock);
        if (status == BIDE_SANSIO_WANTS) bide_sansio_on_fd(&io, client->fd);
    } while (status >= 0);
    bide_countdown_server_fini(&client->server);
    (void)close(client->fd);
    free(client);
    return NULL;
}

static int start(void *(*function)(void *), void *arg)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, function, arg);
    if (!error) (void)pthread_detach(thread);
    return bide_error_from_system(error);
}

static void *serve(void *arg)
{
    int listener = *(int *)arg;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        struct client *client = fd < 0 ? NULL : malloc(sizeof *client);
        if (client) client->fd = fd;
        if (client && start(serve_client, client) == 0) continue;
        free(client);
        if (fd >= 0) (void)close(fd);
        (void)bide_sleep(BIDE_MILLISECONDS(10)); /* what is short now may be there again soon */
    }
    return NULL;
}

/* Listens, and sets the address to the one that it became. */
static int listen_at(int *listener)
{
    size_t length;
    const struct sockaddr *name = bide_address_sockaddr(&address, &length);
    int on = 1;
    *listener = socket(name->sa_family, SOCK_STREAM, 0);
    if (*listener < 0 || setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(*listener, name, (socklen_t)length) != 0 || listen(*listener, SOMAXCONN) != 0)
        return bide_last_error();
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(*listener, (struct sockaddr *)&bound, &size) != 0) return bide_last_error();
    return bide_address_from_system(&address, &bound, size);
}

/* --- the client --- */

static int connect_to_server(int *fd)
{
    size_t length;
    const struct sockaddr *name = bide_address_sockaddr(&address, &length);
    *fd = socket(name->sa_family, SOCK_STREAM, 0);
    return *fd < 0 || connect(*fd, name, (socklen_t)length) != 0 ? bide_last_error() : 0;
}

static int run(bide_countdown_client *client, int fd)
{
    bide_sansio_io io = {0};
    int status;
    while ((status = bide_countdown_client_resume(client, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_fd(&io, fd);
    return status;
}

static int be_client(int fd)
{
    static bide_countdown_client client;
    static char buffer[4096];
    bide_countdown_client_init(&client, buffer, sizeof buffer);
    int error = bide_countdown_ask_start(&client);
    if (!error) error = run(&client, fd);
    if (!error) error = bide_sleep(wait);
    if (!error) error = bide_countdown_ask_get(&client);
    if (!error) error = run(&client, fd);
    if (!error) example_print_status(client.status);
    bide_countdown_client_fini(&client);
    return error;
}

int main(int argc, char **argv)
{
    address = bide_address_loopback(0);
    example_arguments(&program, argc, argv);
    (void)signal(SIGPIPE, SIG_IGN); /* a client that has gone is an error of its own thread */
    example_countdown_init(&countdown);

    static int listener;
    char text[EXAMPLE_TEXT];
    int error = listen_at(&listener);
    if (error) return example_fail(&program, example_address_text(text, &address), error);
    (void)printf("%s\n", example_address_text(text, &address));
    (void)fflush(stdout);
    error = start(notify, NULL);
    if (!error) error = start(tick, NULL);
    if (!error) error = start(serve, &listener);
    if (error) return example_fail(&program, "starting a thread", error);

    int fd;
    error = connect_to_server(&fd);
    if (!error) error = be_client(fd);
    if (error) return example_fail(&program, "asking the server", error);
    return example_end(EXAMPLE_OK);
}
