/* secure_getenv(3): see environment.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/environment.h"

#include <stdlib.h>

const char *bide_os_environment(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}
