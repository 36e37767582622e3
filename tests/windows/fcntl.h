/* See posix.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include_next <fcntl.h>
#include "posix.h"
