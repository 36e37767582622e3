/* Writing all, and sleeping.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sansio/step.h"

#include <string.h>

void bide_sansio_write_all_init(bide_sansio_write_all *write, const void *bytes, size_t length)
{
    if (!write) return;
    (void)memset(write, 0, sizeof *write);
    bide_sansio_begin(&write->step_);
    write->bytes_ = bytes;
    write->length_ = bytes ? length : 0;
}

int bide_sansio_write_all_resume(bide_sansio_write_all *write, bide_sansio_io *io)
{
    if (!write || !io) return BIDE_EINVAL;
    if (write->step_.status_ != BIDE_SANSIO_WANTS) return write->step_.status_;
    bide_ssize result;
    if (bide_sansio_answered(&write->step_, io, &result)) {
        if (result == 0) return bide_sansio_finish(&write->step_, io, BIDE_EPIPE);
        write->done += (size_t)result;
    }
    if (write->step_.status_ != BIDE_SANSIO_WANTS) return write->step_.status_;
    if (write->done == write->length_) return bide_sansio_finish(&write->step_, io, BIDE_SANSIO_DONE);
    /* One field serves both directions; drivers do not change what is to be written. */
    return bide_sansio_ask(&write->step_, io, BIDE_SANSIO_WRITE,
                           (void *)(uintptr_t)(write->bytes_ + write->done), write->length_ - write->done);
}

void bide_sansio_sleep_init(bide_sansio_sleep *sleep, bide_duration duration)
{
    if (!sleep) return;
    (void)memset(sleep, 0, sizeof *sleep);
    bide_sansio_begin(&sleep->step_);
    sleep->duration_ = duration;
    sleep->until = BIDE_NOW;
}

static bide_instant add(bide_instant instant, bide_duration duration)
{
    if (duration > 0 && instant.ns > INT64_MAX - duration) return BIDE_NEVER;
    if (duration < 0 && instant.ns < INT64_MIN - duration) return BIDE_NOW;
    return bide_instant_from_ns(instant.ns + duration);
}

/* First the time, then the sleep. */
int bide_sansio_sleep_resume(bide_sansio_sleep *sleep, bide_sansio_io *io)
{
    if (!sleep || !io) return BIDE_EINVAL;
    if (sleep->step_.status_ != BIDE_SANSIO_WANTS) return sleep->step_.status_;
    bool asked_time = sleep->step_.asked_ == BIDE_SANSIO_NOW;
    bide_ssize result;
    if (bide_sansio_answered(&sleep->step_, io, &result)) {
        if (!asked_time) return bide_sansio_finish(&sleep->step_, io, BIDE_SANSIO_DONE);
        sleep->until = add(io->instant, sleep->duration_);
        return bide_sansio_ask_sleep(&sleep->step_, io, sleep->until);
    }
    if (sleep->step_.status_ != BIDE_SANSIO_WANTS) return sleep->step_.status_;
    if (sleep->step_.asked_ == BIDE_SANSIO_SLEEP)
        return bide_sansio_ask_sleep(&sleep->step_, io, sleep->until);
    return bide_sansio_ask_now(&sleep->step_, io);
}
