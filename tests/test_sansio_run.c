/* Two protocols composed into a third, over every driver.
 *
 * Greeting: says "HELLO\n", is answered with a name. Fetching: says "GET\n", is answered with a length, and so
 * many bytes. The session is a greeting, a sleep, and a fetching over the same input: the server may send all
 * at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include <bide.h>
#include <bide/sansio.h>
#include <bide/sansio_run.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(sansio_run, .timeout = 60);

struct greeting {
    int stage;
    bide_sansio_write_all write;
    bide_sansio_read_line read;
    char name[16];
};

static void greeting_init(struct greeting *greeting, bide_sansio_input *input)
{
    greeting->stage = 0;
    bide_sansio_write_all_init(&greeting->write, "HELLO\n", 6);
    bide_sansio_read_line_init(&greeting->read, input, 0);
}

static int greeting_resume(struct greeting *greeting, bide_sansio_io *io)
{
    int status = BIDE_SANSIO_DONE;
    if (greeting->stage == 0) {
        status = bide_sansio_write_all_resume(&greeting->write, io);
        if (status) return status;
        greeting->stage = 1;
    }
    if (greeting->stage == 1) {
        status = bide_sansio_read_line_resume(&greeting->read, io);
        if (status) return status;
        if (greeting->read.length >= sizeof greeting->name) return BIDE_EMSGSIZE;
        memcpy(greeting->name, greeting->read.line, greeting->read.length);
        greeting->name[greeting->read.length] = '\0';
        greeting->stage = 2;
    }
    return status;
}

struct fetching {
    int stage;
    bide_sansio_input *input;
    bide_sansio_write_all write;
    bide_sansio_read_line line;
    bide_sansio_read_exact body;
    char bytes[32];
    size_t length;
};

static void fetching_init(struct fetching *fetching, bide_sansio_input *input)
{
    fetching->stage = 0;
    fetching->input = input;
    bide_sansio_write_all_init(&fetching->write, "GET\n", 4);
    bide_sansio_read_line_init(&fetching->line, input, 0);
}

static int fetching_resume(struct fetching *fetching, bide_sansio_io *io)
{
    int status = BIDE_SANSIO_DONE;
    if (fetching->stage == 0) {
        status = bide_sansio_write_all_resume(&fetching->write, io);
        if (status) return status;
        fetching->stage = 1;
    }
    if (fetching->stage == 1) {
        status = bide_sansio_read_line_resume(&fetching->line, io);
        if (status) return status;
        fetching->length = (size_t)strtoul(fetching->line.line, NULL, 10);
        if (fetching->length > sizeof fetching->bytes) return BIDE_EMSGSIZE;
        bide_sansio_read_exact_init(&fetching->body, fetching->input, fetching->bytes, fetching->length);
        fetching->stage = 2;
    }
    return bide_sansio_read_exact_resume(&fetching->body, io);
}

struct session {
    int stage;
    bide_sansio_input input;
    char buffer[24];
    struct greeting greeting;
    bide_sansio_sleep sleep;
    struct fetching fetching;
};

static void session_init(struct session *session)
{
    session->stage = 0;
    bide_sansio_input_init(&session->input, session->buffer, sizeof session->buffer);
    greeting_init(&session->greeting, &session->input);
    bide_sansio_sleep_init(&session->sleep, BIDE_MILLISECONDS(1));
    fetching_init(&session->fetching, &session->input);
}

static int session_resume(struct session *session, bide_sansio_io *io)
{
    int status;
    if (session->stage == 0) {
        status = greeting_resume(&session->greeting, io);
        if (status) return status;
        session->stage = 1;
    }
    if (session->stage == 1) {
        status = bide_sansio_sleep_resume(&session->sleep, io);
        if (status) return status;
        session->stage = 2;
    }
    return fetching_resume(&session->fetching, io);
}

static const char answers[] = "Bide\r\n12\nhello, world, and more";
static const char requests[] = "HELLO\nGET\n";

static void expect_session(const struct session *session)
{
    cr_assert_str_eq(session->greeting.name, "Bide");
    cr_assert_eq(session->fetching.length, 12);
    cr_assert(memcmp(session->fetching.bytes, "hello, world", 12) == 0);
}

Test(sansio_run, two_protocols_compose_in_memory_at_any_split)
{
    for (size_t piece = 0; piece < sizeof answers; piece++) {
        char output[32];
        bide_sansio_memory memory = {.input = answers,
                                     .input_length = sizeof answers - 1,
                                     .output = output,
                                     .output_room = sizeof output,
                                     .piece = piece};
        struct session session;
        bide_sansio_io io = {0};
        session_init(&session);
        int status;
        while ((status = session_resume(&session, &io)) == BIDE_SANSIO_WANTS)
            bide_sansio_on_memory(&io, &memory);
        cr_assert_eq(status, BIDE_SANSIO_DONE);
        expect_session(&session);
        cr_assert_eq(memory.output_used, sizeof requests - 1);
        cr_assert(memcmp(output, requests, sizeof requests - 1) == 0);
        cr_assert_eq(memory.now.ns, BIDE_MILLISECONDS(1));
    }
}

Test(sansio_run, the_end_of_the_stream_is_told_at_every_offset)
{
    size_t whole = strlen("Bide\r\n12\nhello, world");
    for (size_t length = 0; length <= whole; length++) {
        char output[32];
        bide_sansio_memory memory = {.input = answers,
                                     .input_length = length,
                                     .output = output,
                                     .output_room = sizeof output};
        struct session session;
        bide_sansio_io io = {0};
        session_init(&session);
        int status;
        while ((status = session_resume(&session, &io)) == BIDE_SANSIO_WANTS)
            bide_sansio_on_memory(&io, &memory);
        cr_assert_eq(status, length == whole ? BIDE_SANSIO_DONE : BIDE_EEOF, "%s after %zu bytes",
                     bide_error_name(status), length);
    }
}

/* A socket at whose other end all answers lie ready. */
static void open_pair(int ends[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    cr_assert_eq(write(ends[1], answers, sizeof answers - 1), (ssize_t)sizeof answers - 1);
}

static void expect_requests(int fd)
{
    char said[32];
    ssize_t length = recv(fd, said, sizeof said, 0);
    cr_assert_eq(length, (ssize_t)sizeof requests - 1);
    cr_assert(memcmp(said, requests, sizeof requests - 1) == 0);
}

Test(sansio_run, they_run_over_a_blocking_descriptor)
{
    int ends[2];
    open_pair(ends);
    struct session session;
    bide_sansio_io io = {0};
    session_init(&session);
    bide_instant start = bide_now();
    int status;
    while ((status = session_resume(&session, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_fd(&io, ends[0]);
    cr_assert_eq(status, BIDE_SANSIO_DONE);
    cr_assert_geq(bide_instant_since(bide_now(), start), BIDE_MILLISECONDS(1));
    expect_session(&session);
    expect_requests(ends[1]);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(sansio_run, a_failed_call_on_a_descriptor_is_an_error_of_bide)
{
    char buffer[4];
    bide_sansio_read read;
    bide_sansio_io io = {0};
    bide_sansio_read_init(&read, NULL, buffer, sizeof buffer);
    cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_SANSIO_WANTS);
    bide_sansio_on_fd(&io, -1);
    cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_EBADF);
}

static int run_async(void *arg)
{
    struct session session;
    bide_sansio_io io = {0};
    session_init(&session);
    int status;
    while ((status = session_resume(&session, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_async(&io, arg, bide_after(BIDE_SECONDS(20)));
    if (status == BIDE_SANSIO_DONE) expect_session(&session);
    return status;
}

Test(sansio_run, they_run_over_bide_on_a_thread)
{
    int ends[2];
    open_pair(ends);
    bide_async *conn;
    cr_assert_eq(bide_async_new(&conn, ends[0]), 0);
    cr_assert_eq(run_async(conn), BIDE_SANSIO_DONE);
    expect_requests(ends[1]);
    (void)bide_async_free(conn);
    (void)close(ends[1]);
}

Test(sansio_run, they_run_over_bide_in_a_task)
{
    int ends[2];
    open_pair(ends);
    bide_async *conn;
    cr_assert_eq(bide_async_new(&conn, ends[0]), 0);
    cr_assert_eq(bide_run(run_async, conn, NULL), BIDE_SANSIO_DONE);
    expect_requests(ends[1]);
    (void)bide_async_free(conn);
    (void)close(ends[1]);
}

Test(sansio_run, a_deadline_of_the_driver_fails_the_coroutine)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    bide_async *conn;
    cr_assert_eq(bide_async_new(&conn, ends[0]), 0);
    struct session session;
    bide_sansio_io io = {0};
    session_init(&session);
    int status;
    while ((status = session_resume(&session, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_async(&io, conn, bide_after(BIDE_MILLISECONDS(1)));
    cr_assert_eq(status, BIDE_ETIMEDOUT);
    (void)bide_async_free(conn);
    (void)close(ends[1]);
}
