/* What the annotations for ThreadSanitizer need of the system: see sanitize.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/sanitize.h"

#ifdef BIDE_SANITIZE_THREAD
#include "os/compiler.h"

/* Across the switch, which does not change the thread. */
static _Thread_local bide_os_sanitize_mask blocked_before;

BIDE_OS_NOINLINE void bide_sanitize_block_signals(void)
{
    bide_os_sanitize_block_signals(&blocked_before);
}

BIDE_OS_NOINLINE void bide_sanitize_unblock_signals(void)
{
    bide_os_sanitize_unblock_signals(&blocked_before);
}
#endif
