/* Waiting on words by _umtx_op(2) of FreeBSD, which takes a deadline on the monotonic clock.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/futex.h"

#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include <sys/umtx.h>

void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    int saved = errno;
    struct _umtx_time until = {._flags = UMTX_ABSTIME, ._clockid = CLOCK_MONOTONIC};
    uintptr_t size = 0;
    if (!bide_is_never(deadline)) {
        until._timeout = bide_os_timespec(deadline.ns);
        size = sizeof until;
    }
    (void)_umtx_op((void *)word, UMTX_OP_WAIT_UINT_PRIVATE, expected, (void *)size, size ? &until : NULL);
    errno = saved;
}

static void wake(_Atomic uint32_t *word, unsigned long count)
{
    int saved = errno;
    (void)_umtx_op((void *)word, UMTX_OP_WAKE_PRIVATE, count, NULL, NULL);
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
