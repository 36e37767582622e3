/* libFuzzer: whatever a server answers. The client must take it or say that it is none, and what it takes must
 * be what it would be written as again; and what passes our own look at JSON, cJSON must take.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "must.h"

#include "countdown/json.h"
#include "countdown/text.h"
#include "countdown/wire.h"

#include <string.h>

static bool same_cycle(const bide_countdown_cycle *a, const bide_countdown_cycle *b)
{
    return strcmp(a->name, b->name) == 0 && a->seconds == b->seconds;
}

/* Written and read again it is the same. */
static void check_status(const bide_countdown_status *status)
{
    char *line = bide_countdown_write_status(status);
    MUST(line);
    enum bide_countdown_answer answer;
    bide_countdown_status *again;
    char message[8];
    MUST(bide_countdown_read_answer(line, strlen(line), &answer, &again, message, sizeof message) == 0);
    MUST(answer == BIDE_COUNTDOWN_ANSWER_TIMER);
    MUST(again->state == status->state && again->loops == status->loops && again->elapsed == status->elapsed);
    MUST(again->config.loops == status->config.loops &&
         again->config.cycle_count == status->config.cycle_count);
    MUST(same_cycle(&again->cycle, &status->cycle));
    for (size_t i = 0; i < status->config.cycle_count; i++)
        MUST(same_cycle(&again->config.cycles[i], &status->config.cycles[i]));
    free(again);
    free(line);
}

/* One answer after the other, each as that of another request, in pieces whose size the first byte says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    size_t piece = data[0];
    size_t used = 1;
    static char buffer[2048];
    bide_countdown_client client;
    bide_countdown_client_init(&client, buffer, sizeof buffer);
    for (size_t asked = 0;; asked++) {
        int error = asked % 3 == 2 ? bide_countdown_ask_set(&client, 7) : bide_countdown_ask_get(&client);
        if (error) break;
        bide_sansio_io io = {0};
        int status;
        while ((status = bide_countdown_client_resume(&client, &io)) == BIDE_SANSIO_WANTS) {
            size_t count = io.length;
            if (piece && count > piece) count = piece;
            if (io.kind == BIDE_SANSIO_READ) {
                if (count > size - used) count = size - used;
                if (count) memcpy(io.buffer, data + used, count);
                used += count;
            }
            io.result = (bide_ssize)count;
        }
        if (status == BIDE_SANSIO_DONE && client.status) check_status(client.status);
        if (status == BIDE_SANSIO_DONE) MUST((client.status != NULL) == (asked % 3 != 2));
        if (status == BIDE_EINVAL) MUST(bide_countdown_is_utf8(client.message, strlen(client.message)));
        MUST(status != BIDE_ENOMEM);
    }
    bide_countdown_client_fini(&client);
    return 0;
}
