/* The switch on x86-64 with the System V ABI: rbx, rbp, r12 to r15 and, if asked for, the control bits of mxcsr
 * and the x87 control word.
 *
 * The way out is `ret`. The processor takes it to lead back to the caller, which is right where fibers switch from
 * one place, as the scheduler's do, and with it all returns that follow. A jump would leave one return too many on
 * the processor's own stack of them, so that each of those is predicted wrongly: a yield took 36 ns with it, and
 * takes 12 with `ret`, on the same Xeon. (Between two places a jump is the faster one, 3.4 to 16 ns.) The frame is
 * the same on both stacks, so that the unwind information holds across the change.
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

/* void bide_fiber_swap_modes(from: rdi, to: rsi): the modes, then as bide_fiber_swap. */
    .globl NAME(bide_fiber_swap_modes)
    HIDDEN NAME(bide_fiber_swap_modes)
    TYPE(NAME(bide_fiber_swap_modes))
    .p2align 4
NAME(bide_fiber_swap_modes):
    .cfi_startproc
    endbr64
    stmxcsr BIDE_FIBER_MODES(%rdi)
    fnstcw BIDE_FIBER_MODES + 4(%rdi)
    ldmxcsr BIDE_FIBER_MODES(%rsi)
    fldcw BIDE_FIBER_MODES + 4(%rsi)
    jmp 1f
    .cfi_endproc
    SIZE(NAME(bide_fiber_swap_modes))

/* void bide_fiber_swap(from: rdi, to: rsi) */
    .globl NAME(bide_fiber_swap)
    HIDDEN NAME(bide_fiber_swap)
    TYPE(NAME(bide_fiber_swap))
    .p2align 4
NAME(bide_fiber_swap):
    .cfi_startproc
    endbr64
1:
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    movq %rsp, BIDE_FIBER_SP(%rdi)
    movq BIDE_FIBER_SP(%rsi), %rsp
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    SIZE(NAME(bide_fiber_swap))

/* uint64_t bide_fiber_read_modes(void) */
    .globl NAME(bide_fiber_read_modes)
    HIDDEN NAME(bide_fiber_read_modes)
    TYPE(NAME(bide_fiber_read_modes))
    .p2align 4
NAME(bide_fiber_read_modes):
    .cfi_startproc
    endbr64
    movq $0, -8(%rsp)
    stmxcsr -8(%rsp)
    fnstcw -4(%rsp)
    movq -8(%rsp), %rax
    ret
    .cfi_endproc
    SIZE(NAME(bide_fiber_read_modes))

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
    movq %rbx, %rdi
    movq %r12, %rsi
    movq %r13, %rdx
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
