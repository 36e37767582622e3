/* The switch where there is none in assembler, or none is wanted: ucontext of the C library. Each switch also
 * saves and sets the signal mask: two system calls, some hundred nanoseconds. That mask is the thread's here
 * as elsewhere in the library, since nobody changes it on a fiber.
 *
 * `sp` of a fiber is the address of its ucontext_t, which lies on its own stack. The modes are part of it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "task/context.h"

#if defined(BIDE_MACHINE_UCONTEXT)

#include <ucontext.h>

/* makecontext passes ints: what begins lies beside the context. */
struct first {
    ucontext_t context;
    struct bide_fiber *fiber;
    void (*entry)(void *);
    void *arg;
};

void bide_fiber_swap(struct bide_fiber *from, struct bide_fiber *to)
{
    ucontext_t here;
    from->sp = &here;
    (void)swapcontext(&here, to->sp);
}

void bide_fiber_swap_modes(struct bide_fiber *from, struct bide_fiber *to)
{
    bide_fiber_swap(from, to);
}

uint64_t bide_fiber_read_modes(void)
{
    return 0;
}

static void start(unsigned high, unsigned low)
{
    /* In two steps: of a pointer of 32 bits the upper half is nothing. */
    struct first *first = (struct first *)((((uintptr_t)high << 16) << 16) | (uintptr_t)low);
    bide_fiber_begin(first->fiber, first->entry, first->arg);
}

void *bide_fiber_lay(struct bide_fiber *fiber, void *stack, size_t size, void (*entry)(void *), void *arg)
{
    uintptr_t end = (uintptr_t)stack + size;
    struct first *first = (struct first *)((end - sizeof *first) & ~(uintptr_t)63);
    /* Fails on no system that has it; the mask and the modes are the maker's. */
    (void)getcontext(&first->context);
    first->context.uc_stack.ss_sp = stack;
    first->context.uc_stack.ss_size = (size_t)((uintptr_t)first - (uintptr_t)stack);
    first->context.uc_link = NULL;
    first->fiber = fiber;
    first->entry = entry;
    first->arg = arg;
    uintptr_t address = (uintptr_t)first;
    makecontext(&first->context, (void (*)(void))start, 2, (unsigned)((address >> 16) >> 16),
                (unsigned)(address & 0xffffffffu));
    return first;
}

#endif
