/* The switch on x86-64 with the System V ABI, where fibers switch: a part of the function that does it.
 *
 * What a function must find unchanged after the switch is saved by that function itself, as far as it uses it: the
 * compiler is told that all registers are lost. rsp, rbp, which it cannot be told, and where to go on are kept in the
 * fiber.
 *
 * Why no function of its own: the processor predicts where each `ret` leads by a stack of its own, which has the
 * calls of the fiber that is left. Each return that leads elsewhere in the fiber that goes on is predicted wrongly,
 * for some 20 cycles. With a call in the switch that was two returns for a task that ends and one that joins it, and
 * two more for those who call; a jump is predicted by where jumps have led before.
 *
 * Nothing below rsp is written, so that functions may have their red zone. At each instruction the unwind information
 * of the one or of the other function holds, but for the jump.
 *
 * `notrack`: with indirect branch tracking a jump must lead to a landing pad, which is not needed where the address
 * has been in no one else's hands.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_SWITCH_X86_64_SYSV_H
#define BIDE_TASK_SWITCH_X86_64_SYSV_H

/* Those that a compiler may use if it is told of the processor. */
#if defined(__AVX512F__)
#define BIDE_SWITCH_AVX512                                                                               \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", \
        "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define BIDE_SWITCH_AVX512
#endif
#if defined(__APX_F__)
#define BIDE_SWITCH_APX                                                                                 \
    , "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", \
        "r30", "r31"
#else
#define BIDE_SWITCH_APX
#endif

/* `before`: the instructions that save and load the modes, or none. */
#define BIDE_SWITCH(before, from, to)                                                                       \
    __asm__ volatile(                                                                                       \
        before "movq %%rsp, %c[sp](%%rdi)\n\t"                                                              \
               "movq %%rbp, %c[frame](%%rdi)\n\t"                                                           \
               "leaq 1f(%%rip), %%rax\n\t"                                                                  \
               "movq %%rax, %c[pc](%%rdi)\n\t"                                                              \
               "movq %c[pc](%%rsi), %%rax\n\t"                                                              \
               "movq %c[frame](%%rsi), %%rbp\n\t"                                                           \
               "movq %c[sp](%%rsi), %%rsp\n\t"                                                              \
               "notrack jmpq *%%rax\n"                                                                      \
               "1:\n\t"                                                                                     \
        : "+D"(from), "+S"(to)                                                                              \
        : [sp] "i"(BIDE_FIBER_SP), [modes] "i"(BIDE_FIBER_MODES), [control] "i"(BIDE_FIBER_MODES + 4),      \
          [pc] "i"(BIDE_FIBER_PC), [frame] "i"(BIDE_FIBER_FRAME)                                            \
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", \
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",        \
          "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",   \
          "memory", "cc" BIDE_SWITCH_AVX512 BIDE_SWITCH_APX)

static inline void bide_fiber_swap(struct bide_fiber *from, struct bide_fiber *to)
{
    BIDE_SWITCH("", from, to);
}

static inline void bide_fiber_swap_modes(struct bide_fiber *from, struct bide_fiber *to)
{
    BIDE_SWITCH("stmxcsr %c[modes](%%rdi)\n\t"
                "fnstcw %c[control](%%rdi)\n\t"
                "ldmxcsr %c[modes](%%rsi)\n\t"
                "fldcw %c[control](%%rsi)\n\t",
                from, to);
}

/* The present ones. */
static inline uint64_t bide_fiber_read_modes(void)
{
    struct {
        uint32_t mxcsr;
        uint16_t control;
    } modes;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(modes.mxcsr), "=m"(modes.control));
    return (uint64_t)modes.control << 32 | modes.mxcsr;
}

#endif
