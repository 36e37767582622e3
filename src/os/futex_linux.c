/* futex(2) of Linux.
 *
 * FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC deadline (futex(2)), so that no clock is read here
 * and an interrupted wait keeps its deadline. Called through syscall(2): glibc has no wrapper, and the raw
 * call is no cancellation point.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/futex.h"

#include "os/sanitize.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What SYS_futex takes, whatever the C library's struct timespec is: on machines of 32 bits that may have grown
 * to 64 since. */
#if defined(SYS_futex)
typedef long kernel_seconds;
#define KERNEL_SECONDS_MOST LONG_MAX
#else /* 32-bit machines that are younger than that */
#define SYS_futex SYS_futex_time64
typedef long long kernel_seconds;
#define KERNEL_SECONDS_MOST LLONG_MAX
#endif
struct kernel_timespec {
    kernel_seconds seconds;
    kernel_seconds nanoseconds;
};

static bool wait_until(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    struct kernel_timespec until;
    struct kernel_timespec *limit = NULL;
    if (!bide_is_never(deadline)) {
        int64_t ns = deadline.ns > 0 ? deadline.ns : 0;
        int64_t seconds = ns / BIDE_SECONDS(1);
        /* Beyond what fits it ends early, and the caller looks again. */
        until.seconds = (kernel_seconds)(seconds < KERNEL_SECONDS_MOST ? seconds : KERNEL_SECONDS_MOST);
        until.nanoseconds = (kernel_seconds)(ns % BIDE_SECONDS(1));
        limit = &until;
    }
    return syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, limit, NULL,
                   FUTEX_BITSET_MATCH_ANY) == 0;
}

#ifdef BIDE_SANITIZE_THREAD
/* What comes in the few instructions before the call is handled at its end only, and who hears of one signal may send
 * the next at once: so the first waits are short. The last has a deadline too: then a signal ends it even if its handler
 * was installed with SA_RESTART. */
static void wait_in_slices(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    static const bide_duration slices[] = {BIDE_MILLISECONDS(1), BIDE_MILLISECONDS(10),
                                           BIDE_SECONDS(1000000)};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        bide_os_sanitize_handle_signals();
        bide_instant end = bide_after(slices[i]);
        bool woken = wait_until(word, expected, bide_earlier(deadline, end));
        bool over = woken || errno != ETIMEDOUT || bide_before(deadline, end);
        bide_os_sanitize_handle_signals();
        if (over) return;
    }
}
#endif

void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    int saved = errno;
#ifdef BIDE_SANITIZE_THREAD
    if (!bide_os_sanitize_no_signals()) {
        wait_in_slices(word, expected, deadline);
        errno = saved;
        return;
    }
#endif
    (void)wait_until(word, expected, deadline);
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

void bide_os_futex_forked(void)
{
}
