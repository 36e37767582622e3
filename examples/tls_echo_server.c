/* An echo server for TLS, as plain code on some threads: each accepts from the one listener, serves a client
 * to its end, and accepts the next. Every wait is raced against the stop. (echo.c is a server of the other
 * kind, one thread with a state machine for each client.)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "stop.h"
#include "tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static bide_address address;
static const char *certificate;
static const char *key;
static long threads = 8;
static bide_duration idle = BIDE_SECONDS(30);

static const struct example_option options[] = {
    {"--certificate", EXAMPLE_STRING, &certificate, "FILE of the server's certificate, with those above it"},
    {"--key", EXAMPLE_STRING, &key, "FILE of its private key"},
    {"--listen", EXAMPLE_ADDRESS, &address,
     "ADDRESS:PORT to listen on, port 0 is any free one (127.0.0.1:7443)"},
    {"--threads", EXAMPLE_COUNT, &threads, "clients served at once, the others wait (8)"},
    {"--idle", EXAMPLE_DURATION, &idle, "drop a client after so long without a word (30s)"},
};

static const struct example_program program = {
    .name = "tls_echo_server",
    .synopsis = "--certificate FILE --key FILE [--listen ADDRESS:PORT] [--threads COUNT] [--idle DURATION]",
    .about =
        "Sends back what it is sent, over TLS. The first line it prints is the address that it listens on.\n"
        "SIGTERM or SIGINT: says goodbye to its clients and exits with 0.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static bide_event stop; /* stays set, so that it releases all threads, whenever they look */
static bide_async *listener;
static SSL_CTX *context;

/* Waits for the future: 0, or BIDE_ETIMEDOUT, or BIDE_ECANCELED if the stop came first. One that finished at
 * the same moment counts, for it may hold a connection. */
static int await_unless_stopped(bide_future *future, bide_instant deadline)
{
    bide_event_waiting stopped;
    bide_event_waiting_init(&stopped, &stop);
    bide_future *both[] = {future, &stopped.future};
    bool completed[2];
    int winner = bide_race_until(both, 2, deadline, completed);
    if (winner < 0) return winner;
    return completed[0] ? 0 : BIDE_ECANCELED;
}

static bide_ssize await(struct tls_io *io)
{
    int error = await_unless_stopped(&io->io.future, bide_after(idle));
    return error ? error : io->io.result;
}

static bide_ssize echo(struct tls *tls)
{
    struct tls_io io;
    tls_handshake_init(&io, tls);
    bide_ssize count = await(&io);
    char buffer[16 * 1024];
    while (count > 0) {
        tls_read_init(&io, tls, buffer, sizeof buffer);
        count = await(&io);
        if (count <= 0) break;
        tls_write_init(&io, tls, buffer, (size_t)count);
        count = await(&io);
    }
    return count;
}

static void serve(bide_async *conn)
{
    struct tls tls;
    bide_ssize result = tls_begin(&tls, conn, context, NULL);
    if (result == 0) result = echo(&tls);
    if (result == 0 || result == BIDE_ECANCELED) {
        struct tls_io goodbye;
        tls_close_init(&goodbye, &tls);
        (void)bide_io_await(&goodbye.io, BIDE_NOW);
    } else {
        (void)tls_fail(&program, &tls, "a client is dropped", result);
    }
    tls_end(&tls);
}

static void *work(void *arg)
{
    (void)arg;
    bide_incoming incoming;
    bide_incoming_init(&incoming, listener);
    for (int last = 0;;) {
        int error = await_unless_stopped(&incoming.future, BIDE_NEVER);
        if (error == BIDE_ECANCELED) break;
        if (!error) error = incoming.result;
        if (!error) serve(incoming.conn);
        /* Out of descriptors, say: the next accept waits until there is hope. One report for a series. */
        if (error && error != last) (void)example_fail(&program, "cannot accept a client now", error);
        last = error;
    }
    return NULL;
}

/* Until the stop. */
static int run_threads(void)
{
    pthread_t *ids = calloc((size_t)threads, sizeof *ids);
    if (!ids) return BIDE_ENOMEM;
    long started = 0;
    int error = 0;
    while (started < threads && !error) {
        error = bide_error_from_system(pthread_create(&ids[started], NULL, work, NULL));
        if (!error) started++;
    }
    if (error) bide_event_set(&stop);
    for (long i = 0; i < started; i++)
        (void)pthread_join(ids[i], NULL);
    free(ids);
    return error;
}

static int listen_and_serve(void)
{
    char text[EXAMPLE_TEXT];
    int error = bide_tcp_listen(&listener, &address, 0);
    if (error) return example_fail(&program, example_address_text(text, &address), error);
    error = bide_async_local_address(listener, &address);
    if (error) return example_fail(&program, "asking for the address", error);
    (void)printf("%s\n", example_address_text(text, &address));
    if (example_end(EXAMPLE_OK) != EXAMPLE_OK) return EXAMPLE_FAILED;
    error = run_threads();
    (void)bide_async_free(listener);
    return error ? example_fail(&program, "starting threads", error) : EXAMPLE_OK;
}

int main(int argc, char **argv)
{
    address = bide_address_loopback(7443);
    example_arguments(&program, argc, argv);
    if (!certificate) example_usage_error(&program, "missing", "--certificate");
    if (!key) example_usage_error(&program, "missing", "--key");

    int error = bide_event_init(&stop, BIDE_EVENT_MANUAL);
    if (!error) error = stop_by(&stop);
    if (error) return example_fail(&program, "listening to signals", error);

    const char *why = NULL;
    context = tls_server_context(certificate, key, &why);
    if (!context) {
        (void)fprintf(stderr, "%s: %s, %s: %s\n", program.name, certificate, key, why);
        return EXAMPLE_FAILED;
    }
    int status = listen_and_serve();
    SSL_CTX_free(context);
    return example_end(status);
}
