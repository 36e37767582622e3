/* A little HTTP/1.1 for http_get.c: URLs, one request, one response. The parsing is http_parser's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

#include <bide.h>

#include <http_parser.h>

/* Room for a URL, and for the part of it that a server is asked for. */
enum { HTTP_URL = 4096 };

struct http_url {
    char host[BIDE_HOST_MAX]; /* without brackets */
    uint16_t port;
    char target[HTTP_URL]; /* path and query */
};

/* Takes a URL apart: NULL, or what is wrong with it, in words. */
const char *http_url_parse(struct http_url *url, const char *text);

/* The URL that `reference`, a Location of the server's, stands for at `base` (RFC 3986, section 5.2): NULL,
 * or what is wrong with it. */
const char *http_url_resolve(struct http_url *url, const struct http_url *base, const char *reference);

/* As text, such as "http://127.0.0.1:8080/a?b". Returns `text`. */
const char *http_url_text(const struct http_url *url, char text[HTTP_URL + 512]);

/* Writes the request: its length. */
size_t http_request(const struct http_url *url, char text[HTTP_URL + 1024]);

struct http_response {
    /* Takes a piece of the body of a response that is no error and no redirection. Returns whether to go on.
     * */
    bool (*take)(void *arg, const char *bytes, size_t length);
    void *arg;

    int status;      /* 0 until the head has come */
    char reason[64]; /* "Not Found"; cut off */
    char location[HTTP_URL];
    int64_t length; /* of the body; -1 if the head does not tell */
    bool complete;  /* nothing more will come */

    /* Private. */
    http_parser parser;
    char field[16]; /* the header that is being read; cut off */
    size_t field_length;
    bool in_value;
    bool too_long; /* the Location */
    char wrong[128];
};

void http_response_init(struct http_response *response, bool (*take)(void *, const char *, size_t),
                        void *arg);

/* Reads on; no bytes: the connection has ended. NULL, or what is wrong, in words that stay as long as the
 * response. */
const char *http_response_read(struct http_response *response, const char *bytes, size_t length);

/* Whether the head sends the reader elsewhere. */
bool http_response_redirects(const struct http_response *response);

#endif
