/* What is done to an input by those who read through it.
 *
 * INVARIANTS
 * 1. start_ <= end_ <= capacity_; the bytes between are those that were read and not used.
 * 2. skipping_: the unused bytes continue a line that was too long, up to its end.
 * 3. ended_: the stream has ended; nothing is asked for any more.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SANSIO_INPUT_H
#define BIDE_SANSIO_INPUT_H

#include <bide/sansio.h>

/* How many unused bytes there are; 0 for NULL. */
static inline size_t bide_sansio_input_held(const bide_sansio_input *input)
{
    return input ? input->end_ - input->start_ : 0;
}

static inline bool bide_sansio_input_has_ended(const bide_sansio_input *input)
{
    return input && input->ended_;
}

/* Takes up to `length` unused bytes out. Returns how many. */
size_t bide_sansio_input_take(bide_sansio_input *input, void *buffer, size_t length);

#endif
