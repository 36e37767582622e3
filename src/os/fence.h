/* A sequentially consistent fence, for "publish, then look" on both sides of two variables.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_FENCE_H
#define BIDE_OS_FENCE_H

#include <stdatomic.h>

static inline void bide_os_fence(void)
{
#ifdef __SANITIZE_THREAD__
    /* ThreadSanitizer knows no fences. A locked operation on any variable does as much on the machines it
     * runs on. */
    static _Atomic unsigned any;
    (void)atomic_fetch_add(&any, 1);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
