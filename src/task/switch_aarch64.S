/* The switch on AArch64 (AAPCS64): x19 to x30, d8 to d15 and, if asked for, fpcr. x18 is the platform's.
 *
 * With -mbranch-protection the saved return address is signed with the stack pointer that it is to be used at,
 * which is the same when the fiber goes on. The way out is `ret`: a branch to a place after a call would need a
 * landing pad there where pages are guarded (BTI).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/machine.h"

#if defined(BIDE_MACHINE_AARCH64)

#if defined(__APPLE__)
#define NAME(symbol) _##symbol
#define HIDDEN .private_extern
#define TYPE(symbol)
#define SIZE(symbol)
#else
#define NAME(symbol) symbol
#define HIDDEN .hidden
#define TYPE(symbol) .type symbol, %function
#define SIZE(symbol) .size symbol, . - symbol
#endif

/* Hints, which older processors skip. Signing is a landing pad as well. */
#if defined(__ARM_FEATURE_PAC_DEFAULT) && (__ARM_FEATURE_PAC_DEFAULT & 2)
#define LAND_AND_SIGN hint 27 /* pacibsp */
#define AUTHENTICATE hint 31  /* autibsp */
#define SIGN_1716 hint 10     /* pacib1716 */
#define SIGNED .cfi_negate_ra_state
#define FRAME_KEY .cfi_b_key_frame
#elif defined(__ARM_FEATURE_PAC_DEFAULT)
#define LAND_AND_SIGN hint 25 /* paciasp */
#define AUTHENTICATE hint 29  /* autiasp */
#define SIGN_1716 hint 8      /* pacia1716 */
#define SIGNED .cfi_negate_ra_state
#define FRAME_KEY
#else
#define LAND_AND_SIGN hint 34 /* bti c */
#define AUTHENTICATE
#define SIGN_1716
#define SIGNED
#define FRAME_KEY
#endif
#define LAND hint 34 /* bti c */

#define FRAME (BIDE_FRAME_WORDS * 8)

    .text

/* void bide_fiber_swap_modes(from: x0, to: x1): the modes, then as bide_fiber_swap. Writing fpcr may wait for
 * all arithmetic in flight, reading does not. */
    .globl NAME(bide_fiber_swap_modes)
    HIDDEN NAME(bide_fiber_swap_modes)
    TYPE(NAME(bide_fiber_swap_modes))
    .p2align 4
NAME(bide_fiber_swap_modes):
    .cfi_startproc
    LAND
    mrs x9, fpcr
    str x9, [x0, #BIDE_FIBER_MODES]
    ldr x10, [x1, #BIDE_FIBER_MODES]
    cmp x9, x10
    b.eq NAME(bide_fiber_swap)
    msr fpcr, x10
    b NAME(bide_fiber_swap)
    .cfi_endproc
    SIZE(NAME(bide_fiber_swap_modes))

/* void bide_fiber_swap(from: x0, to: x1) */
    .globl NAME(bide_fiber_swap)
    HIDDEN NAME(bide_fiber_swap)
    TYPE(NAME(bide_fiber_swap))
    .p2align 4
NAME(bide_fiber_swap):
    .cfi_startproc
    FRAME_KEY
    LAND_AND_SIGN
    SIGNED
    stp x19, x20, [sp, #-FRAME]!
    .cfi_def_cfa_offset FRAME
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    mov x9, sp
    str x9, [x0, #BIDE_FIBER_SP]
    ldr x9, [x1, #BIDE_FIBER_SP]
    mov sp, x9
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x19, x20, [sp], #FRAME
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    AUTHENTICATE
    SIGNED
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
    LAND
    mrs x0, fpcr
    ret
    .cfi_endproc
    SIZE(NAME(bide_fiber_read_modes))

/* uintptr_t bide_fiber_sign(address: x0, sp: x1) */
    .globl NAME(bide_fiber_sign)
    HIDDEN NAME(bide_fiber_sign)
    TYPE(NAME(bide_fiber_sign))
    .p2align 4
NAME(bide_fiber_sign):
    .cfi_startproc
    LAND
    mov x17, x0
    mov x16, x1
    SIGN_1716
    mov x0, x17
    ret
    .cfi_endproc
    SIZE(NAME(bide_fiber_sign))

/* The caller of the first frame: unwinders find no return address in it, and walkers of frame pointers a null
 * one. */
    .globl NAME(bide_fiber_start)
    HIDDEN NAME(bide_fiber_start)
    HIDDEN NAME(bide_fiber_begin)
    TYPE(NAME(bide_fiber_start))
    .p2align 4
NAME(bide_fiber_start):
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x19
    mov x1, x20
    mov x2, x21
    mov x29, xzr
    mov x30, xzr
    bl NAME(bide_fiber_begin)
    brk #1
    .cfi_endproc
    SIZE(NAME(bide_fiber_start))

#endif

#if defined(__aarch64__) && defined(__ELF__)
/* Landing pads are always there; return addresses are signed if the rest is so compiled. */
#if defined(__ARM_FEATURE_PAC_DEFAULT)
#define FEATURES 3
#else
#define FEATURES 1
#endif
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, FEATURES, 0
#endif
#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
