/* The version of the library, for programs that want to compare it with their headers'.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/base.h>

#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)

unsigned bide_version(void)
{
    return BIDE_VERSION_NUMBER;
}

const char *bide_version_string(void)
{
    return TEXT(BIDE_VERSION_MAJOR) "." TEXT(BIDE_VERSION_MINOR) "." TEXT(BIDE_VERSION_PATCH);
}
