/* The example http_get against servers that say what a test tells them, and against real ones: nginx and
 * Python's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HTTP_GET BIDE_EXAMPLES "/http_get"

TestSuite(http, .timeout = 60);

/* --- a server that says what it is told ----------------------------------------------------------------- */

struct script {
    struct place place;
    int listener;
    pid_t process;
    char url[128];
};

/* Takes a request: what it was, up to its empty line. */
static void take_request(int fd, char request[OUTPUT])
{
    size_t length = 0;
    request[0] = '\0';
    while (!strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + length, OUTPUT - 1 - length, 0);
        if (got <= 0) _exit(1);
        length += (size_t)got;
        request[length] = '\0';
    }
}

/* The answers of as many connections; "ECHO": the request comes back; one that ends with "HANG": no more
 * comes, and the connection stays. '@' in an answer is where this server is. */
static void play(const struct script *script, const char *const *answers)
{
    char request[OUTPUT];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (; *answers; answers++) {
        int fd = accept(script->listener, NULL, NULL);
        take_request(fd, request);
        const char *answer = *answers;
        if (strcmp(answer, "ECHO") == 0) {
            answer = request;
            (void)send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
        }
        for (; *answer && strcmp(answer, "HANG") != 0; answer++) {
            const char *text = *answer == '@' ? script->place.text : answer;
            (void)send(fd, text, *answer == '@' ? strlen(text) : 1, MSG_NOSIGNAL);
        }
        if (*answer) (void)pause();
        (void)close(fd);
    }
    _exit(0);
}

static void start_script(struct script *script, const char *path, const char *const *answers)
{
    script->listener = listening(&script->place, 8);
    (void)snprintf(script->url, sizeof script->url, "http://%s%s", script->place.text, path);
    (void)fflush(NULL);
    script->process = fork();
    if (script->process == 0) play(script, answers);
}

static void end_script(struct script *script)
{
    (void)kill(script->process, SIGKILL);
    (void)exit_code(script->process);
    (void)close(script->listener);
}

/* Runs http_get on a server with these answers. */
static void fetch(struct run *r, const char *path, const char *const *answers)
{
    struct script script;
    start_script(&script, path, answers);
    RUN(r, HTTP_GET, script.url, "--timeout", "10s");
    end_script(&script);
}

#define FETCH(r, path, ...) fetch(r, path, (const char *const[]){__VA_ARGS__, NULL})

static void assert_fetched(const struct run *r, const char *body)
{
    assert_status(r, 0);
    cr_assert_str_eq(r->out, body, "got: %s\nerr: %s", r->out, r->err);
    assert_has(r->err, "http_get: 200 ");
}

/* --- what responses there are --------------------------------------------------------------------------- */

Test(http, a_body_ends_at_its_length_at_its_last_chunk_or_with_the_connection)
{
    struct run r;
    FETCH(&r, "/", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_fetched(&r, "hello");
    assert_has(r.err, "200 OK: 5 bytes in ");
    FETCH(&r, "/", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more HANG");
    assert_fetched(&r, "hello");
    FETCH(&r, "/",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: "
          "b\r\n\r\nHANG");
    assert_fetched(&r, "hello!");
    FETCH(&r, "/", "HTTP/1.1 200 OK\r\n\r\nhello");
    assert_fetched(&r, "hello");
    FETCH(&r, "/", "HTTP/1.0 200 Fine\r\nContent-Length: 0\r\n\r\n");
    assert_fetched(&r, "");
    FETCH(&r, "/", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHANG");
    assert_fetched(&r, "hi");
}

Test(http, the_request_is_what_a_server_expects)
{
    struct run r;
    FETCH(&r, "/a/b?c=d#fragment", "ECHO");
    assert_status(&r, 0);
    assert_has(r.out, "GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:");
    assert_has(r.out, "\r\nConnection: close\r\n");
    FETCH(&r, "", "ECHO");
    assert_has(r.out, "GET / HTTP/1.1\r\n");
    FETCH(&r, "?q", "ECHO");
    assert_has(r.out, "GET /?q HTTP/1.1\r\n");
}

Test(http, names_are_looked_up)
{
    static const char *const answers[] = {"ECHO", NULL};
    struct script script;
    struct run r;
    char url[64];
    start_script(&script, "/", answers);
    (void)snprintf(url, sizeof url, "http://localhost:%d/", ntohs(script.place.address.sin_port));
    RUN(&r, HTTP_GET, url);
    assert_status(&r, 0);
    assert_has(r.out, "Host: localhost:");
    end_script(&script);
}

Test(http, redirections_are_followed_wherever_they_point)
{
    static const struct {
        const char *path;
        const char *location;
        const char *asked;
    } cases[] = {
        {"/a/b", "http://@/c", "GET /c HTTP"},
        {"/a/b", "//@/c?d", "GET /c?d HTTP"},
        {"/a/b", "/c#e", "GET /c HTTP"},
        {"/a/b", "c", "GET /a/c HTTP"},
        {"/a/b?x/y", "../c", "GET /c HTTP"},
        {"/a/b", "?c", "GET /a/b?c HTTP"},
        {"/a/b/", "./../../../c/.", "GET /c/ HTTP"},
        {"/a/b", "c/../d/..", "GET /a/ HTTP"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char answer[256];
        struct run r;
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 302 Found\r\nlocation: %s\r\n\r\nignored",
                       cases[i].location);
        FETCH(&r, cases[i].path, answer, "ECHO");
        assert_status(&r, 0);
        assert_has(r.out, cases[i].asked);
    }
}

Test(http, redirections_have_an_end)
{
    struct run r;
    const char *round = "HTTP/1.1 301 Moved\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    FETCH(&r, "/", round, round, round, round, round, round, round, round, round, round, round, round);
    assert_status(&r, 1);
    assert_has(r.err, "too many redirections");
    FETCH(&r, "/", "HTTP/1.1 301 Moved\r\nLocation: https://www.example.org/\r\n\r\n");
    assert_status(&r, 1);
    assert_has(r.err, "redirects to https://www.example.org/: https is not supported");
    FETCH(&r, "/", "HTTP/1.1 302 Found\r\n\r\n");
    assert_status(&r, 1);
    assert_has(r.err, "the server answers 302 Found");
}

Test(http, what_a_server_refuses_is_told_and_its_page_not_taken_for_the_body)
{
    struct run r;
    FETCH(&r, "/", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    assert_status(&r, 1);
    cr_assert_str_eq(r.out, "");
    assert_has(r.err, "/: the server answers 404 Not Found");
}

Test(http, responses_that_are_cut_off_or_no_http_are_errors)
{
    static const struct {
        const char *answer;
        const char *said;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "ended in the middle"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "ended in the middle"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "ended in the middle"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid character in chunk size"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "content-length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "content-length"},
        {"HTTP/1.1 200 OK\r\nContent", "ended in the middle"},
        {"SSH-2.0-server\r\n", "malformed response"},
        {"", "ended without a response"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        FETCH(&r, "/", cases[i].answer);
        assert_status(&r, 1);
        assert_has(r.err, cases[i].said);
    }
}

/* --- time ----------------------------------------------------------------------------------------------- */

Test(http, a_server_that_falls_silent_is_given_up_with_124)
{
    static const char *const silent[] = {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhelloHANG", NULL};
    struct script script;
    struct run r;
    start_script(&script, "/", silent);
    int64_t began = now_ms();
    RUN(&r, HTTP_GET, "--timeout=200ms", script.url);
    assert_status(&r, 124);
    cr_assert_geq(now_ms() - began, 200);
    assert_has(r.err, "timed out: nothing came for 200.00 ms, after 5 bytes of the body");
    end_script(&script);
}

Test(http, a_host_that_does_not_answer_is_given_up_with_124_and_one_that_refuses_with_1)
{
    struct place place;
    struct full full;
    struct run r;
    char url[64], said[128];
    fill(&full, &place);
    (void)snprintf(url, sizeof url, "http://%s/", place.text);
    RUN(&r, HTTP_GET, url, "--timeout", "200ms");
    assert_status(&r, 124);
    (void)snprintf(said, sizeof said, "; tried %s no answer", place.text);
    assert_has(r.err, "timed out after ");
    assert_has(r.err, said);
    empty(&full);

    int closed = bound(&place);
    (void)snprintf(url, sizeof url, "http://%s/", place.text);
    RUN(&r, HTTP_GET, url);
    assert_status(&r, 1);
    (void)snprintf(said, sizeof said, "; tried %s refused", place.text);
    assert_has(r.err, said);
    (void)close(closed);
}

/* --- usage and output ----------------------------------------------------------------------------------- */

Test(http, wrong_usage_is_named_and_exits_with_2)
{
    static const struct {
        const char *url;
        const char *said;
    } cases[] = {
        {"https://www.example.org/", "https is not supported"},
        {"HTTPS://www.example.org/", "https is not supported"},
        {"ftp://www.example.org/", "not a URL that begins with http://"},
        {"www.example.org", "not a URL that begins with http://"},
        {"http://", "malformed URL"},
        {"http:///path", "malformed URL"},
        {"http://host:0/", "port 0"},
        {"http://host:65536/", "malformed URL"},
        {"http://host:x/", "malformed URL"},
        {"http://user:secret@host/", "user names"},
        {"http://host/a b", "blanks"},
        {"http://host/a\r\nX: y", "blanks"},
        {"http://host/\xc3\xbc", "%-encoded"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        RUN(&r, HTTP_GET, cases[i].url);
        assert_status(&r, 2);
        assert_has(r.err, cases[i].said);
        assert_has(r.err, "usage: http_get URL");
        cr_assert_str_eq(r.out, "");
    }
    struct run r;
    RUN(&r, HTTP_GET, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--timeout");
    assert_has(r.out, "-o");
    assert_has(r.out, "124");
}

Test(http, a_body_may_go_to_a_file_and_one_that_cannot_be_written_is_an_error)
{
    char path[] = "/tmp/bide-http-XXXXXX", text[16] = "";
    int fd = mkstemp(path);
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", NULL};
    struct script script;
    struct run r;
    start_script(&script, "/", answers);
    RUN(&r, HTTP_GET, script.url, "-o", path);
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, "");
    assert_has(r.err, path);
    cr_assert_eq(read(fd, text, sizeof text), 5);
    cr_assert_str_eq(text, "hello");
    RUN(&r, HTTP_GET, script.url, "-o", "/no-such-folder/file");
    assert_status(&r, 1);
    assert_has(r.err, "/no-such-folder/file: No such file");
    RUN(&r, HTTP_GET, script.url, "-o", "/dev/full");
    assert_status(&r, 1);
    assert_has(r.err, "/dev/full: No space left");
    end_script(&script);
    (void)close(fd);
    (void)unlink(path);
}

/* A terminal for standard error. Its other end; the program runs meanwhile. */
static int start_on_terminal(pid_t *child, const char *url)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) BIDE_SKIP("no terminals here");
    (void)fflush(NULL);
    *child = fork();
    if (*child == 0) {
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(slave, STDERR_FILENO);
        (void)dup2(nowhere, STDOUT_FILENO);
        (void)execl(HTTP_GET, HTTP_GET, url, (char *)NULL);
        _exit(127);
    }
    return master;
}

Test(http, on_a_terminal_it_shows_how_far_it_is)
{
    struct place place;
    char url[64], seen[OUTPUT] = "", request[OUTPUT];
    size_t length = 0;
    pid_t child;
    int listener = listening(&place, 1);
    (void)snprintf(url, sizeof url, "http://%s/", place.text);
    int terminal = start_on_terminal(&child, url);
    int fd = accept(listener, NULL, NULL);
    take_request(fd, request);
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
    send_all(fd, head, sizeof head - 1);
    /* It looks at most ten times a second, and only when something comes. */
    for (int64_t began = now_ms(); !strstr(seen, " of 1.0 MiB, ");) {
        cr_assert_lt(now_ms() - began, PATIENCE, "no progress is shown: %s", seen);
        send_all(fd, "some", 4);
        if (!readable(terminal, 10)) continue;
        ssize_t got = read(terminal, seen + length, sizeof seen - 1 - length);
        cr_assert_gt(got, 0, "read: %s", strerror(errno));
        length += (size_t)got;
        seen[length] = '\0';
    }
    assert_has(seen, "[....");
    (void)close(fd);
    cr_assert_eq(exit_code(child), 1);
    (void)close(terminal);
    (void)close(listener);
}

/* --- real servers --------------------------------------------------------------------------------------- */

/* A folder with files to serve. */
static void make_site(char folder[64])
{
    char command[512];
    (void)snprintf(folder, 64, "/tmp/bide-site-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(command, sizeof command,
                   "cd %s && mkdir -m 755 sub logs && chmod 755 . && echo hello >sub/index.html && "
                   "head -c 3000000 /dev/urandom >big && chmod 644 big sub/*",
                   folder);
    cr_assert_eq(system(command), 0);
}

static void remove_site(const char *folder)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

static bool same_files(const char *a, const char *b)
{
    char command[512];
    (void)snprintf(command, sizeof command, "cmp -s %s %s", a, b);
    return system(command) == 0;
}

/* What any server of files must give. */
static void assert_serves(const char *folder, int port)
{
    struct run r;
    char url[128], file[128], big[128];
    (void)snprintf(url, sizeof url, "http://localhost:%d/sub", port);
    RUN(&r, HTTP_GET, url);
    assert_fetched(&r, "hello\n");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/big", port);
    (void)snprintf(file, sizeof file, "%s/copy", folder);
    (void)snprintf(big, sizeof big, "%s/big", folder);
    RUN(&r, HTTP_GET, url, "-o", file);
    assert_status(&r, 0);
    assert_has(r.err, "2.9 MiB");
    cr_assert(same_files(file, big), "what came is not what was served");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/none", port);
    RUN(&r, HTTP_GET, url);
    assert_status(&r, 1);
    assert_has(r.err, "the server answers 404 ");
}

Test(http, python_serves_it)
{
    if (system("python3 -c 'import http.server' 2>/dev/null") != 0) BIDE_SKIP("no python3 here");
    char folder[64], line[256] = "";
    int ends[2], port = 0;
    make_site(folder);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    (void)fflush(NULL);
    pid_t server = fork();
    if (server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        (void)execlp("python3", "python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1",
                     "--directory", folder, (char *)NULL);
        _exit(127);
    }
    cr_assert(readable(ends[0], PATIENCE), "python3 says nothing");
    cr_assert_gt(read(ends[0], line, sizeof line - 1), 0);
    cr_assert_eq(sscanf(line, "Serving HTTP on 127.0.0.1 port %d", &port), 1, "%s", line);
    assert_serves(folder, port);
    (void)kill(server, SIGKILL);
    (void)exit_code(server);
    remove_site(folder);
}

static void configure_nginx(const char *folder, int port)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/conf", folder);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    (void)fprintf(file,
                  "daemon off; master_process off; pid %s/pid; error_log %s/logs/error;\n"
                  "events { worker_connections 32; }\n"
                  "http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2;\n"
                  "fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
                  "types { text/html html; } gzip on; gzip_min_length 1; root %s;\n"
                  "server { listen 127.0.0.1:%d; location = /moved { return 301 /sub/; } } }\n",
                  folder, folder, folder, folder, folder, folder, folder, folder, port);
    cr_assert_eq(fclose(file), 0);
}

Test(http, nginx_serves_it)
{
    static const char nginx[] = "/usr/sbin/nginx";
    if (access(nginx, X_OK) != 0) BIDE_SKIP("no nginx here");
    char folder[64], conf[128], url[128];
    struct place place;
    struct run r;
    make_site(folder);
    /* A port that was free a moment ago: nginx does not take 0. */
    (void)close(bound(&place));
    int port = ntohs(place.address.sin_port), client;
    configure_nginx(folder, port);
    (void)snprintf(conf, sizeof conf, "%s/conf", folder);
    (void)fflush(NULL);
    pid_t server = fork();
    if (server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        (void)execl(nginx, nginx, "-p", folder, "-c", conf, (char *)NULL);
        _exit(127);
    }
    while ((client = try_connect(&place)) < 0) {
        cr_assert_eq(waitpid(server, NULL, WNOHANG), 0, "nginx has ended");
        (void)poll(NULL, 0, 10);
    }
    (void)close(client);
    assert_serves(folder, port);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/moved", port);
    RUN(&r, HTTP_GET, url);
    assert_fetched(&r, "hello\n");
    (void)kill(server, SIGTERM);
    (void)exit_code(server);
    remove_site(folder);
}
