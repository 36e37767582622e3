/* bide_test_registers(call, arg, seed): fills the callee-saved registers with numbers made of the seed, runs
 * call(arg), and returns what differs afterwards: 0 if nothing. Where this is empty, the test's own stands in.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#if defined(__x86_64__) && !defined(__ILP32__)
#define X86_64 1
#elif defined(__aarch64__) && !defined(__ILP32__)
#define AARCH64 1
#elif defined(__riscv) && __riscv_xlen == 64 && defined(__riscv_float_abi_double)
#define RISCV64 1
#endif

#if defined(X86_64) || defined(AARCH64) || defined(RISCV64)
    .text
    .globl bide_test_registers
    .p2align 4
bide_test_registers:
    .cfi_startproc
#if defined(X86_64)
#if defined(__CET__)
    endbr64
#endif
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx
    .cfi_def_cfa_offset 64
    leaq 1(%rdx), %rbx
    leaq 2(%rdx), %rbp
    leaq 3(%rdx), %r12
    leaq 4(%rdx), %r13
    leaq 5(%rdx), %r14
    leaq 6(%rdx), %r15
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    popq %rdx
    .cfi_def_cfa_offset 56
    xorl %eax, %eax
.macro compare register, number
    leaq \number(%rdx), %rcx
    xorq \register, %rcx
    orq %rcx, %rax
.endm
    compare %rbx, 1
    compare %rbp, 2
    compare %r12, 3
    compare %r13, 4
    compare %r14, 5
    compare %r15, 6
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .cfi_def_cfa_offset 8
    ret
#elif defined(AARCH64)
    stp x29, x30, [sp, #-176]!
    .cfi_def_cfa_offset 176
    .cfi_rel_offset x30, 8
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x2, [sp, #160]
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    add x\n, x2, #\n
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    add x3, x2, #(100 + \n)
    fmov d\n, x3
    .endr
    mov x3, x0
    mov x0, x1
    blr x3
    ldr x2, [sp, #160]
    mov x0, #0
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    add x3, x2, #\n
    eor x3, x3, x\n
    orr x0, x0, x3
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    add x3, x2, #(100 + \n)
    fmov x4, d\n
    eor x3, x3, x4
    orr x0, x0, x3
    .endr
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #176
    .cfi_def_cfa_offset 0
    ret
#elif defined(RISCV64)
    addi sp, sp, -208
    .cfi_def_cfa_offset 208
    sd ra, 0(sp)
    .cfi_rel_offset ra, 0
    sd a2, 8(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\n, (16 + 8 * \n)(sp)
    fsd fs\n, (112 + 8 * \n)(sp)
    addi s\n, a2, \n
    addi t0, a2, (100 + \n)
    fmv.d.x fs\n, t0
    .endr
    mv t0, a0
    mv a0, a1
    jalr t0
    ld a2, 8(sp)
    li a0, 0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    addi t0, a2, \n
    xor t0, t0, s\n
    or a0, a0, t0
    addi t0, a2, (100 + \n)
    fmv.x.d t1, fs\n
    xor t0, t0, t1
    or a0, a0, t0
    ld s\n, (16 + 8 * \n)(sp)
    fld fs\n, (112 + 8 * \n)(sp)
    .endr
    ld ra, 0(sp)
    addi sp, sp, 208
    .cfi_def_cfa_offset 0
    ret
#endif
    .cfi_endproc
#if defined(__ELF__)
    .type bide_test_registers, %function
    .size bide_test_registers, . - bide_test_registers
#endif
#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
