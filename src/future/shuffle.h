/* The order in which several futures are polled: each that is ready shall have the same chance.
 *
 * A random start alone would favour those that follow many that are pending, so the order is shuffled, one step with
 * each poll (Knuth, TAOCP 3.4.2, algorithm P). That is exactly fair up to BIDE_SHUFFLED members; more are taken from
 * a random start in a random direction, fair between any two.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_SHUFFLE_H
#define BIDE_FUTURE_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

#define BIDE_SHUFFLED 64

struct bide_shuffle {
    size_t count;
    size_t taken;
    size_t start;                /* of many */
    size_t step;                 /* of many: 1, or count - 1 for backwards */
    uint8_t rest[BIDE_SHUFFLED]; /* of few: from `taken` on, those not polled yet */
};

void bide_shuffle_init(struct bide_shuffle *shuffle, size_t count);

/* The member to poll next; all have been taken when `taken` is `count`. */
size_t bide_shuffle_next(struct bide_shuffle *shuffle);

#endif
