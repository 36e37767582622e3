/* The bytes between the stream and those who read it: see input.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sansio/input.h"

#include <string.h>

void bide_sansio_input_init(bide_sansio_input *input, void *buffer, size_t capacity)
{
    if (!input) return;
    (void)memset(input, 0, sizeof *input);
    input->buffer_ = buffer;
    input->capacity_ = buffer ? capacity : 0;
}

const void *bide_sansio_input_rest(const bide_sansio_input *input, size_t *length)
{
    if (length) *length = bide_sansio_input_held(input);
    return input && input->buffer_ ? input->buffer_ + input->start_ : NULL;
}

void bide_sansio_input_consume(bide_sansio_input *input, size_t length)
{
    if (!input) return;
    size_t held = bide_sansio_input_held(input);
    input->start_ += length < held ? length : held;
    if (input->start_ == input->end_) input->start_ = input->end_ = 0;
}

size_t bide_sansio_input_take(bide_sansio_input *input, void *buffer, size_t length)
{
    size_t held = bide_sansio_input_held(input);
    if (length > held) length = held;
    if (length == 0) return 0;
    (void)memcpy(buffer, input->buffer_ + input->start_, length);
    bide_sansio_input_consume(input, length);
    return length;
}
