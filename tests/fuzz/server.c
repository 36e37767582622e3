/* libFuzzer: whatever a client sends, in whatever pieces, with whatever time passing and whenever it ends. The
 * server must answer each line with one line of JSON, in order, and stay what it is.
 *
 * The first bytes are not sent: they say how the rest is cut, how fast time passes, how many loops there are.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "must.h"

#include "countdown/json.h"
#include "countdown/text.h"

#include <bide/countdown.h>

#include <string.h>

enum { HEAD = 4, LIMIT = 512, ANSWER = 4096 };

struct peer {
    const uint8_t *data;
    size_t size, used, piece;
    int64_t now, tempo;
    char answer[ANSWER]; /* the one that is being written */
    size_t answered;
    size_t answers;
    uint64_t draws;
};

static void take_answer(struct peer *peer)
{
    bool whole;
    cJSON *json;
    MUST(bide_countdown_json_parse(&json, peer->answer, peer->answered, &whole) == 0);
    MUST(cJSON_IsString(json) || (cJSON_IsObject(json) && json->child && !json->child->next));
    cJSON_Delete(json);
    peer->answers++;
    peer->answered = 0;
}

/* Between 1 and `most`, differently each time. */
static size_t some(struct peer *peer, size_t most)
{
    size_t piece = peer->piece ? 1 + peer->draws++ * 7 % peer->piece : most;
    return piece < most ? piece : most;
}

static void drive(struct peer *peer, bide_sansio_io *io)
{
    io->result = 0;
    if (io->kind == BIDE_SANSIO_NOW) {
        io->instant = bide_instant_from_ns(peer->now);
        peer->now += peer->tempo;
    } else if (io->kind == BIDE_SANSIO_READ) {
        size_t rest = peer->size - peer->used;
        size_t count = rest ? some(peer, rest < io->length ? rest : io->length) : 0;
        if (count) memcpy(io->buffer, peer->data + peer->used, count);
        peer->used += count;
        io->result = (bide_ssize)count;
    } else {
        size_t count = some(peer, io->length);
        MUST(peer->answered + count <= ANSWER);
        memcpy(peer->answer + peer->answered, io->buffer, count);
        peer->answered += count;
        io->result = (bide_ssize)count;
        const char *end = memchr(peer->answer, '\n', peer->answered);
        if (end) MUST(end == peer->answer + peer->answered - 1);
        if (end) take_answer(peer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bide_countdown_cycle cycles[] = {{"Work", 2}, {"R\"e\\s\nt", 0}, {"\xc3\xa9", 3}};
    if (size < HEAD) return 0;
    bide_countdown_config config = {cycles, 3, data[0] % 4};
    bide_countdown countdown;
    bide_countdown_server server;
    char buffer[LIMIT];
    MUST(bide_countdown_init(&countdown, &config) == 0);
    bide_countdown_server_init(&server, buffer, data[1] % 2 ? LIMIT : 16);
    struct peer peer = {.data = data + HEAD,
                        .size = size - HEAD,
                        .piece = data[2],
                        .tempo = data[3] * INT64_C(20000000)};

    bide_sansio_io io = {0};
    size_t done = 0;
    int status;
    do {
        status = bide_countdown_server_resume(&server, &countdown, &io);
        MUST(server.events.count <= BIDE_COUNTDOWN_EVENTS);
        if (status == BIDE_SANSIO_DONE) MUST(++done == peer.answers);
        if (status == BIDE_SANSIO_WANTS) drive(&peer, &io);
    } while (status >= 0);
    MUST(status == BIDE_END || status == BIDE_EEOF);
    MUST(peer.used == peer.size && peer.answered == 0);

    /* One answer a line; a line that is cut off may have been answered for its length. */
    size_t lines = 0;
    for (size_t i = 0; i < peer.size; i++)
        lines += peer.data[i] == '\n';
    MUST(peer.answers == lines || (peer.answers == lines + 1 && status == BIDE_EEOF));
    bide_countdown_server_fini(&server);
    return 0;
}
