/* Giving the standard descriptors back: see standard.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/standard.h"

#include "os/fork.h"
#include "os/io.h"

#include <stdlib.h>

/* A bit a descriptor, and above them the forks before they were noted: what the parent of a fork has noted is
 * its own, for a child's end must not change what the parent still uses. */
#define FORKS_SHIFT 3
#define DESCRIPTORS 7u

static _Atomic uint32_t changed;
static _Atomic unsigned hooked;

/* A word as it was, or an empty one if it is the parent's. */
static uint32_t ours(uint32_t word)
{
    uint32_t forks = bide_os_forks << FORKS_SHIFT;
    return (word & ~DESCRIPTORS) == forks ? word : forks;
}

static void give_back(void)
{
    uint32_t left = ours(atomic_exchange(&changed, 0));
    for (bide_fd fd = 0; fd <= 2; fd++)
        if (left & 1u << fd) (void)bide_os_set_nonblocking(fd, false, NULL);
}

void bide_os_standard_changed(bide_fd fd)
{
    if (fd > 2) return;
    /* Without memory for it the mode is left as it is, as it would be after a kill. */
    if (!atomic_exchange(&hooked, 1)) (void)atexit(give_back);
    uint32_t seen = atomic_load(&changed);
    while (!atomic_compare_exchange_weak(&changed, &seen, ours(seen) | 1u << fd)) {
    }
}

bool bide_os_standard_forget(bide_fd fd)
{
    if (fd > 2) return false;
    uint32_t seen = atomic_load(&changed);
    while (!atomic_compare_exchange_weak(&changed, &seen, ours(seen) & ~(1u << fd))) {
    }
    return (ours(seen) & 1u << fd) != 0;
}

bide_fd bide_os_standard_of(bide_fd fd)
{
    return fd;
}
