/* The per-thread record: see thread.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/thread.h"

#include "os/compiler.h"

#if defined(__GNUC__)
#define NEVER_INLINED __attribute__((noinline))
#else
#define NEVER_INLINED
#endif

static _Thread_local struct bide_thread self BIDE_OS_STATIC_TLS;

NEVER_INLINED struct bide_thread *bide_thread_self(void)
{
    struct bide_thread *thread = &self;
    BIDE_OS_CONCEAL(thread);
    return thread;
}

uint32_t bide_thread_random(struct bide_thread *thread)
{
    uint32_t x = thread->random ? thread->random : (uint32_t)(uintptr_t)thread | 1u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    thread->random = x;
    return x;
}
