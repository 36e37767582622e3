/* The coroutines of streams: every split, every end, what is left over, and what stays.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include <bide/sansio.h>
#include <bide/sansio_run.h>

TestSuite(sansio, .timeout = 60);

/* What is read comes from `text`, `piece` bytes at a time. */
static bide_sansio_memory memory_of(const char *text, size_t piece)
{
    bide_sansio_memory memory = {.input = text, .input_length = strlen(text), .piece = piece};
    return memory;
}

/* run_read() and so on: to the outcome, which must stay. */
#define DEFINE_RUN(name)                                                                          \
    static int run_##name(bide_sansio_##name *coroutine, bide_sansio_memory *memory)              \
    {                                                                                             \
        bide_sansio_io io = {0};                                                                  \
        int status;                                                                               \
        while ((status = bide_sansio_##name##_resume(coroutine, &io)) == BIDE_SANSIO_WANTS)       \
            bide_sansio_on_memory(&io, memory);                                                   \
        cr_assert_eq(io.kind, BIDE_SANSIO_NONE);                                                  \
        cr_assert_eq(bide_sansio_##name##_resume(coroutine, &io), status, "the outcome changed"); \
        return status;                                                                            \
    }
DEFINE_RUN(read)
DEFINE_RUN(read_exact)
DEFINE_RUN(read_to_end)
DEFINE_RUN(read_line)
DEFINE_RUN(write_all)
DEFINE_RUN(sleep)

static void expect_bytes(const void *bytes, size_t length, const char *expected)
{
    cr_assert(length == strlen(expected) && memcmp(bytes, expected, length) == 0,
              "\"%.*s\" instead of \"%s\"", (int)length, (const char *)bytes, expected);
}

/* --- reading --- */

Test(sansio, read_some_gives_what_came_and_nothing_at_the_end)
{
    char buffer[4];
    bide_sansio_read read;
    bide_sansio_memory memory = memory_of("abcdef", 0);
    bide_sansio_read_init(&read, NULL, buffer, sizeof buffer);
    cr_assert_eq(run_read(&read, &memory), BIDE_SANSIO_DONE);
    expect_bytes(buffer, read.length, "abcd");
    bide_sansio_read_init(&read, NULL, buffer, sizeof buffer);
    cr_assert_eq(run_read(&read, &memory), BIDE_SANSIO_DONE);
    expect_bytes(buffer, read.length, "ef");
    bide_sansio_read_init(&read, NULL, buffer, sizeof buffer);
    cr_assert_eq(run_read(&read, &memory), BIDE_SANSIO_DONE);
    cr_assert_eq(read.length, 0);
}

Test(sansio, read_exactly_takes_not_one_byte_more)
{
    for (size_t piece = 1; piece <= 7; piece++) {
        char buffer[8];
        bide_sansio_read_exact read;
        bide_sansio_memory memory = memory_of("abcdefgh", piece);
        bide_sansio_read_exact_init(&read, NULL, buffer, 5);
        cr_assert_eq(run_read_exact(&read, &memory), BIDE_SANSIO_DONE);
        expect_bytes(buffer, read.done, "abcde");
        cr_assert_eq(memory.input_used, 5, "%zu bytes at pieces of %zu", memory.input_used, piece);
    }
}

Test(sansio, read_exactly_tells_at_every_offset_that_the_stream_ended)
{
    const char *text = "abcdef";
    for (size_t length = 0; length < 6; length++) {
        char buffer[8];
        bide_sansio_read_exact read;
        bide_sansio_memory memory = {.input = text, .input_length = length, .piece = 2};
        bide_sansio_read_exact_init(&read, NULL, buffer, 6);
        cr_assert_eq(run_read_exact(&read, &memory), BIDE_EEOF);
        cr_assert_eq(read.done, length);
        cr_assert(memcmp(buffer, text, length) == 0);
    }
}

Test(sansio, of_no_bytes_all_are_done_without_asking)
{
    char buffer[1];
    bide_sansio_memory memory = memory_of("abc", 0);
    bide_sansio_read read;
    bide_sansio_read_init(&read, NULL, buffer, 0);
    cr_assert_eq(run_read(&read, &memory), BIDE_SANSIO_DONE);
    bide_sansio_read_exact exact;
    bide_sansio_read_exact_init(&exact, NULL, buffer, 0);
    cr_assert_eq(run_read_exact(&exact, &memory), BIDE_SANSIO_DONE);
    bide_sansio_write_all write;
    bide_sansio_write_all_init(&write, buffer, 0);
    cr_assert_eq(run_write_all(&write, &memory), BIDE_SANSIO_DONE);
    cr_assert_eq(memory.input_used, 0);
}

Test(sansio, read_to_end_gives_all_also_if_it_just_fits)
{
    for (size_t piece = 0; piece <= 7; piece++)
        for (size_t room = 6; room <= 8; room++) {
            char buffer[8];
            bide_sansio_read_to_end read;
            bide_sansio_memory memory = memory_of("abcdef", piece);
            bide_sansio_read_to_end_init(&read, NULL, buffer, room);
            cr_assert_eq(run_read_to_end(&read, &memory), BIDE_SANSIO_DONE);
            expect_bytes(buffer, read.length, "abcdef");
        }
}

Test(sansio, read_to_end_that_lacks_room_says_so_and_goes_on_in_more)
{
    for (size_t piece = 0; piece <= 7; piece++) {
        char buffer[8];
        bide_sansio_read_to_end read;
        bide_sansio_memory memory = memory_of("abcdef", piece);
        bide_sansio_read_to_end_init(&read, NULL, buffer, 0);
        cr_assert_eq(run_read_to_end(&read, &memory), BIDE_EMSGSIZE);
        cr_assert_eq(bide_sansio_read_to_end_grow(&read, buffer, 0), BIDE_EINVAL);
        for (size_t room = 1; room < 6; room++) {
            cr_assert_eq(bide_sansio_read_to_end_grow(&read, buffer, room), 0);
            cr_assert_eq(run_read_to_end(&read, &memory), BIDE_EMSGSIZE, "room for %zu", room);
            cr_assert_eq(read.length, room);
        }
        cr_assert_eq(bide_sansio_read_to_end_grow(&read, buffer, 6), 0);
        cr_assert_eq(run_read_to_end(&read, &memory), BIDE_SANSIO_DONE);
        expect_bytes(buffer, read.length, "abcdef");
        cr_assert_eq(bide_sansio_read_to_end_grow(&read, buffer, 8), BIDE_EINVAL);
    }
}

/* --- lines --- */

/* Reads the next line and expects its outcome and text. */
static void expect_line(bide_sansio_input *input, bide_sansio_memory *memory, int status, const char *text)
{
    bide_sansio_read_line read;
    bide_sansio_read_line_init(&read, input, 0);
    int got = run_read_line(&read, memory);
    cr_assert_eq(got, status, "%s instead of %s for \"%s\"", bide_error_name(got), bide_error_name(status),
                 text);
    if (status != BIDE_EMSGSIZE) expect_bytes(read.line, read.length, text);
}

Test(sansio, lines_end_with_or_without_a_carriage_return)
{
    for (size_t piece = 0; piece <= 9; piece++) {
        char buffer[8];
        bide_sansio_input input;
        bide_sansio_memory memory = memory_of("one\ntwo\r\n\n\r\na\rb\r\r\nsix", piece);
        bide_sansio_input_init(&input, buffer, sizeof buffer);
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "one");
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "two");
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "");
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "");
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "a\rb\r");
        expect_line(&input, &memory, BIDE_EEOF, "six");
        expect_line(&input, &memory, BIDE_EEOF, "");
    }
}

Test(sansio, a_line_may_be_as_long_as_allowed_and_no_longer)
{
    for (size_t piece = 0; piece <= 9; piece++) {
        char buffer[8];
        bide_sansio_input input;
        bide_sansio_memory memory = memory_of("1234567\n12345678\nab\n1234567890123456789\ncd\n", piece);
        bide_sansio_input_init(&input, buffer, sizeof buffer);
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "1234567");
        expect_line(&input, &memory, BIDE_EMSGSIZE, "");
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "ab");
        expect_line(&input, &memory, BIDE_EMSGSIZE, "");
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "cd");
        expect_line(&input, &memory, BIDE_EEOF, "");
    }
}

Test(sansio, a_limit_may_be_less_than_the_buffer)
{
    for (size_t piece = 0; piece <= 9; piece++) {
        char buffer[16];
        bide_sansio_input input;
        bide_sansio_input_init(&input, buffer, sizeof buffer);
        bide_sansio_memory memory = memory_of("123\n1234\nab\n", piece);
        int expected[] = {BIDE_SANSIO_DONE, BIDE_EMSGSIZE, BIDE_SANSIO_DONE};
        for (size_t i = 0; i < 3; i++) {
            bide_sansio_read_line read;
            bide_sansio_read_line_init(&read, &input, 4);
            cr_assert_eq(run_read_line(&read, &memory), expected[i], "line %zu at pieces of %zu", i, piece);
        }
    }
}

Test(sansio, a_line_that_is_too_long_is_told_before_its_end_comes)
{
    char buffer[8];
    bide_sansio_input input;
    bide_sansio_input_init(&input, buffer, sizeof buffer);
    bide_sansio_memory memory = memory_of("12345678", 0);
    expect_line(&input, &memory, BIDE_EMSGSIZE, "");
    memory = memory_of("9\nnext\n", 0);
    expect_line(&input, &memory, BIDE_SANSIO_DONE, "next");
    memory = memory_of("12345678 and the stream ends", 0);
    expect_line(&input, &memory, BIDE_EMSGSIZE, "");
    expect_line(&input, &memory, BIDE_EEOF, "");
}

Test(sansio, what_came_after_a_line_is_for_the_next_reader)
{
    for (size_t piece = 0; piece <= 9; piece++) {
        char buffer[32];
        bide_sansio_input input;
        bide_sansio_input_init(&input, buffer, sizeof buffer);
        bide_sansio_memory memory = memory_of("5\nabcdefgh-the-rest", piece);
        expect_line(&input, &memory, BIDE_SANSIO_DONE, "5");

        char body[8];
        bide_sansio_read_exact exact;
        bide_sansio_read_exact_init(&exact, &input, body, 5);
        cr_assert_eq(run_read_exact(&exact, &memory), BIDE_SANSIO_DONE);
        expect_bytes(body, exact.done, "abcde");

        bide_sansio_read some;
        bide_sansio_read_init(&some, &input, body, 1);
        cr_assert_eq(run_read(&some, &memory), BIDE_SANSIO_DONE);
        expect_bytes(body, some.length, "f");

        char rest[16];
        bide_sansio_read_to_end to_end;
        bide_sansio_read_to_end_init(&to_end, &input, rest, 5);
        cr_assert_eq(run_read_to_end(&to_end, &memory), BIDE_EMSGSIZE);
        cr_assert_eq(bide_sansio_read_to_end_grow(&to_end, rest, sizeof rest), 0);
        cr_assert_eq(run_read_to_end(&to_end, &memory), BIDE_SANSIO_DONE);
        expect_bytes(rest, to_end.length, "gh-the-rest");
    }
}

Test(sansio, the_rest_can_be_handed_over_to_another_protocol)
{
    char buffer[32];
    bide_sansio_input input;
    bide_sansio_input_init(&input, buffer, sizeof buffer);
    bide_sansio_memory memory = memory_of("STARTTLS\n\x16\x03\x01", 0);
    expect_line(&input, &memory, BIDE_SANSIO_DONE, "STARTTLS");
    size_t length;
    const char *rest = bide_sansio_input_rest(&input, &length);
    expect_bytes(rest, length, "\x16\x03\x01");
    bide_sansio_input_consume(&input, 2);
    rest = bide_sansio_input_rest(&input, &length);
    expect_bytes(rest, length, "\x01");
    bide_sansio_input_consume(&input, 9);
    (void)bide_sansio_input_rest(&input, &length);
    cr_assert_eq(length, 0);
}

Test(sansio, the_end_of_the_stream_is_asked_for_once)
{
    char buffer[8];
    bide_sansio_input input;
    bide_sansio_input_init(&input, buffer, sizeof buffer);
    bide_sansio_memory memory = memory_of("ab", 0);
    expect_line(&input, &memory, BIDE_EEOF, "ab");
    bide_sansio_io io = {0};
    char more[4];
    bide_sansio_read read;
    bide_sansio_read_init(&read, &input, more, sizeof more);
    cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_SANSIO_DONE);
    bide_sansio_read_exact exact;
    bide_sansio_read_exact_init(&exact, &input, more, sizeof more);
    cr_assert_eq(bide_sansio_read_exact_resume(&exact, &io), BIDE_EEOF);
    bide_sansio_read_to_end to_end;
    bide_sansio_read_to_end_init(&to_end, &input, more, sizeof more);
    cr_assert_eq(bide_sansio_read_to_end_resume(&to_end, &io), BIDE_SANSIO_DONE);
}

/* --- writing and sleeping --- */

Test(sansio, write_all_writes_all_in_pieces_of_any_size)
{
    for (size_t piece = 0; piece <= 7; piece++) {
        char output[8];
        bide_sansio_memory memory = {.output = output, .output_room = sizeof output, .piece = piece};
        bide_sansio_write_all write;
        bide_sansio_write_all_init(&write, "abcdef", 6);
        cr_assert_eq(run_write_all(&write, &memory), BIDE_SANSIO_DONE);
        expect_bytes(output, memory.output_used, "abcdef");
        cr_assert_eq(write.done, 6);
    }
}

Test(sansio, a_write_that_fails_tells_how_much_was_written)
{
    char output[4];
    bide_sansio_memory memory = {.output = output, .output_room = sizeof output, .piece = 3};
    bide_sansio_write_all write;
    bide_sansio_write_all_init(&write, "abcdef", 6);
    cr_assert_eq(run_write_all(&write, &memory), BIDE_ENOSPC);
    cr_assert_eq(write.done, 4);

    bide_sansio_io io = {0};
    bide_sansio_write_all_init(&write, "abcdef", 6);
    cr_assert_eq(bide_sansio_write_all_resume(&write, &io), BIDE_SANSIO_WANTS);
    io.result = 0;
    cr_assert_eq(bide_sansio_write_all_resume(&write, &io), BIDE_EPIPE);
}

Test(sansio, a_sleep_asks_for_the_time_and_then_to_sleep)
{
    bide_sansio_sleep sleep;
    bide_sansio_io io = {0};
    bide_sansio_sleep_init(&sleep, BIDE_SECONDS(5));
    cr_assert_eq(bide_sansio_sleep_resume(&sleep, &io), BIDE_SANSIO_WANTS);
    cr_assert_eq(io.kind, BIDE_SANSIO_NOW);
    io.instant = bide_instant_from_ns(7);
    io.result = 0;
    cr_assert_eq(bide_sansio_sleep_resume(&sleep, &io), BIDE_SANSIO_WANTS);
    cr_assert_eq(io.kind, BIDE_SANSIO_SLEEP);
    cr_assert_eq(io.instant.ns, BIDE_SECONDS(5) + 7);
    io = (bide_sansio_io){0};
    cr_assert_eq(bide_sansio_sleep_resume(&sleep, &io), BIDE_SANSIO_WANTS);
    cr_assert_eq(io.instant.ns, BIDE_SECONDS(5) + 7, "not the same sleep");
    io.result = 0;
    cr_assert_eq(bide_sansio_sleep_resume(&sleep, &io), BIDE_SANSIO_DONE);

    bide_sansio_memory memory = {.now = bide_instant_from_ns(INT64_MAX - 1)};
    bide_sansio_sleep_init(&sleep, BIDE_SECONDS(5));
    cr_assert_eq(run_sleep(&sleep, &memory), BIDE_SANSIO_DONE);
    cr_assert(bide_is_never(sleep.until));
}

/* --- the driver's answers --- */

Test(sansio, a_request_that_was_not_answered_is_made_again)
{
    char buffer[4];
    bide_sansio_read_exact read;
    bide_sansio_io io = {0};
    bide_sansio_read_exact_init(&read, NULL, buffer, 3);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(bide_sansio_read_exact_resume(&read, &io), BIDE_SANSIO_WANTS);
        cr_assert(io.kind == BIDE_SANSIO_READ && io.buffer == buffer && io.length == 3);
        cr_assert_eq(io.result, BIDE_EAGAIN);
        if (i == 1) io.result = BIDE_EINTR;
        if (i == 2) io = (bide_sansio_io){0};
    }
    buffer[0] = 'a';
    io.result = 1;
    cr_assert_eq(bide_sansio_read_exact_resume(&read, &io), BIDE_SANSIO_WANTS);
    cr_assert(io.buffer == buffer + 1 && io.length == 2);
    cr_assert_eq(read.done, 1);
}

Test(sansio, an_error_of_the_driver_stays)
{
    char buffer[4];
    bide_sansio_read read;
    bide_sansio_io io = {0};
    bide_sansio_read_init(&read, NULL, buffer, sizeof buffer);
    cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_SANSIO_WANTS);
    io.result = BIDE_ECONNRESET;
    cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_ECONNRESET);
    io.kind = BIDE_SANSIO_READ;
    io.result = 4;
    cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_ECONNRESET);
    cr_assert_eq(read.length, 0);
}

Test(sansio, an_answer_that_does_not_fit_the_request_is_refused)
{
    static const struct {
        bide_sansio_kind kind;
        bide_ssize result;
    } wrong[] = {{BIDE_SANSIO_READ, 5},
                 {BIDE_SANSIO_WRITE, 1},
                 {BIDE_SANSIO_NOW, 0},
                 {BIDE_SANSIO_READ, PTRDIFF_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char buffer[4];
        bide_sansio_read read;
        bide_sansio_io io = {0};
        bide_sansio_read_init(&read, NULL, buffer, sizeof buffer);
        cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_SANSIO_WANTS);
        io.kind = wrong[i].kind;
        io.result = wrong[i].result;
        cr_assert_eq(bide_sansio_read_resume(&read, &io), BIDE_EINVAL, "answer %zu was taken", i);
    }
}

Test(sansio, what_is_missing_is_refused)
{
    bide_sansio_io io = {0};
    bide_sansio_read_line line;
    bide_sansio_input input;
    bide_sansio_input_init(NULL, NULL, 0);
    bide_sansio_input_init(&input, NULL, 9);
    bide_sansio_read_line_init(&line, &input, 0);
    cr_assert_eq(bide_sansio_read_line_resume(&line, &io), BIDE_EINVAL);
    bide_sansio_read_line_init(&line, NULL, 5);
    cr_assert_eq(bide_sansio_read_line_resume(&line, &io), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_read_line_resume(&line, NULL), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_read_resume(NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_read_exact_resume(NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_read_to_end_resume(NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_read_to_end_grow(NULL, &io, 1), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_read_line_resume(NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_write_all_resume(NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_sansio_sleep_resume(NULL, &io), BIDE_EINVAL);
    bide_sansio_read_init(NULL, NULL, NULL, 0);
    bide_sansio_read_exact_init(NULL, NULL, NULL, 0);
    bide_sansio_read_to_end_init(NULL, NULL, NULL, 0);
    bide_sansio_read_line_init(NULL, NULL, 0);
    bide_sansio_write_all_init(NULL, NULL, 0);
    bide_sansio_sleep_init(NULL, 0);
    bide_sansio_input_consume(NULL, 1);
    size_t length = 1;
    cr_assert(bide_sansio_input_rest(NULL, &length) == NULL && length == 0);
}
