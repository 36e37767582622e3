/* Variables of the environment.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_ENVIRONMENT_H
#define BIDE_OS_ENVIRONMENT_H

/* The value, which stays until the variable is changed; NULL: not set, or empty, or not to be trusted, because
 * the program has privileges that its caller has not. */
const char *bide_os_environment(const char *name);

#endif
