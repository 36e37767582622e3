/* A hint that memory will be read soon. The address need not be valid: a hint never faults.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_PREFETCH_H
#define BIDE_OS_PREFETCH_H

static inline void bide_os_prefetch(const void *address)
{
#if defined(__GNUC__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

#endif
