/* One connection of a client.
 *
 *         ask             sent              the answer
 *   READY ----> SENDING ------> RECEIVING ------------> READY
 *
 * INVARIANTS
 * 1. outcome_ is what the last request came to once the client is READY again: 0, or an error after which the
 *    connection goes on, for each answer is a line.
 * 2. step_ fails with the connection, and for good: no request can be made any more.
 * 3. memory_ is the block that `status` points to, or NULL. Both, and the answer in the buffer, last until the
 *    next request.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/wire.h"
#include "sansio/step.h"

#include <stdlib.h>
#include <string.h>

enum { READY, SENDING, RECEIVING };

void bide_countdown_client_init(bide_countdown_client *client, void *buffer, size_t capacity)
{
    if (!client) return;
    (void)memset(client, 0, sizeof *client);
    bide_sansio_begin(&client->step_);
    bide_sansio_input_init(&client->input_, buffer, capacity);
    client->outcome_ = BIDE_EINVAL;
}

static void forget(bide_countdown_client *client)
{
    free(client->memory_);
    client->memory_ = NULL;
    client->status = NULL;
    client->answer = NULL;
    client->answer_length = 0;
    client->message[0] = '\0';
}

void bide_countdown_client_fini(bide_countdown_client *client)
{
    if (!client) return;
    forget(client);
    client->step_.status_ = BIDE_EFREED;
}

/* --- asking --- */

static int ask(bide_countdown_client *client, enum bide_countdown_request request, int64_t seconds)
{
    if (!client) return BIDE_EINVAL;
    if (client->step_.status_ != BIDE_SANSIO_WANTS) return client->step_.status_;
    if (client->state_ != READY) return BIDE_EBUSY;
    forget(client);
    client->request_ = (int)request;
    client->state_ = SENDING;
    size_t length = bide_countdown_write_request(client->text_, sizeof client->text_, request, seconds);
    bide_sansio_write_all_init(&client->write_, client->text_, length);
    return 0;
}

int bide_countdown_ask_start(bide_countdown_client *client)
{
    return ask(client, BIDE_COUNTDOWN_REQUEST_START, 0);
}

int bide_countdown_ask_get(bide_countdown_client *client)
{
    return ask(client, BIDE_COUNTDOWN_REQUEST_GET, 0);
}

int bide_countdown_ask_pause(bide_countdown_client *client)
{
    return ask(client, BIDE_COUNTDOWN_REQUEST_PAUSE, 0);
}

int bide_countdown_ask_resume(bide_countdown_client *client)
{
    return ask(client, BIDE_COUNTDOWN_REQUEST_RESUME, 0);
}

int bide_countdown_ask_stop(bide_countdown_client *client)
{
    return ask(client, BIDE_COUNTDOWN_REQUEST_STOP, 0);
}

int bide_countdown_ask_set(bide_countdown_client *client, int64_t seconds)
{
    if (seconds < 0 || seconds > BIDE_COUNTDOWN_SECONDS_MAX) return BIDE_EINVAL;
    return ask(client, BIDE_COUNTDOWN_REQUEST_SET, seconds);
}

/* --- the answer --- */

static int take_answer(bide_countdown_client *client)
{
    client->answer = client->line_.line;
    client->answer_length = client->line_.length;
    enum bide_countdown_answer answer;
    bide_countdown_status *status = NULL;
    int error = bide_countdown_read_answer(client->answer, client->answer_length, &answer, &status,
                                           client->message, sizeof client->message);
    if (error) return error;
    if (answer == BIDE_COUNTDOWN_ANSWER_ERROR) return BIDE_EINVAL;
    client->memory_ = status;
    bool asked = client->request_ == BIDE_COUNTDOWN_REQUEST_GET;
    if (asked != (answer == BIDE_COUNTDOWN_ANSWER_TIMER)) return BIDE_EPROTO;
    client->status = status;
    return 0;
}

int bide_countdown_client_resume(bide_countdown_client *client, bide_sansio_io *io)
{
    if (!client || !io) return BIDE_EINVAL;
    if (client->step_.status_ != BIDE_SANSIO_WANTS) return client->step_.status_;
    if (client->state_ == READY) return client->outcome_;
    if (client->state_ == SENDING) {
        int status = bide_sansio_write_all_resume(&client->write_, io);
        if (status == BIDE_SANSIO_WANTS) return status;
        if (status) return bide_sansio_finish(&client->step_, io, status);
        client->state_ = RECEIVING;
        bide_sansio_read_line_init(&client->line_, &client->input_, 0);
    }
    int status = bide_sansio_read_line_resume(&client->line_, io);
    if (status == BIDE_SANSIO_WANTS) return status;
    if (status && status != BIDE_EMSGSIZE) return bide_sansio_finish(&client->step_, io, status);
    client->state_ = READY;
    client->outcome_ = status ? status : take_answer(client);
    return client->outcome_;
}
