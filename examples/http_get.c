/* Fetches a URL by HTTP/1.1 over a connection made by the host's name, with a progress bar on a terminal.
 *
 * The time-out is for each step: connecting (look-up and all addresses together), and each wait for bytes. So
 * a large file may take its time, and a server that hangs may not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_REDIRECTS = 10, BAR = 30, LINE = 512 };

static const char *start;
static const char *file;
static bide_duration timeout = BIDE_SECONDS(10);

static const struct example_option argument = {"URL", EXAMPLE_STRING, &start, ""};
static const struct example_option options[] = {
    {"--timeout", EXAMPLE_DURATION, &timeout, "give up when connecting or the next bytes take longer (10s)"},
    {"-o", EXAMPLE_STRING, &file, "write the body to this file rather than to standard output"},
};

static const struct example_program program = {
    .name = "http_get",
    .synopsis = "URL [--timeout DURATION] [-o FILE]",
    .about = "Fetches an http:// URL (https is not supported), follows up to ten redirections, and tells on\n"
             "standard error what happened. Exits with 0: fetched, 1: an error, also one that the server\n"
             "answers, 2: wrong usage, 124: timed out.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

/* What comes in, and where it goes. */
struct download {
    struct http_url url;
    char where[HTTP_URL + 512]; /* the URL as text */
    struct http_response response;
    FILE *out; /* NULL until the body begins */
    int error; /* errno of a failed write */
    int64_t taken;
    bide_instant began;
    bool shows; /* a progress bar */
    bide_instant shown;
};

/* --- telling --- */

/* "512 bytes", "1.5 MiB". */
static const char *size_text(char text[EXAMPLE_TEXT], double bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        (void)snprintf(text, EXAMPLE_TEXT, "%.0f bytes", bytes);
        return text;
    }
    size_t unit = 0;
    for (bytes /= 1024; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    (void)snprintf(text, EXAMPLE_TEXT, "%.1f %s", bytes, units[unit]);
    return text;
}

static void show_progress(struct download *it)
{
    char taken[EXAMPLE_TEXT], length[EXAMPLE_TEXT], rate[EXAMPLE_TEXT], bar[BAR + 1];
    bide_instant now = bide_now();
    if (!it->shows || bide_instant_since(now, it->shown) < BIDE_MILLISECONDS(100)) return;
    it->shown = now;
    double seconds = (double)bide_instant_since(now, it->began) / 1e9;
    (void)size_text(taken, (double)it->taken);
    (void)size_text(rate, seconds > 0 ? (double)it->taken / seconds : 0);
    if (it->response.length > 0) {
        double part = (double)it->taken / (double)it->response.length;
        int full = part < 1 ? (int)(part * BAR) : BAR;
        (void)memset(bar, '#', (size_t)full);
        (void)memset(bar + full, '.', (size_t)(BAR - full));
        bar[BAR] = '\0';
        (void)size_text(length, (double)it->response.length);
        (void)fprintf(stderr, "\r[%s] %3.0f %%  %s of %s, %s/s\033[K", bar, part * 100, taken, length, rate);
    } else {
        (void)fprintf(stderr, "\r%s, %s/s\033[K", taken, rate);
    }
    (void)fflush(stderr);
}

static void hide_progress(const struct download *it)
{
    if (it->shows) (void)fputs("\r\033[K", stderr);
}

static int fail(const struct download *it, const char *what)
{
    hide_progress(it);
    (void)fprintf(stderr, "%s: %s: %s\n", program.name, it->where, what);
    return EXAMPLE_FAILED;
}

static int fail_with(const struct download *it, bide_ssize error)
{
    char what[LINE], time[EXAMPLE_TEXT], size[EXAMPLE_TEXT];
    if (error != BIDE_ETIMEDOUT) return fail(it, bide_strerror(error));
    (void)snprintf(what, sizeof what, "timed out: nothing came for %s, after %s of the body",
                   example_duration_text(time, timeout), size_text(size, (double)it->taken));
    (void)fail(it, what);
    return EXAMPLE_TIMED_OUT;
}

/* --- the body --- */

static bool open_output(struct download *it)
{
    if (!it->out) it->out = file ? fopen(file, "wb") : stdout;
    if (!it->out) it->error = errno;
    return it->out != NULL;
}

static bool take(void *arg, const char *bytes, size_t length)
{
    struct download *it = arg;
    if (!open_output(it)) return false;
    it->taken += (int64_t)length;
    if (fwrite(bytes, 1, length, it->out) == length) return true;
    it->error = errno;
    return false;
}

/* Whether all of it has been written. */
static bool close_output(struct download *it)
{
    if (!it->out) return true;
    int failed = it->out == stdout ? fflush(stdout) : fclose(it->out);
    if (failed) it->error = errno;
    it->out = NULL;
    return !failed;
}

static int fail_to_write(const struct download *it)
{
    hide_progress(it);
    (void)fprintf(stderr, "%s: %s: %s\n", program.name, file ? file : "standard output", strerror(it->error));
    return EXAMPLE_FAILED;
}

/* --- one request --- */

static int connect_to(const struct download *it, bide_async **conn)
{
    bide_connect_report report;
    char text[BIDE_CONNECT_REPORT_TEXT_MAX];
    int error = bide_tcp_connect_host(conn, it->url.host, it->url.port, bide_after(timeout), &report);
    if (!error) return EXAMPLE_OK;
    if (bide_connect_report_format(&report, text, sizeof text) < 0) return fail(it, bide_strerror(error));
    (void)fail(it, text);
    return error == BIDE_ETIMEDOUT ? EXAMPLE_TIMED_OUT : EXAMPLE_FAILED;
}

/* Reads until the response is complete, or sends us elsewhere. */
static int receive(struct download *it, bide_async *conn)
{
    static char buffer[64 * 1024];
    while (!it->response.complete && !http_response_redirects(&it->response)) {
        bide_ssize got = bide_read(conn, buffer, sizeof buffer, bide_after(timeout));
        if (got < 0) return fail_with(it, got);
        const char *wrong = http_response_read(&it->response, buffer, (size_t)got);
        if (it->error) return fail_to_write(it);
        if (wrong) return fail(it, wrong);
        show_progress(it);
    }
    return EXAMPLE_OK;
}

static int talk(struct download *it, bide_async *conn)
{
    char request[HTTP_URL + 1024];
    size_t length = http_request(&it->url, request);
    http_response_init(&it->response, take, it);
    int error = bide_write_all(conn, request, length, bide_after(timeout), NULL);
    if (error) return fail_with(it, error);
    return receive(it, conn);
}

/* The response is whole: what does it say? */
static int judge(struct download *it, const bide_address *peer)
{
    char what[LINE], size[LINE], from[EXAMPLE_TEXT], time[EXAMPLE_TEXT];
    const struct http_response *response = &it->response;
    if (response->status < 200 || response->status >= 300) {
        (void)snprintf(what, sizeof what, "the server answers %d %s", response->status, response->reason);
        return fail(it, what);
    }
    if (!open_output(it) || !close_output(it)) return fail_to_write(it);
    hide_progress(it);
    (void)fprintf(stderr, "%s: %d %s: %s in %s from %s%s%s\n", program.name, response->status,
                  response->reason, size_text(size, (double)it->taken),
                  example_duration_text(time, bide_instant_since(bide_now(), it->began)),
                  example_address_text(from, peer), file ? ", written to " : "", file ? file : "");
    return EXAMPLE_OK;
}

/* Fetches it->url. *elsewhere: the answer is a redirection. */
static int get(struct download *it, bool *elsewhere)
{
    bide_async *conn;
    bide_address peer = bide_address_any(0);
    (void)http_url_text(&it->url, it->where);
    int status = connect_to(it, &conn);
    if (status != EXAMPLE_OK) return status;
    (void)bide_async_peer_address(conn, &peer);
    status = talk(it, conn);
    (void)bide_async_free(conn);
    *elsewhere = http_response_redirects(&it->response);
    return status != EXAMPLE_OK || *elsewhere ? status : judge(it, &peer);
}

int main(int argc, char **argv)
{
    static struct download it;
    example_arguments(&program, argc, argv);
    const char *wrong = http_url_parse(&it.url, start);
    if (wrong) example_usage_error(&program, wrong, start);
    /* A bar and the body would be one muddle. */
    it.shows = isatty(STDERR_FILENO) && (file || !isatty(STDOUT_FILENO));
    it.began = it.shown = bide_now();

    for (int redirects = 0;; redirects++) {
        bool elsewhere = false;
        int status = get(&it, &elsewhere);
        if (status != EXAMPLE_OK || !elsewhere) {
            /* What has come of a body that is cut off stays; the line above says so. */
            (void)close_output(&it);
            return example_end(status);
        }
        if (redirects == MOST_REDIRECTS) return fail(&it, "too many redirections");
        struct http_url next;
        wrong = http_url_resolve(&next, &it.url, it.response.location);
        if (wrong) {
            char what[HTTP_URL + LINE];
            (void)snprintf(what, sizeof what, "redirects to %s: %s", it.response.location, wrong);
            return fail(&it, what);
        }
        it.url = next;
    }
}
