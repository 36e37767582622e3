/* Processors, by the process' affinity mask.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/processors.h"

#include "os/compiler.h"
#include "os/system_windows.h"

unsigned bide_os_processors(void)
{
    DWORD_PTR own = 0;
    DWORD_PTR all = 0;
    unsigned count = 0;
    /* 0 for a process with threads in several groups of processors: it may use them all. */
    if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all) && own != all)
        for (; own; own &= own - 1)
            count++;
    if (count == 0) count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? count : 1;
}
