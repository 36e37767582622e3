/* issetugid(2) of the BSDs, macOS and illumos: see environment.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/environment.h"

#include <stdlib.h>
#include <unistd.h>

const char *bide_os_environment(const char *name)
{
    const char *value = issetugid() ? NULL : getenv(name);
    return value && *value ? value : NULL;
}
