/* Giving the standard descriptors back: see standard.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/standard.h"

#include "os/fork.h"
#include "os/io.h"

#include <stdlib.h>

/* A bit a descriptor. */
static _Atomic unsigned changed;
static _Atomic bool hooked;
static uint32_t forks; /* when the first was noted */

static void give_back(void)
{
    /* A child's end must not change what the parent still uses. */
    unsigned left = forks == bide_os_forks ? atomic_exchange(&changed, 0) : 0;
    for (bide_fd fd = 0; fd <= 2; fd++)
        if (left & 1u << fd) (void)bide_os_set_nonblocking(fd, false, NULL);
}

void bide_os_standard_changed(bide_fd fd)
{
    if (fd > 2) return;
    if (!atomic_exchange(&hooked, true)) {
        forks = bide_os_forks;
        /* Without memory for it the mode is left as it is, as it would be after a kill. */
        (void)atexit(give_back);
    }
    atomic_fetch_or(&changed, 1u << fd);
}

bool bide_os_standard_forget(bide_fd fd)
{
    if (fd > 2) return false;
    return (atomic_fetch_and(&changed, ~(1u << fd)) & 1u << fd) != 0;
}
