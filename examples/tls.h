/* TLS over a handle of Bide's: OpenSSL reads and writes the descriptor, Bide does the waiting. Used by
 * tls_client and tls_echo_server.
 *
 * Reading, writing and the handshake are operations for bide_read_with() and bide_write_with(). Each may have
 * to wait for either direction, and says which. A connection is used by one thread at a time, which may have
 * one operation of each kind under way.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_TLS_H
#define EXAMPLES_TLS_H

#include "common.h"

#include <openssl/ssl.h>

/* What OpenSSL needs beside the connection: for the client, whom it trusts (`ca`: a file of certificates, or
 * NULL for those of the system), for the server, who it is. NULL: it failed, and `*why` says why. Also keeps
 * SIGPIPE away, which OpenSSL's writes may raise. SSL_CTX_free() frees it. */
SSL_CTX *tls_client_context(const char *ca, const char **why);
SSL_CTX *tls_server_context(const char *certificate, const char *key, const char **why);

struct tls {
    bide_async *conn;
    SSL *ssl;
    const char *why; /* what OpenSSL said when an operation gave BIDE_EPROTO */
};

/* Begins TLS on a connection, which belongs to it from then on, also after an error. `host`: for a client,
 * the name or numeric address that the server's certificate must be for. Returns 0 or an error. */
int tls_begin(struct tls *tls, bide_async *conn, SSL_CTX *context, const char *host);

/* Ends it, and closes the connection. Zeroed storage is one that never began. */
void tls_end(struct tls *tls);

/* An operation as a future: io.future. When it is ready, io.result is a count (0: the end) or an error. */
struct tls_io {
    bide_io io;
    struct tls *tls;
    void *buffer;
    size_t length;
};

void tls_handshake_init(struct tls_io *io, struct tls *tls);
void tls_read_init(struct tls_io *io, struct tls *tls, void *buffer, size_t length);
/* Writes all, so that its count is the length. */
void tls_write_init(struct tls_io *io, struct tls *tls, const void *buffer, size_t length);
/* Tells the other end that nothing more will come. */
void tls_close_init(struct tls_io *io, struct tls *tls);

/* As example_fail(), with OpenSSL's word if there is one. */
int tls_fail(const struct example_program *program, const struct tls *tls, const char *what,
             bide_ssize error);

#endif
