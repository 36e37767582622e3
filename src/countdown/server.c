/* One connection of a server.
 *
 *                a request           the time
 *   RECEIVING --------------> TIMING ---------> ANSWERING ----> RECEIVING …
 *       |                                           ^   written: DONE
 *       +-------------------------------------------+
 *         what is no request: answered with an error
 *
 * INVARIANTS
 * 1. answer_ is from malloc, or NULL; only while ANSWERING it is not NULL.
 * 2. The countdown is touched only with the answer to NOW in hand, so that a request takes effect once.
 * 3. One request at a time: its answer is written before the next one is looked at, which keeps their order, and
 *    lets a client that does not read its answers wait for itself alone.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/wire.h"
#include "sansio/input.h"
#include "sansio/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVING, TIMING, ANSWERING };

static void receive(bide_countdown_server *server)
{
    free(server->answer_);
    server->answer_ = NULL;
    server->state_ = RECEIVING;
    bide_sansio_read_line_init(&server->line_, &server->input_, 0);
}

void bide_countdown_server_init(bide_countdown_server *server, void *buffer, size_t capacity)
{
    if (!server) return;
    (void)memset(server, 0, sizeof *server);
    bide_sansio_begin(&server->step_);
    bide_sansio_input_init(&server->input_, buffer, capacity);
    receive(server);
}

void bide_countdown_server_fini(bide_countdown_server *server)
{
    if (!server) return;
    free(server->answer_);
    server->answer_ = NULL;
    server->step_.status_ = BIDE_EFREED;
}

bool bide_countdown_server_is_idle(const bide_countdown_server *server)
{
    return server && server->state_ == RECEIVING && bide_sansio_input_held(&server->input_) == 0 &&
           !server->input_.skipping_;
}

static void answer(bide_countdown_server *server, const char *text, size_t length)
{
    server->state_ = ANSWERING;
    bide_sansio_write_all_init(&server->write_, text, length);
}

/* The texts are ours, and need no escapes. */
static void answer_error(bide_countdown_server *server, const char *what)
{
    int length = snprintf(server->error_, sizeof server->error_, "{\"error\":\"%s\"}\n", what);
    answer(server, server->error_, (size_t)length);
}

static void answer_too_long(bide_countdown_server *server)
{
    char text[64];
    (void)snprintf(text, sizeof text, "request longer than %zu bytes", server->line_.limit_);
    answer_error(server, text);
}

static void answer_done(bide_countdown_server *server)
{
    static const char ok[] = "\"ok\"\n";
    answer(server, ok, sizeof ok - 1);
}

static void answer_status(bide_countdown_server *server, const bide_countdown *countdown)
{
    bide_countdown_status status;
    (void)bide_countdown_get(countdown, &status);
    server->answer_ = bide_countdown_write_status(&status);
    if (server->answer_)
        answer(server, server->answer_, strlen(server->answer_));
    else
        answer_error(server, bide_countdown_no_memory);
}

/* Does the request. Returns 0, MORE, or an error. */
static int apply(bide_countdown_server *server, bide_countdown *countdown, bide_instant now)
{
    bide_countdown_events *events = &server->events;
    switch ((enum bide_countdown_request)server->request_) {
    case BIDE_COUNTDOWN_REQUEST_START: return bide_countdown_start(countdown, now, events);
    case BIDE_COUNTDOWN_REQUEST_PAUSE: return bide_countdown_pause(countdown, now, events);
    case BIDE_COUNTDOWN_REQUEST_RESUME: return bide_countdown_resume(countdown, now, events);
    case BIDE_COUNTDOWN_REQUEST_STOP: return bide_countdown_stop(countdown, now, events);
    case BIDE_COUNTDOWN_REQUEST_SET: return bide_countdown_set(countdown, now, server->seconds_, events);
    default: return bide_countdown_update(countdown, now, events);
    }
}

/* Returns WANTS, or 0: go on. */
static int resume_receiving(bide_countdown_server *server, bide_sansio_io *io)
{
    int status = bide_sansio_read_line_resume(&server->line_, io);
    if (status == BIDE_SANSIO_WANTS) return status;
    if (status == BIDE_EMSGSIZE) {
        answer_too_long(server);
        return 0;
    }
    if (status == BIDE_EEOF && server->line_.length == 0 && !server->input_.skipping_) status = BIDE_END;
    if (status) return bide_sansio_finish(&server->step_, io, status);
    enum bide_countdown_request request;
    const char *wrong =
        bide_countdown_read_request(server->line_.line, server->line_.length, &request, &server->seconds_);
    if (wrong) {
        answer_error(server, wrong);
        return 0;
    }
    server->request_ = (int)request;
    server->state_ = TIMING;
    return 0;
}

static int resume_timing(bide_countdown_server *server, bide_countdown *countdown, bide_sansio_io *io)
{
    bide_ssize result;
    bool answered = bide_sansio_answered(&server->step_, io, &result);
    if (server->step_.status_ != BIDE_SANSIO_WANTS) return server->step_.status_;
    if (!answered) return bide_sansio_ask_now(&server->step_, io);
    int status = apply(server, countdown, io->instant);
    if (status == BIDE_COUNTDOWN_MORE) return bide_sansio_ask_now(&server->step_, io);
    if (status < 0) return bide_sansio_finish(&server->step_, io, status);
    if (server->request_ == BIDE_COUNTDOWN_REQUEST_GET)
        answer_status(server, countdown);
    else
        answer_done(server);
    return 0;
}

int bide_countdown_server_resume(bide_countdown_server *server, bide_countdown *countdown, bide_sansio_io *io)
{
    if (!server || !countdown || !io) return BIDE_EINVAL;
    server->events.list = server->list_;
    server->events.capacity = BIDE_COUNTDOWN_EVENTS;
    server->events.count = 0;
    for (;;) {
        if (server->step_.status_ != BIDE_SANSIO_WANTS) return server->step_.status_;
        int status;
        if (server->state_ == ANSWERING) {
            status = bide_sansio_write_all_resume(&server->write_, io);
            if (status < 0) return bide_sansio_finish(&server->step_, io, status);
            if (status == BIDE_SANSIO_WANTS) return status;
            receive(server);
            return BIDE_SANSIO_DONE;
        }
        status =
            server->state_ == TIMING ? resume_timing(server, countdown, io) : resume_receiving(server, io);
        if (status) return status;
    }
}
