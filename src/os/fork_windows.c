/* There is no fork(2).
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/fork.h"

uint32_t bide_os_forks;

int bide_os_at_fork(const struct bide_os_fork_handlers *handlers, _Atomic bool *done)
{
    (void)handlers;
    atomic_store(done, true);
    return 0;
}
