/* The system's error numbers and the codes that they become.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_ERRORS_H
#define BIDE_OS_ERRORS_H

#include <bide/error.h>

/* Of several numbers with one code the first is the one that the code becomes again. */
struct bide_os_error {
    int system;
    int code;
};

extern const struct bide_os_error bide_os_errors[];
extern const size_t bide_os_error_count;

#endif
