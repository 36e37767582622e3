/* The question and answer that every coroutine is made of.
 *
 *             ask                answer: a count           finish
 *   ASKED NOTHING ---> ASKED -----------------> ASKED NOTHING ---> DONE or FAILED
 *                      |   ^
 *                      +---+  no answer yet: asks again
 *
 * INVARIANTS
 * 1. status_ is BIDE_SANSIO_WANTS while the coroutine goes on; once it is anything else it stays so.
 * 2. asked_ is the kind of the request that has not been answered, length_ its length: no answer is taken that
 *    belongs to another request, or that moved more than was asked for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SANSIO_STEP_H
#define BIDE_SANSIO_STEP_H

#include <bide/sansio.h>

/* Begins. */
void bide_sansio_begin(bide_sansio_step *step);

/* Ends with DONE or an error. Returns it. */
int bide_sansio_finish(bide_sansio_step *step, bide_sansio_io *io, int status);

/* Whether there is an answer to be taken. An answer that does not belong here, or is an error, ends the
 * coroutine: look at step->status_. */
bool bide_sansio_answered(bide_sansio_step *step, bide_sansio_io *io, bide_ssize *result);

/* Asks. Returns BIDE_SANSIO_WANTS. */
int bide_sansio_ask(bide_sansio_step *step, bide_sansio_io *io, bide_sansio_kind kind, void *buffer,
                    size_t length);
int bide_sansio_ask_now(bide_sansio_step *step, bide_sansio_io *io);
int bide_sansio_ask_sleep(bide_sansio_step *step, bide_sansio_io *io, bide_instant until);

#endif
