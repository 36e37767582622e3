/* Which of the switches is built, and how a suspended fiber lies on its stack: the selector of this folder,
 * read by C and by the assembler. Each switch_*.S is assembled everywhere and is empty where it is not the
 * one.
 *
 *   switch_x86_64_sysv.h, .S Linux and the BSDs, macOS: gcc and clang
 *   switch_x86_64_windows.S  Windows: GNU assembler syntax (MinGW, clang-cl)
 *   switch_aarch64.S         AAPCS64
 *   switch_riscv64.S         LP64, LP64F and LP64D
 *   switch_ucontext.c        any other, and where BIDE_TASK_UCONTEXT asks for it: two system calls a switch
 *
 * SHADOW STACKS AND LANDING PADS
 *   x86-64   IBT: yes; each entry has its landing pad and objects say so in their property note. User shadow
 *            stacks (SHSTK): no; the note leaves the bit out, so that the loader leaves them off for the
 *            whole program. Who needs them builds with BIDE_TASK_UCONTEXT, whose switch is the C library's.
 *   AArch64  BTI and signed return addresses: yes, as the compiler's -mbranch-protection asks. Guarded
 *            control stacks (GCS): no, as above.
 *   RISC-V   Zicfilp and Zicfiss: no.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_MACHINE_H
#define BIDE_TASK_MACHINE_H

/* BIDE_FRAME_WORDS: what swap leaves on the stack, or bide_fiber_lay where swap leaves nothing there, in words of
 * eight bytes from the saved stack pointer on.
 * BIDE_FRAME_…: the words that make a fiber begin. START, the pc, where it is not in the fiber; and out of which
 * bide_fiber_start takes the arguments of bide_fiber_begin: in callee-saved registers, if swap leaves such. */
#if defined(BIDE_TASK_UCONTEXT)
#define BIDE_MACHINE_UCONTEXT 1
#elif defined(__x86_64__) && !defined(__ILP32__) && defined(_WIN32)
#define BIDE_MACHINE_X86_64_WINDOWS 1
#define BIDE_FRAME_WORDS 34
#define BIDE_FRAME_STACK_LOW 20  /* the thread information block's StackLimit and DeallocationStack */
#define BIDE_FRAME_STACK_HIGH 22 /* its StackBase */
#define BIDE_FRAME_FIBER 27
#define BIDE_FRAME_ENTRY 24
#define BIDE_FRAME_ARG 25
#define BIDE_FRAME_START 33
#elif defined(__x86_64__) && !defined(__ILP32__)
#define BIDE_MACHINE_X86_64_SYSV 1
#define BIDE_FRAME_WORDS 3
#define BIDE_FRAME_FIBER 0
#define BIDE_FRAME_ENTRY 1
#define BIDE_FRAME_ARG 2
#elif defined(__aarch64__) && !defined(__ILP32__) && !defined(_WIN32)
#define BIDE_MACHINE_AARCH64 1
#define BIDE_FRAME_WORDS 20
#define BIDE_FRAME_FIBER 0
#define BIDE_FRAME_ENTRY 1
#define BIDE_FRAME_ARG 2
#define BIDE_FRAME_START 11
#elif defined(__riscv) && __riscv_xlen == 64 && !defined(__riscv_32e) && !defined(__riscv_64e)
#define BIDE_MACHINE_RISCV64 1
#define BIDE_FRAME_WORDS 26
#define BIDE_FRAME_FIBER 2
#define BIDE_FRAME_ENTRY 3
#define BIDE_FRAME_ARG 4
#define BIDE_FRAME_START 0
#else
#define BIDE_MACHINE_UCONTEXT 1
#endif

/* Whether a fiber that was left can be told with which floating-point modes it goes on: `modes` is all there is of
 * them, and nothing that the C library has saved with the rest. */
#if defined(BIDE_MACHINE_UCONTEXT)
#define BIDE_FIBER_TAKES_MODES 0
#else
#define BIDE_FIBER_TAKES_MODES 1
#endif

/* Offsets in struct bide_fiber. */
#define BIDE_FIBER_SP 0
#define BIDE_FIBER_MODES 8
#define BIDE_FIBER_PC 16
#define BIDE_FIBER_FRAME 24

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

struct bide_fiber;

#if !defined(BIDE_MACHINE_X86_64_SYSV)
/* Saves the callee-saved registers on the stack and the stack pointer in `from`, and goes on where `to` was
 * left. Leaves the floating-point modes alone. */
void bide_fiber_swap(struct bide_fiber *from, struct bide_fiber *to);

/* The same, and leaves the modes in `from` and takes those of `to`. */
void bide_fiber_swap_modes(struct bide_fiber *from, struct bide_fiber *to);

/* The present floating-point modes: mxcsr and x87 control word, fpcr, frm. */
uint64_t bide_fiber_read_modes(void);
#endif

/* Where a new fiber begins: calls bide_fiber_begin (context.c), and is where unwinding ends. */
void bide_fiber_start(void);
_Noreturn void bide_fiber_begin(struct bide_fiber *fiber, void (*entry)(void *arg), void *arg);

/* Lays out the stack so that the first swap to it calls bide_fiber_begin(fiber, entry, arg). Returns the
 * stack pointer to be. */
void *bide_fiber_lay(struct bide_fiber *fiber, void *stack, size_t size, void (*entry)(void *), void *arg);

#if defined(BIDE_MACHINE_AARCH64)
/* The address, signed if return addresses are, for a stack pointer of `sp`. */
uintptr_t bide_fiber_sign(uintptr_t address, uintptr_t sp);
#endif

#endif

#endif
