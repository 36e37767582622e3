/* See http.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- URLs --- */

/* The length of "http:" in "http://…": what stands before the first of ":/?#", with the colon; or 0. */
static size_t scheme_length(const char *text)
{
    size_t length = strcspn(text, ":/?#");
    return length > 0 && text[length] == ':' ? length + 1 : 0;
}

static bool is_scheme(const char *text, const char *name)
{
    size_t length = strlen(name);
    return scheme_length(text) == length + 1 && strncasecmp(text, name, length) == 0;
}

static bool copy_part(char *to, size_t capacity, const char *from, size_t length)
{
    if (length >= capacity) return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

const char *http_url_parse(struct http_url *url, const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return "a URL has no blanks, and other letters only in their %-encoded form";
    if (is_scheme(text, "https")) return "https is not supported: this example speaks plain http only";
    if (!is_scheme(text, "http")) return "not a URL that begins with http://";
    struct http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(text, strlen(text), 0, &parts) != 0) return "malformed URL";
    if (parts.field_set & 1u << UF_USERINFO) return "user names in URLs are not supported";
    if ((parts.field_set & 1u << UF_PORT) && parts.port == 0) return "port 0 cannot be connected to";
    if (!copy_part(url->host, sizeof url->host, text + parts.field_data[UF_HOST].off,
                   parts.field_data[UF_HOST].len))
        return "the host name is too long";
    url->port = parts.field_set & 1u << UF_PORT ? parts.port : 80;

    /* From the path to the fragment, which is the reader's own. */
    const char *target = strstr(text, "//") + 2;
    target += strcspn(target, "/?#");
    size_t length = strcspn(target, "#");
    bool rooted = *target == '/';
    url->target[0] = '/';
    if (!copy_part(url->target + !rooted, sizeof url->target - 1, target, length))
        return "the URL is too long";
    return NULL;
}

/* In place: RFC 3986, section 5.2.4, for a path that begins with '/'. */
static void remove_dot_segments(char *target)
{
    char *out = target;
    const char *in = target;
    const char *end = target + strcspn(target, "?");
    while (in < end) {
        size_t length = 1 + strcspn(in + 1, "/?");
        bool last = in + length >= end;
        bool here = length == 2 && in[1] == '.';
        bool up = length == 3 && in[1] == '.' && in[2] == '.';
        if (up)
            while (out > target && *--out != '/')
                continue;
        if (here || up) {
            if (last) *out++ = '/';
        } else {
            memmove(out, in, length);
            out += length;
        }
        in += length;
    }
    memmove(out, end, strlen(end) + 1);
}

const char *http_url_resolve(struct http_url *url, const struct http_url *base, const char *reference)
{
    char text[2 * HTTP_URL + 512];
    char start[HTTP_URL + 512];
    (void)http_url_text(base, start);
    size_t path = strlen(start) - strlen(base->target);
    size_t keep = path;
    if (scheme_length(reference) > 0)
        keep = 0;
    else if (strncmp(reference, "//", 2) == 0)
        keep = strlen("http:");
    else if (*reference == '\0' || *reference == '#')
        keep = strlen(start);
    else if (*reference == '?')
        keep = path + strcspn(base->target, "?");
    else if (*reference != '/')
        while (strcspn(start + keep, "/?") < strcspn(start + keep, "?"))
            keep += strcspn(start + keep, "/") + 1;
    (void)snprintf(text, sizeof text, "%.*s%s", (int)keep, start, reference);
    const char *wrong = http_url_parse(url, text);
    if (!wrong) remove_dot_segments(url->target);
    return wrong;
}

/* "name:8080", "[::1]", as in URLs and in the header Host: the port only if it is not the usual one. */
static const char *authority(const struct http_url *url, char text[BIDE_HOST_MAX + 16])
{
    bool bare = strchr(url->host, ':') == NULL;
    int length = snprintf(text, BIDE_HOST_MAX + 16, bare ? "%s" : "[%s]", url->host);
    if (url->port != 80 && length > 0)
        (void)snprintf(text + length, (size_t)(BIDE_HOST_MAX + 16 - length), ":%u", (unsigned)url->port);
    return text;
}

const char *http_url_text(const struct http_url *url, char text[HTTP_URL + 512])
{
    char where[BIDE_HOST_MAX + 16];
    (void)snprintf(text, HTTP_URL + 512, "http://%s%s", authority(url, where), url->target);
    return text;
}

size_t http_request(const struct http_url *url, char text[HTTP_URL + 1024])
{
    char where[BIDE_HOST_MAX + 16];
    int length = snprintf(text, HTTP_URL + 1024,
                          "GET %s HTTP/1.1\r\n"
                          "Host: %s\r\n"
                          "User-Agent: bide-http_get/%s\r\n"
                          "Accept: */*\r\n"
                          "Accept-Encoding: identity\r\n"
                          "Connection: close\r\n\r\n",
                          url->target, authority(url, where), bide_version_string());
    return length > 0 ? (size_t)length : 0;
}

/* --- the response, as http_parser reports it --- */

static struct http_response *of(http_parser *parser)
{
    return parser->data;
}

static void append(char *to, size_t capacity, const char *from, size_t length)
{
    size_t used = strlen(to);
    size_t room = capacity - 1 - used;
    if (length > room) length = room;
    memcpy(to + used, from, length);
    to[used + length] = '\0';
}

/* Also for the answer that follows one of the kind of "100 Continue". */
static int on_begin(http_parser *parser)
{
    struct http_response *response = of(parser);
    response->status = 0;
    response->reason[0] = response->location[0] = '\0';
    response->field_length = 0;
    response->in_value = false;
    response->complete = false;
    return 0;
}

static int on_status(http_parser *parser, const char *at, size_t length)
{
    append(of(parser)->reason, sizeof of(parser)->reason, at, length);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t length)
{
    struct http_response *response = of(parser);
    if (response->in_value) response->field_length = 0;
    response->in_value = false;
    for (size_t i = 0; i < length; i++, response->field_length++)
        if (response->field_length < sizeof response->field) response->field[response->field_length] = at[i];
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length)
{
    static const char wanted[] = "location";
    struct http_response *response = of(parser);
    response->in_value = true;
    if (response->field_length != sizeof wanted - 1 ||
        strncasecmp(response->field, wanted, sizeof wanted - 1) != 0)
        return 0;
    response->too_long = strlen(response->location) + length >= sizeof response->location;
    append(response->location, sizeof response->location, at, length);
    return 0;
}

static int on_head(http_parser *parser)
{
    struct http_response *response = of(parser);
    response->status = (int)parser->status_code;
    bool known = parser->content_length <= INT64_MAX && !(parser->flags & F_CHUNKED);
    response->length = known ? (int64_t)parser->content_length : -1;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct http_response *response = of(parser);
    bool wanted = response->status >= 200 && response->status < 300;
    return !wanted || response->take(response->arg, at, length) ? 0 : 1;
}

static int on_end(http_parser *parser)
{
    struct http_response *response = of(parser);
    response->complete = response->status >= 200 || response->status == 101;
    /* Whatever follows the response is not read. */
    if (response->complete) http_parser_pause(parser, 1);
    return 0;
}

void http_response_init(struct http_response *response, bool (*take)(void *, const char *, size_t), void *arg)
{
    memset(response, 0, sizeof *response);
    response->take = take;
    response->arg = arg;
    response->length = -1;
    http_parser_init(&response->parser, HTTP_RESPONSE);
    response->parser.data = response;
}

const char *http_response_read(struct http_response *response, const char *bytes, size_t length)
{
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_message_begin = on_begin;
    settings.on_status = on_status;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_head;
    settings.on_body = on_body;
    settings.on_message_complete = on_end;
    if (response->complete) return NULL;
    size_t taken = http_parser_execute(&response->parser, &settings, bytes, length);
    enum http_errno error = HTTP_PARSER_ERRNO(&response->parser);
    if (response->too_long) return "the server redirects to a URL that is too long";
    if (response->complete) return NULL;
    if (error == HPE_CB_body) return "the body could not be written";
    if (error == HPE_INVALID_EOF_STATE) return "the connection ended in the middle of the response";
    if (error != HPE_OK) {
        (void)snprintf(response->wrong, sizeof response->wrong, "malformed response: %s",
                       http_errno_description(error));
        return response->wrong;
    }
    if (taken < length) return "the response is not one to a GET";
    if (length == 0) return "the connection ended without a response";
    return NULL;
}

bool http_response_redirects(const struct http_response *response)
{
    switch (response->status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: return response->location[0] != '\0';
    default: return false;
    }
}
