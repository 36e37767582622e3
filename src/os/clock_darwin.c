/* Instants of macOS: nanoseconds of the counter that kevent and the Mach waits measure their time-outs on.
 * CLOCK_MONOTONIC there counts on while the machine sleeps, and in microseconds (clock_gettime(3)).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/clock.h"

bide_instant bide_now(void)
{
    return bide_instant_from_ns((int64_t)clock_gettime_nsec_np(CLOCK_UPTIME_RAW));
}

bide_instant bide_os_coarse_now(void)
{
    return bide_now();
}

bide_instant bide_os_boot_now(void)
{
    return bide_instant_from_ns((int64_t)clock_gettime_nsec_np(CLOCK_MONOTONIC_RAW));
}
