/* Processors that are there, where the system does not say which of them this process may use.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/processors.h"

#include <unistd.h>

unsigned bide_os_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}
