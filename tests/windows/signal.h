/* See posix.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include_next <signal.h>
#include "posix.h"
