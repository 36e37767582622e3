/* futex(2) of Linux.
 *
 * FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC deadline (futex(2)), so that no clock is read here
 * and an interrupted wait keeps its deadline. Called through syscall(2): glibc has no wrapper, and the raw
 * call is no cancellation point.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/futex.h"

#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    int saved = errno;
    struct timespec until;
    struct timespec *limit = NULL;
    if (!bide_is_never(deadline)) {
        until = bide_os_timespec(deadline.ns);
        limit = &until;
    }
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, limit, NULL,
                  FUTEX_BITSET_MATCH_ANY);
    errno = saved;
}

static void wake(_Atomic uint32_t *word, int count)
{
    int saved = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
    errno = saved;
}

void bide_os_futex_wake_one(_Atomic uint32_t *word)
{
    wake(word, 1);
}

void bide_os_futex_wake_all(_Atomic uint32_t *word)
{
    wake(word, INT_MAX);
}
