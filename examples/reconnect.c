/* A line client that survives restarts of its server: what is typed goes there, what comes is printed. While
 * there is no connection it tries again and again, and keeps what is typed meanwhile.
 *
 *   RESTING --delay over--> CONNECTING --connected--> TALKING
 *      ^                        | failed                 | broken, or closed
 *      +------------------------+------------------------+
 *
 * INVARIANTS
 * 1. A line leaves the queue when all of it was handed to the system. One that was cut by a broken connection
 *    is sent again from its beginning. (What the server had not read yet may be lost with the connection:
 *    only an answer of the server's could tell.)
 * 2. The queue is bounded. While it is full nothing is read from standard input: whoever types there waits.
 * 3. Nothing but whole lines is sent.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "ring.h"
#include "stop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_DELAY BIDE_MILLISECONDS(100)
#define CONNECT_LIMIT BIDE_SECONDS(10)

enum { LINE = 4096 };

static bide_address address;
static long keep = 64L * 1024;
static bide_duration longest = BIDE_SECONDS(10);

static const struct example_option argument = {"ADDRESS", EXAMPLE_ADDRESS, &address, ""};
static const struct example_option options[] = {
    {"--keep", EXAMPLE_COUNT, &keep, "bytes of typed lines to keep while there is no connection (65536)"},
    {"--longest", EXAMPLE_DURATION, &longest, "the longest delay between two tries (10s)"},
};

static const struct example_program program = {
    .name = "reconnect",
    .synopsis = "ADDRESS [--keep BYTES] [--longest DURATION]",
    .about = "Sends the lines of standard input to a server, and prints those that come back. When the\n"
             "connection breaks it connects anew, at growing intervals. ADDRESS is 127.0.0.1:80, [::1]:80,\n"
             "localhost:80 or unix:/path. Ends with the input, once all is sent and the server has closed.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

static bide_set set;
static enum { RESTING, CONNECTING, TALKING } state;

/* The input, and what of it was not sent yet. */
static bide_async *input; /* NULL: a file, which need not be waited for */
static bide_readable input_ready;
static bide_set_member typing;
static bool listens; /* `typing` is in the set */
static bool input_ended;
static bool skipping; /* the rest of a line that does not fit */
static struct ring queue;
static size_t whole; /* bytes of the queue that are whole lines */
static size_t sent;  /* bytes of the queue that this connection has taken: part of its first line */

/* The next try. */
static bide_timer rest;
static bide_connecting connecting;
static bide_timeout limit;
static bide_set_member trying;
static bide_duration delay;
static int trouble; /* why the last try failed, or 0: one report for each series of failures */
static uint64_t randomness;

/* The connection. */
static bide_async *conn;
static bide_instant since;
static char received[LINE];
static bide_reader reader;
static bide_reading reading;
static bide_set_member hearing;
static bide_io io;
static bide_set_member writing;
static bool writes; /* `writing` is in the set */
static bool finished;

static bide_event stop;
static bide_event_waiting stop_waiting;
static bide_set_member stopping;

static void tell(const char *what, int error)
{
    char where[EXAMPLE_TEXT];
    (void)fprintf(stderr, "%s: %s %s%s%s\n", program.name, what, example_address_text(where, &address),
                  error ? ": " : "", error ? bide_strerror(error) : "");
}

/* --- trying --- */

/* Uniform in [0, 1): xorshift, G. Marsaglia. Clients that lost the same server must not come back in step. */
static double any_fraction(void)
{
    randomness ^= randomness << 13;
    randomness ^= randomness >> 7;
    randomness ^= randomness << 17;
    return (double)(randomness >> 11) / (double)(UINT64_C(1) << 53);
}

/* Waits for half of the delay, and at random up to all of it. The next time it is twice as long. */
static int start_resting(void)
{
    state = RESTING;
    bide_duration half = delay / 2;
    bide_timer_after(&rest, half + (bide_duration)((double)half * any_fraction()));
    delay = delay < longest / 2 ? delay * 2 : longest;
    return bide_set_add(&set, &trying, &rest.future, NULL);
}

static int start_connecting(void)
{
    state = CONNECTING;
    if (bide_address_family(&address) == BIDE_FAMILY_UNIX)
        bide_unix_connecting_init(&connecting, &address);
    else
        bide_tcp_connecting_init(&connecting, &address);
    bide_timeout_init(&limit, &connecting.future, bide_after(CONNECT_LIMIT));
    return bide_set_add(&set, &trying, &limit.future, NULL);
}

/* --- the connection --- */

static int start_hearing(void)
{
    bide_reading_until(&reading, &reader, "\n", 1);
    return bide_set_add(&set, &hearing, &reading.future, NULL);
}

/* Sends what can be sent; after the end of the input, says so. */
static int start_writing(void)
{
    if (state != TALKING || writes) return 0;
    if (sent == whole) {
        if (!input_ended || finished) return 0;
        finished = true;
        (void)bide_async_shutdown(conn, BIDE_WRITE);
        return 0;
    }
    size_t length;
    const char *bytes = ring_piece(&queue, sent, &length);
    if (length > whole - sent) length = whole - sent;
    bide_io_write(&io, conn, bytes, length);
    writes = true;
    return bide_set_add(&set, &writing, &io.future, NULL);
}

static int start_talking(void)
{
    state = TALKING;
    conn = connecting.conn;
    since = bide_now();
    sent = 0;
    finished = false;
    bide_reader_init(&reader, conn, received, sizeof received);
    tell("connected to", 0);
    int error = start_hearing();
    return error ? error : start_writing();
}

/* Forgets the connection. The members of it that are in the set leave it. */
static void hang_up(void)
{
    (void)bide_set_remove(&set, &hearing);
    if (writes) (void)bide_set_remove(&set, &writing);
    writes = false;
    (void)bide_async_free(conn);
    conn = NULL;
}

static int lose(int error)
{
    tell("lost", error);
    /* One that lasted is no reason to be careful; one that is closed at once is. */
    if (bide_instant_since(bide_now(), since) > delay) delay = FIRST_DELAY;
    hang_up();
    return start_resting();
}

static int tried(void)
{
    if (state == RESTING) return start_connecting();
    int error = limit.result ? limit.result : connecting.result;
    if (error && error != trouble) tell("no connection to", error);
    trouble = error;
    return error ? start_resting() : start_talking();
}

static int heard(void)
{
    if (reading.length > 0 || reading.result > 0) {
        (void)fwrite(reading.data, 1, reading.length, stdout);
        if (reading.result == BIDE_EMSGSIZE || reading.result == BIDE_EEOF)
            (void)bide_reader_consume(&reader, reading.length);
        if (reading.result != BIDE_EMSGSIZE) (void)putchar('\n');
        if (fflush(stdout) != 0) return BIDE_EPIPE;
    }
    if (reading.result > 0 || reading.result == BIDE_EMSGSIZE) return start_hearing();
    if (reading.result == BIDE_EEOF && finished) return BIDE_END;
    return lose(reading.result == BIDE_EEOF ? 0 : (int)reading.result);
}

/* --- the input --- */

static int start_listening(void)
{
    if (listens || input_ended || ring_room(&queue) == 0 || !input) return 0;
    bide_readable_init(&input_ready, input);
    listens = true;
    return bide_set_add(&set, &typing, &input_ready.future, NULL);
}

/* Counts the lines that have become whole with the last `added` bytes. */
static void find_lines(size_t added)
{
    for (size_t at = queue.count - added; at < queue.count; at++) {
        size_t length;
        if (*ring_piece(&queue, at, &length) == '\n') whole = at + 1;
    }
}

/* While a line that did not fit is skipped, its bytes go straight away again. */
static void skip(size_t added)
{
    size_t at = queue.count - added, length;
    while (at < queue.count && *ring_piece(&queue, at, &length) != '\n')
        at++;
    skipping = at == queue.count;
    /* Nothing else is in the queue then. */
    ring_take(&queue, skipping ? queue.count : at + 1);
    find_lines(queue.count);
}

/* Reads once what is there: the descriptor is readable, or a file. Its modes stay: others may share it. */
static int typed(void)
{
    size_t room;
    char *place = ring_place(&queue, &room);
    ssize_t count = read(STDIN_FILENO, place, room);
    if (count < 0) return errno == EINTR || errno == EAGAIN ? 0 : bide_last_error();
    if (count == 0) {
        input_ended = true;
        /* The last line may have no end. */
        if (queue.count > whole && ring_room(&queue) > 0) {
            ring_put(&queue, "\n", 1);
            whole = queue.count;
        }
        return 0;
    }
    ring_added(&queue, (size_t)count);
    if (skipping)
        skip((size_t)count);
    else
        find_lines((size_t)count);
    if (ring_room(&queue) == 0 && whole == 0) {
        (void)fprintf(stderr, "%s: a line longer than --keep is left out\n", program.name);
        ring_take(&queue, queue.count);
        skipping = true;
    }
    return 0;
}

/* A file is read as fast as there is room. */
static int read_file(void)
{
    int error = 0;
    while (!input && !input_ended && ring_room(&queue) > 0 && !error)
        error = typed();
    return error;
}

static int has_written(void)
{
    writes = false;
    if (io.result < 0) return lose((int)io.result);
    sent += (size_t)io.result;
    size_t line = 0, length;
    for (size_t at = 0; at < sent; at++)
        if (*ring_piece(&queue, at, &length) == '\n') line = at + 1;
    ring_take(&queue, line);
    whole -= line;
    sent -= line;
    return 0;
}

/* --- all together --- */

static int step(const bide_set_member *ready)
{
    if (ready == &stopping) return BIDE_END;
    if (ready == &trying) return tried();
    if (ready == &hearing) return heard();
    if (ready == &writing) return has_written();
    listens = false;
    return input_ready.result ? input_ready.result : typed();
}

static int run(void)
{
    bide_set_init(&set);
    bide_event_waiting_init(&stop_waiting, &stop);
    int error = bide_set_add(&set, &stopping, &stop_waiting.future, NULL);
    if (!error) error = start_connecting();
    while (!error) {
        error = read_file();
        if (!error) error = start_listening();
        if (!error) error = start_writing();
        if (!error && input_ended && whole == 0 && state != TALKING) break;
        bide_set_member *ready;
        if (!error) error = bide_set_next(&set, BIDE_NEVER, &ready);
        if (!error) error = step(ready);
    }
    if (state == TALKING)
        hang_up();
    else
        (void)bide_set_remove(&set, &trying);
    if (listens) (void)bide_set_remove(&set, &typing);
    (void)bide_set_remove(&set, &stopping);
    return error == BIDE_END ? 0 : error;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    delay = FIRST_DELAY < longest ? FIRST_DELAY : longest;
    randomness = ((uint64_t)bide_now().ns ^ (uint64_t)getpid() << 32) | 1;
    queue = (struct ring){.bytes = malloc((size_t)keep), .size = (size_t)keep};
    if (!queue.bytes) return example_fail(&program, "--keep", BIDE_ENOMEM);

    int error = bide_event_init(&stop, BIDE_EVENT_AUTO);
    if (!error) error = stop_by(&stop);
    if (error) return example_fail(&program, "listening to signals", error);

    error = bide_async_borrow(&input, STDIN_FILENO);
    if (error && error != BIDE_ENOTPOLLABLE) return example_fail(&program, "standard input", error);
    error = run();
    (void)bide_async_free(input);
    free(queue.bytes);
    if (error) return example_fail(&program, "running", error);
    return example_end(EXAMPLE_OK);
}
