/* Variables of the environment. There are no programs whose caller has fewer privileges and sets their
 * environment.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/environment.h"

#include <stdlib.h>

const char *bide_os_environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}
