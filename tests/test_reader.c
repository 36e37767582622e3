/* The buffered reader: lines, records, what stays in it whatever happens.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include "support/syscalls.h"

TestSuite(reader, .init = take_inventory, .timeout = 60);

/* A reader on one end of a channel; the test writes to the other one. */
struct scene {
    bide_async *async;
    int peer;
    bide_reader reader;
    unsigned char buffer[16];
};

static void open_scene(struct scene *scene, enum channel kind)
{
    scene->async = open_one(kind, &scene->peer);
    bide_reader_init(&scene->reader, scene->async, scene->buffer, sizeof scene->buffer);
}

static void close_scene(struct scene *scene)
{
    cr_assert_ok(bide_async_free(scene->async));
    if (scene->peer >= 0) (void)close(scene->peer);
}

static void say(struct scene *scene, const char *text)
{
    put(scene->peer, text, strlen(text));
}

static void hang_up(struct scene *scene)
{
    (void)close(scene->peer);
    scene->peer = -1;
}

static void expect_bytes(const void *bytes, size_t length, const char *expected)
{
    cr_assert(length == strlen(expected) && memcmp(bytes, expected, length) == 0,
              "\"%.*s\" instead of \"%s\"", (int)length, (const char *)bytes, expected);
}

/* The next line, which must be there at once. */
static void expect_line(struct scene *scene, const char *expected)
{
    const char *line;
    size_t length;
    cr_assert_gives(bide_read_until(&scene->reader, "\n", 1, &line, &length, bide_after(-1)),
                    (bide_ssize)strlen(expected) + 1);
    expect_bytes(line, length, expected);
    cr_assert(line >= (char *)scene->buffer && line <= (char *)scene->buffer + sizeof scene->buffer,
              "the line was copied");
}

/* What the reader holds. */
static void expect_held(struct scene *scene, const char *expected)
{
    size_t length = 99;
    const void *bytes = bide_reader_peek(&scene->reader, &length);
    expect_bytes(bytes, length, expected);
}

Test(reader, lines_are_given_out_in_place_however_their_bytes_come)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        struct scene scene;
        open_scene(&scene, kind);
        say(&scene, "one\ntwo\n\nfo");
        expect_line(&scene, "one");
        expect_line(&scene, "two");
        expect_line(&scene, "");
        const char *line = "";
        size_t length = 7;
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, &length, BIDE_NOW), BIDE_EAGAIN);
        cr_assert_null(line);
        cr_assert_eq(length, 0);
        expect_held(&scene, "fo");
        say(&scene, "ur\nfive");
        expect_line(&scene, "four");
        say(&scene, "\n");
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, NULL, NULL, bide_after(LONG)), 5);
        expect_held(&scene, "");
        close_scene(&scene);
    }
    expect_nothing_left(before);
}

/* Every way to cut a text in two comes to the same lines. */
Test(reader, a_delimiter_of_several_bytes_is_found_wherever_it_is_cut)
{
    static const char text[] = "a\r\r\n\r\nb\n\r\r\n"; /* "a\r", "", "b\n\r" */
    static const char *const lines[] = {"a\r", "", "b\n\r"};
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct scene scene;
        const char *line;
        size_t length;
        open_scene(&scene, UNIX);
        put(scene.peer, text, cut);
        int found = 0;
        while (bide_read_until(&scene.reader, "\r\n", 2, &line, &length, BIDE_NOW) > 0)
            expect_bytes(line, length, lines[found++]);
        bide_reading reading;
        struct counter counter = {0};
        bide_reading_until(&reading, &scene.reader, "\r\n", 2);
        if (cut < sizeof text - 1) {
            /* The same future sees both parts. */
            cr_assert_gives(poll_with(&reading.future, counting(&counter)), BIDE_PENDING);
            put(scene.peer, text + cut, sizeof text - 1 - cut);
            cr_assert_ok(bide_await(&reading.future, bide_after(LONG)));
            cr_assert_gt(reading.result, 0);
            expect_bytes(reading.data, reading.length, lines[found++]);
            while (bide_read_until(&scene.reader, "\r\n", 2, &line, &length, BIDE_NOW) > 0)
                expect_bytes(line, length, lines[found++]);
        }
        cr_assert_eq(found, 3, "cut at %zu: %d lines", cut, found);
        expect_held(&scene, "");
        close_scene(&scene);
    }
    expect_nothing_left(before);
}

Test(reader, the_end_is_told_with_what_is_left_and_takes_nothing)
{
    struct scene scene;
    const char *rest;
    size_t length;
    open_scene(&scene, TCP);
    say(&scene, "line\nre");
    say(&scene, "st");
    hang_up(&scene);
    expect_line(&scene, "line");
    for (int i = 0; i < 2; i++) {
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &rest, &length, bide_after(LONG)), BIDE_EEOF);
        expect_bytes(rest, length, "rest");
        expect_held(&scene, "rest");
    }
    cr_assert_ok(bide_reader_consume(&scene.reader, 4));
    cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &rest, &length, bide_after(LONG)), BIDE_EEOF);
    cr_assert_not_null(rest);
    cr_assert_eq(length, 0, "%zu bytes", length);
    cr_assert_gives(bide_reader_fill(&scene.reader, bide_after(LONG)), 0);
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, a_line_as_long_as_the_buffer_fits_and_a_longer_one_is_told_and_kept)
{
    struct scene scene;
    const char *line;
    size_t length;
    open_scene(&scene, UNIX);
    say(&scene, "fifteen bytes..\n0123456789abcdefXYZ\nnext\n");
    expect_line(&scene, "fifteen bytes..");
    for (int i = 0; i < 2; i++) {
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, &length, bide_after(LONG)),
                        BIDE_EMSGSIZE);
        expect_bytes(line, length, "0123456789abcdef");
        expect_held(&scene, "0123456789abcdef");
    }
    cr_assert_gives(bide_reader_fill(&scene.reader, bide_after(LONG)), BIDE_EMSGSIZE);
    /* Nothing is lost: one can go on. */
    cr_assert_ok(bide_reader_consume(&scene.reader, 10));
    expect_line(&scene, "abcdefXYZ");
    expect_line(&scene, "next");
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, what_is_there_beats_the_deadline_and_what_was_read_outlives_it)
{
    struct scene scene;
    const char *line;
    size_t length;
    open_scene(&scene, UNIX);
    drain_memory(scene.async);
    const bide_instant passed[] = {BIDE_NOW, bide_after(-1), bide_instant_from_ns(1)};
    for (int i = 0; i < 3; i++) {
        say(&scene, "in the kernel\n");
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, &length, passed[i]), 14);
        say(&scene, "a\nb\n");
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, &length, passed[i]), 2);
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, &length, passed[i]), 2);
        expect_bytes(line, length, "b");
    }
    say(&scene, "par");
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, &length, deadline), BIDE_ETIMEDOUT);
    cr_assert_not(bide_before(bide_now(), deadline));
    expect_held(&scene, "par");
    say(&scene, "t\n");
    expect_line(&scene, "part");
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, a_future_that_is_cancelled_leaves_the_bytes_that_it_read)
{
    struct scene scene;
    open_scene(&scene, UNIX);
    struct counter counter = {0};
    bide_reading reading;
    bide_reading_until(&reading, &scene.reader, "\n", 1);
    say(&scene, "half");
    cr_assert_gives(poll_with(&reading.future, counting(&counter)), BIDE_PENDING);
    say(&scene, " a line\n");
    AWAIT(counter.wakes > 0);
    cr_assert_gives(cancel_with(&reading.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(reading.result, BIDE_ECANCELED);
    memset(&reading, 0xa5, sizeof reading);
    expect_held(&scene, "half");
    expect_line(&scene, "half a line");

    /* One that was never polled has touched nothing. */
    bide_reading_until(&reading, &scene.reader, "\n", 1);
    cr_assert_gives(cancel_with(&reading.future, counting(&counter)), BIDE_READY);

    /* In a race that it loses, and then one that it wins. */
    for (int i = 0; i < 2; i++) {
        bide_timer limit;
        bide_timer_after(&limit, i ? LONG : SHORT);
        bide_reading_until(&reading, &scene.reader, "\n", 1);
        say(&scene, i ? "y\n" : "x");
        bide_future *both[] = {&reading.future, &limit.future};
        cr_assert_gives(bide_race(both, 2), 1 - i);
    }
    cr_assert_gives(reading.result, 3);
    expect_bytes(reading.data, reading.length, "xy");
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, a_second_future_is_told_that_the_reader_is_in_use)
{
    struct scene scene;
    open_scene(&scene, UNIX);
    struct counter counter = {0};
    bide_reading first;
    say(&scene, "ab");
    bide_reading_until(&first, &scene.reader, "\n", 1);
    cr_assert_gives(poll_with(&first.future, counting(&counter)), BIDE_PENDING);
    char byte;
    cr_assert_gives(bide_reader_read(&scene.reader, &byte, 1, BIDE_NEVER), BIDE_EBUSY);
    cr_assert_gives(bide_reader_exact(&scene.reader, &byte, 1, BIDE_NEVER, NULL), BIDE_EBUSY);
    cr_assert_gives(bide_reader_fill(&scene.reader, BIDE_NEVER), BIDE_EBUSY);
    cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, NULL, NULL, BIDE_NEVER), BIDE_EBUSY);
    cr_assert_gives(bide_reader_consume(&scene.reader, 1), BIDE_EBUSY);
    expect_held(&scene, "ab");
    cr_assert_gives(cancel_with(&first.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(bide_reader_read(&scene.reader, &byte, 1, BIDE_NEVER), 1);
    expect_held(&scene, "b");
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, read_gives_what_is_there_and_goes_past_an_empty_buffer_when_it_is_the_smaller_one)
{
    struct scene scene;
    char large[64] = "";
    open_scene(&scene, UNIX);
    say(&scene, "line\nbinary");
    expect_line(&scene, "line");
    bide_calls_reset();
    cr_assert_gives(bide_reader_read(&scene.reader, large, 3, bide_after(LONG)), 3);
    cr_assert_gives(bide_reader_read(&scene.reader, large + 3, sizeof large - 3, bide_after(LONG)), 3);
    expect_bytes(large, 6, "binary");
    cr_assert_gives(bide_reader_read(&scene.reader, large, 0, bide_after(LONG)), 0);
    cr_assert_eq(bide_calls_total(), 0, "%s", bide_calls_text());
    say(&scene, "0123456789abcdefghijkl");
    bide_calls_reset();
    cr_assert_gives(bide_reader_read(&scene.reader, large, sizeof large, bide_after(LONG)), 22);
    cr_assert_eq(bide_calls_of(BIDE_CALL_RECV), 1, "%s", bide_calls_text());
    say(&scene, "xyz");
    cr_assert_gives(bide_reader_read(&scene.reader, large, 1, bide_after(LONG)), 1);
    expect_held(&scene, "yz");
    cr_assert_gives(bide_reader_read(&scene.reader, large, 2, bide_after(LONG)), 2);
    cr_assert_gives(bide_reader_read(&scene.reader, large, 1, BIDE_NOW), BIDE_EAGAIN);
    hang_up(&scene);
    cr_assert_gives(bide_reader_read(&scene.reader, large, 1, bide_after(LONG)), 0);
    cr_assert_gives(bide_reader_read(&scene.reader, large, sizeof large, bide_after(LONG)), 0);
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, exact_reads_more_than_the_buffer_holds_and_tells_how_much_on_every_outcome)
{
    struct scene scene;
    char bytes[100];
    size_t done = 99;
    open_scene(&scene, TCP);
    say(&scene, "header\n");
    for (int i = 0; i < 10; i++)
        say(&scene, "0123456789");
    say(&scene, "after");
    expect_line(&scene, "header");
    cr_assert_ok(bide_reader_exact(&scene.reader, bytes, 100, bide_after(LONG), &done));
    cr_assert_eq(done, 100, "%zu", done);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(bytes[i], '0' + i % 10, "byte %d is '%c'", i, bytes[i]);
    cr_assert_ok(bide_reader_exact(&scene.reader, bytes, 0, bide_after(LONG), &done));
    cr_assert_eq(done, 0);
    cr_assert_gives(bide_reader_exact(&scene.reader, bytes, 7, bide_after(SHORT), &done), BIDE_ETIMEDOUT);
    cr_assert_eq(done, 5, "%zu", done);
    expect_bytes(bytes, done, "after");
    cr_assert_gives(bide_reader_exact(&scene.reader, bytes, 1, BIDE_NOW, &done), BIDE_EAGAIN);
    say(&scene, "xy");
    hang_up(&scene);
    cr_assert_gives(bide_reader_exact(&scene.reader, bytes, 3, bide_after(LONG), &done), BIDE_EEOF);
    cr_assert_eq(done, 2, "%zu", done);
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, fill_peek_and_consume_serve_formats_of_ones_own)
{
    struct scene scene;
    open_scene(&scene, PIPE);
    size_t length = 9;
    expect_held(&scene, "");
    say(&scene, "ab");
    cr_assert_gives(bide_reader_fill(&scene.reader, bide_after(LONG)), 2);
    say(&scene, "cde");
    cr_assert_gives(bide_reader_fill(&scene.reader, bide_after(LONG)), 3);
    expect_held(&scene, "abcde");
    cr_assert_gives(bide_reader_consume(&scene.reader, 6), BIDE_EINVAL);
    cr_assert_ok(bide_reader_consume(&scene.reader, 2));
    cr_assert_ok(bide_reader_consume(&scene.reader, 0));
    expect_held(&scene, "cde");
    cr_assert_gives(bide_reader_fill(&scene.reader, bide_after(SHORT)), BIDE_ETIMEDOUT);
    bide_reading reading;
    bide_reading_fill(&reading, &scene.reader);
    say(&scene, "0123456789ABCDEFGH");
    cr_assert_ok(bide_block_on(&reading.future));
    cr_assert_gt(reading.result, 0);
    cr_assert_not_null(bide_reader_peek(&scene.reader, NULL));
    (void)bide_reader_peek(&scene.reader, &length);
    cr_assert_eq(length, 3 + (size_t)reading.result, "%zu", length);
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, several_lines_cost_one_system_call_and_no_allocation)
{
    struct scene scene;
    open_scene(&scene, UNIX);
    (void)bide_sleep(BIDE_MICROSECONDS(1));
    say(&scene, "1\n2\n3\n4\n5\n6\n7\n8\n");
    bide_calls_reset();
    for (int i = 1; i <= 8; i++) {
        char text[2] = {(char)('0' + i), '\0'};
        expect_line(&scene, text);
    }
    cr_assert_eq(bide_calls_total(), 1, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, an_error_is_told_and_takes_nothing)
{
    struct scene scene;
    const char *line;
    open_scene(&scene, UNIX);
    say(&scene, "kept");
    cr_assert_gives(bide_reader_fill(&scene.reader, bide_after(LONG)), 4);
    static const int errors[] = {EIO, ECONNRESET, ENOMEM};
    for (int i = 0; i < 3; i++) {
        bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_RECV), 1, 1, errors[i]);
        cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, &line, NULL, bide_after(LONG)),
                        bide_error_from_system(errors[i]));
        cr_assert_null(line);
        cr_assert_eq(bide_fault_clear(), 1);
        expect_held(&scene, "kept");
    }
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_RECV), 1, 5, EINTR);
    say(&scene, "\n");
    expect_line(&scene, "kept");
    cr_assert_eq(bide_fault_clear(), 5);
    close_scene(&scene);
    expect_nothing_left(before);
}

Test(reader, what_is_in_the_buffer_outlives_the_handle)
{
    struct scene scene;
    open_scene(&scene, UNIX);
    say(&scene, "one\ntwo\nthr");
    expect_line(&scene, "one");
    cr_assert_ok(bide_async_free(scene.async));
    expect_line(&scene, "two");
    cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, NULL, NULL, BIDE_NEVER), BIDE_EFREED);
    /* Also when somebody else has the slot. */
    int peer;
    bide_async *other = open_one(UNIX, &peer);
    put(peer, "not yours\n", 10);
    cr_assert_gives(bide_read_until(&scene.reader, "\n", 1, NULL, NULL, BIDE_NEVER), BIDE_EFREED);
    expect_held(&scene, "thr");
    cr_assert_ok(bide_async_free(other));
    (void)close(peer);
    (void)close(scene.peer);
    expect_nothing_left(before);
}

static bide_ssize call_until(struct call *call)
{
    return bide_read_until(call->buffer, "\n", 1, NULL, NULL, call->deadline);
}

Test(reader, a_waiting_call_is_cancelled_when_the_handle_is_freed)
{
    struct scene scene;
    open_scene(&scene, UNIX);
    say(&scene, "half");
    struct call call = {.function = call_until, .buffer = &scene.reader, .deadline = BIDE_NEVER};
    call_start(&call);
    await_waiters(scene.async, BIDE_READ, 1);
    cr_assert_ok(bide_async_free(scene.async));
    cr_assert_gives(call_join(&call), BIDE_ECANCELED);
    expect_held(&scene, "half");
    (void)close(scene.peer);
    expect_nothing_left(before);
}

Test(reader, nothing_given_is_an_invalid_argument)
{
    struct scene scene;
    open_scene(&scene, UNIX);
    bide_reader broken;
    bide_reading reading;
    char byte;
    size_t length = 7, done = 7;
    bide_reader_init(NULL, scene.async, &byte, 1);
    bide_reading_fill(NULL, &scene.reader);
    bide_reading_until(NULL, &scene.reader, "\n", 1);
    bide_reading_read(NULL, &scene.reader, &byte, 1);
    bide_reading_exact(NULL, &scene.reader, &byte, 1);
    cr_assert_null(bide_reader_peek(NULL, &length));
    cr_assert_eq(length, 0);
    cr_assert_gives(bide_reader_consume(NULL, 0), BIDE_EINVAL);
    cr_assert_gives(bide_read_until(&scene.reader, NULL, 1, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_read_until(&scene.reader, "", 0, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_reader_read(&scene.reader, NULL, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_reader_exact(&scene.reader, NULL, 1, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_eq(done, 0);
    for (int i = 0; i < 4; i++) {
        bide_reader_init(&broken, i == 0 ? NULL : scene.async, i == 1 ? NULL : &byte, i == 2 ? 0 : 1);
        bide_reader *reader = i == 3 ? NULL : &broken;
        cr_assert_gives(bide_reader_fill(reader, BIDE_NEVER), BIDE_EINVAL);
        cr_assert_gives(bide_read_until(reader, "\n", 1, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
        cr_assert_gives(bide_reader_read(reader, &byte, 1, BIDE_NEVER), BIDE_EINVAL);
        cr_assert_gives(bide_reader_exact(reader, &byte, 1, BIDE_NEVER, NULL), BIDE_EINVAL);
        bide_reading_until(&reading, reader, "\n", 1);
        cr_assert_ok(bide_block_on(&reading.future));
        cr_assert_gives(reading.result, BIDE_EINVAL);
    }
    close_scene(&scene);
    expect_nothing_left(before);
}

/* Random texts in random pieces, read with random calls: the bytes come out as they went in. */
Test(reader, whatever_is_asked_for_the_bytes_come_in_order)
{
    static char text[20000], back[sizeof text];
    unsigned state = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        state = state * 1664525u + 1013904223u; /* D. Knuth, TAOCP 3.3.4 */
        text[i] = state >> 28 == 0 ? '\n' : (char)('a' + (state >> 24) % 26);
    }
    struct scene scene;
    open_scene(&scene, UNIX);
    size_t sent = 0, got = 0;
    while (got < sizeof text) {
        state = state * 1664525u + 1013904223u;
        size_t piece = sent - got < 1000 ? (state >> 24) % 40 : 0;
        if (piece > sizeof text - sent) piece = sizeof text - sent;
        put(scene.peer, text + sent, piece);
        sent += piece;
        state = state * 1664525u + 1013904223u;
        const char *data;
        size_t length = 0, done = 0;
        bide_ssize count = 0;
        switch ((state >> 24) % 4) {
        case 0:
            count = bide_read_until(&scene.reader, "\n", 1, &data, &length, BIDE_NOW);
            if (count > 0) memcpy(back + got, data, (size_t)count);
            if (count > 0) cr_assert_null(memchr(data, '\n', length));
            break;
        case 1: count = bide_reader_read(&scene.reader, back + got, (state >> 16) % 30 + 1, BIDE_NOW); break;
        case 2: {
            size_t wanted = (state >> 16) % 40;
            if (wanted > sizeof text - got) wanted = sizeof text - got;
            (void)bide_reader_exact(&scene.reader, back + got, wanted, BIDE_NOW, &done);
            got += done;
            break;
        }
        default:
            (void)bide_reader_fill(&scene.reader, BIDE_NOW);
            data = bide_reader_peek(&scene.reader, &length);
            length /= 2;
            memcpy(back + got, data, length);
            cr_assert_ok(bide_reader_consume(&scene.reader, length));
            got += length;
        }
        if (count > 0) got += (size_t)count;
    }
    cr_assert_eq(memcmp(text, back, sizeof text), 0, "other bytes came");
    close_scene(&scene);
    expect_nothing_left(before);
}
