/* Idle time-outs of very many connections on one hashed wheel: each has a sleep, which whatever the
 * connection does pushes on. The connections are simulated; the wheel is real.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <bide/wheel.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long connections = 100000;
static bide_duration idle = BIDE_SECONDS(2);
static bide_duration duration = BIDE_SECONDS(10);

static const struct example_option options[] = {
    {"--connections", EXAMPLE_COUNT, &connections, "simulated connections (100000)"},
    {"--idle", EXAMPLE_DURATION, &idle, "one that does nothing for so long is closed (2s)"},
    {"--duration", EXAMPLE_DURATION, &duration, "of the whole (10s)"},
};

static const struct example_program program = {
    .name = "idle_timeouts",
    .synopsis = "[--connections COUNT] [--idle DURATION] [--duration DURATION]",
    .about = "Gives each of very many connections an idle time-out. A tenth of them never do anything, and\n"
             "are closed when their time is over; the others are busy now and then, which puts the end off.\n"
             "On a terminal the counts go on while it runs. Fails if one was closed early.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

struct connection {
    bide_wheel_sleeping idle;
    bide_instant last; /* when it did something */
    bool open;
};

struct server {
    bide_wheel *wheel;
    struct connection *connections;
    long open, early, messages;
    uint32_t random;
};

static uint32_t draw(struct server *server)
{
    server->random = server->random * 1664525 + 1013904223;
    return server->random >> 8;
}

/* Called for each sleep that ends, inside bide_wheel_advance(). */
static void close_connection(void *arg)
{
    struct connection *connection = arg;
    connection->open = false;
}

static int open_all(struct server *server)
{
    for (long i = 0; i < connections; i++) {
        struct connection *connection = &server->connections[i];
        bide_context cx;
        bide_waker waker = {close_connection, connection};
        /* Before its time begins to run: what comes between the two would look like an early end. */
        connection->last = bide_wheel_now(server->wheel);
        int error = bide_wheel_sleeping_init(&connection->idle, server->wheel, idle);
        if (error) return error;
        bide_context_init(&cx, waker);
        int answer = bide_future_poll(&connection->idle.future, &cx);
        if (answer != BIDE_PENDING) return answer < 0 ? answer : connection->idle.result;
        connection->open = true;
        server->open++;
    }
    return 0;
}

/* So many connections, at random, do something. Those whose number ends in 0 never do. */
static int be_busy(struct server *server, long messages)
{
    for (long i = 0; i < messages; i++) {
        long number = (long)(draw(server) % (uint32_t)connections);
        struct connection *connection = &server->connections[number];
        if (!connection->open || number % 10 == 0) continue;
        connection->last = bide_wheel_now(server->wheel);
        int error = bide_wheel_sleeping_reset(&connection->idle, idle);
        if (error) return error;
        server->messages++;
    }
    return 0;
}

static void print_counts(const struct server *server, bide_duration elapsed, bool last)
{
    bide_wheel_stats stats;
    char text[EXAMPLE_TEXT];
    bool live = isatty(STDOUT_FILENO) != 0;
    if ((!live && !last) || bide_wheel_stats_read(server->wheel, &stats) != 0) return;
    (void)printf("%s%10s: %zu pending in %zu slots, the fullest with %zu; %llu timed out; %ld put off%s",
                 live ? "\r\033[K" : "", example_duration_text(text, elapsed), stats.pending,
                 stats.slots_used, stats.longest_slot, (unsigned long long)stats.fired, server->messages,
                 last ? "\n" : "");
    (void)fflush(stdout);
}

/* Who was closed in this step, and whether too early. */
static void look(struct server *server)
{
    bide_instant now = bide_wheel_now(server->wheel);
    long open = 0;
    for (long i = 0; i < connections; i++) {
        struct connection *connection = &server->connections[i];
        if (connection->open) {
            open++;
        } else if (!bide_is_never(connection->last)) {
            server->early += bide_instant_since(now, connection->last) < idle;
            connection->last = BIDE_NEVER;
        }
    }
    server->open = open;
}

static int run(struct server *server)
{
    int error = open_all(server);
    if (error) return example_fail(&program, "opening the connections", error);
    bide_instant start = bide_now(), end = bide_instant_add(start, duration);
    while (bide_before(bide_now(), end)) {
        error = be_busy(server, connections / 20);
        if (!error) error = bide_sleep(BIDE_MILLISECONDS(50));
        if (!error) error = bide_wheel_advance(server->wheel, bide_wheel_now(server->wheel));
        if (error < 0) return example_fail(&program, "running", error);
        look(server);
        print_counts(server, bide_instant_since(bide_now(), start), false);
    }
    print_counts(server, bide_instant_since(bide_now(), start), true);
    (void)printf("%ld of %ld connections are open, %ld were closed early.\n", server->open, connections,
                 server->early);
    return server->early ? EXAMPLE_FAILED : EXAMPLE_OK;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    bide_wheel_options wheel_options;
    bide_wheel_options_init(&wheel_options);
    wheel_options.form = BIDE_WHEEL_INLINE;
    wheel_options.tick = BIDE_MILLISECONDS(50);
    wheel_options.max_timeout = idle;
    struct server server = {.random = 1};
    int error = bide_wheel_new(&server.wheel, &wheel_options);
    if (error) return example_fail(&program, "making the wheel", error);
    server.connections = calloc((size_t)connections, sizeof *server.connections);
    int status = server.connections ? run(&server) : example_fail(&program, "the connections", BIDE_ENOMEM);
    (void)bide_wheel_free(server.wheel);
    free(server.connections);
    return example_end(status);
}
