/* The first frame of a fiber, for the switches in assembler.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/context.h"

#if defined(BIDE_FRAME_WORDS)

#include <string.h>

_Static_assert(offsetof(struct bide_fiber, sp) == BIDE_FIBER_SP, "as the assembler has it");
_Static_assert(offsetof(struct bide_fiber, modes) == BIDE_FIBER_MODES, "as the assembler has it");
_Static_assert(offsetof(struct bide_fiber, pc) == BIDE_FIBER_PC, "as the assembler has it");
_Static_assert(offsetof(struct bide_fiber, frame) == BIDE_FIBER_FRAME, "as the assembler has it");

/* Stack pointers are multiples of sixteen bytes wherever functions are called. */
#define ALIGNMENT ((uintptr_t)15)

void *bide_fiber_lay(struct bide_fiber *fiber, void *stack, size_t size, void (*entry)(void *), void *arg)
{
    char *end = (char *)stack + size;
    /* Above the frame two words of zero end the chain of those who walk the stack by themselves. */
    char *top = end - ((uintptr_t)end & ALIGNMENT) - 2 * sizeof(uint64_t);
    uint64_t *frame = (uint64_t *)(void *)top - BIDE_FRAME_WORDS;
    (void)memset(frame, 0, (BIDE_FRAME_WORDS + 2) * sizeof *frame);
#if defined(BIDE_FRAME_START)
    frame[BIDE_FRAME_START] = (uintptr_t)bide_fiber_start;
#else
    fiber->pc = (uintptr_t)bide_fiber_start;
    fiber->frame = 0;
#endif
#if defined(BIDE_MACHINE_AARCH64)
    frame[BIDE_FRAME_START] = bide_fiber_sign((uintptr_t)bide_fiber_start, (uintptr_t)top);
#endif
#if defined(BIDE_FRAME_STACK_LOW)
    frame[BIDE_FRAME_STACK_LOW] = frame[BIDE_FRAME_STACK_LOW + 1] = (uintptr_t)stack;
    frame[BIDE_FRAME_STACK_HIGH] = (uintptr_t)end;
#endif
    frame[BIDE_FRAME_FIBER] = (uintptr_t)fiber;
    frame[BIDE_FRAME_ENTRY] = (uintptr_t)entry;
    frame[BIDE_FRAME_ARG] = (uintptr_t)arg;
    return frame;
}

#endif
