/* See posix.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include_next <unistd.h>
#include "posix.h"
