/* Where a fiber begins on x86-64 with the System V ABI. The switch is in switch_x86_64_sysv.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/machine.h"

#if defined(BIDE_MACHINE_X86_64_SYSV)

#if defined(__APPLE__)
#define NAME(symbol) _##symbol
#define HIDDEN .private_extern
#define TYPE(symbol)
#define SIZE(symbol)
#else
#define NAME(symbol) symbol
#define HIDDEN .hidden
#define TYPE(symbol) .type symbol, @function
#define SIZE(symbol) .size symbol, . - symbol
#endif

    .text

/* The caller of the first frame: unwinders find no return address in it, and walkers of frame pointers a null
 * one. */
    .globl NAME(bide_fiber_start)
    HIDDEN NAME(bide_fiber_start)
    HIDDEN NAME(bide_fiber_begin)
    TYPE(NAME(bide_fiber_start))
    .p2align 4
NAME(bide_fiber_start):
    .cfi_startproc
    .cfi_undefined %rip
    endbr64
    popq %rdi
    popq %rsi
    popq %rdx
    xorl %ebp, %ebp
    call NAME(bide_fiber_begin)
    ud2
    .cfi_endproc
    SIZE(NAME(bide_fiber_start))

#endif

#if defined(__x86_64__) && defined(__ELF__)
/* Indirect branch tracking, and no shadow stacks: see machine.h. */
    .section .note.gnu.property, "a", @note
#if defined(__ILP32__)
    .p2align 2
    .long 4, 12, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1
#else
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0
#endif
#endif
#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
