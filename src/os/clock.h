/* The monotonic clock. The public half is bide/time.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_CLOCK_H
#define BIDE_OS_CLOCK_H

#include <bide/time.h>

#include <time.h>

/* A duration as the kernel takes it; negative counts as zero. */
struct timespec bide_os_timespec(bide_duration duration);

/* An instant that bide_now() has reached already; as a rule some milliseconds old at most, and cheaper to learn where
 * the system keeps such a clock: the counter of the processor, which waits for all that goes before, is not read. */
bide_instant bide_os_coarse_now(void);

/* Now, on a clock that goes on while the machine is suspended. It may start elsewhere than bide_now(). */
bide_instant bide_os_boot_now(void);

#endif
