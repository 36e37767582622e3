/* The switch on 64-bit RISC-V: ra, s0 to s11, fs0 to fs11 as wide as the ABI keeps them and, if asked for, the
 * rounding mode.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/machine.h"

#if defined(BIDE_MACHINE_RISCV64)

#if defined(__riscv_float_abi_double)
#define FLOATS 1
#define FSTORE fsd
#define FLOAD fld
#elif defined(__riscv_float_abi_single)
#define FLOATS 1
#define FSTORE fsw
#define FLOAD flw
#endif

#define FRAME (BIDE_FRAME_WORDS * 8)

    .text

/* void bide_fiber_swap_modes(from: a0, to: a1): the modes, then as bide_fiber_swap. */
    .globl bide_fiber_swap_modes
    .hidden bide_fiber_swap_modes
    .type bide_fiber_swap_modes, @function
    .p2align 2
bide_fiber_swap_modes:
    .cfi_startproc
#if defined(__riscv_flen)
    frrm t0
    ld t1, BIDE_FIBER_MODES(a1)
    sd t0, BIDE_FIBER_MODES(a0)
    beq t0, t1, 1f
    fsrm t1
1:
#endif
    j bide_fiber_swap
    .cfi_endproc
    .size bide_fiber_swap_modes, . - bide_fiber_swap_modes

/* void bide_fiber_swap(from: a0, to: a1) */
    .globl bide_fiber_swap
    .hidden bide_fiber_swap
    .type bide_fiber_swap, @function
    .p2align 2
bide_fiber_swap:
    .cfi_startproc
    addi sp, sp, -FRAME
    .cfi_def_cfa_offset FRAME
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    sd s7, 64(sp)
    sd s8, 72(sp)
    sd s9, 80(sp)
    sd s10, 88(sp)
    sd s11, 96(sp)
    .cfi_rel_offset ra, 0
    .cfi_rel_offset s0, 8
    .cfi_rel_offset s1, 16
    .cfi_rel_offset s2, 24
    .cfi_rel_offset s3, 32
    .cfi_rel_offset s4, 40
    .cfi_rel_offset s5, 48
    .cfi_rel_offset s6, 56
    .cfi_rel_offset s7, 64
    .cfi_rel_offset s8, 72
    .cfi_rel_offset s9, 80
    .cfi_rel_offset s10, 88
    .cfi_rel_offset s11, 96
#if defined(FLOATS)
    FSTORE fs0, 104(sp)
    FSTORE fs1, 112(sp)
    FSTORE fs2, 120(sp)
    FSTORE fs3, 128(sp)
    FSTORE fs4, 136(sp)
    FSTORE fs5, 144(sp)
    FSTORE fs6, 152(sp)
    FSTORE fs7, 160(sp)
    FSTORE fs8, 168(sp)
    FSTORE fs9, 176(sp)
    FSTORE fs10, 184(sp)
    FSTORE fs11, 192(sp)
    .cfi_rel_offset fs0, 104
    .cfi_rel_offset fs1, 112
    .cfi_rel_offset fs2, 120
    .cfi_rel_offset fs3, 128
    .cfi_rel_offset fs4, 136
    .cfi_rel_offset fs5, 144
    .cfi_rel_offset fs6, 152
    .cfi_rel_offset fs7, 160
    .cfi_rel_offset fs8, 168
    .cfi_rel_offset fs9, 176
    .cfi_rel_offset fs10, 184
    .cfi_rel_offset fs11, 192
#endif
    sd sp, BIDE_FIBER_SP(a0)
    ld sp, BIDE_FIBER_SP(a1)
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    ld s7, 64(sp)
    ld s8, 72(sp)
    ld s9, 80(sp)
    ld s10, 88(sp)
    ld s11, 96(sp)
    .cfi_restore ra
    .cfi_restore s0
    .cfi_restore s1
    .cfi_restore s2
    .cfi_restore s3
    .cfi_restore s4
    .cfi_restore s5
    .cfi_restore s6
    .cfi_restore s7
    .cfi_restore s8
    .cfi_restore s9
    .cfi_restore s10
    .cfi_restore s11
#if defined(FLOATS)
    FLOAD fs0, 104(sp)
    FLOAD fs1, 112(sp)
    FLOAD fs2, 120(sp)
    FLOAD fs3, 128(sp)
    FLOAD fs4, 136(sp)
    FLOAD fs5, 144(sp)
    FLOAD fs6, 152(sp)
    FLOAD fs7, 160(sp)
    FLOAD fs8, 168(sp)
    FLOAD fs9, 176(sp)
    FLOAD fs10, 184(sp)
    FLOAD fs11, 192(sp)
    .cfi_restore fs0
    .cfi_restore fs1
    .cfi_restore fs2
    .cfi_restore fs3
    .cfi_restore fs4
    .cfi_restore fs5
    .cfi_restore fs6
    .cfi_restore fs7
    .cfi_restore fs8
    .cfi_restore fs9
    .cfi_restore fs10
    .cfi_restore fs11
#endif
    addi sp, sp, FRAME
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size bide_fiber_swap, . - bide_fiber_swap

/* uint64_t bide_fiber_read_modes(void) */
    .globl bide_fiber_read_modes
    .hidden bide_fiber_read_modes
    .type bide_fiber_read_modes, @function
    .p2align 2
bide_fiber_read_modes:
    .cfi_startproc
#if defined(__riscv_flen)
    frrm a0
#else
    li a0, 0
#endif
    ret
    .cfi_endproc
    .size bide_fiber_read_modes, . - bide_fiber_read_modes

/* The caller of the first frame: unwinders find no return address in it, and walkers of frame pointers a null
 * one. */
    .globl bide_fiber_start
    .hidden bide_fiber_start
    .hidden bide_fiber_begin
    .type bide_fiber_start, @function
    .p2align 2
bide_fiber_start:
    .cfi_startproc
    .cfi_undefined ra
    mv a0, s1
    mv a1, s2
    mv a2, s3
    li s0, 0
    li ra, 0
    call bide_fiber_begin
    unimp
    .cfi_endproc
    .size bide_fiber_start, . - bide_fiber_start

#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
