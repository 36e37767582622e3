/* The format of io-timer 0.0.1: one compact JSON value a line.
 *
 *   requests   "start" "get" "pause" "resume" "stop" {"set":300}; {"start":null} is the same as "start"
 *   answers    "ok"
 *              {"timer":{"config":{"cycles":[{"name":"Work","duration":2},…],"cycles-count":"infinite"},
 *               "state":"stopped","cycle":{"name":"Work","duration":2},"cycles-count":"infinite","elapsed":0}}
 *              {"error":"…"}, which io-timer does not have
 *
 * A number of loops is {"fixed":3}. Unknown members of a timer are passed over, as its own reader does.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_COUNTDOWN_WIRE_H
#define BIDE_COUNTDOWN_WIRE_H

#include <bide/countdown.h>

enum bide_countdown_request {
    BIDE_COUNTDOWN_REQUEST_START,
    BIDE_COUNTDOWN_REQUEST_GET,
    BIDE_COUNTDOWN_REQUEST_PAUSE,
    BIDE_COUNTDOWN_REQUEST_RESUME,
    BIDE_COUNTDOWN_REQUEST_STOP,
    BIDE_COUNTDOWN_REQUEST_SET,
    BIDE_COUNTDOWN_REQUESTS
};

/* Writes a request with its line end. Returns its length. `text` has room for every one. */
size_t bide_countdown_write_request(char *text, size_t room, enum bide_countdown_request request,
                                    int64_t seconds);

/* What is said for lack of memory. */
extern const char bide_countdown_no_memory[];

/* Reads one. Returns NULL, or what is wrong with it: static storage. `*seconds` is that of a set. */
const char *bide_countdown_read_request(const char *line, size_t length, enum bide_countdown_request *request,
                                        int64_t *seconds);

/* The answer to a get, with its line end, from malloc; NULL: out of memory. */
char *bide_countdown_write_status(const bide_countdown_status *status);

enum bide_countdown_answer {
    BIDE_COUNTDOWN_ANSWER_OK,
    BIDE_COUNTDOWN_ANSWER_TIMER,
    BIDE_COUNTDOWN_ANSWER_ERROR
};

/* Reads an answer. TIMER: `*status` is one block of malloc's. ERROR: its text is put into `message`, cut to
 * `room`. Returns 0, BIDE_EPROTO, BIDE_ENOMEM. */
int bide_countdown_read_answer(const char *line, size_t length, enum bide_countdown_answer *answer,
                               bide_countdown_status **status, char *message, size_t room);

#endif
