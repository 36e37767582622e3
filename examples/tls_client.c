/* Talks to a TLS server: sends its standard input, prints the answer, both at once.
 *
 * The sending side is a machine of its own beside the reading one:
 *
 *   AWAITING input --some--> SENDING it --all sent--> AWAITING
 *        \--end--> CLOSING --told--> done, while answers may still come
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "tls.h"

#include <stdio.h>
#include <unistd.h>

static struct example_host host;
static const char *ca;
static bide_duration timeout = BIDE_DURATION_MAX;

static const struct example_option argument = {"HOST:PORT", EXAMPLE_HOST, &host, ""};
static const struct example_option options[] = {
    {"--ca", EXAMPLE_STRING, &ca, "FILE of the certificates to trust (the system's)"},
    {"--timeout", EXAMPLE_DURATION, &timeout, "give up after this long, as in 500ms or 1.5s (never)"},
};

static const struct example_program program = {
    .name = "tls_client",
    .synopsis = "HOST:PORT [--ca FILE] [--timeout DURATION]",
    .about =
        "Connects by TLS, checks the server's certificate, sends standard input and prints the answer. When\n"
        "the input has ended it says so, and goes on until the server ends. Exits with 0: it did, 1: an\n"
        "error, 2: wrong usage, 124: timed out.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

struct talk {
    struct tls tls;
    bide_set set;

    struct tls_io in;
    bide_set_member receiving;
    char answer[16 * 1024];

    bide_async *input; /* NULL: a file, which never keeps a reader waiting */
    bide_readable readable;
    bide_set_member awaiting;
    struct tls_io out;
    bide_set_member sending;
    bool input_over;
    char text[16 * 1024];
};

/* --- sending --- */

static int send_out(struct talk *talk)
{
    return bide_set_add(&talk->set, &talk->sending, &talk->out.io.future, NULL);
}

/* The input does not block now, for it is a file or readable. */
static int take_input(struct talk *talk)
{
    ssize_t got = read(STDIN_FILENO, talk->text, sizeof talk->text);
    if (got < 0) return bide_last_error();
    talk->input_over = got == 0;
    if (got > 0)
        tls_write_init(&talk->out, &talk->tls, talk->text, (size_t)got);
    else
        tls_close_init(&talk->out, &talk->tls);
    return send_out(talk);
}

static int await_input(struct talk *talk)
{
    if (!talk->input) return take_input(talk);
    bide_readable_init(&talk->readable, talk->input);
    return bide_set_add(&talk->set, &talk->awaiting, &talk->readable.future, NULL);
}

static int sent(struct talk *talk)
{
    if (talk->out.io.result < 0) return (int)talk->out.io.result;
    return talk->input_over ? 0 : await_input(talk);
}

/* --- receiving --- */

static int await_answer(struct talk *talk)
{
    tls_read_init(&talk->in, &talk->tls, talk->answer, sizeof talk->answer);
    return bide_set_add(&talk->set, &talk->receiving, &talk->in.io.future, NULL);
}

/* BIDE_END after the last one. */
static int received(struct talk *talk)
{
    bide_ssize length = talk->in.io.result;
    if (length <= 0) return length < 0 ? (int)length : BIDE_END;
    (void)fwrite(talk->answer, 1, (size_t)length, stdout);
    (void)fflush(stdout);
    return await_answer(talk);
}

/* --- both --- */

static int run(struct talk *talk, bide_instant deadline)
{
    /* Lent, not given: who started this program goes on with its input as it was. */
    int error = bide_async_borrow(&talk->input, STDIN_FILENO);
    if (error && error != BIDE_ENOTPOLLABLE) return error;
    bide_set_init(&talk->set);
    error = await_answer(talk);
    if (!error) error = await_input(talk);
    while (!error) {
        bide_set_member *ready;
        error = bide_set_next(&talk->set, deadline, &ready);
        if (error) break;
        if (ready == &talk->receiving)
            error = received(talk);
        else if (ready == &talk->awaiting)
            error = talk->readable.result ? talk->readable.result : take_input(talk);
        else
            error = sent(talk);
    }
    (void)bide_set_remove(&talk->set, &talk->receiving);
    (void)bide_set_remove(&talk->set, &talk->awaiting);
    (void)bide_set_remove(&talk->set, &talk->sending);
    (void)bide_async_free(talk->input);
    return error == BIDE_END ? 0 : error;
}

static int finish(const struct talk *talk, const char *what, bide_ssize error)
{
    if (error == BIDE_ETIMEDOUT) {
        (void)fprintf(stderr, "%s: %s: timed out\n", program.name, what);
        return EXAMPLE_TIMED_OUT;
    }
    return error < 0 ? tls_fail(&program, &talk->tls, what, error) : EXAMPLE_OK;
}

static int talk_to(struct talk *talk, SSL_CTX *context)
{
    bide_instant deadline = bide_after(timeout);
    bide_async *conn;
    int error = bide_tcp_connect_host(&conn, host.name, host.port, deadline, NULL);
    if (error) return finish(talk, "connecting", error);
    error = tls_begin(&talk->tls, conn, context, host.name);
    if (error) return finish(talk, "beginning TLS", error);
    struct tls_io handshake;
    tls_handshake_init(&handshake, &talk->tls);
    bide_ssize done = bide_io_await(&handshake.io, deadline);
    if (done < 0) return finish(talk, "handshake", done);
    return finish(talk, "talking", run(talk, deadline));
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    const char *why = NULL;
    SSL_CTX *context = tls_client_context(ca, &why);
    if (!context) {
        (void)fprintf(stderr, "%s: %s: %s\n", program.name, ca ? ca : "trusted certificates", why);
        return EXAMPLE_FAILED;
    }
    static struct talk talk;
    int status = talk_to(&talk, context);
    tls_end(&talk.tls);
    SSL_CTX_free(context);
    return example_end(status);
}
