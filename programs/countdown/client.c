/* The commands that ask a server one thing, and the connection that they and `watch` have.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "program.h"

#include <bide/sansio_run.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int program_fail(const char *what, bide_ssize error)
{
    (void)fprintf(stderr, "bide-countdown: %s: %s\n", what, bide_strerror(error));
    return PROGRAM_FAILED;
}

/* "name:port"; an address of IPv6 would stand in brackets, and be numeric. */
static int connect_to_host(bide_async **conn, const char *text, bide_instant deadline)
{
    const char *colon = strrchr(text, ':');
    char name[256];
    char *end;
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof name) return BIDE_EADDRSYNTAX;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end) return BIDE_EADDRSYNTAX;
    if (port > UINT16_MAX) return BIDE_EPORTRANGE;
    (void)memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    return bide_tcp_connect_host(conn, name, (uint16_t)port, deadline, NULL);
}

static int connect_to(bide_async **conn, const struct place *place, bide_instant deadline)
{
    bide_address address;
    if (place->is_unix) {
        int error = bide_address_unix(&address, place->text);
        return error ? error : bide_unix_connect(conn, &address, deadline);
    }
    int error = bide_address_parse(&address, place->text);
    if (error == BIDE_EADDRSYNTAX) return connect_to_host(conn, place->text, deadline);
    return error ? error : bide_tcp_connect(conn, &address, deadline);
}

struct connection *connection_open(const struct settings *settings, bide_duration timeout)
{
    const struct place *place = &settings->places[0];
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        (void)program_fail("connecting", BIDE_ENOMEM);
        return NULL;
    }
    int error = connect_to(&connection->conn, place, bide_after(timeout));
    if (error) {
        (void)program_fail(place->text, error);
        if (error == BIDE_ENOENT || error == BIDE_ECONNREFUSED)
            (void)fprintf(stderr,
                          "bide-countdown: is there a server? Start one with: bide-countdown serve\n");
        free(connection);
        return NULL;
    }
    connection->timeout = timeout;
    bide_countdown_client_init(&connection->client, connection->buffer, sizeof connection->buffer);
    return connection;
}

void connection_close(struct connection *connection)
{
    bide_countdown_client_fini(&connection->client);
    (void)bide_async_free(connection->conn);
    free(connection);
}

int connection_run(struct connection *connection)
{
    bide_instant deadline = bide_after(connection->timeout);
    bide_sansio_io io = {0};
    int status;
    while ((status = bide_countdown_client_resume(&connection->client, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_async(&io, connection->conn, deadline);
    return status;
}

int connection_failed(const struct connection *connection, int error)
{
    if (error != BIDE_EINVAL || !*connection->client.message) return program_fail("asking the server", error);
    char text[256];
    (void)printable(text, sizeof text, connection->client.message, sizeof text);
    (void)fprintf(stderr, "bide-countdown: the server says: %s\n", text);
    return PROGRAM_FAILED;
}

int64_t status_whole(const bide_countdown_status *status)
{
    for (size_t i = 0; i < status->config.cycle_count; i++) {
        const bide_countdown_cycle *cycle = &status->config.cycles[i];
        if (cycle->seconds >= status->cycle.seconds && strcmp(cycle->name, status->cycle.name) == 0)
            return cycle->seconds;
    }
    return status->cycle.seconds;
}

void status_text(char *text, size_t room, const bide_countdown_status *status)
{
    char name[256];
    char left[32];
    char whole[32];
    (void)printable(name, sizeof name, status->cycle.name, 64);
    (void)snprintf(text, room, "%s  %s  %s of %s", bide_countdown_state_name(status->state), name,
                   seconds_text(left, status->cycle.seconds), seconds_text(whole, status_whole(status)));
}

static int ask(bide_countdown_client *client, const struct request *request)
{
    static const struct {
        const char *command;
        int (*ask)(bide_countdown_client *client);
    } commands[] = {{"start", bide_countdown_ask_start},
                    {"get", bide_countdown_ask_get},
                    {"pause", bide_countdown_ask_pause},
                    {"resume", bide_countdown_ask_resume},
                    {"stop", bide_countdown_ask_stop}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(request->command, commands[i].command) == 0) return commands[i].ask(client);
    return bide_countdown_ask_set(client, request->seconds);
}

/* What the server answered, as it came. */
static void print_answer(const bide_countdown_client *client)
{
    (void)fwrite(client->answer, 1, client->answer_length, stdout);
    (void)putchar('\n');
}

/* For people the countdown as it is now, whatever was asked. */
static int print_status(struct connection *connection)
{
    int error = 0;
    if (!connection->client.status) {
        error = bide_countdown_ask_get(&connection->client);
        if (!error) error = connection_run(connection);
    }
    if (error) return error;
    char text[512];
    status_text(text, sizeof text, connection->client.status);
    (void)printf("%s\n", text);
    return 0;
}

int run_request(const struct settings *settings, const struct request *request)
{
    struct connection *connection = connection_open(settings, request->timeout);
    if (!connection) return PROGRAM_FAILED;
    int error = ask(&connection->client, request);
    if (!error) error = connection_run(connection);
    if (request->json && connection->client.answer)
        print_answer(&connection->client);
    else if (!error && !request->json)
        error = print_status(connection);
    int status = error ? connection_failed(connection, error) : PROGRAM_OK;
    connection_close(connection);
    return status;
}
