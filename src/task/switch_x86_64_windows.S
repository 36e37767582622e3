/* The switch on x86-64 Windows: rbx, rbp, rdi, rsi, r12 to r15, xmm6 to xmm15, what the thread information block
 * says of the stack (StackBase, StackLimit, DeallocationStack; the system grows stacks and walks them by it) and
 * FiberData and, if asked for, the control bits of mxcsr and the x87 control word.
 *
 * GNU assembler syntax: MinGW and clang take it, Microsoft's ml64 does not. See switch_x86_64_sysv.S for the
 * `ret`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/machine.h"

#if defined(BIDE_MACHINE_X86_64_WINDOWS)

#if defined(__ELF__)
#define SEH(...)
#else
#define SEH(...) __VA_ARGS__
#endif

#define PC (BIDE_FRAME_START * 8)
#define STACK_LIMIT (BIDE_FRAME_STACK_LOW * 8)
#define DEALLOCATION_STACK (BIDE_FRAME_STACK_LOW * 8 + 8)
#define STACK_BASE (BIDE_FRAME_STACK_HIGH * 8)
#define FIBER_DATA (BIDE_FRAME_STACK_HIGH * 8 + 8)

    .text

/* void bide_fiber_swap_modes(from: rcx, to: rdx): the modes, then as bide_fiber_swap. */
    .globl bide_fiber_swap_modes
    .p2align 4
bide_fiber_swap_modes:
    endbr64
    stmxcsr BIDE_FIBER_MODES(%rcx)
    fnstcw BIDE_FIBER_MODES + 4(%rcx)
    ldmxcsr BIDE_FIBER_MODES(%rdx)
    fldcw BIDE_FIBER_MODES + 4(%rdx)
    jmp bide_fiber_swap

/* void bide_fiber_swap(from: rcx, to: rdx) */
    .globl bide_fiber_swap
    .p2align 4
    SEH(.seh_proc bide_fiber_swap)
bide_fiber_swap:
    endbr64
    subq $PC, %rsp
    SEH(.seh_stackalloc PC)
    movq %r12, 24 * 8(%rsp)
    SEH(.seh_savereg %r12, 24 * 8)
    movq %r13, 25 * 8(%rsp)
    SEH(.seh_savereg %r13, 25 * 8)
    movq %r14, 26 * 8(%rsp)
    SEH(.seh_savereg %r14, 26 * 8)
    movq %rbx, 27 * 8(%rsp)
    SEH(.seh_savereg %rbx, 27 * 8)
    movq %rbp, 28 * 8(%rsp)
    SEH(.seh_savereg %rbp, 28 * 8)
    movq %rdi, 29 * 8(%rsp)
    SEH(.seh_savereg %rdi, 29 * 8)
    movq %rsi, 30 * 8(%rsp)
    SEH(.seh_savereg %rsi, 30 * 8)
    movq %r15, 31 * 8(%rsp)
    SEH(.seh_savereg %r15, 31 * 8)
    movaps %xmm6, 0(%rsp)
    SEH(.seh_savexmm %xmm6, 0)
    movaps %xmm7, 16(%rsp)
    SEH(.seh_savexmm %xmm7, 16)
    movaps %xmm8, 32(%rsp)
    SEH(.seh_savexmm %xmm8, 32)
    movaps %xmm9, 48(%rsp)
    SEH(.seh_savexmm %xmm9, 48)
    movaps %xmm10, 64(%rsp)
    SEH(.seh_savexmm %xmm10, 64)
    movaps %xmm11, 80(%rsp)
    SEH(.seh_savexmm %xmm11, 80)
    movaps %xmm12, 96(%rsp)
    SEH(.seh_savexmm %xmm12, 96)
    movaps %xmm13, 112(%rsp)
    SEH(.seh_savexmm %xmm13, 112)
    movaps %xmm14, 128(%rsp)
    SEH(.seh_savexmm %xmm14, 128)
    movaps %xmm15, 144(%rsp)
    SEH(.seh_savexmm %xmm15, 144)
    SEH(.seh_endprologue)
    movq %gs:0x10, %rax
    movq %rax, STACK_LIMIT(%rsp)
    movq %gs:0x1478, %rax
    movq %rax, DEALLOCATION_STACK(%rsp)
    movq %gs:0x08, %rax
    movq %rax, STACK_BASE(%rsp)
    movq %gs:0x20, %rax
    movq %rax, FIBER_DATA(%rsp)
    movq %rsp, BIDE_FIBER_SP(%rcx)
    movq BIDE_FIBER_SP(%rdx), %rsp
    movq STACK_LIMIT(%rsp), %rax
    movq %rax, %gs:0x10
    movq DEALLOCATION_STACK(%rsp), %rax
    movq %rax, %gs:0x1478
    movq STACK_BASE(%rsp), %rax
    movq %rax, %gs:0x08
    movq FIBER_DATA(%rsp), %rax
    movq %rax, %gs:0x20
    movaps 0(%rsp), %xmm6
    movaps 16(%rsp), %xmm7
    movaps 32(%rsp), %xmm8
    movaps 48(%rsp), %xmm9
    movaps 64(%rsp), %xmm10
    movaps 80(%rsp), %xmm11
    movaps 96(%rsp), %xmm12
    movaps 112(%rsp), %xmm13
    movaps 128(%rsp), %xmm14
    movaps 144(%rsp), %xmm15
    movq 24 * 8(%rsp), %r12
    movq 25 * 8(%rsp), %r13
    movq 26 * 8(%rsp), %r14
    movq 27 * 8(%rsp), %rbx
    movq 28 * 8(%rsp), %rbp
    movq 29 * 8(%rsp), %rdi
    movq 30 * 8(%rsp), %rsi
    movq 31 * 8(%rsp), %r15
    addq $PC, %rsp
    ret
    SEH(.seh_endproc)

/* uint64_t bide_fiber_read_modes(void): in the caller's room for arguments, as there is no red zone. */
    .globl bide_fiber_read_modes
    .p2align 4
bide_fiber_read_modes:
    endbr64
    movq $0, 8(%rsp)
    stmxcsr 8(%rsp)
    fnstcw 12(%rsp)
    movq 8(%rsp), %rax
    ret

/* The caller of the first frame. Above it lies a null return address, where walks of the stack end. */
    .globl bide_fiber_start
    .p2align 4
    SEH(.seh_proc bide_fiber_start)
bide_fiber_start:
    endbr64
    subq $32, %rsp
    SEH(.seh_stackalloc 32)
    SEH(.seh_endprologue)
    movq %rbx, %rcx
    movq %r12, %rdx
    movq %r13, %r8
    xorl %ebp, %ebp
    call bide_fiber_begin
    ud2
    SEH(.seh_endproc)

#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
