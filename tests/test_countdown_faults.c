/* Every allocation of the component fails in turn: an error, nothing leaked, and it goes on. It makes no system
 * call. The functions that allocate are those of the two coroutines that speak JSON, by cJSON and by malloc.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_countdown.h"

#include <bide/sansio_run.h>

#include <cjson/cJSON.h>

#include <stdlib.h>

TestSuite(countdown_faults, .timeout = 60);

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static size_t allocations; /* made so far */
static size_t failing;     /* the one that fails, counted from 1; 0: none */
static bool counting;

void *__wrap_malloc(size_t size)
{
    if (counting && ++allocations == failing) return NULL;
    return __real_malloc(size);
}

/* cJSON's own calls do not go through the wrap of this program. */
static void *hooked_malloc(size_t size)
{
    return malloc(size);
}

static void begin(size_t fails)
{
    cJSON_Hooks hooks = {hooked_malloc, free};
    cJSON_InitHooks(&hooks);
    allocations = 0;
    failing = fails;
}

Test(countdown_faults, a_server_without_memory_answers_so_and_goes_on)
{
    size_t failures = 0;
    for (size_t fails = 1;; fails++) {
        bide_countdown countdown;
        bide_countdown_server server;
        char buffer[256];
        char output[1024];
        bide_countdown_config config = work_and_rest(2);
        cr_assert_eq(bide_countdown_init(&countdown, &config), 0);
        bide_countdown_server_init(&server, buffer, sizeof buffer);
        const char *requests = "\"get\"\n{\"set\":7}\n";
        bide_sansio_memory memory = {.input = requests,
                                     .input_length = strlen(requests),
                                     .output = output,
                                     .output_room = sizeof output};
        bide_sansio_io io = {0};
        int status;
        begin(fails);
        counting = true;
        do {
            status = bide_countdown_server_resume(&server, &countdown, &io);
            if (status == BIDE_SANSIO_WANTS) bide_sansio_on_memory(&io, &memory);
        } while (status >= 0);
        counting = false;
        cr_assert_eq(status, BIDE_END);
        size_t lines = 0;
        for (size_t i = 0; i < memory.output_used; i++)
            lines += output[i] == '\n';
        cr_assert_eq(lines, 2, "allocation %zu fails: %.*s", fails, (int)memory.output_used, output);
        bide_countdown_server_fini(&server);
        if (allocations < fails) break;
        failures++;
        cr_assert(memchr(output, 'e', memory.output_used) && strstr(output, "\"error\""),
                  "allocation %zu fails and nobody is told", fails);
    }
    cr_assert_gt(failures, 10, "only %zu allocations failed", failures);
}

Test(countdown_faults, a_client_without_memory_says_so_and_goes_on)
{
    static const char answer[] =
        "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"a\",\"duration\":2}],\"cycles-count\":\"infinite\"},"
        "\"state\":\"paused\",\"cycle\":{\"name\":\"a\",\"duration\":1},\"cycles-count\":{\"fixed\":1},"
        "\"elapsed\":4}}\n";
    size_t failures = 0;
    for (size_t fails = 1;; fails++) {
        bide_countdown_client client;
        char buffer[512];
        char output[64];
        bide_countdown_client_init(&client, buffer, sizeof buffer);
        int status = 0;
        begin(fails);
        for (int round = 0; round < 2; round++) {
            bide_sansio_memory memory = {.input = answer,
                                         .input_length = sizeof answer - 1,
                                         .output = output,
                                         .output_room = sizeof output};
            bide_sansio_io io = {0};
            cr_assert_eq(bide_countdown_ask_get(&client), 0);
            counting = round == 0;
            while ((status = bide_countdown_client_resume(&client, &io)) == BIDE_SANSIO_WANTS)
                bide_sansio_on_memory(&io, &memory);
            counting = false;
            if (round == 0 && allocations >= fails)
                cr_assert(status == BIDE_ENOMEM, "allocation %zu fails: %s", fails, bide_error_name(status));
        }
        cr_assert_eq(status, 0, "it does not go on");
        bide_countdown_client_fini(&client);
        if (allocations < fails) break;
        failures++;
    }
    cr_assert_gt(failures, 10, "only %zu allocations failed", failures);
}
