/* The line echo server of docs/migrating.md with Bide, as a state machine on one thread.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <bide.h>
#include <signal.h>
#include <sys/queue.h>

/*  READING --a line--> WRITING --written--> READING
 *      \--end, error, too long, or idle--> gone        */
struct client {
    bide_async *conn;
    bide_reader reader;
    bide_reading line;
    bide_bulk answer;
    bide_timeout limit; /* around whichever of the two is under way */
    bool writing;
    bide_set_member member;
    LIST_ENTRY(client) others;
    char bytes[LINE_MOST];
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static bide_set set;
static bide_event stop;
static bide_duration idle;

static void on_signal(int number)
{
    (void)number;
    bide_event_set(&stop);
}

static void leave(struct client *c)
{
    bide_set_remove(&set, &c->member); /* what is under way ends here */
    bide_async_free(c->conn);
    LIST_REMOVE(c, others);
    free(c);
}

static void go_on(struct client *c, bide_future *next)
{
    c->writing = next == &c->answer.future;
    bide_timeout_init(&c->limit, next, bide_after(idle));
    bide_set_add(&set, &c->member, &c->limit.future, c);
}

static void read_on(struct client *c)
{
    bide_reading_until(&c->line, &c->reader, "\n", 1);
    go_on(c, &c->line.future);
}

static void step(struct client *c)
{
    bide_ssize error = c->limit.result;
    if (c->writing) {
        if (!error) error = c->answer.result;
        if (!error) read_on(c);
    } else {
        if (!error && c->line.result < 0) error = c->line.result;
        if (!error) {
            bide_bulk_write(&c->answer, c->conn, c->line.data, c->line.length + 1);
            go_on(c, &c->answer.future);
        }
    }
    if (error) leave(c);
}

static void arrive(bide_incoming *incoming)
{
    if (incoming->result) return;
    struct client *c = calloc(1, sizeof *c);
    if (!c) {
        bide_async_free(incoming->conn);
        return;
    }
    c->conn = incoming->conn;
    bide_reader_init(&c->reader, c->conn, c->bytes, sizeof c->bytes);
    LIST_INSERT_HEAD(&clients, c, others);
    read_on(c);
}

int main(int argc, char **argv)
{
    struct sockaddr_in where_to = where(argc, argv);
    idle = BIDE_MILLISECONDS(idle_milliseconds(argc, argv));
    bide_address address;
    bide_async *listener;
    int error = bide_address_from_system(&address, &where_to, sizeof where_to);
    if (!error) error = bide_tcp_listen(&listener, &address, 0);
    if (!error) error = bide_event_init(&stop, BIDE_EVENT_AUTO);
    if (error) return 1;
    signal(SIGTERM, on_signal);
    announce(bide_async_fd(listener));

    bide_set_init(&set);
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    bide_event_waiting stopped;
    bide_event_waiting_init(&stopped, &stop);
    bide_set_member accepting, stopping, *ready;
    bide_set_add(&set, &accepting, &incoming.future, NULL);
    bide_set_add(&set, &stopping, &stopped.future, NULL);
    while ((error = bide_set_next(&set, BIDE_NEVER, &ready)) == 0 && ready != &stopping) {
        if (ready == &accepting) {
            arrive(&incoming);
            bide_set_add(&set, &accepting, &incoming.future, NULL);
        } else {
            step(ready->tag);
        }
    }
    bide_set_remove(&set, &accepting);
    bide_async_free(listener);
    while (!LIST_EMPTY(&clients))
        leave(LIST_FIRST(&clients));
    return error ? 1 : 0;
}
