/* What C11 has no word for. Each is a hint: without it the code is right, and slower.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_COMPILER_H
#define BIDE_OS_COMPILER_H

#if defined(__GNUC__)
/* Keeps a rare path out of the common one, which then saves no registers. */
#define BIDE_OS_NOINLINE __attribute__((noinline))
/* Memory that will be used soon. The address need not be valid: a hint never faults. */
#define BIDE_OS_PREFETCH(address) __builtin_prefetch(address)
/* Thread-local data whose address is a register plus a constant (initial-exec), so that a signal handler on a
 * thread that never used Bide does not end up in the dynamic linker's allocator. It must be small enough for
 * the static surplus that a dlopened library gets. */
#define BIDE_OS_STATIC_TLS __attribute__((tls_model("initial-exec")))
#else
#define BIDE_OS_NOINLINE
#define BIDE_OS_PREFETCH(address) ((void)(address))
#define BIDE_OS_STATIC_TLS
#endif

#endif
