/* A chat server for people with a line client (nc, socat, the example reconnect), over TCP or Unix sockets.
 *
 * The first line that a client sends is its name; each further one goes to all the others. One thread, each
 * client a state machine on a bide_set:
 *
 *             a name            the end, too slow, or a stop            queue empty, or patience over
 *   NAMELESS -------> TALKING ---------------------------------> PARTING ----------------------------> gone
 *
 * INVARIANTS
 * 1. A client has a read under way while it is NAMELESS or TALKING, a write while its queue is not empty, and
 *    its timer while it is PARTING; each is a member of the set of its own.
 * 2. What waits to be sent to a client is in its queue alone, which is bounded: who does not read loses the
 *    connection, and slows nobody down. The last NOTICE bytes of the queue are kept free for telling so.
 * 3. Clients are freed by the main loop only, never while the list is walked through.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "ring.h"
#include "stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE = 1024, NAME = 24, QUEUE = 64 * 1024, NOTICE = 64, MESSAGE = LINE + NAME + 8 };

struct client {
    bide_async *conn;
    struct client *next, *previous;
    enum { NAMELESS, TALKING, PARTING } state;
    bool skipping;   /* the rest of a line that was too long */
    const char *why; /* it is parting, and the others have not been told yet: why */
    char name[NAME + 1];

    bide_reader reader;
    bide_reading reading;
    bide_set_member reads;

    struct ring queue;
    bide_io io;
    bide_set_member writes;
    bool writing;

    bide_timer patience;
    bide_set_member waits;

    char input[LINE];
    char output[QUEUE];
};

static bide_address address;
static long most_clients = 1000;
static bide_duration patience = BIDE_SECONDS(3);

static const struct example_option options[] = {
    {"--listen", EXAMPLE_ADDRESS, &address, "ADDRESS:PORT or unix:/PATH to listen on (127.0.0.1:7778)"},
    {"--clients", EXAMPLE_COUNT, &most_clients, "at once at most, the others wait (1000)"},
    {"--patience", EXAMPLE_DURATION, &patience, "how long who parts may take for the rest (3s)"},
};

static const struct example_program program = {
    .name = "chat",
    .synopsis = "[--listen ADDRESS] [--clients COUNT] [--patience DURATION]",
    .about = "A chat server: the first line that a client sends is its name, each further one goes to all\n"
             "others. The first line that the server prints is the address that it listens on. Who does not\n"
             "read what the others say is dropped. SIGTERM or SIGINT: tells everybody, and exits with 0.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static bide_set set;
static struct client *first;
static long clients;

static bide_async *listener; /* NULL once stopped */
static bide_incoming incoming;
static bide_set_member accepting;
static bool accepts;

static bide_event stop;
static bide_event_waiting stop_waiting;
static bide_set_member stopping;

/* --- sending --- */

static int start_writing(struct client *c)
{
    if (c->writing || c->queue.count == 0) return 0;
    size_t length;
    const char *bytes = ring_piece(&c->queue, 0, &length);
    bide_io_write(&c->io, c->conn, bytes, length);
    c->writing = true;
    return bide_set_add(&set, &c->writes, &c->io.future, c);
}

/* From here on only what is queued still goes out, for a while. `why`: what the others are told. */
static int start_parting(struct client *c, const char *notice, const char *why)
{
    if (c->state == PARTING) return 0;
    c->why = c->state == TALKING ? why : NULL;
    c->state = PARTING;
    (void)bide_set_remove(&set, &c->reads);
    if (notice) ring_put(&c->queue, notice, strlen(notice));
    bide_timer_after(&c->patience, c->queue.count > 0 ? patience : 0);
    int error = bide_set_add(&set, &c->waits, &c->patience.future, c);
    return error ? error : start_writing(c);
}

static int send_to(struct client *c, const char *text, size_t length)
{
    if (c->state == PARTING) return 0;
    if (ring_room(&c->queue) < length + NOTICE)
        return start_parting(c, "* you read too slowly: good bye\n", "was too slow and is dropped");
    ring_put(&c->queue, text, length);
    return start_writing(c);
}

static int say_to(struct client *c, const char *text)
{
    return send_to(c, text, strlen(text));
}

/* To all who have a name but one. */
static int send_to_others(const struct client *from, const char *text, size_t length)
{
    int error = 0;
    for (struct client *c = first; c && !error; c = c->next)
        if (c != from && c->state == TALKING) error = send_to(c, text, length);
    return error;
}

static int tell_others(const struct client *about, const char *what)
{
    char text[MESSAGE];
    int length = snprintf(text, sizeof text, "* %s %s\n", about->name, what);
    (void)fputs(text, stderr);
    return send_to_others(about, text, (size_t)length);
}

/* Tells of those who began to part; telling may make others part. */
static int announce(void)
{
    struct client *c = first;
    while (c) {
        if (c->why) {
            const char *why = c->why;
            c->why = NULL;
            int error = tell_others(c, why);
            if (error) return error;
            c = first;
        } else {
            c = c->next;
        }
    }
    return 0;
}

/* --- clients --- */

static int start_reading(struct client *c)
{
    bide_reading_until(&c->reading, &c->reader, "\n", 1);
    return bide_set_add(&set, &c->reads, &c->reading.future, c);
}

static int start_accepting(void)
{
    if (!listener || accepts || clients >= most_clients) return 0;
    int error = bide_set_add(&set, &accepting, &incoming.future, NULL);
    accepts = error == 0;
    return error;
}

static int end_client(struct client *c)
{
    if (c->state == TALKING) c->why = "has left";
    int error = c->why ? tell_others(c, c->why) : 0;
    if (c->previous)
        c->previous->next = c->next;
    else
        first = c->next;
    if (c->next) c->next->previous = c->previous;
    clients--;
    if (c->state == PARTING)
        (void)bide_set_remove(&set, &c->waits);
    else
        (void)bide_set_remove(&set, &c->reads);
    if (c->writing) (void)bide_set_remove(&set, &c->writes);
    (void)bide_async_free(c->conn);
    free(c);
    return error ? error : start_accepting();
}

static int begin_client(bide_async *conn)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c) {
        (void)example_fail(&program, "a client is turned away", BIDE_ENOMEM);
        (void)bide_async_free(conn);
        return 0;
    }
    c->conn = conn;
    c->queue = (struct ring){.bytes = c->output, .size = sizeof c->output};
    bide_reader_init(&c->reader, conn, c->input, sizeof c->input);
    c->next = first;
    if (first) first->previous = c;
    first = c;
    clients++;
    int error = start_reading(c);
    return error ? error : say_to(c, "* your name, please\n");
}

static bool is_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '*') return false;
    return length > 0 && length <= NAME;
}

static bool is_taken(const char *text, size_t length)
{
    for (const struct client *c = first; c; c = c->next)
        if (c->state == TALKING && strlen(c->name) == length && memcmp(c->name, text, length) == 0)
            return true;
    return false;
}

static int take_name(struct client *c, const char *text, size_t length)
{
    if (!is_name(text, length))
        return say_to(c, "* a name has 1 to 24 letters, digits or signs, no blanks: once more, please\n");
    if (is_taken(text, length)) return say_to(c, "* that name is taken: another one, please\n");
    memcpy(c->name, text, length);
    c->state = TALKING;
    char welcome[MESSAGE];
    (void)snprintf(welcome, sizeof welcome, "* welcome, %s\n", c->name);
    int error = say_to(c, welcome);
    return error ? error : tell_others(c, "has come");
}

/* A line without its end. It goes to people's terminals: no control characters. */
static int take_line(struct client *c, const char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\r') length--;
    if (c->state == NAMELESS) return take_name(c, line, length);
    char text[MESSAGE];
    size_t used = (size_t)snprintf(text, sizeof text, "%s: ", c->name);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)line[i];
        text[used++] = byte < ' ' || byte == 0x7f ? '?' : line[i];
    }
    text[used++] = '\n';
    return send_to_others(c, text, used);
}

/* The read is done, and out of the set. */
static int has_read(struct client *c)
{
    const bide_reading *reading = &c->reading;
    int error = 0;
    if (reading->result > 0 || (reading->result == BIDE_EEOF && reading->length > 0)) {
        if (!c->skipping) error = take_line(c, reading->data, reading->length);
        c->skipping = false;
    } else if (reading->result == BIDE_EMSGSIZE) {
        (void)bide_reader_consume(&c->reader, reading->length);
        if (!c->skipping) error = say_to(c, "* a line that is too long is left out\n");
        c->skipping = true;
    }
    if (error || c->state == PARTING) return error;
    if (reading->result == BIDE_EEOF) return start_parting(c, NULL, "has left");
    if (reading->result < 0 && reading->result != BIDE_EMSGSIZE) return end_client(c);
    return start_reading(c);
}

static int has_written(struct client *c)
{
    c->writing = false;
    if (c->io.result < 0) return end_client(c);
    ring_take(&c->queue, (size_t)c->io.result);
    if (c->queue.count == 0 && c->state == PARTING) return end_client(c);
    return start_writing(c);
}

static int step(struct client *c, const bide_set_member *ready)
{
    int error = 0;
    if (ready == &c->reads)
        error = has_read(c);
    else if (ready == &c->writes)
        error = has_written(c);
    else
        error = end_client(c); /* its time is over */
    return error ? error : announce();
}

/* --- the server --- */

static int accepted(void)
{
    accepts = false;
    int error = incoming.result;
    if (error == BIDE_EFREED || error == BIDE_ECANCELED) return error;
    if (error)
        (void)example_fail(&program, "cannot accept a client now", error);
    else
        error = begin_client(incoming.conn);
    return error && !incoming.result ? error : start_accepting();
}

static int wait_for_stop(void)
{
    bide_event_waiting_init(&stop_waiting, &stop);
    return bide_set_add(&set, &stopping, &stop_waiting.future, NULL);
}

/* The first time everybody is told; the second time that has to be enough. */
static int stop_serving(void)
{
    if (!listener) return BIDE_END;
    if (accepts) (void)bide_set_remove(&set, &accepting);
    accepts = false;
    (void)bide_async_free(listener);
    listener = NULL;
    int error = 0;
    for (struct client *c = first; c && !error; c = c->next)
        error = start_parting(c, "* the server stops: good bye\n", NULL);
    return error ? error : wait_for_stop();
}

static int serve(void)
{
    bide_set_init(&set);
    bide_incoming_init(&incoming, listener);
    int error = wait_for_stop();
    if (!error) error = start_accepting();
    while (!error && (listener || clients > 0)) {
        bide_set_member *ready;
        error = bide_set_next(&set, BIDE_NEVER, &ready);
        if (error) break;
        if (ready == &accepting)
            error = accepted();
        else if (ready == &stopping)
            error = stop_serving();
        else
            error = step(ready->tag, ready);
    }
    if (accepts) (void)bide_set_remove(&set, &accepting);
    (void)bide_async_free(listener);
    listener = NULL;
    while (first) {
        first->state = first->state == TALKING ? NAMELESS : first->state; /* nobody is told any more */
        (void)end_client(first);
    }
    (void)bide_set_remove(&set, &stopping);
    return error == BIDE_END ? 0 : error;
}

static int listen_at(const bide_address *where)
{
    if (bide_address_family(where) != BIDE_FAMILY_UNIX) return bide_tcp_listen(&listener, where, 0);
    int error = bide_unix_listen(&listener, where, 0);
    if (error == BIDE_EADDRINUSE && bide_unix_remove_stale(where) == 0)
        error = bide_unix_listen(&listener, where, 0);
    return error;
}

int main(int argc, char **argv)
{
    address = bide_address_loopback(7778);
    example_arguments(&program, argc, argv);
    int error = bide_event_init(&stop, BIDE_EVENT_AUTO);
    if (!error) error = stop_by(&stop);
    if (error) return example_fail(&program, "listening to signals", error);

    char text[EXAMPLE_TEXT];
    error = listen_at(&address);
    if (error) return example_fail(&program, example_address_text(text, &address), error);
    error = bide_async_local_address(listener, &address);
    if (error) return example_fail(&program, "asking for the address", error);
    (void)printf("%s\n", example_address_text(text, &address));
    if (example_end(EXAMPLE_OK) != EXAMPLE_OK) return EXAMPLE_FAILED;

    error = serve();
    const char *path = bide_address_path(&address, NULL);
    if (path) (void)unlink(path);
    if (error) return example_fail(&program, "serving", error);
    return example_end(EXAMPLE_OK);
}
