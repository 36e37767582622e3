/* Processors, by the affinity mask: containers and taskset(1) narrow it (sched_getaffinity(2)).
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/processors.h"

#include <sched.h>

unsigned bide_os_processors(void)
{
    cpu_set_t set;
    /* A machine with more than 1,024 refuses so small a set: then so many are enough. */
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 64;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
