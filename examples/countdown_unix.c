/* A countdown shared over a Unix socket by tasks of Bide's on several threads: the countdown behind a lock, what
 * happens to it in a channel, a task a client.
 *
 *   acceptor ── a task a client ──┐                        ┌── client (main task): start, wait, get
 *   ticker ───────────────────────┴── the countdown, locked│
 *       └── events ── a channel ── notifier                └── any other: nc -U, bide-countdown --unix
 *
 * The lock is held for a resume, never during input or output. Events are sent under it, so that they arrive in
 * the order in which they happened: the channel is unbounded, so that this does not wait.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "countdown.h"

#include <bide/sansio_run.h>
#include <bide/sync.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *path;
static bide_duration wait = BIDE_SECONDS(3);

static const struct example_option options[] = {
    {"--unix", EXAMPLE_STRING, &path, "path of the socket (one in a new folder in /tmp)"},
    {"--wait", EXAMPLE_DURATION, &wait, "how long the client waits between start and get (3s)"},
};

static const struct example_program program = {
    .name = "countdown_unix",
    .synopsis = "[--unix PATH] [--wait DURATION]",
    .about =
        "Serves a countdown of two seconds of work and three of rest, and is its client: starts it, waits,\n"
        "shows it, and ends. The first line that it prints is the address that it listens on.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* --- what the tasks share --- */

static bide_countdown countdown; /* guarded by the lock */
static bide_mutex lock;
static bide_channel happened; /* of bide_countdown_event */
static bide_async *listener;
static bide_address address;

static int send_events(const bide_countdown_events *events)
{
    int error = 0;
    for (size_t i = 0; i < events->count && !error; i++)
        error = bide_channel_send(&happened, &events->list[i], BIDE_NEVER);
    return error;
}

static int notify(void *arg)
{
    (void)arg;
    bide_countdown_event event;
    int error;
    while ((error = bide_channel_receive(&happened, &event, BIDE_NEVER)) == 0)
        example_print_event(&event);
    return error;
}

/* Sleeps for a second at most, because it does not hear of what the clients do. */
static int tick(void *arg)
{
    (void)arg;
    bide_countdown_ticker ticker;
    bide_countdown_ticker_init(&ticker, BIDE_SECONDS(1));
    bide_sansio_io io = {0};
    int status = BIDE_SANSIO_WANTS;
    while (status >= 0) {
        int error = bide_mutex_lock(&lock, BIDE_NEVER);
        if (error) return error;
        status = bide_countdown_ticker_resume(&ticker, &countdown, &io);
        error = send_events(&ticker.events);
        (void)bide_mutex_unlock(&lock);
        if (error) return error;
        if (status == BIDE_SANSIO_WANTS) bide_sansio_on_async(&io, NULL, BIDE_NEVER);
    }
    return status;
}

/* --- the server: a task a client --- */

struct client {
    bide_async *conn;
    bide_countdown_server server;
    char buffer[BIDE_COUNTDOWN_LINE_MAX];
};

static void drop_client(void *arg)
{
    struct client *client = arg;
    bide_countdown_server_fini(&client->server);
    (void)bide_async_free(client->conn);
    free(client);
}

static int attend(void *arg)
{
    struct client *client = arg;
    bide_sansio_io io = {0};
    int status = BIDE_SANSIO_WANTS;
    while (status >= 0) {
        int error = bide_mutex_lock(&lock, BIDE_NEVER);
        if (error) break;
        status = bide_countdown_server_resume(&client->server, &countdown, &io);
        error = send_events(&client->server.events);
        (void)bide_mutex_unlock(&lock);
        if (error) break;
        if (status == BIDE_SANSIO_WANTS) bide_sansio_on_async(&io, client->conn, BIDE_NEVER);
    }
    drop_client(client);
    return status;
}

static int accept_clients(void *arg)
{
    (void)arg;
    for (;;) {
        bide_async *conn;
        int error = bide_accept(listener, &conn, NULL, BIDE_NEVER);
        if (error == BIDE_ECANCELED) return error;
        struct client *client = error ? NULL : malloc(sizeof *client);
        if (!client) {
            if (!error) (void)bide_async_free(conn);
            continue; /* what is short is waited for by the next accept */
        }
        client->conn = conn;
        bide_countdown_server_init(&client->server, client->buffer, sizeof client->buffer);
        bide_task_options how = {.drop = drop_client};
        if (bide_spawn(NULL, attend, client, &how)) drop_client(client);
    }
}

/* --- the client --- */

static int run(bide_countdown_client *client, bide_async *conn)
{
    bide_sansio_io io = {0};
    int status;
    while ((status = bide_countdown_client_resume(client, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_async(&io, conn, bide_after(BIDE_SECONDS(5)));
    return status;
}

static int be_client(bide_async *conn)
{
    static bide_countdown_client client;
    static char buffer[4096];
    bide_countdown_client_init(&client, buffer, sizeof buffer);
    int error = bide_countdown_ask_start(&client);
    if (!error) error = run(&client, conn);
    if (!error) error = bide_sleep(wait);
    if (!error) error = bide_countdown_ask_get(&client);
    if (!error) error = run(&client, conn);
    if (!error) example_print_status(client.status);
    bide_countdown_client_fini(&client);
    return error;
}

/* When it ends the others are cancelled. */
static int main_task(void *arg)
{
    (void)arg;
    bide_async *conn;
    int error = bide_spawn(NULL, notify, NULL, NULL);
    if (!error) error = bide_spawn(NULL, tick, NULL, NULL);
    if (!error) error = bide_spawn(NULL, accept_clients, NULL, NULL);
    if (!error) error = bide_unix_connect(&conn, &address, bide_after(BIDE_SECONDS(5)));
    if (error) return error;
    error = be_client(conn);
    (void)bide_async_free(conn);
    return error;
}

static int serve(const char *where)
{
    int error = bide_address_unix(&address, where);
    if (!error) error = bide_unix_listen(&listener, &address, 0);
    if (error == BIDE_EADDRINUSE && bide_unix_remove_stale(&address) == 0)
        error = bide_unix_listen(&listener, &address, 0);
    if (error) return error;
    char text[EXAMPLE_TEXT];
    (void)printf("%s\n", example_address_text(text, &address));
    (void)fflush(stdout);
    error = bide_run(main_task, NULL, NULL);
    (void)unlink(where);
    (void)bide_async_free(listener);
    return error;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    char folder[] = "/tmp/bide-countdown-XXXXXX";
    char made[sizeof folder + 8];
    if (!path) {
        if (!mkdtemp(folder)) return example_fail(&program, folder, bide_last_error());
        (void)snprintf(made, sizeof made, "%s/socket", folder);
    }
    example_countdown_init(&countdown);
    bide_mutex_init(&lock);
    int error = bide_channel_init(&happened, sizeof(bide_countdown_event), BIDE_CHANNEL_UNBOUNDED, NULL);
    if (!error) error = serve(path ? path : made);
    (void)bide_channel_fini(&happened);
    if (!path) (void)rmdir(folder);
    if (error) return example_fail(&program, path ? path : made, error);
    return example_end(EXAMPLE_OK);
}
