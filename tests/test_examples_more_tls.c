/* The examples for TLS, against openssl's own client and server, and each other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TLS_CLIENT BIDE_EXAMPLES "/tls_client"
#define TLS_ECHO_SERVER BIDE_EXAMPLES "/tls_echo_server"
#define OPENSSL "/usr/bin/env", "openssl"

/* --- certificates --- */

static struct {
    char folder[64];
    char certificate[80];
    char key[80];
    bool made;
} files;

/* One that signs itself, for that name. */
static void make_files(const char *name)
{
    if (access(TLS_CLIENT, X_OK) != 0) return;
    (void)snprintf(files.folder, sizeof files.folder, "/tmp/bide-tls-XXXXXX");
    if (!mkdtemp(files.folder)) return;
    (void)snprintf(files.certificate, sizeof files.certificate, "%s/certificate", files.folder);
    (void)snprintf(files.key, sizeof files.key, "%s/key", files.folder);
    char names[64];
    (void)snprintf(names, sizeof names, "subjectAltName=%s", name);
    struct run r;
    RUN(&r, OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", files.key, "-out", files.certificate, "-days", "2", "-subj", "/CN=test", "-addext", names);
    files.made = r.status == 0;
}

static void make_for_this_machine(void)
{
    make_files("DNS:localhost,IP:127.0.0.1");
}

static void remove_files(void)
{
    if (!files.folder[0]) return;
    (void)unlink(files.certificate);
    (void)unlink(files.key);
    (void)rmdir(files.folder);
}

#define NEED_FILES() \
    if (!files.made) BIDE_SKIP("no OpenSSL here, or no program openssl")

TestSuite(tls, .timeout = 60, .init = make_for_this_machine, .fini = remove_files);

/* --- both ends --- */

static void start_echo_server(struct server *server, const char *option, const char *value)
{
    START(server, TLS_ECHO_SERVER, "--certificate", files.certificate, "--key", files.key, "--listen",
          "127.0.0.1:0", option, value);
}

/* A server of openssl's that sends each line back in reverse. */
static void start_openssl_server(struct talk *talk, struct place *place, const char *version)
{
    TALK(talk, OPENSSL, "s_server", "-accept", "127.0.0.1:0", "-cert", files.certificate, "-key", files.key,
         "-rev", "-naccept", "1", version);
    char line[LINE];
    do
        read_line(talk->out, line);
    while (strncmp(line, "ACCEPT ", 7) != 0);
    place_from(place, line + 7);
}

static void start_client(struct talk *talk, const struct place *place)
{
    TALK(talk, TLS_CLIENT, place->text, "--ca", files.certificate, "--timeout", "20s");
}

static void assert_client_fails(const struct place *place, const char *why)
{
    struct run r;
    RUN(&r, TLS_CLIENT, place->text, "--ca", files.certificate, "--timeout", "20s");
    assert_status(&r, 1);
    assert_has(r.err, why);
}

/* --- the client --- */

static void talk_to_openssl(const char *version)
{
    struct talk server;
    struct talk client;
    struct place place;
    start_openssl_server(&server, &place, version);
    start_client(&client, &place);
    say(&client, "stressed\n");
    assert_says(&client, "desserts");
    say(&client, "live\n");
    assert_says(&client, "evil");
    end_input(&client);
    assert_talk_ends(&client, 0);
    assert_talk_ends(&server, 0);
}

Test(tls, client_talks_to_openssl)
{
    NEED_FILES();
    talk_to_openssl("-tls1_3");
    talk_to_openssl("-tls1_2");
}

Test(tls, client_looks_names_up_and_sends_files)
{
    NEED_FILES();
    struct server server;
    start_echo_server(&server, "--threads", "1");
    char host[64];
    (void)snprintf(host, sizeof host, "localhost:%s", strchr(server.place.text, ':') + 1);
    int input = open(files.certificate, O_RDONLY | O_CLOEXEC);
    struct run r;
    run_with(&r, input, -1, (const char *const[]){TLS_CLIENT, host, "--ca", files.certificate, NULL});
    (void)close(input);
    assert_status(&r, 0);
    assert_has(r.out, "-----END CERTIFICATE-----\n");
    stop(&server);
}

Test(tls, client_refuses_whom_it_does_not_trust)
{
    NEED_FILES();
    struct server server;
    start_echo_server(&server, "--threads", "1");
    struct run r;
    RUN(&r, TLS_CLIENT, server.place.text, "--timeout", "20s");
    assert_status(&r, 1);
    assert_has(r.err, "handshake: self");
    stop(&server);
    RUN(&r, TLS_CLIENT, server.place.text, "--ca", "/nowhere");
    assert_status(&r, 1);
    assert_has(r.err, "/nowhere: ");
}

Test(tls, client_refuses_a_certificate_for_another)
{
    NEED_FILES();
    remove_files();
    make_files("DNS:example.com,IP:192.0.2.1");
    struct server server;
    start_echo_server(&server, "--threads", "2");
    assert_client_fails(&server.place, "IP address mismatch");
    char *colon = strchr(server.place.text, ':');
    struct place named;
    (void)snprintf(named.text, sizeof named.text, "localhost:%.6s", colon + 1);
    assert_client_fails(&named, "hostname mismatch");
    stop(&server);
}

Test(tls, client_gives_up_on_silence_and_on_what_is_no_tls)
{
    NEED_FILES();
    struct place place;
    int listener = listening(&place, 8);
    struct run r;
    int64_t start = now_ms();
    RUN(&r, TLS_CLIENT, place.text, "--timeout", "200ms");
    assert_status(&r, 124);
    assert_has(r.err, "handshake: timed out");
    cr_assert_geq(now_ms() - start, 200, "over after %d ms", (int)(now_ms() - start));
    int silent = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    struct talk client;
    start_client(&client, &place);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    send_all(fd, "220 ready\r\n", 11);
    assert_talk_ends(&client, 1);
    (void)close(fd);
    (void)close(silent);
    (void)close(listener);
    assert_client_fails(&place, "connecting: connection refused");
}

/* --- the server --- */

Test(tls, server_echoes_to_openssl)
{
    NEED_FILES();
    struct server server;
    start_echo_server(&server, "--threads", "2");
    static const char *const versions[] = {"-tls1_3", "-tls1_2"};
    struct talk clients[2];
    for (int i = 0; i < 2; i++)
        TALK(&clients[i], OPENSSL, "s_client", "-connect", server.place.text, "-CAfile", files.certificate,
             "-verify_return_error", "-verify_hostname", "localhost", "-quiet", "-no_ign_eof", versions[i]);
    for (int i = 1; i >= 0; i--) {
        say(&clients[i], "one\n");
        assert_says(&clients[i], "one");
        say(&clients[i], "two\n");
        assert_says(&clients[i], "two");
    }
    for (int i = 0; i < 2; i++) {
        end_input(&clients[i]);
        assert_talk_ends(&clients[i], 0);
    }
    stop(&server);
}

/* Far more than the buffers of both ends hold: each side has to wait in each direction. */
Test(tls, much_goes_both_ways_at_once)
{
    NEED_FILES();
    enum { MUCH = 8 * 1024 * 1024 };
    struct server server;
    start_echo_server(&server, "--threads", "1");
    int sent = memfd_create("sent", MFD_CLOEXEC);
    int back = memfd_create("back", MFD_CLOEXEC);
    cr_assert_eq(ftruncate(sent, MUCH), 0);
    unsigned char *in = mmap(NULL, MUCH, PROT_READ | PROT_WRITE, MAP_SHARED, sent, 0);
    cr_assert_neq(in, MAP_FAILED);
    for (size_t i = 0; i < MUCH; i++)
        in[i] = (unsigned char)(i * 2654435761U >> 13);
    struct run r;
    run_with(&r, sent, back,
             (const char *const[]){TLS_CLIENT, server.place.text, "--ca", files.certificate, NULL});
    assert_status(&r, 0);
    struct stat file;
    cr_assert_eq(fstat(back, &file), 0);
    cr_assert_eq(file.st_size, MUCH, "%ld bytes came back", (long)file.st_size);
    unsigned char *out = mmap(NULL, MUCH, PROT_READ, MAP_SHARED, back, 0);
    cr_assert_neq(out, MAP_FAILED);
    cr_assert_eq(memcmp(in, out, MUCH), 0, "other bytes came back");
    (void)munmap(in, MUCH);
    (void)munmap(out, MUCH);
    (void)close(sent);
    (void)close(back);
    stop(&server);
}

Test(tls, server_says_goodbye_when_it_is_stopped)
{
    NEED_FILES();
    struct server server;
    start_echo_server(&server, "--threads", "3");
    struct talk clients[2];
    for (int i = 0; i < 2; i++) {
        start_client(&clients[i], &server.place);
        say(&clients[i], "hello\n");
        assert_says(&clients[i], "hello");
    }
    stop(&server);
    for (int i = 0; i < 2; i++)
        assert_talk_ends(&clients[i], 0);
}

Test(tls, server_keeps_no_thread_for_a_client_that_says_nothing)
{
    NEED_FILES();
    struct server server;
    START(&server, TLS_ECHO_SERVER, "--certificate", files.certificate, "--key", files.key, "--listen",
          "127.0.0.1:0", "--threads", "1", "--idle", "200ms");
    int silent = connected(&server.place);
    struct talk client;
    start_client(&client, &server.place);
    say(&client, "at last\n");
    assert_says(&client, "at last");
    cr_assert(ends(silent), "the silent one is kept");
    (void)close(silent);
    stop(&server);
    assert_talk_ends(&client, 0);
}

Test(tls, server_names_what_is_wrong)
{
    NEED_FILES();
    static const struct {
        const char *option, *value;
        int status;
        const char *named;
    } cases[] = {
        {"--listen", "127.0.0.1:0", 2, "--certificate: missing"},
        {"--certificate", "/nowhere", 2, "--key: missing"},
        {"--threads", "0", 2, "0: not a number of at least 1"},
    };
    struct run r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        RUN(&r, TLS_ECHO_SERVER, cases[i].option, cases[i].value);
        assert_status(&r, cases[i].status);
        assert_has(r.err, cases[i].named);
    }
    RUN(&r, TLS_ECHO_SERVER, "--certificate", "/nowhere", "--key", files.key);
    assert_status(&r, 1);
    assert_has(r.err, "/nowhere");
    RUN(&r, TLS_ECHO_SERVER, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--certificate");
    RUN(&r, TLS_CLIENT, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--ca");
    RUN(&r, TLS_CLIENT, "::1:443");
    assert_status(&r, 2);
    assert_has(r.err, "::1:443: not a host with a port");
}
