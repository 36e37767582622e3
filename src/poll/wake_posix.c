/* Waking by a pipe: see wake.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "poll/wake.h"

int bide_poll_wake_open(bide_poll_wake *wake)
{
    return bide_poll_wake_open_pipe(wake);
}
