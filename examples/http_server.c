/* An HTTP/1.1 server: the files of a folder, and two routes that answer in JSON. A task for each connection, which
 * reads as if it were the only one; limits on everything that a client could make large or long.
 *
 *   waits for a request (idle) --first byte--> reads it (request) --> answers --> waits for the next one
 *        | time-out, or a stop                     | time-out: 408       | an error, or the last one
 *        +-----------------------------------------+---------------------+--> closed
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _XOPEN_SOURCE 700
#include "http_files.h"
#include "http_request.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file is sent in pieces, each of which has the time for an answer. */
#define PIECE ((uint64_t)256 * 1024)

/* What is still read, and for how long, of a client that is told no, so that it gets to read that. */
#define LINGER_BYTES ((size_t)256 * 1024)
#define LINGER BIDE_SECONDS(1)

static const char *folder;
static int root;
static long most_head = 16 * 1024, most_body = 1024 * 1024;
static bide_duration idle = BIDE_SECONDS(15), request_limit = BIDE_SECONDS(10),
                     answer_limit = BIDE_SECONDS(30);
static struct http_limits limits;
static bide_instant began;
static _Atomic uint64_t requests;

static int serve(struct service *service, bide_async *conn);

static struct service service = {.connections = 1000, .drain = BIDE_SECONDS(3), .serve = serve};

static const struct example_option options[] = {
    SERVICE_OPTIONS(service, "127.0.0.1:8080", "3s"),
    {"--idle", EXAMPLE_DURATION, &idle, "how long a connection may wait for a request (15s)"},
    {"--request", EXAMPLE_DURATION, &request_limit, "how long a request may take to come (10s)"},
    {"--answer", EXAMPLE_DURATION, &answer_limit,
     "how long a client may take for 256 KiB of an answer (30s)"},
    {"--head", EXAMPLE_COUNT, &most_head, "bytes of a request before its body (16384)"},
    {"--body", EXAMPLE_COUNT, &most_body, "bytes of a request's body (1048576)"},
};

static const struct example_option argument = {"FOLDER", EXAMPLE_STRING, &folder, NULL};

static const struct example_program program = {
    .name = "http_server",
    .synopsis = SERVICE_SYNOPSIS " [--idle DURATION] [--request DURATION] [--answer DURATION] [--head COUNT]"
                                 " [--body COUNT] FOLDER",
    .about = "Serves the files of FOLDER by HTTP/1.1, without links and hidden files. GET /api/status and\n"
             "POST /api/echo answer in JSON. The first line it prints is the address that it listens on.\n"
             "SIGTERM or SIGINT: accepts no more, answers the requests that have begun until the time to\n"
             "drain is over, and exits with 0. A second one: drops them.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

struct client {
    struct service *service;
    bide_async *conn;
    struct http_request request;
    bool last;         /* the connection ends after this answer */
    size_t start, end; /* of what has come and was not looked at */
    char input[8192];
};

/* --- answers --- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

static const char *date_text(char text[HTTP_VALUE], time_t when)
{
    struct tm parts;
    if (!gmtime_r(&when, &parts) || strftime(text, HTTP_VALUE, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0)
        *text = '\0';
    return text;
}

enum { HEAD = HTTP_TARGET + 1024 };

/* The head of an answer, of which it returns the length, or an error. `further`: headers, each with its end of line. */
static int write_head(char head[HEAD], const struct client *client, int status, const char *type,
                      uint64_t length, const char *further)
{
    char date[HTTP_VALUE];
    int count =
        snprintf(head, HEAD,
                 "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Length: %" PRIu64
                 "\r\n%s%s%sConnection: %s\r\n%s\r\n",
                 status, reason_of(status), date_text(date, time(NULL)), length, type ? "Content-Type: " : "",
                 type ? type : "", type ? "\r\n" : "", client->last ? "close" : "keep-alive", further);
    return count < 0 || count >= HEAD ? BIDE_EMSGSIZE : count;
}

static int send_all(struct client *client, const char *bytes, size_t length)
{
    return bide_write_all(client->conn, bytes, length, bide_after(answer_limit), NULL);
}

static int send_head(struct client *client, int status, const char *type, uint64_t length,
                     const char *further)
{
    char head[HEAD];
    int count = write_head(head, client, status, type, length, further);
    return count < 0 ? count : send_all(client, head, (size_t)count);
}

static bool is_method(const struct client *client, const char *method)
{
    return client->request.method && strcmp(client->request.method, method) == 0;
}

/* A short text goes with its head, in one call and one packet. */
static int send_text(struct client *client, int status, const char *type, const char *text,
                     const char *further)
{
    char answer[HEAD + 512];
    size_t length = strlen(text);
    int count = write_head(answer, client, status, type, length, further);
    if (count < 0) return count;
    if (is_method(client, "HEAD")) return send_all(client, answer, (size_t)count);
    bool fits = length <= sizeof answer - (size_t)count;
    if (fits) memcpy(answer + count, text, length);
    int error = send_all(client, answer, (size_t)count + (fits ? length : 0));
    return error || fits ? error : send_all(client, text, length);
}

static int send_status(struct client *client, int status, const char *further)
{
    char text[80];
    (void)snprintf(text, sizeof text, "%d %s\n", status, reason_of(status));
    return send_text(client, status, "text/plain; charset=utf-8", text, further);
}

/* The end of a connection whose client may still be sending: closed at once, the system would reset it, and the client
 * might never read the answer. */
static void linger(struct client *client)
{
    bide_instant deadline = bide_after(LINGER);
    if (bide_async_shutdown(client->conn, BIDE_WRITE) != 0) return;
    for (size_t total = 0; total < LINGER_BYTES;) {
        bide_ssize count = bide_read(client->conn, client->input, sizeof client->input, deadline);
        if (count <= 0) return;
        total += (size_t)count;
    }
}

static int send_refusal(struct client *client, int status)
{
    client->last = true;
    int error = send_status(client, status, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!error) linger(client);
    return error;
}

/* --- files --- */

struct opening {
    struct http_file file;
    const char *path;
};

/* On a thread for what blocks. */
static bide_ssize open_file(void *arg)
{
    struct opening *opening = arg;
    http_file_open(&opening->file, root, opening->path);
    return 0;
}

static int send_pieces(struct client *client, const struct http_file *file)
{
    int error = 0;
    for (uint64_t sent = 0; sent < file->length && !error;) {
        uint64_t rest = file->length - sent;
        uint64_t piece = rest < PIECE ? rest : PIECE;
        error = bide_sendfile(client->conn, file->fd, sent, piece, bide_after(answer_limit), NULL);
        sent += piece;
    }
    return error;
}

static int send_file(struct client *client, const struct http_file *file)
{
    char changed[HTTP_VALUE], further[HTTP_VALUE + 32];
    (void)date_text(changed, file->changed);
    (void)snprintf(further, sizeof further, "Last-Modified: %s\r\n", changed);
    if (strcmp(client->request.modified_since, changed) == 0) return send_head(client, 304, NULL, 0, further);
    int error = send_head(client, 200, file->type, file->length, further);
    return error || is_method(client, "HEAD") ? error : send_pieces(client, file);
}

static int answer_with_file(struct client *client)
{
    if (!is_method(client, "GET") && !is_method(client, "HEAD"))
        return send_status(client, 405, "Allow: GET, HEAD\r\n");
    struct opening opening = {.path = client->request.path};
    bide_ssize error = bide_job_run(open_file, &opening, BIDE_NEVER);
    if (error) return (int)error;
    if (opening.file.status == 301) {
        char further[HTTP_TARGET + 32];
        (void)snprintf(further, sizeof further, "Location: %s/\r\n", client->request.path);
        return send_status(client, 301, further);
    }
    if (opening.file.status != 200) return send_status(client, opening.file.status, "");
    error = send_file(client, &opening.file);
    (void)close(opening.file.fd);
    return (int)error;
}

/* --- routes --- */

static int answer_status(struct client *client)
{
    char text[256];
    bide_scheduler_stats stats;
    int error = bide_scheduler_stats_read(bide_scheduler_current(), &stats);
    if (error) return error;
    (void)snprintf(text, sizeof text,
                   "{\"uptime\":%.3f,\"connections\":%" PRIu64 ",\"requests\":%" PRIu64
                   ",\"tasks\":%zu,\"workers\":%u}\n",
                   (double)bide_instant_since(bide_now(), began) / 1e9,
                   atomic_load(&client->service->accepted), atomic_load(&requests), stats.live,
                   stats.workers);
    return send_text(client, 200, "application/json", text, "Cache-Control: no-store\r\n");
}

static int answer_echo(struct client *client)
{
    const struct http_request *request = &client->request;
    unsigned sum = 0;
    char text[80];
    for (size_t i = 0; i < request->body_length; i++)
        sum += (unsigned char)request->body[i];
    (void)snprintf(text, sizeof text, "{\"bytes\":%zu,\"sum\":%u}\n", request->body_length, sum);
    return send_text(client, 200, "application/json", text, "");
}

static const struct {
    const char *method, *path, *allow;
    int (*answer)(struct client *client);
} routes[] = {
    {"GET", "/api/status", "Allow: GET\r\n", answer_status},
    {"POST", "/api/echo", "Allow: POST\r\n", answer_echo},
};

static int answer(struct client *client)
{
    atomic_fetch_add(&requests, 1);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(client->request.path, routes[i].path) != 0) continue;
        bool allowed = is_method(client, routes[i].method);
        return allowed ? routes[i].answer(client) : send_status(client, 405, routes[i].allow);
    }
    return answer_with_file(client);
}

/* --- connections --- */

/* Waits for the first bytes of the next request, or for the end of the service: 1, 0, or an error. */
static int wait_for_request(struct client *client)
{
    if (client->start < client->end) return 1;
    bide_io io;
    bide_event_waiting draining;
    bool done[2];
    bide_io_read(&io, client->conn, client->input, sizeof client->input);
    bide_event_waiting_init(&draining, &client->service->draining);
    bide_future *either[] = {&io.future, &draining.future};
    int first = bide_race_until(either, 2, bide_after(idle), done);
    if (first == BIDE_ETIMEDOUT) return 0;
    if (first < 0) return first;
    if (!done[0]) return 0;
    client->start = 0;
    client->end = io.result > 0 ? (size_t)io.result : 0;
    return io.result > 0 ? 1 : (int)io.result;
}

/* Reads the request to its end, or to what is wrong with it. */
static int read_request(struct client *client)
{
    struct http_request *request = &client->request;
    bide_instant deadline = bide_after(request_limit);
    for (bool told = false;;) {
        client->start +=
            http_request_read(request, client->input + client->start, client->end - client->start);
        if (request->complete || request->refusal) return 0;
        if (client->start < client->end) continue; /* the head ended within a piece */
        if (request->head_is_read && request->expects && !told) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            int error = bide_write_all(client->conn, go_on, sizeof go_on - 1, deadline, NULL);
            if (error) return error;
            told = true;
        }
        bide_ssize count = bide_read(client->conn, client->input, sizeof client->input, deadline);
        if (count == BIDE_ETIMEDOUT) {
            request->refusal = 408;
            return 0;
        }
        if (count <= 0) return count < 0 ? (int)count : BIDE_EEOF;
        client->start = 0;
        client->end = (size_t)count;
    }
}

static int serve(struct service *of_all, bide_async *conn)
{
    struct client client = {.service = of_all, .conn = conn};
    int result = 0;
    while (!client.last && (result = wait_for_request(&client)) > 0) {
        http_request_init(&client.request, &limits);
        result = read_request(&client);
        client.last = !client.request.keeps_alive || bide_event_is_set(&of_all->draining);
        if (!result)
            result = client.request.refusal ? send_refusal(&client, client.request.refusal) : answer(&client);
        http_request_end(&client.request);
        if (result) break;
    }
    return result;
}

int main(int argc, char **argv)
{
    service.program = &program;
    service.address = bide_address_loopback(8080);
    example_arguments(&program, argc, argv);
    limits = (struct http_limits){(size_t)most_head, (size_t)most_body};
    began = bide_now();
    root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return example_fail(&program, folder, bide_error_from_system(errno));
    int status = service_main(&service);
    (void)close(root);
    return status;
}
