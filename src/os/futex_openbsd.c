/* Waiting on words by futex(2) of OpenBSD, whose time-outs are relative.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/futex.h"

#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/time.h>

#include <sys/futex.h>

void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    int saved = errno;
    struct timespec rest;
    struct timespec *limit = NULL;
    if (!bide_is_never(deadline)) {
        rest = bide_os_timespec(bide_instant_since(deadline, bide_now()));
        limit = &rest;
    }
    (void)futex((volatile uint32_t *)(void *)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, (int)expected, limit,
                NULL);
    errno = saved;
}

static void wake(_Atomic uint32_t *word, int count)
{
    int saved = errno;
    (void)futex((volatile uint32_t *)(void *)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL);
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

void bide_os_futex_forked(void)
{
}
