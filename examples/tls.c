/* See tls.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>

/* --- contexts --- */

/* Why the last call failed. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "unknown error";
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    (void)signal(SIGPIPE, SIG_IGN);
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context) return NULL;
    /* A read that finds the other end asking for new keys would have to write, at any time. */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1) return context;
    SSL_CTX_free(context);
    return NULL;
}

/* The context if the rest went well too. */
static SSL_CTX *finished(SSL_CTX *context, bool well, const char **why)
{
    if (context && well) return context;
    *why = reason();
    SSL_CTX_free(context);
    return NULL;
}

SSL_CTX *tls_client_context(const char *ca, const char **why)
{
    SSL_CTX *context = new_context(TLS_client_method());
    if (!context) return finished(NULL, false, why);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    int trusted =
        ca ? SSL_CTX_load_verify_locations(context, ca, NULL) : SSL_CTX_set_default_verify_paths(context);
    return finished(context, trusted == 1, why);
}

SSL_CTX *tls_server_context(const char *certificate, const char *key, const char **why)
{
    SSL_CTX *context = new_context(TLS_server_method());
    bool well = context && SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
                SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
    return finished(context, well, why);
}

/* --- connections --- */

static bool expect_host(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1) return true; /* a numeric address */
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int tls_begin(struct tls *tls, bide_async *conn, SSL_CTX *context, const char *host)
{
    *tls = (struct tls){.conn = conn, .ssl = SSL_new(context)};
    bool well = tls->ssl && SSL_set_fd(tls->ssl, bide_async_fd(conn)) == 1;
    if (well && host) well = expect_host(tls->ssl, host);
    if (!well) {
        tls_end(tls);
        return BIDE_ENOMEM;
    }
    if (host)
        SSL_set_connect_state(tls->ssl);
    else
        SSL_set_accept_state(tls->ssl);
    return 0;
}

void tls_end(struct tls *tls)
{
    SSL_free(tls->ssl); /* before the descriptor that it knows is closed */
    (void)bide_async_free(tls->conn);
    *tls = (struct tls){0};
}

/* --- operations --- */

/* What a call of OpenSSL's returned, in terms of Bide. */
static bide_ssize answer(struct tls *tls, int result)
{
    int system = errno;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE: return result;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_READ: return BIDE_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return BIDE_WANT_WRITE;
    case SSL_ERROR_SYSCALL: return system ? bide_error_from_system(system) : BIDE_EEOF;
    default: break;
    }
    long verified = SSL_get_verify_result(tls->ssl);
    tls->why = verified == X509_V_OK ? reason() : X509_verify_cert_error_string(verified);
    return BIDE_EPROTO;
}

/* SSL_get_error looks at what was left by calls before. */
static struct tls *prepare(const struct tls_io *io)
{
    ERR_clear_error();
    errno = 0;
    return io->tls;
}

static int size_of(const struct tls_io *io)
{
    return io->length > INT_MAX ? INT_MAX : (int)io->length;
}

static bide_ssize shake_hands(void *arg, bide_fd fd)
{
    (void)fd;
    struct tls *tls = prepare(arg);
    return answer(tls, SSL_do_handshake(tls->ssl));
}

static bide_ssize receive(void *arg, bide_fd fd)
{
    (void)fd;
    struct tls_io *io = arg;
    struct tls *tls = prepare(io);
    return answer(tls, SSL_read(tls->ssl, io->buffer, size_of(io)));
}

static bide_ssize transmit(void *arg, bide_fd fd)
{
    (void)fd;
    struct tls_io *io = arg;
    struct tls *tls = prepare(io);
    return answer(tls, SSL_write(tls->ssl, io->buffer, size_of(io)));
}

static bide_ssize say_goodbye(void *arg, bide_fd fd)
{
    (void)fd;
    struct tls *tls = prepare(arg);
    int result = SSL_shutdown(tls->ssl);
    return result >= 0 ? 0 : answer(tls, result); /* 0: said, the other end has not answered yet */
}

void tls_handshake_init(struct tls_io *io, struct tls *tls)
{
    io->tls = tls;
    bide_io_write_with(&io->io, tls->conn, shake_hands, io);
}

void tls_read_init(struct tls_io *io, struct tls *tls, void *buffer, size_t length)
{
    io->tls = tls;
    io->buffer = buffer;
    io->length = length;
    bide_io_read_with(&io->io, tls->conn, receive, io);
}

void tls_write_init(struct tls_io *io, struct tls *tls, const void *buffer, size_t length)
{
    io->tls = tls;
    io->buffer = (void *)(uintptr_t)buffer;
    io->length = length;
    bide_io_write_with(&io->io, tls->conn, transmit, io);
}

void tls_close_init(struct tls_io *io, struct tls *tls)
{
    io->tls = tls;
    bide_io_write_with(&io->io, tls->conn, say_goodbye, io);
}

int tls_fail(const struct example_program *program, const struct tls *tls, const char *what, bide_ssize error)
{
    if (error != BIDE_EPROTO || !tls->why) return example_fail(program, what, error);
    (void)fprintf(stderr, "%s: %s: %s\n", program->name, what, tls->why);
    return EXAMPLE_FAILED;
}
