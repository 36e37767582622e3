/* Fibers: stacks of their own that threads switch between. What runs when is nobody's business here: the
 * scheduler stands above.
 *
 *   made:    bide_fiber_make(&fiber, …)     or bide_fiber_adopt(&fiber) for the stack that a thread came with
 *   runs:    bide_fiber_switch(from, to)    from the one that runs to one that does not
 *   ends:    bide_fiber_exit(self, to)      instead of returning from its entry
 *   retired: bide_fiber_retire(&fiber)      from another stack; then stack and structure are free
 *
 * INVARIANTS
 * 1. Of a fiber that does not run `sp` is where its registers lie; of one that runs it means nothing.
 * 2. Who switches to a fiber owns it: each switch to it happens after the one that left it has finished, on
 *    whatever thread. `from` may be taken up elsewhere only when the thread that left it says so from `to`.
 * 3. A fiber whose entry began ends with bide_fiber_exit before it is retired.
 *
 * A fiber may go on on another thread. So code around a switch must not hold on to what belongs to a thread:
 * errno and thread-local variables, whose address compilers keep in registers across calls. Who needs one
 * after a switch asks a function that is not inlined.
 *
 * FLOATING-POINT MODES. The ABIs count them (rounding, masks, flush to zero) among the callee-saved
 * registers. On x86-64 reading mxcsr is what costs: on a Zen 4 a switch takes 3.8 ns without the modes and
 * 5.3 with them; to compare before loading made it slower (9.6 instead of 7.0 in another sitting). So a fiber
 * chooses: one made with `own_modes` is left and entered with its modes saved and loaded; among the others a
 * switch leaves them alone, and what one of them sets, the next one sees. Exception flags go with the modes
 * where these are switched, and otherwise with the thread, as in any function call.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_CONTEXT_H
#define BIDE_TASK_CONTEXT_H

#include "task/machine.h"
#include "task/sanitize.h"

#include <stdbool.h>

struct bide_fiber {
    void *sp;
    uint64_t modes;  /* those to run with; kept up to date by switches that save them */
    uintptr_t pc;    /* where switches keep it here: machine.h */
    uintptr_t frame; /* the frame pointer, likewise */
    bool own_modes;
    struct bide_sanitize sanitize;
};

#if defined(BIDE_MACHINE_X86_64_SYSV)
#include "task/switch_x86_64_sysv.h"
#endif

/* The switch of the C library keeps two contexts of up to 5 KiB on it. Stacks of tasks: see stack.h. */
#define BIDE_FIBER_STACK_LEAST 16384

/* Makes a fiber that will run entry(arg) on stack[0] to stack[size - 1], with the calling thread's modes.
 * entry must not return: it ends with bide_fiber_exit. Writes the uppermost bytes of the stack, and nothing
 * else. */
void bide_fiber_make(struct bide_fiber *fiber, void *stack, size_t size, void (*entry)(void *arg), void *arg,
                     bool own_modes);

/* Makes a fiber of what is running, which is how a thread gets its first. */
void bide_fiber_adopt(struct bide_fiber *fiber);

/* Gives up what sanitizers keep for a fiber that ended, never began, or was adopted and is left for good. */
void bide_fiber_retire(struct bide_fiber *fiber);

static inline void bide_fiber_go(struct bide_fiber *from, struct bide_fiber *to)
{
    if (from->own_modes || to->own_modes)
        bide_fiber_swap_modes(from, to);
    else
        bide_fiber_swap(from, to);
}

/* Leaves `from`, which runs, and goes on in `to`. Returns when somebody switches to `from`. */
static inline void bide_fiber_switch(struct bide_fiber *from, struct bide_fiber *to)
{
    bide_sanitize_leave(&from->sanitize, &to->sanitize, false);
    bide_fiber_go(from, to);
    bide_sanitize_arrive(&from->sanitize);
}

/* Leaves `self` for good. */
_Noreturn void bide_fiber_exit(struct bide_fiber *self, struct bide_fiber *to);

#endif
