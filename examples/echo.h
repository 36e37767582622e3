/* An echo server: one thread, any number of connections, each a state machine on a bide_set. Used by
 * `echo_server` and `demo`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_ECHO_H
#define EXAMPLES_ECHO_H

#include <bide.h>

/* What a connection holds back at most, and so what it costs beyond its state. */
enum { ECHO_BUFFER = 16 * 1024 };

struct echo_settings {
    long connections;    /* served at once at most; more wait in the listener's backlog */
    bide_duration drain; /* for how long clients are served after a stop */
    /* Is told of what a person should know; NULL: nobody. `error` is 0 if none is to blame. */
    void (*report)(const char *what, bide_ssize error);
};

struct echo_counts {
    uint64_t accepted;
    uint64_t bytes;
    /* Connections that ended with an error, or were still open when the time to drain was over. */
    uint64_t dropped;
};

/* Serves until `stop` (automatic reset) is set: then accepts no more, and goes on until the last client has
 * left, or the time to drain is over, or `stop` is set again. Frees the listener. Returns 0, or why it could
 * not go on. */
int echo_serve(bide_async *listener, bide_event *stop, const struct echo_settings *settings,
               struct echo_counts *counts);

#endif
