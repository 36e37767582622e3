/* Instants from the performance counter.
 *
 * QueryPerformanceCounter rather than the interrupt time, which steps by the tick of up to 15.6 ms: it is the
 * one fine clock that every version has. It goes on while the machine is suspended. The system measures
 * time-outs on the ticks, so that a wait may end early by this clock: whoever waits looks at it again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/clock.h"

#include "os/system_windows.h"

#include <stdatomic.h>

#define NS_PER_SECOND INT64_C(1000000000)

/* Fixed at the start of the system. Relaxed: each thread may ask by itself. */
static int64_t frequency(void)
{
    static _Atomic int64_t known;
    int64_t result = atomic_load_explicit(&known, memory_order_relaxed);
    if (result == 0) {
        LARGE_INTEGER asked;
        (void)QueryPerformanceFrequency(&asked); /* never fails (its documentation) */
        result = asked.QuadPart;
        atomic_store_explicit(&known, result, memory_order_relaxed);
    }
    return result;
}

bide_instant bide_now(void)
{
    LARGE_INTEGER count;
    const int64_t per_second = frequency();
    (void)QueryPerformanceCounter(&count);
    /* In two steps, for the whole product would overflow after some minutes. */
    const int64_t seconds = count.QuadPart / per_second;
    const int64_t rest = count.QuadPart % per_second;
    return bide_instant_from_ns(seconds * NS_PER_SECOND + rest * NS_PER_SECOND / per_second);
}

bide_instant bide_os_coarse_now(void)
{
    return bide_now();
}

bide_instant bide_os_boot_now(void)
{
    return bide_now();
}
