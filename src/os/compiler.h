/* What C11 has no word for. Without it the code is right, and slower.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_COMPILER_H
#define BIDE_OS_COMPILER_H

#include <stdint.h>
#include <stdio.h> /* __MINGW_PRINTF_FORMAT */

#if defined(__GNUC__)
/* Which argument is a format, and where its own begin. */
#if defined(__MINGW_PRINTF_FORMAT)
#define BIDE_OS_PRINTF(format_, first) __attribute__((format(__MINGW_PRINTF_FORMAT, format_, first)))
#else
#define BIDE_OS_PRINTF(format_, first) __attribute__((format(printf, format_, first)))
#endif
/* Keeps a rare path out of the common one, which then saves no registers. */
#define BIDE_OS_NOINLINE __attribute__((noinline))
/* For what is short only once the compiler knows the arguments. */
#define BIDE_OS_INLINE inline __attribute__((always_inline))
/* What a function gives back is the same pointer, but the compiler does not know it, nor that the function gives the
 * same one each time: optimising the whole program at once it would otherwise call it once for several. */
#define BIDE_OS_CONCEAL(pointer) __asm__ volatile("" : "+r"(pointer))
/* Memory that will be used soon. The address need not be valid: a hint never faults. */
#define BIDE_OS_PREFETCH(address) __builtin_prefetch(address)
/* Thread-local data whose address is a register plus a constant (initial-exec), so that a signal handler on a
 * thread that never used Bide does not end up in the dynamic linker's allocator. It must be small enough for
 * the static surplus that a dlopened library gets. */
#define BIDE_OS_STATIC_TLS __attribute__((tls_model("initial-exec")))
#else
#define BIDE_OS_PRINTF(format_, first)
#define BIDE_OS_NOINLINE
#define BIDE_OS_INLINE inline
#define BIDE_OS_CONCEAL(pointer) ((void)(pointer))
#define BIDE_OS_PREFETCH(address) ((void)(address))
#define BIDE_OS_STATIC_TLS
#endif

/* The number of zeros below the lowest one of `bits`, which is not 0. */
static inline unsigned bide_os_lowest_one(uint64_t bits)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned zeros = 0;
    for (; !(bits & 1); bits >>= 1)
        zeros++;
    return zeros;
#endif
}

/* The place of the highest one of `bits`, which is not 0. */
static inline unsigned bide_os_highest_one(uint32_t bits)
{
#if defined(__GNUC__)
    return 31u ^ (unsigned)__builtin_clz(bits);
#else
    unsigned place = 0;
    while (bits >>= 1)
        place++;
    return place;
#endif
}

/* The upper half of a product. */
static inline uint64_t bide_os_multiply_high(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)a * b) >> 64);
#else
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    return a_high * b_high + (middle >> 32) + ((a_low * b_high + (uint32_t)middle) >> 32);
#endif
}

#endif
