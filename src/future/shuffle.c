/* Fair orders: see shuffle.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/shuffle.h"

#include "future/thread.h"

static size_t random_below(size_t limit)
{
    return bide_thread_random(bide_thread_self()) % limit;
}

void bide_shuffle_init(struct bide_shuffle *shuffle, size_t count)
{
    shuffle->count = count;
    shuffle->taken = 0;
    shuffle->start = 0;
    shuffle->step = 0;
    if (count > BIDE_SHUFFLED) {
        shuffle->start = random_below(count);
        shuffle->step = random_below(2) ? 1 : count - 1;
        return;
    }
    for (size_t i = 0; i < count; i++)
        shuffle->rest[i] = (uint8_t)i;
}

size_t bide_shuffle_next(struct bide_shuffle *shuffle)
{
    size_t taken = shuffle->taken++;
    if (shuffle->count > BIDE_SHUFFLED) {
        size_t next = shuffle->start;
        shuffle->start = (next + shuffle->step) % shuffle->count;
        return next;
    }
    size_t chosen = taken + random_below(shuffle->count - taken);
    uint8_t next = shuffle->rest[chosen];
    shuffle->rest[chosen] = shuffle->rest[taken];
    return next;
}
