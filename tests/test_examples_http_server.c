/* The example http_server, with curl and with plain sockets that send what curl would not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HTTP_SERVER BIDE_EXAMPLES "/http_server"

/* --- a folder to be served ----------------------------------------------------------------------------------- */

enum { LARGE = 3 * 1024 * 1024 + 17 };

static char folder[] = "/tmp/bide-http-XXXXXX";
static const char *const names[] = {
    "site/sub/index.html", "site/sub", "site/index.html", "site/large.bin", "site/a b.txt",
    "site/.key",           "site/out", "site/pipe",       "site",           "secret.txt"};

static const char *path_of(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t length)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_geq(fd, 0, "%s: %s", path_of(name), strerror(errno));
    cr_assert_eq(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
}

static void make_folder(void)
{
    static char large[LARGE];
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(mkdir(path_of("site"), 0755), 0);
    cr_assert_eq(mkdir(path_of("site/sub"), 0755), 0);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i % 251 + i / 4096);
    write_file("site/index.html", "<p>home</p>\n", 12);
    write_file("site/sub/index.html", "<p>sub</p>\n", 11);
    write_file("site/large.bin", large, LARGE);
    write_file("site/a b.txt", "blank\n", 6);
    write_file("site/.key", "hidden\n", 7);
    write_file("secret.txt", "secret\n", 7);
    cr_assert_eq(symlink("..", path_of("site/out")), 0);
    cr_assert_eq(mkfifo(path_of("site/pipe"), 0644), 0);
}

static void remove_folder(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlink(path_of(names[i])) != 0) (void)rmdir(path_of(names[i]));
    (void)rmdir(folder);
}

TestSuite(http_server, .init = make_folder, .fini = remove_folder, .timeout = 120);

static struct server server;

static void serve_with(const char *const *further)
{
    const char *argv[20] = {HTTP_SERVER, "--workers", "2", "--listen", "127.0.0.1:0"};
    size_t count = 5;
    while (*further)
        argv[count++] = *further++;
    argv[count] = path_of("site");
    start_server(&server, 0, argv);
}

#define SERVE(...) serve_with((const char *const[]){__VA_ARGS__})

/* --- by hand ------------------------------------------------------------------------------------------------- */

static int ask(const char *text)
{
    int client = connected(&server.place);
    send_all(client, text, strlen(text));
    return client;
}

static char answer[65536];

/* Reads an answer whole: its status. */
static int read_answer(int client)
{
    size_t length = 0;
    char *end = NULL;
    do {
        cr_assert_lt(length, sizeof answer - 1);
        cr_assert(readable(client, PATIENCE), "no answer came");
        ssize_t count = recv(client, answer + length, 1, 0);
        cr_assert_eq(count, 1, "the connection ended after: %.*s", (int)length, answer);
        answer[++length] = '\0';
    } while (!(end = strstr(answer, "\r\n\r\n")));
    int status = 0;
    cr_assert_eq(sscanf(answer, "HTTP/1.1 %d ", &status), 1, "%s", answer);
    const char *field = strstr(answer, "Content-Length: ");
    size_t body = field && status != 304 ? strtoul(field + 16, NULL, 10) : 0;
    cr_assert_lt(length + body, sizeof answer);
    receive_all(client, answer + length, body);
    answer[length + body] = '\0';
    return status;
}

#define EXPECT_STATUS(client, status)                                             \
    do {                                                                          \
        int got_ = read_answer(client);                                           \
        cr_assert_eq(got_, status, "%d, not %d:\n%s", got_, (int)status, answer); \
    } while (0)

/* One request on a connection of its own, which is to be closed after it. */
static void expect_refused(const char *text, int status)
{
    int client = ask(text);
    EXPECT_STATUS(client, status);
    assert_has(answer, "Connection: close\r\n");
    cr_assert(ends(client), "the connection is open after %d", status);
    (void)close(client);
}

static void expect_path(const char *path, int status)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    int client = ask(text);
    int got = read_answer(client);
    cr_assert_eq(got, status, "%s gave %d, not %d:\n%s", path, got, status, answer);
    cr_assert_null(strstr(answer, "secret"), "%s", answer);
    cr_assert_null(strstr(answer, "hidden"), "%s", answer);
    (void)close(client);
}

Test(http_server, serves_files_and_nothing_outside_of_its_folder)
{
    SERVE(NULL);
    expect_path("/", 200);
    assert_has(answer, "Content-Type: text/html; charset=utf-8\r\n");
    assert_has(answer, "<p>home</p>");
    expect_path("/index.html?query", 200);
    expect_path("/sub/", 200);
    assert_has(answer, "<p>sub</p>");
    expect_path("/sub", 301);
    assert_has(answer, "Location: /sub/\r\n");
    expect_path("/a%20b.txt", 200);
    assert_has(answer, "blank");
    expect_path("http://x/index.html", 200);
    static const char *const none[] = {
        "/none",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/%2e%2e/index.html",
        "/out/secret.txt",
        "/out",
        "/.key",
        "/index.html/",
        "/pipe",
        "/index.html%00",
        "/./index.html",
        "//etc/passwd",
        "//sub",
        "/sub//index.html",
        "/sub/none",
        "/large.bin/x",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_path(none[i], 404);
    expect_path("/%zz", 400);
    expect_path("/%", 400);
    stop(&server);
}

Test(http_server, keeps_connections_and_answers_requests_that_come_together_in_their_order)
{
    SERVE(NULL);
    int client = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                     "HEAD /sub/ HTTP/1.1\r\nHost: x\r\n\r\n"
                     "POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                     "POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
                     "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_STATUS(client, 200);
    assert_has(answer, "Connection: keep-alive\r\n");
    /* Of a HEAD no body follows its length. */
    char head[4096];
    size_t length = 0;
    do {
        receive_all(client, head + length, 1);
        head[++length] = '\0';
    } while (!strstr(head, "\r\n\r\n"));
    assert_has(head, "200 OK");
    assert_has(head, "Content-Length: 11\r\n");
    EXPECT_STATUS(client, 200);
    assert_has(answer, "{\"bytes\":3,\"sum\":294}");
    EXPECT_STATUS(client, 200);
    assert_has(answer, "{\"bytes\":3,\"sum\":294}");
    EXPECT_STATUS(client, 404);
    send_all(client, "GET / HTTP/1.0\r\n\r\n", 18);
    EXPECT_STATUS(client, 200);
    cr_assert(ends(client));
    (void)close(client);
    stop(&server);
}

Test(http_server, reads_requests_that_come_byte_by_byte)
{
    static const char text[] = "POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd";
    SERVE(NULL);
    int client = connected(&server.place);
    for (size_t i = 0; i < sizeof text - 1; i++)
        send_all(client, text + i, 1);
    EXPECT_STATUS(client, 200);
    assert_has(answer, "\"bytes\":4");
    (void)close(client);
    stop(&server);
}

Test(http_server, refuses_what_is_wrong_too_long_or_too_large)
{
    SERVE("--body", "1000", NULL);
    expect_refused("nonsense\r\n\r\n", 400);
    expect_refused("GET / HTTP/1.1\r\n\r\n", 400);
    expect_refused("GET / HTTP/2.5\r\nHost: x\r\n\r\n", 505);
    expect_refused("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    expect_refused("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405);
    expect_refused("POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413);
    char text[2000];
    int length = snprintf(text, sizeof text,
                          "POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n");
    (void)memset(text + length, 'a', 1024);
    (void)strcpy(text + length + 1024, "\r\n");
    expect_refused(text, 413);
    stop(&server);
}

Test(http_server, limits_the_head_and_the_target)
{
    static char text[20000];
    SERVE("--head", "4096", NULL);
    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    memset(text + length, 'a', 10000);
    expect_refused(text, 431);
    length = snprintf(text, sizeof text, "GET /");
    memset(text + length, 'a', 3000);
    (void)snprintf(text + length + 3000, 100, " HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_refused(text, 414);
    stop(&server);
}

Test(http_server, drops_who_is_idle_and_tells_who_is_slow)
{
    SERVE("--idle", "200ms", "--request", "200ms", NULL);
    int silent = connected(&server.place);
    int kept = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_STATUS(kept, 200);
    int slow = ask("GET / HTTP/1.1\r\nHost:");
    EXPECT_STATUS(slow, 408);
    cr_assert(ends(silent));
    cr_assert(ends(kept));
    cr_assert(ends(slow));
    (void)close(silent);
    (void)close(kept);
    (void)close(slow);
    stop(&server);
}

Test(http_server, ends_in_good_order)
{
    SERVE("--drain", "1h", "--idle", "1h", "--request", "1h", NULL);
    int idle = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_STATUS(idle, 200);
    int busy = ask("GET / HTTP/1.1\r\nHost:");
    /* It has been read when another one, who came later, has an answer. */
    int later = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_STATUS(later, 200);
    (void)kill(server.process, SIGTERM);
    cr_assert(ends(idle), "who only waits is not told");
    cr_assert(ends(later));
    send_all(busy, " x\r\n\r\n", 6);
    EXPECT_STATUS(busy, 200);
    assert_has(answer, "Connection: close\r\n");
    cr_assert(ends(busy));
    assert_stops(&server);
    (void)close(idle);
    (void)close(busy);
    (void)close(later);
}

Test(http_server, does_not_send_what_has_not_changed)
{
    char text[512], date[64];
    SERVE(NULL);
    int client = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_STATUS(client, 200);
    const char *field = strstr(answer, "Last-Modified: ");
    cr_assert_not_null(field);
    cr_assert_eq(sscanf(field, "Last-Modified: %63[^\r]", date), 1);
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: %s\r\n\r\n", date);
    send_all(client, text, strlen(text));
    EXPECT_STATUS(client, 304);
    (void)close(client);
    stop(&server);
}

/* --- curl ---------------------------------------------------------------------------------------------------- */

static struct run r;

#define CURL(...) RUN(&r, "/usr/bin/env", "curl", "-sS", "--noproxy", "*", "--max-time", "60", __VA_ARGS__)

static const char *url(const char *path)
{
    static char text[2][256];
    static int turn;
    turn ^= 1;
    (void)snprintf(text[turn], sizeof text[turn], "http://%s%s", server.place.text, path);
    return text[turn];
}

Test(http_server, serves_curl_large_files_uploads_and_json)
{
    char copy[300];
    struct stat status;
    SERVE("--body", "4000000", NULL);
    (void)snprintf(copy, sizeof copy, "%s/copy", folder);
    CURL("-o", copy, url("/large.bin"));
    if (r.status == 127) {
        stop(&server);
        BIDE_SKIP("there is no curl");
    }
    assert_status(&r, 0);
    cr_assert_eq(stat(copy, &status), 0);
    cr_assert_eq(status.st_size, LARGE);
    RUN(&r, "/usr/bin/env", "cmp", copy, path_of("site/large.bin"));
    assert_status(&r, 0);
    /* With "Expect: 100-continue", which is waited for at most this long. */
    char data[310];
    (void)snprintf(data, sizeof data, "@%s", copy);
    CURL("--expect100-timeout", "50", "-H", "Expect: 100-continue", "--data-binary", data, url("/api/echo"));
    assert_status(&r, 0);
    (void)snprintf(data, sizeof data, "{\"bytes\":%d,\"sum\":", (int)LARGE);
    assert_has(r.out, data);
    CURL("-w", "%{http_code} %{content_type}", url("/api/status"));
    assert_status(&r, 0);
    assert_has(r.out, "\"workers\":2}");
    assert_has(r.out, "200 application/json");
    CURL("-w", "%{http_code}", "-X", "DELETE", url("/"));
    assert_has(r.out, "405");
    CURL("-w", "%{http_code} %{num_connects}", url("/"), url("/sub/"));
    assert_has(r.out, "200 0");
    (void)unlink(copy);
    stop(&server);
}

Test(http_server, is_reached_by_curl_through_the_proxy)
{
    struct server proxy;
    char copy[300], through[256];
    SERVE(NULL);
    START(&proxy, BIDE_EXAMPLES "/proxy", "--workers", "2", "--listen", "127.0.0.1:0", server.place.text);
    (void)snprintf(copy, sizeof copy, "%s/copy", folder);
    (void)snprintf(through, sizeof through, "http://%s/large.bin", proxy.place.text);
    for (int i = 0; i < 3; i++) {
        CURL("-o", copy, through);
        if (r.status == 127) {
            stop(&proxy);
            stop(&server);
            BIDE_SKIP("there is no curl");
        }
        assert_status(&r, 0);
        RUN(&r, "/usr/bin/env", "cmp", copy, path_of("site/large.bin"));
        assert_status(&r, 0);
    }
    (void)unlink(copy);
    stop(&proxy);
    stop(&server);
}

Test(http_server, wrong_usage_is_told)
{
    RUN(&r, HTTP_SERVER, "--listen", "127.0.0.1:0", path_of("none"));
    assert_status(&r, 1);
    assert_has(r.err, "not found");
    RUN(&r, HTTP_SERVER);
    assert_status(&r, 2);
    RUN(&r, HTTP_SERVER, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--idle");
}
