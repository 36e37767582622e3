/* Waiting on a word, and signals: what futex.h promises of both.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include "os/futex.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(futex, .timeout = 60);

static _Atomic uint32_t word;

static void release(int number)
{
    (void)number;
    atomic_store(&word, 1);
    bide_os_futex_wake_all(&word);
}

static void handle(void)
{
    const struct sigaction action = {.sa_handler = release, .sa_flags = SA_RESTART};
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Not by raise(3), of which ThreadSanitizer knows that the signal comes at once; and no atomic operation in between, at
 * which it would run the handler. */
Test(futex, a_signal_that_came_right_before_a_wait_is_handled)
{
    handle();
    cr_assert_eq(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1), 0);
    do
        bide_os_futex_wait(&word, 0, BIDE_NEVER);
    while (atomic_load(&word) == 0);
}
