/* See http_request.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int refuse(struct http_request *request, int status)
{
    if (!request->refusal) request->refusal = status;
    return 1; /* has the parser stop */
}

static struct http_request *of(http_parser *parser)
{
    return parser->data;
}

/* Appends what fits; returns whether all did. */
static bool append(char *to, size_t capacity, size_t *length, const char *bytes, size_t count)
{
    size_t room = capacity - 1 - *length;
    size_t taken = count < room ? count : room;
    memcpy(to + *length, bytes, taken);
    *length += taken;
    to[*length] = '\0';
    return taken == count;
}

static int on_url(http_parser *parser, const char *bytes, size_t length)
{
    struct http_request *request = of(parser);
    bool fits = append(request->target, sizeof request->target, &request->target_length, bytes, length);
    return fits ? 0 : refuse(request, 414);
}

/* A header has been read whole. */
static void take_header(struct http_request *request)
{
    if (!request->in_value) return;
    if (strcasecmp(request->field, "Host") == 0) request->has_host = true;
    if (strcasecmp(request->field, "Expect") == 0)
        request->expects = strcasecmp(request->value, "100-continue") == 0;
    if (strcasecmp(request->field, "If-Modified-Since") == 0)
        memcpy(request->modified_since, request->value, sizeof request->value);
    request->in_value = false;
    request->field_length = request->value_length = 0;
}

static int on_header_field(http_parser *parser, const char *bytes, size_t length)
{
    struct http_request *request = of(parser);
    take_header(request);
    (void)append(request->field, sizeof request->field, &request->field_length, bytes, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *bytes, size_t length)
{
    struct http_request *request = of(parser);
    if (!request->in_value) request->value[0] = '\0';
    request->in_value = true;
    (void)append(request->value, sizeof request->value, &request->value_length, bytes, length);
    return 0;
}

/* The path of "/path?query" and of "http://host/path?query". */
static bool find_path(struct http_request *request)
{
    struct http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(request->target, request->target_length, 0, &parts) != 0) return false;
    if (!(parts.field_set & 1u << UF_PATH)) return false;
    memcpy(request->path, request->target + parts.field_data[UF_PATH].off, parts.field_data[UF_PATH].len);
    request->path[parts.field_data[UF_PATH].len] = '\0';
    return request->path[0] == '/'; /* and not the "*" of OPTIONS */
}

static int on_headers_complete(http_parser *parser)
{
    struct http_request *request = of(parser);
    take_header(request);
    request->head_is_read = true;
    request->method = http_method_str((enum http_method)parser->method);
    /* Who wants to go on in another protocol is answered in this one, for the last time. */
    request->keeps_alive = http_should_keep_alive(parser) && !parser->upgrade;
    if (parser->http_major != 1) return refuse(request, 505);
    if (parser->method == HTTP_CONNECT) return refuse(request, 405);
    if ((parser->http_minor >= 1 && !request->has_host) || !find_path(request)) return refuse(request, 400);
    /* All ones: not said. */
    if (parser->content_length != UINT64_MAX && parser->content_length > request->limits->body)
        return refuse(request, 413);
    return 0;
}

static int on_body(http_parser *parser, const char *bytes, size_t length)
{
    struct http_request *request = of(parser);
    if (length > request->limits->body - request->body_length) return refuse(request, 413);
    if (request->body_length + length > request->body_room) {
        size_t room = request->body_room ? 2 * request->body_room : 4096;
        while (room < request->body_length + length)
            room *= 2;
        char *grown = realloc(request->body, room);
        if (!grown) return refuse(request, 503);
        request->body = grown;
        request->body_room = room;
    }
    memcpy(request->body + request->body_length, bytes, length);
    request->body_length += length;
    return 0;
}

/* What follows is the next request. */
static int on_message_complete(http_parser *parser)
{
    of(parser)->complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

void http_request_init(struct http_request *request, const struct http_limits *limits)
{
    *request = (struct http_request){.limits = limits};
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
}

size_t http_request_read(struct http_request *request, const char *bytes, size_t length)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    bool in_head = !request->head_is_read;
    /* Not to be fed with more of a head than there may be. */
    size_t room = request->limits->head - request->head_length;
    size_t given = in_head && length > room ? room : length;
    size_t taken = http_parser_execute(&request->parser, &settings, bytes, given);
    if (in_head) request->head_length += taken;
    enum http_errno wrong = HTTP_PARSER_ERRNO(&request->parser);
    bool too_long = !request->head_is_read && request->head_length >= request->limits->head;
    if (request->complete) return taken;
    if (wrong == HPE_HEADER_OVERFLOW || (wrong == HPE_OK && too_long))
        (void)refuse(request, 431);
    else if (wrong != HPE_OK)
        (void)refuse(request, 400); /* unless a callback has said why already */
    return taken;
}

void http_request_end(struct http_request *request)
{
    free(request->body);
    request->body = NULL;
}
