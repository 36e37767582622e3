/* HTTP/1.1 requests for http_server.c, with limits. The parsing is http_parser's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_HTTP_REQUEST_H
#define EXAMPLES_HTTP_REQUEST_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

enum { HTTP_TARGET = 2048, HTTP_VALUE = 64 };

struct http_limits {
    size_t head; /* bytes before the body */
    size_t body;
};

struct http_request {
    int refusal;       /* 0, or the status to answer with, after which the connection is of no more use */
    bool head_is_read; /* and the body is to come */
    bool complete;
    bool keeps_alive;
    bool expects; /* the client waits for "100 Continue" before it sends the body */
    const char *method;
    char path[HTTP_TARGET];          /* as it came: %-encoded, without the query */
    char modified_since[HTTP_VALUE]; /* "" if there was no such header */
    char *body;                      /* `body_length` bytes; NULL: none */
    size_t body_length;

    /* Private. */
    const struct http_limits *limits;
    http_parser parser;
    char target[HTTP_TARGET];
    size_t target_length;
    size_t head_length;
    char field[32]; /* the header that is being read; cut off */
    size_t field_length, value_length;
    bool in_value, has_host;
    char value[HTTP_VALUE];
    size_t body_room;
};

void http_request_init(struct http_request *request, const struct http_limits *limits);

/* Reads on, up to the end of the request, or to what refuses it. Returns how many bytes were taken. */
size_t http_request_read(struct http_request *request, const char *bytes, size_t length);

/* Frees the body. */
void http_request_end(struct http_request *request);

#endif
