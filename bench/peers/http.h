/* What the servers have in common that say hello by HTTP/1.1: the parser, http_parser, and the answer, the same for every
 * request. evhttp and Go's net/http have their own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <http_parser.h>
#include <stddef.h>

#define HTTP_BODY "Hello, world!\n"

static const char http_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\n" HTTP_BODY;

enum { HTTP_ANSWER = sizeof http_answer - 1 };

static int http_on_message(http_parser *parser)
{
    ++*(int *)parser->data;
    return 0;
}

static inline void http_begin(http_parser *parser)
{
    http_parser_init(parser, HTTP_REQUEST);
}

/* How many requests are complete with these bytes; negative if they are none. */
static inline int http_requests(http_parser *parser, const char *bytes, size_t count)
{
    static const http_parser_settings settings = {.on_message_complete = http_on_message};
    int requests = 0;
    parser->data = &requests;
    size_t parsed = http_parser_execute(parser, &settings, bytes, count);
    return parsed == count && !parser->upgrade ? requests : -1;
}

#endif
