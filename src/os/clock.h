/* The monotonic clock. The public half is bide/time.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_CLOCK_H
#define BIDE_OS_CLOCK_H

#include <bide/time.h>

#include <time.h>

/* A duration as the kernel takes it; negative counts as zero. */
struct timespec bide_os_timespec(bide_duration duration);

/* Now, on a clock that goes on while the machine is suspended. It may start elsewhere than bide_now(). */
bide_instant bide_os_boot_now(void);

#endif
