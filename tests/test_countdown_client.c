/* The client's coroutine: what it sends, what it takes for an answer, and what it does not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_countdown.h"

#include <bide/sansio_run.h>

TestSuite(countdown_client, .timeout = 60);

static bide_countdown_client client;
static char buffer[4096];
static char output[256];
static bide_sansio_memory memory;

static void open_client(void)
{
    bide_countdown_client_init(&client, buffer, sizeof buffer);
}

static int talk_bytes(const char *answers, size_t length, size_t piece)
{
    memory = (bide_sansio_memory){.input = answers,
                                  .input_length = length,
                                  .output = output,
                                  .output_room = sizeof output,
                                  .piece = piece};
    bide_sansio_io io = {0};
    int status;
    while ((status = bide_countdown_client_resume(&client, &io)) == BIDE_SANSIO_WANTS)
        bide_sansio_on_memory(&io, &memory);
    return status;
}

static int talk(const char *answers, size_t piece)
{
    return talk_bytes(answers, strlen(answers), piece);
}

static void expect_sent(const char *expected)
{
    cr_assert(memory.output_used == strlen(expected) && memcmp(output, expected, memory.output_used) == 0,
              "sent \"%.*s\" instead of \"%s\"", (int)memory.output_used, output, expected);
}

static const char timer[] =
    "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"Work\",\"duration\":2},{\"name\":\"Rest\",\"duration\":"
    "3}],"
    "\"cycles-count\":\"infinite\"},\"state\":\"paused\",\"cycle\":{\"name\":\"Rest\",\"duration\":1},"
    "\"cycles-count\":\"infinite\",\"elapsed\":4}}\n";

static void expect_timer(void)
{
    const bide_countdown_status *status = client.status;
    cr_assert(status != NULL);
    cr_assert_eq(status->config.cycle_count, 2);
    cr_assert_str_eq(status->config.cycles[0].name, "Work");
    cr_assert_eq(status->config.cycles[0].seconds, 2);
    cr_assert_str_eq(status->config.cycles[1].name, "Rest");
    cr_assert_eq(status->config.cycles[1].seconds, 3);
    cr_assert_eq(status->config.loops, 0);
    cr_assert_eq(status->state, BIDE_COUNTDOWN_PAUSED);
    cr_assert_str_eq(status->cycle.name, "Rest");
    cr_assert_eq(status->cycle.seconds, 1);
    cr_assert_eq(status->loops, 0);
    cr_assert_eq(status->elapsed, 4);
}

Test(countdown_client, each_request_is_sent_byte_for_byte)
{
    open_client();
    cr_assert_eq(bide_countdown_ask_start(&client), 0);
    cr_assert_eq(talk("\"ok\"\n", 0), BIDE_SANSIO_DONE);
    expect_sent("\"start\"\n");
    cr_assert_eq(bide_countdown_ask_pause(&client), 0);
    cr_assert_eq(talk("\"ok\"\r\n", 1), BIDE_SANSIO_DONE);
    expect_sent("\"pause\"\n");
    cr_assert_eq(bide_countdown_ask_resume(&client), 0);
    cr_assert_eq(talk("{\"ok\":null}\n", 2), BIDE_SANSIO_DONE);
    expect_sent("\"resume\"\n");
    cr_assert_eq(bide_countdown_ask_stop(&client), 0);
    cr_assert_eq(talk(" \"ok\" \n", 3), BIDE_SANSIO_DONE);
    expect_sent("\"stop\"\n");
    cr_assert_eq(bide_countdown_ask_set(&client, 300), 0);
    cr_assert_eq(talk("\"ok\"\n", 0), BIDE_SANSIO_DONE);
    expect_sent("{\"set\":300}\n");
    cr_assert_eq(bide_countdown_ask_set(&client, BIDE_COUNTDOWN_SECONDS_MAX), 0);
    cr_assert_eq(talk("\"ok\"\n", 0), BIDE_SANSIO_DONE);
    expect_sent("{\"set\":9000000000}\n");
    cr_assert_eq(bide_countdown_ask_get(&client), 0);
    cr_assert_eq(talk(timer, 0), BIDE_SANSIO_DONE);
    expect_sent("\"get\"\n");
    expect_timer();
    bide_countdown_client_fini(&client);
}

Test(countdown_client, an_answer_may_come_in_pieces_of_any_size)
{
    for (size_t piece = 1; piece <= sizeof timer; piece++) {
        open_client();
        cr_assert_eq(bide_countdown_ask_get(&client), 0);
        cr_assert_eq(talk(timer, piece), BIDE_SANSIO_DONE);
        expect_timer();
        cr_assert_eq(client.answer_length, sizeof timer - 2);
        cr_assert(memcmp(client.answer, timer, client.answer_length) == 0);
        bide_countdown_client_fini(&client);
    }
}

Test(countdown_client, the_end_of_the_stream_at_every_offset_is_told)
{
    for (size_t length = 0; length < sizeof timer - 1; length++) {
        open_client();
        cr_assert_eq(bide_countdown_ask_get(&client), 0);
        cr_assert_eq(talk_bytes(timer, length, length % 5), BIDE_EEOF, "after %zu bytes", length);
        cr_assert(client.status == NULL);
        cr_assert_eq(bide_countdown_ask_get(&client), BIDE_EEOF, "the connection is gone");
        bide_countdown_client_fini(&client);
    }
}

Test(countdown_client, loops_states_and_names_of_all_kinds_are_read)
{
    open_client();
    cr_assert_eq(bide_countdown_ask_get(&client), 0);
    cr_assert_eq(talk("{\"timer\":{\"extra\":[{\"deep\":1.5}],\"elapsed\":9007199254740991,\"cycles-count\":{"
                      "\"fixed\":3},"
                      "\"cycle\":{\"duration\":0,\"name\":\"\"},\"state\":{\"running\":null},"
                      "\"config\":{\"cycles-count\":{\"infinite\":null},"
                      "\"cycles\":[{\"name\":\"\\\"\\\\\\n\\u00e9\\ud83c\\udf45\",\"duration\":7}]}}}\n",
                      0),
                 BIDE_SANSIO_DONE);
    cr_assert_str_eq(client.status->config.cycles[0].name, "\"\\\n\xc3\xa9\xf0\x9f\x8d\x85");
    cr_assert_str_eq(client.status->cycle.name, "");
    cr_assert_eq(client.status->state, BIDE_COUNTDOWN_RUNNING);
    cr_assert_eq(client.status->config.loops, 0);
    cr_assert_eq(client.status->loops, 3);
    cr_assert_eq(client.status->elapsed, BIDE_COUNTDOWN_LOOPS_MAX);
    bide_countdown_client_fini(&client);
}

Test(countdown_client, what_the_server_has_to_say_is_told_and_the_connection_goes_on)
{
    open_client();
    cr_assert_eq(bide_countdown_ask_start(&client), 0);
    cr_assert_eq(talk("{\"error\":\"no \\\"way\\\"\"}\n", 0), BIDE_EINVAL);
    cr_assert_str_eq(client.message, "no \"way\"");
    bide_sansio_io io = {0};
    cr_assert_eq(bide_countdown_client_resume(&client, &io), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_ask_stop(&client), 0);
    cr_assert_str_eq(client.message, "");
    cr_assert_eq(talk("\"ok\"\n", 0), BIDE_SANSIO_DONE);

    /* Too long a message is cut between two characters. */
    char answer[256] = "{\"error\":\"";
    for (int i = 0; i < 100; i++)
        (void)strncat(answer, "\xc3\xa9", sizeof answer - strlen(answer) - 1);
    (void)strncat(answer, "\"}\n", sizeof answer - strlen(answer) - 1);
    cr_assert_eq(bide_countdown_ask_stop(&client), 0);
    cr_assert_eq(talk(answer, 0), BIDE_EINVAL);
    cr_assert_eq(strlen(client.message), 126);
    bide_countdown_client_fini(&client);
}

Test(countdown_client, what_is_no_answer_is_told_and_the_connection_goes_on)
{
    static const char *const wrong[] = {
        "",
        "ok",
        "\"no\"",
        "null",
        "{}",
        "[\"ok\"]",
        "{\"ok\":1}",
        "{\"ok\":null,\"ok\":null}",
        "{\"error\":1}",
        "{\"timer\":null}",
        "{\"timer\":{}}",
        "\"\\u0000\"",
        /* a member missing, twice, of another kind, out of range */
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":\"infinite\"}}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"paused\",\"state\":"
        "\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":{},\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":[1],\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"asleep\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":-1},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1.5},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":{\"fixed\":0},\"elapsed\":0}}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":\"infinite\"},\"state\":\"paused\","
        "\"cycle\":{\"name\":\"\",\"duration\":1},\"cycles-count\":\"infinite\",\"elapsed\":9007199254740993}"
        "}",
        "{\"timer\":{\"config\":{\"cycles\":[],\"cycles-count\":7},\"state\":\"paused\","
        "\"cycle\":{\"name\":7,\"duration\":1},\"cycles-count\":\"infinite\",\"elapsed\":0}}",
    };
    open_client();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char answer[512];
        (void)snprintf(answer, sizeof answer, "%s\n", wrong[i]);
        cr_assert_eq(bide_countdown_ask_get(&client), 0);
        cr_assert_eq(talk(answer, 0), BIDE_EPROTO, "taken: %s", wrong[i]);
        cr_assert(client.status == NULL);
    }
    cr_assert_eq(bide_countdown_ask_get(&client), 0);
    cr_assert_eq(talk("\"ok\"\n", 0), BIDE_EPROTO, "a get needs a timer");
    cr_assert_eq(bide_countdown_ask_stop(&client), 0);
    cr_assert_eq(talk(timer, 0), BIDE_EPROTO, "a stop has none");
    cr_assert_eq(bide_countdown_ask_get(&client), 0);
    cr_assert_eq(talk(timer, 0), BIDE_SANSIO_DONE);
    bide_countdown_client_fini(&client);
}

Test(countdown_client, an_answer_that_is_too_long_is_told_and_the_next_one_read)
{
    char small[16];
    bide_countdown_client_init(&client, small, sizeof small);
    cr_assert_eq(bide_countdown_ask_get(&client), 0);
    cr_assert_eq(talk(timer, 0), BIDE_EMSGSIZE);
    char rest[sizeof timer + 8];
    (void)snprintf(rest, sizeof rest, "%s\"ok\"\n", timer + memory.input_used);
    cr_assert_eq(bide_countdown_ask_start(&client), 0);
    cr_assert_eq(talk(rest, 0), BIDE_SANSIO_DONE);
}

Test(countdown_client, one_request_at_a_time)
{
    open_client();
    bide_sansio_io io = {0};
    cr_assert_eq(bide_countdown_client_resume(&client, &io), BIDE_EINVAL, "nothing was asked");
    cr_assert_eq(bide_countdown_ask_start(&client), 0);
    cr_assert_eq(bide_countdown_ask_stop(&client), BIDE_EBUSY);
    cr_assert_eq(bide_countdown_client_resume(&client, &io), BIDE_SANSIO_WANTS);
    io.result = BIDE_ECONNRESET;
    cr_assert_eq(bide_countdown_client_resume(&client, &io), BIDE_ECONNRESET);
    cr_assert_eq(bide_countdown_ask_stop(&client), BIDE_ECONNRESET);
}

Test(countdown_client, what_is_missing_or_out_of_range_is_refused)
{
    open_client();
    bide_sansio_io io = {0};
    cr_assert_eq(bide_countdown_ask_set(&client, -1), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_ask_set(&client, BIDE_COUNTDOWN_SECONDS_MAX + 1), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_ask_set(NULL, 1), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_ask_get(NULL), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_client_resume(NULL, &io), BIDE_EINVAL);
    cr_assert_eq(bide_countdown_client_resume(&client, NULL), BIDE_EINVAL);
    bide_countdown_client_init(NULL, NULL, 0);
    bide_countdown_client_fini(NULL);
    bide_countdown_client_fini(&client);
    cr_assert_eq(bide_countdown_ask_get(&client), BIDE_EFREED);
    cr_assert_eq(bide_countdown_client_resume(&client, &io), BIDE_EFREED);
}
