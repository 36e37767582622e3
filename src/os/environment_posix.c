/* By the user and group that the program runs as and was started by, where the system does not tell whether
 * they were raised before: see environment.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/environment.h"

#include <stdlib.h>
#include <unistd.h>

const char *bide_os_environment(const char *name)
{
    if (getuid() != geteuid() || getgid() != getegid()) return NULL;
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
    return value && *value ? value : NULL;
}
