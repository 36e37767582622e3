/* See step.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sansio/step.h"

void bide_sansio_begin(bide_sansio_step *step)
{
    step->status_ = BIDE_SANSIO_WANTS;
    step->asked_ = BIDE_SANSIO_NONE;
    step->length_ = 0;
}

int bide_sansio_finish(bide_sansio_step *step, bide_sansio_io *io, int status)
{
    step->status_ = status;
    step->asked_ = BIDE_SANSIO_NONE;
    io->kind = BIDE_SANSIO_NONE;
    return status;
}

bool bide_sansio_answered(bide_sansio_step *step, bide_sansio_io *io, bide_ssize *result)
{
    *result = 0;
    if (step->asked_ == BIDE_SANSIO_NONE || io->kind == BIDE_SANSIO_NONE) return false;
    bide_ssize answer = io->result;
    if (answer == BIDE_EAGAIN || answer == BIDE_EINTR) return false;
    bool moves = step->asked_ == BIDE_SANSIO_READ || step->asked_ == BIDE_SANSIO_WRITE;
    if (io->kind != step->asked_ || (answer > 0 && (!moves || (size_t)answer > step->length_)))
        answer = BIDE_EINVAL;
    if (answer < 0) {
        /* An error always fits into an int. */
        (void)bide_sansio_finish(step, io, answer < INT32_MIN ? BIDE_EINVAL : (int)answer);
        return false;
    }
    step->asked_ = BIDE_SANSIO_NONE;
    io->kind = BIDE_SANSIO_NONE;
    *result = answer;
    return true;
}

int bide_sansio_ask(bide_sansio_step *step, bide_sansio_io *io, bide_sansio_kind kind, void *buffer,
                    size_t length)
{
    step->asked_ = kind;
    step->length_ = length;
    io->kind = kind;
    io->buffer = buffer;
    io->length = length;
    io->result = BIDE_EAGAIN;
    return BIDE_SANSIO_WANTS;
}

int bide_sansio_ask_now(bide_sansio_step *step, bide_sansio_io *io)
{
    return bide_sansio_ask(step, io, BIDE_SANSIO_NOW, NULL, 0);
}

int bide_sansio_ask_sleep(bide_sansio_step *step, bide_sansio_io *io, bide_instant until)
{
    io->instant = until;
    return bide_sansio_ask(step, io, BIDE_SANSIO_SLEEP, NULL, 0);
}
