/* The table of all sources, of every reactor: chunks that double, so that an index finds its source without a lock and
 * none ever moves; memory is reused for other sources, and never given back.
 *
 * INVARIANTS
 * 1. A slot that is free has an odd generation and CLOSING in its pins, whatever stale handle looks at it.
 * 2. The free list is first in, first out, and used from a certain length on: a freed handle is reused as late as
 *    possible, so that its use is caught as long as possible.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_SOURCES_H
#define BIDE_REACTOR_SOURCES_H

#include <bide/async.h>

#include <stdbool.h>
#include <stdint.h>

/* NULL: none ever had that index. */
bide_async *bide_sources_at(uint32_t index);

/* A free slot, which is the caller's then; NULL: no memory. */
bide_async *bide_sources_take(void);
void bide_sources_give_back(bide_async *source);

/* All indices below it have had sources. The second one is for those who only look, also from a debugger or in a
 * signal handler: false if the lock cannot be had soon. */
uint32_t bide_sources_count(void);
bool bide_sources_try_count(uint32_t *count);

/* Around a fork. */
void bide_sources_fork_prepare(void);
void bide_sources_fork_done(void);

#endif
