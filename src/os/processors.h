/* How many processors this process may use.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_PROCESSORS_H
#define BIDE_OS_PROCESSORS_H

/* At least 1. */
unsigned bide_os_processors(void);

#endif
