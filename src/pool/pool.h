/* What the library itself and its tests need of the pool besides bide/pool.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POOL_POOL_H
#define BIDE_POOL_POOL_H

#include <bide/pool.h>

struct bide_pool_counts {
    size_t threads; /* those of earlier lives, which only finish a job, included */
    size_t idle;
    size_t queued; /* jobs */
};

void bide_pool_counts_read(struct bide_pool_counts *counts);

/* In the child of a fork, with the pool's lock held: forgets the parent's threads and jobs, and unlocks. */
void bide_pool_forked(void);

#endif
