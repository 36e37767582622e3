/* What the tests of channels share: one of integers, and what it is sent.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_CHANNEL_H
#define BIDE_TEST_CHANNEL_H

#include "test_sync.h"

static bide_channel channel;

static inline void open_with(size_t capacity)
{
    cr_assert_ok(bide_channel_init(&channel, sizeof(int), capacity, NULL));
}

static inline void done_with_it(void)
{
    cr_assert_ok(bide_channel_fini(&channel));
    cr_assert_ok(bide_shutdown());
}

static inline int send_now(int value)
{
    return bide_channel_send(&channel, &value, BIDE_NOW);
}

/* The value, or an error. */
static inline int receive_now(void)
{
    int value = -1;
    int error = bide_channel_receive(&channel, &value, BIDE_NOW);
    return error ? error : value;
}

static const size_t capacities[] = {0, 1, 3, 64, BIDE_CHANNEL_UNBOUNDED};
#define CAPACITIES (sizeof capacities / sizeof *capacities)

#endif
