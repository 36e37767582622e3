/* The server's coroutine: the format byte for byte, at any split, with every end, and whatever comes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_countdown.h"

#include <bide/sansio_run.h>

#include <stdlib.h>

TestSuite(countdown_server, .timeout = 60);

static bide_countdown countdown;
static bide_countdown_server server;
static bide_sansio_memory memory;
static char output[1 << 20];
static char all_events[8192];
static char buffer[BIDE_COUNTDOWN_LINE_MAX];

static void open_server(int64_t loops, size_t capacity)
{
    bide_countdown_config config = work_and_rest(loops);
    cr_assert_eq(bide_countdown_init(&countdown, &config), 0);
    bide_countdown_server_init(&server, buffer, capacity);
    memory = (bide_sansio_memory){.output = output, .output_room = sizeof output};
    all_events[0] = '\0';
}

/* Serves what `text` has until the stream ends; returns how it ended. */
static int serve_bytes(const char *text, size_t length, size_t piece)
{
    memory.input = text;
    memory.input_length = length;
    memory.input_used = 0;
    memory.output_used = 0;
    memory.piece = piece;
    bide_sansio_io io = {0};
    int status;
    do {
        status = bide_countdown_server_resume(&server, &countdown, &io);
        if (server.events.count > 0) {
            if (all_events[0]) (void)strncat(all_events, "; ", sizeof all_events - strlen(all_events) - 1);
            (void)strncat(all_events, events_text(&server.events),
                          sizeof all_events - strlen(all_events) - 1);
        }
        if (status == BIDE_SANSIO_WANTS) bide_sansio_on_memory(&io, &memory);
    } while (status >= 0);
    return status;
}

static int serve(const char *text, size_t piece)
{
    return serve_bytes(text, strlen(text), piece);
}

static void expect_output(const char *expected)
{
    cr_assert(memory.output_used == strlen(expected) && memcmp(output, expected, memory.output_used) == 0,
              "answered \"%.*s\" instead of \"%s\"", (int)memory.output_used, output, expected);
}

static const char stopped_timer[] =
    "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"Work\",\"duration\":2},{\"name\":\"Rest\",\"duration\":"
    "3}],"
    "\"cycles-count\":\"infinite\"},\"state\":\"stopped\",\"cycle\":{\"name\":\"Work\",\"duration\":2},"
    "\"cycles-count\":\"infinite\",\"elapsed\":0}}\n";

Test(countdown_server, a_get_is_answered_byte_for_byte)
{
    open_server(0, sizeof buffer);
    cr_assert_eq(serve("\"get\"\n", 0), BIDE_END);
    expect_output(stopped_timer);
}

Test(countdown_server, each_request_is_answered_and_done)
{
    open_server(3, sizeof buffer);
    cr_assert_eq(serve("\"start\"\n{\"set\":300}\n\"pause\"\n\"resume\"\n\"stop\"\n", 0), BIDE_END);
    expect_output("\"ok\"\n\"ok\"\n\"ok\"\n\"ok\"\n\"ok\"\n");
    cr_assert_str_eq(all_events, "started; began Work 2; set Work 300; paused Work 300; resumed Work 300; "
                                 "ended Work 300; stopped");
}

Test(countdown_server, a_running_countdown_with_loops_is_answered_byte_for_byte)
{
    open_server(3, sizeof buffer);
    cr_assert_eq(serve("\"start\"\n", 0), BIDE_END);
    bide_countdown_server_init(&server, buffer, sizeof buffer);
    memory.now = at_ms(2500);
    cr_assert_eq(serve("\"get\"\n\"pause\"\n\"get\"\n", 0), BIDE_END);
    expect_output(
        "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"Work\",\"duration\":2},{\"name\":\"Rest\","
        "\"duration\":3}],"
        "\"cycles-count\":{\"fixed\":3}},\"state\":\"running\",\"cycle\":{\"name\":\"Rest\",\"duration\":3},"
        "\"cycles-count\":{\"fixed\":3},\"elapsed\":2}}\n"
        "\"ok\"\n"
        "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"Work\",\"duration\":2},{\"name\":\"Rest\","
        "\"duration\":3}],"
        "\"cycles-count\":{\"fixed\":3}},\"state\":\"paused\",\"cycle\":{\"name\":\"Rest\",\"duration\":3},"
        "\"cycles-count\":{\"fixed\":3},\"elapsed\":2}}\n");
    cr_assert_str_eq(all_events, "started; began Work 2; ended Work 0; began Rest 3; paused Rest 3");
}

Test(countdown_server, the_object_form_and_carriage_returns_and_blanks_are_accepted)
{
    open_server(0, sizeof buffer);
    cr_assert_eq(serve("{\"start\":null}\r\n{\"pause\":null}\n \t{ \"resume\" : null } \r\n\"set\\u0074\"\n"
                       "\"st\\u006fp\"\r\n{\"set\":7}\r\n{\"\\u0073et\":8}\n",
                       0),
                 BIDE_END);
    expect_output("\"ok\"\n\"ok\"\n\"ok\"\n{\"error\":\"unknown request\"}\n\"ok\"\n\"ok\"\n\"ok\"\n");
}

Test(countdown_server, requests_may_come_one_byte_at_a_time_and_many_at_once)
{
    static const char requests[] = "\"start\"\n\"get\"\r\n{\"set\":1}\n{\"nonsense\n\"stop\"\n\"get\"\n";
    char expected[2048];
    open_server(0, sizeof buffer);
    cr_assert_eq(serve(requests, 0), BIDE_END);
    size_t length = memory.output_used;
    cr_assert_lt(length, sizeof expected);
    memcpy(expected, output, length);
    for (size_t piece = 1; piece < sizeof requests; piece++) {
        open_server(0, sizeof buffer);
        cr_assert_eq(serve(requests, piece), BIDE_END);
        cr_assert(memory.output_used == length && memcmp(output, expected, length) == 0, "at pieces of %zu",
                  piece);
        cr_assert_str_eq(all_events, "started; began Work 2; set Work 1; ended Work 1; stopped");
    }
}

Test(countdown_server, ten_thousand_pipelined_requests_are_answered_in_order)
{
    enum { COUNT = 10000 };
    static char requests[COUNT * 16];
    size_t used = 0;
    for (int i = 0; i < COUNT; i++)
        used += (size_t)snprintf(requests + used, sizeof requests - used,
                                 i % 2 ? "\"x%d\"\n" : "{\"set\":%d}\n", i);
    open_server(0, sizeof buffer);
    cr_assert_eq(serve(requests, 0), BIDE_END);
    const char *at = output;
    for (int i = 0; i < COUNT; i++) {
        const char *expected = i % 2 ? "{\"error\":\"unknown request\"}\n" : "\"ok\"\n";
        cr_assert(strncmp(at, expected, strlen(expected)) == 0, "answer %d", i);
        at += strlen(expected);
    }
    cr_assert_eq((size_t)(at - output), memory.output_used);
}

Test(countdown_server, the_end_of_the_stream_at_every_offset_does_half_a_request_never)
{
    static const char requests[] = "\"start\"\r\n{\"set\":300}\n\"pause\"\n";
    static const char *const done[] = {"", "started; began Work 2", "started; began Work 2; set Work 300",
                                       "started; began Work 2; set Work 300; paused Work 300"};
    for (size_t length = 0; length < sizeof requests; length++) {
        size_t lines = 0;
        for (size_t i = 0; i < length; i++)
            lines += requests[i] == '\n';
        bool between = length == 0 || requests[length - 1] == '\n';
        open_server(0, sizeof buffer);
        int status = serve_bytes(requests, length, length % 3);
        cr_assert_eq(status, between ? BIDE_END : BIDE_EEOF, "%s after %zu bytes", bide_error_name(status),
                     length);
        cr_assert_str_eq(all_events, done[lines]);
        bide_sansio_io io = {0};
        cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), status);
    }
}

Test(countdown_server, what_is_no_request_is_answered_with_an_error_and_the_connection_goes_on)
{
    static const struct {
        const char *line, *what;
    } wrong[] = {
        {"", "not a JSON value"},
        {"start", "not a JSON value"},
        {"\"start", "not a JSON value"},
        {"\"start\"\"stop\"", "not a JSON value"},
        {"{\"set\":300", "not a JSON value"},
        {"{\"set\":0300}", "not a JSON value"},
        {"{\"set\":+1}", "not a JSON value"},
        {"{\"set\":1.}", "not a JSON value"},
        {"{\"set\":}", "not a JSON value"},
        {"\"sta\x01rt\"", "not a JSON value"},
        {"\"st\xff\xff\"", "not a JSON value"},
        {"\"start\\u0000\"", "not a JSON value"},
        {"\xef\xbb\xbf\"start\"", "not a JSON value"},
        {"\v\"start\"", "not a JSON value"},
        {"]", "not a JSON value"},
        {"[1,]", "not a JSON value"},
        {"[,1]", "not a JSON value"},
        {"[1}", "not a JSON value"},
        {"{\"a\"}", "not a JSON value"},
        {"{\"a\":1,}", "not a JSON value"},
        {"{\"a\" 1}", "not a JSON value"},
        {"{1:1}", "not a JSON value"},
        {"1 2", "not a JSON value"},
        {"nul", "not a JSON value"},
        {"\"\\x\"", "not a JSON value"},
        {"\"\\u12g4\"", "not a JSON value"},
        {"\"\\ud800\"", "not a JSON value"},
        {"\"\\udc00\"", "not a JSON value"},
        {"\"\\ud83c\\u0041\"", "not a JSON value"},
        {"\"\\", "not a JSON value"},
        {"{\"a\":[{},[],[1,-0.5e+3],true,false,null,\"\\ud83c\\udf45\"],\"b\":{\"c\":1}}", "unknown request"},
        {"[", "not a JSON value"},
        {"null", "unknown request"},
        {"true", "unknown request"},
        {"300", "unknown request"},
        {"[\"start\"]", "unknown request"},
        {"{}", "unknown request"},
        {"\"\"", "unknown request"},
        {"\"START\"", "unknown request"},
        {"\"reboot\"", "unknown request"},
        {"{\"start\":1}", "unknown request"},
        {"{\"reboot\":null}", "unknown request"},
        {"{\"start\":null,\"stop\":null}", "unknown request"},
        {"{\"set\":1,\"set\":2}", "unknown request"},
        {"\"set\"", "set needs a number of seconds"},
        {"{\"set\":null}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":\"1\"}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":-1}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":-0}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":1.5}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":1e3}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":9000000001}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":18446744073709551616}", "set takes whole seconds from 0 to 9000000000"},
        {"{\"set\":[[]]}", "set takes whole seconds from 0 to 9000000000"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        char expected[256];
        open_server(0, sizeof buffer);
        (void)snprintf(text, sizeof text, "%s\n\"start\"\n", wrong[i].line);
        (void)snprintf(expected, sizeof expected, "{\"error\":\"%s\"}\n\"ok\"\n", wrong[i].what);
        cr_assert_eq(serve(text, 0), BIDE_END);
        expect_output(expected);
        cr_assert_str_eq(all_events, "started; began Work 2", "after %s", wrong[i].line);
    }
}

Test(countdown_server, a_zero_byte_in_a_request_is_no_end_of_it)
{
    static const char requests[] = "\"sta\0rt\"\n\"start\"\0\n\0\n\"get\"\n";
    open_server(0, sizeof buffer);
    cr_assert_eq(serve_bytes(requests, sizeof requests - 1, 0), BIDE_END);
    char expected[1024];
    (void)snprintf(expected, sizeof expected, "%s%s%s%s", "{\"error\":\"not a JSON value\"}\n",
                   "{\"error\":\"not a JSON value\"}\n", "{\"error\":\"not a JSON value\"}\n", stopped_timer);
    expect_output(expected);
}

Test(countdown_server, deep_nesting_is_refused_before_it_costs_a_stack)
{
    static char request[60000];
    for (int object = 0; object < 2; object++) {
        size_t used = 0;
        while (used < sizeof request - 16)
            used += (size_t)snprintf(request + used, sizeof request - used, object ? "{\"a\":" : "[");
        request[used++] = '\n';
        open_server(0, sizeof buffer);
        cr_assert_eq(serve_bytes(request, used, 0), BIDE_END);
        expect_output("{\"error\":\"not a JSON value\"}\n");
    }
}

Test(countdown_server, a_request_may_have_64_kib_and_not_a_byte_more)
{
    static char requests[4 * BIDE_COUNTDOWN_LINE_MAX];
    for (size_t size = BIDE_COUNTDOWN_LINE_MAX - 1; size <= BIDE_COUNTDOWN_LINE_MAX + 1; size++) {
        memset(requests, ' ', sizeof requests);
        memcpy(requests + size - 8, "\"start\"\n\"pause\"\n", 16);
        open_server(0, sizeof buffer);
        cr_assert_eq(serve_bytes(requests, size + 8, 4096), BIDE_END);
        expect_output(size <= BIDE_COUNTDOWN_LINE_MAX
                          ? "\"ok\"\n\"ok\"\n"
                          : "{\"error\":\"request longer than 65536 bytes\"}\n\"ok\"\n");
    }
    memset(requests, 'x', sizeof requests);
    open_server(0, sizeof buffer);
    cr_assert_eq(serve_bytes(requests, sizeof requests, 0), BIDE_EEOF);
    expect_output("{\"error\":\"request longer than 65536 bytes\"}\n");
}

Test(countdown_server, the_limit_can_be_set)
{
    open_server(0, 16);
    cr_assert_eq(serve("\"start\"\n{\"set\":      300}\n\"stop\"\n", 0), BIDE_END);
    expect_output("\"ok\"\n{\"error\":\"request longer than 16 bytes\"}\n\"ok\"\n");
}

Test(countdown_server, names_are_escaped_as_io_timer_escapes_them)
{
    static const bide_countdown_cycle cycles[] = {{"\"\\/\b\f\n\r\t\x01\x1f\x7f", 1},
                                                  {"\xc3\xa9\xf0\x9f\x8d\x85", 0},
                                                  {"", 0}};
    bide_countdown_config config = {cycles, 3, BIDE_COUNTDOWN_LOOPS_MAX};
    open_server(0, sizeof buffer);
    cr_assert_eq(bide_countdown_init(&countdown, &config), 0);
    cr_assert_eq(serve("\"get\"\n", 1), BIDE_END);
    expect_output("{\"timer\":{\"config\":{\"cycles\":["
                  "{\"name\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\",\"duration\":1},"
                  "{\"name\":\"\xc3\xa9\xf0\x9f\x8d\x85\",\"duration\":0},{\"name\":\"\",\"duration\":0}],"
                  "\"cycles-count\":{\"fixed\":9007199254740991}},\"state\":\"stopped\","
                  "\"cycle\":{\"name\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\",\"duration\":1},"
                  "\"cycles-count\":{\"fixed\":9007199254740991},\"elapsed\":0}}\n");
}

Test(countdown_server, large_numbers_are_written_in_digits)
{
    static const bide_countdown_cycle cycles[] = {{"a", BIDE_COUNTDOWN_SECONDS_MAX}};
    bide_countdown_config config = {cycles, 1, 1000000000000000};
    open_server(0, sizeof buffer);
    cr_assert_eq(bide_countdown_init(&countdown, &config), 0);
    cr_assert_eq(serve("{\"set\":9000000000}\n\"get\"\n", 0), BIDE_END);
    expect_output("\"ok\"\n{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"a\",\"duration\":9000000000}],"
                  "\"cycles-count\":{\"fixed\":1000000000000000}},\"state\":\"stopped\","
                  "\"cycle\":{\"name\":\"a\",\"duration\":9000000000},"
                  "\"cycles-count\":{\"fixed\":1000000000000000},\"elapsed\":0}}\n");
}

Test(countdown_server, the_events_of_a_request_come_before_its_answer_is_written)
{
    open_server(0, sizeof buffer);
    bide_sansio_io io = {0};
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_WANTS);
    memcpy(io.buffer, "\"start\"\n", 8);
    io.result = 8;
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_WANTS);
    cr_assert_eq(io.kind, BIDE_SANSIO_NOW);
    cr_assert_eq(server.events.count, 0);
    io.instant = at_ms(5);
    io.result = 0;
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_WANTS);
    cr_assert_eq(io.kind, BIDE_SANSIO_WRITE);
    cr_assert_str_eq(events_text(&server.events), "started; began Work 2");
    io.result = BIDE_EPIPE;
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_EPIPE);
    cr_assert_eq(server.events.count, 0);
}

Test(countdown_server, more_events_than_there_is_room_for_come_in_several_resumes)
{
    open_server(0, sizeof buffer);
    cr_assert_eq(serve("\"start\"\n", 0), BIDE_END);
    bide_countdown_server_init(&server, buffer, sizeof buffer);
    all_events[0] = '\0';
    memory.now = at_ms(100 * 5000 + 100);
    cr_assert_eq(serve("\"pause\"\n", 0), BIDE_END);
    expect_output("\"ok\"\n");
    size_t count = 0;
    for (const char *at = all_events; (at = strstr(at, "ended")) != NULL; at++)
        count++;
    cr_assert_eq(count, 200, "%zu boundaries", count);
    static const char last[] = "began Work 2; paused Work 2";
    cr_assert_str_eq(all_events + strlen(all_events) - strlen(last), last);
}

Test(countdown_server, it_is_idle_while_no_byte_of_a_request_has_come)
{
    open_server(0, 16);
    bide_sansio_io io = {0};
    cr_assert(bide_countdown_server_is_idle(&server));
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_WANTS);
    cr_assert(bide_countdown_server_is_idle(&server));
    memcpy(io.buffer, "\"", 1);
    io.result = 1;
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_WANTS);
    cr_assert_not(bide_countdown_server_is_idle(&server));
    memset(io.buffer, 'x', io.length);
    io.result = (bide_ssize)io.length;
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_WANTS);
    cr_assert_eq(io.kind, BIDE_SANSIO_WRITE);
    cr_assert_not(bide_countdown_server_is_idle(&server));
    io.result = (bide_ssize)io.length;
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_SANSIO_DONE);
    cr_assert_not(bide_countdown_server_is_idle(&server), "the rest of the long request is still to come");
    cr_assert_not(bide_countdown_server_is_idle(NULL));
}

/* --- the ticker --- */

/* Drives the ticker to its next sleep, and gives the events on the way. */
static const char *to_the_next_sleep(bide_countdown_ticker *ticker, bide_sansio_io *io, bide_instant now)
{
    all_events[0] = '\0';
    for (;;) {
        cr_assert_eq(bide_countdown_ticker_resume(ticker, &countdown, io), BIDE_SANSIO_WANTS);
        (void)strncat(all_events, events_text(&ticker->events), sizeof all_events - strlen(all_events) - 1);
        if (io->kind == BIDE_SANSIO_SLEEP) return all_events;
        cr_assert_eq(io->kind, BIDE_SANSIO_NOW);
        io->instant = now;
        io->result = 0;
    }
}

Test(countdown_server, the_ticker_sleeps_until_something_is_due)
{
    open_server(1, sizeof buffer);
    bide_countdown_ticker ticker;
    bide_countdown_ticker_init(&ticker, BIDE_DURATION_MAX);
    bide_sansio_io io = {0};
    cr_assert_str_eq(to_the_next_sleep(&ticker, &io, at_ms(0)), "");
    cr_assert(bide_is_never(io.instant), "a countdown that does not run needs no looking after");
    cr_assert_eq(serve("\"start\"\n", 0), BIDE_END);
    io.result = 0;
    cr_assert_str_eq(to_the_next_sleep(&ticker, &io, at_ms(200)), "");
    cr_assert_eq(io.instant.ns, at_ms(1000).ns);
    io.result = BIDE_EINTR;
    cr_assert_eq(bide_countdown_ticker_resume(&ticker, &countdown, &io), BIDE_SANSIO_WANTS);
    cr_assert(io.kind == BIDE_SANSIO_SLEEP && io.instant.ns == at_ms(1000).ns, "not the same sleep");
    io.result = 0;
    cr_assert_str_eq(to_the_next_sleep(&ticker, &io, at_ms(1000)), "running Work 1");
    io.result = 0;
    cr_assert_str_eq(to_the_next_sleep(&ticker, &io, at_ms(6000)),
                     "ended Work 0; began Rest 3; ended Rest 0; stopped");
    cr_assert(bide_is_never(io.instant));
    io.result = BIDE_ECANCELED;
    cr_assert_eq(bide_countdown_ticker_resume(&ticker, &countdown, &io), BIDE_ECANCELED);
    cr_assert_eq(bide_countdown_ticker_resume(&ticker, &countdown, &io), BIDE_ECANCELED);
}

Test(countdown_server, the_ticker_looks_at_least_once_a_period)
{
    open_server(0, sizeof buffer);
    bide_countdown_ticker ticker;
    bide_countdown_ticker_init(&ticker, BIDE_SECONDS(1));
    bide_sansio_io io = {0};
    (void)to_the_next_sleep(&ticker, &io, at_ms(300));
    cr_assert_eq(io.instant.ns, at_ms(1300).ns);
}

Test(countdown_server, the_ticker_announces_every_boundary_also_more_than_it_has_room_for)
{
    open_server(0, sizeof buffer);
    cr_assert_eq(serve("\"start\"\n", 0), BIDE_END);
    bide_countdown_ticker ticker;
    bide_countdown_ticker_init(&ticker, BIDE_SECONDS(1));
    bide_sansio_io io = {0};
    const char *text = to_the_next_sleep(&ticker, &io, at_ms(100 * 5000));
    size_t count = 0;
    while ((text = strstr(text, "ended")) != NULL) {
        count++;
        text++;
    }
    cr_assert_eq(count, 200, "%zu boundaries", count);
}

Test(countdown_server, what_is_missing_is_refused)
{
    bide_sansio_io io = {0};
    open_server(0, 16);
    cr_assert_eq(bide_countdown_server_resume(NULL, &countdown, &io), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_server_resume(&server, NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, NULL), BIDE_EINVAL);
    bide_countdown_server_init(NULL, NULL, 0);
    bide_countdown_server_fini(NULL);
    bide_countdown_server_fini(&server);
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_EFREED);
    bide_countdown_server_init(&server, NULL, 9);
    cr_assert_eq(bide_countdown_server_resume(&server, &countdown, &io), BIDE_EINVAL);
    bide_countdown_ticker_init(NULL, 0);
    cr_assert_eq(bide_countdown_ticker_resume(NULL, &countdown, &io), BIDE_EINVAL);
}
