/* Sends a datagram and prints the answer. Datagrams get lost: without an answer it is sent again, with ever
 * longer waits, each a bit different, so that many clients of a server that was away do not all come at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>
#include <string.h>

static bide_address address;
static const char *request;
static bide_duration timeout = BIDE_MILLISECONDS(500);
static long retries = 3;

static const struct example_option arguments[] = {
    {"HOST:PORT", EXAMPLE_ADDRESS, &address, ""},
    {"MESSAGE", EXAMPLE_STRING, &request, ""},
};
static const struct example_option options[] = {
    {"--timeout", EXAMPLE_DURATION, &timeout,
     "wait this long for the first answer, then twice as long (500ms)"},
    {"--retries", EXAMPLE_COUNT, &retries, "send it again so many times (3)"},
};

static const struct example_program program = {
    .name = "udp_query",
    .synopsis = "HOST:PORT [--timeout DURATION] [--retries COUNT] MESSAGE",
    .about = "Sends MESSAGE by UDP and prints the answer and how long it took. HOST is a numeric address or\n"
             "localhost, which is 127.0.0.1. Exits with 0: answered, 1: refused or another error, 2: wrong\n"
             "usage, 124: no answer.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = arguments,
    .further_arguments = sizeof arguments / sizeof *arguments - 1,
};

/* A longer datagram than this does not exist. */
static char answer[65536];

/* Up to a quarter more, by xorshift: nothing depends on how random it is. */
static bide_duration with_jitter(bide_duration wait, uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    bide_duration most = wait / 4;
    return most > 0 ? wait + (bide_duration)(*state % (uint64_t)most) : wait;
}

static bide_duration twice(bide_duration wait)
{
    return wait < BIDE_DURATION_MAX / 4 ? wait * 2 : wait;
}

/* Sends the request until there is an answer, which may be to any of the tries: its length, or an error. */
static bide_ssize query(bide_async *socket, const char *where)
{
    uint64_t state = (uint64_t)bide_now().ns | 1;
    bide_duration wait = timeout;
    for (long attempt = 0;; attempt++, wait = twice(wait)) {
        bide_duration limit = with_jitter(wait, &state);
        bide_instant deadline = bide_after(limit);
        bide_ssize result = bide_send(socket, request, strlen(request), deadline);
        if (result >= 0) result = bide_recv(socket, answer, sizeof answer, deadline);
        if (result != BIDE_ETIMEDOUT || attempt == retries) return result;
        char time[EXAMPLE_TEXT];
        (void)printf("%s: no answer within %s, trying again\n", where, example_duration_text(time, limit));
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);

    char where[EXAMPLE_TEXT];
    char time[EXAMPLE_TEXT];
    (void)example_address_text(where, &address);
    bide_instant start = bide_now();
    bide_async *socket;
    bide_ssize result = bide_udp_connect(&socket, &address);
    if (!result) result = query(socket, where);
    bide_duration took = bide_instant_since(bide_now(), start);
    (void)bide_async_free(socket);

    (void)printf("%s: %s after %s\n", where, result < 0 ? bide_strerror(result) : "answered",
                 example_duration_text(time, took));
    if (result == BIDE_ETIMEDOUT) return example_end(EXAMPLE_TIMED_OUT);
    if (result < 0) return example_end(EXAMPLE_FAILED);
    (void)fwrite(answer, 1, (size_t)result, stdout);
    (void)putchar('\n');
    return example_end(EXAMPLE_OK);
}
