/* Making and ending fibers: see context.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/context.h"

#include "os/assert.h"

void bide_fiber_make(struct bide_fiber *fiber, void *stack, size_t size, void (*entry)(void *arg), void *arg,
                     bool own_modes)
{
    BIDE_ASSERT(size >= BIDE_FIBER_STACK_LEAST);
    fiber->modes = bide_fiber_read_modes();
    fiber->own_modes = own_modes;
    fiber->sp = bide_fiber_lay(fiber, stack, size, entry, arg);
    bide_sanitize_make(&fiber->sanitize, stack, size);
}

void bide_fiber_adopt(struct bide_fiber *fiber)
{
    fiber->sp = NULL;
    fiber->modes = bide_fiber_read_modes();
    fiber->own_modes = false;
    bide_sanitize_adopt(&fiber->sanitize);
}

void bide_fiber_retire(struct bide_fiber *fiber)
{
    bide_sanitize_retire(&fiber->sanitize);
}

void bide_fiber_begin(struct bide_fiber *fiber, void (*entry)(void *arg), void *arg)
{
    bide_sanitize_arrive(&fiber->sanitize);
    entry(arg);
    /* An entry that returns has nowhere to go: invariant 3. */
    BIDE_ASSERT(false);
    for (;;)
        continue;
}

void bide_fiber_exit(struct bide_fiber *self, struct bide_fiber *to)
{
    bide_sanitize_leave(&self->sanitize, &to->sanitize, true);
    /* Nobody switches to one that ended. */
    for (;;)
        bide_fiber_go(self, to);
}
